/*
 * One packet of several. See coalesce.h.
 *
 * Invariant: what takes more is a TCP packet over IPv4 without options of IP's, whole in the one
 * buffer it came in; its headers are written by coalesce_end() alone.
 */
#include "hyp/dev/coalesce.h"

#include "hyp/dev/inet.h"
#include "hyp/lib/string.h"

#define IP_MOST	    UINT16_MAX
#define HEADERS_MIN (ETHERNET + IPV4_MIN + TCP_MIN)

#define MORE_FRAGMENTS	 0x2000
#define FRAGMENT_OFFSETS 0x1fff

/* A packet in one buffer. */
struct segment {
	uint8_t *ip, *tcp;
	uint32_t tcp_bytes; /* of its header */
	uint32_t payload;   /* bytes behind that */
};

/* Whether @f is a packet of TCP's that says nothing but what it acknowledges, and has data or not. */
static bool read_segment(const struct net_frame *f, struct segment *s)
{
	const struct net_part *p = &f->part[0];
	uint32_t bytes;

	if (f->parts != 1 || p->bytes < HEADERS_MIN || f->header.gso_type != NET_GSO_NONE ||
	    (f->header.flags & NET_HDR_NEEDS_CSUM))
		return false;
	s->ip = p->at + ETHERNET;
	s->tcp = s->ip + IPV4_MIN;
	s->tcp_bytes = (s->tcp[TCP_BYTES] >> 4) * 4u;
	bytes = get16(s->ip + V4_LENGTH);
	if (get16(p->at + ETHERNET_TYPE) != TYPE_IPV4 || s->ip[0] != 0x45 ||
	    s->ip[V4_PROTO] != PROTO_TCP ||
	    (get16(s->ip + V4_FRAGMENT) & (MORE_FRAGMENTS | FRAGMENT_OFFSETS)) ||
	    (s->tcp[TCP_FLAGS] & ~TCP_HAS_PSH) != TCP_HAS_ACK || (s->tcp[TCP_BYTES] & 15))
		return false;
	s->payload = bytes - IPV4_MIN - s->tcp_bytes;
	return s->tcp_bytes >= TCP_MIN && bytes >= IPV4_MIN + s->tcp_bytes &&
	       ETHERNET + bytes <= p->bytes;
}

static bool sums_are_good(const struct net_frame *f, const struct segment *s)
{
	struct inet_sum ip = { 0 }, tcp = { 0 };

	inet_add(&ip, s->ip, IPV4_MIN);
	if (!inet_is_good(&ip))
		return false;
	if (f->header.flags & NET_HDR_DATA_VALID)
		return true;
	inet_add_pseudo_header(&tcp, s->ip, s->tcp_bytes + s->payload);
	inet_add(&tcp, s->tcp, s->tcp_bytes + s->payload);
	return inet_is_good(&tcp);
}

static bool is_same(const uint8_t *a, const uint8_t *b, uint64_t n)
{
	return memcmp(a, b, n) == 0;
}

/* From whom, to whom, and how: all of Ethernet's header and IP's but length, number and checksum. */
static bool is_same_connection(const struct segment *a, const struct segment *b)
{
	return is_same(a->ip - ETHERNET, b->ip - ETHERNET, ETHERNET + V4_LENGTH) &&
	       is_same(a->ip + V4_FRAGMENT, b->ip + V4_FRAGMENT, V4_SUM - V4_FRAGMENT) &&
	       is_same(a->ip + V4_FROM, b->ip + V4_FROM, IPV4_MIN - V4_FROM + TCP_SEQ);
}

/* What TCP's header says besides where the data belong. */
static bool is_same_otherwise(const struct segment *a, const struct segment *b)
{
	return is_same(a->tcp + TCP_ACK, b->tcp + TCP_ACK, TCP_FLAGS - TCP_ACK) &&
	       is_same(a->tcp + TCP_WINDOW, b->tcp + TCP_WINDOW, TCP_SUM - TCP_WINDOW) &&
	       is_same(a->tcp + TCP_URGENT, b->tcp + TCP_URGENT, a->tcp_bytes - TCP_URGENT);
}

/* No options, or a timestamp as everybody writes it (RFC 7323, appendix A): what is left out isn't
 * missed by who has the next one. */
static bool has_plain_options(const struct segment *s)
{
	static const uint8_t timestamp[] = { 1, 1, 8, 10 };

	return s->tcp_bytes == TCP_MIN ||
	       (s->tcp_bytes == TCP_MIN + 12 &&
		is_same(s->tcp + TCP_MIN, timestamp, sizeof(timestamp)));
}

void coalesce_begin(struct coalesced *c, struct net_frame *f)
{
	struct segment s;

	*c = (struct coalesced){ .frame = f };
	if (!read_segment(f, &s) || (s.tcp[TCP_FLAGS] & TCP_HAS_PSH))
		return;
	c->bytes = c->each = s.payload;
	if (s.payload >= SEGMENT_MIN)
		c->takes = COALESCE_DATA;
	else if (!s.payload && has_plain_options(&s))
		c->takes = COALESCE_ACKS;
}

static bool join_data(struct coalesced *c, const struct segment *held, const struct segment *s)
{
	struct net_frame *whole = c->frame;

	if (!s->payload || s->payload > c->each || whole->parts == NET_PARTS_MAX ||
	    IPV4_MIN + held->tcp_bytes + c->bytes + s->payload > IP_MOST ||
	    get32(s->tcp + TCP_SEQ) != get32(held->tcp + TCP_SEQ) + c->bytes ||
	    !is_same_otherwise(held, s))
		return false;
	whole->part[0].bytes = ETHERNET + IPV4_MIN + held->tcp_bytes + c->each; /* no padding */
	whole->part[whole->parts++] = (struct net_part){ s->tcp + s->tcp_bytes, s->payload };
	c->bytes += s->payload;
	c->is_large = true;
	if (s->payload < c->each || (s->tcp[TCP_FLAGS] & TCP_HAS_PSH))
		c->takes = COALESCE_NOTHING;
	held->tcp[TCP_FLAGS] |= s->tcp[TCP_FLAGS];
	return true;
}

static bool join_acks(struct coalesced *c, const struct segment *held, const struct segment *s,
		      struct net_frame *f)
{
	uint32_t more = get32(s->tcp + TCP_ACK) - get32(held->tcp + TCP_ACK);

	if (s->payload || (s->tcp[TCP_FLAGS] & TCP_HAS_PSH) || !more || more > INT32_MAX ||
	    !has_plain_options(s) || !is_same(s->tcp + TCP_SEQ, held->tcp + TCP_SEQ, 4))
		return false;
	c->frame = f;
	return true;
}

/* Where the first one is: what was joined to it changed but its PSH. */
static struct segment held_segment(const struct coalesced *c)
{
	uint8_t *ip = c->frame->part[0].at + ETHERNET, *tcp = ip + IPV4_MIN;

	return (struct segment){ ip, tcp, (tcp[TCP_BYTES] >> 4) * 4u, c->each };
}

bool coalesce_join(struct coalesced *c, struct net_frame *f)
{
	struct segment held, s;

	if (!c->frame || c->takes == COALESCE_NOTHING || !read_segment(f, &s))
		return false;
	held = held_segment(c);
	if (!is_same_connection(&held, &s))
		return false;
	if (!c->is_good && !sums_are_good(c->frame, &held)) {
		c->takes = COALESCE_NOTHING;
		return false;
	}
	c->is_good = true;
	if (!sums_are_good(f, &s))
		return false;
	return c->takes == COALESCE_DATA ? join_data(c, &held, &s) : join_acks(c, &held, &s, f);
}

/* As who leaves the cutting to others writes them: TCP's checksum is that of the pseudo header. */
static void complete(struct coalesced *c)
{
	struct segment s = held_segment(c);
	struct inet_sum sum = { 0 };

	put16(s.ip + V4_LENGTH, IPV4_MIN + s.tcp_bytes + c->bytes);
	inet_complete_ipv4(s.ip);
	inet_add_pseudo_header(&sum, s.ip, s.tcp_bytes + c->bytes);
	inet_put_sum(s.tcp + TCP_SUM, &sum);
	c->frame->header = (struct net_header){ .flags = NET_HDR_NEEDS_CSUM,
						.gso_type = NET_GSO_TCPV4,
						.gso_size = (uint16_t)c->each,
						.csum_start = ETHERNET + IPV4_MIN,
						.csum_offset = TCP_SUM };
}

const struct net_frame *coalesce_end(struct coalesced *c)
{
	const struct net_frame *f = c->frame;

	if (c->is_large)
		complete(c);
	*c = (struct coalesced){ 0 };
	return f;
}
