/*
 * Lab 1, solved.
 */
#include "guests/labs/1-sv39/lab.h"

void map(uint64_t *root, uint64_t va, uint64_t pa, uint64_t flags)
{
	uint64_t *table = root;

	for (unsigned level = 2; level > 0; level--) {
		uint64_t *entry = &table[va >> (12 + 9 * level) & 511];

		if ((*entry & PTE_V) == 0)
			*entry = (uint64_t)given_page() >> 12 << PTE_PPN_SHIFT | PTE_V;
		table = (uint64_t *)((*entry & PTE_PPN_MASK) >> PTE_PPN_SHIFT << 12);
	}
	table[va >> 12 & 511] = pa >> 12 << PTE_PPN_SHIFT | flags;
}
