/*
 * What drivers of devices behind virtio-mmio have in common: registers, rings, the start. A device
 * is meant by its slot.
 */
#ifndef TESTS_GUEST_VDRV_H
#define TESTS_GUEST_VDRV_H

#include <stdbool.h>
#include <stdint.h>

#define VDRV_SLOTS 8

/* Virtio 1.2, "MMIO Device Register Layout" and "Legacy interface". */
enum reg {
	R_MAGIC = 0,
	R_VERSION = 4,
	R_ID = 8,
	R_FEATURES = 0x10,
	R_FEATURES_SEL = 0x14,
	R_ACCEPTED = 0x20,
	R_ACCEPTED_SEL = 0x24,
	R_PAGE_BYTES = 0x28, /* version 1 */
	R_QUEUE_SEL = 0x30,
	R_QUEUE_MAX = 0x34,
	R_QUEUE_SIZE = 0x38,
	R_QUEUE_ALIGN = 0x3c, /* version 1 */
	R_QUEUE_PFN = 0x40,   /* version 1 */
	R_QUEUE_READY = 0x44,
	R_NOTIFY = 0x50,
	R_INTERRUPT = 0x60,
	R_ACK = 0x64,
	R_STATUS = 0x70,
	R_DESC = 0x80,
	R_AVAIL = 0x90,
	R_USED = 0xa0,
	R_CONFIG = 0x100,
};

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

#define F_INDIRECT  (1ul << 28)
#define F_EVENT_IDX (1ul << 29)
#define F_VERSION_1 (1ul << 32)

struct desc {
	uint64_t at;
	uint32_t bytes;
	uint16_t flags, next;
};

/* What the rings of a queue consist of, as version 1 has them: the used ring in a page of its own.
 * @size: of the queue, at most 128. */
#define VDRV_RINGS(size)                                                                           \
	struct desc desc[size];                                                                    \
	volatile struct {                                                                          \
		uint16_t flags, n, id[size], used_event;                                           \
	} avail;                                                                                   \
	volatile struct {                                                                          \
		uint16_t flags, n;                                                                 \
		struct {                                                                           \
			uint32_t id, bytes;                                                        \
		} entry[size];                                                                     \
		uint16_t avail_event;                                                              \
	} used __attribute__((aligned(4096)))

/** The first slot from @from on with a device of that id; VDRV_SLOTS: there is none. */
unsigned vdrv_find(unsigned from, uint32_t id);

uint32_t vdrv_get(unsigned slot, unsigned reg);
uint8_t vdrv_get_byte(unsigned slot, unsigned reg);
void vdrv_set(unsigned slot, unsigned reg, uint32_t value);

/** Set one of the registers that are pairs. */
void vdrv_set_address(unsigned slot, unsigned reg, uint64_t at);

/** The features that the device has. */
uint64_t vdrv_offered(unsigned slot);

/**
 * Reset the device and agree on @wanted, as far as it has that, and on VERSION_1. Queues and
 * vdrv_go() come next. Returns what was agreed on.
 */
uint64_t vdrv_begin(unsigned slot, uint64_t wanted);

/** Clear @rings, VDRV_RINGS(@size), and make them those of that queue. */
void vdrv_set_queue(unsigned slot, unsigned queue, void *rings, unsigned size);

/** The driver is ready. */
void vdrv_go(unsigned slot);

/** Orders all accesses before it, to memory and to devices, before all behind it. */
void vdrv_barrier(void);

/** Make the chain at @head available, without a notification. */
void vdrv_offer(void *rings, unsigned size, unsigned head);

/**
 * Wait until all that was offered is used, or the device gives up, half a second. Returns whether
 * all is used.
 */
bool vdrv_settle(unsigned slot, void *rings, unsigned size);

#endif
