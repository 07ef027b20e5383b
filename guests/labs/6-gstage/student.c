/*
 * Lab 6: which stage faulted? README.md has the task, lab.h what you are asked for.
 */
#include "guests/labs/6-gstage/lab.h"

void explain(uint64_t flags, enum place place, enum access access, struct answer *a)
{
	/* Your code. */
	(void)flags;
	(void)place;
	(void)access;
	a->faults = NOBODY;
	a->seen = 0;
}
