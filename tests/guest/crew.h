/*
 * All harts doing the same thing at once.
 */
#ifndef TESTS_GUEST_CREW_H
#define TESTS_GUEST_CREW_H

#include <stdint.h>

#include "guests/lib/hart.h"

/** Call @fn with 0 .. hart_count - 1 on all harts; the boot hart is 0. Returns when all have. */
void crew_run(hart_fn *fn);

/** Wait until every hart of the crew has come here. */
void crew_meet(void);

/** A remote fence of every hart's whole address space, by the SBI; the caller's too. */
void crew_fence(void);

/** The same of @bytes at @va. */
void crew_fence_range(uint64_t va, uint64_t bytes);

#endif
