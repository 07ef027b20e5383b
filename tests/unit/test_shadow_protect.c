/*
 * hyp/shadow/: which table pages are protected, when, and who is told: by each policy, and that what
 * isn't protected is compared.
 */
#include "tests/unit/shadow.h"

#include "hyp/mmu/mmu.h"
#include "hyp/vcpu/fp.h"

/* hyp/mmu/ comes with more than what is called here. */
void v_register_write_vstart(uint64_t value)
{
	(void)value;
}

static int set_up(void **state)
{
	(void)state;
	begin(host_mode, SHADOW_TRAP);
	return 0;
}

static void tables_are_protected(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct regime r = with_all_mapped(policy);
		bool protects = policy != SHADOW_LAZY, at_once = policy == SHADOW_TRAP;
		unsigned flushes;
		struct fake_access a;

		/* A large leaf with W covers tables that aren't known yet: it loses W. */
		assert_int_equal(reaches(&r, ALIAS(TABLE(9)), ACCESS_STORE, TABLE(9)).level,
				 at_once ? 0 : 1);
		flushes = fake.fence[FAKE_SFENCE_ALL].n;
		reaches(&r, 0, ACCESS_STORE, RAM + MIB(4));
		assert_int_equal(fake.fence[FAKE_SFENCE_ALL].n > flushes, at_once);
		assert_int_equal(is_there(&r, ALIAS(TABLE(2)), ACCESS_STORE), !at_once);
		cool();
		assert_int_equal(fake.fence[FAKE_SFENCE_ALL].n > flushes, protects);
		assert_int_equal(is_there(&r, ALIAS(TABLE(2)), ACCESS_STORE), !protects);
		reaches(&r, ALIAS(TABLE(2)), ACCESS_LOAD, TABLE(2));
		reaches(&r, ALIAS(TABLE(9)), ACCESS_STORE, TABLE(9));
		assert_int_equal(reaches(&r, ALIAS(RAM + MIB(6)), ACCESS_STORE, RAM + MIB(6)).level, 1);
		/* The root is never lifted, a leaf table by unsync alone. */
		a = try_access(&r, ALIAS(ROOT + 8), ACCESS_STORE);
		assert_int_equal(a.answer.what, protects ? SHADOW_STORE : SHADOW_RESUME);
		if (protects)
			assert_int_equal(a.answer.to.v, ROOT + 8);
		a = try_access(&r, ALIAS(TABLE(2)), ACCESS_STORE);
		assert_int_equal(a.answer.what, policy == SHADOW_TRAP ? SHADOW_STORE : SHADOW_RESUME);
		assert_int_equal(shadow.stats.unshadows, policy == SHADOW_UNSYNC);
		cool();
		assert_int_equal(is_there(&r, ALIAS(TABLE(2)), ACCESS_STORE), !protects);
	}
}

/* Under unsync a table that changes, or gets more entries, isn't protected; for no role. */
static void hot_tables_are_not_protected(void **state)
{
	struct regime r = with_all_mapped(SHADOW_UNSYNC), m = r;
	pte_t e[] = { pte_make(RAM + MIB(4), RW), pte_make(RAM + MIB(6), RW) };
	(void)state;

	m.mxr = true;
	shadow.state->cold_after = 3;
	for (unsigned i = 0; i < 12; i++) {
		reaches(&r, 0, ACCESS_STORE, pte_address(e[i / 2 % 2]));
		put(TABLE(2), 0, e[(i + 1) / 2 % 2]);
		shadow_fence(&shadow, NULL, NULL);
		check_state();
		assert_false(shadow_gfn_of(shadow.state, gpa(TABLE(2)))->is_protected);
	}
	/* The root hasn't changed. */
	assert_true(shadow_gfn_of(shadow.state, gpa(ROOT))->is_protected);
	/* New entries; or the other role's alone change, and a fence of a page sees it. */
	for (unsigned i = 1; i < 12; i++) {
		put(TABLE(2), i, e[0]);
		reaches(&r, i * PAGE_SIZE, ACCESS_LOAD, RAM + MIB(4));
		shadow_fence(&shadow, NULL, NULL);
	}
	for (unsigned i = 0; i < 12; i++) {
		put(TABLE(2), 20, e[i % 2]);
		fence_form(1, 20 * PAGE_SIZE, 0);
		reaches(&m, 20 * PAGE_SIZE, ACCESS_LOAD, pte_address(e[i % 2]));
		reaches(&r, 0, ACCESS_LOAD, RAM + MIB(4));
		shadow_fence(&shadow, NULL, NULL);
		check_state();
	}
	assert_int_equal(shadow.stats.unshadows, 0);
	assert_false(shadow_gfn_of(shadow.state, gpa(TABLE(2)))->is_protected);
	cool();
	assert_true(shadow_gfn_of(shadow.state, gpa(TABLE(2)))->is_protected);
	/* What has been stored meanwhile is seen when it is protected again. */
	reaches(&r, ALIAS(TABLE(2)), ACCESS_STORE, TABLE(2));
	assert_false(shadow_gfn_of(shadow.state, gpa(TABLE(2)))->is_protected);
	for (unsigned i = 0; i < 3; i++)
		fence_form(0, 0, 0);
	put(TABLE(2), 0, e[1]);
	fence_form(1, MIB(4), 0);
	assert_true(shadow_gfn_of(shadow.state, gpa(TABLE(2)))->is_protected);
	reaches(&r, 0, ACCESS_STORE, RAM + MIB(6));
}

/* A memo of what the last fence went by, without a table that was protected then. */
static void fence_after_a_lift(void **state)
{
	struct regime r = with_all_mapped(SHADOW_UNSYNC);
	(void)state;

	reaches(&r, 0, ACCESS_STORE, RAM + MIB(4));
	put(ROOT, 3, pte_make(TABLE(3), PTE_V));
	put(TABLE(3), 0, pte_make(TABLE(4), PTE_V));
	put(TABLE(4), 0, pte_make(RAM + MIB(4), RW));
	cool();
	reaches(&r, GIB(3), ACCESS_STORE, RAM + MIB(4)); /* so that there is something to compare */
	fence_form(1, 0, 0);
	fence_form(1, 0, 0);
	shadow_unprotect(&shadow, gpa(TABLE(2)));
	put(TABLE(2), 0, pte_make(RAM + MIB(6), RW));
	assert_true(is_there(&r, 0, ACCESS_LOAD));
	fence_form(1, 0, 0);
	reaches(&r, 0, ACCESS_LOAD, RAM + MIB(6));
}

/* A large leaf that maps tables with W, before they are tables. */
static void large_leaf_loses_w(void **state)
{
	struct regime r = kernel(ATP_MODE_SV39);
	struct regime b = { .atp = 0 };
	(void)state;

	for (unsigned policy = SHADOW_TRAP; policy <= SHADOW_UNSYNC; policy++) {
		begin(host_mode, (enum shadow_policy)policy);
		map_small(0, pte_make(RAM + MIB(4), RW));
		assert_int_equal(reaches(&b, TABLE(2), ACCESS_STORE, TABLE(2)).level, 1);
		reaches(&r, 0, ACCESS_LOAD, RAM + MIB(4));
		cool();
		assert_false(is_there(&b, TABLE(2), ACCESS_STORE));
		answers(&b, ROOT, ACCESS_STORE, SHADOW_STORE);
		assert_int_equal(reaches(&b, RAM, ACCESS_STORE, RAM).level, 0);
		assert_int_equal(reaches(&b, ROOT, ACCESS_LOAD, ROOT).level, 0);
	}
}

/*
 * Other harts that run the VM are told to forget what is taken back; no others. And seldom: tables
 * are protected many at once, and until then compared.
 */
static void other_harts_are_fenced(void **state)
{
	struct shadow_view other = { .vcpu = 1 };
	struct regime r = with_all_mapped(SHADOW_TRAP);
	(void)state;

	gs.harts = 1 | 1 << 2;
	fake.hart = &fake.harts[2];
	shadow_satp(&shadow, &other, &r);
	fake.hart = &fake.harts[0];
	fake.sbi_n = 0;
	for (unsigned i = 0; i < shadow.state->batch; i++) {
		assert_int_equal(fake.sbi_n, 0);
		assert_false(shadow_gfn_of(shadow.state, gpa(TABLE(2)))->is_protected);
		put(TABLE(1), i, pte_make(TABLE(2 + i), PTE_V));
		put(TABLE(2 + i), 0, pte_make(RAM + MIB(6), RW));
		reaches(&r, i * MIB(2), ACCESS_STORE, RAM + MIB(6));
		put(TABLE(2), 0, pte_make(RAM + MIB(i % 2 ? 6 : 8), RW));
		shadow_fence(&shadow, NULL, NULL);
		reaches(&r, 0, ACCESS_STORE, RAM + MIB(i % 2 ? 6 : 8));
		if (shadow_gfn_of(shadow.state, gpa(TABLE(2)))->is_protected)
			break;
	}
	assert_true(fake.sbi_n > 0);
	answers(&r, ALIAS(ROOT), ACCESS_STORE, SHADOW_STORE);
	answers(&r, ALIAS(TABLE(2)), ACCESS_STORE, SHADOW_STORE);
	/* And what they are told for the guest, of one page, is about our tables too. */
	mmu_shadowed.fence_there((struct sbi_harts){ 1, 102 },
				 &(struct mmu_fence){ 0x1000, PAGE_SIZE, true, NULL });
	for (unsigned i = 0; i < fake.sbi_n; i++) {
		assert_int_equal(fake.sbi[i].a[0], 1);
		assert_int_equal(fake.sbi[i].a[1], 102);
		assert_int_equal(fake.sbi[i].a[2], 0);
		assert_int_equal(fake.sbi[i].a[3], UINT64_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(tables_are_protected, set_up),
		cmocka_unit_test_setup(hot_tables_are_not_protected, set_up),
		cmocka_unit_test_setup(fence_after_a_lift, set_up),
		cmocka_unit_test_setup(large_leaf_loses_w, set_up),
		cmocka_unit_test_setup(other_harts_are_fenced, set_up),
	};

	return RUN_ON_BOTH_HOSTS(tests);
}
