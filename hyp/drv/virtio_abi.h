/*
 * Virtio's numbers, for the driver of the host's devices and for the guest's own: registers of "Virtio
 * Over MMIO", the status, features of all kinds of devices, descriptors.
 *
 * Source: virtio 1.3. Those of one kind of device are where it is.
 */
#ifndef HYP_DRV_VIRTIO_ABI_H
#define HYP_DRV_VIRTIO_ABI_H

#include <stdint.h>

#define VIRTIO_MAGIC 0x74726976 /* "virt" */

/* "MMIO Device Register Layout"; in brackets: only in version 1. */
enum {
	VIRTIO_REG_MAGIC = 0x000,
	VIRTIO_REG_VERSION = 0x004,
	VIRTIO_REG_DEVICE_ID = 0x008,
	VIRTIO_REG_VENDOR_ID = 0x00c,
	VIRTIO_REG_DEVICE_FEATURES = 0x010,
	VIRTIO_REG_DEVICE_FEATURES_SEL = 0x014,
	VIRTIO_REG_DRIVER_FEATURES = 0x020,
	VIRTIO_REG_DRIVER_FEATURES_SEL = 0x024,
	VIRTIO_REG_PAGE_SIZE = 0x028, /* (GuestPageSize) */
	VIRTIO_REG_QUEUE_SEL = 0x030,
	VIRTIO_REG_QUEUE_NUM_MAX = 0x034,
	VIRTIO_REG_QUEUE_NUM = 0x038,
	VIRTIO_REG_QUEUE_ALIGN = 0x03c, /* (QueueAlign) */
	VIRTIO_REG_QUEUE_PFN = 0x040,	/* (QueuePFN) */
	VIRTIO_REG_QUEUE_READY = 0x044,
	VIRTIO_REG_QUEUE_NOTIFY = 0x050,
	VIRTIO_REG_INTERRUPT_STATUS = 0x060,
	VIRTIO_REG_INTERRUPT_ACK = 0x064,
	VIRTIO_REG_STATUS = 0x070,
	VIRTIO_REG_QUEUE_DESC = 0x080, /* each of these three: low half, high half */
	VIRTIO_REG_QUEUE_DRIVER = 0x090,
	VIRTIO_REG_QUEUE_DEVICE = 0x0a0,
	VIRTIO_REG_SHM_LENGTH = 0x0b0, /* and these two */
	VIRTIO_REG_SHM_BASE = 0x0b8,
	VIRTIO_REG_QUEUE_RESET = 0x0c0,
	VIRTIO_REG_CONFIG_GENERATION = 0x0fc,
	VIRTIO_REG_CONFIG = 0x100,
};

/* "Device Status Field". */
#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER	  2u
#define VIRTIO_STATUS_DRIVER_OK	  4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 0x40u
#define VIRTIO_STATUS_FAILED	  0x80u

/* "Reserved Feature Bits". */
#define VIRTIO_F_ANY_LAYOUT    (UINT64_C(1) << 27) /* only with version 1 */
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX     (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1     (UINT64_C(1) << 32)
#define VIRTIO_F_IN_ORDER      (UINT64_C(1) << 35)
#define VIRTIO_F_RING_RESET    (UINT64_C(1) << 40)

/* "The Virtqueue Descriptor Table"; little-endian, as this machine is. */
struct virtio_desc {
	uint64_t at;
	uint32_t bytes;
	uint16_t flags, next;
};

_Static_assert(sizeof(struct virtio_desc) == 16, "virtq_desc");

#define VIRTIO_DESC_NEXT     1u
#define VIRTIO_DESC_WRITE    2u
#define VIRTIO_DESC_INDIRECT 4u

#endif
