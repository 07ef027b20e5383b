/*
 * RAM that no one has used: it reads as zero, whatever kind of access comes first; and the kernel's
 * own pages, which a hypervisor may map copy-on-write, written by each kind of store.
 *
 * Invariant: every test takes memory from a 2 MiB block of its own that nothing has touched before,
 * so that what was done for one cannot help the next. The machine needs 32 MiB.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/string.h"
#include "tests/guest/insn.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define BLOCK	0x200000ul
#define TEST_VA 0x1000000000ul
#define VALUE	0x0123456789abcdeful

/* Blocks from 4 MiB above the image on, without those that hold the device tree. */
static uint64_t fresh_block(void)
{
	static uint64_t next;
	uint64_t block;

	if (next == 0)
		next = (board_heap() + 2 * BLOCK) & ~(BLOCK - 1);
	while (next < board.dtb + board.dtb_bytes && next + BLOCK > board.dtb)
		next += BLOCK;
	block = next;
	next += BLOCK;
	return block;
}

static bool all_zero(uint64_t from, uint64_t bytes)
{
	uint64_t bits = 0;

	for (uint64_t i = 0; i < bytes; i += 8)
		bits |= *(volatile uint64_t *)(from + i);
	return bits == 0;
}

/* First touch of a page by one access in its middle; the rest of the page must be zero. */
static void test_first_touch(const char *name, code_fn *fn, uint64_t returns, uint64_t leaves)
{
	uint64_t at = fresh_block() + 0x800;
	struct trap t = probe(fn, at, VALUE);

	test_returns(t, returns == UINT64_MAX ? at : returns, "first touch by %s", name);
	test_is(*(volatile uint64_t *)at, leaves, "first touch by %s: what is there then", name);
	*(volatile uint64_t *)at = 0;
	test_ok(all_zero(at - 0x800, 4096), "first touch by %s: zero around it", name);
}

/* 8 bytes over the edge of two pages, neither used before. */
static void test_first_touch_misaligned(void)
{
	uint64_t edge = fresh_block() + 4096;
	struct trap t = probe(op_load, edge - 3, 0);

	test_returns(t, 0, "first touch by a misaligned load over two pages");
	edge = fresh_block() + 4096;
	probe(op_store, edge - 3, VALUE);
	test_is(*(volatile uint64_t *)(edge - 8), VALUE << 40,
		"first touch by a misaligned store, first page");
	test_is(*(volatile uint64_t *)edge, VALUE >> 24,
		"first touch by a misaligned store, second page");
	/* The same over the edge of two blocks, which large pages would not cover together. */
	edge = fresh_block() + BLOCK;
	fresh_block();
	probe(op_store, edge - 5, VALUE);
	test_is(*(volatile uint64_t *)(edge - 8), VALUE << 24,
		"first touch by a store over two blocks, first");
	test_is(*(volatile uint64_t *)edge, VALUE >> 40,
		"first touch by a store over two blocks, second");
}

/* Zeros are an illegal instruction, and that is what must be fetched. */
static void test_first_touch_by_fetch(void)
{
	uint64_t at = fresh_block() + 0x100;
	struct trap t = probe(op_fetch, at, 0);

	test_is(t.cause, CAUSE_ILLEGAL, "first touch by fetch: zeros are illegal");
	test_is(t.epc, at, "first touch by fetch: sepc");
	test_is(t.tval, 0, "first touch by fetch: stval");
}

/* A table in untouched RAM: the walk finds an invalid entry. Then one is written there. */
static void test_first_touch_by_walk(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t table = fresh_block(), page = fresh_block();
	struct trap t;

	*space_entry(&s, TEST_VA, 1) = pte_make(table, PTE_V);
	space_enter(&s);
	t = probe(op_load, TEST_VA, 0);
	space_leave();
	test_traps(t, CAUSE_LOAD_PAGE, TEST_VA, "first touch of a table by a walk");
	*(uint64_t *)table = pte_make(page, PTE_KERNEL);
	space_enter(&s);
	t = probe(op_load, TEST_VA, 0);
	space_leave();
	test_returns(t, 0, "then first touch of a page through it");
	table = fresh_block();
	*space_entry(&s, TEST_VA, 2) = pte_make(table, PTE_V);
	space_enter(&s);
	t = probe(op_fetch, TEST_VA, 0);
	space_leave();
	test_traps(t, CAUSE_FETCH_PAGE, TEST_VA, "first touch of a table by a fetch's walk");
}

/* A and D are set in a table written only just now; reads of it come after. */
static void test_ad_update(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t table = fresh_block(), page = fresh_block(), pte;
	struct trap t;

	*space_entry(&s, TEST_VA, 1) = pte_make(table, PTE_V);
	*(volatile uint64_t *)table = pte_make(page, PTE_V | PTE_R | PTE_W);
	space_enter(&s);
	t = probe(op_store, TEST_VA, VALUE);
	space_leave();
	pte = *(volatile uint64_t *)table;
	if (t.taken) {
		test_traps(t, CAUSE_STORE_PAGE, TEST_VA, "A and D are software's here");
		test_is(pte, pte_make(page, PTE_V | PTE_R | PTE_W), "the entry is unchanged");
		return;
	}
	test_is(pte, pte_make(page, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D),
		"A and D are set by hardware");
	test_is(*(volatile uint64_t *)page, VALUE, "and the store is made");
}

/* Each row writes a page of the image itself by another kind of instruction. */
#define PATTERN 0x5a5a5a5a5a5a5a5aul
static uint64_t image_pages[6][1024] __attribute__((aligned(4096))) = {
	{ PATTERN, PATTERN }, { PATTERN, PATTERN }, { PATTERN, PATTERN },
	{ PATTERN, PATTERN }, { PATTERN, PATTERN }, { PATTERN, PATTERN },
};

static void test_image_writes(void)
{
	static const struct {
		const char *name;
		code_fn *fn;
		uint64_t leaves;
	} rows[] = {
		{ "sd", op_store, VALUE },
		{ "amoadd.d", op_amoadd, PATTERN + VALUE },
		{ "lr.d and sc.d", op_lr_sc, VALUE },
		{ "fsd", op_fsd, VALUE },
	};
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *page;

	for (unsigned i = 0; i < COUNT(rows); i++) {
		page = image_pages[i];
		test_ok(!probe(rows[i].fn, (uint64_t)page, VALUE).taken, "image page: %s",
			rows[i].name);
		test_is(page[0], rows[i].leaves, "image page: written by %s", rows[i].name);
		test_is(page[1], PATTERN, "image page: its neighbour is as it was");
	}
	/* Two of them at once, over the edge. */
	page = image_pages[4];
	probe(op_store, (uint64_t)page + 4096 - 4, VALUE);
	test_is(page[511], VALUE << 32, "image page: misaligned store, first page");
	test_is(page[512], VALUE >> 32, "image page: misaligned store, second page");
	test_is(page[0], PATTERN, "image page: misaligned store leaves the rest alone");
	/* An entry in an image page that no one wrote: hardware sets A and D there, or faults. */
	page = image_pages[5] + 512;
	*space_entry(&s, TEST_VA, 1) = pte_make((uint64_t)page & ~4095ul, PTE_V);
	space_enter(&s);
	test_traps(probe(op_load, TEST_VA, 0), CAUSE_LOAD_PAGE, TEST_VA,
		   "image page: read as a table");
	space_leave();
}

/* Code in a page just written must be fetched as written, after fence.i. */
static void test_code_in_fresh_page(void)
{
	uint64_t at = fresh_block();

	mem_copy((void *)at, code_return_5a, sizeof(code_return_5a));
	fence_i();
	test_returns(probe(op_fetch, at, 0), 0x5a, "code written to a fresh page runs");
}

int main(void)
{
	csr_set(CSR_SSTATUS, SSTATUS_FS_INITIAL);
	if (board.ram_bytes < 0x3000000) {
		test_ok(false, "needs 48 MiB of RAM");
		return test_done();
	}
	test_first_touch("ld", op_load, 0, 0);
	test_first_touch("sd", op_store, UINT64_MAX, VALUE);
	test_first_touch("amoadd.d", op_amoadd, 0, VALUE);
	test_first_touch("lr.d and sc.d", op_lr_sc, 0, VALUE);
	test_first_touch("fsd", op_fsd, UINT64_MAX, VALUE);
	test_first_touch("fld", op_fld, 0, 0);
	test_first_touch_misaligned();
	test_first_touch_by_fetch();
	test_first_touch_by_walk();
	test_ad_update();
	test_image_writes();
	test_code_in_fresh_page();
	return test_done();
}
