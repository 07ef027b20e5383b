/*
 * oracle SEED N: about N random translations compared; the same SEED makes the same ones. Fails on
 * the first difference (with everything about it), and where a case never occurred.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/oracle/compare.h"

#define QUERIES 400 /* in a world */

struct row {
	const char *what;
	uint64_t n;
};

int main(int argc, char **argv)
{
	struct bits b = { .state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1 };
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
	struct coverage c = { 0 };
	unsigned missing = 0;

	for (uint64_t done = 0; done < n; done += QUERIES)
		compare_world(&b, QUERIES, &c);

	const struct row rows[] = {
		{ "translated", c.result[ORACLE_OK] },
		{ "  by a leaf of level 0", c.level[0] },
		{ "  by a leaf of level 1", c.level[1] },
		{ "  by a leaf of level 2", c.level[2] },
		{ "  by a leaf of level 3", c.level[3] },
		{ "  by a leaf of level 4", c.level[4] },
		{ "  Bare", c.bare },
		{ "  G-stage leaf of level 0", c.g_level[0] },
		{ "  G-stage leaf of level 1", c.g_level[1] },
		{ "  G-stage leaf of level 2", c.g_level[2] },
		{ "  load of an X-only page by MXR", c.by_mxr },
		{ "  user page in S-mode by SUM", c.by_sum },
		{ "  Svnapot leaf", c.napot },
		{ "  Svpbmt leaf", c.pbmt },
		{ "  A or D set", c.updates },
		{ "  bundle page copied", c.copied },
		{ "page fault", c.result[ORACLE_PAGE_FAULT] },
		{ "guest page fault, not RAM", c.result[ORACLE_GUEST_PAGE_FAULT] },
		{ "  of a table", c.implicit },
		{ "refused: address", c.why[WHY_ADDRESS] },
		{ "refused: V = 0", c.why[WHY_INVALID] },
		{ "refused: W without R", c.why[WHY_WRITE_ONLY] },
		{ "refused: bits 60:54", c.why[WHY_RESERVED] },
		{ "refused: N", c.why[WHY_NAPOT] },
		{ "refused: PBMT", c.why[WHY_PBMT] },
		{ "refused: D, A, U of a pointer", c.why[WHY_POINTER_BITS] },
		{ "refused: pointer at level 0", c.why[WHY_NO_LEAF] },
		{ "refused: misaligned superpage", c.why[WHY_MISALIGNED] },
		{ "refused: S page in U-mode", c.why[WHY_SUPERVISOR_PAGE] },
		{ "refused: U page in S-mode", c.why[WHY_USER_PAGE] },
		{ "refused: fetch from U page", c.why[WHY_USER_FETCH] },
		{ "refused: R, W, X", c.why[WHY_RIGHTS] },
		{ "refused: A = 0", c.why[WHY_ACCESSED] },
		{ "refused: D = 0", c.why[WHY_DIRTY] },
	};
	const unsigned n_rows = sizeof(rows) / sizeof(rows[0]);

	for (unsigned i = 0; i < n_rows; i++) {
		printf("%10" PRIu64 "  %s%s\n", rows[i].n, rows[i].what,
		       rows[i].n ? "" : "  <- never occurred");
		missing += !rows[i].n;
	}
	printf("oracle: %u passed, %u failed\n", n_rows - missing, missing);
	return missing != 0;
}
