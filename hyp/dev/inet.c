/*
 * Sums over packets. See inet.h.
 */
#include "hyp/dev/inet.h"

#include "hyp/lib/string.h"

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

/* The wide sum of @n bytes from an even place as this machine's 16-bit numbers, the first byte a low
 * one. */
static uint64_t sum_of(const uint8_t *at, uint64_t n)
{
	uint64_t sum = 0;

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
	return n ? add_wide(sum, *at) : sum;
}

/* The sum doesn't mind in which order bytes are, as long as all are swapped: so even places are summed,
 * and the result is swapped where a piece began at an odd one, or after an odd number of bytes. */
void inet_add(struct inet_sum *s, const uint8_t *at, uint64_t n)
{
	bool odd = ((uintptr_t)at & 1) && n;
	uint64_t v = odd ? add_wide(sum_of(at + 1, n - 1), (uint64_t)*at << 8) : sum_of(at, n);

	s->sum = add_wide(s->sum, odd != s->odd ? swap(fold(v)) : v);
	s->odd ^= n & 1;
}

/* The length has 16 bits: there are no jumbograms here. */
void inet_add_pseudo_header(struct inet_sum *s, const uint8_t *ip, uint32_t tcp_bytes)
{
	s->sum = add_wide(s->sum, (uint64_t)swap(PROTO_TCP) + swap((uint16_t)tcp_bytes));
	if (ip[0] >> 4 == 6)
		inet_add(s, ip + V6_FROM, 32);
	else
		inet_add(s, ip + V4_FROM, 8);
}

void inet_put_sum(uint8_t *at, const struct inet_sum *s)
{
	uint16_t v = fold(s->sum);

	memcpy(at, &v, sizeof(v));
}

void inet_put_checksum(uint8_t *at, const struct inet_sum *s)
{
	uint16_t v = (uint16_t)~fold(s->sum);

	if (!v)
		v = UINT16_MAX;
	memcpy(at, &v, sizeof(v));
}

bool inet_is_good(const struct inet_sum *s)
{
	return fold(s->sum) == UINT16_MAX;
}

void inet_complete_ipv4(uint8_t *ip)
{
	struct inet_sum sum = { 0 };

	put16(ip + V4_SUM, 0);
	inet_add(&sum, ip, (ip[0] & 15u) * 4);
	inet_put_checksum(ip + V4_SUM, &sum);
}
