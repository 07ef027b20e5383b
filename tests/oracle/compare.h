/*
 * hyp/vs-stage/ and hyp/g-stage/ against the oracle: one world of random tables at a time, many
 * translations in each. A difference is printed and ends the program.
 */
#ifndef TESTS_ORACLE_COMPARE_H
#define TESTS_ORACLE_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "hyp/mmu/explain.h"
#include "tests/oracle/oracle.h"

/* Where decisions come from: a fuzzer's bytes as long as they last, else a generator's. */
struct bits {
	const uint8_t *data;
	size_t n;
	uint64_t state;
};

struct world;

/* What has been seen; a suite that never saw one of these has proved nothing about it. */
struct coverage {
	uint64_t result[ORACLE_RESULTS], why[WHY_COUNT];
	uint64_t level[5], g_level[4], bare, implicit, implicit_store;
	uint64_t explained[EXPLAIN_WHYS];
	uint64_t by_mxr, by_sum, napot, pbmt, updates, copied;
};

/* What is wrong with the explanation of one access, or NULL; counts what came of it. */
const char *compare_explanation(struct world *w, const struct oracle_machine *m, uint64_t va,
				enum oracle_access access, struct coverage *c);

/* The guest's own entries on the way of an access, into @to. Returns how many. Nothing is changed.
 */
unsigned guest_references(struct gstage *gs, const struct regime *r, gva_t at, enum access want,
			  struct explain_ref to[PT_MAX_LEVELS]);

/* Build a world and make @queries translations in it. */
void compare_world(struct bits *b, unsigned queries, struct coverage *c);

#endif
