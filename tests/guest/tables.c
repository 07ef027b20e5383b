/*
 * What a hypervisor that shadows page tables must not mix up: tables that map themselves or serve
 * twice, recycled pages, superpages, A and D bits, global pages.
 *
 * Invariant: each change is followed by the fence that the spec asks for, and by nothing more; then
 * accesses must follow the new table. Read next: stores.c, how tables can be written; churn.c, the
 * same at random and by many harts.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/string.h"
#include "tests/guest/crew.h"
#include "tests/guest/insn.h"
#include "tests/guest/numbered.h"
#include "tests/guest/ops.h"
#include "tests/guest/store.h"
#include "tests/guest/tap.h"

#define TEST_VA	 0x1000000000ul
#define OTHER_VA (TEST_VA + (1ul << 30)) /* under another entry of the root */
#define BIG	 (2ul << 20)
#define HOLE	 0x18000000ul

#define CONTENTIONS 300

/* 2 MiB each, aligned, in RAM that nothing else uses. */
static uint64_t big[2];
static uint64_t asid_next;

/* --- tables in odd places --- */

/* A leaf table that maps itself as data: changed through that mapping alone. */
static void test_self_map(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *table = space_entry(&s, TEST_VA, 0), self = TEST_VA + 5 * 4096;
	volatile uint64_t *by_self = (volatile uint64_t *)self;
	unsigned wrong = 0;

	table[5] = pte_make((uint64_t)table, PTE_KERNEL);
	space_enter(&s);
	for (unsigned n = 0; n < 30; n++) {
		by_self[6 + n % 4] = leaf(n % 3 + 1);
		sfence_vma();
		wrong += look(TEST_VA + (6 + n % 4) * 4096) != n % 3 + 1;
	}
	test_is(wrong, 0, "a table that maps itself, changed through that");
	by_self[5] = 0;
	sfence_vma();
	test_ok(faults(self), "it unmaps itself");
	table[5] = pte_make((uint64_t)table, PTE_KERNEL & ~PTE_W);
	sfence_vma();
	test_traps(probe(op_store, self + 48, 0), CAUSE_STORE_PAGE, self + 48,
		   "it maps itself read-only");
	test_is(look(self + 40), table[5], "and can be read so");
	space_leave();
}

/* The root is also a middle table and a leaf table of itself. */
static void test_recursive(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t once = 500ul << 30, twice = once | 500ul << 21;
	uint64_t middle = (uint64_t)page_alloc();

	/* Sign-extended: index 500 lies in the upper half. */
	once |= -1ul << 39;
	twice |= -1ul << 39;
	s.root[500] = pte_make((uint64_t)s.root, PTE_V);
	s.root[501] = pte_make(big[0], PTE_KERNEL & ~PTE_W); /* misaligned at level 2 alone */
	*(uint64_t *)big[0] = 77;
	space_enter(&s);
	test_ok(faults((501ul << 30) | -1ul << 39), "the root's entry is a bad 1 GiB page");
	test_is(look(once | 501ul << 21), 77, "and a good 2 MiB page, the root being a middle");
	test_is(look(twice | 501ul << 12), 77,
		"and a good 4 KiB page, the root being a leaf table");
	test_ok(faults(twice | 500ul << 12), "the pointer itself is no leaf");
	s.root[501] = pte_make(middle, PTE_V);
	sfence_vma();
	test_ok(faults(once | 501ul << 21) && faults(twice | 501ul << 12) &&
			faults((501ul << 30) | -1ul << 39),
		"it becomes a pointer for all three");
	*(uint64_t *)middle = pte_make(big[0], PTE_KERNEL);
	sfence_vma();
	test_is(look((501ul << 30) | -1ul << 39), 77, "whose table maps 2 MiB");
	test_is(look(once | 501ul << 21), 77, "and 4 KiB, one level down");
	test_ok(faults(twice | 501ul << 12), "and nothing two levels down");
	space_leave();
}

/* One page of entries as a leaf table and as a middle one, changed while both are in use. */
static void test_two_levels(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *table = page_alloc(), *below = page_alloc();
	uint64_t low = TEST_VA, high = OTHER_VA;

	*space_entry(&s, low, 1) = pte_make((uint64_t)table, PTE_V);
	*space_entry(&s, high, 2) = pte_make((uint64_t)table, PTE_V);
	*(uint64_t *)big[0] = 70;
	*(uint64_t *)(big[0] + 8192) = 71;
	*(uint64_t *)big[1] = 80;
	*(uint64_t *)(big[1] + 8192) = 81;
	table[3] = pte_make(big[0], PTE_KERNEL);
	table[4] = pte_make((uint64_t)below, PTE_V);
	below[2] = leaf(1);
	space_enter(&s);
	test_is(look(low + 3 * 4096), 70, "a table at two levels: as a leaf table");
	test_is(look(high + 3 * BIG + 8192), 71, "as a middle table");
	test_is(look(high + 4 * BIG + 8192), 1, "its pointer");
	test_ok(faults(low + 4 * 4096), "which is no leaf");
	table[3] = pte_make(big[1], PTE_KERNEL);
	sfence_vma();
	test_ok(look(low + 3 * 4096) == 80 && look(high + 3 * BIG + 8192) == 81,
		"one store changes both");
	table[3] = 0;
	sfence_vma();
	test_ok(faults(low + 3 * 4096) && faults(high + 3 * BIG + 8192), "one store ends both");
	space_leave();
}

/* One leaf table at two places in each of two spaces. */
static void test_shared(void)
{
	struct space s[2] = { space_identity(SATP_MODE_SV39), space_identity(SATP_MODE_SV39) };
	uint64_t *table = page_alloc();
	unsigned wrong = 0;

	for (unsigned i = 0; i < 2; i++) {
		*space_entry(&s[i], TEST_VA, 1) = pte_make((uint64_t)table, PTE_V);
		*space_entry(&s[i], OTHER_VA, 1) = pte_make((uint64_t)table, PTE_V);
	}
	for (unsigned n = 0; n < 24; n++) {
		csr_write(CSR_SATP, space_satp(&s[n & 1], 0));
		sfence_vma();
		table[n % 3] = leaf(n % 3 + 1);
		table[(n + 1) % 3] = 0;
		sfence_vma();
		wrong += look(TEST_VA + n % 3 * 4096) != n % 3 + 1;
		csr_write(CSR_SATP, space_satp(&s[~n & 1], 0));
		sfence_vma();
		wrong += look(OTHER_VA + n % 3 * 4096) != n % 3 + 1;
		wrong += !faults(OTHER_VA + (n + 1) % 3 * 4096);
	}
	space_leave();
	test_is(wrong, 0, "one table in two spaces, twice in each");
}

/* --- pages that change their use --- */

static uint64_t fresh_asid(void)
{
	return asid_next++;
}

/*
 * A table's page becomes data under another ASID, without any fence: nothing may write to it but
 * the guest, A and D bits included. Then it becomes a table again, of a space never seen before.
 */
static void test_recycled_without_fence(void)
{
	struct space s = space_identity(SATP_MODE_SV39), t = space_identity(SATP_MODE_SV39);
	struct space u = space_identity(SATP_MODE_SV39);
	uint64_t *table = space_entry(&s, TEST_VA, 0);
	unsigned wrong = 0;

	sfence_vma();
	table[0] = leaf(1);
	table[1] = pte_make((uint64_t)numbered[2], PTE_KERNEL & ~(PTE_A | PTE_D));
	csr_write(CSR_SATP, space_satp(&s, fresh_asid()));
	test_is(look(TEST_VA), 1, "recycling: a table at work");
	csr_write(CSR_SATP, space_satp(&t, fresh_asid()));
	for (unsigned i = 0; i < 512; i++)
		table[i] = pte_make(i << 12, PTE_V | PTE_R | PTE_W);
	for (unsigned n = 0; n < 50; n++)
		look((uint64_t)numbered[n & 3]);
	for (unsigned i = 0; i < 512; i++)
		wrong += table[i] != pte_make(i << 12, PTE_V | PTE_R | PTE_W);
	test_is(wrong, 0, "recycling: it holds data, no fence made");
	mem_set(table, 0, 4096);
	table[7] = leaf(2);
	*space_entry(&u, OTHER_VA, 1) = pte_make((uint64_t)table, PTE_V);
	csr_write(CSR_SATP, space_satp(&u, fresh_asid()));
	test_is(look(OTHER_VA + 7 * 4096), 2, "recycling: a table of a new ASID, no fence made");
	test_ok(faults(OTHER_VA), "recycling: its old entries are gone");
	space_leave();
}

/* Round and round, with the fences that one ASID needs. */
static void test_recycled_with_fences(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *page = page_alloc();
	uint64_t *where[2] = { space_entry(&s, TEST_VA, 1), space_entry(&s, OTHER_VA, 1) };
	uint64_t va[2] = { TEST_VA, OTHER_VA };
	unsigned wrong = 0;

	space_enter(&s);
	for (unsigned n = 0; n < 40; n++) {
		unsigned i = n & 1;

		mem_set(page, 0, 4096);
		page[n] = leaf(n % 3 + 1);
		*where[i] = pte_make((uint64_t)page, PTE_V);
		sfence_vma();
		wrong += look(va[i] + n * 4096) != n % 3 + 1;
		*where[i] = 0;
		sfence_vma();
		for (unsigned w = 0; w < 512; w++)
			page[w] = ~leaf(1) + w;
		wrong += !faults(va[i] + n * 4096);
		for (unsigned w = 0; w < 512; w++)
			wrong += page[w] != ~leaf(1) + w;
	}
	space_leave();
	test_is(wrong, 0, "a page is table, then data, 40 times");
}

/* A data page, written through a mapping of its own, is made a table and written so again. */
static void test_data_becomes_table(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *page = page_alloc();
	volatile uint64_t *data = (volatile uint64_t *)OTHER_VA;
	unsigned wrong = 0;

	space_map(&s, OTHER_VA, (uint64_t)page, 0, PTE_KERNEL);
	space_enter(&s);
	data[0] = leaf(1);
	*space_entry(&s, TEST_VA, 1) = pte_make((uint64_t)page, PTE_V);
	sfence_vma();
	for (unsigned n = 0; n < 30; n++) {
		data[0] = leaf(n % 3 + 1);
		sfence_vma();
		wrong += look(TEST_VA) != n % 3 + 1;
	}
	*space_entry(&s, TEST_VA, 1) = 0;
	sfence_vma();
	data[0] = 5;
	wrong += !faults(TEST_VA) || data[0] != 5;
	space_leave();
	test_is(wrong, 0, "a writable page becomes a table and data again");
}

/* --- superpages --- */

static void test_split_and_merge(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *table = page_alloc(), *entry = space_entry(&s, TEST_VA, 1);
	unsigned wrong = 0;

	for (unsigned i = 0; i < 512; i++) {
		*(uint64_t *)(big[0] + i * 4096) = i;
		table[i] = pte_make(big[0] + i * 4096, PTE_KERNEL);
	}
	space_enter(&s);
	for (unsigned n = 0; n < 8; n++) {
		*entry = pte_make(big[0], PTE_KERNEL);
		table[n] = 0;
		sfence_vma();
		for (unsigned i = 0; i < 512; i += 51)
			wrong += look(TEST_VA + i * 4096) != i;
		*entry = pte_make((uint64_t)table, PTE_V);
		sfence_vma();
		for (unsigned i = 0; i < 512; i += 51)
			wrong += i == n ? !faults(TEST_VA + i * 4096)
					: look(TEST_VA + i * 4096) != i;
		table[n] = pte_make(big[0] + n * 4096, PTE_KERNEL);
	}
	space_leave();
	test_is(wrong, 0, "2 MiB split and merged, 8 times");
}

/* A 2 MiB page that has a table in it, and data beside it. */
static void test_table_in_superpage(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	volatile uint64_t *table = (volatile uint64_t *)(OTHER_VA + 3 * 4096);
	volatile uint64_t *data = (volatile uint64_t *)(OTHER_VA + 4 * 4096);
	unsigned wrong = 0;

	mem_set((void *)(big[0] + 3 * 4096), 0, 4096);
	space_map(&s, OTHER_VA, big[0], 1, PTE_KERNEL);
	*space_entry(&s, TEST_VA, 1) = pte_make(big[0] + 3 * 4096, PTE_V);
	space_enter(&s);
	for (unsigned n = 0; n < 30; n++) {
		table[9] = leaf(n % 3 + 1);
		data[n] = n;
		sfence_vma();
		wrong += look(TEST_VA + 9 * 4096) != n % 3 + 1 || data[n] != n;
	}
	space_leave();
	test_is(wrong, 0, "a table within a superpage, with data beside it");
}

/* One leaf over all there is: devices, holes, RAM and what lies behind it. */
static void test_over_everything(uint64_t mode, unsigned level, uint64_t pa)
{
	uint64_t va = level < 3 ? TEST_VA : 1ul << (12 + 9 * level);
	uint64_t end = board.ram_base + board.ram_bytes;
	struct space s = space_identity(mode);

	space_map(&s, va, pa, level, PTE_KERNEL);
	space_enter(&s);
	va -= pa;
	if (pa <= UART_BASE) {
		test_returns(probe_insn(insn_load(OP_LOAD, WIDTH_BU, 10, 10, UART_LSR),
					va + UART_BASE, 0),
			     0x60, "a leaf at level %u: a device", level);
		test_traps(probe(op_load, va + HOLE, 0), CAUSE_LOAD_ACCESS, va + HOLE,
			   "a leaf at level %u: a hole", level);
		test_traps(probe(op_store, va + HOLE, 0), CAUSE_STORE_ACCESS, va + HOLE,
			   "a leaf at level %u: a store to a hole", level);
	}
	if (pa + (1ul << (12 + 9 * level)) > RAM_BASE) {
		test_is(look(va + (uint64_t)numbered[2]), 2, "a leaf at level %u: RAM", level);
		probe(op_store, va + end - 8, level);
		test_is(*(volatile uint64_t *)(end - 8), level,
			"a leaf at level %u: the end of RAM", level);
		test_traps(probe(op_load, va + end, 0), CAUSE_LOAD_ACCESS, va + end,
			   "a leaf at level %u: behind RAM", level);
		test_traps(probe(op_store, va + end, 0), CAUSE_STORE_ACCESS, va + end,
			   "a leaf at level %u: a store behind RAM", level);
	}
	space_leave();
}

/* --- A and D --- */

static uint64_t ad_after(uint64_t *entry, uint64_t flags, code_fn *fn, uint64_t va)
{
	*entry = (*entry & PTE_PPN_MASK) | flags;
	sfence_vma();
	probe(fn, va, (uint64_t)numbered[1]);
	return *entry & (PTE_A | PTE_D);
}

/* At each level: what sets A alone, what sets D too, and again after each is cleared. */
static void test_ad(unsigned level, bool by_hardware)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t base = level == 2 ? RAM_BASE : big[0], *entry;
	uint64_t va = TEST_VA + big[0] - base;
	uint64_t a = by_hardware ? PTE_A : 0, ad = by_hardware ? PTE_A | PTE_D : 0;
	uint64_t rwx = PTE_V | PTE_RWX;

	*(volatile uint16_t *)big[0] = 0x8082; /* ret */
	fence_i();
	space_map(&s, TEST_VA, base, level, 0);
	entry = space_entry(&s, TEST_VA, level);
	space_enter(&s);
	for (unsigned again = 0; again < 3; again++) {
		test_is(ad_after(entry, rwx, op_fetch, va), a, "level %u: a fetch", level);
		test_is(ad_after(entry, rwx, op_load, va), a, "level %u: a load", level);
		test_is(ad_after(entry, rwx, store_sc_d, va + 8), ad, "level %u: lr, sc", level);
		test_is(ad_after(entry, rwx | PTE_A, op_load, va), PTE_A, "level %u: a load with A",
			level);
		test_is(ad_after(entry, rwx | PTE_A, op_store, va + 8), PTE_A | ad,
			"level %u: a store with A", level);
		test_is(ad_after(entry, rwx, op_store, va + 8), ad, "level %u: a store", level);
		test_is(ad_after(entry, (rwx & ~PTE_W) | PTE_A, op_store, va + 8), PTE_A,
			"level %u: a forbidden store", level);
	}
	space_leave();
}

/* Members beside the boot hart count in bit 8 of the entry while A and D are set in it. */
static uint64_t *contended;
static struct space contended_space;
static volatile bool contended_end;
static uint64_t contended_lost, contended_wrong;
static volatile uint64_t contended_turns;

static void count_in_entry(uint64_t number)
{
	uint64_t expected = 0;

	while (!contended_end) {
		uint64_t was = __atomic_fetch_xor(contended, 1ul << 8, __ATOMIC_RELAXED);

		/* With more than two harts no one knows what to expect, but for the first. */
		if (number == 1)
			contended_lost += (was >> 8 & 1) != expected;
		expected ^= 1;
		contended_turns = contended_turns + 1;
	}
}

static void touch_contended(void)
{
	uint64_t wanted = PTE_A | PTE_D;

	space_enter(&contended_space);
	for (unsigned n = 0; n < CONTENTIONS || contended_turns < CONTENTIONS; n++) {
		__atomic_fetch_and(contended, ~wanted, __ATOMIC_RELAXED);
		asm volatile("sfence.vma %0, zero" : : "r"(TEST_VA) : "memory");
		if ((n & 1) != 0)
			*(volatile uint64_t *)(TEST_VA + 8) = n;
		else
			(void)*(volatile uint64_t *)(TEST_VA + 8);
		contended_wrong += (*contended & wanted) != ((n & 1) != 0 ? wanted : PTE_A);
		contended_wrong += ((*contended ^ leaf(1)) & ~(wanted | 1ul << 8)) != 0;
	}
	space_leave();
	contended_end = true;
}

static void contend(uint64_t number)
{
	if (number == 0)
		touch_contended();
	else if (number == 1)
		count_in_entry(number);
}

static void test_ad_atomic(bool by_hardware)
{
	if (board.hart_count < 2 || !by_hardware) {
		test_skip("A and D while another hart changes the entry: %s",
			  by_hardware ? "one hart" : "they are set by software");
		return;
	}
	contended_space = space_identity(SATP_MODE_SV39);
	space_map(&contended_space, TEST_VA, (uint64_t)numbered[1], 0, PTE_KERNEL);
	contended = space_entry(&contended_space, TEST_VA, 0);
	crew_run(contend);
	test_is(contended_wrong, 0, "A, D set in an entry that another hart changes");
	test_is(contended_lost, 0, "the other hart's changes, none lost");
}

static bool hardware_sets_ad(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	bool sets;

	space_map(&s, TEST_VA, (uint64_t)numbered[1], 0, PTE_V | PTE_R);
	space_enter(&s);
	sets = !probe(op_load, TEST_VA, 0).taken;
	space_leave();
	return sets;
}

/* --- global pages --- */

static void test_global(void)
{
	struct space s[2] = { space_identity(SATP_MODE_SV39), space_identity(SATP_MODE_SV39) };
	uint64_t *table = page_alloc(), asid[2] = { fresh_asid(), fresh_asid() };
	unsigned wrong = 0;

	for (unsigned i = 0; i < 2; i++) {
		*space_entry(&s[i], TEST_VA, 1) = pte_make((uint64_t)table, PTE_V | PTE_G);
		space_map(&s[i], OTHER_VA, (uint64_t)numbered[i + 1], 0, PTE_KERNEL);
	}
	table[0] = leaf(3) | PTE_G;
	sfence_vma();
	for (unsigned n = 0; n < 100; n++) {
		csr_write(CSR_SATP, space_satp(&s[n & 1], asid[n & 1]));
		wrong += look(TEST_VA) != 3 || look(OTHER_VA) != (n & 1) + 1;
	}
	test_is(wrong, 0, "a global page beside one that isn't, 100 switches");
	for (unsigned n = 0; n < 30; n++) {
		table[0] = leaf(n % 3 + 1) | PTE_G;
		asm volatile("sfence.vma %0, zero" : : "r"(TEST_VA) : "memory");
		wrong += look(TEST_VA) != n % 3 + 1;
		csr_write(CSR_SATP, space_satp(&s[n & 1], asid[n & 1]));
		wrong += look(TEST_VA) != n % 3 + 1;
	}
	space_leave();
	test_is(wrong, 0, "a global page changed, then the space switched, 30 times");
}

static void prepare(void)
{
	uint64_t middle = board.ram_base + board.ram_bytes / 2;

	numbered_init();
	for (unsigned i = 0; i < COUNT(big); i++)
		big[i] = (middle & ~(BIG - 1)) + i * BIG;
	asid_next = 100;
}

int main(void)
{
	bool by_hardware;

	prepare();
	by_hardware = hardware_sets_ad();
	test_self_map();
	test_recursive();
	test_two_levels();
	test_shared();
	test_recycled_without_fence();
	test_recycled_with_fences();
	test_data_becomes_table();
	test_split_and_merge();
	test_table_in_superpage();
	test_over_everything(SATP_MODE_SV39, 2, 0);
	test_over_everything(SATP_MODE_SV39, 2, RAM_BASE);
	if (satp_mode_works(SATP_MODE_SV48))
		test_over_everything(SATP_MODE_SV48, 3, 0);
	else
		test_skip("a leaf at level 3: no Sv48");
	for (unsigned level = 0; level < 3; level++)
		test_ad(level, by_hardware);
	test_ad_atomic(by_hardware);
	test_global();
	return test_done();
}
