/*
 * Packets. See packet.h.
 *
 * Invariant: of a packet that was read, a checksum's place is in .head; and where it is to be cut,
 * .head is an Ethernet header, an IPv4 or IPv6 one and a TCP one, no more and no less.
 *
 * Next: virtio_net.c, between whom they go.
 */
#include "hyp/dev/packet.h"

#include "hyp/lib/string.h"

#define ETHERNET   14
#define TAG	   4 /* a VLAN's */
#define TYPE_IPV4  0x0800
#define TYPE_IPV6  0x86dd
#define TYPE_TAG   0x8100
#define IPV4_MIN   20
#define IPV6_BYTES 40
#define TCP_MIN	   20
#define TCP_SUM	   16 /* where its checksum is */
#define PROTO_TCP  6

#define SEGMENT_MIN 48 /* less no TCP agrees on; so nobody makes us cut for ever */

/* Offsets in IPv4's header, IPv6's and TCP's. */
enum { V4_LENGTH = 2, V4_ID = 4, V4_PROTO = 9, V4_SUM = 10, V4_FROM = 12 };
enum { V6_LENGTH = 4, V6_FROM = 8 };
enum { TCP_SEQ = 4, TCP_BYTES = 12, TCP_FLAGS = 13 };
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

/* --- numbers in packets: big-endian, anywhere --- */

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v);
}

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

typedef uint16_t __attribute__((may_alias)) half;
typedef uint64_t __attribute__((may_alias)) wide;

/* What is carried out comes in again below: a sum of wide numbers is one of halves, when folded. */
static uint64_t add_wide(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

static uint16_t swap(uint16_t v)
{
	return (uint16_t)(v << 8 | v >> 8);
}

static uint16_t fold(uint64_t v)
{
	v = (v & UINT32_MAX) + (v >> 32);
	v = (v & UINT32_MAX) + (v >> 32);
	v = (v & UINT16_MAX) + (v >> 16);
	v = (v & UINT16_MAX) + (v >> 16);
	return (uint16_t)v;
}

/*
 * The sum of @n bytes as this machine's 16-bit numbers, the first byte a low one. The sum doesn't
 * mind in which order bytes are, as long as all are swapped: so aligned words are summed, and the
 * result is swapped where these began at an odd place.
 */
static uint16_t sum_of(const uint8_t *at, uint64_t n)
{
	bool odd = (uintptr_t)at & 1;
	uint64_t sum = 0;

	if (odd && n) {
		sum += (uint64_t)*at++ << 8;
		n--;
	}
	for (; ((uintptr_t)at & 7) && n >= 2; at += 2, n -= 2)
		sum += *(const half *)at;
	for (; n >= 32; at += 32, n -= 32) {
		const wide *w = (const wide *)at;

		sum = add_wide(add_wide(sum, w[0]), w[1]);
		sum = add_wide(add_wide(sum, w[2]), w[3]);
	}
	for (; n >= 8; at += 8, n -= 8)
		sum = add_wide(sum, *(const wide *)at);
	for (; n >= 2; at += 2, n -= 2)
		sum = add_wide(sum, *(const half *)at);
	if (n)
		sum = add_wide(sum, *at);
	return odd ? swap(fold(sum)) : fold(sum);
}

/* A sum that goes on over pieces. */
struct sum {
	uint64_t sum;
	bool odd; /* an odd number of bytes was added so far */
};

static void add(struct sum *s, const uint8_t *at, uint64_t n)
{
	uint16_t v = sum_of(at, n);

	s->sum += s->odd ? swap(v) : v;
	s->odd ^= n & 1;
}

static bool add_rest(struct sum *s, struct packet_source from, uint64_t bytes)
{
	while (bytes) {
		uint64_t n;
		const uint8_t *at = packet_source_next(&from, bytes, &n);

		if (!at)
			return false;
		add(s, at, n);
		bytes -= n;
	}
	return true;
}

/* Where 0 stands for "no checksum" (UDP) it is the other zero, which is as good elsewhere. */
static void put_sum(uint8_t *at, const struct sum *s)
{
	uint16_t v = (uint16_t)~fold(s->sum);

	if (!v)
		v = UINT16_MAX;
	memcpy(at, &v, sizeof(v));
}

bool packet_complete(struct packet *p)
{
	uint32_t from = p->header.csum_start;
	struct sum s = { 0 };

	add(&s, p->head + from, p->head_bytes - from);
	if (!add_rest(&s, p->rest, p->bytes - p->head_bytes))
		return false;
	put_sum(p->head + from + p->header.csum_offset, &s);
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
	    p->header.gso_size < SEGMENT_MIN || end + p->header.gso_size > PACKET_PLAIN)
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
	struct sum sum = { 0 };

	if (ip[0] >> 4 == 6) {
		put16(ip + V6_LENGTH, s->bytes - s->l3 - IPV6_BYTES);
		return;
	}
	put16(ip + V4_LENGTH, s->bytes - s->l3);
	put16(ip + V4_ID, get16(ip + V4_ID) + n);
	put16(ip + V4_SUM, 0);
	add(&sum, ip, (ip[0] & 15u) * 4);
	put_sum(ip + V4_SUM, &sum);
}

/* Addresses, length and protocol, which TCP's checksum is about too. */
static void add_pseudo_header(struct sum *sum, const struct packet *s, uint32_t tcp_bytes)
{
	const uint8_t *ip = s->head + s->l3;
	uint8_t tail[8] = { 0 };

	put32(tail, tcp_bytes);
	tail[7] = PROTO_TCP;
	add(sum, tail, sizeof(tail));
	if (ip[0] >> 4 == 6)
		add(sum, ip + V6_FROM, 32);
	else
		add(sum, ip + V4_FROM, 8);
}

/* CWR is the first one's, FIN and PSH are the last one's. */
static bool cut_tcp(struct packet *s, uint32_t at, uint32_t done, bool is_last)
{
	uint8_t *tcp = s->head + at;
	struct sum sum = { 0 };

	put32(tcp + TCP_SEQ, get32(tcp + TCP_SEQ) + done);
	if (done)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (!is_last)
		tcp[TCP_FLAGS] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	put16(tcp + TCP_SUM, 0);
	add_pseudo_header(&sum, s, s->bytes - at);
	add(&sum, tcp, s->head_bytes - at);
	if (!add_rest(&sum, s->rest, s->bytes - s->head_bytes))
		return false;
	put_sum(tcp + TCP_SUM, &sum);
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
