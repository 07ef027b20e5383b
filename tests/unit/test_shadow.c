/*
 * hyp/shadow/: what a fault fills in, by size, role and mode; see test_shadow_sync.c for what takes
 * it back. The oracle does the many cases.
 */
#include "tests/unit/shadow.h"

static int set_up(void **state)
{
	(void)state;
	begin(HOST_SV57, SHADOW_TRAP);
	return 0;
}

static void modes(void **state)
{
	(void)state;

	assert_true(shadow_mode_works(ATP_MODE_BARE));
	assert_true(shadow_mode_works(ATP_MODE_SV39));
	assert_true(shadow_mode_works(ATP_MODE_SV48));
	assert_false(shadow_mode_works(ATP_MODE_SV57));
	assert_false(shadow_mode_works(1));
	begin(HOST_SV48, SHADOW_TRAP);
	assert_true(shadow_mode_works(ATP_MODE_BARE));
	assert_true(shadow_mode_works(ATP_MODE_SV39));
	assert_false(shadow_mode_works(ATP_MODE_SV48));
	assert_false(shadow_has_windows());
	begin(HOST_SV39, SHADOW_TRAP);
	assert_true(shadow_mode_works(ATP_MODE_BARE));
	assert_true(shadow_mode_works(ATP_MODE_SV39));
	assert_false(shadow_mode_works(ATP_MODE_SV48));
	assert_true(shadow_has_windows());
}

/* Leaves of each size of the guest over each size of the G-stage. */
static void sizes(void **state)
{
	static const struct {
		uint64_t host, ram, bytes;
		uint64_t guest; /* offset of the page in RAM; the guest's leaf begins below it */
		uint8_t level, expected;
	} rows[] = {
		{ MIB(128), RAM, MIB(16) + KIB(64), MIB(4) + KIB(12), 0, 0 },
		{ MIB(128), RAM, MIB(16) + KIB(64), MIB(4) + KIB(12), 1, 1 },
		{ MIB(128), RAM, MIB(16) + KIB(64), MIB(4) + KIB(12), 2, 1 },
		{ MIB(128), RAM, MIB(16) + KIB(64), MIB(16) + KIB(12), 0, 0 },
		{ MIB(128), RAM, MIB(16) + KIB(64), MIB(16) + KIB(12), 1, 0 },
		{ MIB(128), RAM, MIB(16) + KIB(64), MIB(16) + KIB(12), 2, 0 },
		{ MIB(128), RAM + KIB(4), MIB(4), KIB(8), 2, 0 },
		{ MIB(128), RAM + KIB(4), MIB(4), MIB(2), 2, 1 },
		{ GIB(4), RAM, GIB(2), GIB(1) + MIB(5), 0, 0 },
		{ GIB(4), RAM, GIB(2), GIB(1) + MIB(5), 1, 1 },
		{ GIB(4), RAM, GIB(2), GIB(1) + MIB(5), 2, 2 },
		{ GIB(4), RAM, GIB(2), GIB(1) + MIB(5), 3, 2 },
	};
	const uint64_t va = UINT64_C(5) << 39;
	(void)state;

	for (unsigned i = 0; i < 3 * sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned k = i / 3, level = rows[k].level;
		uint64_t gpa_at = rows[k].ram + rows[k].guest;
		uint64_t root = rows[k].ram + MIB(1);
		struct regime r = { .atp = BITS(ATP_MODE_SV48, ATP_MODE_SHIFT) | root >> PAGE_SHIFT };
		uint64_t at = va + (gpa_at & (pt_span(level) - 1));

		begin_with(HOST_SV57, rows[k].host, rows[k].ram, rows[k].bytes);
		shadows((enum shadow_policy)(i % 3));
		for (unsigned l = 3; l > level; l--)
			put(root + (3 - l) * PAGE_SIZE, l == 3 ? 5 : 0,
			    pte_make(root + (4 - l) * PAGE_SIZE, PTE_V));
		put(root + (3 - level) * PAGE_SIZE,
		    level == 3 ? 5 : 0, pte_make(align_down(gpa_at, pt_span(level)), RWX));
		for (enum access want = ACCESS_FETCH; want <= ACCESS_STORE; want++)
			assert_int_equal(reaches(&r, at, want, gpa_at).level, rows[k].expected);
	}
}

/* Bare mode is one large leaf of everything. */
static void bare(void **state)
{
	(void)state;

	for (unsigned mode = HOST_SV39; mode < HOST_MODES; mode++)
		for (ALL_POLICIES) {
			struct regime r = { .atp = 0 };

			begin(mode, policy);
			assert_int_equal(reaches(&r, RAM + MIB(3), ACCESS_STORE, RAM + MIB(3)).level, 1);
			assert_int_equal(reaches(&r, RAM + MIB(16), ACCESS_FETCH, RAM + MIB(16)).level, 0);
			r.sum = r.mxr = true;
			assert_true(is_there(&r, RAM + MIB(2), ACCESS_FETCH));
			r.user = true;
			reaches(&r, RAM + MIB(2), ACCESS_FETCH, RAM + MIB(2));
			answers(&r, DEVICE + 8, ACCESS_LOAD, SHADOW_DEVICE);
			answers(&r, DEVICE, ACCESS_FETCH, SHADOW_ACCESS);
			answers(&r, 0, ACCESS_LOAD, SHADOW_ACCESS);
			answers(&r, UINT64_MAX - 7, ACCESS_STORE, SHADOW_ACCESS);
			answers(&r, ~UINT64_C(0) << 55, ACCESS_LOAD, SHADOW_ACCESS);
		}
}

static void half(unsigned mode, uint64_t at, bool is_canonical)
{
	struct regime r = kernel(mode);

	if (is_canonical)
		reaches(&r, at, ACCESS_LOAD, RAM + (at & (MIB(8) - 1)));
	else
		answers(&r, at, ACCESS_LOAD, SHADOW_PAGE);
}

/* The guest's two halves, with nothing between; the hypervisor's part isn't the guest's. */
static void both_halves(void **state)
{
	static const uint8_t pairs[][2] = { { HOST_SV57, ATP_MODE_SV39 },
					    { HOST_SV57, ATP_MODE_SV48 },
					    { HOST_SV48, ATP_MODE_SV39 },
					    { HOST_SV39, ATP_MODE_SV39 } };
	(void)state;

	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		unsigned bits = pairs[i][1] == ATP_MODE_SV39 ? 39 : 48;
		uint64_t low_end = UINT64_C(1) << (bits - 1);

		begin(pairs[i][0], SHADOW_TRAP);
		for (unsigned k = 0; k < 4; k++) {
			static const unsigned index[] = { 0, 255, 256, 511 };

			put(ROOT, index[k], pte_make(TABLE(1), PTE_V));
		}
		for (unsigned k = 0; k < PT_ENTRIES; k++)
			put(TABLE(1), k,
			    bits == 39 ? pte_make(RAM + k % 4 * MIB(2), RW) : pte_make(TABLE(2), PTE_V));
		for (unsigned k = 0; bits == 48 && k < PT_ENTRIES; k++)
			put(TABLE(2), k, pte_make(RAM + k % 4 * MIB(2), RW));
		half(pairs[i][1], 0x1238, true);
		half(pairs[i][1], low_end - 8, true);
		half(pairs[i][1], low_end, false);
		half(pairs[i][1], -low_end, true);
		half(pairs[i][1], -low_end - 8, false);
		half(pairs[i][1], UINT64_MAX - 7, true);
		half(pairs[i][1], ~UINT64_C(0) << (pairs[i][0] == HOST_SV57 ? 56 : 47), false);
		assert_int_equal(shadow.stats.roots, 1);
	}
}

/* Who may do what with which page: each role has a shadow of its own. */
static void roles(void **state)
{
	static const struct {
		bool user, sum, mxr;
		const char *may[2]; /* of a page without U, and with: of an RW and an X page */
	} rows[] = {
		{ false, false, false, { "lsf", "" } },   { false, true, false, { "lsf", "ls" } },
		{ false, false, true, { "lsxf", "" } },   { false, true, true, { "lsxf", "lsx" } },
		{ true, false, false, { "", "lsf" } },    { true, true, false, { "", "lsf" } },
		{ true, false, true, { "", "lsxf" } },    { true, true, true, { "", "lsxf" } },
	};
	(void)state;

	for (ALL_POLICIES) {
		begin(HOST_SV57, policy);
		map_small(0, pte_make(RAM + MIB(4), RW));
		put(TABLE(2), 1, pte_make(RAM + MIB(4), PTE_V | PTE_A | PTE_X));
		put(TABLE(2), 2, pte_make(RAM + MIB(4), RW | PTE_U));
		put(TABLE(2), 3, pte_make(RAM + MIB(4), PTE_V | PTE_A | PTE_X | PTE_U));
		for (unsigned i = 0; i < 16; i++) {
			struct regime r = kernel(ATP_MODE_SV39);
			const char *may = rows[i % 8].may[i / 8];
			uint64_t rw = i / 8 * 2 * PAGE_SIZE, x = rw + PAGE_SIZE;
			bool l = strchr(may, 'l'), s = strchr(may, 's');
			bool f = strchr(may, 'f'), by_mxr = strchr(may, 'x');

			r.user = rows[i % 8].user;
			r.sum = rows[i % 8].sum;
			r.mxr = rows[i % 8].mxr;
			answers(&r, rw, ACCESS_LOAD, l ? SHADOW_RESUME : SHADOW_PAGE);
			answers(&r, rw, ACCESS_STORE, s ? SHADOW_RESUME : SHADOW_PAGE);
			answers(&r, rw, ACCESS_FETCH, SHADOW_PAGE);
			answers(&r, x, ACCESS_LOAD, by_mxr ? SHADOW_RESUME : SHADOW_PAGE);
			answers(&r, x, ACCESS_STORE, SHADOW_PAGE);
			answers(&r, x, ACCESS_FETCH, f ? SHADOW_RESUME : SHADOW_PAGE);
		}
	}
}

/* A and D: set where the guest has Svadu, and learnt by the other roles' shadows. */
static void accessed_and_dirty(void **state)
{
	const pte_t leaf = pte_make(RAM + MIB(4), PTE_V | PTE_R | PTE_W | PTE_U);
	(void)state;

	for (ALL_POLICIES) {
		struct regime u = user(ATP_MODE_SV39), k = kernel(ATP_MODE_SV39);

		begin(HOST_SV57, policy);
		k.sum = true;
		map_small(0, leaf);
		answers(&u, 0, ACCESS_LOAD, SHADOW_PAGE);
		assert_int_equal(get(TABLE(2), 0), leaf);
		u.adue = k.adue = true;
		reaches(&u, 0, ACCESS_LOAD, RAM + MIB(4));
		assert_int_equal(get(TABLE(2), 0), leaf | PTE_A);
		assert_false(is_there(&u, 0, ACCESS_STORE));
		reaches(&k, 0, ACCESS_LOAD, RAM + MIB(4));
		reaches(&u, 0, ACCESS_STORE, RAM + MIB(4));
		assert_int_equal(get(TABLE(2), 0), leaf | PTE_A | PTE_D);
		/* The kernel's shadow lacks W, and is no reason to take it back at a fence. */
		assert_true(is_there(&k, 0, ACCESS_LOAD));
		assert_false(is_there(&k, 0, ACCESS_STORE));
		shadow_fence(&shadow, NULL, NULL);
		check_state();
		assert_true(is_there(&k, 0, ACCESS_LOAD));
		reaches(&k, 0, ACCESS_STORE, RAM + MIB(4));
		/* The guest clears D, then A: both have to be seen again. */
		put(TABLE(2), 0, leaf | PTE_A);
		shadow_fence(&shadow, &(gva_t){ 0 }, NULL);
		assert_false(is_there(&u, 0, ACCESS_STORE));
		assert_false(is_there(&k, 0, ACCESS_STORE));
		reaches(&u, 0, ACCESS_STORE, RAM + MIB(4));
		put(TABLE(2), 0, leaf);
		shadow_fence(&shadow, &(gva_t){ 0 }, NULL);
		assert_false(is_there(&u, 0, ACCESS_LOAD));
		reaches(&u, 0, ACCESS_LOAD, RAM + MIB(4));
		assert_int_equal(get(TABLE(2), 0), leaf | PTE_A);
	}
}

static void what_isnt_ram(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct regime r = kernel(ATP_MODE_SV39);
		struct fake_access a;

		begin(HOST_SV57, policy);
		map_small(0, pte_make(DEVICE, RWX));
		put(TABLE(2), 1, pte_make(DEVICE + PAGE_SIZE, RWX));
		put(TABLE(2), 2, 0);
		a = try_access(&r, 0x18, ACCESS_STORE);
		assert_int_equal(a.answer.what, SHADOW_DEVICE);
		assert_int_equal(a.answer.to.v, DEVICE + 0x18);
		assert_ptr_equal(a.answer.device, &gs.devices[0]);
		answers(&r, 0, ACCESS_FETCH, SHADOW_ACCESS);
		answers(&r, PAGE_SIZE, ACCESS_LOAD, SHADOW_ACCESS);
		answers(&r, 2 * PAGE_SIZE, ACCESS_LOAD, SHADOW_PAGE);
		/* Tables that lie in a device, in a hole, nowhere at all. */
		put(TABLE(1), 1, pte_make(DEVICE, PTE_V));
		put(TABLE(1), 2, pte_make(RAM + MIB(64), PTE_V));
		put(ROOT, 1, pte_make(ATP_PPN_MASK << PAGE_SHIFT, PTE_V));
		answers(&r, MIB(2), ACCESS_LOAD, SHADOW_ACCESS);
		answers(&r, MIB(4), ACCESS_LOAD, SHADOW_ACCESS);
		answers(&r, GIB(1), ACCESS_LOAD, SHADOW_ACCESS);
		r.atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) | DEVICE >> PAGE_SHIFT;
		answers(&r, 0, ACCESS_FETCH, SHADOW_ACCESS);
	}
}

/* Memory that isn't there is not the guest's mistake. */
static void no_memory(void **state)
{
	struct frame_pool other = { .owner = 3 };
	struct regime r = kernel(ATP_MODE_SV39);
	bool zero;
	hpa_t at;
	(void)state;

	map_small(0, pte_make(RAM + MIB(8), RW));
	put(TABLE(2), 1, pte_make(RAM + MIB(4), RW));
	reaches(&r, PAGE_SIZE, ACCESS_STORE, RAM + MIB(4));
	while (frame_alloc_block(&other, &at, &zero) == OK)
		continue;
	answers(&r, 0, ACCESS_LOAD, SHADOW_NOMEM);
	frame_free_all(&other);
	reaches(&r, 0, ACCESS_LOAD, RAM + MIB(8));
}

/* The root's entries, of all that is mapped there, that the guest hasn't. */
static unsigned entries_not_in_use(const struct regime *r)
{
	const struct shadow_table *root = view.space->root[shadow_role(r)];
	unsigned n = 0;

	for (unsigned i = 0; i < PT_ENTRIES; i++)
		n += pte_is_valid(root->hw[i]) && !entry_in_use(root, i);
	return n;
}

/* Where the hart's traps lead: there is no other place for it than the root's window. */
static void check_stub(const struct regime *r)
{
	const struct shadow_table *root = view.space->root[shadow_role(r)];

	assert_int_equal(fake.csr[CSR_STVEC] / GIB(1), root->window);
	assert_int_equal(root->hw[root->window], map_root()[root->window]);
	assert_int_equal(entries_not_in_use(r), 1);
}

/* A guest that uses every gigabyte: one of the lower half makes way for the window. */
static void window_moves(void **state)
{
	(void)state;

	for (ALL_POLICIES) {
		struct regime r = kernel(ATP_MODE_SV39);
		unsigned missing = 0;

		begin(HOST_SV39, policy);
		put(TABLE(1), PT_ENTRIES - 1, pte_make(RAM + MIB(4), RWX));
		for (unsigned i = 0; i < PT_ENTRIES; i++)
			put(ROOT, i, pte_make(TABLE(1), PTE_V));
		shadow_window_load(&view, 2);
		shadow_satp(&shadow, &view, &r);
		shadow_window_enter(&view, &r);
		for (unsigned n = 0; n < 3 * PT_ENTRIES; n++) {
			uint64_t slot = n * 37 % PT_ENTRIES;
			uint64_t at = (slot << 55 >> 25 | (slot >> 8 ? ~UINT64_C(0) << 39 : 0)) +
				      GIB(1) - MIB(2) + n * 8;

			unsigned before = view.space->root[0]->window;
			unsigned fences = fake.fence[FAKE_SFENCE_ALL].n;

			reaches(&r, at, (enum access)(n % 3), RAM + MIB(4) + n * 8);
			check_stub(&r);
			/* The hart remembers the one's pages, and the other's. */
			if (view.space->root[0]->window != before)
				assert_true(fake.fence[FAKE_SFENCE_ALL].n > fences);
		}
		for (unsigned i = 0; i < PT_ENTRIES; i++)
			missing += !entry_in_use(view.space->root[0], i);
		assert_int_equal(missing, 1);
		/* Another role has a root of its own, with a window of its own. */
		r.user = true;
		shadow_satp(&shadow, &view, &r);
		shadow_window_enter(&view, &r);
		check_stub(&r);
		check_state();
	}
}

/* Nobody gets at the window's pages, and its place can be had by who asks for it. */
static void window_is_out_of_reach(void **state)
{
	struct regime bare_regime = { .atp = 0 };
	(void)state;

	begin(HOST_SV39, SHADOW_LAZY);
	shadow_window_load(&view, 2);
	shadow_satp(&shadow, &view, &bare_regime);
	shadow_window_enter(&view, &bare_regime);
	for (unsigned n = 0; n < 600; n++) {
		uint64_t at = fake.csr[CSR_STVEC] - n % 3 * PAGE_SIZE;

		for (enum access want = ACCESS_FETCH; want <= ACCESS_STORE; want++)
			assert_false(is_there(&bare_regime, at, want));
		answers(&bare_regime, at, (enum access)(n % 3), SHADOW_ACCESS);
		check_stub(&bare_regime);
	}
}

/* What the guest's tables didn't allow is filled once they do, before it is tried again. */
static void foreseen(void **state)
{
	static const struct {
		pte_t before, after;
		enum access want;
		bool expected;
	} rows[] = {
		{ 0, R, ACCESS_LOAD, true },
		{ 0, RW, ACCESS_STORE, true },
		{ 0, RX, ACCESS_FETCH, true },
		{ R, RW, ACCESS_STORE, true },
		{ RW, RX, ACCESS_FETCH, true },
		{ 0, R & ~PTE_A, ACCESS_LOAD, false }, /* nobody has used it */
		{ 0, RW & ~PTE_D, ACCESS_STORE, false },
		{ 0, RW & ~PTE_D, ACCESS_LOAD, true },
		{ 0, R, ACCESS_STORE, false },
		{ 0, R | PTE_U, ACCESS_LOAD, false },
		{ 0, 0, ACCESS_LOAD, false },
		{ 0, PTE_V, ACCESS_LOAD, false },
	};
	struct regime r = kernel(ATP_MODE_SV39);
	(void)state;

	for (unsigned i = 0; i < 3 * sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned k = i / 3;
		pte_t page = pte_make(RAM + MIB(4), 0);

		begin(HOST_SV57, (enum shadow_policy)(i % 3));
		view.pc = gva(0x1000);
		map_small(PAGE_SIZE, pte_make(RAM + MIB(5), RW));
		reaches(&r, PAGE_SIZE, ACCESS_STORE, RAM + MIB(5));
		map_small(0, page | rows[k].before);
		answers(&r, 8, rows[k].want, SHADOW_PAGE);
		put(TABLE(2), 0, page | rows[k].after);
		shadow_fence(&shadow, &(gva_t){ 0 }, NULL);
		shadow_foresee(&shadow, &view, gva(0x1002));
		assert_false(is_there(&r, 0, rows[k].want));
		shadow_foresee(&shadow, &view, gva(0x1000));
		check_state();
		assert_int_equal(is_there(&r, 0, rows[k].want), rows[k].expected);
		assert_int_equal(shadow.stats.foreseen, rows[k].expected);
		assert_int_equal(get(TABLE(2), 0), page | rows[k].after);
		shadow_foresee(&shadow, &view, gva(0x1000));
		assert_int_equal(shadow.stats.foreseen, rows[k].expected);
	}
}

/* But not by a table that has gone since, nor where something is already. */
static void foreseen_in_vain(void **state)
{
	struct regime r = kernel(ATP_MODE_SV39);
	(void)state;

	for (ALL_POLICIES) {
		begin(HOST_SV57, policy);
		map_small(0, 0);
		answers(&r, 0, ACCESS_LOAD, SHADOW_PAGE);
		put(TABLE(1), 0, 0);
		shadow_fence(&shadow, NULL, NULL);
		map_small(0, pte_make(DEVICE, RW));
		shadow_foresee(&shadow, &view, gva(0));
		check_state();
		answers(&r, 0, ACCESS_LOAD, SHADOW_DEVICE);
		put(TABLE(2), 0, 0);
		answers(&r, 0, ACCESS_LOAD, SHADOW_PAGE);
		put(TABLE(2), 0, pte_make(DEVICE, RW));
		shadow_foresee(&shadow, &view, gva(0));
		put(TABLE(2), 0, 0);
		answers(&r, 0, ACCESS_LOAD, SHADOW_PAGE);
		put(TABLE(2), 0, pte_make(RAM + MIB(4), RW));
		reaches(&r, 0, ACCESS_LOAD, RAM + MIB(4));
		shadow_foresee(&shadow, &view, gva(0));
		check_state();
		assert_int_equal(shadow.stats.foreseen, 0);
	}
}

/* The guest's root isn't memory: there is nothing to mirror. */
static void root_that_isnt_ram(void **state)
{
	struct regime r = { .atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) | DEVICE >> PAGE_SHIFT };
	(void)state;

	for (ALL_POLICIES) {
		begin(HOST_SV39, policy);
		answers(&r, 0, ACCESS_FETCH, SHADOW_ACCESS);
		answers(&r, GIB(100), ACCESS_LOAD, SHADOW_ACCESS);
		answers(&r, UINT64_C(1) << 38, ACCESS_LOAD, SHADOW_PAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(modes, set_up),
		cmocka_unit_test_setup(sizes, set_up),
		cmocka_unit_test_setup(bare, set_up),
		cmocka_unit_test_setup(both_halves, set_up),
		cmocka_unit_test_setup(roles, set_up),
		cmocka_unit_test_setup(accessed_and_dirty, set_up),
		cmocka_unit_test_setup(what_isnt_ram, set_up),
		cmocka_unit_test_setup(no_memory, set_up),
		cmocka_unit_test_setup(window_moves, set_up),
		cmocka_unit_test_setup(window_is_out_of_reach, set_up),
		cmocka_unit_test_setup(foreseen, set_up),
		cmocka_unit_test_setup(foreseen_in_vain, set_up),
		cmocka_unit_test_setup(root_that_isnt_ram, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
