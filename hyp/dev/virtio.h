/*
 * Virtio devices of the guest board: eight places for one, as on QEMU's virt, each with registers
 * ("Virtio Over MMIO", version 2 or, for old drivers, 1), queues, and a line into the PLIC. What a
 * device does is its kind's: virtio_blk.c, virtio_rng.c, virtio_balloon.c. An empty place has DeviceID 0.
 *
 * Requests are carried out where the driver notifies, on its hart, and are done when its store is;
 * see MMIO_AGAIN for what takes long. Each device has a lock; any hart may call.
 *
 * Source: virtio 1.3, "Basic Facilities of a Virtio Device", "Virtio Over MMIO".
 */
#ifndef HYP_DEV_VIRTIO_H
#define HYP_DEV_VIRTIO_H

#include "hyp/dev/mmio.h"
#include "hyp/dev/virtio_balloon.h"
#include "hyp/dev/virtio_blk.h"
#include "hyp/dev/virtqueue.h"
#include "hyp/drv/virtio_abi.h"
#include "hyp/lib/lock.h"

#define VIRTIO_SLOTS	  8
#define VIRTIO_SLOT_BYTES 0x1000 /* from one to the next */
#define VIRTIO_QUEUES_MAX 12	 /* of one device */

struct board;
struct virtio_device;

/* What became of a request. */
struct virtio_done {
	bool is_bad;	  /* it can't even be answered: the device needs a reset */
	uint32_t written; /* bytes, from the first that may be written */
	uint64_t cost;	  /* bytes moved, or what takes as long */
};

#define VIRTIO_COUNTERS_MAX 24 /* of one kind */

/* What the operator is shown of a device, besides what all have: a name of at most 8 bytes. */
struct virtio_counter {
	const char *name;
	uint64_t n;
};

/* What the places can hold. */
struct virtio_kind {
	uint32_t id; /* "Device Types" */
	const char *name;
	/* Carry out one request of queue @q; the device's lock is held, as for all of these. */
	struct virtio_done (*serve)(struct virtio_device *d, struct virtqueue *q,
				    const struct virtqueue_chain *chain);
	/* Bit n: the chains of queue n wait for the device to have something for them. It is told
	 * of new ones, and takes them itself. */
	uint32_t inputs;
	void (*refill)(struct virtio_device *d, struct virtqueue *q);
	/* The driver stores @v, of @width bytes, at @at of the configuration; NULL: it is ignored. */
	void (*configure)(struct virtio_device *d, uint64_t at, uint64_t width, uint32_t v);
	/* The device is reset: forget what the driver has told. NULL: there is nothing. */
	void (*reset)(struct virtio_device *d);
	/* Tell what is counted, VIRTIO_COUNTERS_MAX at most: returns how many. NULL: nothing. */
	unsigned (*counters)(struct virtio_device *d, struct virtio_counter *to);
};

/* What all devices count, since the VM was made. */
struct virtio_stats {
	uint64_t notifications, interrupts;
	uint64_t chains, bytes_in, bytes_out; /* taken, with what the device reads; what it wrote */
};

struct virtio_device {
	struct lock lock;
	struct board *board;		/* it is a part of */
	const struct virtio_kind *kind; /* NULL: an empty place */
	struct gstage *gs;
	unsigned queues;
	uint64_t offered;   /* features */
	const void *config; /* the device-specific configuration, as the driver reads it */
	uint32_t config_bytes;
	uint32_t generation; /* of the configuration */

	/* What the driver has set since the last reset. */
	uint64_t accepted; /* features */
	uint32_t offered_word, accepted_word, queue_chosen;
	uint32_t page_bytes, queue_align; /* version 1; the first outlives the driver's resets */
	uint32_t status;
	uint32_t interrupts; /* InterruptStatus */
	struct virtqueue queue[VIRTIO_QUEUES_MAX];

	struct virtio_stats stats;
	struct virtio_blk blk; /* of that kind */
	struct virtio_balloon balloon;
};

/**
 * Put a device of @kind with @queues, which serves the guest of @gs, into place @slot of @b, before
 * the guest starts. @features: of its kind. @config: @bytes that stay; see virtio_device.
 */
void virtio_attach(struct board *b, unsigned slot, const struct virtio_kind *kind, unsigned queues,
		   struct gstage *gs, uint64_t features, const void *config, uint32_t bytes);

/* All devices as after reset; their lines are low already. */
void virtio_reset(struct board *b);

/* The board's row for them: see board_access(). */
enum mmio_result virtio_access(struct board *b, struct mmio *m);

/* For a kind, with the device's lock held. */

/* Whether the driver is ready, and nothing is wrong. */
bool virtio_is_live(const struct virtio_device *d);

/* Show the driver what was pushed to @q, with an interrupt if it wants one, and what is broken. */
void virtio_publish(struct virtio_device *d, struct virtqueue *q);

/* Count @chain, into which @written bytes were written: for who takes chains himself. */
void virtio_count(struct virtio_device *d, const struct virtqueue_chain *chain, uint32_t written);

/* The configuration has changed. */
void virtio_changed(struct virtio_device *d);

/* What the registers do (virtio_mmio.c); the device's lock is held, and it is no empty place. */

/* The driver's write to Status, which begins with 0 a reset. */
void virtio_set_status(struct virtio_device *d, uint32_t status);

/* The driver's notification of @queue. Returns whether it is to notify again, for the rest. */
bool virtio_notify(struct virtio_device *d, uint32_t queue);

void virtio_acknowledge(struct virtio_device *d, uint32_t interrupts);

/* Whether it has the registers of version 1 ("Legacy interface"). */
bool virtio_is_legacy(const struct virtio_device *d);

/* Begin to use @q as it is set up, if it can be; as after reset again. */
void virtio_begin_queue(struct virtio_device *d, struct virtqueue *q);
void virtio_end_queue(struct virtio_device *d, struct virtqueue *q);

/* An entropy device ("Entropy Device"), as virtio_attach(). */
void virtio_rng_attach(struct board *b, unsigned slot, struct gstage *gs);

/* A balloon for a guest that has @memory bytes of RAM, as virtio_attach(). */
void virtio_balloon_attach(struct board *b, unsigned slot, struct gstage *gs, uint64_t memory);

/**
 * A disk, as virtio_attach(). @pool pays for what is written to it, which stays when the guest is
 * reset; @disk is copied, what it points to must stay.
 */
void virtio_blk_attach(struct board *b, unsigned slot, struct gstage *gs,
		       const struct virtio_disk *disk, struct frame_pool *pool);

#endif
