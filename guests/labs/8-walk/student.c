/*
 * Lab 8: count the references of a walk. README.md has the task, lab.h what you are given and asked
 * for.
 */
#include "guests/labs/8-walk/lab.h"

uint64_t walk_gstage(const struct stages *s, uint64_t gpa)
{
	/* Your code. */
	(void)s;
	(void)gpa;
	return 0;
}

uint64_t walk_both(const struct stages *s, uint64_t gva)
{
	/* Your code: a VS-stage entry lies at a guest physical address. */
	(void)s;
	(void)gva;
	return 0;
}

unsigned count(unsigned vs_levels, unsigned vs_leaf, unsigned g_levels, unsigned g_leaf)
{
	/* Your code. */
	(void)vs_levels;
	(void)vs_leaf;
	(void)g_levels;
	(void)g_leaf;
	return 0;
}
