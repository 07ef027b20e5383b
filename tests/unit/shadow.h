/*
 * What the tests of hyp/shadow/ begin with: a machine, a VM with shadows, and accesses after each of
 * which the whole state is checked.
 */
#ifndef TESTS_UNIT_SHADOW_H
#define TESTS_UNIT_SHADOW_H

#include "tests/unit/unit.h"

#include "hyp/drv/host.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"
#include "tests/fake/shadow.h"

#define BASE   UINT64_C(0x80000000) /* of host RAM */
#define BUNDLE (BASE + MIB(2))
#define BUNDLE_BYTES MIB(4)
#define RAM    UINT64_C(0x80000000) /* of the guest */
#define ROOT   (RAM + MIB(1))	    /* its tables: one page after the other */
#define TABLE(n) (ROOT + (n)*PAGE_SIZE)
#define DEVICE UINT64_C(0x10000000)

#define R (PTE_V | PTE_A | PTE_R)
#define RW (R | PTE_W | PTE_D)
#define RX (R | PTE_X)
#define RWX (RW | PTE_X)
#define ALL_POLICIES \
	enum shadow_policy policy = SHADOW_TRAP; policy < SHADOW_CACHING; policy++

static struct frame_pool own, pool;
static struct gstage gs;
static struct shadow shadow;
static struct shadow_view view;
static unsigned host_mode = HOST_SV57; /* where it doesn't matter */

static inline void check_state(void)
{
	const char *wrong = fake_shadow_wrong(shadow.state);

	if (wrong)
		print_error("%s\n", wrong);
	assert_null(wrong);
}

/* A machine whose host mode is @mode, and a VM of @bytes. */
static inline void begin_with(unsigned mode, uint64_t host_bytes, uint64_t ram, uint64_t bytes)
{
	static const struct frame_range bundle = { BUNDLE, BUNDLE_BYTES };

	fake_reset();
	fake_ram(BASE, host_bytes);
	assert_int_equal(frame_add_ram((struct frame_range){ BASE, host_bytes }, &bundle, 1, true),
			 OK);
	own = (struct frame_pool){ .owner = 2 };
	pool = (struct frame_pool){ .owner = 1 };
	fake_host_mode(&host_modes[mode], &own);
	memset(&host, 0, sizeof(host));
	host.harts = 4;
	for (unsigned i = 0; i < 4; i++)
		host.hart_id[i] = 100 + i;
	assert_int_equal(gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &pool, gpa(ram), bytes),
			 OK);
	assert_int_equal(gstage_add_device(&gs, gpa(DEVICE), PAGE_SIZE, NULL), OK);
}

static inline int on_sv57(void **state)
{
	(void)state;
	host_mode = HOST_SV57;
	return 0;
}

static inline int on_sv39(void **state)
{
	(void)state;
	host_mode = HOST_SV39;
	return 0;
}

/* With the hypervisor's map in each root, and with a window. */
#define RUN_ON_BOTH_HOSTS(tests)                                                                   \
	(cmocka_run_group_tests_name("sv57", tests, on_sv57, NULL) +                               \
	 cmocka_run_group_tests_name("sv39", tests, on_sv39, NULL))

static inline void shadows(enum shadow_policy policy)
{
	assert_int_equal(shadow_init(&shadow, &gs, policy, false), OK);
	view = (struct shadow_view){ .vcpu = 0 };
	check_state();
}

static inline void begin(unsigned mode, enum shadow_policy policy)
{
	begin_with(mode, MIB(128), RAM, MIB(16) + KIB(64));
	shadows(policy);
}

/* A guest's store, as it comes out in the end; the mapping it is made by doesn't matter. */
static inline void put(uint64_t table, unsigned index, pte_t e)
{
	gpa_t at = gpa(table + 8 * index);

	if (shadow_gfn_of(shadow.state, at)->is_protected)
		shadow_store(&shadow, at, e, 8);
	else
		assert_int_equal(gstage_write(&gs, at, &e, 8), OK);
	check_state();
}

static inline pte_t get(uint64_t table, unsigned index)
{
	pte_t e;

	assert_int_equal(gstage_read(&gs, gpa(table + 8 * index), &e, sizeof(e)), OK);
	return e;
}

static inline struct regime kernel(unsigned mode)
{
	return (struct regime){ .atp = BITS(mode, ATP_MODE_SHIFT) | ROOT >> PAGE_SHIFT };
}

static inline struct regime user(unsigned mode)
{
	struct regime r = kernel(mode);

	r.user = true;
	return r;
}

static inline struct regime with_asid(struct regime r, uint64_t asid)
{
	r.atp |= asid << SATP_ASID_SHIFT;
	return r;
}

static inline struct fake_access try_access(const struct regime *r, uint64_t at, enum access want)
{
	struct fake_access a = fake_access(&shadow, &view, r, gva(at), want);

	assert_true(a.faults <= FAKE_FAULTS_MAX);
	check_state();
	return a;
}

/* The access works and reaches guest memory at @to; the answer tells how. */
static inline struct fake_walk reaches(const struct regime *r, uint64_t at, enum access want, uint64_t to)
{
	struct fake_access a = try_access(r, at, want);

	assert_int_equal(a.answer.what, SHADOW_RESUME);
	assert_int_equal(a.walk.to.v, gstage_lookup(&gs, gpa(to)).to.v);
	return a.walk;
}

static inline void answers(const struct regime *r, uint64_t at, enum access want, enum shadow_what what)
{
	assert_int_equal(try_access(r, at, want).answer.what, what);
}

/* Whether the shadow already lets @r do it, without a fault. */
static inline bool is_there(const struct regime *r, uint64_t at, enum access want)
{
	return fake_walk(shadow_satp(&shadow, &view, r), gva(at), want).allowed;
}

/* Sv39: 4 KiB leaf @e for @at, through TABLE(1) and TABLE(2). */
static inline void map_small(uint64_t at, pte_t e)
{
	put(ROOT, (unsigned)(at >> 30) & 511, pte_make(TABLE(1), PTE_V));
	put(TABLE(1), (unsigned)(at >> 21) & 511, pte_make(TABLE(2), PTE_V));
	put(TABLE(2), (unsigned)(at >> 12) & 511, e);
}

/* A guest that has all its RAM mapped at GIB(2), by a large leaf, beside a page at 0. */
static inline struct regime with_all_mapped(enum shadow_policy policy)
{
	struct regime r = kernel(ATP_MODE_SV39);

	begin(host_mode, policy);
	map_small(0, pte_make(RAM + MIB(4), RW));
	put(ROOT, 2, pte_make(align_down(RAM, GIB(1)), RWX));
	return r;
}

/* Bit 0: of a page; bit 1: of an ASID. */
static inline void fence_form(unsigned form, uint64_t at, uint64_t asid)
{
	shadow_fence(&shadow, form & 1 ? &(gva_t){ at } : NULL, form & 2 ? &asid : NULL);
	check_state();
}

/* Fences, until what they find unchanged is protected. */
static inline void cool(void)
{
	for (unsigned i = 0; i <= shadow.state->cold_after; i++) {
		shadow_fence(&shadow, NULL, NULL);
		check_state();
	}
}

#define ALIAS(at) (GIB(2) + ((at)-RAM))

#endif
