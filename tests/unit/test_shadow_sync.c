/*
 * hyp/shadow/: stores, fences, spaces, eviction, replaced memory: that nothing which was filled in
 * outlives what it came from, and that nothing is lost or left over.
 */
#include "tests/unit/shadow.h"

#include "hyp/lib/trace.h"

static int set_up(void **state)
{
	(void)state;
	begin(host_mode, SHADOW_TRAP);
	return 0;
}

/* --- stores --- */

/* A change by an emulated store is seen at once; one after the protection was lifted at a fence. */
static void stores(void **state)
{
	(void)state;

	for (unsigned policy = SHADOW_TRAP; policy <= SHADOW_UNSYNC; policy++) {
		struct regime r = with_all_mapped((enum shadow_policy)policy);
		pte_t e = pte_make(RAM + MIB(6), RW);

		reaches(&r, 0, ACCESS_STORE, RAM + MIB(4));
		cool();
		shadow_store(&shadow, gpa(TABLE(2)), e, 8);
		check_state();
		reaches(&r, 0, ACCESS_STORE, RAM + MIB(6));
		/* One byte of it: without V, then with. */
		shadow_store(&shadow, gpa(TABLE(2)), 0, 1);
		check_state();
		answers(&r, 0, ACCESS_LOAD, SHADOW_PAGE);
		shadow_store(&shadow, gpa(TABLE(2)), RW & 0xff, 2);
		check_state();
		reaches(&r, 0, ACCESS_LOAD, RAM + MIB(6));
		shadow_store(&shadow, gpa(TABLE(2) + 4), 1, 4);
		check_state();
		answers(&r, 0, ACCESS_LOAD, SHADOW_ACCESS);
		shadow_store(&shadow, gpa(TABLE(2)), e, 8);
		reaches(&r, 0, ACCESS_LOAD, RAM + MIB(6));
		/* Another entry's store takes nothing back; a pointer's does. */
		shadow_store(&shadow, gpa(TABLE(2) + 8), e, 8);
		assert_true(is_there(&r, 0, ACCESS_LOAD));
		/* A misaligned one changes both. */
		reaches(&r, PAGE_SIZE, ACCESS_LOAD, RAM + MIB(6));
		shadow_store(&shadow, gpa(TABLE(2) + 4), 1, 8);
		check_state();
		answers(&r, 0, ACCESS_LOAD, SHADOW_ACCESS);
		answers(&r, PAGE_SIZE, ACCESS_LOAD, SHADOW_PAGE);
		shadow_store(&shadow, gpa(TABLE(2)), e, 8);
		reaches(&r, 0, ACCESS_LOAD, RAM + MIB(6));
		shadow_store(&shadow, gpa(TABLE(1)), 0, 8);
		check_state();
		answers(&r, 0, ACCESS_LOAD, SHADOW_PAGE);
		shadow_store(&shadow, gpa(TABLE(1)), pte_make(TABLE(2), PTE_V), 8);
		reaches(&r, 0, ACCESS_LOAD, RAM + MIB(6));

		shadow_unprotect(&shadow, gpa(TABLE(2)));
		shadow_unprotect(&shadow, gpa(TABLE(1)));
		check_state();
		reaches(&r, ALIAS(TABLE(2)), ACCESS_STORE, TABLE(2));
		put(TABLE(2), 0, pte_make(RAM + MIB(8), RW));
		put(TABLE(1), 1, pte_make(RAM + MIB(10), RW));
		assert_true(is_there(&r, 0, ACCESS_LOAD));
		shadow_fence(&shadow, NULL, NULL);
		assert_false(is_there(&r, 0, ACCESS_LOAD));
		cool();
		answers(&r, ALIAS(TABLE(1)), ACCESS_STORE, SHADOW_STORE);
		reaches(&r, 0, ACCESS_LOAD, RAM + MIB(8));
		reaches(&r, MIB(2), ACCESS_LOAD, RAM + MIB(10));
	}
}

static void amos(void **state)
{
	static const struct {
		unsigned funct5, width;
		uint64_t old, operand, result;
	} rows[] = {
		{ 0x01, 8, 1, 2, 2 },
		{ 0x00, 8, UINT64_MAX, 2, 1 },
		{ 0x04, 8, 0xff00, 0x0ff0, 0xf0f0 },
		{ 0x08, 8, 0xff00, 0x0ff0, 0xfff0 },
		{ 0x0c, 8, 0xff00, 0x0ff0, 0x0f00 },
		{ 0x10, 8, UINT64_MAX, 1, UINT64_MAX },
		{ 0x14, 8, UINT64_MAX, 1, 1 },
		{ 0x18, 8, UINT64_MAX, 1, 1 },
		{ 0x1c, 8, UINT64_MAX, 1, UINT64_MAX },
		/* Words: the upper half of memory stays, that of the operand is nothing. */
		{ 0x01, 4, 0x1111111180000000, 0x222222220000ffff, 0x111111110000ffff },
		{ 0x00, 4, 0x11111111ffffffff, 2, 0x1111111100000001 },
		{ 0x04, 4, 0x111111110000ff00, 0xff, 0x111111110000ffff },
		{ 0x08, 4, 0x111111110000ff00, 0xff, 0x111111110000ffff },
		{ 0x0c, 4, 0x111111118000ff00, 0x80000ff0, 0x1111111180000f00 },
		{ 0x10, 4, 0x1111111180000000, 1, 0x1111111180000000 },
		{ 0x10, 4, 0x1111111100000001, 0x80000000, 0x1111111180000000 },
		{ 0x14, 4, 0x1111111180000000, 1, 0x1111111100000001 },
		{ 0x18, 4, 0x1111111180000000, 1, 0x1111111100000001 },
		{ 0x18, 4, 0x1111111100000002, 0x7000000000000001, 0x1111111100000001 },
		{ 0x1c, 4, 0x1111111180000000, 1, 0x1111111180000000 },
	};
	struct regime r = with_all_mapped(SHADOW_TRAP);
	static struct trace trace;
	struct trace_event e;
	uint64_t lost;
	(void)state;

	reaches(&r, 0, ACCESS_STORE, RAM + MIB(4));
	trace_init(&trace);
	trace.kinds = 1u << TRACE_PT_STORE;
	this_hart()->trace = &trace;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t expected = rows[i].old, mask = rows[i].width == 4 ? UINT32_MAX : UINT64_MAX;

		if (rows[i].width == 4)
			expected = (uint64_t)(int64_t)(int32_t)expected;
		put(TABLE(2), 7, rows[i].old);
		assert_true(trace_read(&trace, &e, &lost)); /* a store, too */
		assert_int_equal(shadow_amo(&shadow, gpa(TABLE(2) + 56), rows[i].funct5,
					    rows[i].operand, rows[i].width),
				 expected);
		assert_int_equal(get(TABLE(2), 7), rows[i].result);
		check_state();
		assert_true(trace_read(&trace, &e, &lost));
		assert_int_equal(e.value[TRACE_VALUE], rows[i].result & mask);
	}
	this_hart()->trace = NULL;
	/* With its effect on the shadow. */
	put(TABLE(2), 1, pte_make(RAM + MIB(4), RW));
	reaches(&r, PAGE_SIZE, ACCESS_STORE, RAM + MIB(4));
	assert_int_equal(shadow_amo(&shadow, gpa(TABLE(2) + 8), 0x0c, ~PTE_D, 8),
			 pte_make(RAM + MIB(4), RW));
	check_state();
	answers(&r, PAGE_SIZE, ACCESS_STORE, SHADOW_PAGE);
	shadow_amo(&shadow, gpa(TABLE(2) + 8), 0x0c, ~PTE_V, 4);
	check_state();
	answers(&r, PAGE_SIZE, ACCESS_LOAD, SHADOW_PAGE);
}

/* --- fences --- */

/*
 * Two spaces with one leaf table, two entries in it, changed both: what is the fence's is gone.
 * @here: the fence comes from the space that is looked at, or from the other.
 */
static void fence_reaches(enum shadow_policy policy, unsigned form, bool here)
{
	struct regime a = with_asid(kernel(ATP_MODE_SV39), 5);
	struct regime b = with_asid(kernel(ATP_MODE_SV39), 6);
	uint64_t asid = here ? 5 : 6;
	bool lazy = policy != SHADOW_TRAP; /* trap protects and compares all that was lifted */
	bool is_about_a = !lazy || !(form & 2) || here;

	begin(host_mode, policy);
	map_small(0, pte_make(RAM + MIB(4), RW));
	put(TABLE(2), 1, pte_make(RAM + MIB(4), RW));
	reaches(&b, 0, ACCESS_LOAD, RAM + MIB(4));
	for (unsigned i = 0; i < 2; i++)
		reaches(&a, i * PAGE_SIZE, ACCESS_LOAD, RAM + MIB(4));
	if (!lazy)
		shadow_unprotect(&shadow, gpa(TABLE(2)));
	put(TABLE(2), 0, pte_make(RAM + MIB(6), RW));
	put(TABLE(2), 1, pte_make(RAM + MIB(6), RW));
	assert_int_equal(is_there(&a, 0, ACCESS_LOAD), true);
	fence_form(form, 8, asid);
	/* What may be stale is: a fence that does more than it has to costs. */
	if (is_about_a || !(form & 1))
		reaches(&a, 0, ACCESS_LOAD, RAM + MIB(6));
	if (is_about_a && (!(form & 1) || !lazy))
		reaches(&a, PAGE_SIZE, ACCESS_LOAD, RAM + MIB(6));
	if (is_about_a && (form & 1) && lazy)
		reaches(&a, PAGE_SIZE, ACCESS_LOAD, RAM + MIB(4));
	fence_form(0, 0, 0);
	reaches(&a, PAGE_SIZE, ACCESS_LOAD, RAM + MIB(6));
	reaches(&b, 0, ACCESS_LOAD, RAM + MIB(6));
}

static void fences(void **state)
{
	(void)state;

	for (ALL_POLICIES)
		for (unsigned form = 0; form < 4; form++) {
			fence_reaches(policy, form, true);
			if (policy == SHADOW_TRAP || !(form & 2))
				fence_reaches(policy, form, false);
		}
}

/* Global mappings obey a fence for all ASIDs, and needn't obey one for one. */
static void global_fences(void **state)
{
	struct regime r = with_asid(kernel(ATP_MODE_SV39), 5);
	(void)state;

	begin(host_mode, SHADOW_LAZY);
	map_small(0, pte_make(RAM + MIB(4), RW | PTE_G));
	reaches(&r, 0, ACCESS_LOAD, RAM + MIB(4));
	put(TABLE(2), 0, pte_make(RAM + MIB(6), RW | PTE_G));
	fence_form(2, 0, 5);
	assert_true(is_there(&r, 0, ACCESS_LOAD));
	fence_form(0, 0, 0);
	reaches(&r, 0, ACCESS_LOAD, RAM + MIB(6));
}

/* 64 KiB in sixteen entries: a fence about any address of it is one about all. */
static void napot(void **state)
{
	const pte_t n = PTE_N | BITS(8, PTE_PPN_SHIFT);
	(void)state;

	for (ALL_POLICIES) {
		struct regime r = kernel(ATP_MODE_SV39);

		begin(host_mode, policy);
		map_small(KIB(64), 0);
		for (unsigned i = 16; i < 32; i++)
			put(TABLE(2), i, pte_make(RAM + MIB(4), RW) | n);
		answers(&r, KIB(64), ACCESS_LOAD, SHADOW_PAGE);
		r.napot = true;
		for (unsigned i = 0; i < 16; i++)
			reaches(&r, KIB(64) + i * PAGE_SIZE, ACCESS_STORE, RAM + MIB(4) + i * PAGE_SIZE);
		for (unsigned i = 16; i < 32; i++)
			put(TABLE(2), i, pte_make(RAM + MIB(6), RW) | n);
		fence_form(1, KIB(64) + 5 * PAGE_SIZE, 0);
		for (unsigned i = 0; i < 16; i++)
			reaches(&r, KIB(64) + i * PAGE_SIZE, ACCESS_STORE, RAM + MIB(6) + i * PAGE_SIZE);
		/* The same for 64 KiB in RAM's odd end, of 4 KiB pages. */
		for (unsigned i = 16; i < 32; i++)
			put(TABLE(2), i, pte_make(RAM + MIB(16), RW) | n);
		fence_form(1, KIB(64), 0);
		for (unsigned i = 0; i < 16; i++)
			reaches(&r, KIB(64) + i * PAGE_SIZE, ACCESS_LOAD, RAM + MIB(16) + i * PAGE_SIZE);
	}
}

/* --- spaces --- */

/* Table pages of space @i, above everything else: three a space; its page at 0 is its own. */
static struct regime make_space(unsigned i)
{
	uint64_t at = RAM + MIB(2) + i * KIB(12);

	put(at, 0, pte_make(at + KIB(4), PTE_V));
	put(at + KIB(4), 0, pte_make(at + KIB(8), PTE_V));
	put(at + KIB(8), 0, pte_make(RAM + MIB(8) + i * PAGE_SIZE, RW));
	return (struct regime){ .atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) |
				       (uint64_t)i << SATP_ASID_SHIFT | at >> PAGE_SHIFT };
}

static void spaces(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct regime r[3 * SPACES];
		uint64_t satp;
		unsigned flushes;

		begin(host_mode, policy);
		for (unsigned i = 0; i < 3 * SPACES; i++)
			r[i] = make_space(i);
		/* All that are remembered come back as they were. */
		for (unsigned i = 0; i < SPACES; i++)
			reaches(&r[i], 0, ACCESS_STORE, RAM + MIB(8) + i * PAGE_SIZE);
		for (unsigned i = 0; i < 4 * SPACES; i++)
			assert_true(is_there(&r[i * 5 % SPACES], 0, ACCESS_STORE));
		assert_int_equal(shadow.stats.roots, SPACES);
		/* The others push out what wasn't used for longest, and the hart forgets its ASID. */
		assert_true(is_there(&r[1], 0, ACCESS_STORE));
		satp = shadow_satp(&shadow, &view, &r[1]);
		flushes = fake.fence[FAKE_SFENCE_ALL].n;
		reaches(&r[SPACES], 0, ACCESS_STORE, RAM + MIB(8) + SPACES * PAGE_SIZE);
		assert_true(fake.fence[FAKE_SFENCE_ALL].n > flushes);
		assert_int_equal(shadow_satp(&shadow, &view, &r[1]), satp);
		for (unsigned i = 0; i < 9 * SPACES; i++) {
			unsigned k = i * 7 % (3 * SPACES);

			reaches(&r[k], 0, ACCESS_STORE, RAM + MIB(8) + k * PAGE_SIZE);
		}
		/* No two that are remembered share an ASID. */
		for (unsigned i = 0; i < SPACES * ROLES; i++)
			for (unsigned k = 0; k < i; k++) {
				const struct shadow_space *s = shadow.state->spaces[0];
				uint64_t one = s[i / ROLES].satp[i % ROLES];
				uint64_t two = s[k / ROLES].satp[k % ROLES];

				assert_true(!one || !two || (one ^ two) >> SATP_ASID_SHIFT);
			}
	}
}

/* A fence about spaces that aren't in use is made up for when they come back. */
static void fence_of_another_space(void **state)
{
	uint64_t asid = 1;
	(void)state;

	for (ALL_POLICIES) {
		struct regime a, b;

		begin(host_mode, policy);
		a = make_space(1);
		b = make_space(2);
		reaches(&a, 0, ACCESS_STORE, RAM + MIB(8) + PAGE_SIZE);
		reaches(&b, 0, ACCESS_STORE, RAM + MIB(8) + 2 * PAGE_SIZE);
		put(RAM + MIB(2) + KIB(12) + KIB(8), 0, pte_make(RAM + MIB(6), RW));
		shadow_fence(&shadow, NULL, &asid);
		check_state();
		reaches(&b, 0, ACCESS_STORE, RAM + MIB(8) + 2 * PAGE_SIZE);
		reaches(&a, 0, ACCESS_STORE, RAM + MIB(6));
	}
}

/* A root page that becomes another address space's, with an ASID that wasn't used. */
static void recycled_root(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct regime a, b;

		begin(host_mode, policy);
		a = make_space(1);
		reaches(&a, 0, ACCESS_STORE, RAM + MIB(8) + PAGE_SIZE);
		reaches(&(struct regime){ 0 }, RAM, ACCESS_LOAD, RAM);
		b = a;
		b.atp ^= UINT64_C(0x77) << SATP_ASID_SHIFT;
		put(RAM + MIB(2) + KIB(12), 0, pte_make(RAM + MIB(2) + KIB(400), PTE_V));
		put(RAM + MIB(2) + KIB(400), 0, pte_make(RAM + MIB(6), RW));
		answers(&b, MIB(2), ACCESS_STORE, SHADOW_PAGE);
		reaches(&b, 0, ACCESS_STORE, RAM + MIB(6));
	}
}

/* A table page becomes data, then a table of another level, then of another space. */
static void recycled_table(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct regime r = with_all_mapped(policy), other = with_asid(r, 9);

		reaches(&r, 0, ACCESS_STORE, RAM + MIB(4));
		put(TABLE(1), 0, 0);
		fence_form(0, 0, 0);
		answers(&r, 0, ACCESS_LOAD, SHADOW_PAGE);
		put(TABLE(2), 0, 0x1234567890abcdef);
		put(TABLE(2), 1, pte_make(RAM + MIB(6), RW));
		put(ROOT, 0, pte_make(TABLE(2), PTE_V));
		fence_form(0, 0, 0);
		reaches(&r, MIB(2) + 8, ACCESS_STORE, RAM + MIB(6) + 8);
		answers(&r, 0, ACCESS_STORE, SHADOW_PAGE);
		put(TABLE(2), 1, pte_make(TABLE(3), PTE_V));
		put(TABLE(3), 0, pte_make(RAM + MIB(8), RW));
		reaches(&other, MIB(2), ACCESS_LOAD, RAM + MIB(8));
		/* The root as a leaf table of itself: every level at once. */
		put(ROOT, 3, pte_make(ROOT, PTE_V));
		fence_form(0, 0, 0);
		answers(&r, GIB(3) + 3 * MIB(2) + 3 * KIB(4), ACCESS_LOAD, SHADOW_PAGE);
		reaches(&r, GIB(3) + 2 * MIB(2), ACCESS_LOAD, RAM);
	}
}

/* Several vcpus: one set of tables, a root each. */
static void vcpus(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct shadow_view other = { .vcpu = 1 };
		struct regime r = with_all_mapped(policy);
		struct fake_access a;
		uint64_t tables;

		reaches(&r, 0, ACCESS_STORE, RAM + MIB(4));
		tables = shadow.stats.tables;
		fake.hart = &fake.harts[1];
		assert_true(shadow_satp(&shadow, &other, &r) != shadow_satp(&shadow, &view, &r));
		a = fake_access(&shadow, &other, &r, gva(0), ACCESS_STORE);
		assert_int_equal(a.walk.to.v, gstage_lookup(&gs, gpa(RAM + MIB(4))).to.v);
		check_state();
		/* Its root and what leads to the guest's, no more. */
		assert_int_equal(shadow.stats.tables, tables + (host_mode == HOST_SV39 ? 1 : 2));
		put(TABLE(2), 0, pte_make(RAM + MIB(6), RW));
		fence_form(1, 0, 0);
		a = fake_access(&shadow, &other, &r, gva(0), ACCESS_STORE);
		assert_int_equal(a.walk.to.v, gstage_lookup(&gs, gpa(RAM + MIB(6))).to.v);
		check_state();
		fake.hart = &fake.harts[0];
		reaches(&r, 0, ACCESS_STORE, RAM + MIB(6));
	}
}

/* --- copy on write --- */

/* A page of the bundle is mapped where it lies; its first store replaces the frame everywhere. */
static void copy_on_write(void **state)
{
	(void)state;

	for (unsigned i = 0; i < 2 * SHADOW_CACHING; i++) {
		enum shadow_policy policy = (enum shadow_policy)(i / 2);
		uint64_t offset = i % 2 ? KIB(4) : 0; /* by 4 KiB, or by 2 MiB */
		struct regime r = kernel(ATP_MODE_SV39), u = user(ATP_MODE_SV39);
		struct regime b = { .atp = 0 };
		unsigned fences_i, flushes;
		uint64_t old;

		begin_with(host_mode, MIB(128), RAM, MIB(16));
		assert_int_equal(gstage_add_backing(&gs, gpa(RAM + MIB(4)), MIB(2),
						    hpa(BUNDLE + offset), false),
				 OK);
		shadows(policy);
		map_small(0, pte_make(RAM + MIB(4) + KIB(8), RWX));
		put(TABLE(2), 1, pte_make(RAM + MIB(4) + KIB(8), RWX | PTE_U));
		put(TABLE(1), 3, pte_make(RAM + MIB(4), RWX));
		put(ROOT, 2, pte_make(align_down(RAM, GIB(1)), RWX));
		old = BUNDLE + offset + KIB(8);
		assert_int_equal(reaches(&r, 0, ACCESS_FETCH, RAM + MIB(4) + KIB(8)).to.v, old);
		assert_int_equal(reaches(&u, PAGE_SIZE, ACCESS_LOAD, RAM + MIB(4) + KIB(8)).to.v, old);
		assert_int_equal(reaches(&r, MIB(6) + KIB(8), ACCESS_LOAD, RAM + MIB(4) + KIB(8)).to.v,
				 old);
		reaches(&r, ALIAS(RAM + MIB(4) + KIB(12)), ACCESS_LOAD, RAM + MIB(4) + KIB(12));
		reaches(&b, RAM + MIB(4) + KIB(8), ACCESS_LOAD, RAM + MIB(4) + KIB(8));
		assert_false(is_there(&r, 0, ACCESS_STORE));
		fences_i = fake.fence[FAKE_FENCE_I].n;
		flushes = fake.fence[FAKE_SFENCE_ALL].n;
		assert_true(reaches(&r, 0, ACCESS_STORE, RAM + MIB(4) + KIB(8)).to.v != old);
		assert_true(fake.fence[FAKE_FENCE_I].n > fences_i);
		assert_true(fake.fence[FAKE_SFENCE_ALL].n > flushes);
		assert_false(is_there(&u, PAGE_SIZE, ACCESS_LOAD));
		assert_false(is_there(&r, MIB(6) + KIB(8), ACCESS_LOAD));
		assert_false(is_there(&r, ALIAS(RAM + MIB(4) + KIB(12)), ACCESS_LOAD));
		assert_false(is_there(&b, RAM + MIB(4) + KIB(8), ACCESS_LOAD));
		reaches(&u, PAGE_SIZE, ACCESS_LOAD, RAM + MIB(4) + KIB(8));
		reaches(&b, RAM + MIB(5), ACCESS_STORE, RAM + MIB(5));
	}
}

/* Tables that the bundle brought: they are the guest's own before they are mirrored. */
static void tables_in_the_bundle(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct regime r = { .atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) |
					   (RAM + MIB(4)) >> PAGE_SHIFT,
				    .adue = true };
		pte_t *bundle;
		pte_t leaf = pte_make(align_down(RAM, GIB(1)), PTE_V | PTE_R | PTE_W);

		begin_with(host_mode, MIB(128), RAM, MIB(16));
		bundle = phys_pointer(hpa(BUNDLE));
		bundle[2] = leaf;
		assert_int_equal(gstage_add_backing(&gs, gpa(RAM + MIB(4)), MIB(2),
						    hpa(BUNDLE), false),
				 OK);
		shadows(policy);
		reaches(&r, ALIAS(RAM + MIB(4) + KIB(8)), ACCESS_LOAD, RAM + MIB(4) + KIB(8));
		reaches(&r, ALIAS(RAM + MIB(5)), ACCESS_STORE, RAM + MIB(5));
		assert_int_equal(bundle[2], leaf);
		assert_int_equal(get(RAM + MIB(4), 2), leaf | PTE_A | PTE_D);
	}
}

/* What lies where code is fetched from, as the hardware finds it. */
static void code(void **state)
{
	struct regime r = with_all_mapped(SHADOW_TRAP);
	(void)state;

	map_small(0, pte_make(RAM + MIB(4), RX));
	put(RAM + MIB(4), 0x120 / 8, UINT64_C(0x1234567800000000));
	put(RAM + MIB(4), 0xff8 / 8, UINT64_C(0xabcd000000000000));
	assert_false(shadow_code(&shadow, &view, &r, gva(0x124)).is_mapped);
	reaches(&r, 0x124, ACCESS_FETCH, RAM + MIB(4) + 0x124);
	assert_int_equal(shadow_code(&shadow, &view, &r, gva(0x124)).bits, 0x12345678);
	assert_int_equal(shadow_code(&shadow, &view, &r, gva(0x124)).at.v, RAM + MIB(4) + 0x124);
	assert_int_equal(shadow_code(&shadow, &view, &r, gva(0xffe)).bits, 0xabcd);
	assert_false(shadow_code(&shadow, &view, &r, gva(0x124)).is_copy);
	reaches(&r, ALIAS(RAM + MIB(4) + 0x126), ACCESS_FETCH, RAM + MIB(4) + 0x126);
	assert_int_equal(shadow_code(&shadow, &view, &r, gva(ALIAS(RAM + MIB(4) + 0x126))).bits,
			 0x1234);
	assert_false(shadow_code(&shadow, &view, &r, gva(GIB(100))).is_mapped);
	check_state();
}

/* What is shown of an entry: whether the guest's tables still say what it was made from. */
static void looks(void **state)
{
	static const struct {
		unsigned table; /* TABLE() that changes; .to is what its entry 0 becomes */
		pte_t to;
		bool is_old;
	} rows[] = {
		{ 2, BITS((RAM + MIB(6)) >> PAGE_SHIFT, PTE_PPN_SHIFT) | RW, true },
		{ 2, 0, true },
		{ 2, BITS((RAM + MIB(4)) >> PAGE_SHIFT, PTE_PPN_SHIFT) | RW, false },
		{ 2, BITS((RAM + MIB(4)) >> PAGE_SHIFT, PTE_PPN_SHIFT) | (RW & ~PTE_D), true },
		{ 1, BITS(TABLE(3) >> PAGE_SHIFT, PTE_PPN_SHIFT) | PTE_V, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct regime r = with_all_mapped(SHADOW_LAZY);
		struct shadow_seen seen = shadow_look(&shadow, &view, &r, gva(0));

		assert_false(seen.entry || seen.is_old);
		reaches(&r, 0, ACCESS_STORE, RAM + MIB(4));
		seen = shadow_look(&shadow, &view, &r, gva(0));
		assert_true(seen.has_root && seen.is_leaf && !seen.is_old && !seen.is_state);
		put(TABLE(rows[i].table), 0, rows[i].to);
		seen = shadow_look(&shadow, &view, &r, gva(0));
		assert_true(seen.is_leaf && seen.is_old == rows[i].is_old);
		shadow_fence(&shadow, NULL, NULL);
		seen = shadow_look(&shadow, &view, &r, gva(0));
		assert_true(!seen.is_old && seen.is_leaf != rows[i].is_old);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(stores, set_up),
		cmocka_unit_test_setup(amos, set_up),
		cmocka_unit_test_setup(fences, set_up),
		cmocka_unit_test_setup(global_fences, set_up),
		cmocka_unit_test_setup(napot, set_up),
		cmocka_unit_test_setup(spaces, set_up),
		cmocka_unit_test_setup(fence_of_another_space, set_up),
		cmocka_unit_test_setup(recycled_root, set_up),
		cmocka_unit_test_setup(recycled_table, set_up),
		cmocka_unit_test_setup(vcpus, set_up),
		cmocka_unit_test_setup(copy_on_write, set_up),
		cmocka_unit_test_setup(tables_in_the_bundle, set_up),
		cmocka_unit_test_setup(code, set_up),
		cmocka_unit_test_setup(looks, set_up),
	};

	return RUN_ON_BOTH_HOSTS(tests);
}
