/*
 * Host memory in blocks of 2 MiB. See frame.h.
 *
 * Invariant: every block is in exactly one state; a free block is on one of two lists (zero, used
 * before), a cut-up block with a free frame is on one of its pool's two. What is set aside is in use,
 * and its block on that list, too.
 *
 * The bookkeeping is a row a block, not a frame: it is small, and start-up touches little of it.
 */
#include "hyp/mm/frame.h"

#include "hyp/lib/check.h"
#include "hyp/lib/lock.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

#define FRAMES_PER_BLOCK (MEGAPAGE / PAGE_SIZE)
#define BITMAP_WORDS	 (FRAMES_PER_BLOCK / 64)

enum state {
	BLOCK_RESERVED, /* not ours to give */
	BLOCK_ZERO,	/* free, and known to be zero */
	BLOCK_USED,	/* free, contents unknown */
	BLOCK_WHOLE,	/* owned as 2 MiB */
	BLOCK_CUT,	/* owned, in frames */
};

struct block {
	uint64_t taken[BITMAP_WORDS]; /* BLOCK_CUT only: 1 = in use */
	uint64_t dirty[BITMAP_WORDS]; /* the same: 1 = not known to be zero */
	uint64_t aside[FRAME_ASIDES][BITMAP_WORDS]; /* the same: 1 = to be given back */
	uint32_t next, prev;	      /* index + 1 in whichever list, 0 ends */
	uint32_t next_aside[FRAME_ASIDES];
	uint16_t owner;
	uint16_t free_frames;
	uint8_t state;
	bool is_split; /* BLOCK_CUT: it was BLOCK_WHOLE */
};

static struct lock blocks_lock;
static struct block *blocks;
static uint64_t blocks_base; /* physical address of blocks[0] */
static uint32_t blocks_n;
static uint32_t free_list[2]; /* [0] BLOCK_ZERO, [1] BLOCK_USED; index + 1 */
static uint64_t free_blocks, zero_blocks; /* on either list; on [0] */

/* The block at the head of the used ones that is being zeroed, and how far that got. */
#define ZERO_PART  (4 * PAGE_SIZE) /* at a time: nobody waits longer for the lock */
#define ZERO_ENOUGH 32		   /* blocks */
static struct {
	uint32_t block; /* index + 1, 0: none */
	uint32_t bytes;
} zeroing;

static uint32_t *list_of(enum state s)
{
	return &free_list[s == BLOCK_USED];
}

static void list_push(uint32_t *head, uint32_t i)
{
	blocks[i].prev = 0;
	blocks[i].next = *head;
	if (*head)
		blocks[*head - 1].prev = i + 1;
	*head = i + 1;
}

static void list_remove(uint32_t *head, uint32_t i)
{
	struct block *b = &blocks[i];

	if (b->prev)
		blocks[b->prev - 1].next = b->next;
	else
		*head = b->next;
	if (b->next)
		blocks[b->next - 1].prev = b->prev;
}

static hpa_t block_address(uint32_t i)
{
	return hpa(blocks_base + i * MEGAPAGE);
}

static uint32_t block_index(hpa_t at)
{
	CHECK(at.v >= blocks_base && (at.v - blocks_base) / MEGAPAGE < blocks_n);
	return (uint32_t)((at.v - blocks_base) / MEGAPAGE);
}

static void block_release(uint32_t i, enum state s)
{
	blocks[i].state = (uint8_t)s;
	list_push(list_of(s), i);
	free_blocks++;
	zero_blocks += s == BLOCK_ZERO;
}

/* @i leaves its list, to be owned or to change it. */
static void block_unlist(uint32_t i)
{
	list_remove(list_of(blocks[i].state), i);
	free_blocks--;
	zero_blocks -= blocks[i].state == BLOCK_ZERO;
	if (zeroing.block == i + 1)
		zeroing.block = 0;
}

/* Zero ones first: they cost nothing to hand out. Returns FRAME_NONE when there is none. */
static uint32_t block_take(void)
{
	uint32_t first = free_list[0] ? free_list[0] : free_list[1];

	if (!first)
		return FRAME_NONE;
	block_unlist(first - 1);
	return first - 1;
}

bool frame_zero_some(void)
{
	uint32_t i;

	lock_take(&blocks_lock);
	if (!zeroing.block && zero_blocks < ZERO_ENOUGH) {
		zeroing.block = free_list[1];
		zeroing.bytes = 0;
	}
	i = zeroing.block - 1;
	if (zeroing.block) {
		memset((char *)phys_pointer(block_address(i)) + zeroing.bytes, 0, ZERO_PART);
		zeroing.bytes += ZERO_PART;
		if (zeroing.bytes == MEGAPAGE) {
			block_unlist(i);
			block_release(i, BLOCK_ZERO);
		}
	}
	lock_release(&blocks_lock);
	return i + 1 != 0;
}

static void block_cut(struct frame_pool *pool, uint32_t i)
{
	struct block *b = &blocks[i];

	memset(b->taken, 0, sizeof(b->taken));
	memset(b->dirty, b->state == BLOCK_ZERO ? 0 : 0xff, sizeof(b->dirty));
	memset(b->aside, 0, sizeof(b->aside));
	b->state = BLOCK_CUT;
	b->is_split = false;
	b->owner = pool->owner;
	b->free_frames = FRAMES_PER_BLOCK;
	list_push(&pool->partial, i);
}

/* Where it is while it has a free frame. */
static uint32_t *cut_list(struct frame_pool *pool, const struct block *b)
{
	return b->is_split ? &pool->split : &pool->partial;
}

/* The first run of @count free frames aligned to @count, or FRAMES_PER_BLOCK. */
static unsigned find_frames(const struct block *b, unsigned count)
{
	uint64_t run = (UINT64_C(1) << count) - 1;

	for (unsigned w = 0; w < BITMAP_WORDS; w++) {
		if (b->taken[w] == UINT64_MAX)
			continue;
		for (unsigned at = 0; at < 64; at += count)
			if (!(b->taken[w] >> at & run))
				return w * 64 + at;
	}
	return FRAMES_PER_BLOCK;
}

/* Looks at every block of a list: for runs the first few may be too broken up. */
static uint32_t find_listed(uint32_t at, unsigned count, unsigned *frame)
{
	for (; at; at = blocks[at - 1].next) {
		*frame = find_frames(&blocks[at - 1], count);
		if (*frame < FRAMES_PER_BLOCK)
			return at - 1;
	}
	return FRAME_NONE;
}

static uint32_t find_block(struct frame_pool *pool, unsigned count, unsigned *frame)
{
	uint32_t i = find_listed(pool->partial, count, frame);

	if (i != FRAME_NONE)
		return i;
	*frame = 0;
	i = block_take();
	if (i == FRAME_NONE)
		return find_listed(pool->split, count, frame);
	block_cut(pool, i);
	return i;
}

static enum err alloc_run(struct frame_pool *pool, unsigned count, bool split_first, hpa_t *at)
{
	uint32_t i = FRAME_NONE;
	uint64_t run, mask;
	unsigned frame;
	bool dirty;

	CHECK(count && count <= FRAME_RUN_MAX && !(count & (count - 1)));
	lock_take(&blocks_lock);
	if (split_first)
		i = find_listed(pool->split, count, &frame);
	if (i == FRAME_NONE)
		i = find_block(pool, count, &frame);
	if (i == FRAME_NONE) {
		lock_release(&blocks_lock);
		return ERR_NOMEM;
	}
	struct block *b = &blocks[i];
	run = (UINT64_C(1) << count) - 1;
	mask = run << frame % 64;
	dirty = (b->dirty[frame / 64] & mask) != 0;
	b->taken[frame / 64] |= mask;
	b->dirty[frame / 64] |= mask;
	b->free_frames = (uint16_t)(b->free_frames - count);
	pool->frames += count;
	if (!b->free_frames)
		list_remove(cut_list(pool, b), i);
	lock_release(&blocks_lock);

	*at = hpa(block_address(i).v + frame * PAGE_SIZE);
	if (dirty)
		memset(phys_pointer(*at), 0, count * PAGE_SIZE);
	return OK;
}

enum err frame_alloc_run(struct frame_pool *pool, unsigned count, hpa_t *at)
{
	return alloc_run(pool, count, false, at);
}

enum err frame_alloc(struct frame_pool *pool, hpa_t *at)
{
	return alloc_run(pool, 1, false, at);
}

enum err frame_alloc_page(struct frame_pool *pool, hpa_t *at)
{
	return alloc_run(pool, 1, true, at);
}

/* The block at @at, or around it, which must be @pool's and in @s. */
static uint32_t owned_block(const struct frame_pool *pool, hpa_t at, enum state s)
{
	uint32_t i = block_index(at);

	CHECK(blocks[i].state == s && blocks[i].owner == pool->owner);
	return i;
}

/* @count more frames of block @i are free. */
static void more_free(struct frame_pool *pool, uint32_t i, unsigned count)
{
	struct block *b = &blocks[i];

	pool->frames -= count;
	if (!b->free_frames)
		list_push(cut_list(pool, b), i);
	b->free_frames = (uint16_t)(b->free_frames + count);
	if (b->free_frames == FRAMES_PER_BLOCK) {
		list_remove(cut_list(pool, b), i);
		block_release(i, BLOCK_USED);
	}
}

void frame_free(struct frame_pool *pool, hpa_t at, unsigned count)
{
	uint64_t run = (UINT64_C(1) << count) - 1;

	lock_take(&blocks_lock);
	uint32_t i = owned_block(pool, at, BLOCK_CUT);
	struct block *b = &blocks[i];
	unsigned frame = (unsigned)(at.v % MEGAPAGE / PAGE_SIZE);
	CHECK((b->taken[frame / 64] >> frame % 64 & run) == run);
	b->taken[frame / 64] &= ~(run << frame % 64);
	more_free(pool, i, count);
	lock_release(&blocks_lock);
}

void frame_split(struct frame_pool *pool, hpa_t at)
{
	lock_take(&blocks_lock);
	struct block *b = &blocks[owned_block(pool, at, BLOCK_WHOLE)];
	memset(b->taken, 0xff, sizeof(b->taken));
	memset(b->dirty, 0xff, sizeof(b->dirty));
	memset(b->aside, 0, sizeof(b->aside));
	b->state = BLOCK_CUT;
	b->is_split = true;
	b->free_frames = 0;
	lock_release(&blocks_lock);
}

static bool has_aside(const struct block *b, unsigned list)
{
	uint64_t all = 0;

	for (unsigned w = 0; w < BITMAP_WORDS; w++)
		all |= b->aside[list][w];
	return all != 0;
}

void frame_set_aside(struct frame_pool *pool, unsigned list, hpa_t at, unsigned count)
{
	unsigned first = (unsigned)(at.v % MEGAPAGE / PAGE_SIZE);

	lock_take(&blocks_lock);
	uint32_t i = owned_block(pool, at, BLOCK_CUT);
	struct block *b = &blocks[i];
	if (!has_aside(b, list)) {
		b->next_aside[list] = pool->aside[list];
		pool->aside[list] = i + 1;
	}
	for (unsigned frame = first; frame < first + count; frame++) {
		uint64_t bit = UINT64_C(1) << frame % 64;

		CHECK(b->taken[frame / 64] & bit);
		b->aside[list][frame / 64] |= bit;
	}
	lock_release(&blocks_lock);
}

static void free_aside_of(struct frame_pool *pool, unsigned list, uint32_t i)
{
	struct block *b = &blocks[i];
	unsigned count = 0;

	for (unsigned w = 0; w < BITMAP_WORDS; w++) {
		for (uint64_t left = b->aside[list][w]; left; left &= left - 1)
			count++;
		b->taken[w] &= ~b->aside[list][w];
		b->aside[list][w] = 0;
	}
	more_free(pool, i, count);
}

void frame_free_aside(struct frame_pool *pool, unsigned list)
{
	lock_take(&blocks_lock);
	while (pool->aside[list]) {
		uint32_t i = pool->aside[list] - 1;

		pool->aside[list] = blocks[i].next_aside[list];
		free_aside_of(pool, list, i);
	}
	lock_release(&blocks_lock);
}

static void block_own(struct frame_pool *pool, uint32_t i)
{
	blocks[i].state = BLOCK_WHOLE;
	blocks[i].owner = pool->owner;
	pool->frames += FRAMES_PER_BLOCK;
}

enum err frame_alloc_block(struct frame_pool *pool, hpa_t *at, bool *zero)
{
	lock_take(&blocks_lock);
	uint32_t i = block_take();
	if (i != FRAME_NONE) {
		*zero = blocks[i].state == BLOCK_ZERO;
		*at = block_address(i);
		block_own(pool, i);
	}
	lock_release(&blocks_lock);
	return i == FRAME_NONE ? ERR_NOMEM : OK;
}

static bool run_is_zero(uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++)
		if (blocks[i].state != BLOCK_ZERO)
			return false;
	return true;
}

enum err frame_alloc_zero_run(struct frame_pool *pool, uint64_t bytes, hpa_t *at)
{
	uint64_t n = bytes / MEGAPAGE;
	enum err e = ERR_NOMEM;

	lock_take(&blocks_lock);
	uint64_t first = (align_up(blocks_base, bytes) - blocks_base) / MEGAPAGE;
	for (; first + n <= blocks_n; first += n) {
		if (!run_is_zero((uint32_t)first, (uint32_t)n))
			continue;
		for (uint64_t i = first; i < first + n; i++) {
			block_unlist((uint32_t)i);
			block_own(pool, (uint32_t)i);
		}
		*at = block_address((uint32_t)first);
		e = OK;
		break;
	}
	lock_release(&blocks_lock);
	return e;
}

void frame_free_all(struct frame_pool *pool)
{
	lock_take(&blocks_lock);
	for (uint32_t i = 0; i < blocks_n; i++) {
		struct block *b = &blocks[i];

		if (b->owner == pool->owner && (b->state == BLOCK_WHOLE || b->state == BLOCK_CUT))
			block_release(i, BLOCK_USED);
	}
	*pool = (struct frame_pool){ .owner = pool->owner };
	lock_release(&blocks_lock);
}

uint64_t frame_free_bytes(void)
{
	return free_blocks * MEGAPAGE;
}

/* The lowest place for @bytes, page-aligned, that keeps clear of everything reserved. */
static enum err find_room(struct frame_range ram, const struct frame_range *reserved, size_t n,
			  uint64_t bytes, uint64_t *at)
{
	uint64_t try = align_up(ram.base, PAGE_SIZE);

	for (size_t i = 0; i < n;) {
		const struct frame_range *r = &reserved[i++];

		if (try < r->base + r->bytes && r->base < try + bytes) {
			try = align_up(r->base + r->bytes, PAGE_SIZE);
			i = 0; /* the new place may run into one already passed */
		}
	}
	*at = try;
	return range_holds(ram.base, ram.bytes, try, bytes) ? OK : ERR_NOMEM;
}

static void reserve(struct frame_range r)
{
	uint64_t from = r.base > blocks_base ? (r.base - blocks_base) / MEGAPAGE : 0;
	uint64_t to = (align_up(r.base + r.bytes, MEGAPAGE) - blocks_base) / MEGAPAGE;

	if (r.base + r.bytes <= blocks_base)
		return;
	for (uint64_t i = from; i < to && i < blocks_n; i++)
		blocks[i].state = BLOCK_RESERVED;
}

enum err frame_add_ram(struct frame_range ram, const struct frame_range *reserved,
		       size_t n_reserved, bool zero)
{
	uint64_t base = align_up(ram.base, MEGAPAGE);
	uint64_t n = (ram.base + ram.bytes - base) / MEGAPAGE;
	uint64_t bytes = n * sizeof(struct block), at;
	enum err e = find_room(ram, reserved, n_reserved, bytes, &at);

	if (e)
		return e;
	blocks = phys_pointer(hpa(at));
	blocks_base = base;
	blocks_n = (uint32_t)n;
	free_list[0] = free_list[1] = 0;
	free_blocks = zero_blocks = 0;
	zeroing.block = 0;
	for (uint32_t i = 0; i < blocks_n; i++)
		blocks[i].state = zero ? BLOCK_ZERO : BLOCK_USED;
	for (size_t i = 0; i < n_reserved; i++)
		reserve(reserved[i]);
	reserve((struct frame_range){ at, bytes });
	/* From the top, so that the lowest block is the first on its list. */
	for (uint32_t i = blocks_n; i-- > 0;)
		if (blocks[i].state != BLOCK_RESERVED)
			block_release(i, blocks[i].state);
	return OK;
}
