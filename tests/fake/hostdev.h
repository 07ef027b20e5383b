/*
 * A virtio device of the host's, as hyp/drv/virtio.c sees it: registers, and rings that it reads and
 * writes as the specification has them, or as it likes. An access that no driver should make ends
 * the test. To be included once, before hyp/drv/, by who says what io_read32() and io_write32() do.
 */
#ifndef TESTS_FAKE_HOSTDEV_H
#define TESTS_FAKE_HOSTDEV_H

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

#define DEV_REGS   UINT64_C(0x10008000)
#define DEV_IRQ	   8
#define DEV_QUEUES 12

static struct {
	uint32_t kind, version, max, ports; /* .ports: of a console */
	uint64_t features, accepted;
	uint32_t features_sel, accepted_sel, queue_sel, status, irq;
	struct dev_queue {
		uint32_t num, ready;
		uint64_t area[3]; /* descriptors, driver, device */
		uint16_t seen, used;
		unsigned notified;
	} q[DEV_QUEUES];
} dev;

/* One of @kind, reset, with queues of up to @max, in the only place that the host has. */
static inline void dev_plug(uint32_t kind, uint32_t max, uint64_t features)
{
	memset(&dev, 0, sizeof(dev));
	dev.kind = kind;
	dev.version = 2;
	dev.max = max;
	dev.features = features;
	host.virtio[0].base = hpa(DEV_REGS);
	host.virtio[0].irq = DEV_IRQ;
	host.virtio_n = 1;
}

static inline void dev_must(bool holds)
{
	if (!holds)
		abort();
}

static inline struct dev_queue *dev_selected(void)
{
	dev_must(dev.queue_sel < DEV_QUEUES);
	return &dev.q[dev.queue_sel];
}

static inline uint32_t dev_read(uint64_t at)
{
	switch (at - DEV_REGS) {
	case VIRTIO_REG_MAGIC:
		return VIRTIO_MAGIC;
	case VIRTIO_REG_VERSION:
		return dev.version;
	case VIRTIO_REG_DEVICE_ID:
		return dev.kind;
	case VIRTIO_REG_DEVICE_FEATURES:
		return (uint32_t)(dev.features >> 32 * dev.features_sel);
	case VIRTIO_REG_QUEUE_NUM_MAX:
		return dev.max;
	case VIRTIO_REG_QUEUE_READY:
		return dev_selected()->ready;
	case VIRTIO_REG_INTERRUPT_STATUS:
		return dev.irq;
	case VIRTIO_REG_STATUS:
		return dev.status;
	case VIRTIO_REG_CONFIG + 4:
		return dev.ports;
	default:
		abort();
	}
}

/* One half of @v. */
static inline void dev_set_half(uint64_t *v, bool is_high, uint32_t value)
{
	unsigned shift = is_high ? 32 : 0;

	*v = (*v & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value << shift;
}

static inline void dev_write(uint64_t at, uint32_t value)
{
	uint64_t reg_at = at - DEV_REGS;

	switch (reg_at) {
	case VIRTIO_REG_DEVICE_FEATURES_SEL:
		dev.features_sel = value;
		break;
	case VIRTIO_REG_DRIVER_FEATURES_SEL:
		dev.accepted_sel = value;
		break;
	case VIRTIO_REG_DRIVER_FEATURES:
		dev_set_half(&dev.accepted, dev.accepted_sel, value);
		break;
	case VIRTIO_REG_QUEUE_SEL:
		dev.queue_sel = value;
		break;
	case VIRTIO_REG_QUEUE_NUM:
		dev_selected()->num = value;
		break;
	case VIRTIO_REG_QUEUE_READY:
		dev_selected()->ready = value;
		break;
	case VIRTIO_REG_QUEUE_NOTIFY:
		dev_must(value < DEV_QUEUES && dev.q[value].ready);
		dev.q[value].notified++;
		break;
	case VIRTIO_REG_INTERRUPT_ACK:
		dev.irq &= ~value;
		break;
	case VIRTIO_REG_STATUS:
		dev.status = value;
		break;
	case VIRTIO_REG_QUEUE_DESC:
	case VIRTIO_REG_QUEUE_DESC + 4:
	case VIRTIO_REG_QUEUE_DRIVER:
	case VIRTIO_REG_QUEUE_DRIVER + 4:
	case VIRTIO_REG_QUEUE_DEVICE:
	case VIRTIO_REG_QUEUE_DEVICE + 4:
		dev_must(!dev_selected()->ready);
		dev_set_half(&dev_selected()->area[(reg_at - VIRTIO_REG_QUEUE_DESC) / 16],
			     reg_at % 16, value);
		break;
	default:
		abort();
	}
}

static inline struct virtio_desc *dev_desc(unsigned queue)
{
	return phys_pointer(hpa(dev.q[queue].area[0]));
}

/* The next chain of @queue that the driver offers. Returns false where there is none. */
static inline bool dev_next(unsigned queue, uint16_t *id)
{
	struct avail *a = phys_pointer(hpa(dev.q[queue].area[1]));

	if (dev.q[queue].seen == a->n)
		return false;
	*id = a->id[dev.q[queue].seen++ % dev.q[queue].num];
	return true;
}

static inline void dev_used(unsigned queue, uint32_t id, uint32_t bytes)
{
	struct used *u = phys_pointer(hpa(dev.q[queue].area[2]));
	unsigned slot = dev.q[queue].used++ % dev.q[queue].num;

	u->chain[slot].id = id;
	u->chain[slot].bytes = bytes;
	u->n = dev.q[queue].used;
	dev.irq |= 1;
}

#endif
