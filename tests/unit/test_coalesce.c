/*
 * hyp/dev/coalesce.c: random packets of a few connections, most of them in order, some of them odd.
 * Whatever is made of them, cut again it is what came, but for acknowledgements that a later one has
 * made superfluous. Cut by hyp/dev/packet.c, which has tests of its own.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "hyp/dev/coalesce.h"
#include "hyp/dev/inet.h"
#include "hyp/dev/packet.h"

#define ROUNDS 20000
#define BATCH  64
#define FLOWS  4
#define HEADS  (ETHERNET + IPV4_MIN)

struct sample {
	uint8_t bytes[NET_BUFFER];
	uint32_t n;
	struct net_header header;
};

static struct sample in[BATCH];
static struct net_frame frames[BATCH];
static uint8_t before[BATCH][NET_BUFFER];
static unsigned in_n, next_in, skipped, large;
static uint32_t seq[FLOWS], ack[FLOWS];
static uint64_t seed = 7;

static unsigned below(unsigned n)
{
	return (unsigned)(random_next(&seed) % n);
}

static void sign(struct sample *s)
{
	uint8_t *ip = s->bytes + ETHERNET, *tcp = ip + IPV4_MIN;
	uint32_t bytes = get16(ip + V4_LENGTH) - IPV4_MIN;
	struct inet_sum sum = { 0 };

	inet_complete_ipv4(ip);
	put16(tcp + TCP_SUM, 0);
	inet_add_pseudo_header(&sum, ip, bytes);
	inet_add(&sum, tcp, bytes);
	inet_put_checksum(tcp + TCP_SUM, &sum);
}

/* What makes a packet one that is left as it is, or begins or ends others. */
static void spoil(struct sample *s)
{
	uint8_t *ip = s->bytes + ETHERNET, *tcp = ip + IPV4_MIN;

	switch (below(18)) {
	case 0:
		s->bytes[HEADS + TCP_MIN + below(8)] ^= 1; /* wrong, where it has these bytes */
		s->header.flags = 0;
		return;
	case 1:
		ip[V4_SUM] ^= 0x40;
		return;
	case 2:
		s->header.flags = NET_HDR_NEEDS_CSUM;
		s->header.csum_start = HEADS;
		s->header.csum_offset = TCP_SUM;
		return;
	case 3:
		tcp[TCP_FLAGS] |= (uint8_t)(1u << below(8));
		break;
	case 4:
		put16(tcp + TCP_WINDOW, below(3));
		break;
	case 5:
		put16(tcp + TCP_URGENT, below(3));
		break;
	case 6:
		put32(tcp + TCP_SEQ, get32(tcp + TCP_SEQ) + below(3) - 1);
		break;
	case 7:
		put32(tcp + TCP_ACK, get32(tcp + TCP_ACK) + below(3) - 1);
		break;
	case 8:
		put16(ip + V4_FRAGMENT, 1u << below(16));
		break;
	case 9:
		ip[1] = (uint8_t)below(4); /* type of service */
		break;
	case 10:
		ip[8] ^= 1; /* time to live */
		break;
	case 11:
		ip[V4_FROM + below(8)] ^= 1;
		break;
	case 12:
		tcp[below(4)] ^= 1; /* a port */
		break;
	case 13:
		s->bytes[below(ETHERNET_TYPE)] ^= 1;
		break;
	case 14:
		tcp[TCP_BYTES] ^= 0x10;
		break;
	case 15:
		tcp[TCP_MIN + 2] = 5; /* SACK, where there is a timestamp */
		break;
	case 16:
		tcp[TCP_BYTES] ^= (uint8_t)(1u << below(4));
		break;
	default:
		put16(ip + V4_LENGTH, get16(ip + V4_LENGTH) + (below(2) ? 1u : 0xffffu));
		return;
	}
	sign(s);
}

/* Headers, of 20 bytes of options or 12, or none, at most. */
static void make(struct sample *s, unsigned flow, unsigned payload)
{
	uint8_t *ip = s->bytes + ETHERNET, *tcp = ip + IPV4_MIN;
	static const uint8_t timestamp[] = { 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8 };
	unsigned options = flow == 1 ? sizeof(timestamp) : flow == 2 ? 20 : 0;

	memset(s, 0, sizeof(*s));
	s->n = HEADS + TCP_MIN + options + payload;
	for (unsigned i = HEADS + TCP_MIN; i < s->n; i++)
		s->bytes[i] = (uint8_t)random_next(&seed);
	put16(s->bytes + ETHERNET_TYPE, TYPE_IPV4);
	ip[0] = 0x45;
	put16(ip + V4_LENGTH, s->n - ETHERNET);
	ip[8] = 64;
	ip[V4_PROTO] = PROTO_TCP;
	put16(ip + V4_FRAGMENT, flow == 3 ? 0x2000 : 0x4000);
	put32(ip + V4_FROM, 0x0a000202);
	put32(ip + V4_FROM + 4, 0x0a00020f);
	put16(tcp, 5000 + flow);
	put32(tcp + TCP_SEQ, seq[flow]);
	put32(tcp + TCP_ACK, ack[flow]);
	tcp[TCP_BYTES] = (uint8_t)((TCP_MIN + options) / 4 << 4);
	tcp[TCP_FLAGS] = TCP_HAS_ACK | (below(20) ? 0 : TCP_HAS_PSH);
	put16(tcp + TCP_WINDOW, 1000);
	memset(tcp + TCP_MIN, 3, options);
	if (flow == 1)
		memcpy(tcp + TCP_MIN, timestamp, sizeof(timestamp));
	sign(s);
	if (!below(6)) /* "has been validated" */
		s->header.flags = NET_HDR_DATA_VALID;
	seq[flow] += payload;
}

static void make_batch(void)
{
	unsigned flow = 0, payload = 0;

	in_n = 1 + below(BATCH);
	for (unsigned i = 0; i < in_n; i++) {
		if (!i || !below(12)) {
			flow = below(FLOWS);
			payload = below(2) ? 0 : below(3) ? 1 + below(1400) : 1400;
		}
		ack[flow] += payload ? 0 : below(4) ? 1000 : 0;
		make(&in[i], flow, payload && !below(15) ? 1 + below(payload) : payload);
		if (!below(15))
			spoil(&in[i]);
		if (in[i].n < 60 && below(2))
			in[i].n = 60; /* as Ethernet has it */
		memcpy(before[i], in[i].bytes, sizeof(before[i]));
		frames[i] = (struct net_frame){ .header = in[i].header,
						.parts = 1,
						.part[0] = { in[i].bytes, in[i].n } };
	}
}

/* IPv4's number isn't kept where packets are joined; its checksum goes with it. */
static void assert_same(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	const unsigned id = ETHERNET + V4_ID, sum = ETHERNET + V4_SUM;

	assert_memory_equal(a, b, id);
	assert_memory_equal(a + id + 2, b + id + 2, sum - id - 2);
	assert_memory_equal(a + sum + 2, b + sum + 2, n - sum - 2);
}

/* An acknowledgement that says nothing else. */
static bool is_pure(const struct sample *s)
{
	const uint8_t *tcp = s->bytes + HEADS;

	return s->header.flags != NET_HDR_NEEDS_CSUM && tcp[TCP_FLAGS] == TCP_HAS_ACK &&
	       !(get16(s->bytes + ETHERNET + V4_FRAGMENT) & 0x3fff) &&
	       get16(s->bytes + ETHERNET + V4_LENGTH) == IPV4_MIN + tcp[TCP_BYTES] / 16 * 4 &&
	       (tcp[TCP_BYTES] == 0x50 || (tcp[TCP_BYTES] == 0x80 && tcp[TCP_MIN + 2] == 8));
}

/* Whether @b makes @a superfluous: they are the same but for number, window, sums, where urgent
 * data would end, and what they acknowledge. */
static bool makes_superfluous(const struct sample *a, const struct sample *b)
{
	static const struct {
		unsigned at, bytes;
	} differ[] = { { ETHERNET + V4_ID, 2 },
		       { ETHERNET + V4_SUM, 2 },
		       { HEADS + TCP_ACK, 4 },
		       { HEADS + TCP_WINDOW, 6 } };
	uint8_t x[HEADS + TCP_MIN], y[HEADS + TCP_MIN];
	uint32_t more = get32(b->bytes + HEADS + TCP_ACK) - get32(a->bytes + HEADS + TCP_ACK);

	memcpy(x, a->bytes, sizeof(x));
	memcpy(y, b->bytes, sizeof(y));
	for (unsigned i = 0; i < sizeof(differ) / sizeof(differ[0]); i++)
		memcpy(x + differ[i].at, y + differ[i].at, differ[i].bytes);
	return is_pure(a) && is_pure(b) && more && more < 0x80000000 &&
	       memcmp(x, y, sizeof(x)) == 0;
}

/* @n bytes came out; an acknowledgement may have been left out before, for a later one. */
static void got(const uint8_t *bytes, uint32_t n)
{
	unsigned i = next_in;

	while (i + 1 < in_n && makes_superfluous(&in[i], &in[i + 1]) &&
	       memcmp(bytes + HEADS + TCP_ACK, before[i] + HEADS + TCP_ACK, 4) != 0)
		i++;
	assert_in_range(i, 0, in_n - 1);
	skipped += i - next_in;
	next_in = i + 1;
	assert_in_range(n, HEADS + TCP_MIN, in[i].n);
	assert_same(bytes, before[i], n);
}

static void flatten(const struct packet *p, uint8_t *to)
{
	struct packet_source rest = p->rest;

	memcpy(to, p->head, p->head_bytes);
	for (uint32_t at = p->head_bytes; at < p->bytes;) {
		uint64_t n;
		const uint8_t *from = packet_source_next(&rest, p->bytes - at, &n);

		assert_non_null(from);
		memcpy(to + at, from, n);
		at += (uint32_t)n;
	}
}

static void assert_sums(const uint8_t *bytes, uint32_t n)
{
	struct inet_sum ip = { 0 }, tcp = { 0 };

	inet_add(&ip, bytes + ETHERNET, IPV4_MIN);
	assert_true(inet_is_good(&ip));
	inet_add_pseudo_header(&tcp, bytes + ETHERNET, n - HEADS);
	inet_add(&tcp, bytes + HEADS, n - HEADS);
	assert_true(inet_is_good(&tcp));
}

static void got_large(const struct net_frame *f)
{
	static uint8_t segment_bytes[NET_BUFFER];
	struct packet_source source = { .host = f };
	struct packet p, segment;
	struct packet_cut cut;

	large++;
	assert_true(packet_read(&p, &source, &f->header, OFFLOAD_CSUM | OFFLOAD_TSO4));
	assert_int_equal(get16(p.head + ETHERNET + V4_LENGTH), p.bytes - ETHERNET);
	assert_false(get16(p.head + ETHERNET + V4_FRAGMENT) & 0x3fff);
	for (cut = packet_cut(&p); packet_next_segment(&cut, &segment);) {
		flatten(&segment, segment_bytes);
		assert_sums(segment_bytes, segment.bytes);
		got(segment_bytes, segment.bytes);
	}
	assert_int_equal(cut.done, p.bytes - p.head_bytes);
}

static void end(struct coalesced *c)
{
	bool is_large = c->is_large;
	const struct net_frame *f = coalesce_end(c);

	if (!f)
		return;
	if (is_large) {
		got_large(f);
		return;
	}
	assert_int_equal(f->parts, 1);
	got(f->part[0].at, f->part[0].bytes);
	assert_memory_equal(&f->header, &in[next_in - 1].header, sizeof(f->header));
}

static void test_transparent(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct coalesced held = { 0 };

		make_batch();
		next_in = 0;
		for (unsigned i = 0; i < in_n; i++) {
			if (coalesce_join(&held, &frames[i]))
				continue;
			end(&held);
			coalesce_begin(&held, &frames[i]);
		}
		end(&held);
		assert_int_equal(next_in, in_n);
	}
	assert_true(skipped > ROUNDS && large > ROUNDS / 2);
}

/* The largest there is; and one packet more begins another. */
static void test_limits(void **state)
{
	struct coalesced held = { 0 };
	unsigned i = 0;

	(void)state;
	for (in_n = 0; in_n < BATCH; in_n++) {
		make(&in[in_n], 0, 1460);
		in[in_n].bytes[HEADS + TCP_FLAGS] = TCP_HAS_ACK;
		sign(&in[in_n]);
		memcpy(before[in_n], in[in_n].bytes, NET_BUFFER);
		frames[in_n] = (struct net_frame){ .parts = 1,
						   .part[0] = { in[in_n].bytes, in[in_n].n } };
	}
	next_in = 0;
	coalesce_begin(&held, &frames[0]);
	for (i = 1; coalesce_join(&held, &frames[i]); i++)
		continue;
	assert_int_equal(i, (UINT16_MAX - IPV4_MIN - TCP_MIN) / 1460);
	end(&held);
	assert_int_equal(next_in, i);
	assert_null(coalesce_end(&held));
	assert_false(coalesce_join(&held, &frames[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_transparent),
					    cmocka_unit_test(test_limits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
