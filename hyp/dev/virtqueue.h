/*
 * The device's side of a virtqueue: split rings in a guest's memory.
 *
 *   driver:  descriptors --> available ring --> notify
 *   device:  virtqueue_pop() --> ... --> virtqueue_push() --> virtqueue_publish() --> interrupt?
 *
 * The guest is not trusted. Each word of its rings is read once, by way of the G-stage, and checked
 * then; a chain that is handed out lies in RAM, is of bounded length, and what the device reads
 * comes before what it writes. Whatever breaks a rule, or finds no memory left, makes the queue
 * .is_broken: it isn't looked at again until it is set up anew.
 *
 * No lock inside: the device's. Source: virtio 1.3, "Split Virtqueues".
 */
#ifndef HYP_DEV_VIRTQUEUE_H
#define HYP_DEV_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/g-stage/gstage.h"

#define VIRTQUEUE_SIZE_MAX 512 /* entries; a chain isn't longer ("Indirect Descriptors") */

struct virtqueue {
	struct gstage *gs;
	/* What the driver sets up before it is ready. */
	uint64_t desc, avail, used; /* guest physical; checked when it becomes ready */
	uint16_t size;		    /* a power of two */
	bool is_ready;
	bool is_broken;
	bool is_ending;	     /* nothing begins any more: it is reset when .under_way is 0 */
	unsigned under_way;  /* chains that the device gives back later */
	/* What was agreed on. */
	bool has_event_idx, has_indirect;
	/* Free-running counts. */
	uint16_t popped;    /* chains taken */
	uint16_t seen;	    /* avail.idx when it was last read */
	uint16_t pushed;    /* chains given back */
	uint16_t published; /* of those, what the driver was told: used.idx */

	uint64_t taken; /* bytes of the next chain that the device has had already: its own note */
};

/* What one request brings; .readable parts first, then those that the device writes. */
struct virtqueue_chain {
	uint16_t head;
	unsigned readable, parts; /* how many the device reads; how many there are */
	struct gstage_span part[VIRTQUEUE_SIZE_MAX];
};

enum virtqueue_state {
	VIRTQUEUE_EMPTY,
	VIRTQUEUE_CHAIN,  /* there is one */
	VIRTQUEUE_BROKEN, /* against the rules: the device needs a reset */
};

/**
 * Begin to use the rings that .desc, .avail, .used and .size name, with the features that are set.
 * Returns false, and it isn't ready, where they aren't aligned or not in RAM.
 */
bool virtqueue_begin(struct virtqueue *q);

/* As after reset: no rings, not ready. @size: what is there until the driver chooses another. */
void virtqueue_reset(struct virtqueue *q, struct gstage *gs, uint16_t size);

/* Take the next chain into @chain. */
enum virtqueue_state virtqueue_pop(struct virtqueue *q, struct virtqueue_chain *chain);

/* The chain that was taken last waits in the ring as before: it isn't through. */
void virtqueue_put_back(struct virtqueue *q);

/**
 * Give the chain that begins at @head back, with @bytes written into it. The driver sees it with
 * virtqueue_publish().
 */
void virtqueue_push(struct virtqueue *q, uint16_t head, uint32_t bytes);

/* The last @popped chains that were taken, and @pushed that weren't shown, are as if they never were. */
void virtqueue_undo(struct virtqueue *q, uint16_t popped, uint16_t pushed);

/**
 * Show the driver what was pushed. Returns whether it wants an interrupt for that.
 */
bool virtqueue_publish(struct virtqueue *q);

/**
 * Ask to be notified of the next chain. Returns true where one has come meanwhile, which nobody may
 * have told of.
 */
bool virtqueue_arm(struct virtqueue *q);

/* A place in the readable (writable) parts of a chain; each byte is passed once. */
struct virtqueue_cursor {
	const struct virtqueue_chain *chain;
	struct gstage *gs;
	unsigned part, end; /* the part it is in; the first it doesn't reach */
	uint64_t offset;    /* in that part */
	struct gstage_page last; /* where it was found last: see gstage_run() */
};

struct virtqueue_cursor virtqueue_readable(const struct virtqueue *q,
					   const struct virtqueue_chain *chain);
struct virtqueue_cursor virtqueue_writable(const struct virtqueue *q,
					   const struct virtqueue_chain *chain);

/* The last byte of the writable parts, if they have any. */
struct virtqueue_cursor virtqueue_last(const struct virtqueue *q,
				       const struct virtqueue_chain *chain);

/* Bytes from here to the end. */
uint64_t virtqueue_left(const struct virtqueue_cursor *c);

/**
 * Copy @bytes from (to) the guest and pass them. Returns false where that many aren't left, or
 * memory ran out: a part may have been copied then.
 */
bool virtqueue_take(struct virtqueue_cursor *c, void *to, uint64_t bytes);
bool virtqueue_give(struct virtqueue_cursor *c, const void *from, uint64_t bytes);

/* virtqueue_run()'s own, for all but whole parts near the one before. */
uint64_t virtqueue_part_run(struct virtqueue_cursor *c, uint64_t most, enum access want, hpa_t *to);

/**
 * Up to @most bytes that lie together in the host's memory, at *@to, which are passed. @want: always
 * the same for one cursor. Returns how many; 0: none are left, or memory ran out. One pin is held from
 * the cursor's first call on, see gstage_pointer().
 */
static inline uint64_t virtqueue_run(struct virtqueue_cursor *c, uint64_t most, enum access want,
				     hpa_t *to)
{
	const struct gstage_span *p = &c->chain->part[c->part];
	uint64_t in_page;

	if (c->part == c->end || c->offset || !p->bytes || p->bytes > most)
		return virtqueue_part_run(c, most, want, to);
	in_page = p->at.v - c->last.at.v;
	if (in_page >= c->last.bytes || p->bytes > c->last.bytes - in_page)
		return virtqueue_part_run(c, most, want, to);
	*to = hpa(c->last.to.v + in_page);
	c->part++;
	return p->bytes;
}

/* The same, to be read at once: how many in *@n. NULL: none are left, or memory ran out. */
const void *virtqueue_next(struct virtqueue_cursor *c, uint64_t most, uint64_t *n);

/* Pass @bytes, of those that are left. */
void virtqueue_skip(struct virtqueue_cursor *c, uint64_t bytes);

#endif
