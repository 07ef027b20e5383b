/*
 * Host memory: who owns which frame.
 *
 * RAM is managed in blocks of 2 MiB. A block belongs to one pool, whole, or cut up into 4 KiB
 * frames. What a pool holds can be given back in one call, so that the end of a VM leaks nothing.
 *
 * Frames are handed out zeroed. Blocks that nothing has used since power-on are zero already on
 * QEMU's virt machine; frame_add_ram() is told whether that holds, and the caller of a block is
 * told whether it does for that one, so that it isn't zeroed again.
 *
 * All functions may be called from any hart; one lock inside.
 */
#ifndef HYP_MM_FRAME_H
#define HYP_MM_FRAME_H

#include "hyp/arch/addr.h"
#include "hyp/lib/err.h"

#define FRAME_NONE UINT32_MAX

#define FRAME_ASIDES 2 /* lists of frames that are to be given back, see frame_set_aside() */

/* An owner of memory. Zero-initialise, then set .owner once: 1.. for VMs, 0 is the hypervisor. The
 * rest is frame.c's; each a first block of a list, index + 1, or 0. */
struct frame_pool {
	uint16_t owner;
	uint32_t partial; /* cut-up blocks with a frame left */
	uint32_t split;	  /* the same, that were whole once */
	uint32_t aside[FRAME_ASIDES]; /* cut-up blocks with frames that are set aside */
	uint64_t frames;	      /* 4 KiB frames in use, for accounting */
};

struct frame_range {
	uint64_t base, bytes;
};

/**
 * Take over the RAM of the machine, once, on one hart.
 * @ram: where it lies. @reserved, @n_reserved: parts that are in use already (firmware, image,
 * device tree, bundle), any order and alignment.
 * @zero: whether all RAM that isn't reserved reads as zero now.
 * Returns OK; ERR_NOMEM if there is no room for the bookkeeping.
 */
MUST_USE enum err frame_add_ram(struct frame_range ram, const struct frame_range *reserved,
				size_t n_reserved, bool zero);

/**
 * One zeroed 4 KiB frame for @pool. Returns OK or ERR_NOMEM.
 */
MUST_USE enum err frame_alloc(struct frame_pool *pool, hpa_t *at);

#define FRAME_RUN_MAX 32

/**
 * @count contiguous zeroed frames, aligned to their size; @count is a power of two, at most
 * FRAME_RUN_MAX.
 */
MUST_USE enum err frame_alloc_run(struct frame_pool *pool, unsigned count, hpa_t *at);

/**
 * The same as frame_alloc(), for what may be given back in any order: from blocks that were split
 * first, where everything else is taken from last, so that those can become free as a whole.
 */
MUST_USE enum err frame_alloc_page(struct frame_pool *pool, hpa_t *at);

/* Give back @count frames that one call above returned. */
void frame_free(struct frame_pool *pool, hpa_t at, unsigned count);

/* The block at @at, which @pool has whole, is 512 frames from now on, all of them in use. */
void frame_split(struct frame_pool *pool, hpa_t at);

/**
 * Frames that somebody may still read and write are given back later: put @count of them, in use and
 * in one block, on list @list, and give back all that is on it. A block of which nothing is in use
 * any more is free for every pool.
 */
void frame_set_aside(struct frame_pool *pool, unsigned list, hpa_t at, unsigned count);
void frame_free_aside(struct frame_pool *pool, unsigned list);

/**
 * One block of 2 MiB, 2 MiB-aligned. *@zero tells whether it is known to be zero; if not, the
 * caller makes it so before a guest sees it.
 */
MUST_USE enum err frame_alloc_block(struct frame_pool *pool, hpa_t *at, bool *zero);

/**
 * @bytes of contiguous blocks, aligned to @bytes (a power of two, at least 4 MiB), all known to
 * be zero. Returns ERR_NOMEM where no such run is free: smaller pages serve as well.
 */
MUST_USE enum err frame_alloc_zero_run(struct frame_pool *pool, uint64_t bytes, hpa_t *at);

/* Give back everything @pool holds; it can be used again. */
void frame_free_all(struct frame_pool *pool);

/**
 * While a hart has nothing better to do: zero a little of a free block that was used before, until
 * there are some that are known to be zero. Returns whether there is more to do.
 */
bool frame_zero_some(void);

/* Bytes in blocks that no pool owns. */
uint64_t frame_free_bytes(void);

#endif
