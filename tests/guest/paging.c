/*
 * The shape of tables: modes, page sizes, misaligned superpages, non-canonical addresses, reserved
 * bits, tables outside RAM, and accesses that cross a page.
 *
 * Invariant: each case builds its mapping in a space of its own test address and leaves Bare
 * behind. Permissions are the matter of perms.c. Source: privileged spec, "Virtual Address
 * Translation Process" and the page-table entry formats.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/string.h"
#include "tests/guest/insn.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define TEST_VA 0x1000000000ul /* canonical, and free, in every mode */
#define HOLE	0x18000000ul
#define MARK	0x0123456789abcdeful

static const struct {
	uint64_t mode;
	const char *name;
	unsigned va_bits;
} modes[] = {
	{ SATP_MODE_SV39, "Sv39", 39 },
	{ SATP_MODE_SV48, "Sv48", 48 },
	{ SATP_MODE_SV57, "Sv57", 57 },
};

static const struct {
	const char *name;
	code_fn *fn;
	uint64_t page_fault;
	uint64_t access_fault;
} accesses[] = {
	{ "fetch", op_fetch, CAUSE_FETCH_PAGE, CAUSE_FETCH_ACCESS },
	{ "load", op_load, CAUSE_LOAD_PAGE, CAUSE_LOAD_ACCESS },
	{ "store", op_store, CAUSE_STORE_PAGE, CAUSE_STORE_ACCESS },
};

static struct trap in_space(struct space *s, code_fn *fn, uint64_t a0, uint64_t a1)
{
	struct trap t;

	space_enter(s);
	t = probe(fn, a0, a1);
	space_leave();
	return t;
}

/* An address whose entry at @level is free in space_identity(). */
static uint64_t free_va(unsigned level)
{
	return level < 3 ? TEST_VA : 1ul << (12 + 9 * level);
}

/* Every access to @va shall be a page fault. */
static void all_fault(struct space *s, uint64_t va, const char *mode, const char *what)
{
	for (unsigned i = 0; i < COUNT(accesses); i++)
		test_traps(in_space(s, accesses[i].fn, va, 0), accesses[i].page_fault, va,
			   "%s: %s to %s", mode, accesses[i].name, what);
}

/* A leaf at @level over the RAM that holds @page: fetch, load and store go there. */
static void test_leaf(uint64_t mode, const char *name, unsigned level)
{
	uint64_t size = 1ul << (12 + 9 * level), *page = page_alloc();
	uint64_t base = free_va(level);
	uint64_t va = base + ((uint64_t)page & (size - 1));
	struct space s = space_identity(mode);

	space_map(&s, base, (uint64_t)page & ~(size - 1), level, PTE_KERNEL);
	page[0] = MARK;
	test_returns(in_space(&s, op_load, va, 0), MARK, "%s: load by a leaf at level %u", name,
		     level);
	in_space(&s, op_store, va, ~MARK);
	test_is(page[0], ~MARK, "%s: store by a leaf at level %u", name, level);
	mem_copy(page, code_return_5a, sizeof(code_return_5a));
	fence_i();
	test_returns(in_space(&s, op_fetch, va, 0), 0x5a, "%s: fetch by a leaf at level %u", name,
		     level);
}

static void test_misaligned_leaf(uint64_t mode, const char *name, unsigned level)
{
	uint64_t base = free_va(level);

	for (unsigned bit = 0; bit < 9 * level; bit += 9 * level - 1) {
		struct space s = space_identity(mode);
		uint64_t low_bit = 1ul << (12 + bit);

		space_map(&s, base, (RAM_BASE & ~((low_bit << 1) - 1)) | low_bit, level,
			  PTE_KERNEL);
		all_fault(&s, base, name, "a misaligned superpage");
	}
}

static void test_canonical(uint64_t mode, const char *name, unsigned va_bits)
{
	struct space s = space_identity(mode);
	uint64_t top = 1ul << (va_bits - 1), *page = page_alloc();
	uint64_t high = -top; /* the lowest address of the upper half */

	page[0] = MARK;
	space_map(&s, top, (uint64_t)page, 0, PTE_KERNEL); /* same indices as `high` */
	space_map(&s, top - 4096, (uint64_t)page, 0, PTE_KERNEL);
	space_map(&s, -4096ul, (uint64_t)page, 0, PTE_KERNEL);
	test_returns(in_space(&s, op_load, high, 0), MARK, "%s: load at %lx", name, high);
	test_returns(in_space(&s, op_load, top - 4096, 0), MARK, "%s: load at %lx", name,
		     top - 4096);
	test_returns(in_space(&s, op_load, -4096ul, 0), MARK, "%s: load at the last page", name);
	all_fault(&s, top, name, "the first non-canonical address");
	all_fault(&s, high ^ 1ul << 63, name, "an address with bit 63 flipped");
	all_fault(&s, high ^ 1ul << va_bits, name, "an address with the bit above flipped");
}

static void test_reserved_bits(uint64_t mode, const char *name)
{
	uint64_t page = (uint64_t)page_alloc();

	for (unsigned bit = 54; bit < 64; bit++) {
		struct space s = space_identity(mode);

		if ((bit == 63 && board_has_isa("svnapot")) ||
		    ((bit == 61 || bit == 62) && board_has_isa("svpbmt")))
			continue;
		space_map(&s, TEST_VA, page, 0, PTE_KERNEL | 1ul << bit);
		test_traps(in_space(&s, op_load, TEST_VA, 0), CAUSE_LOAD_PAGE, TEST_VA,
			   "%s: leaf with bit %u set", name, bit);
		space_map(&s, TEST_VA, page, 0, PTE_KERNEL);
		*space_entry(&s, TEST_VA, 1) |= 1ul << bit;
		test_traps(in_space(&s, op_load, TEST_VA, 0), CAUSE_LOAD_PAGE, TEST_VA,
			   "%s: pointer with bit %u set", name, bit);
	}
}

static void test_pointer_flags(uint64_t mode, const char *name)
{
	static const struct {
		uint64_t flag;
		char letter;
	} flags[] = { { PTE_U, 'u' }, { PTE_A, 'a' }, { PTE_D, 'd' } };

	for (unsigned i = 0; i < COUNT(flags); i++) {
		struct space s = space_identity(mode);

		space_map(&s, TEST_VA, (uint64_t)page_alloc(), 0, PTE_KERNEL);
		*space_entry(&s, TEST_VA, 1) |= flags[i].flag;
		test_traps(in_space(&s, op_load, TEST_VA, 0), CAUSE_LOAD_PAGE, TEST_VA,
			   "%s: pointer with %c set", name, flags[i].letter);
	}
}

/* G and the two software bits change nothing for one space. */
static void test_free_bits(uint64_t mode, const char *name)
{
	static const uint64_t bits[] = { PTE_G, 1ul << 8, 1ul << 9 };
	uint64_t *page = page_alloc();

	page[0] = MARK;
	for (unsigned i = 0; i < COUNT(bits); i++) {
		struct space s = space_identity(mode);

		space_map(&s, TEST_VA, (uint64_t)page, 0, PTE_KERNEL | bits[i]);
		*space_entry(&s, TEST_VA, 1) |= bits[i];
		test_returns(in_space(&s, op_load, TEST_VA, 0), MARK, "%s: bits %lx are ignored",
			     name, bits[i]);
	}
}

/*
 * A table where there is no RAM: an access fault of the original access. QEMU itself calls it a
 * page fault (and reads a device as if it were a table; the finisher reads as zero, an invalid
 * entry).
 */
static void test_table_outside_ram(uint64_t mode, const char *name, uint64_t where,
				   const char *what, unsigned level)
{
	struct space s = space_identity(mode);
	uint64_t va = free_va(level);

	*space_entry(&s, va, level) = pte_make(where, PTE_V);
	for (unsigned i = 0; i < COUNT(accesses); i++) {
		struct trap t = in_space(&s, accesses[i].fn, va, 0);

		test_either(t.cause, accesses[i].access_fault, accesses[i].page_fault,
			    "%s: %s through a level %u table in %s", name, accesses[i].name,
			    level - 1, what);
		test_is(t.tval, va, "%s: its stval", name);
	}
}

/* A leaf that points where there is no RAM: an access fault. */
static void test_leaf_outside_ram(uint64_t mode, const char *name)
{
	struct space s = space_identity(mode);

	space_map(&s, TEST_VA, HOLE, 0, PTE_KERNEL);
	for (unsigned i = 0; i < COUNT(accesses); i++)
		test_traps(in_space(&s, accesses[i].fn, TEST_VA, 0), accesses[i].access_fault,
			   TEST_VA, "%s: %s to a page in a hole", name, accesses[i].name);
	space_map(&s, TEST_VA, 1ul << 55, 0, PTE_KERNEL);
	for (unsigned i = 0; i < COUNT(accesses); i++)
		test_traps(in_space(&s, accesses[i].fn, TEST_VA, 0), accesses[i].access_fault,
			   TEST_VA, "%s: %s to the highest physical page bit", name,
			   accesses[i].name);
}

/* Two virtual neighbours, apart in memory. */
static void test_crossing(uint64_t mode, const char *name)
{
	uint64_t *second = page_alloc(), *first = (page_alloc(), page_alloc());
	uint64_t boundary = TEST_VA + 4096, end = 4096 / 8 - 1;
	struct space s = space_identity(mode);

	space_map(&s, TEST_VA, (uint64_t)first, 0, PTE_KERNEL);
	space_map(&s, boundary, (uint64_t)second, 0, PTE_KERNEL);
	first[end] = 0x4433221100000000;
	second[0] = 0x88776655;
	test_returns(in_space(&s, op_load, boundary - 4, 0), 0x8877665544332211,
		     "%s: load over two pages", name);
	in_space(&s, op_store, boundary - 3, MARK);
	test_is(first[end], (MARK << 40) | 0x1100000000, "%s: store over two pages, first", name);
	test_is(second[0], MARK >> 24, "%s: store over two pages, second", name);

	*space_entry(&s, boundary, 0) = 0;
	test_traps(in_space(&s, op_load, boundary - 4, 0), CAUSE_LOAD_PAGE, boundary,
		   "%s: load over the edge", name);
	test_traps(in_space(&s, op_store, boundary - 4, 0), CAUSE_STORE_PAGE, boundary,
		   "%s: store over the edge", name);

	space_map(&s, boundary, HOLE, 0, PTE_KERNEL);
	test_traps(in_space(&s, op_load, boundary - 4, 0), CAUSE_LOAD_ACCESS, boundary,
		   "%s: load over the edge of RAM", name);
	test_traps(in_space(&s, op_store, boundary - 4, 0), CAUSE_STORE_ACCESS, boundary,
		   "%s: store over the edge of RAM", name);
}

/* A 4-byte instruction, two bytes on each page. */
static void test_fetch_crossing(uint64_t mode, const char *name)
{
	const uint32_t addi_a0 = 0x05a00513; /* li a0, 0x5a, uncompressed */
	uint16_t *second = page_alloc(), *first = (page_alloc(), page_alloc());
	uint64_t boundary = TEST_VA + 4096;
	struct space s = space_identity(mode);
	struct trap t;

	space_map(&s, TEST_VA, (uint64_t)first, 0, PTE_KERNEL);
	space_map(&s, boundary, (uint64_t)second, 0, PTE_KERNEL);
	first[2047] = addi_a0 & 0xffff;
	second[0] = addi_a0 >> 16;
	second[1] = INSN_C_RET;
	fence_i();
	test_returns(in_space(&s, op_fetch, boundary - 2, 0), 0x5a,
		     "%s: instruction over two pages", name);
	*space_entry(&s, boundary, 0) = 0;
	t = in_space(&s, op_fetch, boundary - 2, 0);
	test_traps(t, CAUSE_FETCH_PAGE, boundary, "%s: instruction over the edge", name);
	test_is(t.epc, boundary - 2, "%s: its sepc", name);
	/* QEMU 7.2 itself dies of an assertion when an instruction runs over into a real hole. */
	if (on_opensbi()) {
		test_skip("%s: instruction over the edge of RAM", name);
		return;
	}
	space_map(&s, boundary, HOLE, 0, PTE_KERNEL);
	t = in_space(&s, op_fetch, boundary - 2, 0);
	test_traps(t, CAUSE_FETCH_ACCESS, boundary, "%s: instruction over the edge of RAM", name);
	test_is(t.epc, boundary - 2, "%s: its sepc", name);
}

static void test_mode(uint64_t mode, const char *name, unsigned va_bits)
{
	unsigned levels = (va_bits - 12) / 9;

	if (!satp_mode_works(mode)) {
		test_skip("no %s", name);
		return;
	}
	for (unsigned level = 0; level < levels; level++)
		test_leaf(mode, name, level);
	for (unsigned level = 1; level < levels; level++)
		test_misaligned_leaf(mode, name, level);
	test_canonical(mode, name, va_bits);
	test_reserved_bits(mode, name);
	test_pointer_flags(mode, name);
	test_free_bits(mode, name);
	for (unsigned level = 1; level < levels; level++) {
		test_table_outside_ram(mode, name, HOLE, "a hole", level);
		test_table_outside_ram(mode, name, FINISHER_BASE, "a device", level);
	}
	test_leaf_outside_ram(mode, name);
	test_crossing(mode, name);
	test_fetch_crossing(mode, name);
}

int main(void)
{
	for (unsigned i = 0; i < COUNT(modes); i++)
		test_mode(modes[i].mode, modes[i].name, modes[i].va_bits);
	return test_done();
}
