/*
 * What all virtio devices do alike: status, features, notifications, interrupts. See virtio.h.
 *
 * Invariant: with the lock free, a device's line is high exactly while its InterruptStatus isn't 0,
 * and no chain is under way; no queue is looked at but between DRIVER_OK and the next reset.
 *
 * Next: virtio_mmio.c, how the guest reaches this; virtqueue.c, what is in the guest's memory;
 * virtio_blk.c, a device.
 */
#include "hyp/dev/virtio.h"

#include "hyp/dev/board.h"

/* What a driver may set. */
#define STATUS_ALL                                                                                 \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK |              \
	 VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_FAILED)

#define INTERRUPT_USED	 1u
#define INTERRUPT_CONFIG 2u

/* A notification is interrupted after so many bytes. */
#define BYTES_AT_ONCE MIB(1)

#define FEATURES                                                                                   \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_IN_ORDER |    \
	 VIRTIO_F_RING_RESET)

/* Those that a driver of version 1 can know. */
#define LEGACY_FEATURES (VIRTIO_F_ANY_LAYOUT | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

bool virtio_is_legacy(const struct virtio_device *d)
{
	return d->board->virtio_is_legacy;
}

static void set_interrupts(struct virtio_device *d, uint32_t interrupts)
{
	bool was_high = d->interrupts != 0, is_high = interrupts != 0;
	unsigned slot = (unsigned)(d - d->board->virtio);

	d->interrupts = interrupts;
	if (was_high != is_high)
		plic_set_line(d->board, BOARD_IRQ_VIRTIO + slot, is_high);
}

void virtio_acknowledge(struct virtio_device *d, uint32_t interrupts)
{
	set_interrupts(d, d->interrupts & ~interrupts);
}

/* --- set-up and reset --- */

void virtio_attach(struct board *b, unsigned slot, const struct virtio_kind *kind, unsigned queues,
		   struct gstage *gs, uint64_t features, const void *config, uint32_t bytes)
{
	struct virtio_device *d = &b->virtio[slot];

	d->kind = kind;
	d->queues = queues;
	d->gs = gs;
	d->offered = features | (b->virtio_is_legacy ? LEGACY_FEATURES : FEATURES);
	d->config = config;
	d->config_bytes = bytes;
}

void virtio_end_queue(struct virtio_device *d, struct virtqueue *q)
{
	virtqueue_reset(q, d->gs, VIRTQUEUE_SIZE_MAX);
}

static void reset(struct virtio_device *d)
{
	set_interrupts(d, 0);
	d->accepted = 0;
	d->offered_word = d->accepted_word = d->queue_chosen = 0;
	d->queue_align = 0;
	d->status = 0;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		virtio_end_queue(d, &d->queue[i]);
	if (d->kind && d->kind->reset)
		d->kind->reset(d);
}

void virtio_reset(struct board *b)
{
	for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
		struct virtio_device *d = &b->virtio[slot];

		lock_take(&d->lock);
		d->board = b;
		d->page_bytes = 0;
		reset(d);
		lock_release(&d->lock);
	}
}

static bool features_are_good(const struct virtio_device *d)
{
	return !(d->accepted & ~d->offered) && (d->accepted & VIRTIO_F_VERSION_1);
}

/* What was agreed on is known when a queue begins, but for a driver of version 1: its last word on
 * features is DRIVER_OK. */
static void agree(const struct virtio_device *d, struct virtqueue *q)
{
	q->has_event_idx = (d->accepted & VIRTIO_F_EVENT_IDX) != 0;
	q->has_indirect = (d->accepted & VIRTIO_F_INDIRECT_DESC) != 0;
}

/*
 * Bits are only ever added, but for a reset. FEATURES_OK doesn't stay where we can't do what the
 * driver accepted; without it there is no DRIVER_OK ("Device Initialization"). Version 1 has no
 * FEATURES_OK.
 */
void virtio_set_status(struct virtio_device *d, uint32_t status)
{
	if (!status) {
		reset(d);
		return;
	}
	status = (status & STATUS_ALL) | d->status;
	if (!(d->status & VIRTIO_STATUS_FEATURES_OK) && !features_are_good(d))
		status &= ~VIRTIO_STATUS_FEATURES_OK;
	if (!(status & VIRTIO_STATUS_FEATURES_OK) && !virtio_is_legacy(d))
		status &= ~VIRTIO_STATUS_DRIVER_OK;
	d->status = status;
	for (unsigned i = 0; i < d->queues; i++)
		agree(d, &d->queue[i]);
}

void virtio_begin_queue(struct virtio_device *d, struct virtqueue *q)
{
	agree(d, q);
	if ((d->status & VIRTIO_STATUS_FEATURES_OK) || virtio_is_legacy(d))
		(void)virtqueue_begin(q);
}

/* --- from a notification to the device --- */

static void interrupt(struct virtio_device *d, uint32_t why)
{
	d->stats.interrupts++;
	set_interrupts(d, d->interrupts | why);
}

static void need_reset(struct virtio_device *d)
{
	d->status |= VIRTIO_STATUS_NEEDS_RESET;
	interrupt(d, INTERRUPT_CONFIG);
}

void virtio_count(struct virtio_device *d, const struct virtqueue_chain *chain, uint32_t written)
{
	d->stats.chains++;
	for (unsigned i = 0; i < chain->readable; i++)
		d->stats.bytes_in += chain->part[i].bytes;
	d->stats.bytes_out += written;
}

bool virtio_is_live(const struct virtio_device *d)
{
	const uint32_t ends = VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED;

	return (d->status & (VIRTIO_STATUS_DRIVER_OK | ends)) == VIRTIO_STATUS_DRIVER_OK;
}

/* One chain, if there is one: adds to *@cost what it cost. Returns whether to go on; what can't be
 * answered breaks the queue. */
static bool serve_one(struct virtio_device *d, struct virtqueue *q, uint64_t *cost)
{
	struct virtqueue_chain chain;
	struct virtio_done done = { .is_bad = true };
	enum virtqueue_state state = virtqueue_pop(q, &chain);

	if (state == VIRTQUEUE_EMPTY)
		return false;
	if (state == VIRTQUEUE_CHAIN)
		done = d->kind->serve(d, q, &chain);
	if (done.is_bad) {
		q->is_broken = true;
		return false;
	}
	virtio_count(d, &chain, done.written);
	virtqueue_push(q, chain.head, done.written);
	*cost += done.cost;
	return true;
}

void virtio_publish(struct virtio_device *d, struct virtqueue *q)
{
	if (virtqueue_publish(q))
		interrupt(d, INTERRUPT_USED);
	if (q->is_broken)
		need_reset(d);
}

void virtio_changed(struct virtio_device *d)
{
	d->generation++;
	if (d->status & VIRTIO_STATUS_DRIVER_OK)
		interrupt(d, INTERRUPT_CONFIG);
}

/* At most one ring's worth, however fast the guest adds. */
static bool serve(struct virtio_device *d, struct virtqueue *q)
{
	uint64_t cost = 0;
	bool again;

	for (unsigned n = 0; n < q->size && cost < BYTES_AT_ONCE; n++)
		if (!serve_one(d, q, &cost))
			break;
	again = virtqueue_arm(q);
	virtio_publish(d, q);
	return again;
}

bool virtio_notify(struct virtio_device *d, uint32_t queue)
{
	struct virtqueue *q = &d->queue[queue % VIRTIO_QUEUES_MAX];

	if (queue >= d->queues || !virtio_is_live(d))
		return false;
	d->stats.notifications++;
	if (!(d->kind->inputs & 1u << queue))
		return serve(d, q);
	d->kind->refill(d, q);
	return false;
}
