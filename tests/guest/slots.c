/*
 * All of Sv39: each gigabyte of both halves has data and code of its own, at both of its ends. A
 * hypervisor without the H-extension on a core that has no wider mode must have something of its
 * own somewhere; this looks everywhere, so there too.
 *
 * Invariant: slot n's page has n in it, and code that returns n. It is at the slot's first and last
 * 4 KiB, and in the first sixteen pages of its last 2 MiB. Slots 0 and 2 are the kit's own.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/paging.h"
#include "tests/guest/crew.h"
#include "tests/guest/insn.h"
#include "tests/guest/numbered.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define SLOTS 512u
#define HALF  (SLOTS / 2)
#define FIRST 3u
#define GIGA  (1ul << 30)
#define MEGA  (2ul << 20)
#define PAGES 16u

/* A page, by 16-bit parcels: a load that begins on the page before, and a function. */
#define LOAD_LOW   2047u /* ld a0, 0(a0): the low half; the high one is on the next page */
#define LOAD_HIGH  0u
#define LOAD_RET   1u
#define NUMBER	   2u
#define CODE	   4u /* li a0, n; ret */
#define LAST_NUMBER 2046u

static struct space space;
static uint16_t *page[SLOTS];

static uint64_t slot_at(unsigned slot)
{
	return (uint64_t)((int64_t)((uint64_t)slot << 55) >> 25);
}

/* Where the page is in its slot: all the places in turn. */
static uint64_t place(unsigned n)
{
	return n % (PAGES + 2) < PAGES ? GIGA - MEGA + n % (PAGES + 2) * 4096
				       : n % (PAGES + 2) == PAGES ? 0 : GIGA - 4096;
}

static uint16_t *page_of(unsigned slot)
{
	uint16_t *p = page_alloc();

	p[LOAD_LOW] = (uint16_t)insn_load(OP_LOAD, WIDTH_D, 10, 10, 0);
	p[LOAD_HIGH] = (uint16_t)(insn_load(OP_LOAD, WIDTH_D, 10, 10, 0) >> 16);
	p[LOAD_RET] = INSN_C_RET;
	p[NUMBER] = p[LAST_NUMBER] = (uint16_t)slot;
	p[CODE] = 0x0513; /* addi a0, zero, n */
	p[CODE + 1] = (uint16_t)(slot << 4);
	p[CODE + 2] = INSN_C_RET;
	return p;
}

static void map_slot(unsigned slot, uint64_t flags)
{
	for (unsigned n = 0; n < PAGES + 2; n++)
		space_map(&space, slot_at(slot) + place(n), (uint64_t)page[slot], 0, flags);
}

static bool is_ours(unsigned slot)
{
	return slot != 0 && slot != 2;
}

static uint64_t load(unsigned slot, unsigned n)
{
	return *(volatile uint16_t *)(slot_at(slot) + place(n) + 2 * NUMBER);
}

static uint64_t call(unsigned slot, unsigned n)
{
	code_fn *code = (code_fn *)(slot_at(slot) + place(n) + 2 * CODE);

	return code(0, 0);
}

static uint64_t store(unsigned slot, unsigned n)
{
	volatile uint16_t *number = (volatile uint16_t *)(slot_at(slot) + place(n)) + NUMBER;

	*number = (uint16_t)~slot;
	*number = (uint16_t)~*number;
	return page[slot][NUMBER];
}

/* @step apart, round and round until each had its turn: by odd numbers. */
static unsigned visit(uint64_t (*use)(unsigned slot, unsigned n), unsigned step)
{
	unsigned wrong = 0;

	for (unsigned i = 0, slot = 0; i < SLOTS; i++, slot = (slot + step) % SLOTS)
		if (is_ours(slot))
			wrong += use(slot, i) != slot;
	return wrong;
}

static void test_each(void)
{
	static const unsigned steps[] = { 1, SLOTS - 1, 37, 255, 257 };

	for (unsigned i = 0; i < COUNT(steps); i++) {
		test_is(visit(load, steps[i]), 0, "loads, %u slots apart", steps[i]);
		test_is(visit(call, steps[i]), 0, "calls, %u slots apart", steps[i]);
		test_is(visit(store, steps[i]), 0, "stores, %u slots apart", steps[i]);
	}
}

/* One slot at every place: what is moved for the first must not be missing for the others. */
static void test_places(void)
{
	unsigned wrong = 0;

	for (unsigned slot = 0; slot < SLOTS; slot++)
		for (unsigned n = 0; is_ours(slot) && n < PAGES + 2; n++)
			wrong += load(slot, n) != slot || call(slot, n) != slot;
	test_is(wrong, 0, "%u places in each slot", PAGES + 2);
}

/* Slots @slot and the next hold the instruction, @data and the next what it loads. */
static bool crosses(unsigned slot, unsigned data)
{
	code_fn *code = (code_fn *)(slot_at(slot) + GIGA - 2);
	uint64_t edge = slot_at(data) + GIGA;

	return (code(edge - 4, 0) & 0xffff) == data && code(edge - 2, 0) >> 48 == data + 1;
}

static void test_crossing(unsigned from, unsigned to)
{
	unsigned wrong = 0, pairs = to - from - 1;

	for (unsigned n = 0; n < 3 * pairs; n++)
		wrong += !crosses(from + n % pairs, from + 61 * n % pairs);
	test_is(wrong, 0, "a load over the edge of two slots, itself over another's, from %u on",
		from);
}

static void test_faults(void)
{
	unsigned wrong = 0;

	for (unsigned slot = 0; slot < SLOTS; slot++) {
		uint64_t at = slot_at(slot) + GIGA / 2;
		struct trap fetch, amo;

		if (!is_ours(slot))
			continue;
		fetch = probe(op_fetch, at, 0);
		amo = probe(op_amoadd, at, 0);
		wrong += !faults(at) || !faults(slot_at(slot) + GIGA - MEGA + PAGES * 4096);
		wrong += fetch.cause != CAUSE_FETCH_PAGE || fetch.tval != at;
		wrong += amo.cause != CAUSE_STORE_PAGE && amo.cause != CAUSE_LOAD_PAGE;
	}
	test_is(wrong, 0, "what isn't mapped faults, in each slot");
}

/* Each slot shows another's memory for a while. */
static void test_edits(void)
{
	unsigned wrong = 0;

	for (unsigned slot = 0; slot < SLOTS; slot++) {
		uint64_t was = space.root[slot];
		unsigned other = FIRST + slot * 7 % (SLOTS - FIRST);

		if (!is_ours(slot))
			continue;
		wrong += load(slot, 0) != slot;
		space.root[slot] = space.root[other];
		sfence_vma();
		wrong += load(slot, 1) != other || call(slot, 2) != other;
		space.root[slot] = 0;
		sfence_vma();
		wrong += !faults(slot_at(slot) + place(0));
		space.root[slot] = was;
		sfence_vma();
		wrong += load(slot, 3) != slot || call(slot, 4) != slot;
	}
	test_is(wrong, 0, "each entry of the root is changed and put back");
}

/* The way back from the call isn't mapped for U: that is where it ends. */
static bool user_returns(unsigned slot, unsigned n)
{
	struct frame f;

	frame_init(&f, slot_at(slot) + place(n) + 2 * CODE);
	f.sstatus &= ~SSTATUS_SPP;
	run(&f);
	return f.cause == CAUSE_FETCH_PAGE && f.tval == run_end_address() && f.x[10] == slot;
}

static void test_user(void)
{
	unsigned wrong = 0;

	for (unsigned slot = 0; slot < SLOTS; slot++)
		if (is_ours(slot))
			map_slot(slot, PTE_USER);
	sfence_vma();
	for (unsigned slot = 0; slot < SLOTS; slot++)
		wrong += is_ours(slot) && !user_returns(slot, slot);
	test_is(wrong, 0, "calls in U, in each slot");
	csr_set(CSR_SSTATUS, SSTATUS_SUM);
	test_is(visit(load, 101), 0, "loads with SUM, 101 slots apart");
	test_is(visit(store, 103), 0, "stores with SUM, 103 slots apart");
	csr_clear(CSR_SSTATUS, SSTATUS_SUM);
}

/* All harts in the same tables. */
static uint64_t crew_wrong;

static void visit_too(uint64_t number)
{
	unsigned wrong = 0;

	space_enter(&space);
	for (unsigned i = 0; i < 4; i++)
		wrong += visit(load, 2 * (unsigned)number + 41 + 20 * i) +
			 visit(call, 2 * (unsigned)number + 43 + 20 * i);
	space_leave();
	__atomic_fetch_add(&crew_wrong, wrong, __ATOMIC_RELAXED);
}

int main(void)
{
	space = space_identity(SATP_MODE_SV39);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		if (!is_ours(slot))
			continue;
		page[slot] = page_of(slot);
		map_slot(slot, PTE_KERNEL);
	}
	fence_i();
	crew_run(visit_too);
	test_is(crew_wrong, 0, "all slots, by all harts");
	space_enter(&space);
	test_each();
	test_places();
	test_crossing(FIRST, HALF);
	test_crossing(HALF, SLOTS);
	test_faults();
	test_edits();
	test_user();
	space_leave();
	return test_done();
}
