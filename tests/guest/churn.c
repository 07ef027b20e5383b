/*
 * Random edits of page tables, with the fences due, against a model: by one hart in every mode of
 * access, by all harts in the same tables at once; and more tables than anyone would want to
 * shadow.
 *
 * Invariant: a mirror in plain memory gets each edit too; what an access shall do is worked out
 * from the mirror alone, and in the end the tables must equal it, but for A and D. The random
 * numbers are the same in each run. Read next: tables.c, the special cases one by one.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "guests/lib/string.h"
#include "tests/guest/crew.h"
#include "tests/guest/insn.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define WINDOW	 0x1000000000ul /* where the edits show: REGIONS times 2 MiB */
#define USER_RAM 0x2000000000ul /* all RAM once more, for U */
#define PAGES	 8
#define REGIONS	 4
#define TABLES	 6
#define SLOTS	 16 /* entries of a table that are in use */
#define BIG	 (2ul << 20)
#define AD	 (PTE_A | PTE_D)

enum access { LOAD, STORE, FETCH };
static code_fn *const codes[] = { op_load, op_store, op_fetch };
static const uint64_t causes[] = { CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE, CAUSE_FETCH_PAGE };

struct context {
	bool user, sum, mxr;
	enum access access;
};

static struct space space;
static uint64_t *pages[PAGES]; /* word 0: c.ret and the number; word 1 is for stores */
static uint64_t *tables[TABLES], *middle;
static uint64_t table_mirror[TABLES][SLOTS], middle_mirror[REGIONS];
static uint64_t big; /* 2 MiB, whose page n begins as pages[n % PAGES] does */
static uint64_t wrong[MAX_HARTS], seeds[MAX_HARTS];

static uint64_t word_of(uint64_t number)
{
	return number << 16 | INSN_C_RET;
}

/* xorshift64, one stream for each member of the crew. */
static uint64_t pick(uint64_t who, uint64_t below)
{
	uint64_t x = seeds[who];

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	seeds[who] = x;
	return (x >> 11) % below;
}

/* A leaf entry as random as it can be without reserved encodings: those, too, now and then. */
static uint64_t random_leaf(uint64_t who)
{
	uint64_t flags = pick(who, 256);

	if (pick(who, 4) != 0)
		flags |= PTE_V | PTE_R | AD;
	/* An entry that is a pointer at the last level, or W without R, faults: leave some. */
	return pte_make((uint64_t)pages[pick(who, PAGES)], flags & ~(uint64_t)PTE_G);
}

static void edit_leaf(uint64_t who, unsigned table, unsigned slot)
{
	uint64_t pte = pick(who, 5) == 0 ? 0 : random_leaf(who);

	tables[table][slot] = pte;
	table_mirror[table][slot] = pte;
}

static void edit_middle(uint64_t who, unsigned region)
{
	uint64_t pte = pte_make((uint64_t)tables[pick(who, TABLES)], PTE_V);

	if (pick(who, 8) == 0)
		pte = 0;
	else if (pick(who, 6) == 0)
		pte = pte_make(big, (random_leaf(who) & 0x3df) | PTE_V | PTE_R);
	middle[region] = pte;
	middle_mirror[region] = pte;
}

/* The entry that maps the page @slot of @region, by the mirror; @big_page: it maps all 2 MiB. */
static uint64_t mirror_entry(unsigned region, unsigned slot, bool *big_page)
{
	uint64_t pte = middle_mirror[region];

	*big_page = (pte & PTE_V) != 0 && (pte & PTE_RWX) != 0;
	if ((pte & PTE_V) == 0 || *big_page)
		return pte;
	for (unsigned i = 0; i < TABLES; i++)
		if (pte_address(pte) == (uint64_t)tables[i])
			return table_mirror[i][slot];
	return 0;
}

static bool permitted(uint64_t pte, struct context c)
{
	if ((pte & PTE_V) == 0 || ((pte & PTE_R) == 0 && (pte & PTE_W) != 0))
		return false;
	if (c.user != ((pte & PTE_U) != 0) && (c.user || c.access == FETCH || !c.sum))
		return false;
	if (c.access == FETCH)
		return (pte & PTE_X) != 0;
	if (c.access == STORE)
		return (pte & PTE_W) != 0;
	return (pte & PTE_R) != 0 || (c.mxr && (pte & PTE_X) != 0);
}

static struct frame perform(struct context c, uint64_t va, uint64_t value)
{
	uint64_t alias = c.user ? USER_RAM - RAM_BASE : 0;
	struct frame f;

	frame_init(&f, (uint64_t)codes[c.access] + alias);
	f.x[1] += alias;
	f.x[10] = va;
	f.x[11] = value;
	f.sstatus &= ~(SSTATUS_SUM | SSTATUS_MXR);
	f.sstatus |= (c.sum ? SSTATUS_SUM : 0) | (c.mxr ? SSTATUS_MXR : 0);
	if (c.user)
		f.sstatus &= ~SSTATUS_SPP;
	run(&f);
	return f;
}

/* Whether one access ends as the mirror says. Entries with A or D clear may fault (Svade). */
static bool access_is_right(unsigned region, unsigned slot, struct context c, uint64_t value)
{
	uint64_t va = WINDOW + region * BIG + slot * 4096, pte;
	bool big_page;
	struct frame f;
	uint64_t number;

	pte = mirror_entry(region, slot, &big_page);
	number = big_page ? slot % PAGES : 0;
	for (unsigned i = 0; i < PAGES && !big_page; i++)
		if (pte_address(pte) == (uint64_t)pages[i])
			number = i;
	f = perform(c, c.access == STORE ? va + 8 : va, value);
	if (!run_returned(&f) && f.pc != f.x[1]) {
		uint64_t needs = c.access == STORE ? AD : PTE_A;

		return f.cause == causes[c.access] && (f.tval & ~15ul) == va &&
		       (!permitted(pte, c) || (pte & needs) != needs);
	}
	if (!permitted(pte, c))
		return false;
	return c.access != LOAD || f.x[10] == word_of(number);
}

static struct context random_context(uint64_t who)
{
	return (struct context){
		.user = pick(who, 2) != 0,
		.sum = pick(who, 3) == 0,
		.mxr = pick(who, 3) == 0,
		.access = (enum access)pick(who, 3),
	};
}

static void check(uint64_t who, unsigned region, unsigned slot)
{
	struct context c = random_context(who);

	if (access_is_right(region, slot, c, seeds[who]))
		return;
	if (wrong[who]++ == 0 && who == 0)
		print("# %s by %c SUM=%d MXR=%d to region %u slot %u\n",
		      (const char *[]){ "load", "store", "fetch" }[c.access], c.user ? 'U' : 'S',
		      c.sum, c.mxr, region, slot);
}

/* The tables hold what was stored to them, but for A and D, which may only have been added. */
static unsigned differences(void)
{
	unsigned count = 0;

	for (unsigned t = 0; t < TABLES; t++)
		for (unsigned i = 0; i < 512; i++) {
			uint64_t want = i < SLOTS ? table_mirror[t][i] : 0;

			count += ((tables[t][i] ^ want) & ~AD) != 0 || (want & ~tables[t][i]) != 0;
		}
	for (unsigned i = 0; i < REGIONS; i++)
		count += ((middle[i] ^ middle_mirror[i]) & ~AD) != 0;
	return count;
}

static void begin(uint64_t mode)
{
	space = space_identity(mode);
	space_map(&space, USER_RAM, RAM_BASE, 2, PTE_USER);
	middle = space_entry(&space, WINDOW, 1);
	for (unsigned i = 0; i < TABLES; i++) {
		mem_set(tables[i], 0, 4096);
		mem_set(table_mirror[i], 0, sizeof(table_mirror[i]));
	}
	for (unsigned i = 0; i < MAX_HARTS; i++) {
		seeds[i] = 0x9e3779b97f4a7c15 * (i + 1);
		wrong[i] = 0;
	}
	for (unsigned i = 0; i < REGIONS; i++)
		middle[i] = middle_mirror[i] = pte_make((uint64_t)tables[i], PTE_V);
}

static uint64_t all_wrong(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < MAX_HARTS; i++)
		sum += wrong[i];
	return sum;
}

/* --- one hart --- */

static void fence_region(unsigned region)
{
	if (region < REGIONS / 2)
		asm volatile("sfence.vma zero, %0" : : "r"(0) : "memory");
	else
		sfence_vma();
}

/* One edit of a leaf, fenced by address wherever it shows; then a look at it and at another. */
static void step_leaf(void)
{
	unsigned table = (unsigned)pick(0, TABLES), slot = (unsigned)pick(0, SLOTS);

	edit_leaf(0, table, slot);
	for (unsigned r = 0; r < REGIONS; r++)
		if (pte_address(middle_mirror[r]) == (uint64_t)tables[table])
			asm volatile("sfence.vma %0, zero"
				     :
				     : "r"(WINDOW + r * BIG + slot * 4096)
				     : "memory");
	for (unsigned r = 0; r < REGIONS; r++)
		if (pte_address(middle_mirror[r]) == (uint64_t)tables[table])
			check(0, r, slot);
	check(0, (unsigned)pick(0, REGIONS), (unsigned)pick(0, SLOTS));
}

/* Many edits, one fence, many looks. */
static void step_batch(void)
{
	unsigned region = (unsigned)pick(0, REGIONS);

	for (unsigned i = 0; i < 20; i++)
		edit_leaf(0, (unsigned)pick(0, TABLES), (unsigned)pick(0, SLOTS));
	if (pick(0, 2) != 0)
		edit_middle(0, region);
	fence_region(region);
	for (unsigned i = 0; i < 20; i++)
		check(0, (unsigned)pick(0, REGIONS), (unsigned)pick(0, SLOTS));
}

/* The whole middle table is exchanged for a copy, and the old page wiped. */
static void step_root(void)
{
	uint64_t *copy = page_alloc();

	mem_copy(copy, middle, 4096);
	*space_entry(&space, WINDOW, 2) = pte_make((uint64_t)copy, PTE_V);
	sfence_vma();
	mem_set(middle, 0xff, 4096);
	middle = copy;
	check(0, (unsigned)pick(0, REGIONS), (unsigned)pick(0, SLOTS));
}

static void test_one_hart(uint64_t mode, const char *name)
{
	begin(mode);
	space_enter(&space);
	for (unsigned i = 0; i < 600; i++) {
		step_leaf();
		if (i % 8 == 0)
			step_batch();
		if (i % 64 == 0)
			step_root();
	}
	space_leave();
	test_is(all_wrong(), 0, "%s: accesses that go wrong among random edits", name);
	test_is(differences(), 0, "%s: entries that aren't what was stored", name);
}

/* --- all harts in the same tables --- */

/*
 * In each round every member edits the slots that are its own, all at once and in the same tables,
 * and looks at them after a fence of its own; then all fence all, and look at everyone's; then one
 * changes the structure, and all look again.
 */
static void churn_round(uint64_t who, unsigned round)
{
	for (unsigned i = 0; i < 6; i++) {
		unsigned slot =
			(unsigned)(who + board.hart_count * pick(who, SLOTS / board.hart_count));
		unsigned region = (unsigned)pick(who, REGIONS);

		for (unsigned t = 0; t < TABLES; t++)
			edit_leaf(who, t, slot);
		sfence_vma();
		check(who, region, slot);
	}
	if (round % 4 != 0)
		crew_fence();
	else
		for (unsigned r = 0; r < REGIONS; r++)
			crew_fence_range(WINDOW + r * BIG, SLOTS * 4096);
	crew_meet();
	for (unsigned i = 0; i < 8; i++)
		check(who, (unsigned)pick(who, REGIONS), (unsigned)pick(who, SLOTS));
	crew_meet();
	if (round % board.hart_count == who) {
		edit_middle(who, (unsigned)pick(who, REGIONS));
		crew_fence();
	}
	crew_meet();
	for (unsigned i = 0; i < 4; i++)
		check(who, (unsigned)pick(who, REGIONS), (unsigned)pick(who, SLOTS));
	crew_meet();
}

static void churn(uint64_t who)
{
	space_enter(&space);
	for (unsigned round = 0; round < 16; round++)
		churn_round(who, round);
	space_leave();
}

static void test_all_harts(void)
{
	if (board.hart_count < 2) {
		test_skip("all harts in the same tables: one hart");
		return;
	}
	begin(SATP_MODE_SV39);
	crew_run(churn);
	test_is(all_wrong(), 0, "accesses that go wrong while all harts edit the same tables");
	test_is(differences(), 0, "entries that aren't what they stored");
}

/* --- very many tables --- */

#define MANY 2100

static uint64_t many_va(unsigned i, unsigned turn)
{
	return WINDOW + i * BIG + (i * 7 + turn * 13) % 512 * 4096;
}

static unsigned many_pass(unsigned turn)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < MANY; i++)
		bad += *(volatile uint64_t *)many_va(i, turn) != word_of((i + turn) % PAGES);
	return bad;
}

/* A leaf table each for MANY regions; then every one is changed, all with one fence. */
static void test_many(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	unsigned bad;

	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < MANY; i++)
			space_map(&s, many_va(i, turn), (uint64_t)pages[(i + turn) % PAGES], 0,
				  PTE_KERNEL);
		space_enter(&s);
		bad = many_pass(turn);
		bad += many_pass(turn);
		space_leave();
		test_is(bad, 0, "%u leaf tables, each looked at twice, turn %u", MANY, turn);
	}
	space_enter(&s);
	for (unsigned i = 0; i < MANY; i++)
		*space_entry(&s, many_va(i, 1), 0) = 0;
	sfence_vma();
	bad = many_pass(0);
	for (unsigned i = 0; i < MANY; i += 20)
		bad += !probe(op_load, many_va(i, 1), 0).taken;
	space_leave();
	test_is(bad, 0, "%u entries cleared under one fence, the others left", MANY);
}

static void prepare(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		pages[i] = page_alloc();
		pages[i][0] = word_of(i);
	}
	for (unsigned i = 0; i < TABLES; i++)
		tables[i] = page_alloc();
	big = (board.ram_base + board.ram_bytes - 2 * BIG) & ~(BIG - 1);
	if (board.dtb >= big && board.dtb < big + BIG)
		big -= BIG;
	for (unsigned i = 0; i < SLOTS; i++)
		*(uint64_t *)(big + i * 4096) = word_of(i % PAGES);
	fence_i();
}

int main(void)
{
	prepare();
	test_one_hart(SATP_MODE_SV39, "Sv39");
	if (satp_mode_works(SATP_MODE_SV48))
		test_one_hart(SATP_MODE_SV48, "Sv48");
	else
		test_skip("no Sv48");
	test_all_harts();
	test_many();
	return test_done();
}
