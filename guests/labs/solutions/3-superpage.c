/*
 * Lab 3, solved.
 */
#include "guests/labs/3-superpage/lab.h"

#define MEGAPAGE 0x200000ul

uint64_t broken_leaf(uint64_t pa)
{
	uint64_t number = (pa & ~(MEGAPAGE - 1)) >> 12;

	return (number | 1) << PTE_PPN_SHIFT | PTE_KERNEL;
}

bool map_2m(uint64_t *entry, uint64_t va, uint64_t pa, uint64_t flags)
{
	if (((va | pa) & (MEGAPAGE - 1)) != 0)
		return false;
	*entry = pa >> 12 << PTE_PPN_SHIFT | flags;
	return true;
}

void split(uint64_t *entry, uint64_t va)
{
	uint64_t *table = given_page();

	for (uint64_t i = 0; i < 512; i++)
		table[i] = *entry + (i << PTE_PPN_SHIFT);
	*entry = (uint64_t)table >> 12 << PTE_PPN_SHIFT | PTE_V;
	asm volatile("sfence.vma %0, zero" : : "r"(va) : "memory");
}
