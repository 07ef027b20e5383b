/*
 * hyp/mmu/explain.c: how many references a translation makes, by modes and page sizes. That they
 * are the right ones, and end right, is compared in tests/oracle/explained.c.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "hyp/mm/phys.h"
#include "hyp/mmu/explain.h"

/* 4 MiB with 4 KiB pages of the G-stage behind them: less than 2 MiB is never a large page. */
#define RAM   UINT64_C(0x80000000)
#define LARGE MIB(4)
#define SMALL (MIB(2) - KIB(4))

static struct gstage gs;
static struct frame_pool pool = { .owner = 1 };

static void begin(unsigned mode)
{
	static const struct frame_range ram = { UINT64_C(0x80000000), MIB(64) };

	fake_reset();
	fake_ram(ram.base, ram.bytes);
	assert_int_equal(frame_add_ram(ram, NULL, 0, true), OK);
	memset(&pool, 0, sizeof(pool));
	pool.owner = 1;
	assert_int_equal(gstage_init(&gs, &gstage_modes[mode], &pool, gpa(RAM), LARGE + SMALL), OK);
}

static void put(uint64_t at, pte_t e)
{
	assert_int_equal(gstage_write(&gs, gpa(at), &e, sizeof(e)), OK);
}

/* Tables from @tables up, one a level, that lead address 0 to @to by a leaf of @level. */
static uint64_t make_tables(uint64_t tables, unsigned levels, unsigned level, uint64_t to)
{
	uint64_t at = tables;

	for (unsigned l = levels - 1; l > level; l--, at += PAGE_SIZE)
		put(at, pte_make(at + PAGE_SIZE, PTE_V));
	put(at, pte_make(to, PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D));
	return tables >> PAGE_SHIFT;
}

/* References of a load of address 0. @large: of the G-stage's pages. */
static unsigned references(unsigned vs, unsigned g, unsigned level, bool large)
{
	static const uint64_t atp_modes[] = { ATP_MODE_SV39, ATP_MODE_SV48, ATP_MODE_SV57 };
	uint64_t at = RAM + (large ? 0 : LARGE), to = level ? 0 : at + MIB(1);
	struct regime r = { .atp = atp_modes[vs] << ATP_MODE_SHIFT };
	struct explanation e;
	bool changed;

	begin(g);
	r.atp |= make_tables(at, vs + 3, level, to);
	if (!level)
		assert_int_equal(gstage_touch(&gs, gpa(to), ACCESS_LOAD, &changed), OK);
	explain(&gs, &r, gva(0), ACCESS_LOAD, &e);
	assert_int_equal(e.why, level ? EXPLAIN_OUTSIDE : EXPLAIN_WORKS);
	if (!level)
		assert_int_equal(e.bytes, KIB(4));
	return e.n;
}

/* "(3 + 1) * 3 + 3", and so on. */
static void small_pages(void **state)
{
	(void)state;
	for (unsigned vs = 0; vs < 3; vs++)
		for (unsigned g = 0; g < 3; g++)
			assert_int_equal(references(vs, g, 0, false),
					 (vs + 3) * (g + 3 + 1) + g + 3);
	assert_int_equal(references(0, 0, 0, false), 15);
	assert_int_equal(references(1, 1, 0, false), 24);
	assert_int_equal(references(2, 2, 0, false), 35);
}

/* One less for each walk of the G-stage. */
static void large_pages_of_the_g_stage(void **state)
{
	(void)state;
	for (unsigned vs = 0; vs < 3; vs++)
		for (unsigned g = 0; g < 3; g++)
			assert_int_equal(references(vs, g, 0, true), (vs + 3) * (g + 3) + g + 2);
}

/* A leaf of 2 MiB or 1 GiB saves whole steps, each with its walk of the G-stage. Where it leads,
 * address 0, there is nothing: the root is read, and has no entry. */
static void large_pages_of_the_guest(void **state)
{
	(void)state;
	for (unsigned vs = 0; vs < 3; vs++)
		for (unsigned level = 1; level < 3; level++)
			assert_int_equal(references(vs, 0, level, false),
					 (vs + 3 - level) * (3 + 1) + 1);
}

static void bare(void **state)
{
	struct regime r = { .atp = 0 };
	struct explanation e;
	(void)state;

	begin(GSTAGE_SV39X4);
	put(RAM, 0);
	explain(&gs, &r, gva(RAM + 8), ACCESS_STORE, &e);
	assert_int_equal(e.why, EXPLAIN_WORKS);
	assert_int_equal(e.n, 2);
	assert_int_equal(e.bytes, MIB(2));
	assert_null(e.vs_mode);
}

/* An explanation maps nothing: the page stays untouched. */
static void untouched(void **state)
{
	struct regime r = { .atp = 0 };
	struct explanation e;
	enum cause cause;
	uint64_t frames;
	(void)state;

	begin(GSTAGE_SV39X4);
	frames = pool.frames;
	explain(&gs, &r, gva(RAM), ACCESS_FETCH, &e);
	assert_int_equal(e.why, EXPLAIN_G_NOTHING);
	assert_true(explain_cause(&e, ACCESS_FETCH, &cause));
	assert_int_equal(cause, CAUSE_FETCH_GUEST_PAGE);
	assert_int_equal(pool.frames, frames);
}

/* --- the hardware --- */

static struct backend hext = { .kind = KIND_HEXT };
static struct isa isa;
static struct vcpu vcpu = { .backend = &hext, .gstage = &gs, .isa = &isa };
static uint64_t hlv_fault;
static unsigned hlvs;

/* The access is made by the VM's tables, which stay as they are meanwhile. */
static uint64_t hlv(uint64_t at, uint16_t *value)
{
	(void)at;
	hlvs++;
	assert_int_equal(fake.csr[CSR_HGATP], gstage_hgatp(&gs));
	assert_int_equal(fake.csr[CSR_VSATP] >> ATP_MODE_SHIFT, ATP_MODE_SV39);
	assert_true(gs.lock.taken);
	*value = 0x5678;
	return hlv_fault;
}

static enum explain_check check(uint64_t at, enum access want, struct regime r)
{
	struct explanation e;
	enum explain_check c;

	fake.guest_fetch_fault = hlv;
	fake.csr[CSR_HGATP] = 1;
	fake.csr[CSR_VSATP] = 2;
	explain(&gs, &r, gva(at), want, &e);
	c = explain_check(&vcpu, &r, gva(at), want, &e);
	assert_int_equal(fake.csr[CSR_HGATP], 1);
	assert_int_equal(fake.csr[CSR_VSATP], 2);
	assert_false(gs.lock.taken);
	return c;
}

static void hardware(void **state)
{
	struct regime r = { .atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) };
	(void)state;

	begin(GSTAGE_SV39X4);
	r.atp |= make_tables(RAM, 3, 0, RAM + MIB(1));
	put(RAM + MIB(1), 0x5678);
	hlv_fault = 0;
	assert_int_equal(check(0, ACCESS_LOAD, r), EXPLAIN_AGREES);
	assert_int_equal(check(8, ACCESS_LOAD, r), EXPLAIN_DISAGREES);
	assert_int_equal(check(PAGE_SIZE, ACCESS_LOAD, r), EXPLAIN_DISAGREES);
	hlv_fault = CAUSE_LOAD_PAGE;
	assert_int_equal(check(0, ACCESS_FETCH, r), EXPLAIN_DISAGREES);
	assert_int_equal(check(PAGE_SIZE, ACCESS_LOAD, r), EXPLAIN_AGREES);
	assert_int_equal(check(0, ACCESS_STORE, r), EXPLAIN_UNCHECKED);
	assert_int_equal(check(1, ACCESS_FETCH, r), EXPLAIN_UNCHECKED);
}

/* Hardware isn't asked where it would set A, nor where it mustn't, since it may all the same. */
static void no_update_by_a_check(void **state)
{
	struct regime r = { .atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) | RAM >> PAGE_SHIFT,
			    .adue = true };
	static const pte_t leaf = (RAM >> PAGE_SHIFT) << PTE_PPN_SHIFT | PTE_V | PTE_R;
	const hpa_t file = hpa(UINT64_C(0x80000000) + MIB(62));
	struct explanation e;
	enum cause cause;
	(void)state;

	begin(GSTAGE_SV39X4);
	*(pte_t *)phys_pointer(file) = leaf;
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM), PAGE_SIZE, file, false), OK);
	hlvs = 0;
	assert_int_equal(check(0, ACCESS_LOAD, r), EXPLAIN_UNCHECKED);
	assert_int_equal(hlvs, 0);
	explain(&gs, &r, gva(0), ACCESS_LOAD, &e);
	assert_int_equal(e.why, EXPLAIN_G_NO_UPDATE);
	assert_false(e.sets_accessed);
	assert_true(explain_cause(&e, ACCESS_LOAD, &cause));
	assert_int_equal(cause, CAUSE_LOAD_GUEST_PAGE);
	put(RAM + PAGE_SIZE, 0); /* beside it: the VM has a copy */
	assert_int_equal(check(0, ACCESS_LOAD, r), EXPLAIN_UNCHECKED);
	explain(&gs, &r, gva(0), ACCESS_LOAD, &e);
	assert_int_equal(e.why, EXPLAIN_WORKS);
	assert_true(e.sets_accessed);
}

/* A page of registers that loads find as memory: no table of which anything can be set. */
static void shown_registers(void **state)
{
	const gpa_t device = gpa(0x10001000);
	const hpa_t page = hpa(UINT64_C(0x80000000) + MIB(62));
	struct regime bare = { .atp = 0 };
	struct regime r = { .atp = BITS(ATP_MODE_SV39, ATP_MODE_SHIFT) | device.v >> PAGE_SHIFT,
			    .adue = true };
	struct explanation e;
	(void)state;

	begin(GSTAGE_SV39X4);
	assert_int_equal(gstage_add_device(&gs, device, PAGE_SIZE, NULL), OK);
	assert_int_equal(gstage_show(&gs, device, page), OK);
	explain(&gs, &bare, gva(device.v), ACCESS_LOAD, &e);
	assert_int_equal(e.why, EXPLAIN_WORKS);
	explain(&gs, &bare, gva(device.v), ACCESS_STORE, &e);
	assert_int_equal(e.why, EXPLAIN_DEVICE);
	*(pte_t *)phys_pointer(page) = (RAM >> PAGE_SHIFT) << PTE_PPN_SHIFT | PTE_V | PTE_R;
	hlvs = 0;
	assert_int_equal(check(0, ACCESS_LOAD, r), EXPLAIN_UNCHECKED);
	assert_int_equal(hlvs, 0);
	explain(&gs, &r, gva(0), ACCESS_LOAD, &e);
	assert_int_equal(e.why, EXPLAIN_TABLE_OUTSIDE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_pages),
		cmocka_unit_test(large_pages_of_the_g_stage),
		cmocka_unit_test(large_pages_of_the_guest),
		cmocka_unit_test(bare),
		cmocka_unit_test(untouched),
		cmocka_unit_test(hardware),
		cmocka_unit_test(no_update_by_a_check),
		cmocka_unit_test(shown_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
