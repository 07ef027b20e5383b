/*
 * The registers of virtio devices: "MMIO Device Register Layout", and "Legacy interface".
 *
 * What a driver must not do, as to change a queue that is ready, is ignored. Where the
 * specification says nothing it is as on QEMU: a register that isn't there, or is accessed in less
 * than 32 bits, reads as 0 and ignores stores, and 8 bytes are two registers in turn.
 *
 * Next: virtio.c, what the registers do.
 */
#include "hyp/dev/board.h"

#include "hyp/lib/string.h"

#define VENDOR	 0x554d4551 /* QEMU's, whose board this is */
#define SHM_NONE UINT32_MAX /* length and base of shared memory that isn't there */

#define CONFIG_END 0x200 /* the rest of the place is a hole */

/* The queue that is chosen, or NULL: there is none of that number. */
static struct virtqueue *chosen(struct virtio_device *d)
{
	return d->queue_chosen < d->queues ? &d->queue[d->queue_chosen] : NULL;
}

/* The one that is chosen, if it may be changed. */
static struct virtqueue *chosen_idle(struct virtio_device *d)
{
	struct virtqueue *q = chosen(d);

	return q && !q->is_ready ? q : NULL;
}

static uint32_t read_magic(struct virtio_device *d)
{
	(void)d;
	return VIRTIO_MAGIC;
}

static uint32_t read_version(struct virtio_device *d)
{
	return virtio_is_legacy(d) ? 1 : 2;
}

static uint32_t read_vendor(struct virtio_device *d)
{
	(void)d;
	return VENDOR;
}

static uint32_t read_id(struct virtio_device *d)
{
	return d->kind->id;
}

static uint32_t read_features(struct virtio_device *d)
{
	return d->offered_word < 2 ? (uint32_t)(d->offered >> 32 * d->offered_word) : 0;
}

static uint32_t read_queue_max(struct virtio_device *d)
{
	return chosen(d) ? d->kind->queue_size : 0;
}

static uint32_t read_queue_ready(struct virtio_device *d)
{
	const struct virtqueue *q = chosen(d);

	return q && q->is_ready;
}

static uint32_t read_interrupts(struct virtio_device *d)
{
	return d->interrupts;
}

static uint32_t read_status(struct virtio_device *d)
{
	return d->status;
}

static uint32_t read_generation(struct virtio_device *d)
{
	return d->generation;
}

static uint32_t read_no_shm(struct virtio_device *d)
{
	(void)d;
	return SHM_NONE;
}

static bool write_offered_word(struct virtio_device *d, uint32_t v)
{
	d->offered_word = v;
	return false;
}

static bool write_accepted_word(struct virtio_device *d, uint32_t v)
{
	d->accepted_word = v;
	return false;
}

static bool write_features(struct virtio_device *d, uint32_t v)
{
	unsigned shift = 32 * (d->accepted_word & 1);

	if (d->accepted_word < 2 &&
	    !(d->status & (VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)))
		d->accepted = (d->accepted & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)v
											 << shift;
	return false;
}

static bool write_queue_sel(struct virtio_device *d, uint32_t v)
{
	d->queue_chosen = v;
	return false;
}

static bool write_queue_size(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen_idle(d);

	if (q && v && v <= d->kind->queue_size && (v & (v - 1)) == 0)
		q->size = (uint16_t)v;
	return false;
}

/* A queue that is stopped forgets what it was told, as one that is reset. */
static bool write_queue_ready(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen(d);

	if (q && v == 1 && !q->is_ready)
		virtio_begin_queue(d, q);
	return q && v == 0 && virtio_end_queue(d, q);
}

static bool write_queue_reset(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen(d);

	return q && v == 1 && (d->accepted & VIRTIO_F_RING_RESET) && virtio_end_queue(d, q);
}

static bool write_ack(struct virtio_device *d, uint32_t v)
{
	virtio_acknowledge(d, v);
	return false;
}

static bool write_status(struct virtio_device *d, uint32_t v)
{
	return virtio_set_status(d, v);
}

static void set_half(uint64_t *address, unsigned shift, uint32_t v)
{
	*address = (*address & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)v << shift;
}

static bool write_desc_low(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen_idle(d);

	if (q)
		set_half(&q->desc, 0, v);
	return false;
}

static bool write_desc_high(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen_idle(d);

	if (q)
		set_half(&q->desc, 32, v);
	return false;
}

static bool write_avail_low(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen_idle(d);

	if (q)
		set_half(&q->avail, 0, v);
	return false;
}

static bool write_avail_high(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen_idle(d);

	if (q)
		set_half(&q->avail, 32, v);
	return false;
}

static bool write_used_low(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen_idle(d);

	if (q)
		set_half(&q->used, 0, v);
	return false;
}

static bool write_used_high(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen_idle(d);

	if (q)
		set_half(&q->used, 32, v);
	return false;
}

/* --- version 1 --- */

static bool write_page_bytes(struct virtio_device *d, uint32_t v)
{
	d->page_bytes = v;
	return false;
}

static bool write_queue_align(struct virtio_device *d, uint32_t v)
{
	d->queue_align = v;
	return false;
}

static uint32_t read_queue_pfn(struct virtio_device *d)
{
	const struct virtqueue *q = chosen(d);

	return q && q->is_ready && d->page_bytes ? (uint32_t)(q->desc / d->page_bytes) : 0;
}

/* "Legacy Interfaces: A Note on Virtqueue Layout": one after the other, the used ring aligned. */
static bool write_queue_pfn(struct virtio_device *d, uint32_t v)
{
	struct virtqueue *q = chosen(d);
	uint64_t align = d->queue_align ? d->queue_align : PAGE_SIZE;

	if (q && !v)
		return virtio_end_queue(d, q);
	if (!q || !v || q->is_ready || (align & (align - 1)))
		return false;
	q->desc = (uint64_t)v * d->page_bytes;
	q->avail = q->desc + UINT64_C(16) * q->size;
	q->used = align_up(q->avail + UINT64_C(2) * q->size + 6, align);
	virtio_begin_queue(d, q);
	return false;
}

enum { BOTH, MODERN, LEGACY }; /* which version has a register */

#define REG(name)      (VIRTIO_REG_##name / 4)
#define HIGH_REG(name) (REG(name) + 1)

/* By offset / 4. A write returns whether it is to be done again, for the rest. */
static const struct {
	uint32_t (*read)(struct virtio_device *d);
	bool (*write)(struct virtio_device *d, uint32_t v);
	bool is_everywhere; /* also where no device is */
	uint8_t version;
} registers[VIRTIO_REG_CONFIG / 4] = {
	[REG(MAGIC)] = { read_magic, NULL, true, BOTH },
	[REG(VERSION)] = { read_version, NULL, true, BOTH },
	[REG(DEVICE_ID)] = { read_id, NULL, false, BOTH },
	[REG(VENDOR_ID)] = { read_vendor, NULL, true, BOTH },
	[REG(DEVICE_FEATURES)] = { read_features, NULL, false, BOTH },
	[REG(DEVICE_FEATURES_SEL)] = { NULL, write_offered_word, false, BOTH },
	[REG(DRIVER_FEATURES)] = { NULL, write_features, false, BOTH },
	[REG(DRIVER_FEATURES_SEL)] = { NULL, write_accepted_word, false, BOTH },
	[REG(PAGE_SIZE)] = { NULL, write_page_bytes, false, LEGACY },
	[REG(QUEUE_SEL)] = { NULL, write_queue_sel, false, BOTH },
	[REG(QUEUE_NUM_MAX)] = { read_queue_max, NULL, false, BOTH },
	[REG(QUEUE_NUM)] = { NULL, write_queue_size, false, BOTH },
	[REG(QUEUE_ALIGN)] = { NULL, write_queue_align, false, LEGACY },
	[REG(QUEUE_PFN)] = { read_queue_pfn, write_queue_pfn, false, LEGACY },
	[REG(QUEUE_READY)] = { read_queue_ready, write_queue_ready, false, MODERN },
	[REG(QUEUE_NOTIFY)] = { NULL, virtio_notify, false, BOTH },
	[REG(INTERRUPT_STATUS)] = { read_interrupts, NULL, false, BOTH },
	[REG(INTERRUPT_ACK)] = { NULL, write_ack, false, BOTH },
	[REG(STATUS)] = { read_status, write_status, false, BOTH },
	[REG(QUEUE_DESC)] = { NULL, write_desc_low, false, MODERN },
	[HIGH_REG(QUEUE_DESC)] = { NULL, write_desc_high, false, MODERN },
	[REG(QUEUE_DRIVER)] = { NULL, write_avail_low, false, MODERN },
	[HIGH_REG(QUEUE_DRIVER)] = { NULL, write_avail_high, false, MODERN },
	[REG(QUEUE_DEVICE)] = { NULL, write_used_low, false, MODERN },
	[HIGH_REG(QUEUE_DEVICE)] = { NULL, write_used_high, false, MODERN },
	[REG(SHM_LENGTH)] = { read_no_shm, NULL, false, MODERN },
	[HIGH_REG(SHM_LENGTH)] = { read_no_shm, NULL, false, MODERN },
	[REG(SHM_BASE)] = { read_no_shm, NULL, false, MODERN },
	[HIGH_REG(SHM_BASE)] = { read_no_shm, NULL, false, MODERN },
	[REG(CONFIG_GENERATION)] = { read_generation, NULL, false, MODERN },
	[REG(QUEUE_RESET)] = { NULL, write_queue_reset, false, MODERN },
};

static uint64_t read_config(const struct virtio_device *d, uint64_t at, uint64_t width)
{
	uint64_t v = 0;

	if (d->kind && range_holds(0, d->config_bytes, at, width))
		memcpy(&v, (const char *)d->config + at, width);
	return v;
}

static void write_config(struct virtio_device *d, uint64_t at, uint64_t width, uint64_t v)
{
	if (d->kind && d->kind->configure && range_holds(0, d->config_bytes, at, width))
		d->kind->configure(d, at, width, (uint32_t)v);
}

static bool is_there(const struct virtio_device *d, uint64_t at)
{
	uint8_t version = registers[at / 4].version;

	return (d->kind || registers[at / 4].is_everywhere) &&
	       (version == BOTH || version == (virtio_is_legacy(d) ? LEGACY : MODERN));
}

static uint32_t read_register(struct virtio_device *d, uint64_t at)
{
	return is_there(d, at) && registers[at / 4].read ? registers[at / 4].read(d) : 0;
}

/* Up to 4 bytes at @at of @d's place. Returns whether it is to be done again. */
static bool access(struct virtio_device *d, uint64_t at, uint64_t width, bool is_store, uint64_t *v)
{
	bool reaches = at < VIRTIO_REG_CONFIG && width == 4;

	if (is_store && at >= VIRTIO_REG_CONFIG)
		write_config(d, at - VIRTIO_REG_CONFIG, width, *v);
	if (is_store)
		return reaches && is_there(d, at) && registers[at / 4].write &&
		       registers[at / 4].write(d, (uint32_t)*v);
	if (at >= VIRTIO_REG_CONFIG)
		*v = read_config(d, at - VIRTIO_REG_CONFIG, width);
	else
		*v = reaches ? read_register(d, at) : 0;
	return false;
}

/* What is to be repeated is no half of 8 bytes whose other one would do more than the first time. */
static bool access_both(struct virtio_device *d, uint64_t at, struct mmio *m)
{
	uint64_t low = (uint32_t)m->value, high = m->value >> 32;
	bool again = access(d, at, 4, m->is_store, &low);

	if (!again)
		again = access(d, at + 4, 4, m->is_store, &high);
	if (!m->is_store)
		m->value = high << 32 | low;
	return again;
}

/* --- shown as memory --- */

static void show(struct virtio_device *d)
{
	if (!d->shown.word)
		return;
	lock_take(&d->line_lock);
	for (uint64_t at = 0; at < VIRTIO_REG_CONFIG; at += 4)
		shown_store(&d->shown, at, read_register(d, at));
	lock_release(&d->line_lock);
	virtio_show_config(d);
}

static void begin_to_show(struct virtio_device *d)
{
	unsigned slot = (unsigned)(d - d->board->virtio);

	shown_begin(&d->shown, &d->board->shown[slot]);
	show(d);
	shown_end(&d->shown, d->gs,
		  gpa(board_devices[BOARD_VIRTIO].base + slot * VIRTIO_SLOT_BYTES));
}

/* What drivers store most changes nothing but interrupts. */
static void show_access(struct virtio_device *d, uint64_t at, const struct mmio *m)
{
	if (!m->is_store && m->width == 4 && d->kind && shown_is_due(&d->shown))
		begin_to_show(d);
	if (m->is_store && at != VIRTIO_REG_QUEUE_NOTIFY && at != VIRTIO_REG_INTERRUPT_ACK)
		show(d);
}

enum mmio_result virtio_access(struct board *b, struct mmio *m)
{
	struct virtio_device *d = &b->virtio[m->offset / VIRTIO_SLOT_BYTES];
	uint64_t at = m->offset % VIRTIO_SLOT_BYTES;
	bool again;

	if (at >= CONFIG_END)
		return MMIO_FAULT;
	lock_take(&d->lock);
	again = m->width == 8 ? access_both(d, at, m)
			      : access(d, at, m->width, m->is_store, &m->value);
	show_access(d, at, m);
	lock_release(&d->lock);
	return again ? MMIO_AGAIN : MMIO_OK;
}
