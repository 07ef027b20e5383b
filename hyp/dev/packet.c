/*
 * Packets. See packet.h.
 *
 * Invariant: of a packet that was read, a checksum's place is in .head; and where it is to be cut,
 * .head is an Ethernet header, an IPv4 or IPv6 one and a TCP one, no more and no less.
 *
 * Next: virtio_net.c, between whom they go.
 */
#include "hyp/dev/packet.h"

#include "hyp/dev/inet.h"
#include "hyp/lib/string.h"

/* --- offloads --- */

static unsigned with_their_needs(unsigned offloads)
{
	return offloads & OFFLOAD_CSUM ? offloads : 0;
}

unsigned offloads_of_host(uint64_t f)
{
	return with_their_needs((f & NET_F_CSUM ? OFFLOAD_CSUM : 0) |
				(f & NET_F_HOST_TSO4 ? OFFLOAD_TSO4 : 0) |
				(f & NET_F_HOST_TSO6 ? OFFLOAD_TSO6 : 0) |
				(f & NET_F_HOST_ECN ? OFFLOAD_ECN : 0));
}

unsigned offloads_of_guest(uint64_t f)
{
	return with_their_needs((f & NET_F_GUEST_CSUM ? OFFLOAD_CSUM : 0) |
				(f & NET_F_GUEST_TSO4 ? OFFLOAD_TSO4 : 0) |
				(f & NET_F_GUEST_TSO6 ? OFFLOAD_TSO6 : 0) |
				(f & NET_F_GUEST_ECN ? OFFLOAD_ECN : 0));
}

/* --- bytes --- */

static uint64_t host_left(const struct packet_source *s)
{
	uint64_t bytes = 0;

	for (unsigned i = s->part; i < s->host->parts; i++)
		bytes += s->host->part[i].bytes;
	return bytes - s->offset;
}

uint64_t packet_source_left(const struct packet_source *s)
{
	return s->guest.chain ? virtqueue_left(&s->guest) : host_left(s);
}

static const uint8_t *host_next(struct packet_source *s, uint64_t most, uint64_t *n)
{
	const struct net_part *p;

	while (s->part < s->host->parts && s->offset == s->host->part[s->part].bytes) {
		s->part++;
		s->offset = 0;
	}
	if (s->part == s->host->parts)
		return NULL;
	p = &s->host->part[s->part];
	*n = p->bytes - s->offset < most ? p->bytes - s->offset : most;
	s->offset += (uint32_t)*n;
	return p->at + s->offset - *n;
}

const uint8_t *packet_source_next(struct packet_source *s, uint64_t most, uint64_t *n)
{
	return s->guest.chain ? virtqueue_next(&s->guest, most, n) : host_next(s, most, n);
}

/* Copy @bytes to @to, or, where that is NULL, just pass them. */
static bool take(struct packet_source *s, uint8_t *to, uint64_t bytes)
{
	while (bytes) {
		uint64_t n;
		const uint8_t *at = packet_source_next(s, bytes, &n);

		if (!at)
			return false;
		if (to) {
			memcpy(to, at, n);
			to += n;
		}
		bytes -= n;
	}
	return true;
}

/* --- sums --- */

static bool add_rest(struct inet_sum *s, struct packet_source from, uint64_t bytes)
{
	while (bytes) {
		uint64_t n;
		const uint8_t *at = packet_source_next(&from, bytes, &n);

		if (!at)
			return false;
		inet_add(s, at, n);
		bytes -= n;
	}
	return true;
}

bool packet_complete(struct packet *p)
{
	uint32_t from = p->header.csum_start;
	struct inet_sum s = { 0 };

	inet_add(&s, p->head + from, p->head_bytes - from);
	if (!add_rest(&s, p->rest, p->bytes - p->head_bytes))
		return false;
	inet_put_checksum(p->head + from + p->header.csum_offset, &s);
	p->header = (struct net_header){ 0 };
	p->needs = 0;
	return true;
}

/* --- reading --- */

/* What the header says of what is to be done. -1: against the rules. */
static int needs_of(const struct net_header *h)
{
	int needs = h->flags & NET_HDR_NEEDS_CSUM ? OFFLOAD_CSUM : 0;

	if (h->gso_type & NET_GSO_ECN)
		needs |= OFFLOAD_ECN;
	switch (h->gso_type & ~NET_GSO_ECN) {
	case NET_GSO_NONE:
		return needs & OFFLOAD_ECN ? -1 : needs;
	case NET_GSO_TCPV4:
		needs |= OFFLOAD_TSO4;
		break;
	case NET_GSO_TCPV6:
		needs |= OFFLOAD_TSO6;
		break;
	default:
		return -1;
	}
	return needs & OFFLOAD_CSUM ? needs : -1;
}

/* Where IP's header begins, and what is there. */
static uint16_t find_ip(const struct packet *p, unsigned *type)
{
	uint16_t at = ETHERNET;

	*type = get16(p->head + at - 2);
	if (*type == TYPE_TAG && p->head_bytes >= ETHERNET + TAG) {
		at += TAG;
		*type = get16(p->head + at - 2);
	}
	return at;
}

/* Whether @tcp is where TCP's header begins. */
static bool leads_to_tcp(const struct packet *p, uint32_t ip, unsigned type, uint32_t tcp)
{
	const uint8_t *at = p->head + ip;

	if (p->needs & OFFLOAD_TSO6)
		return type == TYPE_IPV6 && tcp >= ip + IPV6_BYTES && at[0] >> 4 == 6;
	return type == TYPE_IPV4 && tcp >= ip + IPV4_MIN && at[0] >> 4 == 4 &&
	       tcp == ip + (at[0] & 15u) * 4 && at[V4_PROTO] == PROTO_TCP;
}

/* That it can be cut, and where; then .head is all headers. */
static bool find_headers(struct packet *p, const struct packet_source *from)
{
	uint32_t tcp = p->header.csum_start, end;
	unsigned type;

	p->l3 = find_ip(p, &type);
	if (p->header.csum_offset != TCP_SUM || tcp + TCP_MIN > p->head_bytes ||
	    !leads_to_tcp(p, p->l3, type, tcp))
		return false;
	end = tcp + (p->head[tcp + TCP_BYTES] >> 4) * 4u;
	if (end < tcp + TCP_MIN || end > p->head_bytes || end >= p->bytes ||
	    p->header.gso_size < SEGMENT_MIN || /* nobody makes us cut for ever */
	    end + p->header.gso_size > PACKET_PLAIN)
		return false;
	p->header.hdr_len = (uint16_t)end;
	p->head_bytes = end;
	p->rest = *from;
	return take(&p->rest, NULL, end);
}

static bool check_offloads(struct packet *p, const struct packet_source *from, unsigned may)
{
	uint32_t sum = (uint32_t)p->header.csum_start + p->header.csum_offset + 2;
	int needs = needs_of(&p->header);

	if (needs < 0 || ((unsigned)needs & ~may))
		return false;
	p->needs = (unsigned)needs;
	if (!needs) {
		p->header = (struct net_header){ 0 };
		return p->bytes <= PACKET_PLAIN;
	}
	p->header.flags = NET_HDR_NEEDS_CSUM;
	if (p->header.csum_start < ETHERNET || sum > p->head_bytes)
		return false; /* neither out of it, nor over the addresses it was let through for */
	if (needs == OFFLOAD_CSUM) {
		p->header.hdr_len = p->header.gso_size = 0;
		return p->bytes <= PACKET_PLAIN;
	}
	return find_headers(p, from);
}

bool packet_read(struct packet *p, const struct packet_source *from, const struct net_header *h,
		 unsigned may)
{
	uint64_t bytes = packet_source_left(from);

	if (bytes < ETHERNET || bytes > PACKET_LARGE)
		return false;
	p->header = *h;
	p->bytes = (uint32_t)bytes;
	p->head_bytes = p->bytes < PACKET_HEAD ? p->bytes : PACKET_HEAD;
	p->rest = *from;
	return take(&p->rest, p->head, p->head_bytes) && check_offloads(p, from, may);
}

/* --- cutting --- */

struct packet_cut packet_cut(const struct packet *p)
{
	return (struct packet_cut){ .whole = p, .rest = p->rest };
}

/* The lengths in IP's header, and its checksum; IPv4's number counts up. */
static void cut_ip(struct packet *s, unsigned n)
{
	uint8_t *ip = s->head + s->l3;

	if (ip[0] >> 4 == 6) {
		put16(ip + V6_LENGTH, s->bytes - s->l3 - IPV6_BYTES);
		return;
	}
	put16(ip + V4_LENGTH, s->bytes - s->l3);
	put16(ip + V4_ID, get16(ip + V4_ID) + n);
	inet_complete_ipv4(ip);
}

/* CWR is the first one's, FIN and PSH are the last one's. */
static bool cut_tcp(struct packet *s, uint32_t at, uint32_t done, bool is_last)
{
	uint8_t *tcp = s->head + at;
	struct inet_sum sum = { 0 };

	put32(tcp + TCP_SEQ, get32(tcp + TCP_SEQ) + done);
	if (done)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_HAS_CWR;
	if (!is_last)
		tcp[TCP_FLAGS] &= (uint8_t)~(TCP_HAS_FIN | TCP_HAS_PSH);
	put16(tcp + TCP_SUM, 0);
	inet_add_pseudo_header(&sum, s->head + s->l3, s->bytes - at);
	inet_add(&sum, tcp, s->head_bytes - at);
	if (!add_rest(&sum, s->rest, s->bytes - s->head_bytes))
		return false;
	inet_put_checksum(tcp + TCP_SUM, &sum);
	return true;
}

bool packet_next_segment(struct packet_cut *c, struct packet *s)
{
	const struct packet *p = c->whole;
	uint32_t left = p->bytes - p->head_bytes - c->done;
	uint32_t n = left < p->header.gso_size ? left : p->header.gso_size;

	if (!n)
		return false;
	*s = *p;
	s->header = (struct net_header){ 0 };
	s->needs = 0;
	s->bytes = p->head_bytes + n;
	s->rest = c->rest;
	cut_ip(s, c->n);
	if (!cut_tcp(s, p->header.csum_start, c->done, n == left) || !take(&c->rest, NULL, n))
		return false;
	c->done += n;
	c->n++;
	return true;
}
