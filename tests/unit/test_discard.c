/*
 * hyp/g-stage/discard.c: memory that a guest gives back while it runs, and who still points to it.
 */
#include "tests/unit/unit.h"

#include "hyp/drv/host.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"
#include "sbi/abi.h"

#define BASE	     UINT64_C(0x80000000) /* of host RAM */
#define BUNDLE	     (BASE + MIB(2))
#define BUNDLE_BYTES MIB(4)
#define RAM	     UINT64_C(0x80000000) /* of the guest */
#define RAM_BYTES    (MIB(32) + KIB(12))
#define LAST	     (RAM + MIB(32)) /* what is left over behind the last 2 MiB */

static struct frame_pool pool;
static struct gstage gs;

static void begin(uint64_t host_bytes, uint64_t ram_bytes)
{
	static const struct frame_range reserved = { BUNDLE, BUNDLE_BYTES };

	fake_reset();
	fake_ram(BASE, host_bytes);
	memset(phys_pointer(hpa(BUNDLE)), 0xb0, BUNDLE_BYTES);
	assert_int_equal(
		frame_add_ram((struct frame_range){ BASE, host_bytes }, &reserved, 1, true), OK);
	pool = (struct frame_pool){ .owner = 1 };
	memset(&host, 0, sizeof(host));
	host.harts = 2;
	assert_int_equal(
		gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &pool, gpa(RAM), ram_bytes), OK);
}

static int set_up(void **state)
{
	(void)state;
	begin(MIB(128), RAM_BYTES);
	return 0;
}

static void fill(uint64_t at, uint64_t bytes, uint8_t with)
{
	static uint8_t some[KIB(64)];

	memset(some, with, sizeof(some));
	for (uint64_t i = 0; i < bytes; i += sizeof(some))
		assert_int_equal(gstage_write(&gs, gpa(at + i), some,
					      bytes - i < sizeof(some) ? bytes - i : sizeof(some)),
				 OK);
}

static bool is_filled(uint64_t at, uint64_t bytes, uint8_t with)
{
	for (uint64_t i = 0; i < bytes; i += 256) {
		uint8_t some[256];

		assert_int_equal(gstage_read(&gs, gpa(at + i), some, sizeof(some)), OK);
		for (unsigned k = 0; k < sizeof(some); k++)
			if (some[k] != with)
				return false;
	}
	return true;
}

static uint64_t discard(uint64_t at, uint64_t bytes)
{
	struct gstage_span span = { gpa(at), bytes };

	return gstage_discard(&gs, &span, 1);
}

static bool is_mapped(uint64_t at)
{
	return pte_is_valid(gstage_lookup(&gs, gpa(at)).pte);
}

static void whole_block(void **state)
{
	uint64_t free;
	(void)state;

	free = frame_free_bytes();
	fill(RAM + MIB(4), MIB(2), 1);
	assert_int_equal(frame_free_bytes(), free - MIB(2));
	assert_int_equal(discard(RAM + MIB(4), MIB(2)), MIB(2));
	assert_int_equal(frame_free_bytes(), free);
	assert_false(is_mapped(RAM + MIB(4)));
	assert_int_equal(discard(RAM + MIB(4), MIB(2)), 0);
	assert_true(is_filled(RAM + MIB(4), MIB(2), 0));
	assert_int_equal(gstage_lookup(&gs, gpa(RAM + MIB(4))).level, 1);
}

/* A page goes alone, its neighbours stay as they are, and so do they when it comes again. */
static void one_page(void **state)
{
	uint64_t frames;
	(void)state;

	fill(RAM, MIB(2), 1);
	frames = pool.frames;
	assert_int_equal(discard(RAM + KIB(64), PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(pool.frames, frames); /* a table for a page */
	assert_false(is_mapped(RAM + KIB(64)));
	assert_true(is_filled(RAM, KIB(64), 1));
	assert_true(is_filled(RAM + KIB(68), MIB(2) - KIB(68), 1));
	assert_true(is_filled(RAM + KIB(64), PAGE_SIZE, 0));
	assert_int_equal(gstage_lookup(&gs, gpa(RAM + KIB(64))).level, 0);
	assert_true(is_filled(RAM + KIB(68), MIB(2) - KIB(68), 1));
	assert_int_equal(pool.frames, frames + 1);
	assert_int_equal(discard(RAM + KIB(64), PAGE_SIZE), PAGE_SIZE);
}

/* Page after page, in any order: the block comes back whole, and so does what led to it. */
static void pages_until_the_block_is_free(void **state)
{
	uint64_t free, frames;
	(void)state;

	for (unsigned step = 1; step < 512; step += 102) {
		begin(MIB(128), RAM_BYTES);
		fill(RAM, MIB(8), 1);
		assert_int_equal(discard(RAM + MIB(2), MIB(6)), MIB(6));
		free = frame_free_bytes();
		frames = pool.frames;
		for (unsigned i = 0; i < 512; i++)
			assert_int_equal(discard(RAM + i * step % 512 * PAGE_SIZE, PAGE_SIZE),
					 PAGE_SIZE);
		assert_int_equal(frame_free_bytes(), free + MIB(2));
		assert_int_equal(pool.frames, frames - 512);
		assert_true(is_filled(RAM, MIB(2), 0));
		assert_int_equal(gstage_lookup(&gs, gpa(RAM)).level, 1);
	}
}

static void part_of_a_giant(void **state)
{
	uint64_t free;
	(void)state;

	begin(GIB(3), GIB(2));
	free = frame_free_bytes();
	fill(RAM + GIB(1), PAGE_SIZE, 7);
	assert_int_equal(gstage_lookup(&gs, gpa(RAM + GIB(1))).level, 2);
	assert_int_equal(discard(RAM + GIB(1) + MIB(512), MIB(4)), MIB(4));
	assert_int_equal(discard(RAM + GIB(1) + PAGE_SIZE, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	assert_true(is_filled(RAM + GIB(1), PAGE_SIZE, 7));
	assert_int_equal(frame_free_bytes(), free - GIB(1) + MIB(4));
	assert_int_equal(discard(RAM, GIB(2)), GIB(1) - MIB(4) - 2 * PAGE_SIZE);
	assert_int_equal(frame_free_bytes(), free);
}

/* Only whole pages, only of RAM, and nothing twice. */
static void odd_spans(void **state)
{
	static const struct gstage_span spans[] = {
		{ { RAM - MIB(1) }, MIB(1) },
		{ { 0 }, 0 },
		{ { UINT64_MAX }, 1 },
		{ { RAM + 1 }, UINT64_MAX - RAM - 1 },
		{ { UINT64_MAX - PAGE_SIZE + 1 }, PAGE_SIZE },
		{ { RAM + PAGE_SIZE + 1 }, 2 * PAGE_SIZE - 1 },
		{ { RAM + 2 * PAGE_SIZE }, PAGE_SIZE },
		{ { RAM_BYTES + RAM }, MIB(4) },
		{ { RAM + 5 * PAGE_SIZE - 1 }, PAGE_SIZE },
	};
	(void)state;

	fill(RAM, MIB(2), 1);
	fill(LAST, KIB(12), 2);
	assert_int_equal(gstage_discard(&gs, &spans[0], 3), 0);
	assert_int_equal(gstage_discard(&gs, &spans[4], 5), PAGE_SIZE);
	assert_true(is_filled(RAM + 2 * PAGE_SIZE, PAGE_SIZE, 0));
	assert_true(is_filled(RAM + 3 * PAGE_SIZE, MIB(2) - 3 * PAGE_SIZE, 1));
	assert_int_equal(discard(LAST, PAGE_SIZE), PAGE_SIZE);
	assert_true(is_filled(LAST, PAGE_SIZE, 0));
	assert_true(is_filled(LAST + PAGE_SIZE, 2 * PAGE_SIZE, 2));
	/* All there is, and more: up to the end of the address space. */
	assert_int_equal(gstage_discard(&gs, &spans[3], 1), MIB(2) - PAGE_SIZE + KIB(12));
	assert_true(is_filled(RAM, PAGE_SIZE, 1));
}

/* What lies in the bundle isn't ours to give; what was copied from it is, and comes from there again. */
static void bundle(void **state)
{
	uint64_t frames;
	(void)state;

	assert_int_equal(gstage_add_backing(&gs, gpa(RAM + MIB(2)), MIB(3), hpa(BUNDLE), false), OK);
	assert_int_equal(discard(RAM, MIB(8)), 0);
	assert_true(is_mapped(RAM + MIB(2)));
	fill(RAM + MIB(2) + KIB(4), KIB(4), 9);
	fill(RAM + MIB(4) + KIB(4), KIB(4), 9);
	frames = pool.frames;
	assert_int_equal(discard(RAM + MIB(2), KIB(8)), KIB(8));
	assert_true(is_filled(RAM + MIB(2), MIB(3), 0xb0) == false);
	assert_true(is_filled(RAM + MIB(2), MIB(2), 0xb0));
	assert_int_equal(discard(RAM + MIB(4), MIB(2)), MIB(2));
	assert_true(is_filled(RAM + MIB(4), MIB(1), 0xb0));
	assert_true(is_filled(RAM + MIB(5), MIB(1), 0));
	assert_int_equal(pool.frames, frames + 1);
	assert_true(is_filled(RAM + MIB(2), MIB(2), 0xb0));
}

/* Each hart that may remember it, this one and the other, before anybody else can have it. */
static void harts_are_fenced(void **state)
{
	unsigned before;
	(void)state;

	fill(RAM, MIB(2), 1);
	gs.harts = 3;
	host.hart_id[1] = 17;
	before = fake.fence[FAKE_GVMA_ALL].n;
	assert_int_equal(discard(RAM + MIB(2), MIB(2)), 0);
	assert_int_equal(fake.fence[FAKE_GVMA_ALL].n, before);
	assert_int_equal(fake_sbi_count(SBI_EXT_RFENCE, SBI_RFENCE_HFENCE_GVMA), 0);
	discard(RAM, PAGE_SIZE);
	assert_int_equal(fake.fence[FAKE_GVMA_ALL].n, before + 1);
	assert_int_equal(fake_sbi_count(SBI_EXT_RFENCE, SBI_RFENCE_HFENCE_GVMA), 1);
	assert_int_equal(fake_sbi_count(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I), 1);
}

/* Without a frame for a table a leaf stays in one piece; whole ones go. */
static void no_memory_for_a_table(void **state)
{
	struct frame_pool other = { .owner = 2 };
	hpa_t at;
	bool zero;
	(void)state;

	fill(RAM, MIB(4), 1);
	while (frame_alloc_block(&other, &at, &zero) == OK)
		continue;
	while (frame_alloc(&pool, &at) == OK)
		continue;
	assert_int_equal(discard(RAM, PAGE_SIZE), 0);
	assert_true(is_filled(RAM, PAGE_SIZE, 1));
	assert_int_equal(discard(RAM + MIB(2) - PAGE_SIZE, MIB(2) + PAGE_SIZE), MIB(2));
	assert_true(is_filled(RAM, MIB(2), 1));
	assert_int_equal(discard(RAM, PAGE_SIZE), PAGE_SIZE);
}

/* --- pins --- */

static void pinned_memory_waits(void **state)
{
	struct frame_pool other = { .owner = 2 };
	uint64_t frames;
	unsigned first, second;
	char *p;
	hpa_t at;
	bool zero;
	(void)state;

	begin(MIB(10), MIB(2)); /* two blocks: the guest's, and its tables' */
	fill(RAM, MIB(2), 1);
	first = gstage_pin(&gs);
	p = gstage_pointer(&gs, gpa(RAM), ACCESS_STORE);
	frames = pool.frames;
	assert_int_equal(discard(RAM, MIB(2)), MIB(2));
	assert_int_equal(pool.frames, frames);
	assert_false(is_mapped(RAM));
	assert_int_equal(frame_alloc_block(&other, &at, &zero), ERR_NOMEM);
	memset(p, 2, PAGE_SIZE);
	second = gstage_pin(&gs); /* it can't have seen what was discarded */
	gstage_unpin(&gs, first);
	assert_int_equal(pool.frames, frames - 512);
	assert_int_equal(frame_alloc_block(&other, &at, &zero), OK);
	assert_false(zero);
	gstage_unpin(&gs, second);
}

/* Pins are always held, each for two rounds: what is discarded is free a few rounds later. */
static void steady_pins_starve_nobody(void **state)
{
	unsigned pin[2];
	uint64_t free;
	(void)state;

	pin[0] = gstage_pin(&gs);
	pin[1] = gstage_pin(&gs);
	fill(RAM, MIB(2), 1);
	free = frame_free_bytes();
	for (unsigned i = 0; i < 300; i++) {
		fill(RAM, MIB(2), 1);
		assert_int_equal(discard(RAM, MIB(2)), MIB(2));
		gstage_unpin(&gs, pin[i % 2]);
		pin[i % 2] = gstage_pin(&gs);
		assert_true(frame_free_bytes() >= free - 4 * MIB(2));
	}
	gstage_unpin(&gs, pin[0]);
	gstage_unpin(&gs, pin[1]);
	assert_int_equal(frame_free_bytes(), free + MIB(2));
	assert_int_equal(gs.pins[0] + gs.pins[1], 0);
}

/* --- against a model --- */

#define MODEL_PAGES 1539 /* three blocks and three pages */
#define MODEL_PINS  4

struct model {
	uint32_t is[MODEL_PAGES]; /* what is in each, at its begin; 0: zeros */
	struct {
		bool held;
		unsigned pin;
		uint32_t *p, was;
	} pin[MODEL_PINS];
	uint32_t serial;
};

static unsigned passed_over;

static uint64_t page_at(unsigned page)
{
	return RAM + page * PAGE_SIZE;
}

static void model_write(struct model *m, unsigned page)
{
	m->is[page] = ++m->serial;
	assert_int_equal(gstage_write(&gs, gpa(page_at(page)), &m->is[page], 4), OK);
}

static void model_discard(struct model *m, uint64_t *seed)
{
	static const unsigned counts[] = { 1, 1, 2, 7, 64, 512, 513, 1100 };
	struct gstage_span spans[3];
	bool named[MODEL_PAGES] = { false };

	for (unsigned i = 0; i < 3; i++) {
		unsigned first = (unsigned)(random_next(seed) % MODEL_PAGES);
		unsigned n = counts[random_next(seed) % 8];

		if (n == 512)
			first = first / 512 * 512;
		spans[i] = (struct gstage_span){ gpa(page_at(first)), n * PAGE_SIZE };
		memset(&named[first], 1, n < MODEL_PAGES - first ? n : MODEL_PAGES - first);
	}
	gstage_discard(&gs, spans, 3);
	for (unsigned k = 0; k < MODEL_PAGES; k++)
		if (named[k] && !is_mapped(page_at(k)))
			m->is[k] = 0;
		else if (named[k])
			passed_over++;
}

/* Who holds a pin writes, and finds what it wrote, whatever was discarded meanwhile. */
static void model_pin(struct model *m, uint64_t *seed)
{
	unsigned i = (unsigned)(random_next(seed) % MODEL_PINS);
	unsigned page = (unsigned)(random_next(seed) % MODEL_PAGES);

	if (!m->pin[i].held) {
		m->pin[i].pin = gstage_pin(&gs);
		m->pin[i].p = gstage_pointer(&gs, gpa(page_at(page)), ACCESS_STORE);
		m->pin[i].p += 1 + i; /* a word of its own */
		m->pin[i].was = *m->pin[i].p = ++m->serial;
	} else {
		assert_int_equal(*m->pin[i].p, m->pin[i].was);
		*m->pin[i].p = 0;
		gstage_unpin(&gs, m->pin[i].pin);
	}
	m->pin[i].held = !m->pin[i].held;
}

/* Another VM takes what is free, scribbles over it and gives it back. */
static void model_neighbour(void)
{
	struct frame_pool other = { .owner = 2 };
	hpa_t at;
	bool zero;

	while (frame_alloc_block(&other, &at, &zero) == OK)
		memset(phys_pointer(at), 0xee, MEGAPAGE);
	frame_free_all(&other);
}

/* However long a pin is held, and however often the guest takes again what it gave back. */
static void what_waits_is_bounded(void **state)
{
	uint64_t frames;
	unsigned pin;
	(void)state;

	fill(RAM, MIB(32), 1);
	frames = pool.frames;
	pin = gstage_pin(&gs);
	for (unsigned i = 0; i < 16; i++) {
		discard(RAM, MIB(4));
		fill(RAM, MIB(4), 1);
	}
	assert_true(pool.frames <= frames + MIB(12) / PAGE_SIZE);
	gstage_unpin(&gs, pin);
	assert_int_equal(pool.frames, frames);
	assert_int_equal(gs.waits, 0);
}

static void against_a_model(void **state)
{
	static struct model m;
	uint64_t seed = 11;
	(void)state;

	memset(&m, 0, sizeof(m));
	begin(MIB(48), MODEL_PAGES * PAGE_SIZE);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned page = (unsigned)(random_next(&seed) % MODEL_PAGES), what;
		uint32_t is;

		what = (unsigned)(random_next(&seed) % 100);
		if (what < 5)
			model_discard(&m, &seed);
		else if (what < 15)
			model_pin(&m, &seed);
		else if (what == 15)
			model_neighbour();
		else if (what < 60)
			model_write(&m, page);
		assert_int_equal(gstage_read(&gs, gpa(page_at(page)), &is, 4), OK);
		assert_int_equal(is, m.is[page]);
	}
	for (unsigned i = 0; i < MODEL_PINS; i++)
		if (m.pin[i].held)
			gstage_unpin(&gs, m.pin[i].pin);
	assert_true(passed_over);
	discard(RAM, MODEL_PAGES * PAGE_SIZE);
	assert_true(pool.frames < 16); /* root and tables */
	assert_int_equal(frame_free_bytes(), MIB(48) - BUNDLE_BYTES - MIB(2) - MIB(2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whole_block, set_up),
		cmocka_unit_test_setup(one_page, set_up),
		cmocka_unit_test_setup(pages_until_the_block_is_free, set_up),
		cmocka_unit_test_setup(part_of_a_giant, set_up),
		cmocka_unit_test_setup(odd_spans, set_up),
		cmocka_unit_test_setup(bundle, set_up),
		cmocka_unit_test_setup(harts_are_fenced, set_up),
		cmocka_unit_test_setup(no_memory_for_a_table, set_up),
		cmocka_unit_test_setup(pinned_memory_waits, set_up),
		cmocka_unit_test_setup(steady_pins_starve_nobody, set_up),
		cmocka_unit_test_setup(what_waits_is_bounded, set_up),
		cmocka_unit_test_setup(against_a_model, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
