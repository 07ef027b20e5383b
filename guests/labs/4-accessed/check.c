/*
 * Lab 4's checks: what is read and written is chosen at random, and the hardware, or where it
 * leaves that to software the student's mend(), sets the bits.
 */
#include "guests/labs/4-accessed/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"
#include "guests/lib/trap.h"

#define LD    0x00053503u /* ld a0, 0(a0) */
#define SD    0x00b53023u /* sd a1, 0(a0) */
#define VA    0x0000001000200000ul
#define PAGES 48

static struct space space;
static uint64_t *leaves;
static enum use uses[PAGES];

static const struct {
	uint64_t leaf, cause, after; /* after: 0: not to be mended */
} cases[] = {
	{ PTE_V | PTE_R, CAUSE_LOAD_PAGE, PTE_V | PTE_R | PTE_A },
	{ PTE_V | PTE_RWX, CAUSE_FETCH_PAGE, PTE_V | PTE_RWX | PTE_A },
	{ PTE_V | PTE_R | PTE_W, CAUSE_STORE_PAGE, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D },
	{ PTE_V | PTE_R | PTE_W | PTE_A, CAUSE_STORE_PAGE, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D },
	{ PTE_V | PTE_R | PTE_W | PTE_D, CAUSE_LOAD_PAGE, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D },
	{ PTE_V | PTE_R, CAUSE_STORE_PAGE, 0 },
	{ PTE_V | PTE_X, CAUSE_LOAD_PAGE, 0 },
	{ PTE_V | PTE_R | PTE_W, CAUSE_FETCH_PAGE, 0 },
	{ PTE_R | PTE_W, CAUSE_LOAD_PAGE, 0 },
	{ PTE_V | PTE_RWX | PTE_U, CAUSE_LOAD_PAGE, 0 },
	{ PTE_V | PTE_R | PTE_A, CAUSE_LOAD_PAGE, 0 },
	{ PTE_KERNEL, CAUSE_STORE_PAGE, 0 },
};

static bool mends(bool these)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t frame = pte_make(lab_random() & 0xfffff000ul, 0);
		uint64_t leaf = frame | cases[i].leaf;
		bool could = LAB_CALL(mend, &leaf, cases[i].cause, 0, 0) != 0;

		if ((cases[i].after != 0) != these)
			continue;
		if (could != these || leaf != (frame | (these ? cases[i].after : cases[i].leaf)))
			return false;
	}
	return true;
}

static bool mends_what_it_can(void)
{
	return mends(true);
}

static bool leaves_the_rest(void)
{
	return mends(false);
}

static void prepare(void)
{
	space = space_identity(SATP_MODE_SV39);
	leaves = space_entry(&space, VA, 0);
	for (unsigned i = 0; i < PAGES; i++)
		leaves[i] = pte_make((uint64_t)page_alloc(), PTE_V | PTE_R | PTE_W);
	space_enter(&space);
}

/* An access, with the student's handler where the hardware sets no bits. */
static bool touch(unsigned i, bool write)
{
	for (unsigned tries = 0; tries < 3; tries++) {
		struct trap t = probe_insn(write ? SD : LD, VA + 4096ul * i + 8 * i, lab_random());

		if (!t.taken)
			return true;
		if (LAB_CALL(mend, &leaves[i], t.cause, 0, 0) == 0)
			return false;
		sfence_vma();
	}
	return false;
}

/* Use pages at random, and see whether harvest() knows. */
static bool round_holds(void)
{
	enum use wanted[PAGES];

	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t dice = lab_random() & 3;

		wanted[i] = dice == 0 ? UNUSED : dice == 1 ? WRITTEN : READ;
		if (wanted[i] != UNUSED && !touch(i, false))
			return false;
		if (wanted[i] == WRITTEN && !touch(i, true))
			return false;
	}
	LAB_CALL(harvest, leaves, PAGES, VA, uses);
	for (unsigned i = 0; i < PAGES; i++)
		if (uses[i] != wanted[i])
			return false;
	return true;
}

static bool first_harvest(void)
{
	prepare();
	return round_holds();
}

static bool next_harvests(void)
{
	for (unsigned i = 0; i < 8; i++)
		if (!round_holds())
			return false;
	return true;
}

int main(void)
{
	static const struct step steps[] = {
		{ "mend() sets A, and D for a store",
		  "A leaf without A serves nobody; one without D serves no store",
		  mends_what_it_can },
		{ "mend() leaves alone what no bit can mend",
		  "first ask whether V, U and R, W or X allow that access; and if A and D are set "
		  "already, it was something else",
		  leaves_the_rest },
		{ "harvest() tells what was read, what was written, what neither",
		  "D says written, A alone read", first_harvest },
		{ "harvest() tells it again and again",
		  "clear both bits; and what the hart remembers of an entry it doesn't set again: "
		  "what makes it forget?",
		  next_harvests },
	};

	return lab_steps(4, steps, sizeof(steps) / sizeof(steps[0]));
}
