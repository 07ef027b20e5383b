/*
 * hyp/mm/frame.c: who owns which memory.
 */
#include "tests/unit/unit.h"

#include "hyp/lib/string.h"
#include "hyp/mm/frame.h"
#include "hyp/mm/phys.h"

#define BASE	    UINT64_C(0x80000000)
#define FRAMES      512 /* in a block */

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	return 0;
}

static void add_ram(uint64_t bytes, const struct frame_range *reserved, size_t n, bool zero)
{
	fake_ram(BASE, bytes);
	assert_int_equal(frame_add_ram((struct frame_range){ BASE, bytes }, reserved, n, zero), OK);
}

static bool is_filled(hpa_t at, uint64_t bytes, unsigned char with)
{
	const unsigned char *p = phys_pointer(at);

	return p[0] == with && memcmp(p, p + 1, bytes - 1) == 0;
}

static void dirty(hpa_t at, uint64_t bytes)
{
	memset(phys_pointer(at), 0xa5, bytes);
}

static void one_frame(void **state)
{
	struct frame_pool pool = { .owner = 1 };
	hpa_t at;
	(void)state;

	add_ram(MIB(8), NULL, 0, true);
	assert_int_equal(frame_alloc(&pool, &at), OK);
	assert_true(is_aligned(at.v, PAGE_SIZE));
	assert_true(range_holds(BASE, MIB(8), at.v, PAGE_SIZE));
	assert_true(is_filled(at, PAGE_SIZE, 0));
	assert_int_equal(pool.frames, 1);
	frame_free(&pool, at, 1);
	assert_int_equal(pool.frames, 0);
}

/* The bookkeeping takes one block; the others are all to be had, once each. */
static void blocks_until_none(void **state)
{
	struct frame_pool pool = { .owner = 1 };
	uint64_t seen = 0;
	hpa_t at;
	bool zero;
	(void)state;

	add_ram(MIB(32), NULL, 0, true);
	assert_int_equal(frame_free_bytes(), MIB(30));
	for (unsigned i = 0; i < 15; i++) {
		assert_int_equal(frame_alloc_block(&pool, &at, &zero), OK);
		assert_true(zero);
		assert_true(is_aligned(at.v, MEGAPAGE));
		assert_true(range_holds(BASE, MIB(32), at.v, MEGAPAGE));
		assert_false(seen >> (at.v - BASE) / MEGAPAGE & 1);
		seen |= UINT64_C(1) << (at.v - BASE) / MEGAPAGE;
	}
	assert_int_equal(frame_alloc_block(&pool, &at, &zero), ERR_NOMEM);
	assert_int_equal(frame_alloc(&pool, &at), ERR_NOMEM);
	assert_int_equal(frame_alloc_run(&pool, 4, &at), ERR_NOMEM);
	assert_int_equal(pool.frames, 15 * FRAMES);
	assert_int_equal(frame_free_bytes(), 0);
	frame_free_all(&pool);
	assert_int_equal(pool.frames, 0);
	assert_int_equal(frame_free_bytes(), MIB(30));
}

static void runs_are_aligned(void **state)
{
	struct frame_pool pool = { .owner = 1 };
	hpa_t at[300], filler;
	(void)state;

	add_ram(MIB(16), NULL, 0, true);
	for (unsigned count = 2; count <= 8; count *= 2) {
		assert_int_equal(frame_alloc(&pool, &filler), OK);
		for (unsigned i = 0; i < 300; i++) {
			assert_int_equal(frame_alloc_run(&pool, count, &at[i]), OK);
			assert_true(is_aligned(at[i].v, count * PAGE_SIZE));
			assert_true(is_filled(at[i], count * PAGE_SIZE, 0));
			dirty(at[i], count * PAGE_SIZE);
		}
		assert_int_equal(pool.frames, 1 + count * 300);
		for (unsigned i = 0; i < 300; i++)
			frame_free(&pool, at[i], count);
		frame_free(&pool, filler, 1);
		assert_int_equal(pool.frames, 0);
	}
}

static void reused_memory_is_zero(void **state)
{
	struct frame_pool pool = { .owner = 1 };
	hpa_t at, again;
	bool zero;
	(void)state;

	add_ram(MIB(4), NULL, 0, true); /* one block to give */
	assert_int_equal(frame_alloc(&pool, &at), OK);
	dirty(at, PAGE_SIZE);
	assert_int_equal(frame_alloc(&pool, &again), OK); /* keeps the block cut up */
	frame_free(&pool, at, 1);
	assert_int_equal(frame_alloc(&pool, &at), OK);
	assert_true(is_filled(at, PAGE_SIZE, 0));

	dirty(at, PAGE_SIZE);
	frame_free_all(&pool);
	assert_int_equal(frame_alloc_block(&pool, &again, &zero), OK);
	assert_false(zero);
	dirty(again, MEGAPAGE);
	frame_free_all(&pool);
	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(frame_alloc(&pool, &at), OK);
		assert_true(is_filled(at, PAGE_SIZE, 0));
	}
	assert_int_equal(frame_alloc(&pool, &at), ERR_NOMEM);
}

/* A hart that is idle makes used blocks zero, also while others take some of them. */
static void zeroed_while_idle(void **state)
{
	struct frame_pool pool = { .owner = 1 };
	hpa_t at;
	bool zero;
	(void)state;

	add_ram(MIB(16), NULL, 0, true);
	assert_false(frame_zero_some());
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(frame_alloc_block(&pool, &at, &zero), OK);
		dirty(at, MEGAPAGE);
	}
	frame_free_all(&pool);
	assert_true(frame_zero_some());
	assert_int_equal(frame_alloc_block(&pool, &at, &zero), OK);
	assert_false(zero);
	dirty(at, MEGAPAGE);
	while (frame_zero_some())
		assert_int_equal(frame_free_bytes(), MIB(12));
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(frame_alloc_block(&pool, &at, &zero), OK);
		assert_true(zero);
		assert_true(is_filled(at, MEGAPAGE, 0));
	}
	assert_int_equal(frame_alloc_block(&pool, &at, &zero), ERR_NOMEM);
}

/* After a reset RAM holds what it held. */
static void ram_not_known_to_be_zero(void **state)
{
	struct frame_pool pool = { .owner = 1 };
	hpa_t at;
	bool zero;
	(void)state;

	fake_ram(BASE, MIB(16));
	dirty(hpa(BASE), MIB(16));
	assert_int_equal(frame_add_ram((struct frame_range){ BASE, MIB(16) }, NULL, 0, false), OK);
	assert_int_equal(frame_alloc_zero_run(&pool, MIB(4), &at), ERR_NOMEM);
	assert_int_equal(frame_alloc_block(&pool, &at, &zero), OK);
	assert_false(zero);
	assert_int_equal(frame_alloc_run(&pool, 8, &at), OK);
	assert_true(is_filled(at, 8 * PAGE_SIZE, 0));
}

static void zero_runs(void **state)
{
	struct frame_pool pool = { .owner = 1 }, other = { .owner = 2 };
	hpa_t at, next;
	bool zero;
	(void)state;

	add_ram(MIB(64), NULL, 0, true);
	assert_int_equal(frame_alloc_zero_run(&pool, MIB(16), &at), OK);
	assert_true(is_aligned(at.v, MIB(16)));
	assert_true(is_filled(at, MIB(16), 0));
	assert_int_equal(pool.frames, 8 * FRAMES);
	assert_int_equal(frame_free_bytes(), MIB(64 - 2 - 16));
	/* The bookkeeping spoils the first 16 MiB. */
	assert_int_equal(frame_alloc_zero_run(&other, MIB(16), &next), OK);
	assert_int_equal(frame_alloc_zero_run(&other, MIB(16), &next), OK);
	assert_int_equal(frame_alloc_zero_run(&other, MIB(16), &next), ERR_NOMEM);
	assert_int_equal(frame_alloc_zero_run(&other, MIB(32), &next), ERR_NOMEM);
	assert_int_equal(frame_alloc_zero_run(&other, GIB(512), &next), ERR_NOMEM);
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(frame_alloc_block(&other, &next, &zero), OK);
		assert_true(next.v < BASE + MIB(16));
	}
	assert_int_equal(frame_alloc_block(&other, &next, &zero), ERR_NOMEM);
	/* What has been used is not known to be zero any more. */
	frame_free_all(&pool);
	assert_int_equal(frame_alloc_zero_run(&other, MIB(16), &next), ERR_NOMEM);
	assert_int_equal(frame_alloc_block(&other, &next, &zero), OK);
	assert_false(zero);
}

/* No block that a reservation touches with one byte is given out, nor is its content changed. */
static void reserved_stays(void **state)
{
	static const struct frame_range reserved[] = {
		{ BASE, KIB(512) },			/* firmware */
		{ BASE + MIB(4) - 1, 2 },		/* across a block's end */
		{ BASE + MIB(9), MIB(4) },		/* unaligned: blocks 4, 5 and 6 */
		{ BASE + MIB(16) - PAGE_SIZE, GIB(1) }, /* beyond the end of RAM */
		{ BASE - MIB(64), MIB(32) },		/* before its start */
		{ 0, PAGE_SIZE },
	};
	struct frame_pool pool = { .owner = 1 };
	uint64_t blocks = 0;
	hpa_t at;
	bool zero;
	(void)state;

	fake_ram(BASE, MIB(16));
	for (unsigned i = 0; i < 4; i++) {
		uint64_t end = reserved[i].base + reserved[i].bytes;

		dirty(hpa(reserved[i].base),
		      (end > BASE + MIB(16) ? BASE + MIB(16) : end) - reserved[i].base);
	}
	assert_int_equal(
		frame_add_ram((struct frame_range){ BASE, MIB(16) }, reserved, 6, true), OK);
	while (frame_alloc_block(&pool, &at, &zero) == OK)
		blocks |= UINT64_C(1) << (at.v - BASE) / MEGAPAGE;
	/* Blocks 0 (firmware, bookkeeping), 1, 2 (across), 4, 5, 6 and 7 are not for us. */
	assert_int_equal(blocks, 1 << 3);
	assert_true(is_filled(hpa(BASE), KIB(512), 0xa5));
	assert_true(is_filled(hpa(BASE + MIB(9)), MIB(4), 0xa5));
}

/* The bookkeeping finds its place between reservations, in any order. */
static void bookkeeping_finds_room(void **state)
{
	static const struct frame_range reserved[] = {
		{ BASE + KIB(4), MIB(2) }, /* met only once the second has been evaded */
		{ BASE, KIB(4) },
	};
	static const struct frame_range all[] = { { BASE, MIB(8) } };
	struct frame_pool pool = { .owner = 1 };
	hpa_t at;
	(void)state;

	fake_ram(BASE, MIB(8));
	dirty(hpa(BASE), MIB(2) + KIB(4));
	assert_int_equal(frame_add_ram((struct frame_range){ BASE, MIB(8) }, reserved, 2, false),
			 OK);
	assert_true(is_filled(hpa(BASE), MIB(2) + KIB(4), 0xa5));
	assert_int_equal(frame_alloc(&pool, &at), OK);
	assert_int_equal(frame_add_ram((struct frame_range){ BASE, MIB(8) }, all, 1, false),
			 ERR_NOMEM);
	assert_int_equal(frame_add_ram((struct frame_range){ BASE + KIB(4), KIB(4) }, NULL, 0,
				       false),
			 ERR_NOMEM);
}

static void unaligned_ram(void **state)
{
	struct frame_range ram = { BASE + KIB(12), MIB(8) - KIB(20) };
	struct frame_pool pool = { .owner = 1 };
	unsigned n = 0;
	hpa_t at;
	bool zero;
	(void)state;

	fake_ram(BASE, MIB(8));
	assert_int_equal(frame_add_ram(ram, NULL, 0, true), OK);
	for (; frame_alloc_block(&pool, &at, &zero) == OK; n++)
		assert_true(range_holds(ram.base, ram.bytes, at.v, MEGAPAGE));
	/* Blocks 1 and 2 are whole; the bookkeeping lies in the part of block 0. */
	assert_int_equal(n, 2);
}

static void pools_are_apart(void **state)
{
	struct frame_pool a = { .owner = 1 }, b = { .owner = 2 };
	hpa_t of_a, of_b, at;
	(void)state;

	add_ram(MIB(16), NULL, 0, true);
	assert_int_equal(frame_alloc(&a, &of_a), OK);
	assert_int_equal(frame_alloc(&b, &of_b), OK);
	assert_int_not_equal(of_a.v / MEGAPAGE, of_b.v / MEGAPAGE);
	dirty(of_b, PAGE_SIZE);
	frame_free_all(&a);
	assert_true(is_filled(of_b, PAGE_SIZE, 0xa5));
	assert_int_equal(b.frames, 1);
	for (unsigned i = 0; i < 3 * FRAMES; i++) {
		assert_int_equal(frame_alloc(&a, &at), OK);
		assert_int_not_equal(at.v / MEGAPAGE, of_b.v / MEGAPAGE);
	}
}

/* Giving back what isn't one's own is a bug of ours, and is noticed. */
static void wrong_free_panics(void **state)
{
	struct frame_pool a = { .owner = 1 }, b = { .owner = 2 };
	hpa_t at;
	(void)state;

	add_ram(MIB(16), NULL, 0, true);
	assert_int_equal(frame_alloc(&a, &at), OK);
	assert_int_equal(FAKE_STATUS(frame_free(&a, at, 1)), -1);
	assert_int_equal(FAKE_STATUS(frame_free(&b, at, 1)), 70);
	assert_int_equal(FAKE_STATUS(frame_free(&a, hpa(at.v + PAGE_SIZE), 1)), 70);
	assert_int_equal(FAKE_STATUS(frame_free(&a, hpa(BASE - PAGE_SIZE), 1)), 70);
}

/*
 * Against a model that knows of every frame only whose it is. Each frame's content names its
 * owner and serial number, so that one that is handed out twice, or changed, is noticed.
 */
#define MODEL_BLOCKS 24
#define MODEL_ITEMS  600
#define MODEL_POOLS  3

struct item {
	hpa_t at;
	unsigned count; /* frames; 0: free row */
	uint64_t mark;
};

struct model {
	struct frame_pool pool[MODEL_POOLS];
	struct item item[MODEL_POOLS][MODEL_ITEMS];
	uint8_t owner[MODEL_BLOCKS * FRAMES]; /* pool + 1 */
	uint64_t serial;
};

static uint64_t *first_word(hpa_t at, unsigned frame)
{
	return phys_pointer(hpa(at.v + frame * PAGE_SIZE));
}

static void model_take(struct model *m, unsigned p, struct item *row, hpa_t at, unsigned count,
		       bool zero)
{
	*row = (struct item){ at, count, ++m->serial };
	for (unsigned i = 0; i < count; i++) {
		uint8_t *owner = &m->owner[(at.v - BASE) / PAGE_SIZE + i];

		assert_int_equal(*owner, 0);
		*owner = (uint8_t)(p + 1);
		if (zero)
			assert_int_equal(*first_word(at, i), 0);
		*first_word(at, i) = row->mark + i;
	}
}

static void model_drop(struct model *m, struct item *row)
{
	for (unsigned i = 0; i < row->count; i++) {
		assert_int_equal(*first_word(row->at, i), row->mark + i);
		m->owner[(row->at.v - BASE) / PAGE_SIZE + i] = 0;
	}
	row->count = 0;
}

/* By way of a list, and where it is another's turn, of two. */
static void model_give_back(struct frame_pool *pool, hpa_t at, unsigned count, uint64_t *seed)
{
	unsigned first = (unsigned)(random_next(seed) % count);
	unsigned list = random_next(seed) & 1;

	if (first)
		frame_set_aside(pool, list, at, first);
	frame_set_aside(pool, !list, hpa(at.v + first * PAGE_SIZE), count - first);
	frame_free_aside(pool, 0);
	frame_free_aside(pool, 1);
}

static void model_step(struct model *m, uint64_t *seed)
{
	static const unsigned counts[] = { 1, 1, 1, 2, 4, 8, FRAMES, 2 * FRAMES };
	unsigned p = (unsigned)(random_next(seed) % MODEL_POOLS);
	struct item *row = &m->item[p][random_next(seed) % MODEL_ITEMS];
	unsigned count = counts[random_next(seed) % 8];
	bool zero = true;
	enum err e;
	hpa_t at;

	if (random_next(seed) % 5000 == 0) {
		for (unsigned i = 0; i < MODEL_ITEMS; i++)
			model_drop(m, &m->item[p][i]);
		frame_free_all(&m->pool[p]);
		assert_int_equal(m->pool[p].frames, 0);
	} else if (row->count) {
		if (row->count > FRAMES)
			return; /* goes back with its pool only */
		at = row->at;
		count = row->count;
		model_drop(m, row);
		if (count == FRAMES)
			frame_split(&m->pool[p], at);
		if (count == FRAMES || random_next(seed) % 2)
			model_give_back(&m->pool[p], at, count, seed);
		else
			frame_free(&m->pool[p], at, count);
	} else {
		if (count >= FRAMES && random_next(seed) % 64)
			return;
		if (count == FRAMES)
			e = frame_alloc_block(&m->pool[p], &at, &zero);
		else if (count > FRAMES)
			e = frame_alloc_zero_run(&m->pool[p], count * PAGE_SIZE, &at);
		else if (count == 1 && random_next(seed) % 2)
			e = frame_alloc_page(&m->pool[p], &at);
		else
			e = frame_alloc_run(&m->pool[p], count, &at);
		if (e == OK)
			model_take(m, p, row, at, count, zero);
	}
}

static void against_a_model(void **state)
{
	static struct model m;
	uint64_t seed = 7;
	(void)state;

	memset(&m, 0, sizeof(m));
	add_ram(MODEL_BLOCKS * MEGAPAGE, NULL, 0, true);
	for (unsigned p = 0; p < MODEL_POOLS; p++)
		m.pool[p].owner = (uint16_t)(p + 1);
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t frames[MODEL_POOLS] = { 0 };

		model_step(&m, &seed);
		if (i % 1000)
			continue;
		for (unsigned k = 0; k < MODEL_BLOCKS * FRAMES; k++)
			if (m.owner[k])
				frames[m.owner[k] - 1]++;
		for (unsigned p = 0; p < MODEL_POOLS; p++)
			assert_int_equal(m.pool[p].frames, frames[p]);
	}
	for (unsigned p = 0; p < MODEL_POOLS; p++)
		frame_free_all(&m.pool[p]);
	assert_int_equal(frame_free_bytes(), (MODEL_BLOCKS - 1) * MEGAPAGE);
}

/* A block that is given back in frames, by way of both lists: another pool has it when all are. */
static void split_and_given_back(void **state)
{
	struct frame_pool pool = { .owner = 1 }, other = { .owner = 2 };
	hpa_t block, at;
	bool zero;
	(void)state;

	add_ram(MIB(4), NULL, 0, true); /* one block to give */
	assert_int_equal(frame_alloc_block(&pool, &block, &zero), OK);
	dirty(block, MEGAPAGE);
	frame_split(&pool, block);
	assert_int_equal(pool.frames, FRAMES);
	assert_int_equal(frame_alloc(&pool, &at), ERR_NOMEM);
	for (unsigned i = 0; i < FRAMES; i += 2)
		frame_set_aside(&pool, i / 2 % 2, hpa(block.v + i * PAGE_SIZE), 2);
	assert_int_equal(pool.frames, FRAMES);
	assert_int_equal(frame_alloc(&pool, &at), ERR_NOMEM);
	assert_true(is_filled(block, MEGAPAGE, 0xa5)); /* who still has a pointer finds what was there */

	frame_free_aside(&pool, 1);
	assert_int_equal(pool.frames, FRAMES / 2);
	assert_int_equal(frame_alloc(&other, &at), ERR_NOMEM);
	assert_int_equal(frame_alloc(&pool, &at), OK);
	assert_true(is_filled(at, PAGE_SIZE, 0));
	frame_free_aside(&pool, 1);
	frame_free_aside(&pool, 0);
	assert_int_equal(pool.frames, 1);
	assert_int_equal(frame_free_bytes(), 0);
	frame_free(&pool, at, 1);
	assert_int_equal(frame_free_bytes(), MEGAPAGE);
	assert_int_equal(frame_alloc_block(&other, &at, &zero), OK);
	assert_false(zero);
}

/* Tables don't go where a block is being given back, if there is another place; pages do. */
static void split_blocks_are_spared(void **state)
{
	struct frame_pool pool = { .owner = 1 };
	hpa_t block, at;
	bool zero;
	(void)state;

	add_ram(MIB(6), NULL, 0, true); /* two */
	assert_int_equal(frame_alloc_block(&pool, &block, &zero), OK);
	frame_split(&pool, block);
	frame_set_aside(&pool, 0, block, 4);
	frame_free_aside(&pool, 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(frame_alloc(&pool, &at), OK);
		assert_false(range_holds(block.v, MEGAPAGE, at.v, PAGE_SIZE));
	}
	assert_int_equal(frame_alloc_page(&pool, &at), OK);
	assert_int_equal(at.v, block.v);
	assert_int_equal(frame_alloc_run(&pool, 2, &at), OK);
	assert_int_equal(at.v, block.v + 2 * PAGE_SIZE);
	assert_int_equal(frame_alloc(&pool, &at), OK);
	assert_int_equal(frame_alloc(&pool, &at), ERR_NOMEM);
}

/* What is on a list goes with the pool, and the block is nobody's then. */
static void pool_ends_with_frames_aside(void **state)
{
	struct frame_pool pool = { .owner = 1 }, other = { .owner = 2 };
	hpa_t block, at;
	bool zero;
	(void)state;

	add_ram(MIB(4), NULL, 0, true);
	assert_int_equal(frame_alloc_block(&pool, &block, &zero), OK);
	frame_split(&pool, block);
	frame_set_aside(&pool, 0, block, 100);
	frame_free_all(&pool);
	assert_int_equal(frame_alloc(&other, &at), OK);
	frame_free_aside(&pool, 0);
	frame_free_aside(&other, 0);
	assert_int_equal(other.frames, 1);
	assert_int_equal(pool.frames, 0);
}

static void wrong_split_panics(void **state)
{
	struct frame_pool pool = { .owner = 1 }, other = { .owner = 2 };
	hpa_t block, at;
	bool zero;
	(void)state;

	add_ram(MIB(8), NULL, 0, true);
	assert_int_equal(frame_alloc_block(&pool, &block, &zero), OK);
	assert_int_equal(frame_alloc(&pool, &at), OK);
	assert_int_equal(FAKE_STATUS(frame_split(&other, block)), 70);
	assert_int_equal(FAKE_STATUS(frame_split(&pool, at)), 70);
	assert_int_equal(FAKE_STATUS(frame_set_aside(&pool, 0, block, 1)), 70);
	assert_int_equal(FAKE_STATUS(frame_set_aside(&pool, 0, at, 2)), 70);
	frame_split(&pool, block);
	assert_int_equal(FAKE_STATUS(frame_split(&pool, block)), 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_frame, set_up),
		cmocka_unit_test_setup(blocks_until_none, set_up),
		cmocka_unit_test_setup(zeroed_while_idle, set_up),
		cmocka_unit_test_setup(runs_are_aligned, set_up),
		cmocka_unit_test_setup(reused_memory_is_zero, set_up),
		cmocka_unit_test_setup(ram_not_known_to_be_zero, set_up),
		cmocka_unit_test_setup(zero_runs, set_up),
		cmocka_unit_test_setup(reserved_stays, set_up),
		cmocka_unit_test_setup(bookkeeping_finds_room, set_up),
		cmocka_unit_test_setup(unaligned_ram, set_up),
		cmocka_unit_test_setup(pools_are_apart, set_up),
		cmocka_unit_test_setup(wrong_free_panics, set_up),
		cmocka_unit_test_setup(split_and_given_back, set_up),
		cmocka_unit_test_setup(split_blocks_are_spared, set_up),
		cmocka_unit_test_setup(pool_ends_with_frames_aside, set_up),
		cmocka_unit_test_setup(wrong_split_panics, set_up),
		cmocka_unit_test_setup(against_a_model, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
