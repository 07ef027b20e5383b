/*
 * Lab 2: miss a fence, and see it. README.md has the task, lab.h what you are asked for.
 */
#include "guests/labs/2-fence/lab.h"

void remap_unfenced(uint64_t *entry, uint64_t leaf)
{
	/* Your code: one store. */
	(void)entry;
	(void)leaf;
}

void remap(uint64_t *entry, uint64_t leaf, uint64_t va)
{
	/* Your code: the store, and what must stand behind it. */
	(void)entry;
	(void)leaf;
	(void)va;
}

void swap(uint64_t *entry, uint64_t va, uint64_t *other_entry, uint64_t other)
{
	/* Your code: two stores; how many fences? */
	(void)entry;
	(void)va;
	(void)other_entry;
	(void)other;
}
