/*
 * A VM's virtio devices, as they are now: what `vm show` tells of them. See devices.h.
 *
 * Invariant: a device's locks are held only while its numbers are copied, never while they are written.
 */
#include "hyp/monitor/devices.h"

#include "hyp/lib/string.h"

struct device_view {
	const char *kind;
	uint32_t status;
	uint64_t features;
	struct virtio_stats stats;
	struct virtio_counter counter[VIRTIO_COUNTERS_MAX];
	unsigned counters, queues;
	struct virtqueue queue[VIRTIO_QUEUES_MAX];
};

/* Returns false where the place is empty. */
static bool look(struct virtio_device *d, struct device_view *v)
{
	if (!d->kind)
		return false;
	virtio_hold(d);
	*v = (struct device_view){ .kind = d->kind->name,
				   .status = d->status,
				   .features = d->accepted,
				   .stats = d->stats,
				   .queues = d->queues };
	memcpy(v->queue, d->queue, sizeof(v->queue));
	if (d->kind->counters)
		v->counters = d->kind->counters(d, v->counter);
	virtio_release(d);
	return true;
}

static const struct column device_columns[] = {
	{ "place", 5 },	     { "kind", -7 },   { "status", 6 },	  { "features", 16 },
	{ "notified", 8 },   { "irqs", 8 },    { "chains", 8 },	  { "bytes_in", 10 },
	{ "bytes_out", 10 }, { "counts", -1 },
};

static void device_row(unsigned slot, const struct device_view *v, struct answer *a)
{
	struct answer_count counts[VIRTIO_COUNTERS_MAX];

	for (unsigned i = 0; i < v->counters; i++)
		counts[i] = (struct answer_count){ v->counter[i].name, v->counter[i].n };
	answer_row(a);
	answer_number(a, slot);
	answer_text(a, v->kind);
	answer_number(a, v->status);
	answer_hex(a, v->features);
	answer_number(a, v->stats.notifications);
	answer_number(a, v->stats.interrupts);
	answer_number(a, v->stats.chains);
	answer_number(a, v->stats.bytes_in);
	answer_number(a, v->stats.bytes_out);
	answer_counts(a, counts, v->counters);
}

static const struct column queue_columns[] = {
	{ "place", 5 },	 { "queue", 5 },  { "size", 5 },      { "state", -6 },
	{ "popped", 6 }, { "pushed", 6 }, { "in_flight", 9 },
};

static const char *state_of(const struct virtqueue *q)
{
	return q->is_broken ? "broken" : q->is_ready ? "ready" : "off";
}

static void queue_row(unsigned slot, unsigned queue, const struct virtqueue *q, struct answer *a)
{
	answer_row(a);
	answer_number(a, slot);
	answer_number(a, queue);
	answer_number(a, q->size);
	answer_text(a, state_of(q));
	answer_number(a, q->popped);
	answer_number(a, q->pushed);
	answer_number(a, (uint16_t)(q->popped - q->pushed));
}

void devices_show(struct vm *vm, struct answer *a)
{
	static struct device_view views[VIRTIO_SLOTS]; /* the monitor's alone */
	bool is_there[VIRTIO_SLOTS];

	answer_list(a, "devices", device_columns, sizeof(device_columns) / sizeof(device_columns[0]));
	for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
		is_there[slot] = look(&vm->board.virtio[slot], &views[slot]);
		if (is_there[slot])
			device_row(slot, &views[slot], a);
	}
	answer_list(a, "queues", queue_columns, sizeof(queue_columns) / sizeof(queue_columns[0]));
	for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++)
		for (unsigned i = 0; is_there[slot] && i < views[slot].queues; i++)
			queue_row(slot, i, &views[slot].queue[i], a);
}
