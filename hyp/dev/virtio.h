/*
 * Virtio devices of the guest board: eight places for one, as on QEMU's virt, each with registers
 * ("Virtio Over MMIO", version 2 or, for old drivers, 1), queues, and a line into the PLIC. What a
 * device does is its kind's: virtio_blk.c, virtio_net.c, virtio_console.c, virtio_balloon.c,
 * virtio_rng.c. An empty place has DeviceID 0.
 *
 * Requests begin where the driver notifies, on its hart, and most are done when its store is; see
 * MMIO_AGAIN for what takes long. A device that hands them on to the host's is given the answers
 * later, on any hart; a reset is done when all of them have come: the driver's store is repeated
 * until then, and nothing begins meanwhile. Each device has a lock; any hart may call.
 *
 * Source: virtio 1.3, "Basic Facilities of a Virtio Device", "Virtio Over MMIO".
 */
#ifndef HYP_DEV_VIRTIO_H
#define HYP_DEV_VIRTIO_H

#include "hyp/dev/mmio.h"
#include "hyp/dev/shown.h"
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
struct virtio_net;

/* What became of a request. */
struct virtio_done {
	bool is_bad;	  /* it can't even be answered: the device needs a reset */
	bool is_later;	  /* it is under way: virtio_complete() gives it back */
	uint32_t written; /* bytes, from the first that may be written */
	uint64_t cost;	  /* bytes moved, or what takes as long */
};

#define VIRTIO_COUNTERS_MAX 24 /* of one kind */

/* What the operator is shown of a device, besides what all have: a name of at most 8 bytes. */
struct virtio_counter {
	const char *name;
	uint64_t n;
};

#define VIRTIO_QUEUE_SIZE 256 /* of all but disks, whose requests are longer */

/* What the places can hold. */
struct virtio_kind {
	uint32_t id; /* "Device Types" */
	uint16_t queue_size; /* entries of each of its queues, at most: a power of two */
	const char *name;
	/* Carry out one request of queue @q; the device's lock is held, as for all of these. */
	struct virtio_done (*serve)(struct virtio_device *d, struct virtqueue *q,
				    const struct virtqueue_chain *chain);
	/* Whether it can't take another request now; it is asked again after virtio_complete().
	 * NULL: it always can. What has this finishes its requests in any order. */
	bool (*is_full)(const struct virtio_device *d);
	/* The VM has ended: begin nothing more, and take what is finished; @late: all that is under
	 * way fails. NULL: nothing ever is. */
	void (*drain)(struct virtio_device *d, bool late);
	/* The VM is destroyed: give back what isn't the VM's. NULL: there is nothing. */
	void (*detach)(struct virtio_device *d);
	/* Bit n: the chains of queue n wait for the device to have something for them. It is told
	 * of new ones, and takes them itself. */
	uint32_t inputs;
	void (*refill)(struct virtio_device *d, struct virtqueue *q);
	/* Requests were served, and no more are for now; NULL: nothing is to be done then. */
	void (*served)(struct virtio_device *d);
	/* Where it isn't NULL it alone is told of notifications, of each of the queues: it takes the
	 * chains that it can. Returns whether the driver is to notify again. */
	bool (*notified)(struct virtio_device *d, unsigned queue);
	/* The driver stores @v, of @width bytes, at @at of the configuration; NULL: it is ignored. */
	void (*configure)(struct virtio_device *d, uint64_t at, uint64_t width, uint32_t v);
	/* The device is reset: forget what the driver has told. NULL: there is nothing. */
	void (*reset)(struct virtio_device *d);
	/* Tell what is counted, VIRTIO_COUNTERS_MAX at most: returns how many; .inputs_lock is held,
	 * too. NULL: nothing. */
	unsigned (*counters)(struct virtio_device *d, struct virtio_counter *to);
};

/* What devices count, since the VM was made. */
struct virtio_stats {
	uint64_t notifications;
	uint64_t interrupts; /* how often the line rose; with .line_lock */
	/* Taken, with what the device reads; what it wrote. Not of .inputs that others fill. */
	uint64_t chains, bytes_in, bytes_out;
	uint64_t later;		       /* chains that were under way, and came back */
	uint64_t latency, latency_max; /* of these, in units of `time`: sum, most */
};

struct virtio_device {
	struct lock lock;
	/* Where others fill the queues of .inputs, without .lock: what they hold for that, and who
	 * changes these queues or .status holds both. NULL: .lock is enough. */
	struct lock *inputs_lock;
	struct lock line_lock;		/* .interrupts, and the line that follows them */
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
	_Atomic uint32_t status;	  /* NEEDS_RESET is added under either lock */
	uint32_t interrupts;		  /* InterruptStatus */
	struct shown shown;		  /* with .line_lock: Status and InterruptStatus */
	struct virtqueue queue[VIRTIO_QUEUES_MAX];

	unsigned turn; /* the queue that virtio_go_on() begins with */
	struct virtio_stats stats;
	struct virtio_blk blk;	/* of that kind */
	struct virtio_net *net; /* of that kind */
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

/**
 * The VM has ended. Returns whether no device of the host's has memory of the guest's any more; if not
 * this is to be called again, when one has interrupted. @late: who hasn't answered by now is given up.
 */
bool virtio_drain(struct board *b, bool late);

/* The VM is destroyed, or never came to be: as if nothing had been attached. */
void virtio_detach(struct board *b);

/* All of @d is as it is, but for its interrupts, from the one to the other. */
void virtio_hold(struct virtio_device *d);
void virtio_release(struct virtio_device *d);

/* Chains that are under way. */
unsigned virtio_under_way(struct virtio_device *d);

/* The board's row for them: see board_access(). */
enum mmio_result virtio_access(struct board *b, struct mmio *m);

/* For a kind, with the device's lock held. */

/* Whether the driver is ready, and nothing is wrong. */
bool virtio_is_live(const struct virtio_device *d);

/* Show the driver what was pushed to @q, with an interrupt if it wants one, and what is broken. */
void virtio_publish(struct virtio_device *d, struct virtqueue *q);

/* Give back a chain that was under way since @begun, with @written bytes, and show it. */
void virtio_complete(struct virtio_device *d, struct virtqueue *q, uint16_t head, uint32_t written,
		     uint64_t begun);

/* There is room again: take what waits in the queues. */
void virtio_go_on(struct virtio_device *d);

/* Nothing begins on @d any more, until its next reset. */
void virtio_stop(struct virtio_device *d);

/* Count @chain, into which @written bytes were written: for who takes chains himself. */
void virtio_count(struct virtio_device *d, const struct virtqueue_chain *chain, uint32_t written);

/* The host hart where the vcpu is, or was last, that @d interrupts; NULL: it interrupts none. */
const struct hart *virtio_listening_hart(struct virtio_device *d);

/* The configuration has changed. */
void virtio_changed(struct virtio_device *d);


/* What the registers do (virtio_mmio.c); the device's lock is held, and it is no empty place. */

/* The driver's write to Status, which begins with 0 a reset. Returns whether it is to be repeated.
 */
bool virtio_set_status(struct virtio_device *d, uint32_t status);

/* The driver's notification of @queue. Returns whether it is to notify again, for the rest. */
bool virtio_notify(struct virtio_device *d, uint32_t queue);

void virtio_acknowledge(struct virtio_device *d, uint32_t interrupts);

/* Where the registers are shown (shown.h): the configuration, as it is now. */
void virtio_show_config(struct virtio_device *d);

/* Whether it has the registers of version 1 ("Legacy interface"). */
bool virtio_is_legacy(const struct virtio_device *d);

/* Begin to use @q as it is set up, if it can be; as after reset again, unless that is to be
 * repeated, which is returned. */
void virtio_begin_queue(struct virtio_device *d, struct virtqueue *q);
bool virtio_end_queue(struct virtio_device *d, struct virtqueue *q);

/* An entropy device ("Entropy Device"), as virtio_attach(). */
void virtio_rng_attach(struct board *b, unsigned slot, struct gstage *gs);

/* A balloon for a guest that has @memory bytes of RAM, as virtio_attach(). */
void virtio_balloon_attach(struct board *b, unsigned slot, struct gstage *gs, uint64_t memory);

/**
 * A disk, as virtio_attach(), of a file. @pool pays for what is written to it, which stays when the
 * guest is reset; @disk is copied, what it points to must stay.
 */
void virtio_blk_attach(struct board *b, unsigned slot, struct gstage *gs,
		       const struct virtio_disk *disk, struct frame_pool *pool);

/**
 * The same of a disk of the host's, for VM @owner of @vcpus harts. @pool pays for requests.
 * Returns OK; ERR_MISSING, ERR_OVERLAP, ERR_FULL, ERR_UNSUPPORTED: it can't have that disk, which
 * was said on the log; ERR_NOMEM.
 */
MUST_USE enum err virtio_blk_attach_host(struct board *b, unsigned slot, struct gstage *gs,
					 const struct virtio_disk *disk, struct frame_pool *pool,
					 const char *owner, unsigned vcpus);

#endif
