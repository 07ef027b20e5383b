/*
 * Packets of one TCP connection that came from the host together are made one, as network cards and
 * other hosts do: what the guest does for each packet it then does once. QEMU's user network brings
 * all it has in packets of the usual size, and acknowledges each one it gets.
 *
 *   data that goes on where the last packet's ended: one large packet, as if its sender had left the
 *     cutting to others; a receiver who doesn't take that gets it cut again (packet.c)
 *   an acknowledgement of more than the last one, and of nothing else: takes its place
 *
 * All else is left as it came: whatever else TCP has to say, options that differ, acknowledgements that
 * say the same again, checksums that are wrong. Over IPv4.
 *
 * No lock inside. Sources: RFC 9293; 5681 and 3465, that acknowledgements may cover any number of
 * segments.
 */
#ifndef HYP_DEV_COALESCE_H
#define HYP_DEV_COALESCE_H

#include "hyp/drv/net.h"

/* What is held back for what may follow. */
struct coalesced {
	struct net_frame *frame; /* NULL: nothing */
	enum { COALESCE_NOTHING, COALESCE_DATA, COALESCE_ACKS } takes;
	bool is_large;	/* it is more than one packet's data */
	bool is_good;	/* its checksums were looked at */
	uint32_t bytes; /* of payload */
	uint32_t each;	/* of them, in a segment; in the last one there may be less */
};

/* Hold @f, which stays as it is until coalesce_end(). */
void coalesce_begin(struct coalesced *c, struct net_frame *f);

/* Whether @f is taken in. What is held is in @c->frame, which may be @f from now on. */
bool coalesce_join(struct coalesced *c, struct net_frame *f);

/* Complete the headers of what is held, and hold nothing. Returns it; NULL: there is nothing. */
const struct net_frame *coalesce_end(struct coalesced *c);

#endif
