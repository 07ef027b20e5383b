/*
 * A packet on its way through the switch: where its bytes are, and what is left for somebody to
 * do: its checksum, its being cut into segments.
 *
 * What decides anything is copied once, to .head, and the receiver gets that copy; the rest is
 * copied once, from the sender's memory to the receiver's.
 *
 * No lock inside: who has the memory sees to it that it stays. Sources: virtio 1.3, "Packet
 * Transmission"; those of inet.h.
 */
#ifndef HYP_DEV_PACKET_H
#define HYP_DEV_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/dev/virtqueue.h"
#include "hyp/drv/net.h"

#define PACKET_HEAD  196  /* all headers of any packet that we must look into: whole words, with what
			   * stands before them */
#define PACKET_MTU   1500 /* what IP may have of it */
#define PACKET_PLAIN (PACKET_MTU + 18)	 /* with the Ethernet header and a VLAN's tag */
#define PACKET_LARGE (65535 + 18)	 /* of one that is to be cut */

/* What is left to do with a packet; and what somebody takes such packets for. */
enum {
	OFFLOAD_CSUM = 1,
	OFFLOAD_TSO4 = 2,
	OFFLOAD_TSO6 = 4,
	OFFLOAD_ECN = 8,
};

/* Those of the NET_F_HOST_*, and of the NET_F_GUEST_*, that were agreed on. */
unsigned offloads_of_host(uint64_t features);
unsigned offloads_of_guest(uint64_t features);

/* A place in the bytes of a packet; a copy of it is another one. */
struct packet_source {
	struct virtqueue_cursor guest; /* .chain NULL: the bytes are .host's */
	const struct net_frame *host;
	unsigned part;
	uint32_t offset; /* in that part of .host */
};

/* From here to the end. */
uint64_t packet_source_left(const struct packet_source *s);

/* Up to @most bytes that lie together, passed; how many in *@n. NULL: none are left, or no memory. */
const uint8_t *packet_source_next(struct packet_source *s, uint64_t most, uint64_t *n);

struct packet {
	unsigned needs;	     /* OFFLOAD_* */
	uint32_t bytes;	     /* without .header */
	uint32_t head_bytes; /* of them, in .head; where it is to be cut: all headers */
	uint16_t l3;	     /* where that is so: where IP's header begins */
	/* As the receiver is to have it; .buffers is his. In his memory, too, .head is behind it. */
	_Alignas(8) struct net_header header;
	uint8_t head[PACKET_HEAD];
	struct packet_source rest; /* the others */
};

_Static_assert(offsetof(struct packet, head) ==
		       offsetof(struct packet, header) + sizeof(struct net_header),
	       "they are copied in one piece");

/**
 * Read a packet from @from, with what stood before it in @h. @may: what its sender may leave to
 * others. Returns false where it is no good: too short, too long, or @h is against the rules.
 */
bool packet_read(struct packet *p, const struct packet_source *from, const struct net_header *h,
		 unsigned may);

/* Fill in the checksum of @p, which .needs that. Returns false where it can't be read any more. */
bool packet_complete(struct packet *p);

/* A packet that is cut into segments. */
struct packet_cut {
	const struct packet *whole;
	struct packet_source rest;
	uint32_t done; /* bytes of its payload */
	unsigned n;    /* segments */
};

/* Begin with @p, which .needs that. */
struct packet_cut packet_cut(const struct packet *p);

/* The next segment, which needs nothing more. Returns false where there is none. */
bool packet_next_segment(struct packet_cut *c, struct packet *segment);

#endif
