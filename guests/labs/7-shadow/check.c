/*
 * Lab 7's checks: the student's shadow is what satp leads to, the guest physical pages lie in host
 * pages in another order, and each host page has a word of its own.
 */
#include "guests/labs/7-shadow/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"
#include "guests/lib/print.h"
#include "guests/lib/trap.h"

#define LD 0x00053503u /* ld a0, 0(a0) */
#define SD 0x00b53023u /* sd a1, 0(a0) */

#define VA     0x0000001000400000ul
#define GPA    0x40000000ul
#define PAGES  64u
#define SERVED 8 /* fills for one access, at most */

static struct space space;
static struct pager pager;
static uint64_t *guest;
static uint64_t *host[PAGES];
static unsigned fills;

uint64_t given_host_page(uint64_t gpa)
{
	return gpa - GPA < PAGES * 4096ul ? (uint64_t)host[(gpa - GPA) >> 12] : 0;
}

static uint64_t guest_leaf(unsigned page, uint64_t flags)
{
	return pte_make(GPA + 4096ul * page, flags);
}

static void prepare(void)
{
	space = space_identity(SATP_MODE_SV39);
	pager = (struct pager){ VA, page_alloc(), page_alloc() };
	guest = (uint64_t *)pager.guest;
	*space_entry(&space, VA, 1) = pte_make((uint64_t)pager.shadow, PTE_V);
	for (unsigned i = 0; i < PAGES; i++)
		host[i] = page_alloc();
	for (unsigned i = PAGES - 1; i > 0; i--) {
		unsigned other = (unsigned)(lab_random() % (i + 1));
		uint64_t *page = host[i];

		host[i] = host[other];
		host[other] = page;
	}
	for (unsigned i = 0; i < PAGES; i++)
		*host[i] = lab_random();
	space_enter(&space);
}

/* An access of the guest's, with the student's pager where the shadow faults. */
static enum outcome try(unsigned index, enum access access, uint64_t *value)
{
	uint64_t at = VA + 4096ul * index;

	for (unsigned n = 0; n < SERVED; n++) {
		struct trap t = probe_insn(access == STORE ? SD : LD, at, *value);
		enum outcome o;

		if (!t.taken) {
			*value = t.value;
			return RETRY;
		}
		fills++;
		o = (enum outcome)LAB_CALL(fill, &pager, at, access, 0);
		if (o != RETRY)
			return o;
		sfence_vma();
	}
	print("     the access faults again and again, though fill() says RETRY\n");
	return GUEST_PAGE_FAULT;
}

static bool finds(unsigned index, unsigned page)
{
	uint64_t value = 0;

	return try(index, LOAD, &value) == RETRY && value == *host[page];
}

static bool composes(void)
{
	prepare();
	for (unsigned i = 0; i < PAGES; i++)
		guest[i] = guest_leaf(PAGES - 1 - i, PTE_KERNEL);
	for (unsigned i = 0; i < PAGES; i++)
		if (!finds(i, PAGES - 1 - i))
			return false;
	return true;
}

static bool fills_once(void)
{
	unsigned before = fills;

	return finds(3, PAGES - 4) && finds(9, PAGES - 10) && fills == before;
}

static bool keeps_rights(void)
{
	uint64_t value = lab_random();

	guest[100] = guest_leaf(5, PTE_V | PTE_R | PTE_A | PTE_D);
	guest[101] = guest_leaf(5, PTE_V | PTE_X | PTE_A | PTE_D);
	guest[103] = pte_make(GPA + 4096ul * PAGES, PTE_KERNEL);
	return finds(100, 5) && try(100, STORE, &value) == GUEST_PAGE_FAULT &&
	       try(101, LOAD, &value) == GUEST_PAGE_FAULT &&
	       try(102, LOAD, &value) == GUEST_PAGE_FAULT &&
	       try(103, LOAD, &value) == GUEST_ACCESS_FAULT;
}

/* Remaps by a store that the pager hears of, and none else. */
static bool sees_stores(void)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 16; i++) {
		unsigned page = (unsigned)(lab_random() % PAGES);

		if (try(i, LOAD, &value) != RETRY)
			return false;
		guest[i] = guest_leaf(page, PTE_KERNEL);
		LAB_CALL(stored, &pager, i, 0, 0);
		if (!finds(i, page))
			return false;
	}
	guest[7] = 0;
	LAB_CALL(stored, &pager, 7, 0, 0);
	return try(7, LOAD, &value) == GUEST_PAGE_FAULT;
}

static bool drops_no_more(void)
{
	unsigned before;

	if (!finds(20, PAGES - 21) || !finds(21, PAGES - 22))
		return false;
	before = fills;
	guest[20] = guest_leaf(1, PTE_KERNEL);
	LAB_CALL(stored, &pager, 20, 0, 0);
	return finds(21, PAGES - 22) && fills == before;
}

static bool sees_fences(void)
{
	for (unsigned i = 30; i < 46; i++) {
		unsigned page = (unsigned)(lab_random() % PAGES);
		uint64_t value = 0;

		if (try(i, LOAD, &value) != RETRY)
			return false;
		guest[i] = guest_leaf(page, PTE_KERNEL);
		LAB_CALL(fenced, &pager, VA + 4096ul * i + (lab_random() & 4095), 0, 0);
		if (!finds(i, page))
			return false;
	}
	return true;
}

int main(void)
{
	static const struct step steps[] = {
		{ "a load through the shadow finds the host page behind the guest's",
		  "guest entry: page number to gpa; given_host_page(): gpa to host; shadow entry: "
		  "host page number, and the guest's flags",
		  composes },
		{ "what is filled stays filled", "the entry's index is that of the guest's entry",
		  fills_once },
		{ "what the guest's table forbids is the guest's own page fault",
		  "look at V, and at R, W or X by the kind of access, before you fill",
		  keeps_rights },
		{ "after a store to the guest's table no access goes by what stood there",
		  "the shadow's entry was made from the old one; and the machine may remember the "
		  "shadow's entry, too",
		  sees_stores },
		{ "and other pages' shadows stay", "one store, one entry", drops_no_more },
		{ "after the guest's fence no access to that page goes by what stood there",
		  "the fence is all you hear: what may have changed by then?", sees_fences },
	};

	return lab_steps(7, steps, sizeof(steps) / sizeof(steps[0]));
}
