/*
 * After a fence the new translation holds: each form of sfence.vma, after each kind of change; satp
 * switches with and without ASIDs; recycled table pages; fence.i.
 *
 * Invariant: only what must hold after the fence is tested, never that something is stale before
 * it. Each page carries its number in its first word, so what a load returns says where it went.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/string.h"
#include "tests/guest/insn.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define TEST_VA	 0x1000000000ul
#define OTHER_VA (TEST_VA + 0x40000000) /* under another entry of the root */
#define ASID	 5ul

static void fence_all(uint64_t va, uint64_t asid)
{
	(void)va;
	(void)asid;
	asm volatile("sfence.vma zero, zero" : : : "memory");
}

static void fence_va(uint64_t va, uint64_t asid)
{
	(void)asid;
	asm volatile("sfence.vma %0, zero" : : "r"(va) : "memory");
}

static void fence_asid(uint64_t va, uint64_t asid)
{
	(void)va;
	asm volatile("sfence.vma zero, %0" : : "r"(asid) : "memory");
}

static void fence_va_asid(uint64_t va, uint64_t asid)
{
	asm volatile("sfence.vma %0, %1" : : "r"(va), "r"(asid) : "memory");
}

/* Which changes of the tables a form orders: with an address, those of leaf entries only. */
static const struct {
	const char *name;
	void (*fence)(uint64_t va, uint64_t asid);
	bool leaf_only;
} fences[] = {
	{ "sfence.vma", fence_all, false },
	{ "sfence.vma va", fence_va, true },
	{ "sfence.vma x0, asid", fence_asid, false },
	{ "sfence.vma va, asid", fence_va_asid, true },
};

static uint64_t *numbered[3];
static uint64_t asid_mask;

static uint64_t look(uint64_t va)
{
	return *(volatile uint64_t *)va;
}

static void enter(const struct space *s, uint64_t asid)
{
	csr_write(CSR_SATP, space_satp(s, asid & asid_mask));
}

static void test_leaf_changes(unsigned i)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t asid = ASID & asid_mask, *entry = space_entry(&s, TEST_VA, 0);

	enter(&s, ASID);
	sfence_vma();
	test_traps(probe(op_load, TEST_VA, 0), CAUSE_LOAD_PAGE, TEST_VA, "%s: not mapped yet",
		   fences[i].name);
	*entry = pte_make((uint64_t)numbered[1], PTE_KERNEL);
	fences[i].fence(TEST_VA, asid);
	test_returns(probe(op_load, TEST_VA, 0), 1, "%s: mapped", fences[i].name);
	*entry = pte_make((uint64_t)numbered[2], PTE_KERNEL);
	fences[i].fence(TEST_VA, asid);
	test_returns(probe(op_load, TEST_VA, 0), 2, "%s: moved", fences[i].name);
	probe(op_store, TEST_VA, 2);
	*entry = pte_make((uint64_t)numbered[2], PTE_KERNEL & ~PTE_W);
	fences[i].fence(TEST_VA, asid);
	test_traps(probe(op_store, TEST_VA, 0), CAUSE_STORE_PAGE, TEST_VA, "%s: write taken away",
		   fences[i].name);
	*entry = pte_make((uint64_t)numbered[2], PTE_KERNEL);
	fences[i].fence(TEST_VA, asid);
	test_returns(probe(op_store, TEST_VA, 2), TEST_VA, "%s: write given back", fences[i].name);
	*entry = 0;
	fences[i].fence(TEST_VA, asid);
	test_traps(probe(op_load, TEST_VA, 0), CAUSE_LOAD_PAGE, TEST_VA, "%s: unmapped",
		   fences[i].name);
	space_leave();
}

/* Exchange the last-level table, then the middle one, for a copy that leads elsewhere. */
static void test_pointer_changes(unsigned i)
{
	struct space s = space_identity(SATP_MODE_SV39), t = space_identity(SATP_MODE_SV39);
	uint64_t asid = ASID & asid_mask;

	space_map(&s, TEST_VA, (uint64_t)numbered[1], 0, PTE_KERNEL);
	space_map(&t, TEST_VA, (uint64_t)numbered[2], 0, PTE_KERNEL);
	for (unsigned level = 1; level <= 2; level++) {
		uint64_t *entry = space_entry(&s, TEST_VA, level), old = *entry;

		enter(&s, ASID);
		sfence_vma();
		test_is(look(TEST_VA), 1, "%s: before a level %u pointer changes", fences[i].name,
			level);
		*entry = *space_entry(&t, TEST_VA, level);
		fences[i].fence(TEST_VA, asid);
		test_is(look(TEST_VA), 2, "%s: after a level %u pointer changed", fences[i].name,
			level);
		*entry = old;
		space_leave();
	}
}

/* 512 small pages become one large page, and back. */
static void test_size_change(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *entry, pointer, offset = (uint64_t)numbered[2] & 0x1fffff;

	space_map(&s, TEST_VA + offset, (uint64_t)numbered[1], 0, PTE_KERNEL);
	entry = space_entry(&s, TEST_VA, 1);
	pointer = *entry;
	space_enter(&s);
	test_is(look(TEST_VA + offset), 1, "small page");
	*entry = pte_make((uint64_t)numbered[2] - offset, PTE_KERNEL);
	fence_all(0, 0);
	test_is(look(TEST_VA + offset), 2, "large page in its place");
	*entry = pointer;
	fence_all(0, 0);
	test_is(look(TEST_VA + offset), 1, "small page again");
	space_leave();
}

/* A page that was a table becomes data, and a data page becomes the table. */
static void test_recycled_table(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *old_table, *new_table = page_alloc();

	space_map(&s, TEST_VA, (uint64_t)numbered[1], 0, PTE_KERNEL);
	old_table = (uint64_t *)pte_address(*space_entry(&s, TEST_VA, 1));
	space_enter(&s);
	test_is(look(TEST_VA), 1, "through the old table");
	new_table[0] = pte_make((uint64_t)numbered[2], PTE_KERNEL);
	*space_entry(&s, TEST_VA, 1) = pte_make((uint64_t)new_table, PTE_V);
	fence_all(0, 0);
	for (unsigned i = 0; i < 512; i++)
		old_table[i] = i;
	test_is(look(TEST_VA), 2, "through the new table");
	test_is(old_table[511], 511, "the old table is plain memory");
	mem_set(old_table, 0, 4096);
	old_table[1] = pte_make((uint64_t)numbered[1], PTE_KERNEL);
	*space_entry(&s, OTHER_VA, 1) = pte_make((uint64_t)old_table, PTE_V);
	fence_all(0, 0);
	test_is(look(OTHER_VA + 4096), 1, "the old table serves another region");
	space_leave();
}

/* The table is changed through a second mapping of it. */
static void test_table_by_alias(void)
{
	struct space s = space_identity(SATP_MODE_SV39);

	space_map(&s, TEST_VA, (uint64_t)numbered[1], 0, PTE_KERNEL);
	space_map(&s, OTHER_VA, pte_address(*space_entry(&s, TEST_VA, 1)), 0, PTE_KERNEL);
	space_enter(&s);
	test_is(look(TEST_VA), 1, "before the change by alias");
	*(volatile uint64_t *)OTHER_VA = pte_make((uint64_t)numbered[2], PTE_KERNEL);
	fence_va(TEST_VA, 0);
	test_is(look(TEST_VA), 2, "after the change by alias");
	space_leave();
}

/* Fresh ASIDs need no fence; after that, going back and forth doesn't either. */
static void test_asids(void)
{
	struct space s[2] = { space_identity(SATP_MODE_SV39), space_identity(SATP_MODE_SV39) };
	unsigned wrong = 0;

	if ((asid_mask & 0xf) != 0xf) {
		test_skip("fewer than 4 ASID bits");
		return;
	}
	space_map(&s[0], TEST_VA, (uint64_t)numbered[1], 0, PTE_KERNEL);
	space_map(&s[1], TEST_VA, (uint64_t)numbered[2], 0, PTE_KERNEL);
	sfence_vma();
	for (unsigned i = 0; i < 200; i++) {
		enter(&s[i & 1], 8 + (i & 1));
		wrong += look(TEST_VA) != 1 + (i & 1);
	}
	test_is(wrong, 0, "200 switches between two ASIDs without a fence");

	enter(&s[0], 8);
	*space_entry(&s[1], TEST_VA, 0) = pte_make((uint64_t)numbered[1], PTE_KERNEL);
	fence_va_asid(TEST_VA, 9);
	enter(&s[1], 9);
	test_is(look(TEST_VA), 1, "changed while another ASID ran, fenced by its ASID");
	space_leave();
}

static void test_same_asid(void)
{
	struct space s[2] = { space_identity(SATP_MODE_SV39), space_identity(SATP_MODE_SV39) };
	unsigned wrong = 0;

	space_map(&s[0], TEST_VA, (uint64_t)numbered[1], 0, PTE_KERNEL);
	space_map(&s[1], TEST_VA, (uint64_t)numbered[2], 0, PTE_KERNEL);
	for (unsigned i = 0; i < 200; i++) {
		enter(&s[i & 1], 0);
		fence_all(0, 0);
		wrong += look(TEST_VA) != 1 + (i & 1);
	}
	test_is(wrong, 0, "200 switches of the root with a fence each");
	space_leave();
}

/* Bare and back: a virtual address that exists in RAM too, but means another page there. */
static void test_bare(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t alias = (uint64_t)numbered[1] - RAM_BASE + TEST_VA;
	unsigned wrong = 0;

	space_map(&s, TEST_VA, RAM_BASE, 2, PTE_KERNEL);
	for (unsigned i = 0; i < 50; i++) {
		space_enter(&s);
		wrong += look(alias) != 1;
		space_leave();
		wrong += look((uint64_t)numbered[1]) != 1;
		wrong += !probe(op_load, alias, 0).taken;
	}
	test_is(wrong, 0, "50 times Sv39 and back to Bare");
}

static void test_fence_i(void)
{
	const uint32_t li_a0 = 0x00000513; /* li a0, imm: imm in the top 12 bits */
	unsigned wrong = 0;

	for (uint32_t i = 0; i < 100; i++)
		wrong += probe_insn(li_a0 | i << 20, 0, 0).value != i;
	test_is(wrong, 0, "100 rewritten instructions, fence.i each");
}

static void test_user_fence(void)
{
	struct frame f;
	uint64_t code = code_insn(INSN_SFENCE_VMA);

	frame_init(&f, code);
	f.sstatus &= ~SSTATUS_SPP;
	run(&f);
	test_is(f.cause, CAUSE_ILLEGAL, "sfence.vma in U-mode is illegal");
	test_is(f.pc, code, "its sepc");
}

/* Fences of an address space while another is in use, and between them one of a single page. */
static void test_fences_from_elsewhere(void)
{
	struct space s = space_identity(SATP_MODE_SV39), t = space_identity(SATP_MODE_SV39);
	uint64_t *entry = space_entry(&t, TEST_VA, 0), asid = (ASID + 1) & asid_mask;

	*entry = pte_make((uint64_t)numbered[1], PTE_KERNEL);
	enter(&t, ASID + 1);
	sfence_vma();
	look(TEST_VA);
	enter(&s, ASID);
	fence_asid(TEST_VA, asid);
	fence_va_asid(TEST_VA, asid);
	enter(&t, ASID + 1);
	test_is(look(TEST_VA), 1, "fenced from another space");
	*entry = pte_make((uint64_t)numbered[2], PTE_KERNEL);
	fence_va_asid(TEST_VA, asid);
	test_is(look(TEST_VA), 2, "and from its own");
	space_leave();
}

/* A page is fenced where nothing is mapped, then a large page comes there, and changes. */
static void test_large_after_fence(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t asid = ASID & asid_mask, *entry = space_entry(&s, TEST_VA, 1);
	uint64_t ram = (uint64_t)numbered[1] & ~0x1ffffful, in_page = (uint64_t)numbered[1] - ram;

	space_entry(&s, TEST_VA + 0x200000, 0);
	enter(&s, ASID);
	sfence_vma();
	fence_va_asid(TEST_VA + in_page, asid);
	*entry = pte_make(ram, PTE_KERNEL);
	fence_va_asid(TEST_VA + in_page, asid);
	test_is(look(TEST_VA + in_page), 1, "a large page comes");
	*entry = 0;
	fence_va_asid(TEST_VA + in_page, asid);
	test_traps(probe(op_load, TEST_VA + in_page, 0), CAUSE_LOAD_PAGE, TEST_VA + in_page,
		   "a large page goes");
	space_leave();
}

#define ROW_PAGES  16
#define ROW_SPACES 20
#define ROW_ROUNDS 40

static uint64_t row_va(unsigned page)
{
	return TEST_VA + page / (ROW_PAGES / 2) * 0x200000ul + page * 4096;
}

static uint64_t draw(uint64_t n)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return (state >> 33) % n;
}

/* Change a page of eight neighbours and fence them all, from any of them on. */
static void change_and_fence_row(struct space *s, uint64_t asid, unsigned row, unsigned *is)
{
	unsigned first = row * (ROW_PAGES / 2), page = first + (unsigned)draw(ROW_PAGES / 2);

	is[page] = (unsigned)draw(COUNT(numbered));
	*space_entry(s, row_va(page), 0) =
		is[page] ? pte_make((uint64_t)numbered[is[page]], PTE_KERNEL) : 0;
	page = (unsigned)draw(ROW_PAGES / 2);
	for (unsigned i = 0; i < ROW_PAGES / 2; i++)
		fence_va_asid(row_va(first + (page + i) % (ROW_PAGES / 2)), asid);
}

/* Two rows in 2 MiB each: mostly one of them for a while. */
static void test_rows(void)
{
	uint64_t asid = ASID & asid_mask;
	unsigned wrong = 0, row = 0;

	for (unsigned n = 0; n < ROW_SPACES; n++) {
		struct space s = space_identity(SATP_MODE_SV39);
		unsigned is[ROW_PAGES] = { 0 };

		enter(&s, ASID);
		sfence_vma();
		for (unsigned i = 0; i < ROW_ROUNDS; i++) {
			unsigned page = (unsigned)draw(ROW_PAGES);
			struct trap t;

			row ^= draw(4) == 0;
			change_and_fence_row(&s, asid, row, is);
			t = probe(op_load, row_va(page), 0);
			wrong += is[page] ? t.taken || t.value != is[page] : !t.taken;
		}
		space_leave();
	}
	test_is(wrong, 0, "rows of pages, one changed, all fenced: looks that go wrong");
}

static struct trap look_with_sum(uint64_t va)
{
	struct trap t;

	csr_set(CSR_SSTATUS, SSTATUS_SUM);
	t = probe(op_load, va, 0);
	csr_clear(CSR_SSTATUS, SSTATUS_SUM);
	return t;
}

/* In the middle of a row a page is looked at in another way than those before, and goes. */
static void test_row_with_another_look(void)
{
	uint64_t asid = ASID & asid_mask;
	unsigned wrong = 0;

	for (unsigned n = 0; n < ROW_SPACES; n++) {
		struct space s = space_identity(SATP_MODE_SV39);

		space_map(&s, row_va(0), (uint64_t)numbered[1], 0, PTE_KERNEL);
		space_map(&s, row_va(1), (uint64_t)numbered[2], 0, PTE_KERNEL);
		enter(&s, ASID);
		sfence_vma();
		wrong += look(row_va(0)) != 1;
		for (unsigned i = 2; i < 5; i++)
			fence_va_asid(row_va(i), asid);
		wrong += look_with_sum(row_va(1)).value != 2;
		*space_entry(&s, row_va(1), 0) = 0;
		fence_va_asid(row_va(1), asid);
		wrong += !look_with_sum(row_va(1)).taken;
		space_leave();
	}
	test_is(wrong, 0, "rows with looks of two kinds: those that go wrong");
}

int main(void)
{
	struct space s = space_identity(SATP_MODE_SV39);

	for (unsigned i = 1; i < COUNT(numbered); i++) {
		numbered[i] = page_alloc();
		*numbered[i] = i;
	}
	csr_write(CSR_SATP, space_satp(&s, SATP_ASID_MASK));
	asid_mask = csr_read(CSR_SATP) >> SATP_ASID_SHIFT & SATP_ASID_MASK;
	space_leave();
	test_is(asid_mask & (asid_mask + 1), 0, "ASID bits start at the lowest, mask %lx",
		asid_mask);
	for (unsigned i = 0; i < COUNT(fences); i++) {
		test_leaf_changes(i);
		if (!fences[i].leaf_only)
			test_pointer_changes(i);
	}
	test_size_change();
	test_recycled_table();
	test_table_by_alias();
	test_asids();
	test_same_asid();
	test_bare();
	test_fences_from_elsewhere();
	test_large_after_fence();
	test_rows();
	test_row_with_another_look();
	test_fence_i();
	test_user_fence();
	return test_done();
}
