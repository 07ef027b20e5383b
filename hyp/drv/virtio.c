/*
 * The transport and the queues of virtio.
 *
 * Invariant: a descriptor is free, on the list from .free, or part of one chain under way; both are
 * kept in memory of our own, not in the queue's, which the device may write.
 *
 * Next: hyp/drv/serial.c, who uses it.
 */
#include "hyp/drv/virtio.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/drv/io.h"
#include "hyp/drv/virtio_abi.h"
#include "hyp/lib/log.h"

#define INTERRUPT_CONFIG 2u
#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY	   1u

/* A queue's memory, behind its descriptors. */
struct avail {
	uint16_t flags, n;
	uint16_t id[];
};

struct used {
	uint16_t flags, n;
	struct {
		uint32_t id, bytes;
	} chain[];
};

static uint32_t get(const struct virtio *d, unsigned reg)
{
	return io_read32(hpa(d->regs.v + reg));
}

static void put(const struct virtio *d, unsigned reg, uint32_t value)
{
	io_write32(hpa(d->regs.v + reg), value);
}

/* A place without a device has kind 0, of either version, and isn't worth a word. Every driver looks;
 * one word is enough. */
struct virtio virtio_look(unsigned i)
{
	static uint32_t said; /* bit n: of place n */
	struct virtio d = { .regs = host.virtio[i].base, .irq = host.virtio[i].irq };

	if (get(&d, VIRTIO_REG_MAGIC) != VIRTIO_MAGIC)
		return d;
	d.kind = get(&d, VIRTIO_REG_DEVICE_ID);
	if (d.kind && get(&d, VIRTIO_REG_VERSION) != 2) {
		if (!(said & 1u << i))
			log_error("virtio device %u at %lx isn't used: it is the legacy kind; "
				  "QEMU's other kind: -global virtio-mmio.force-legacy=false",
				  d.kind, d.regs.v);
		said |= 1u << i;
		d.kind = 0;
	}
	return d;
}

struct virtio virtio_find(uint32_t kind)
{
	for (unsigned i = 0; i < host.virtio_n; i++) {
		struct virtio d = virtio_look(i);

		if (d.kind == kind)
			return d;
	}
	return (struct virtio){ .kind = 0 };
}

static uint64_t offered_features(const struct virtio *d)
{
	uint64_t low;

	put(d, VIRTIO_REG_DEVICE_FEATURES_SEL, 0);
	low = get(d, VIRTIO_REG_DEVICE_FEATURES);
	put(d, VIRTIO_REG_DEVICE_FEATURES_SEL, 1);
	return (uint64_t)get(d, VIRTIO_REG_DEVICE_FEATURES) << 32 | low;
}

static void accept_features(const struct virtio *d, uint64_t features)
{
	put(d, VIRTIO_REG_DRIVER_FEATURES_SEL, 0);
	put(d, VIRTIO_REG_DRIVER_FEATURES, (uint32_t)features);
	put(d, VIRTIO_REG_DRIVER_FEATURES_SEL, 1);
	put(d, VIRTIO_REG_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

/* "Device Initialization". A device that needs time for its reset is none we can use. */
enum err virtio_begin(const struct virtio *d, uint64_t wanted, uint64_t *agreed)
{
	uint64_t offered;
	uint32_t status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

	put(d, VIRTIO_REG_STATUS, 0);
	if (get(d, VIRTIO_REG_STATUS) != 0)
		return ERR_UNSUPPORTED;
	put(d, VIRTIO_REG_STATUS, status);
	offered = offered_features(d);
	if (!(offered & VIRTIO_F_VERSION_1))
		return ERR_UNSUPPORTED;
	accept_features(d, (offered & wanted) | VIRTIO_F_VERSION_1);
	put(d, VIRTIO_REG_STATUS, status | VIRTIO_STATUS_FEATURES_OK);
	*agreed = offered & wanted;
	return get(d, VIRTIO_REG_STATUS) & VIRTIO_STATUS_FEATURES_OK ? OK : ERR_UNSUPPORTED;
}

void virtio_ready(const struct virtio *d)
{
	put(d, VIRTIO_REG_STATUS, get(d, VIRTIO_REG_STATUS) | VIRTIO_STATUS_DRIVER_OK);
}

void virtio_give_up(const struct virtio *d)
{
	put(d, VIRTIO_REG_STATUS, 0);
}

uint32_t virtio_config(const struct virtio *d, unsigned offset)
{
	return get(d, VIRTIO_REG_CONFIG + offset);
}

bool virtio_interrupt(const struct virtio *d)
{
	uint32_t why = get(d, VIRTIO_REG_INTERRUPT_STATUS);

	put(d, VIRTIO_REG_INTERRUPT_ACK, why);
	fence_all(); /* what is in the rings now is seen, what comes later interrupts again */
	if (!(why & INTERRUPT_CONFIG) ||
	    !(get(d, VIRTIO_REG_STATUS) & VIRTIO_STATUS_NEEDS_RESET))
		return false;
	log_error("the host's virtio device %u at %lx has stopped: it asks for a reset", d->kind,
		  d->regs.v);
	return true;
}

static volatile struct virtio_desc *desc_of(const struct virtq *q)
{
	return (volatile struct virtio_desc *)q->memory;
}

static volatile struct avail *avail_of(const struct virtq *q)
{
	return (volatile struct avail *)(q->memory + 16u * q->size);
}

static volatile struct used *used_of(const struct virtq *q)
{
	return (volatile struct used *)(q->memory + align_up(18u * q->size + 6, 4));
}

/* used_event lies behind the available ring's entries, avail_event behind the used ring's. */
static volatile uint16_t *used_event_of(const struct virtq *q)
{
	return &avail_of(q)->id[q->size];
}

static volatile uint16_t *avail_event_of(const struct virtq *q)
{
	return (volatile uint16_t *)&used_of(q)->chain[q->size];
}

static void put_address(const struct virtio *d, unsigned reg, const volatile void *p)
{
	uint64_t at = phys_address((const void *)p).v;

	put(d, reg, (uint32_t)at);
	put(d, reg + 4, (uint32_t)(at >> 32));
}

enum err virtq_init(struct virtq *q, const struct virtio *d, unsigned index, unsigned size,
		    hpa_t at)
{
	*q = (struct virtq){ .device = d,
			     .index = (uint16_t)index,
			     .size = (uint16_t)size,
			     .free_n = (uint16_t)size,
			     .memory = phys_pointer(at) };
	for (unsigned i = 0; i < size; i++)
		q->chain[i].link = (uint16_t)(i + 1);
	put(d, VIRTIO_REG_QUEUE_SEL, index);
	if (get(d, VIRTIO_REG_QUEUE_READY) != 0 || get(d, VIRTIO_REG_QUEUE_NUM_MAX) < size)
		return ERR_UNSUPPORTED;
	put(d, VIRTIO_REG_QUEUE_NUM, size);
	put_address(d, VIRTIO_REG_QUEUE_DESC, desc_of(q));
	put_address(d, VIRTIO_REG_QUEUE_DRIVER, avail_of(q));
	put_address(d, VIRTIO_REG_QUEUE_DEVICE, used_of(q));
	put(d, VIRTIO_REG_QUEUE_READY, 1);
	return OK;
}

static void write_desc(struct virtq *q, unsigned i, const struct virtq_part *part, bool more)
{
	volatile struct virtio_desc *d = &desc_of(q)[i];

	d->at = part->at.v;
	d->bytes = part->bytes;
	d->flags = (uint16_t)((part->is_written ? VIRTIO_DESC_WRITE : 0) | (more ? VIRTIO_DESC_NEXT : 0));
	d->next = more ? q->chain[i].link : 0;
}

/* The chain from @head is written: the device may have it. */
static void publish(struct virtq *q, unsigned head)
{
	avail_of(q)->id[q->available++ % q->size] = (uint16_t)head;
	fence_all(); /* the chain is there before the device is told of it */
	avail_of(q)->n = q->available;
}

int virtq_add_table(struct virtq *q, hpa_t table, uint32_t bytes)
{
	struct virtq_part part = { table, bytes, false };
	unsigned head = q->free;

	if (!q->free_n)
		return -1;
	q->chain[head].parts = 1;
	q->chain[head].writable = UINT32_MAX;
	write_desc(q, head, &part, false);
	desc_of(q)[head].flags = VIRTIO_DESC_INDIRECT;
	q->free = q->chain[head].link;
	q->free_n--;
	publish(q, head);
	return (int)head;
}

int virtq_add(struct virtq *q, const struct virtq_part *part, unsigned n)
{
	unsigned head = q->free, at = head;

	if (!n || n > q->free_n)
		return -1;
	q->chain[head].parts = (uint16_t)n;
	q->chain[head].writable = 0;
	for (unsigned i = 0; i < n; i++) {
		write_desc(q, at, &part[i], i + 1 < n);
		if (part[i].is_written)
			q->chain[head].writable += part[i].bytes;
		at = q->chain[at].link;
	}
	q->free = (uint16_t)at;
	q->free_n = (uint16_t)(q->free_n - n);
	publish(q, head);
	return (int)head;
}

/* Whether the device wants to hear of what was added since it was last told. */
static bool is_awaited(struct virtq *q)
{
	uint16_t before = q->notified;

	q->notified = q->available;
	if (!q->has_event_idx)
		return !(used_of(q)->flags & USED_NO_NOTIFY);
	return (uint16_t)(q->available - *avail_event_of(q) - 1) <
	       (uint16_t)(q->available - before);
}

void virtq_notify(struct virtq *q)
{
	fence_all(); /* avail.n before the notification, and before its wish is read */
	if (is_awaited(q))
		put(q->device, VIRTIO_REG_QUEUE_NOTIFY, q->index);
}

bool virtq_arm(struct virtq *q)
{
	if (q->has_event_idx)
		*used_event_of(q) = q->used;
	fence_all(); /* what we wait for before we look whether it has come */
	return used_of(q)->n != q->used;
}

/* An event that has just passed comes again after 65536 chains. */
void virtq_silence(struct virtq *q)
{
	if (q->has_event_idx)
		*used_event_of(q) = (uint16_t)(q->used - 1);
	else
		avail_of(q)->flags = AVAIL_NO_INTERRUPT;
}

/* Put the chain from @head in front of the free ones. */
static void release(struct virtq *q, unsigned head)
{
	unsigned last = head;

	for (unsigned i = 1; i < q->chain[head].parts; i++)
		last = q->chain[last].link;
	q->chain[last].link = q->free;
	q->free = (uint16_t)head;
	q->free_n = (uint16_t)(q->free_n + q->chain[head].parts);
	q->chain[head].parts = 0;
}

bool virtq_take(struct virtq *q, unsigned *id, uint32_t *bytes)
{
	volatile struct used *used = used_of(q);

	while (q->used != used->n) {
		unsigned slot = q->used++ % q->size;
		uint32_t head;

		fence_all(); /* the entry is read after the count that covers it */
		head = used->chain[slot].id;
		if (head >= q->size || !q->chain[head].parts)
			continue;
		*id = head;
		*bytes = used->chain[slot].bytes;
		if (*bytes > q->chain[head].writable)
			*bytes = q->chain[head].writable;
		release(q, head);
		return true;
	}
	return false;
}
