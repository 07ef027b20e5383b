/*
 * hyp/vs-stage/: a few walks by hand; the oracle (tests/oracle/) does the many.
 */
#include "tests/unit/unit.h"

#include "hyp/lib/string.h"
#include "hyp/vs-stage/permit.h"
#include "hyp/vs-stage/walk.h"

#define BASE UINT64_C(0x80000000)
#define RAM  UINT64_C(0x80000000)
#define ROOT (RAM + MIB(1))

static struct frame_pool pool;
static struct gstage gs;

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	fake_ram(BASE, MIB(64));
	assert_int_equal(frame_add_ram((struct frame_range){ BASE, MIB(64) }, NULL, 0, true), OK);
	pool = (struct frame_pool){ .owner = 1 };
	assert_int_equal(gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &pool, gpa(RAM), MIB(8)),
			 OK);
	return 0;
}

static void put(uint64_t table, unsigned index, pte_t e)
{
	assert_int_equal(gstage_write(&gs, gpa(table + 8 * index), &e, sizeof(e)), OK);
}

static pte_t get(uint64_t table, unsigned index)
{
	pte_t e;

	assert_int_equal(gstage_read(&gs, gpa(table + 8 * index), &e, sizeof(e)), OK);
	return e;
}

static struct regime sv(unsigned mode)
{
	return (struct regime){ .atp = BITS(mode, ATP_MODE_SHIFT) | ROOT >> PAGE_SHIFT };
}

static void bare(void **state)
{
	struct regime r = { .atp = 0 };
	struct walk w = vsstage_walk(&gs, &r, gva(0x1234), ACCESS_STORE);
	(void)state;

	assert_int_equal(w.result, WALK_OK);
	assert_int_equal(w.at.v, 0x1234);
}

static void not_canonical(void **state)
{
	static const struct {
		unsigned mode;
		uint64_t last, first; /* the lower half's last address, the upper half's first */
	} rows[] = {
		{ ATP_MODE_SV39, 0x3fffffffff, 0xffffffc000000000 },
		{ ATP_MODE_SV48, 0x7fffffffffff, 0xffff800000000000 },
		{ ATP_MODE_SV57, 0xffffffffffffff, 0xff00000000000000 },
	};
	(void)state;

	put(ROOT, 255, pte_make(0, PTE_V | PTE_R | PTE_A));
	put(ROOT, 256, pte_make(0, PTE_V | PTE_R | PTE_A));
	for (unsigned i = 0; i < 3; i++) {
		struct regime r = sv(rows[i].mode);

		assert_int_equal(vsstage_walk(&gs, &r, gva(rows[i].last), ACCESS_LOAD).result,
				 WALK_OK);
		assert_int_equal(vsstage_walk(&gs, &r, gva(rows[i].first), ACCESS_LOAD).result,
				 WALK_OK);
		assert_int_equal(vsstage_walk(&gs, &r, gva(rows[i].last + 1), ACCESS_LOAD).result,
				 WALK_PAGE);
		assert_int_equal(vsstage_walk(&gs, &r, gva(rows[i].first - 1), ACCESS_LOAD).result,
				 WALK_PAGE);
	}
}

static void five_levels(void **state)
{
	struct regime r = sv(ATP_MODE_SV57);
	struct walk w;
	(void)state;

	for (unsigned i = 0; i < 4; i++)
		put(ROOT + i * PAGE_SIZE, i + 1, pte_make(ROOT + (i + 1) * PAGE_SIZE, PTE_V));
	put(ROOT + 4 * PAGE_SIZE, 5, pte_make(RAM + 0x5000, PTE_V | PTE_R | PTE_A));
	w = vsstage_walk(&gs, &r,
			 gva(UINT64_C(1) << 48 | UINT64_C(2) << 39 | GIB(3) | MIB(8) | 0x5678),
			 ACCESS_LOAD);
	assert_int_equal(w.result, WALK_OK);
	assert_int_equal(w.at.v, RAM + 0x5678);
	assert_int_equal(w.level, 0);
	assert_int_equal(w.pte, get(ROOT + 4 * PAGE_SIZE, 5));
}

static void superpages(void **state)
{
	struct regime r = sv(ATP_MODE_SV39);
	struct walk w;
	(void)state;

	put(ROOT, 2, pte_make(RAM, PTE_V | PTE_X | PTE_A));
	w = vsstage_walk(&gs, &r, gva(GIB(2) + 0x3456789), ACCESS_FETCH);
	assert_int_equal(w.result, WALK_OK);
	assert_int_equal(w.at.v, RAM + 0x3456789);
	assert_int_equal(w.level, 2);
	put(ROOT, 2, pte_make(RAM + MIB(2), PTE_V | PTE_X | PTE_A));
	w = vsstage_walk(&gs, &r, gva(GIB(2)), ACCESS_FETCH);
	assert_int_equal(w.result, WALK_PAGE);
}

static void accessed_and_dirty(void **state)
{
	const pte_t leaf = pte_make(RAM, PTE_V | PTE_R | PTE_W);
	struct regime r = sv(ATP_MODE_SV39);
	(void)state;

	put(ROOT, 0, leaf);
	assert_int_equal(vsstage_walk(&gs, &r, gva(0), ACCESS_LOAD).result, WALK_PAGE);
	assert_int_equal(get(ROOT, 0), leaf);
	r.adue = true;
	assert_int_equal(vsstage_walk(&gs, &r, gva(0), ACCESS_LOAD).result, WALK_OK);
	assert_int_equal(get(ROOT, 0), leaf | PTE_A);
	assert_int_equal(vsstage_walk(&gs, &r, gva(0), ACCESS_STORE).result, WALK_OK);
	assert_int_equal(get(ROOT, 0), leaf | PTE_A | PTE_D);
	/* Nothing is set by an access that isn't allowed. */
	put(ROOT, 0, leaf);
	assert_int_equal(vsstage_walk(&gs, &r, gva(0), ACCESS_FETCH).result, WALK_PAGE);
	assert_int_equal(get(ROOT, 0), leaf);
}

static void table_outside_ram(void **state)
{
	struct regime r = { .atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) | 0x10000 };
	struct walk w = vsstage_walk(&gs, &r, gva(GIB(3)), ACCESS_LOAD);
	(void)state;

	assert_int_equal(w.result, WALK_ACCESS);
	assert_int_equal(w.at.v, 0x10000000 + 24);
	r.atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) | ATP_PPN_MASK;
	w = vsstage_walk(&gs, &r, gva(0), ACCESS_LOAD);
	assert_int_equal(w.result, WALK_ACCESS);
	assert_int_equal(w.at.v, ATP_PPN_MASK << PAGE_SHIFT);
}

/* A table in RAM that the guest never touched needs memory; want of it isn't the guest's mistake.
 */
static void no_memory_for_a_table(void **state)
{
	struct frame_pool other = { .owner = 2 };
	struct regime r = sv(ATP_MODE_SV39);
	bool zero;
	hpa_t at;
	(void)state;

	while (frame_alloc_block(&other, &at, &zero) == OK)
		continue;
	assert_int_equal(vsstage_walk(&gs, &r, gva(0), ACCESS_LOAD).result, WALK_NOMEM);
	frame_free_all(&other);
	assert_int_equal(vsstage_walk(&gs, &r, gva(0), ACCESS_LOAD).result, WALK_PAGE);
}

/* "Addressing and Memory Protection": every combination, by the text's words. */
static void permissions(void **state)
{
	(void)state;

	for (unsigned bits = 0; bits < 256; bits++) {
		struct regime r = { .user = bits & 1, .sum = bits & 2, .mxr = bits & 4 };
		pte_t e = PTE_V | (bits & 8 ? PTE_U : 0) | (bits & 16 ? PTE_R : 0) |
			  (bits & 32 ? PTE_W : 0) | (bits & 64 ? PTE_X : 0);
		bool u = e & PTE_U;
		bool mode_may = r.user ? u : !u || r.sum;

		assert_int_equal(permit(e, &r, ACCESS_LOAD),
				 mode_may && ((e & PTE_R) || (r.mxr && (e & PTE_X))));
		assert_int_equal(permit(e, &r, ACCESS_STORE), mode_may && (e & PTE_W));
		assert_int_equal(permit(e, &r, ACCESS_FETCH), r.user == u && (e & PTE_X));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bare, set_up),
		cmocka_unit_test_setup(not_canonical, set_up),
		cmocka_unit_test_setup(five_levels, set_up),
		cmocka_unit_test_setup(superpages, set_up),
		cmocka_unit_test_setup(accessed_and_dirty, set_up),
		cmocka_unit_test_setup(table_outside_ram, set_up),
		cmocka_unit_test_setup(no_memory_for_a_table, set_up),
		cmocka_unit_test_setup(permissions, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
