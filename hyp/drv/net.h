/*
 * The host's network device: the uplink of the guests' switch (hyp/dev/virtio_net.c).
 *
 * Packets come and go as they are in the driver's own buffers: who receives one copies it from
 * there, who sends one fills them in.
 *
 * No lock inside. Sending: the caller's. Receiving: the hart alone that gets the host's interrupts.
 * Source: virtio 1.3, "Network Device".
 */
#ifndef HYP_DRV_NET_H
#define HYP_DRV_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/drv/net_abi.h"

#define NET_BUFFER    2048 /* bytes; a whole packet of the usual size */
#define NET_BUFFERS   128  /* each way */
#define NET_PARTS_MAX 48   /* of one packet: 64 KiB with all headers, or in packets of the usual size */

/* A packet in the driver's buffers, without the header in front of it. */
struct net_frame {
	struct net_header header;
	unsigned parts;
	struct net_part {
		uint8_t *at;
		uint32_t bytes;
	} part[NET_PARTS_MAX];
};

/* Look for the device among the host's, once; say on the log why one that is there isn't used. */
void net_init(void);

bool net_is_there(void);

/* What was agreed on, of the NET_F_*. */
uint64_t net_features(void);

/* Interrupt @source came. Returns whether it was the device's: then net_receive() may have some. */
bool net_interrupt(unsigned source);

/**
 * The next packet that came, in @f until net_received_all(). Returns false where there is none. What the
 * device says of it is checked as far as its buffers go; .header is as it came.
 */
bool net_receive(struct net_frame *f);

/**
 * All has been received: let the device go on, and interrupt for the next packet. Returns true
 * where that is there already.
 */
bool net_received_all(void);

/**
 * Room to send @bytes, in @f->part[] for the caller to fill in; net_send() then sends them behind
 * @f->header. @skew, less than 8: .part[0].at is to be so much past the address that it has mod 8 for 0.
 * Returns false where there is none, as too many packets are under way.
 */
bool net_find_room(struct net_frame *f, uint32_t bytes, unsigned skew);
void net_send(const struct net_frame *f);

/* After the last net_send() for now. */
void net_sent_all(void);

#endif
