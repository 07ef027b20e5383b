/*
 * Lab 2, solved.
 */
#include "guests/labs/2-fence/lab.h"

void remap_unfenced(uint64_t *entry, uint64_t leaf)
{
	*(volatile uint64_t *)entry = leaf;
}

void remap(uint64_t *entry, uint64_t leaf, uint64_t va)
{
	*(volatile uint64_t *)entry = leaf;
	sfence_vma_page(va);
}

void swap(uint64_t *entry, uint64_t va, uint64_t *other_entry, uint64_t other)
{
	uint64_t leaf = *entry;

	*(volatile uint64_t *)entry = *other_entry;
	*(volatile uint64_t *)other_entry = leaf;
	sfence_vma_page(va);
	sfence_vma_page(other);
}
