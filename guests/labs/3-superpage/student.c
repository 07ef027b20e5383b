/*
 * Lab 3: misalign a superpage. README.md has the task, lab.h what you are given and asked for.
 */
#include "guests/labs/3-superpage/lab.h"

uint64_t broken_leaf(uint64_t pa)
{
	/* Your code. */
	(void)pa;
	return 0;
}

bool map_2m(uint64_t *entry, uint64_t va, uint64_t pa, uint64_t flags)
{
	/* Your code. */
	(void)entry;
	(void)va;
	(void)pa;
	(void)flags;
	return false;
}

void split(uint64_t *entry, uint64_t va)
{
	/* Your code. */
	(void)entry;
	(void)va;
}
