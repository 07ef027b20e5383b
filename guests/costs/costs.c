/*
 * costs: what translation costs, in instructions, its hypervisor's and firmware's included; run it
 * with --icount, where the clock ticks every 100 instructions, or the numbers are times.
 *
 * Invariant: each thing is done TIMES times in a row, with as little as can be around it, and the
 * row without it is taken off. Read next: guests/textbook/, which does some of it once, slowly.
 */
#include "guests/lib/paging.h"

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/print.h"

#define TIMES	 64u
#define ROUNDS	 4u /* the last counts: by then nothing of the guest's own is new */
#define PAGE	 4096ul
#define DATA	 (RAM_BASE + 0x800000ul) /* the pages that are mapped */
#define WINDOW	 0x0000001000000000ul
#define PER_TICK 100u

static struct space space, other;
static uint64_t *leaves; /* of WINDOW */
static uint64_t pages[2][TIMES];

static void load(unsigned i)
{
	(void)*(volatile uint64_t *)(WINDOW + PAGE * i);
}

static void store_entry(unsigned i, uint64_t leaf)
{
	*(volatile uint64_t *)&leaves[i] = leaf;
}

static void fence(unsigned i)
{
	asm volatile("sfence.vma %0, zero" : : "r"(WINDOW + PAGE * i) : "memory");
}

static void switch_to(const struct space *s, uint64_t asid)
{
	csr_write(CSR_SATP, space_satp(s, asid));
}

/* What is before each row: all pages mapped to their first place, and used. */
static void prepare(void)
{
	for (unsigned i = 0; i < TIMES; i++)
		store_entry(i, pages[0][i]);
	sfence_vma();
	for (unsigned i = 0; i < TIMES; i++)
		load(i);
}

/* The same, but nothing is mapped. */
static void prepare_empty(void)
{
	for (unsigned i = 0; i < TIMES; i++)
		store_entry(i, 0);
	sfence_vma();
}

static void nothing(unsigned i)
{
	asm volatile("" : : "r"(i));
}

static void map_and_load(unsigned i)
{
	store_entry(i, pages[0][i]);
	load(i);
}

static void remap(unsigned i)
{
	store_entry(i, pages[1][i]);
	fence(i);
	load(i);
}

static void store_twice(unsigned i)
{
	store_entry(i, pages[1][i]);
	store_entry(i, pages[0][i]);
}

static void go_and_return(unsigned i)
{
	switch_to(&other, 2);
	load(i);
	switch_to(&space, 1);
}

typedef void act_fn(unsigned i);

static uint64_t ticks_of(void (*before)(void), act_fn *act)
{
	uint64_t from;

	before();
	from = csr_read(CSR_TIME);
	for (unsigned i = 0; i < TIMES; i++)
		act(i);
	return csr_read(CSR_TIME) - from;
}

static uint64_t measure(void (*before)(void), act_fn *act)
{
	uint64_t ticks = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t idle = ticks_of(before, nothing);
		uint64_t busy = ticks_of(before, act);

		ticks = busy > idle ? busy - idle : 0;
	}
	return ticks * PER_TICK / TIMES;
}

static void make_spaces(void)
{
	space = space_identity(SATP_MODE_SV39);
	other = space_identity(SATP_MODE_SV39);
	leaves = space_entry(&space, WINDOW, 0);
	for (unsigned i = 0; i < TIMES; i++) {
		for (unsigned n = 0; n < 2; n++)
			pages[n][i] = pte_make(DATA + PAGE * (n * TIMES + i), PTE_KERNEL);
		*space_entry(&other, WINDOW + PAGE * i, 0) = pages[1][i];
	}
	switch_to(&space, 1);
	sfence_vma();
}

int main(void)
{
	static const struct {
		const char *what;
		void (*before)(void);
		act_fn *act;
	} rows[] = {
		{ "load from a page in use", prepare, load },
		{ "map a page, load from it", prepare_empty, map_and_load },
		{ "store to a page-table entry, twice", prepare, store_twice },
		{ "map elsewhere, fence, load", prepare, remap },
		{ "switch address space, load, switch back", prepare, go_and_return },
	};

	make_spaces();
	print("Instructions, each of %u times:\n", TIMES);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		print("%-41s%6lu\n", rows[i].what, measure(rows[i].before, rows[i].act));
	print("That was all.\n");
	return 0;
}
