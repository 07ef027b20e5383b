/*
 * The switch between guests' network devices and the host's: who is where, and who may speak to
 * whom. It moves no packets itself: that is virtio_net.c.
 *
 *   uplink (port 0) --+-- port 1 -- a guest's device
 *                     +-- port 2 -- ...
 *
 * A guest speaks with its device's own MAC address alone, so where guests are is known from the
 * start. What is learned is who is behind the uplink, and behind ports with .any_mac: a guest that
 * bridges. An address that is a device's own, or was learned elsewhere and not long ago, nobody
 * else speaks with, but the uplink, which is the host's: so no guest takes what is for another.
 *
 * Two locks: the switch's, inside; each port's, which is its user's, see virtio_net.c.
 */
#ifndef HYP_DEV_SWITCH_H
#define HYP_DEV_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/err.h"
#include "hyp/lib/lock.h"

#define SWITCH_PORTS  64 /* bits of a set of ports */
#define SWITCH_UPLINK 0
#define SWITCH_AGE_S  300 /* what was learned is forgotten so long after it was last seen */
#define SWITCH_LEARNS 16  /* addresses behind one port; then the oldest goes */

#define MAC_BYTES 6

/* A MAC address as a number, its first byte the highest. 0: none. */
static inline uint64_t mac_read(const uint8_t *at)
{
	uint64_t mac = 0;

	for (unsigned i = 0; i < MAC_BYTES; i++)
		mac = mac << 8 | at[i];
	return mac;
}

/* Broadcast is a group, too. */
static inline bool mac_is_group(uint64_t mac)
{
	return mac >> 40 & 1;
}

/* What is known of a guest's port before it is there. */
struct switch_rules {
	uint64_t mac;	  /* the device's own: one address, no group's */
	bool is_isolated; /* reaches the uplink alone, and is reached by it alone */
	bool is_private;  /* has nothing to do with the uplink */
	bool any_mac;	  /* may speak with other addresses, too */
};

/* Why a packet didn't arrive. */
enum switch_drop {
	DROP_MALFORMED, /* what stands in front of it is no good, or it is too long */
	DROP_SPOOFED,	/* not from an address that its sender may have */
	DROP_NOT_READY, /* the receiver's driver hasn't begun */
	DROP_NO_ROOM,	/* the receiver has no buffers left */
	DROPS,
};
extern const char *const switch_drop_names[DROPS]; /* of up to 8 letters */

struct switch_count {
	uint64_t packets, bytes;
};

struct virtio_device;

struct switch_port {
	struct lock lock;	      /* who delivers to the port holds it: .out, .device */
	struct virtio_device *device; /* whose port it is; NULL: nobody's, or the uplink's */
	struct switch_count out;      /* delivered there; large ones are counted in segments, if so */
	struct switch_count in;	      /* came from there; with the lock of who sends */
	/* Of those that came from there; of those that were to go there. */
	uint64_t drops_in[DROPS], drops_out[DROPS];

	/* The switch's lock. */
	struct switch_rules rules;
	struct switch_station {
		uint64_t mac, seen; /* 0: none; when it last spoke, by `time` */
	} learned[SWITCH_LEARNS];
};
extern struct switch_port switch_ports[SWITCH_PORTS];
extern uint64_t switch_used; /* bit n: port n is somebody's; the switch's lock */

/* From now on there is an uplink. */
void switch_add_uplink(void);

/**
 * A port for @device. Returns OK with its number in *@port; ERR_FULL; ERR_OVERLAP: the address is
 * another device's; ERR_RANGE: it is none that a device can have.
 */
MUST_USE enum err switch_add(struct virtio_device *device, const struct switch_rules *rules,
			     unsigned *port);

/* When this returns nobody delivers to the port's device any more. */
void switch_remove(unsigned port);

/**
 * Where a packet from port @from goes that begins with @addresses (to, from: 12 bytes): a set of
 * ports, empty where nobody is to have it. *@is_spoofed: its sender may not have that address; then
 * it goes nowhere.
 */
uint64_t switch_route(unsigned from, const uint8_t *addresses, bool *is_spoofed);

#endif
