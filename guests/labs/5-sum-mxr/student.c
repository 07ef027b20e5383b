/*
 * Lab 5: SUM and MXR. README.md has the task, lab.h what you are asked for.
 */
#include "guests/labs/5-sum-mxr/lab.h"

void copy_from_user(uint8_t *to, const uint8_t *from, uint64_t bytes)
{
	/* Your code: something must stand before and behind the loop. */
	for (uint64_t i = 0; i < bytes; i++)
		to[i] = from[i];
}

uint32_t read_code(const uint32_t *at)
{
	/* Your code. */
	return *at;
}

bool may(uint64_t flags, enum access access, bool user, uint64_t sstatus)
{
	/* Your code. */
	(void)flags;
	(void)access;
	(void)user;
	(void)sstatus;
	return true;
}
