/*
 * Virtio devices of the host: the memory-mapped transport, version 2, and split queues. The drivers
 * of the devices (hyp/drv/serial.c) are built of this.
 *
 * A queue takes chains of parts of memory, and gives each back by the number that it got, with how
 * many bytes the device wrote into it. What the device says is checked: a number that isn't under
 * way is dropped, a length is cut to the chain's.
 *
 * No lock inside: the driver's. Source: virtio 1.3, "Virtio Over MMIO", "Split Virtqueues".
 */
#ifndef HYP_DRV_VIRTIO_H
#define HYP_DRV_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/arch/addr.h"
#include "hyp/lib/err.h"

enum { VIRTIO_NET = 1, VIRTIO_BLOCK = 2, VIRTIO_CONSOLE = 3 };

struct virtio {
	uint32_t kind; /* 0: nothing to use */
	hpa_t regs;
	unsigned irq;
};

/* What is at host.virtio[@i]. What is there but can't be used is said on the log. */
struct virtio virtio_look(unsigned i);

/* The first of @kind among them; .kind 0: there is none. */
struct virtio virtio_find(uint32_t kind);

/**
 * Reset the device and agree on features: those of @wanted that it has, into *@agreed.
 * Returns OK; ERR_UNSUPPORTED: it didn't agree.
 */
MUST_USE enum err virtio_begin(const struct virtio *d, uint64_t wanted, uint64_t *agreed);

/* All queues are there: it may begin. Or: it is given up, and forgets all it was told. */
void virtio_ready(const struct virtio *d);
void virtio_give_up(const struct virtio *d);

/* Four bytes of the device's configuration, at a multiple of 4. */
uint32_t virtio_config(const struct virtio *d, unsigned offset);

/* Acknowledge an interrupt; do so before looking at the queues. Returns whether the device is broken
 * and needs a reset, which is said on the log: until then it does nothing. */
bool virtio_interrupt(const struct virtio *d);

#define VIRTQ_MAX 512

/* Bytes of memory that a queue of @size descriptors takes; aligned to 16. */
#define VIRTQ_BYTES(size) ((26 * (size) + 14 + 15) / 16 * 16)

struct virtq {
	const struct virtio *device;
	uint16_t index;		      /* the device's number for it */
	uint16_t size;		      /* a power of two */
	uint16_t free, free_n;	      /* the first free descriptor; how many there are */
	uint16_t available, used;     /* chains ever offered; taken back */
	uint16_t notified;	      /* .available when the device was last told */
	bool has_event_idx;	      /* VIRTIO_F_EVENT_IDX was agreed on: the driver sets it */
	uint8_t *memory;
	struct {
		uint16_t link;	   /* the next descriptor of a chain, or that is free */
		uint16_t parts;	   /* of the chain that begins here and is under way, or 0 */
		uint32_t writable; /* and how many bytes the device may write there */
	} chain[VIRTQ_MAX];
};

/**
 * Make queue @index of @d, in VIRTQ_BYTES(@size) zeroed bytes at @at, which stay. @size: a power of
 * two, at most VIRTQ_MAX. Between virtio_begin() and virtio_ready().
 * Returns OK; ERR_UNSUPPORTED: the device has no such queue, or none of that size.
 */
MUST_USE enum err virtq_init(struct virtq *q, const struct virtio *d, unsigned index, unsigned size,
			     hpa_t at);

/* A part of a chain; those that the device writes come last. */
struct virtq_part {
	hpa_t at;
	uint32_t bytes;
	bool is_written; /* by the device; else it reads */
};

/* Offer a chain of @n parts. Returns its number, or -1 while there is no room for it. */
int virtq_add(struct virtq *q, const struct virtq_part *part, unsigned n);

/**
 * The same of an indirect table of @bytes at @table, which stays until the chain is taken back; where
 * VIRTIO_F_INDIRECT_DESC was agreed on.
 */
int virtq_add_table(struct virtq *q, hpa_t table, uint32_t bytes);

/* Tell the device that there are new chains, if it wants to know. */
void virtq_notify(struct virtq *q);

/**
 * Ask for an interrupt for the next chain that the device is through with. Returns true where one
 * is there already, of which nobody may have told.
 */
bool virtq_arm(struct virtq *q);

/* No interrupts for @q, or few: its chains are taken back now and then. */
void virtq_silence(struct virtq *q);

/**
 * Take back a chain that the device is through with. Returns false where there is none; else its
 * number into *@id and the bytes that were written into *@bytes.
 */
bool virtq_take(struct virtq *q, unsigned *id, uint32_t *bytes);

#endif
