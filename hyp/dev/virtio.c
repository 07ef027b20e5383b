/*
 * What all virtio devices do alike: status, features, notifications, interrupts. See virtio.h.
 *
 * Invariant: with the lock free, a device's line is high exactly while its InterruptStatus isn't 0;
 * no queue is looked at but between DRIVER_OK and the next reset, which ends when none of its
 * chains is under way.
 *
 * Next: virtio_mmio.c, how the guest reaches this; virtqueue.c, what is in the guest's memory;
 * virtio_blk.c, a device.
 */
#include "hyp/dev/virtio.h"

#include "hyp/arch/cpu.h"
#include "hyp/dev/board.h"
#include "hyp/lib/string.h"
#include "hyp/vcpu/vcpu.h"

/* What a driver may set. */
#define STATUS_ALL                                                                                 \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK |              \
	 VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_FAILED)

#define INTERRUPT_USED	 1u
#define INTERRUPT_CONFIG 2u

/* A notification is interrupted after so many bytes. */
#define BYTES_AT_ONCE MIB(1)
#define PART_COST     64 /* of finding a part of a chain, in bytes copied */

/*
 * How often, at most, a completion looks again at a queue whose driver keeps adding what needs
 * no answer of the host's: the hart may be another VM's just then. What a ring can hold, each of
 * BYTES_AT_ONCE, is through before that; and who still adds just between two looks, after so many,
 * is at it on purpose.
 */
#define ROUNDS_MAX 16

#define FEATURES                                                                                   \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_IN_ORDER |    \
	 VIRTIO_F_RING_RESET)

/* Those that a driver of version 1 can know. */
#define LEGACY_FEATURES (VIRTIO_F_ANY_LAYOUT | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

bool virtio_is_legacy(const struct virtio_device *d)
{
	return d->board->virtio_is_legacy;
}

/* With .line_lock: they change under that alone. */
static void show_line(struct virtio_device *d)
{
	shown_store(&d->shown, VIRTIO_REG_INTERRUPT_STATUS, d->interrupts);
	shown_store(&d->shown, VIRTIO_REG_STATUS, d->status);
}

void virtio_show_config(struct virtio_device *d)
{
	for (uint32_t at = 0; at < d->config_bytes; at += 4) {
		uint32_t left = d->config_bytes - at, v = 0;

		memcpy(&v, (const char *)d->config + at, left < 4 ? left : 4);
		shown_store(&d->shown, VIRTIO_REG_CONFIG + at, v);
	}
}

static void change_interrupts(struct virtio_device *d, uint32_t fewer, uint32_t more)
{
	unsigned slot = (unsigned)(d - d->board->virtio);
	bool was_high, is_high;

	lock_take(&d->line_lock);
	was_high = d->interrupts != 0;
	d->interrupts = (d->interrupts & ~fewer) | more;
	is_high = d->interrupts != 0;
	show_line(d);
	d->stats.interrupts += is_high && !was_high;
	if (was_high != is_high)
		plic_set_line(d->board, BOARD_IRQ_VIRTIO + slot, is_high);
	lock_release(&d->line_lock);
}

void virtio_acknowledge(struct virtio_device *d, uint32_t interrupts)
{
	change_interrupts(d, interrupts, 0);
}

static void take_inputs(struct virtio_device *d)
{
	if (d->inputs_lock)
		lock_take(d->inputs_lock);
}

static void release_inputs(struct virtio_device *d)
{
	if (d->inputs_lock)
		lock_release(d->inputs_lock);
}

void virtio_hold(struct virtio_device *d)
{
	lock_take(&d->lock);
	take_inputs(d);
}

void virtio_release(struct virtio_device *d)
{
	release_inputs(d);
	lock_release(&d->lock);
}

/* --- set-up and reset --- */

void virtio_attach(struct board *b, unsigned slot, const struct virtio_kind *kind, unsigned queues,
		   struct gstage *gs, uint64_t features, const void *config, uint32_t bytes)
{
	struct virtio_device *d = &b->virtio[slot];

	d->board = b;
	d->kind = kind;
	d->queues = queues;
	d->gs = gs;
	d->offered = features | (b->virtio_is_legacy ? LEGACY_FEATURES : FEATURES);
	if (kind->is_full)
		d->offered &= ~VIRTIO_F_IN_ORDER;
	d->config = config;
	d->config_bytes = bytes;
}

static bool end_queue(struct virtio_device *d, struct virtqueue *q)
{
	q->is_ending = q->under_way != 0;
	if (!q->is_ending)
		virtqueue_reset(q, d->gs, d->kind->queue_size);
	return q->is_ending;
}

bool virtio_end_queue(struct virtio_device *d, struct virtqueue *q)
{
	bool again;

	take_inputs(d);
	again = end_queue(d, q);
	release_inputs(d);
	return again;
}

void virtio_stop(struct virtio_device *d)
{
	for (unsigned i = 0; i < d->queues; i++)
		d->queue[i].is_ending = true;
}

/* Returns whether it is to be repeated. */
static bool reset(struct virtio_device *d)
{
	bool again = false;

	for (unsigned i = 0; i < d->queues; i++)
		again |= end_queue(d, &d->queue[i]);
	if (again)
		return true;
	change_interrupts(d, ~0u, 0);
	d->accepted = 0;
	d->offered_word = d->accepted_word = d->queue_chosen = 0;
	d->queue_align = 0;
	d->status = 0;
	if (d->kind && d->kind->reset)
		d->kind->reset(d);
	return false;
}

void virtio_reset(struct board *b)
{
	for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
		struct virtio_device *d = &b->virtio[slot];

		virtio_hold(d);
		d->board = b;
		d->page_bytes = 0;
		shown_reset(&d->shown);
		(void)reset(d); /* of what was drained */
		virtio_release(d);
	}
}

void virtio_detach(struct board *b)
{
	for (struct virtio_device *d = b->virtio; d < b->virtio + VIRTIO_SLOTS; d++)
		if (d->kind && d->kind->detach)
			d->kind->detach(d);
}

static unsigned under_way(const struct virtio_device *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->queues; i++)
		n += d->queue[i].under_way;
	return n;
}

unsigned virtio_under_way(struct virtio_device *d)
{
	unsigned n;

	lock_take(&d->lock);
	n = under_way(d);
	lock_release(&d->lock);
	return n;
}

bool virtio_drain(struct board *b, bool late)
{
	unsigned n = 0;

	for (struct virtio_device *d = b->virtio; d < b->virtio + VIRTIO_SLOTS; d++) {
		if (!d->kind || !d->kind->drain)
			continue;
		d->kind->drain(d, late);
		n += virtio_under_way(d);
	}
	return n == 0;
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
static bool set_status(struct virtio_device *d, uint32_t status)
{
	if (!status)
		return reset(d);
	status = (status & STATUS_ALL) | d->status;
	if (!(d->status & VIRTIO_STATUS_FEATURES_OK) && !features_are_good(d))
		status &= ~VIRTIO_STATUS_FEATURES_OK;
	if (!(status & VIRTIO_STATUS_FEATURES_OK) && !virtio_is_legacy(d))
		status &= ~VIRTIO_STATUS_DRIVER_OK;
	d->status = status;
	for (unsigned i = 0; i < d->queues; i++)
		agree(d, &d->queue[i]);
	return false;
}

bool virtio_set_status(struct virtio_device *d, uint32_t status)
{
	bool again;

	take_inputs(d);
	again = set_status(d, status);
	release_inputs(d);
	return again;
}

void virtio_begin_queue(struct virtio_device *d, struct virtqueue *q)
{
	take_inputs(d);
	agree(d, q);
	if ((d->status & VIRTIO_STATUS_FEATURES_OK) || virtio_is_legacy(d))
		(void)virtqueue_begin(q);
	release_inputs(d);
}

/* --- from a notification to the device --- */

static void need_reset(struct virtio_device *d)
{
	atomic_fetch_or(&d->status, VIRTIO_STATUS_NEEDS_RESET);
	change_interrupts(d, 0, INTERRUPT_CONFIG);
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

static bool is_full(const struct virtio_device *d)
{
	return d->kind->is_full && d->kind->is_full(d);
}

/* One chain, if there is one: adds to *@cost what it cost. Returns whether to go on; what can't be
 * answered breaks the queue. */
static bool serve_one(struct virtio_device *d, struct virtqueue *q, uint64_t *cost)
{
	struct virtqueue_chain chain;
	struct virtio_done done = { .is_bad = true };
	enum virtqueue_state state = is_full(d) ? VIRTQUEUE_EMPTY : virtqueue_pop(q, &chain);

	if (state == VIRTQUEUE_EMPTY)
		return false;
	if (state == VIRTQUEUE_CHAIN)
		done = d->kind->serve(d, q, &chain);
	if (done.is_bad) {
		q->is_broken = true;
		return false;
	}
	virtio_count(d, &chain, done.is_later ? 0 : done.written);
	*cost += done.cost + PART_COST * chain.parts;
	if (done.is_later)
		q->under_way++;
	else
		virtqueue_push(q, chain.head, done.written);
	return true;
}

void virtio_publish(struct virtio_device *d, struct virtqueue *q)
{
	if (virtqueue_publish(q))
		change_interrupts(d, 0, INTERRUPT_USED);
	if (q->is_broken)
		need_reset(d);
}

const struct hart *virtio_listening_hart(struct virtio_device *d)
{
	unsigned slot = (unsigned)(d - d->board->virtio);
	const struct vcpu *v = plic_listener(d->board, BOARD_IRQ_VIRTIO + slot);

	return v ? atomic_load(&v->hart) : NULL;
}

void virtio_changed(struct virtio_device *d)
{
	d->generation++;
	if (!virtio_is_legacy(d))
		shown_store(&d->shown, VIRTIO_REG_CONFIG_GENERATION, d->generation);
	virtio_show_config(d);
	if (d->status & VIRTIO_STATUS_DRIVER_OK)
		change_interrupts(d, 0, INTERRUPT_CONFIG);
}

/* A queue that broke meanwhile is left as it is. */
void virtio_complete(struct virtio_device *d, struct virtqueue *q, uint16_t head, uint32_t written,
		     uint64_t begun)
{
	uint64_t took = csr_read(CSR_TIME) - begun;

	d->stats.later++;
	d->stats.latency += took;
	if (took > d->stats.latency_max)
		d->stats.latency_max = took;
	d->stats.bytes_out += written;
	q->under_way--;
	if (!q->is_broken)
		virtqueue_push(q, head, written);
	virtio_publish(d, q);
}

/* At most one ring's worth, however fast the guest adds. Returns whether there is more that could
 * be taken now. */
static bool serve(struct virtio_device *d, struct virtqueue *q)
{
	uint64_t cost = 0;
	bool again;

	for (unsigned n = 0; n < q->size && cost < BYTES_AT_ONCE; n++)
		if (!serve_one(d, q, &cost))
			break;
	again = virtqueue_arm(q);
	virtio_publish(d, q);
	if (d->kind->served)
		d->kind->served(d);
	return again && !is_full(d);
}

/* Queues take turns. Who added while his was looked at may not have notified. */
void virtio_go_on(struct virtio_device *d)
{
	d->turn++;
	for (unsigned i = 0; i < d->queues && virtio_is_live(d); i++)
		for (unsigned n = 0; n < ROUNDS_MAX; n++)
			if (!serve(d, &d->queue[(d->turn + i) % d->queues]))
				break;
}

bool virtio_notify(struct virtio_device *d, uint32_t queue)
{
	struct virtqueue *q = &d->queue[queue % VIRTIO_QUEUES_MAX];

	if (queue >= d->queues || !virtio_is_live(d))
		return false;
	d->stats.notifications++;
	if (d->kind->notified)
		return d->kind->notified(d, queue);
	if (!(d->kind->inputs & 1u << queue))
		return serve(d, q);
	d->kind->refill(d, q);
	return false;
}
