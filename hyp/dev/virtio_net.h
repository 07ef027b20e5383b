/*
 * A guest's network device, on the switch with those of others and the host's uplink.
 *
 *   guest --tx chain--> packet --switch--> rx chains of another guest
 *                          ^       '-----> the uplink's buffers (hyp/drv/net.h)
 *                          '-------------- what came there
 *
 * A packet is copied once, on the sender's hart, into the receiver's buffers. What a sender leaves
 * to others (checksum, segmentation) is done here for a receiver who doesn't take such packets.
 * Where no buffers are ready, or nobody listens, it is dropped, and counted.
 *
 * Source: virtio 1.3, "Network Device".
 */
#ifndef HYP_DEV_VIRTIO_NET_H
#define HYP_DEV_VIRTIO_NET_H

#include "hyp/dev/switch.h"
#include "hyp/lib/err.h"
#include "hyp/mm/frame.h"

struct board;
struct gstage;
struct virtio_device;

/**
 * A network device with a port of its own, as virtio_attach(), paid by @pool.
 * Returns OK; ERR_NOMEM, or switch_add()'s errors.
 */
MUST_USE enum err virtio_net_attach(struct board *b, unsigned slot, struct gstage *gs,
				    const struct switch_rules *rules, struct frame_pool *pool);

/* The port of @d, if it is such a device; 0: it isn't. */
unsigned virtio_net_port(const struct virtio_device *d);

/* Once, when the host's device is known: the uplink takes part. */
void virtio_net_begin_uplink(void);

/**
 * After net_interrupt(): hand on what came there, a bounded number of packets. On the hart that has
 * the host's interrupts. Returns whether there are more, for which this is to be called again soon.
 */
bool virtio_net_uplink(void);

#endif
