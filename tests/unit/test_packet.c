/*
 * hyp/dev/packet.c: what is accepted, checksums, segments. The sums are compared with one that is
 * made byte by byte, wherever the bytes lie.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "hyp/dev/packet.h"

enum { ETH = 14, V4 = 20, V6 = 40, TCP = 20 };

static uint8_t bytes[70000] __attribute__((aligned(8)));
static struct net_frame frame;
static struct packet_source source;
static struct net_header header;
static struct packet packet;
static uint64_t seed = 1;

#define ALL (OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6 | OFFLOAD_ECN)

/* Let the packet be @n bytes from @shift on, in up to @parts parts that end anywhere. */
static void lay(unsigned n, unsigned shift, unsigned parts)
{
	uint8_t *at = bytes + shift;

	memmove(at, bytes, n);
	frame.parts = parts;
	for (unsigned i = 0; i < parts; i++) {
		uint32_t part = i + 1 < parts ? (uint32_t)(random_next(&seed) % (n + 1)) : n;

		frame.part[i] = (struct net_part){ at, part };
		at += part;
		n -= part;
	}
	source = (struct packet_source){ .host = &frame };
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

/* RFC 1071, as it is written there. */
static unsigned sum(const uint8_t *at, unsigned n, unsigned start)
{
	uint32_t s = start;

	for (unsigned i = 0; i + 1 < n; i += 2)
		s += get16(at + i);
	if (n & 1)
		s += (uint32_t)at[n - 1] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* Headers of a TCP packet of @n bytes in all at bytes[]; where TCP's begins. */
static unsigned make_tcp(unsigned n, bool v6, bool tagged)
{
	unsigned ip = tagged ? ETH + 4 : ETH, tcp = ip + (v6 ? V6 : V4);

	for (unsigned i = 0; i < n; i++)
		bytes[i] = (uint8_t)random_next(&seed);
	if (tagged)
		put16(bytes + 12, 0x8100);
	put16(bytes + ip - 2, v6 ? 0x86dd : 0x0800);
	bytes[ip] = v6 ? 0x60 : 0x45;
	bytes[v6 ? ip + 6 : ip + 9] = 6;
	bytes[tcp + 12] = TCP / 4 << 4;
	bytes[tcp + 13] = 0x80 | 0x18 | 0x01; /* CWR, ACK, PSH, FIN */
	header = (struct net_header){ .flags = NET_HDR_NEEDS_CSUM,
				      .gso_type = v6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4,
				      .gso_size = 1000,
				      .csum_start = (uint16_t)tcp,
				      .csum_offset = 16 };
	return tcp;
}

static bool reads(unsigned may)
{
	return packet_read(&packet, &source, &header, may);
}

static void flatten(const struct packet *p, uint8_t *to)
{
	struct packet_source rest = p->rest;
	uint64_t left = p->bytes - p->head_bytes, n;

	memcpy(to, p->head, p->head_bytes);
	for (to += p->head_bytes; left; to += n, left -= n) {
		const uint8_t *at = packet_source_next(&rest, left, &n);

		assert_non_null(at);
		memcpy(to, at, n);
	}
}

static void test_plain(void **state)
{
	uint8_t got[2000];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random_next(&seed);
	header = (struct net_header){ .hdr_len = 99, .csum_start = 5 };
	for (unsigned n = 0; n <= PACKET_PLAIN + 1; n++) {
		lay(n, n % 8, 1 + n % 4);
		assert_int_equal(reads(0), n >= ETH && n <= PACKET_PLAIN);
		if (n < ETH || n > PACKET_PLAIN)
			continue;
		assert_int_equal(packet.needs, 0);
		assert_int_equal(packet.header.csum_start, 0);
		flatten(&packet, got);
		assert_memory_equal(got, bytes + n % 8, n);
	}
}

static void test_checksums(void **state)
{
	uint8_t got[2000];

	(void)state;
	for (unsigned k = 0; k < 3000; k++) {
		unsigned n = 60 + (unsigned)(random_next(&seed) % 1400), shift = k % 8, start, at;

		(void)make_tcp(n, false, false);
		start = ETH + (unsigned)(random_next(&seed) % 30);
		at = start + (unsigned)(random_next(&seed) % 14);
		header = (struct net_header){ .flags = NET_HDR_NEEDS_CSUM,
					      .csum_start = (uint16_t)start,
					      .csum_offset = (uint16_t)(at - start) };
		lay(n, shift, 1 + k % 5);
		assert_false(reads(0));
		assert_true(reads(OFFLOAD_CSUM));
		assert_int_equal(packet.needs, OFFLOAD_CSUM);
		assert_true(packet_complete(&packet));
		assert_int_equal(packet.needs, 0);
		assert_int_equal(packet.header.flags, 0);
		flatten(&packet, got);
		if ((at - start) % 2 == 0) {
			unsigned expected = ~sum(bytes + shift + start, n - start, 0) & 0xffff;

			assert_int_equal(get16(got + at), expected ? expected : 0xffff);
		}
		memcpy(got + at, bytes + shift + at, 2);
		assert_memory_equal(got, bytes + shift, n);
	}
}

static void test_bad_headers(void **state)
{
	static const struct {
		struct net_header header;
		unsigned n;
	} bad[] = {
		{ { .flags = 1, .csum_start = 13, .csum_offset = 0 }, 100 },
		{ { .flags = 1, .csum_start = 0, .csum_offset = 20 }, 100 },
		{ { .flags = 1, .csum_start = 50, .csum_offset = 49 }, 100 },
		{ { .flags = 1, .csum_start = 65535, .csum_offset = 65535 }, 100 },
		{ { .flags = 1, .csum_start = PACKET_HEAD, .csum_offset = 0 }, 1000 },
		{ { .flags = 1, .gso_type = 2, .gso_size = 1000, .csum_start = 34 }, 1000 },
		{ { .flags = 1, .gso_type = 3, .gso_size = 1000, .csum_start = 34 }, 1000 },
		{ { .flags = 0, .gso_type = 0x80 }, 1000 },
		{ { .flags = 1, .csum_start = 34, .csum_offset = 16 }, PACKET_PLAIN + 1 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)make_tcp(bad[i].n, false, false);
		lay(bad[i].n, 0, 1);
		header = bad[i].header;
		assert_false(reads(ALL));
	}
}

/* A good packet to be cut, with one thing wrong. */
static void test_bad_large(void **state)
{
	const unsigned n = 5000, tcp = ETH + V4;

	(void)state;
	for (unsigned k = 0; k <= 14; k++) {
		(void)make_tcp(n, false, false);
		lay(n, 0, 3);
		switch (k) {
		case 0: header.flags = 0; break;
		case 1: header.gso_size = 47; break;
		case 2: header.gso_size = PACKET_PLAIN; break;
		case 3: header.csum_offset = 6; break;
		case 4: header.csum_start = tcp + 1; break;
		case 5: header.gso_type = NET_GSO_TCPV6; break;
		case 6: bytes[ETH] = 0x46; break;
		case 7: bytes[ETH] = 0x65; break;
		case 8: bytes[ETH + 9] = 17; break;
		case 9: bytes[12] = 9; break;
		case 10: bytes[tcp + 12] = 4 << 4; break;
		case 11: header.csum_start = PACKET_HEAD - TCP + 1; break;
		case 12: lay(tcp + TCP, 0, 1); break;
		case 13: lay(PACKET_LARGE + 1, 0, 1); break;
		default: break;
		}
		assert_int_equal(reads(ALL), k == 14);
	}
	assert_false(reads(ALL & ~OFFLOAD_TSO4));
	assert_true(reads(OFFLOAD_CSUM | OFFLOAD_TSO4));
	header.gso_type |= NET_GSO_ECN;
	assert_false(reads(OFFLOAD_CSUM | OFFLOAD_TSO4));
	assert_true(reads(ALL));
}

/* One segment as a whole: lengths, numbers, flags and sums are right; the payload is @payload. */
static void check_segment(const uint8_t *s, unsigned n, unsigned tcp, unsigned index, unsigned done,
			  bool is_last, const uint8_t *whole, unsigned from)
{
	unsigned ip = get16(whole + 12) == 0x8100 ? ETH + 4 : ETH, pseudo;
	bool v6 = whole[ip] >> 4 == 6;
	uint32_t seq = (uint32_t)get16(s + tcp + 4) << 16 | get16(s + tcp + 6);
	uint32_t first = (uint32_t)get16(whole + tcp + 4) << 16 | get16(whole + tcp + 6);

	assert_memory_equal(s, whole, ip);
	assert_int_equal(seq, first + done);
	assert_int_equal(s[tcp + 13], 0x10 | (index ? 0 : 0x80) | (is_last ? 0x09 : 0));
	assert_memory_equal(s + from, whole + from + done, n - from);
	if (v6) {
		assert_int_equal(get16(s + ip + 4), n - ip - V6);
	} else {
		assert_int_equal(get16(s + ip + 2), n - ip);
		assert_int_equal(get16(s + ip + 4), (get16(whole + ip + 4) + index) & 0xffff);
		assert_int_equal(sum(s + ip, V4, 0), 0xffff);
	}
	pseudo = sum(s + ip + (v6 ? 8 : 12), v6 ? 32 : 8, 6 + (n - tcp));
	assert_int_equal(sum(s + tcp, n - tcp, pseudo), 0xffff);
}

static void test_cutting(void **state)
{
	static uint8_t got[2000];

	(void)state;
	for (unsigned k = 0; k < 200; k++) {
		unsigned n = 100 + (unsigned)(random_next(&seed) % (PACKET_LARGE - 99));
		unsigned tcp = make_tcp(n, k & 1, k & 2), from = tcp + TCP, done = 0, index = 0;
		unsigned shift = k % 8, size = 48 + (unsigned)(random_next(&seed) % 1390);
		struct packet_cut cut;
		struct packet segment;

		lay(n, shift, 1 + k % 30);
		header.gso_size = (uint16_t)size;
		assert_true(reads(ALL));
		assert_int_equal(packet.header.hdr_len, from);
		for (cut = packet_cut(&packet); packet_next_segment(&cut, &segment); index++) {
			unsigned part = n - from - done < size ? n - from - done : size;

			assert_int_equal(segment.needs, 0);
			assert_int_equal(segment.bytes, from + part);
			flatten(&segment, got);
			check_segment(got, from + part, tcp, index, done, done + part == n - from,
				      bytes + shift, from);
			done += part;
		}
		assert_int_equal(done, n - from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	  cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_bad_headers), cmocka_unit_test(test_bad_large),
		cmocka_unit_test(test_cutting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
