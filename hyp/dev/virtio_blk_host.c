/*
 * A disk that is one of the host's, or a partition of it. See virtio_blk.h.
 *
 * The parts of a request become places in the host's memory, which the host's device reads and
 * writes itself. What has more parts than the host takes at once, or is large, goes in pieces, one
 * after the other, of whole blocks. A driver that knows nothing of flushes is told of a write when
 * a flush that followed it is through ("Block Device", "Device Operation").
 *
 * Invariant: a slot is idle, or the host has its request, or is just being told by virtio_blk_finish()
 * that it is finished; as long as it isn't idle its queue counts it as under way, and a pin keeps
 * from others what the guest gives back meanwhile.
 *
 * Next: hyp/drv/blk.c, the host's end.
 */
#include "hyp/dev/board.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

#define QUEUES_MAX    4
#define SLOT_FRAMES   4
#define PIECE_MAX     MIB(16) /* of a request that the host gets at once: whole blocks */
#define COST	      KIB(4) /* of a request, in bytes copied */

/* What carries a request. */
struct virtio_blk_slot {
	struct blk_request host; /* first: what blk_take() returns is the slot */
	struct virtio_blk_slot *next;
	unsigned pin; /* of the guest's memory, while it isn't idle */
	struct virtio_device *device;
	struct virtqueue *queue;
	enum blk_type type;
	bool flushes;		      /* when all is moved */
	uint64_t sector, left;	      /* of the host's, where to go on; bytes still to be moved */
	struct virtqueue_cursor data; /* the same in the chain */
	struct virtqueue_cursor piece; /* where what the host has now begins, */
	uint64_t piece_bytes;	       /* and how much that is */
	struct virtqueue_cursor last; /* the byte that gets the status */
	uint64_t to_bytes;	      /* that may be written, without the status */
	uint64_t begun;
	struct blk_range range; /* of a discard or write-zeroes */
	struct virtqueue_chain chain; /* as far as a request can go */
};

_Static_assert(offsetof(struct virtio_blk_slot, host) == 0, "a request's address is its slot's");
_Static_assert(offsetof(struct virtio_blk_slot, chain.part[VIRTIO_BLK_SEGMENTS_MAX + 2]) <=
		       SLOT_FRAMES * PAGE_SIZE,
	       "a slot's memory");

/* --- slots --- */

/* The chain is copied as far as it goes. */
static struct virtio_blk_slot *take_slot(const struct virtio_blk_request *r, enum blk_type type)
{
	struct virtio_blk_slot *s = r->b->idle;

	r->b->idle = s->next;
	s->device = r->device;
	s->pin = gstage_pin(r->device->gs);
	s->queue = r->queue;
	s->type = type;
	s->flushes = false;
	s->left = 0;
	s->last = r->last;
	s->last.chain = &s->chain;
	s->to_bytes = r->to_bytes;
	s->begun = csr_read(CSR_TIME);
	memcpy(&s->chain, r->chain,
	       offsetof(struct virtqueue_chain, part) + r->chain->parts * sizeof(r->chain->part[0]));
	return s;
}

static void put_slot(struct virtio_blk_slot *s)
{
	struct virtio_blk *b = &s->device->blk;

	gstage_unpin(s->device->gs, s->pin);
	s->next = b->idle;
	b->idle = s;
}

/* The host's device writes to what the guest may execute, or have as its tables. */
static void tell_written(const struct virtio_blk_slot *s)
{
	if (s->type == BLK_IN)
		gstage_written(s->device->gs, &s->chain.part[s->piece.part], s->piece.offset,
			       s->piece_bytes);
}

/* --- from the guest to the host --- */

/* Give the host's request as much of what is left as it takes, in whole blocks, and pass it. Returns how
 * much; 0: not even a block, or no memory left. */
static uint64_t fill(struct virtio_blk_slot *s)
{
	const struct virtio_blk *b = &s->device->blk;
	enum access want = s->type == BLK_IN ? ACCESS_STORE : ACCESS_LOAD;
	struct virtqueue_cursor c = s->data;
	uint64_t most = s->left < PIECE_MAX ? s->left : PIECE_MAX, bytes = 0, over;

	while (bytes < most) {
		hpa_t to;
		uint64_t run = virtqueue_run(&c, most - bytes, want, &to);

		if (!run || !blk_add(&s->host, to, (uint32_t)run))
			break;
		bytes += run;
	}
	over = bytes % b->config.blk_size;
	if (bytes == most && !over) {
		s->data = c;
	} else { /* @c may be behind what the host takes */
		blk_cut(&s->host, over);
		virtqueue_skip(&s->data, bytes - over);
	}
	return bytes - over;
}

/* The next piece. Returns whether it is under way. */
static bool move(struct virtio_blk_slot *s)
{
	uint64_t bytes;

	blk_begin(s->device->blk.host, &s->host, s->type, s->sector);
	s->piece = s->data;
	bytes = fill(s);
	s->piece_bytes = bytes;
	tell_written(s);
	s->left -= bytes;
	s->sector += bytes / BLK_SECTOR;
	return bytes && blk_submit(s->device->blk.host, &s->host);
}

/* A driver that can't ask for a flush, or doesn't want to, finds all durable that was written. */
static bool writes_through(const struct virtio_device *d)
{
	if (d->accepted & VIRTIO_BLK_F_CONFIG_WCE)
		return !d->blk.config.writeback;
	return !(d->accepted & VIRTIO_BLK_F_FLUSH);
}

static bool submit_flush(struct virtio_blk_slot *s)
{
	s->flushes = false;
	blk_begin(s->device->blk.host, &s->host, BLK_FLUSH, 0);
	return blk_submit(s->device->blk.host, &s->host);
}

static unsigned begun(struct virtio_blk_request *r, struct virtio_blk_slot *s, bool good)
{
	r->done->cost = COST;
	if (good)
		return VIRTIO_BLK_LATER;
	put_slot(s);
	return BLK_IOERR;
}

static unsigned begin_move(struct virtio_blk_request *r, enum blk_type type,
			   const struct virtqueue_cursor *data, uint64_t bytes)
{
	struct virtio_blk_slot *s;

	if (!bytes)
		return BLK_OK;
	s = take_slot(r, type);
	s->sector = r->b->claim.first + r->at / BLK_SECTOR;
	s->left = bytes;
	s->data = *data;
	s->data.chain = &s->chain;
	s->flushes = type == BLK_OUT && writes_through(r->device);
	return begun(r, s, move(s));
}

static unsigned read(struct virtio_blk_request *r, uint64_t bytes)
{
	return begin_move(r, BLK_IN, &r->to, bytes);
}

static unsigned write(struct virtio_blk_request *r, uint64_t bytes)
{
	return begin_move(r, BLK_OUT, &r->from, bytes);
}

/* A host without flushes has no cache that loses anything. */
static unsigned flush(struct virtio_blk_request *r)
{
	struct virtio_blk_slot *s;

	if (!blk_facts(r->b->host)->can_flush)
		return BLK_OK;
	s = take_slot(r, BLK_FLUSH);
	return begun(r, s, submit_flush(s));
}

static unsigned clear(struct virtio_blk_request *r, uint64_t at, uint64_t bytes, bool must, bool unmap)
{
	enum blk_type type = must ? BLK_WRITE_ZEROES : BLK_DISCARD;
	struct virtio_blk_slot *s;

	if (!bytes)
		return BLK_OK;
	s = take_slot(r, type);
	s->flushes = writes_through(r->device);
	s->range = (struct blk_range){ r->b->claim.first + at / BLK_SECTOR,
				       (uint32_t)(bytes / BLK_SECTOR),
				       unmap ? BLK_UNMAP : 0 };
	blk_begin(r->b->host, &s->host, type, 0);
	return begun(r, s,
		     blk_add(&s->host, phys_address(&s->range), sizeof(s->range)) &&
			     blk_submit(r->b->host, &s->host));
}

/* What "used length" can tell, with the status. */
static const struct virtio_blk_backing by_host = { UINT32_MAX - 1, read, write, flush, clear };

/* --- and back --- */

/* What follows a step that was good. Returns whether something does. */
static bool step(struct virtio_blk_slot *s, unsigned *status)
{
	bool can_flush = blk_facts(s->device->blk.host)->can_flush, good;

	if (!s->left && !(s->flushes && can_flush))
		return false;
	good = s->left ? move(s) : submit_flush(s);
	if (!good)
		*status = BLK_IOERR;
	return good;
}

/* Where all was full, something may wait. */
static void answer(struct virtio_blk_slot *s, uint8_t status)
{
	struct virtio_device *d = s->device;
	uint64_t written = s->type == BLK_IN && status == BLK_OK ? s->to_bytes : 0;
	bool was_full = !d->blk.idle;

	if (!virtqueue_give(&s->last, &status, 1))
		s->queue->is_broken = true;
	if (written == s->to_bytes)
		written++;
	put_slot(s);
	virtio_complete(d, s->queue, s->chain.head, (uint32_t)written, s->begun);
	if (was_full)
		virtio_go_on(d);
}

static void finish(struct virtio_blk_slot *s)
{
	unsigned status = s->host.result;

	tell_written(s);
	if (status != BLK_OK || !step(s, &status))
		answer(s, (uint8_t)status);
}

/* The next interrupt comes where the guest's is to go, and needs no other hart to be called. */
static void follow(struct virtio_device *d)
{
	const struct hart *h = virtio_listening_hart(d);

	if (h)
		blk_follow(d->blk.host, h);
}

/* All that was finished when this began, of which nobody interrupts again; what is later does. */
void virtio_blk_finish(struct blk *host_disk)
{
	for (unsigned n = 0; n < BLK_REQUESTS_MAX; n++) {
		struct virtio_blk_slot *s = (struct virtio_blk_slot *)blk_take(host_disk);
		struct virtio_device *d;

		if (!s)
			return;
		d = s->device;
		lock_take(&d->lock);
		finish(s);
		follow(d);
		lock_release(&d->lock);
	}
}

static bool is_full(const struct virtio_device *d)
{
	return !d->blk.idle;
}

static void drain(struct virtio_device *d, bool late)
{
	lock_take(&d->lock);
	virtio_stop(d);
	lock_release(&d->lock);
	if (late && virtio_under_way(d))
		blk_give_up(d->blk.host);
	virtio_blk_finish(d->blk.host);
}

static uint64_t us(uint64_t ticks)
{
	return host_ns(ticks) / 1000;
}

static unsigned counters(struct virtio_device *d, struct virtio_counter *to)
{
	const struct virtio_stats *s = &d->stats;

	to[0] = (struct virtio_counter){ "later", s->later };
	to[1] = (struct virtio_counter){ "mean_us", us(s->later ? s->latency / s->later : 0) };
	to[2] = (struct virtio_counter){ "max_us", us(s->latency_max) };
	return 3;
}

static void detach(struct virtio_device *d)
{
	blk_unclaim(d->blk.host, &d->blk.claim);
}

static void configure(struct virtio_device *d, uint64_t at, uint64_t width, uint32_t v)
{
	if (at == offsetof(struct virtio_blk_config, writeback) && width == 1 &&
	    (d->accepted & VIRTIO_BLK_F_CONFIG_WCE))
		d->blk.config.writeback = v & 1;
}

static void reset(struct virtio_device *d)
{
	d->blk.config.writeback = 1;
}

/* --- set-up --- */

static const struct virtio_kind kind = {
	.id = 2,
	.queue_size = VIRTIO_BLK_QUEUE_SIZE,
	.name = "blk",
	.serve = virtio_blk_serve,
	.is_full = is_full,
	.drain = drain,
	.detach = detach,
	.configure = configure,
	.reset = reset,
	.counters = counters,
};

static enum err refuse(const char *owner, const struct virtio_disk *d, enum err e, const char *what)
{
	log_error("%s: the host's disk %s%s%s: %s: %s", owner, d->host, d->partition ? ", partition " : "",
		  d->partition ? d->partition : "", what, err_name(e));
	return e;
}

/* What part of the host's disk it is. */
static enum err find(struct virtio_blk *b)
{
	const struct virtio_disk *d = &b->disk;
	struct gpt_partition p;
	enum err e;

	b->host = blk_find(d->host);
	if (!b->host)
		return refuse(b->claim.owner, d, ERR_MISSING, "name");
	if (blk_facts(b->host)->is_readonly && !d->is_readonly)
		return refuse(b->claim.owner, d, ERR_UNSUPPORTED, "it can't be written");
	b->claim.sectors = blk_facts(b->host)->sectors;
	if (!d->partition)
		return OK;
	e = gpt_find(blk_gpt(b->host), d->partition, &p);
	if (e)
		return refuse(b->claim.owner, d, e, "label");
	b->claim.first = p.first * (blk_facts(b->host)->block / BLK_SECTOR);
	b->claim.sectors = p.blocks * (blk_facts(b->host)->block / BLK_SECTOR);
	return OK;
}

static enum err claim(struct virtio_blk *b)
{
	const struct blk_claim *other;
	enum err e = blk_claim(b->host, &b->claim, &other);

	if (e == ERR_OVERLAP)
		log_error("%s: the host's disk %s: VM %s has it, and one of the two writes",
			  b->claim.owner, b->disk.host, other->owner);
	else if (e)
		return refuse(b->claim.owner, &b->disk, e, "users");
	return e;
}

static enum err make_slots(struct virtio_blk *b)
{
	for (unsigned i = 0; i < b->claim.requests; i++) {
		struct virtio_blk_slot *s;
		hpa_t at;
		enum err e = frame_alloc_run(b->pool, SLOT_FRAMES, &at);

		if (e)
			return e;
		s = phys_pointer(at);
		s->next = b->idle;
		b->idle = s;
	}
	return OK;
}

static uint64_t describe(struct virtio_blk *b, unsigned queues)
{
	const struct blk_facts *f = blk_facts(b->host);
	bool discards = !b->disk.is_readonly && f->discard_sectors;
	bool zeroes = !b->disk.is_readonly && f->zeroes_sectors;

	b->bytes = b->claim.sectors * BLK_SECTOR;
	b->config = (struct virtio_blk_config){
		.capacity = b->claim.sectors,
		.seg_max = VIRTIO_BLK_SEGMENTS_MAX,
		.blk_size = f->block,
		.writeback = 1,
		.num_queues = (uint16_t)queues,
		.max_discard_sectors = f->discard_sectors,
		.max_discard_seg = 1,
		.discard_sector_alignment = f->discard_alignment,
		.max_write_zeroes_sectors = f->zeroes_sectors,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = 1,
	};
	return VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH |
	       VIRTIO_BLK_F_CONFIG_WCE | (queues > 1 ? VIRTIO_BLK_F_MQ : 0) |
	       (b->disk.is_readonly ? VIRTIO_BLK_F_RO : 0) | (discards ? VIRTIO_BLK_F_DISCARD : 0) |
	       (zeroes ? VIRTIO_BLK_F_WRITE_ZEROES : 0);
}

enum err virtio_blk_attach_host(struct board *b, unsigned slot, struct gstage *gs,
				const struct virtio_disk *disk, struct frame_pool *pool,
				const char *owner, unsigned vcpus)
{
	struct virtio_blk *blk = &b->virtio[slot].blk;
	unsigned queues = vcpus < QUEUES_MAX ? vcpus : QUEUES_MAX;
	uint64_t features;
	enum err e;

	*blk = (struct virtio_blk){ .disk = *disk,
				    .backing = &by_host,
				    .pool = pool,
				    .claim = { .writes = !disk->is_readonly, .owner = owner } };
	if ((e = find(blk)) || (e = claim(blk)))
		return e;
	e = make_slots(blk);
	if (e) {
		blk_unclaim(blk->host, &blk->claim);
		return e;
	}
	features = describe(blk, queues);
	virtio_attach(b, slot, &kind, queues, gs, features, &blk->config, sizeof(blk->config));
	return OK;
}
