/*
 * Lab 1's checks: the student's table is put into satp, and the machine says what it maps.
 */
#include "guests/labs/1-sv39/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/trap.h"

#define LD 0x00053503u /* ld a0, 0(a0) */
#define SD 0x00b53023u /* sd a1, 0(a0) */

#define LOW	 0x0000001000000000ul /* addresses that the kit doesn't need itself */
#define NEGATIVE 0xffffffc000000000ul

static struct space space;
static uint64_t va[4], word[4];
static uint64_t *page[4];
static unsigned tables;

uint64_t *given_page(void)
{
	tables++;
	return page_alloc();
}

static void ask(unsigned i, uint64_t at, uint64_t flags)
{
	va[i] = at;
	page[i] = page_alloc();
	*page[i] = word[i] = lab_random();
	LAB_CALL(map, space.root, at, page[i], flags);
}

static struct trap load(uint64_t at)
{
	struct trap t;

	space_enter(&space);
	t = probe_insn(LD, at, 0);
	space_leave();
	return t;
}

static bool store_faults(uint64_t at)
{
	struct trap t;

	space_enter(&space);
	t = probe_insn(SD, at, 0);
	space_leave();
	return t.taken && t.cause == CAUSE_STORE_PAGE;
}

static bool finds(unsigned i)
{
	struct trap t = load(va[i]);

	return !t.taken && t.value == word[i];
}

static bool first_page(void)
{
	space = space_identity(SATP_MODE_SV39);
	ask(0, LOW + (lab_random() & 0x3ffff000ul & ~0x3000ul), PTE_KERNEL);
	return finds(0);
}

static bool no_neighbours(void)
{
	struct trap above = load(va[0] + 0x1000), far = load(va[0] ^ 0x200000);

	return above.taken && above.cause == CAUSE_LOAD_PAGE && far.taken &&
	       far.cause == CAUSE_LOAD_PAGE;
}

static bool second_page(void)
{
	ask(1, va[0] + 0x2000, PTE_KERNEL);
	return finds(0) && finds(1) && tables == 2;
}

static bool negative_page(void)
{
	ask(2, NEGATIVE + (lab_random() & 0x3ffffff000ul), PTE_KERNEL);
	return finds(0) && finds(1) && finds(2);
}

static bool read_only(void)
{
	ask(3, va[2] ^ 0x1000, PTE_V | PTE_R | PTE_A);
	return finds(3) && store_faults(va[3]) && !store_faults(va[2]);
}

int main(void)
{
	static const struct step steps[] = {
		{ "a load through your table finds the word in its page",
		  "nine bits of the address at each level, highest first: bits 38-30, 29-21, "
		  "20-12; an entry holds the page number from bit 10 on",
		  first_page },
		{ "nothing else is mapped", "a leaf (R, W or X set) at level 0 alone maps 4 KiB",
		  no_neighbours },
		{ "a second page in the same 2 MiB shares the first one's tables",
		  "ask for a new table only where the entry isn't valid yet", second_page },
		{ "a negative address works", "mask each index: bits 63-39 are no part of it",
		  negative_page },
		{ "a page is mapped with the flags asked for", "the leaf has @flags, and no others",
		  read_only },
	};

	return lab_steps(1, steps, sizeof(steps) / sizeof(steps[0]));
}
