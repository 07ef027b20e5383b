/*
 * hyp/g-stage/: what lives where, memory on demand, the bundle's pages, fences.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "hyp/dev/board.h"
#include "hyp/drv/host.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/lib/string.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/phys.h"
#include "sbi/abi.h"

#define BASE   UINT64_C(0x80000000) /* of host RAM */
#define BUNDLE (BASE + MIB(2))	    /* where the bundle lies in it */
#define BUNDLE_BYTES MIB(6)
#define RAM    UINT64_C(0x80000000) /* of the guest */

static struct frame_pool pool;
static struct gstage gs;

/* Host RAM of @bytes, zero, with a bundle of random bytes at BUNDLE. */
static void machine(uint64_t bytes)
{
	static const struct frame_range reserved = { BUNDLE, BUNDLE_BYTES };
	uint64_t seed = 3, *word;

	fake_reset();
	fake_ram(BASE, bytes);
	word = phys_pointer(hpa(BUNDLE));
	for (unsigned i = 0; i < BUNDLE_BYTES / 8; i++)
		word[i] = random_next(&seed);
	assert_int_equal(
		frame_add_ram((struct frame_range){ BASE, bytes }, &reserved, 1, true), OK);
	pool = (struct frame_pool){ .owner = 1 };
	memset(&host, 0, sizeof(host));
	host.harts = 1;
}

static void vm(unsigned mode, uint64_t ram, uint64_t bytes)
{
	assert_int_equal(gstage_init(&gs, &gstage_modes[mode], &pool, gpa(ram), bytes), OK);
}

static int set_up(void **state)
{
	(void)state;
	machine(MIB(128));
	return 0;
}

static bool touch(uint64_t at, enum access want)
{
	bool changed;

	assert_int_equal(gstage_touch(&gs, gpa(at), want, &changed), OK);
	return changed;
}

static unsigned fences(void)
{
	return fake.fence[FAKE_GVMA_ALL].n +
	       fake.fence[FAKE_GVMA_PAGE].n;
}

static void modes_are_probed(void **state)
{
	const uint64_t sv48 = UINT64_C(1) << ATP_MODE_SV48 | 1;
	(void)state;

	gstage_probe();
	assert_ptr_equal(gstage_mode_for(gpa(GIB(2048))), &gstage_modes[GSTAGE_SV39X4]);
	assert_ptr_equal(gstage_mode_for(gpa(GIB(2048) + 1)), &gstage_modes[GSTAGE_SV48X4]);
	assert_ptr_equal(gstage_mode_for(gpa(UINT64_C(1) << 50)), &gstage_modes[GSTAGE_SV48X4]);
	assert_ptr_equal(gstage_mode_for(gpa(UINT64_C(1) << 59)), &gstage_modes[GSTAGE_SV57X4]);
	assert_null(gstage_mode_for(gpa((UINT64_C(1) << 59) + 1)));
	fake.hgatp_modes = sv48;
	gstage_probe();
	assert_false(gstage_mode_works(&gstage_modes[GSTAGE_SV39X4]));
	assert_ptr_equal(gstage_mode_for(gpa(MIB(1))), &gstage_modes[GSTAGE_SV48X4]);
	assert_null(gstage_mode_for(gpa(UINT64_C(1) << 51)));
	fake.hgatp_modes = 1;
	gstage_probe();
	assert_null(gstage_mode_for(gpa(MIB(1))));
	assert_int_equal(fake.csr[CSR_HGATP], 0);
}

static void init_refuses(void **state)
{
	struct frame_pool other = { .owner = 2 };
	hpa_t at;
	bool zero;
	(void)state;

	assert_int_equal(gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &pool,
				     gpa(GIB(2048) - MIB(1)), MIB(2)),
			 ERR_RANGE);
	assert_int_equal(gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &pool, gpa(MIB(2)),
				     UINT64_MAX - MIB(1)),
			 ERR_RANGE);
	assert_int_equal(gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &pool,
				     gpa(GIB(2048) - MIB(2)), MIB(2)),
			 OK);
	assert_true(is_aligned(gs.root.v, KIB(16)));
	while (frame_alloc_block(&other, &at, &zero) == OK)
		continue;
	frame_free_all(&pool);
	while (frame_alloc_block(&other, &at, &zero) == OK)
		continue;
	assert_int_equal(gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &pool, gpa(RAM), MIB(2)),
			 ERR_NOMEM);
}

static void places(void **state)
{
	static const struct board_device a, b, c;
	(void)state;

	vm(GSTAGE_SV39X4, RAM, MIB(4));
	assert_int_equal(gstage_add_device(&gs, gpa(0x10000000), 0x100, &a), OK);
	assert_int_equal(gstage_add_device(&gs, gpa(0x10000100), 0x100, &b), OK);
	assert_int_equal(gstage_add_device(&gs, gpa(0x100000ff), 2, &c), ERR_OVERLAP);
	assert_int_equal(gstage_add_device(&gs, gpa(0x0ffff000), 0x1001, &c), ERR_OVERLAP);
	assert_int_equal(gstage_add_device(&gs, gpa(RAM - 1), 2, &c), ERR_OVERLAP);
	assert_int_equal(gstage_add_device(&gs, gpa(RAM + MIB(4) - 1), 1, &c), ERR_OVERLAP);
	assert_int_equal(gstage_add_device(&gs, gpa(RAM + MIB(4)), PAGE_SIZE, &c), OK);

	assert_true(gstage_is_ram(&gs, gpa(RAM)));
	assert_true(gstage_is_ram(&gs, gpa(RAM + MIB(4) - 1)));
	assert_false(gstage_is_ram(&gs, gpa(RAM - 1)));
	assert_false(gstage_is_ram(&gs, gpa(RAM + MIB(4))));
	assert_false(gstage_is_ram(&gs, gpa(0)));
	assert_false(gstage_is_ram(&gs, gpa(UINT64_MAX)));
	assert_null(gstage_device_at(&gs, gpa(RAM)));
	assert_null(gstage_device_at(&gs, gpa(0x0fffffff)));
	assert_ptr_equal(gstage_device_at(&gs, gpa(0x10000000))->board_device, &a);
	assert_ptr_equal(gstage_device_at(&gs, gpa(0x100000ff))->board_device, &a);
	assert_ptr_equal(gstage_device_at(&gs, gpa(0x10000100))->board_device, &b);
	assert_null(gstage_device_at(&gs, gpa(0x10000200)));
	assert_ptr_equal(gstage_device_at(&gs, gpa(RAM + MIB(4)))->board_device, &c);
	assert_null(gstage_device_at(&gs, gpa(UINT64_MAX)));
	for (unsigned i = 3; i < GSTAGE_DEVICES_MAX; i++)
		assert_int_equal(gstage_add_device(&gs, gpa(i * MIB(1)), 16, NULL), OK);
	assert_int_equal(gstage_add_device(&gs, gpa(MIB(100)), 16, NULL), ERR_FULL);
}

static void backings_are_refused(void **state)
{
	(void)state;

	vm(GSTAGE_SV39X4, RAM, MIB(8));
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM - 8), 16, hpa(BUNDLE), false), ERR_RANGE);
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM + MIB(8) - 8), 16, hpa(BUNDLE), false),
			 ERR_RANGE);
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM + 8), UINT64_MAX, hpa(BUNDLE), false),
			 ERR_RANGE);
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM + 100), 100, hpa(BUNDLE), false), OK);
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM + 199), 100, hpa(BUNDLE), false), ERR_OVERLAP);
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM + 50), 51, hpa(BUNDLE), false), ERR_OVERLAP);
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM), 100, hpa(BUNDLE), false), OK);
	for (unsigned i = 2; i < GSTAGE_BACKINGS_MAX; i++)
		assert_int_equal(gstage_add_backing(&gs, gpa(RAM + i * 200), 8, hpa(BUNDLE), false), OK);
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM + MIB(1)), 8, hpa(BUNDLE), false), ERR_FULL);
}

/* A row: a VM's RAM, and how large the leaf at an offset in it must be. */
static void leaves_are_as_large_as_can_be(void **state)
{
	static const struct {
		uint64_t host, ram, bytes, at;
		uint8_t mode, level;
	} rows[] = {
		{ MIB(128), RAM, MIB(4), 0, GSTAGE_SV39X4, 1 },
		{ MIB(128), RAM, MIB(4), MIB(4) - 1, GSTAGE_SV48X4, 1 },
		{ MIB(128), RAM + KIB(4), MIB(4), 0, GSTAGE_SV57X4, 0 },
		{ MIB(128), RAM + KIB(4), MIB(4), MIB(2), GSTAGE_SV57X4, 1 },
		{ MIB(128), RAM, MIB(4) + KIB(4), MIB(4), GSTAGE_SV39X4, 0 },
		{ MIB(128), RAM, KIB(4), 0, GSTAGE_SV39X4, 0 },
		/* The host has no gigabyte in one piece, then it has one. */
		{ GIB(1), RAM, GIB(1), 0, GSTAGE_SV39X4, 1 },
		{ GIB(3), RAM, GIB(1), 0, GSTAGE_SV39X4, 2 },
		{ GIB(3), RAM, GIB(1), 0, GSTAGE_SV57X4, 2 },
		{ GIB(3), RAM + MIB(2), GIB(1), 0, GSTAGE_SV39X4, 1 },
		{ GIB(3), GIB(1024), GIB(1), GIB(1) - 1, GSTAGE_SV39X4, 2 },
		{ GIB(1600), GIB(512), GIB(512), GIB(511), GSTAGE_SV48X4, 3 },
		{ GIB(1600), GIB(512), GIB(512), GIB(511), GSTAGE_SV57X4, 3 },
		{ GIB(1600), GIB(512), GIB(512), GIB(511), GSTAGE_SV39X4, 2 },
		{ GIB(1600), GIB(513), GIB(512), GIB(511), GSTAGE_SV48X4, 2 },
	};
	(void)state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t at = rows[i].ram + rows[i].at;
		struct gstage_entry e;

		machine(rows[i].host);
		vm(rows[i].mode, rows[i].ram, rows[i].bytes);
		assert_false(pte_is_valid(gstage_lookup(&gs, gpa(at)).pte));
		assert_true(touch(at, ACCESS_LOAD));
		e = gstage_lookup(&gs, gpa(at));
		assert_int_equal(e.level, rows[i].level);
		assert_int_equal(e.pte & 0x3ff,
				 PTE_V | PTE_R | PTE_W | PTE_X | PTE_U | PTE_A | PTE_D);
		assert_true(is_aligned(pte_address(e.pte), pt_span(e.level)));
		assert_int_equal(e.to.v, pte_address(e.pte) + (at & (pt_span(e.level) - 1)));
		assert_int_equal(*(uint8_t *)phys_pointer(e.to), 0);
	}
}

/* A gigabyte that holds bundle bytes gets no leaf that would hide them. */
static void no_giant_over_the_bundle(void **state)
{
	uint64_t word = 0, there;
	(void)state;

	machine(GIB(3));
	vm(GSTAGE_SV39X4, RAM, GIB(2));
	assert_int_equal(gstage_add_backing(&gs, gpa(RAM + MIB(500) + 8), 8, hpa(BUNDLE), false), OK);
	assert_true(touch(RAM, ACCESS_STORE));
	assert_int_equal(gstage_lookup(&gs, gpa(RAM)).level, 1);
	assert_true(touch(RAM + GIB(1), ACCESS_STORE));
	assert_int_equal(gstage_lookup(&gs, gpa(RAM + GIB(1))).level, 2);
	assert_int_equal(gstage_read(&gs, gpa(RAM + MIB(500) + 8), &word, 8), OK);
	memcpy(&there, phys_pointer(hpa(BUNDLE)), 8);
	assert_int_equal(word, there);
}

/* One touch serves every later one of the same leaf, whatever it wants. */
static void touch_is_idempotent(void **state)
{
	bool changed = true;
	(void)state;

	vm(GSTAGE_SV39X4, RAM, MIB(4) + KIB(8));
	assert_true(touch(RAM + MIB(3), ACCESS_FETCH));
	assert_false(touch(RAM + MIB(3), ACCESS_FETCH));
	assert_false(touch(RAM + MIB(2), ACCESS_STORE));
	assert_false(touch(RAM + MIB(4) - 1, ACCESS_LOAD));
	assert_true(touch(RAM, ACCESS_STORE));
	assert_true(touch(RAM + MIB(4), ACCESS_STORE));
	assert_true(touch(RAM + MIB(4) + KIB(4), ACCESS_STORE));
	assert_int_equal(gs.demand_fills, 4);
	assert_int_equal(gs.cow_copies, 0);
	assert_int_equal(fences(), 0);
	assert_int_equal(gstage_touch(&gs, gpa(RAM + MIB(4) + KIB(8)), ACCESS_LOAD, &changed),
			 ERR_RANGE);
	assert_false(changed);
	assert_int_equal(gstage_touch(&gs, gpa(RAM - 1), ACCESS_LOAD, &changed), ERR_RANGE);
}

/*
 * What a guest finds must be the bundle's bytes and zeros between, whatever the alignments; its
 * writes stay its own.
 */
#define BACKED_RAM (MIB(6) + KIB(12))

struct backed {
	uint64_t at, bytes, from; /* offsets into RAM and bundle */
};

static uint8_t expected[BACKED_RAM], found[BACKED_RAM];

static void back(const struct backed *b, unsigned n, uint64_t ram, bool shared)
{
	vm(GSTAGE_SV39X4, ram, BACKED_RAM);
	memset(expected, 0, sizeof(expected));
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(gstage_add_backing(&gs, gpa(ram + b[i].at), b[i].bytes,
						    hpa(BUNDLE + b[i].from), shared),
				 OK);
		memcpy(expected + b[i].at, phys_pointer(hpa(BUNDLE + b[i].from)), b[i].bytes);
	}
}

static void assert_content(uint64_t ram)
{
	assert_int_equal(gstage_read(&gs, gpa(ram), found, BACKED_RAM), OK);
	assert_memory_equal(found, expected, BACKED_RAM);
}

static const struct backed layouts[][3] = {
	/* 2 MiB pages in place, and their tail */
	{ { MIB(2), MIB(2) + 100, 0 } },
	/* 4 KiB pages: from an odd place of the bundle */
	{ { MIB(2), MIB(3), KIB(4) } },
	{ { KIB(8), MIB(2), KIB(12) }, { MIB(4), KIB(4), MIB(4) } },
	/* copied: the bytes aren't page-aligned alike */
	{ { MIB(2), MIB(2), 8 } },
	{ { MIB(1) + 3, 5, 17 }, { MIB(1) + 8, 5, 1 }, { MIB(3) - 2, 4, 1001 } },
	/* whole pages between two parts of a page */
	{ { MIB(1) + 100, KIB(64), KIB(4) + 100 } },
	{ { 100, 200, 100 } },
	/* two in one 2 MiB page, in a page, and to the very end of RAM */
	{ { MIB(2) + KIB(4), KIB(8), 0 }, { MIB(2) + KIB(40), KIB(8), MIB(1) } },
	{ { KIB(4), 100, 0 }, { KIB(4) + 100, 100, 100 }, { MIB(6), KIB(12), 0 } },
	{ { 0, MIB(5), MIB(1) }, { MIB(6) - 1, KIB(4) + 1, MIB(1) - 1 } },
};

static void bundle_bytes_and_zeros(void **state)
{
	static const uint64_t bases[] = { RAM, RAM + KIB(4), RAM + MIB(1), RAM - KIB(8) };
	static uint8_t bundle[BUNDLE_BYTES];
	uint64_t seed = 11;
	(void)state;

	for (unsigned i = 0; i < 8 * sizeof(layouts) / sizeof(layouts[0]); i++) {
		const struct backed *b = layouts[i / 8];
		unsigned n = b[1].bytes ? b[2].bytes ? 3 : 2 : 1;
		uint64_t ram = bases[i % 4];

		machine(MIB(128));
		memcpy(bundle, phys_pointer(hpa(BUNDLE)), BUNDLE_BYTES);
		back(b, n, ram, i % 8 >= 4);
		assert_content(ram);
		for (unsigned k = 0; k < 200; k++) {
			uint64_t at = random_next(&seed) % (BACKED_RAM - 8192);
			uint64_t word[1024], bytes = random_next(&seed) % sizeof(word);

			for (unsigned w = 0; w < 1024; w++)
				word[w] = random_next(&seed);
			if (k % 4 == 0)
				at = b[k % n].at > 4000 ? b[k % n].at - bytes % 4000 : 0;
			assert_int_equal(gstage_write(&gs, gpa(ram + at), word, bytes), OK);
			memcpy(expected + at, word, bytes);
		}
		assert_content(ram);
		assert_memory_equal(bundle, phys_pointer(hpa(BUNDLE)), BUNDLE_BYTES);
	}
}

/* Of bytes that are shared no page is ever mapped: a touch of any kind makes a copy of 2 MiB. */
static void shared_bytes_are_copied(void **state)
{
	static const struct backed b[] = { { MIB(2), MIB(4), 0 } };
	static const enum access wants[] = { ACCESS_FETCH, ACCESS_LOAD, ACCESS_STORE };
	(void)state;

	for (unsigned i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		uint64_t at = RAM + MIB(2) + KIB(8);
		struct gstage_entry e;

		machine(MIB(128));
		back(b, 1, RAM, true);
		for (uint64_t page = 0; page < MIB(6); page += PAGE_SIZE)
			assert_false(pte_is_valid(gstage_lookup(&gs, gpa(RAM + page)).pte));
		assert_true(touch(at, wants[i]));
		e = gstage_lookup(&gs, gpa(at));
		assert_int_equal(e.level, 1);
		assert_int_equal(e.pte & (PTE_R | PTE_W | PTE_X), PTE_R | PTE_W | PTE_X);
		assert_false(range_holds(BUNDLE, BUNDLE_BYTES, e.to.v, 1));
		assert_false(pte_is_valid(gstage_lookup(&gs, gpa(RAM + MIB(4))).pte));
		assert_content(RAM);
	}
}

/* Whole pages of the bundle are there before any touch, in place and without W. */
static void mapped_in_place(void **state)
{
	static const struct backed b[] = { { MIB(2), MIB(2) + KIB(8) + 100, 0 } };
	struct gstage_entry e;
	(void)state;

	back(b, 1, RAM, false);
	e = gstage_lookup(&gs, gpa(RAM + MIB(3)));
	assert_int_equal(e.to.v, BUNDLE + MIB(1));
	assert_int_equal(e.level, 1);
	assert_int_equal(e.pte & 0x3ff, PTE_V | PTE_R | PTE_X | PTE_U | PTE_A | PTE_D);
	e = gstage_lookup(&gs, gpa(RAM + MIB(4) + KIB(4)));
	assert_int_equal(e.to.v, BUNDLE + MIB(2) + KIB(4));
	assert_int_equal(e.level, 0);
	assert_false(pte_is_valid(gstage_lookup(&gs, gpa(RAM + MIB(4) + KIB(8))).pte));
	assert_false(pte_is_valid(gstage_lookup(&gs, gpa(RAM + MIB(2) - 1)).pte));
	assert_false(touch(RAM + MIB(3), ACCESS_LOAD));
	assert_false(touch(RAM + MIB(3), ACCESS_FETCH));
	assert_int_equal(gs.demand_fills, 0);
}

static void fenced_where_replaced(void **state)
{
	static const struct backed b[] = { { MIB(2), MIB(2) + KIB(8) + 100, 0 } };
	uint64_t frames;
	(void)state;

	back(b, 1, RAM, false);
	assert_true(touch(RAM, ACCESS_STORE)); /* nothing was there */
	assert_int_equal(fences(), 0);
	assert_true(touch(RAM + MIB(3), ACCESS_STORE)); /* a 2 MiB page in place */
	assert_int_equal(fences(), 1);
	assert_int_equal(fake.fence[FAKE_FENCE_I].n, 1);
	assert_false(touch(RAM + MIB(2), ACCESS_STORE));
	assert_int_equal(fences(), 1);
	/* Beside 4 KiB pages in place: their table goes, and its frame is given back. */
	frames = pool.frames;
	assert_true(touch(RAM + MIB(4) + KIB(900), ACCESS_LOAD));
	assert_int_equal(fences(), 2);
	assert_int_equal(pool.frames, frames - 1 + 512);
	assert_false(touch(RAM + MIB(4), ACCESS_STORE));
	assert_int_equal(gs.cow_copies, 2);
	/* 4 KiB of RAM's odd end. */
	assert_true(touch(RAM + MIB(6), ACCESS_STORE));
	assert_int_equal(fences(), 2);
}

/* Code that is copied needs its fence though no translation was replaced. */
static void copied_code_is_fenced(void **state)
{
	static const struct backed b[] = { { MIB(2) + KIB(64), KIB(8), 4 } };
	(void)state;

	back(b, 1, RAM, false);
	assert_true(touch(RAM + MIB(2), ACCESS_LOAD));
	assert_int_equal(fake.fence[FAKE_FENCE_I].n, 1);
}

/* Exactly the harts that may hold translations are told, but for this one, which fences itself. */
static void other_harts_are_fenced(void **state)
{
	static const struct backed b[] = { { MIB(2), MIB(2), 0 } };
	uint64_t flushed[4] = { 0 };
	(void)state;

	host.harts = 4;
	for (unsigned i = 0; i < 4; i++)
		host.hart_id[i] = 100 + i;
	back(b, 1, RAM, false);
	gstage_enter(&gs, 0, &flushed[0]);
	gstage_enter(&gs, 1, &flushed[1]);
	gstage_enter(&gs, 3, &flushed[3]);
	fake.hart = &fake.harts[1];
	fake.fence[FAKE_GVMA_ALL].n = 0; /* those of a first entry */
	assert_true(touch(RAM + MIB(2), ACCESS_STORE));
	assert_int_equal(fake.fence[FAKE_GVMA_ALL].n, 1);
	assert_int_equal(fake_sbi_count(SBI_EXT_RFENCE, SBI_RFENCE_HFENCE_GVMA), 2);
	assert_int_equal(fake_sbi_count(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I), 2);
	assert_int_equal(fake.sbi_n, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(fake.sbi[i].a[0], 1);
		assert_int_equal(fake.sbi[i].a[1], i < 2 ? 100 : 103);
		if (fake.sbi[i].fid != SBI_RFENCE_HFENCE_GVMA)
			continue;
		assert_true(range_holds(fake.sbi[i].a[2], fake.sbi[i].a[3], RAM + MIB(2),
					MIB(2)));
	}
}

static void entering(void **state)
{
	uint64_t flushed = 0;
	(void)state;

	gstage_probe();
	vm(GSTAGE_SV48X4, RAM, MIB(4));
	gstage_enter(&gs, 5, &flushed);
	assert_int_equal(gs.harts, 1 << 5);
	assert_int_equal(fake.csr[CSR_HGATP], gstage_hgatp(&gs));
	assert_int_equal(fake.csr[CSR_HGATP] >> 60, 9);
	assert_int_equal(fake.csr[CSR_HGATP] >> 44 & 0x3fff, gs.vmid.id);
	assert_int_equal((fake.csr[CSR_HGATP] & 0xfffffffffff) << 12, gs.root.v);
	assert_int_equal(fake.fence[FAKE_VVMA_ALL].n, 1);
}

/* Out of memory: the guest's memory stays as it was, and no other pool is touched. */
static void out_of_memory(void **state)
{
	struct frame_pool other = { .owner = 2 };
	uint64_t touched = 0, word = 0x1234;
	enum err e = OK;
	hpa_t at;
	bool changed;
	(void)state;

	machine(MIB(20));
	assert_int_equal(frame_alloc(&other, &at), OK);
	*(uint64_t *)phys_pointer(at) = 77;
	vm(GSTAGE_SV39X4, RAM, MIB(64));
	for (; e == OK; touched += MIB(2)) {
		e = gstage_touch(&gs, gpa(RAM + touched), ACCESS_STORE, &changed);
		assert_int_equal(changed, e == OK);
		if (e == OK)
			assert_int_equal(gstage_write(&gs, gpa(RAM + touched), &word, 8), OK);
	}
	assert_int_equal(e, ERR_NOMEM);
	touched -= MIB(2);
	assert_true(touched >= MIB(2));
	assert_false(pte_is_valid(gstage_lookup(&gs, gpa(RAM + touched)).pte));
	assert_null(gstage_pointer(&gs, gpa(RAM + touched), ACCESS_LOAD));
	assert_int_equal(gstage_write(&gs, gpa(RAM + touched), &word, 8), ERR_NOMEM);
	for (uint64_t i = 0; i < touched; i += MIB(2)) {
		assert_int_equal(gstage_read(&gs, gpa(RAM + i), &word, 8), OK);
		assert_int_equal(word, 0x1234);
	}
	assert_int_equal(other.frames, 1);
	assert_int_equal(*(uint64_t *)phys_pointer(at), 77);
	frame_free_all(&pool);
	assert_int_equal(pool.frames, 0);
}

static void copies_end_at_rams_end(void **state)
{
	uint8_t data[PAGE_SIZE];
	(void)state;

	vm(GSTAGE_SV39X4, RAM, MIB(2));
	memset(data, 1, sizeof(data));
	assert_int_equal(gstage_write(&gs, gpa(RAM + MIB(2) - 8), data, 8), OK);
	assert_int_equal(gstage_write(&gs, gpa(RAM + MIB(2) - 8), data, 9), ERR_RANGE);
	assert_int_equal(gstage_read(&gs, gpa(RAM - 1), data, 2), ERR_RANGE);
	assert_int_equal(gstage_read(&gs, gpa(UINT64_MAX), data, 2), ERR_RANGE);
	assert_null(gstage_pointer(&gs, gpa(RAM + MIB(2)), ACCESS_LOAD));
}

/* Of what a hart does for another VM than its vcpu's, that one's trace tells nothing. */
static void fills_are_told_of_its_own_vm(void **state)
{
	static struct gstage another;
	struct trace *t = malloc(sizeof(*t));
	(void)state;

	trace_init(t);
	t->kinds = 1u << TRACE_FILL;
	this_hart()->trace = t;
	this_hart()->traced_memory = &another;
	vm(GSTAGE_SV39X4, RAM, MIB(8));
	assert_true(touch(RAM, ACCESS_STORE));
	assert_int_equal(t->next, 0);
	this_hart()->traced_memory = &gs;
	assert_true(touch(RAM + MIB(2), ACCESS_STORE));
	assert_int_equal(t->next, 1);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(modes_are_probed, set_up),
		cmocka_unit_test_setup(init_refuses, set_up),
		cmocka_unit_test_setup(places, set_up),
		cmocka_unit_test_setup(backings_are_refused, set_up),
		cmocka_unit_test_setup(leaves_are_as_large_as_can_be, set_up),
		cmocka_unit_test_setup(no_giant_over_the_bundle, set_up),
		cmocka_unit_test_setup(touch_is_idempotent, set_up),
		cmocka_unit_test_setup(bundle_bytes_and_zeros, set_up),
		cmocka_unit_test_setup(shared_bytes_are_copied, set_up),
		cmocka_unit_test_setup(mapped_in_place, set_up),
		cmocka_unit_test_setup(fenced_where_replaced, set_up),
		cmocka_unit_test_setup(copied_code_is_fenced, set_up),
		cmocka_unit_test_setup(other_harts_are_fenced, set_up),
		cmocka_unit_test_setup(entering, set_up),
		cmocka_unit_test_setup(out_of_memory, set_up),
		cmocka_unit_test_setup(copies_end_at_rams_end, set_up),
		cmocka_unit_test_setup(fills_are_told_of_its_own_vm, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
