/*
 * Lab 9: a G-stage for a hypervisor. README.md has the task, lab.h what you are given and asked
 * for.
 */
#include "guests/labs/9-hypervisor/lab.h"

uint64_t hgatp_of(const uint64_t *root)
{
	/* Your code. */
	(void)root;
	return 0;
}

uint64_t hstatus_of_guest(uint64_t now)
{
	/* Your code. */
	return now;
}

void g_map(uint64_t *root, uint64_t gpa, uint64_t hpa, uint64_t rights)
{
	/* Your code. */
	(void)root;
	(void)gpa;
	(void)hpa;
	(void)rights;
}

bool g_fault(uint64_t *root, uint64_t cause, uint64_t htval)
{
	/* Your code. */
	(void)root;
	(void)cause;
	(void)htval;
	return false;
}
