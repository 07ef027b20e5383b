/*
 * hyp/shadow/: the end of memory. Tables make room for others, and some are there whatever becomes of
 * the host's memory.
 */
#include "tests/unit/shadow.h"

/* Far more tables than there are: the oldest make room, and everything is still right. */
static void eviction(void **state)
{
	enum { LEAF_TABLES = 3000, FIRST = 16 };
	(void)state;

	for (ALL_POLICIES) {
		struct regime r = kernel(ATP_MODE_SV39);
		uint64_t seed = 5;

		begin(host_mode, policy);
		for (unsigned i = 0; i < 8; i++)
			if (gstage_write(&gs, gpa(ROOT + 8 * i),
					 &(pte_t){ pte_make(TABLE(i + 1), PTE_V) }, 8))
				fail();
		for (unsigned i = 0; i < LEAF_TABLES; i++) {
			pte_t e = pte_make(TABLE(FIRST + i), PTE_V);
			pte_t leaf = pte_make(RAM + i % 256 * PAGE_SIZE, RW);

			if (gstage_write(&gs, gpa(TABLE(1) + 8 * i), &e, 8) ||
			    gstage_write(&gs, gpa(TABLE(FIRST + i)), &leaf, 8))
				fail();
		}
		for (unsigned i = 0; i < 3 * LEAF_TABLES; i++) {
			unsigned k = i < LEAF_TABLES ? i :
						       (unsigned)(random_next(&seed) % LEAF_TABLES);
			struct fake_access a =
				fake_access(&shadow, &view, &r, gva(k * MIB(2)), ACCESS_STORE);

			assert_int_equal(a.answer.what, SHADOW_RESUME);
			assert_int_equal(a.walk.to.v,
					 gstage_lookup(&gs, gpa(RAM + k % 256 * PAGE_SIZE)).to.v);
			if (i % 500 == 0)
				check_state();
		}
		check_state();
		assert_true(shadow.stats.evicted > LEAF_TABLES);
		assert_int_equal(shadow.state->tables_n, shadow.state->tables_max);
	}
}

/* @vcpus use as many roots as they can make, and both halves of each. */
static void use_many_roots(unsigned vcpus)
{
	static struct shadow_view views[SHADOW_VCPUS];

	memset(views, 0, sizeof(views));
	for (unsigned i = 0; i < vcpus * SPACES * 6; i++) {
		struct regime r = with_asid(user(ATP_MODE_SV39), i / 6 % SPACES);
		struct shadow_view *w = &views[i / 6 / SPACES];
		struct fake_access a;

		w->vcpu = i / 6 / SPACES;
		r.mxr = i % 2;
		r.sum = i % 3 == 1;
		r.user = i % 3 == 2;
		for (unsigned k = 0; k < 2; k++) {
			a = fake_access(&shadow, w, &r, gva(k ? -GIB(1) : 0), ACCESS_LOAD);
			assert_true(a.faults <= FAKE_FAULTS_MAX);
			assert_int_equal(a.answer.what, r.user || r.sum ? SHADOW_RESUME : SHADOW_PAGE);
		}
	}
	check_state();
}

/* Roots can't be evicted one by one: a guest that makes as many as it can must still run. */
static void too_many_roots(void **state)
{
	(void)state;

	begin(host_mode, SHADOW_TRAP);
	map_small(0, pte_make(RAM + MIB(4), RW | PTE_U));
	put(ROOT, 511, pte_make(TABLE(1), PTE_V));
	use_many_roots(SHADOW_VCPUS);
}

/* The VM's frames, too, where no block is left. */
static void use_up_frames(void)
{
	hpa_t at;

	while (frame_alloc(&pool, &at) == OK)
		continue;
}

/* Of the host's memory @blocks of 2 MiB remain, which were somebody's. */
static void leave_memory(unsigned blocks)
{
	struct frame_pool kept = { .owner = 3 }, lost = { .owner = 4 };
	bool zero;
	hpa_t at;

	for (unsigned i = 0; i < blocks; i++) {
		assert_int_equal(frame_alloc_block(&kept, &at, &zero), OK);
		memset(phys_pointer(at), 0xa5, MIB(2));
	}
	while (frame_alloc_block(&lost, &at, &zero) == OK)
		continue;
	use_up_frames();
	frame_free_all(&kept);
}

/* Begin anew with the guest's tables there already, and so much memory. */
static enum err begin_with_little(enum shadow_policy policy, unsigned blocks)
{
	begin(host_mode, policy);
	map_small(0, pte_make(RAM + MIB(4), RW | PTE_U));
	put(TABLE(2), 1, pte_make(RAM + MIB(8), RW | PTE_U));
	put(ROOT, 511, pte_make(TABLE(1), PTE_V));
	assert_int_equal(gstage_write(&gs, gpa(RAM + MIB(4)), &(uint64_t){ 1 }, 8), OK);
	leave_memory(blocks);
	return shadow_init(&shadow, &gs, policy, false);
}

/* What shadows can't do without they take at once, or there are none: then no access ever finds that
 * there is no memory for them. */
static void reserve(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct regime u = user(ATP_MODE_SV39);
		unsigned blocks = 0;
		enum err e;

		while ((e = begin_with_little(policy, blocks)) != OK) {
			assert_int_equal(e, ERR_NOMEM);
			assert_true(++blocks < 16);
		}
		view = (struct shadow_view){ .vcpu = 0 };
		use_up_frames();
		check_state();
		use_many_roots(host.harts);
		reaches(&u, 0, ACCESS_STORE, RAM + MIB(4));
		answers(&u, PAGE_SIZE, ACCESS_STORE, SHADOW_NOMEM);
		put(TABLE(2), 1, pte_make(RAM + MIB(4), RW | PTE_U));
		shadow_fence(&shadow, NULL, NULL);
		reaches(&u, PAGE_SIZE, ACCESS_STORE, RAM + MIB(4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eviction),
		cmocka_unit_test(too_many_roots),
		cmocka_unit_test(reserve),
	};

	return RUN_ON_BOTH_HOSTS(tests);
}
