/*
 * hyp/shadow/ against the oracle: random tables, edited and fenced as a guest may, and accesses of
 * several vcpus that go through shadow tables as the hardware would. A difference ends the program.
 */
#ifndef TESTS_ORACLE_SHADOW_H
#define TESTS_ORACLE_SHADOW_H

#include "hyp/shadow/shadow.h"
#include "tests/oracle/compare.h"

struct shadow_coverage {
	uint64_t what[SHADOW_CACHING][SHADOW_NOMEM + 1];
	uint64_t level[3], remembered, updates, bare, unfenced, before;
	uint64_t edits, stores, narrow, amos, lifted, recycled, new_roots;
	uint64_t fences[4]; /* bit 0: of a page, bit 1: of an ASID */
	uint64_t absent;    /* of those of a page of an ASID, what fast.S does by itself */
	uint64_t changes, unshadows, evicted, foreseen, copied, flushes, checks;
	uint64_t discarded; /* pages that the guest gave back */
};

/* Build a world with shadows, and do @steps in it. */
void shadow_world(struct bits *b, unsigned steps, struct shadow_coverage *c);

#endif
