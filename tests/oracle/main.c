/*
 * oracle SEED N: about N random translations compared; the same SEED makes the same ones. Fails on
 * the first difference (with everything about it), and where a case never occurred.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/oracle/shadow.h"

#define QUERIES 400 /* in a world */
#define STEPS	400 /* in one with shadows; there is one for each SHARE queries */
#define SHARE	1000

struct row {
	const char *what;
	uint64_t n;
};

int main(int argc, char **argv)
{
	struct bits b = { .state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1 };
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
	struct coverage c = { 0 };
	struct shadow_coverage s = { 0 };
	unsigned missing = 0;

	for (uint64_t done = 0; done < n; done += QUERIES)
		compare_world(&b, QUERIES, &c);
	for (uint64_t done = 0; done < n; done += SHARE)
		shadow_world(&b, STEPS, &s);

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
		{ "explained: works", c.explained[EXPLAIN_WORKS] },
		{ "explained: an entry's flaw", c.explained[EXPLAIN_FLAW] },
		{ "explained: SUM", c.explained[EXPLAIN_USER_PAGE] },
		{ "explained: table outside RAM", c.explained[EXPLAIN_TABLE_OUTSIDE] },
		{ "explained: outside RAM", c.explained[EXPLAIN_OUTSIDE] },
		{ "explained: device", c.explained[EXPLAIN_DEVICE] },
		{ "explained: never touched", c.explained[EXPLAIN_G_NOTHING] },
		{ "explained: no W in the G-stage", c.explained[EXPLAIN_G_NO_WRITE] },
		{ "explained: no W there for A or D", c.explained[EXPLAIN_G_NO_UPDATE] },
		{ "shadow, trap: works", s.what[SHADOW_TRAP][SHADOW_RESUME] },
		{ "shadow, trap: page fault", s.what[SHADOW_TRAP][SHADOW_PAGE] },
		{ "shadow, trap: access fault", s.what[SHADOW_TRAP][SHADOW_ACCESS] },
		{ "shadow, trap: device", s.what[SHADOW_TRAP][SHADOW_DEVICE] },
		{ "shadow, trap: store to a table", s.what[SHADOW_TRAP][SHADOW_STORE] },
		{ "shadow, unsync: works", s.what[SHADOW_UNSYNC][SHADOW_RESUME] },
		{ "shadow, unsync: page fault", s.what[SHADOW_UNSYNC][SHADOW_PAGE] },
		{ "shadow, unsync: access fault", s.what[SHADOW_UNSYNC][SHADOW_ACCESS] },
		{ "shadow, unsync: device", s.what[SHADOW_UNSYNC][SHADOW_DEVICE] },
		{ "shadow, unsync: store to a table", s.what[SHADOW_UNSYNC][SHADOW_STORE] },
		{ "shadow, lazy: works", s.what[SHADOW_LAZY][SHADOW_RESUME] },
		{ "shadow, lazy: page fault", s.what[SHADOW_LAZY][SHADOW_PAGE] },
		{ "shadow, lazy: access fault", s.what[SHADOW_LAZY][SHADOW_ACCESS] },
		{ "shadow, lazy: device", s.what[SHADOW_LAZY][SHADOW_DEVICE] },
		{ "  by a leaf of level 0", s.level[0] },
		{ "  by a leaf of level 1", s.level[1] },
		{ "  by a leaf of level 2", s.level[2] },
		{ "  Bare", s.bare },
		{ "  remembered by the hart", s.remembered },
		{ "  A or D set", s.updates },
		{ "  right without the guest's fence", s.unfenced },
		{ "  before the fence", s.before },
		{ "  filled before it was tried again", s.foreseen },
		{ "edit", s.edits },
		{ "  emulated store", s.stores },
		{ "  of 1 to 7 bytes, misaligned too", s.narrow },
		{ "  emulated AMO", s.amos },
		{ "  protection lifted by the caller", s.lifted },
		{ "  protection lifted by the policy or the caller", s.unshadows },
		{ "  table page recycled", s.recycled },
		{ "  another root for an ASID", s.new_roots },
		{ "fence of all", s.fences[0] },
		{ "fence of a page", s.fences[1] },
		{ "fence of an ASID", s.fences[2] },
		{ "fence of a page of an ASID", s.fences[3] },
		{ "  with nothing to do, by what the last one found", s.absent },
		{ "  entry found changed", s.changes },
		{ "shadow table evicted", s.evicted },
		{ "bundle page copied under shadows", s.copied },
		{ "page given back under shadows", s.discarded },
		{ "other hart fenced", s.flushes },
		{ "whole state checked", s.checks },
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
