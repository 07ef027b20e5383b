/*
 * A network device of the host's, as hyp/drv/net.c sees it: registers, and rings that it reads and
 * writes as the specification has them, or as it likes. To be included once, before hyp/drv/.
 */
#ifndef TESTS_FAKE_UPLINK_H
#define TESTS_FAKE_UPLINK_H

#include <stdlib.h>
#include <string.h>

#include "hyp/arch/addr.h"
#include "tests/fake/fake.h"

#define HYP_DRV_IO_H
#include "hyp/mm/phys.h"
static uint32_t io_read32(hpa_t at);
static void io_write32(hpa_t at, uint32_t value);

#include "hyp/drv/virtio.c"
#undef AVAIL_NO_INTERRUPT

#define UPLINK_REGS UINT64_C(0x10008000)
#define UPLINK_IRQ  8

static struct {
	uint64_t features, accepted;
	uint32_t features_sel, accepted_sel, queue_sel, status, irq, max, kind;
	struct {
		uint32_t num, ready;
		uint64_t area[3]; /* descriptors, driver, device */
		uint16_t seen, used;
		unsigned notified;
	} q[2];
} uplink;

static uint32_t io_read32(hpa_t at)
{
	switch (at.v - UPLINK_REGS) {
	case VIRTIO_REG_MAGIC:
		return VIRTIO_MAGIC;
	case VIRTIO_REG_VERSION:
		return 2;
	case VIRTIO_REG_DEVICE_ID:
		return uplink.kind;
	case VIRTIO_REG_DEVICE_FEATURES:
		return (uint32_t)(uplink.features >> 32 * (uplink.features_sel & 1));
	case VIRTIO_REG_QUEUE_NUM_MAX:
		return uplink.max;
	case VIRTIO_REG_QUEUE_READY:
		return uplink.q[uplink.queue_sel & 1].ready;
	case VIRTIO_REG_INTERRUPT_STATUS:
		return uplink.irq;
	case VIRTIO_REG_STATUS:
		return uplink.status;
	default:
		return 0;
	}
}

static void io_write32(hpa_t at, uint32_t value)
{
	unsigned reg = (unsigned)(at.v - UPLINK_REGS), queue = uplink.queue_sel & 1;
	uint64_t *area = &uplink.q[queue].area[(reg - VIRTIO_REG_QUEUE_DESC) / 16 % 3];
	unsigned shift = reg % 16 ? 32 : 0;

	switch (reg) {
	case VIRTIO_REG_DEVICE_FEATURES_SEL:
		uplink.features_sel = value;
		break;
	case VIRTIO_REG_DRIVER_FEATURES_SEL:
		uplink.accepted_sel = value & 1;
		uplink.accepted &= ~(UINT64_C(0xffffffff) << 32 * uplink.accepted_sel);
		break;
	case VIRTIO_REG_DRIVER_FEATURES:
		uplink.accepted |= (uint64_t)value << 32 * uplink.accepted_sel;
		break;
	case VIRTIO_REG_QUEUE_SEL:
		uplink.queue_sel = value;
		break;
	case VIRTIO_REG_QUEUE_NUM:
		uplink.q[queue].num = value;
		break;
	case VIRTIO_REG_QUEUE_READY:
		uplink.q[queue].ready = value;
		break;
	case VIRTIO_REG_QUEUE_NOTIFY:
		uplink.q[value & 1].notified++;
		break;
	case VIRTIO_REG_INTERRUPT_ACK:
		uplink.irq &= ~value;
		break;
	case VIRTIO_REG_STATUS:
		uplink.status = value;
		break;
	case VIRTIO_REG_QUEUE_DESC:
	case VIRTIO_REG_QUEUE_DESC + 4:
	case VIRTIO_REG_QUEUE_DRIVER:
	case VIRTIO_REG_QUEUE_DRIVER + 4:
	case VIRTIO_REG_QUEUE_DEVICE:
	case VIRTIO_REG_QUEUE_DEVICE + 4:
		*area = (*area & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value << shift;
		break;
	default:
		break;
	}
}

static inline struct virtio_desc *uplink_desc(unsigned queue)
{
	return phys_pointer(hpa(uplink.q[queue].area[0]));
}

/* The next chain of @queue that the driver offers. Returns false where there is none. */
static inline bool uplink_next(unsigned queue, uint16_t *id)
{
	struct avail *a = phys_pointer(hpa(uplink.q[queue].area[1]));

	if (uplink.q[queue].seen == a->n)
		return false;
	*id = a->id[uplink.q[queue].seen++ % uplink.q[queue].num];
	return true;
}

static inline void uplink_used(unsigned queue, uint32_t id, uint32_t bytes)
{
	struct used *u = phys_pointer(hpa(uplink.q[queue].area[2]));
	unsigned slot = uplink.q[queue].used++ % uplink.q[queue].num;

	u->chain[slot].id = id;
	u->chain[slot].bytes = bytes;
	u->n = uplink.q[queue].used;
	uplink.irq |= 1;
}

/* Deliver @n bytes, with the header in front, in as many buffers as that takes. Returns false where
 * the driver has none left. */
static inline bool uplink_brings(const void *from, uint32_t n)
{
	const uint8_t *f = from;

	while (n) {
		uint32_t part;
		uint16_t id;

		if (!uplink_next(0, &id))
			return false;
		part = uplink_desc(0)[id].bytes < n ? uplink_desc(0)[id].bytes : n;
		memcpy(phys_pointer(hpa(uplink_desc(0)[id].at)), f, part);
		uplink_used(0, id, part);
		f += part;
		n -= part;
	}
	return true;
}

/* What the driver sends next, into @to. Returns how many bytes, with the header; 0: nothing. */
static inline uint32_t uplink_takes(void *to, uint32_t room)
{
	uint16_t head, at;
	uint8_t *t = to;
	uint32_t n = 0;

	if (!uplink_next(1, &head))
		return 0;
	for (at = head;; at = uplink_desc(1)[at].next) {
		const struct virtio_desc *d = &uplink_desc(1)[at];

		if (n + d->bytes > room)
			abort();
		memcpy(t + n, phys_pointer(hpa(d->at)), d->bytes);
		n += d->bytes;
		if (!(d->flags & VIRTIO_DESC_NEXT))
			break;
	}
	uplink_used(1, head, 0);
	return n;
}

#endif
