/*
 * What the switch must know of Ethernet, IP and TCP: where things are in their headers, numbers, and
 * the sum of RFC 1071. Sources: RFC 1071, 9293 (TCP), 791, 8200 (IP), 3168 (CWR).
 */
#ifndef HYP_DEV_INET_H
#define HYP_DEV_INET_H

#include <stdbool.h>
#include <stdint.h>

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

#define SEGMENT_MIN 48 /* payload; less no TCP agrees on */

/* Offsets in Ethernet's header, IPv4's, IPv6's and TCP's. */
enum { ETHERNET_TYPE = 12 };
enum { V4_LENGTH = 2, V4_ID = 4, V4_FRAGMENT = 6, V4_PROTO = 9, V4_SUM = 10, V4_FROM = 12 };
enum { V6_LENGTH = 4, V6_FROM = 8 };
enum { TCP_SEQ = 4, TCP_ACK = 8, TCP_BYTES = 12, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_URGENT = 18 };

/* Of TCP's flags. */
enum { TCP_HAS_FIN = 0x01, TCP_HAS_PSH = 0x08, TCP_HAS_ACK = 0x10, TCP_HAS_CWR = 0x80 };

/* --- numbers in packets: big-endian, anywhere --- */

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v);
}

/* --- sums --- */

/* One that goes on over pieces; begun with 0. */
struct inet_sum {
	uint64_t sum;
	bool odd; /* an odd number of bytes was added so far */
};

void inet_add(struct inet_sum *s, const uint8_t *at, uint64_t n);

/* Addresses, length and protocol of TCP in @ip, which its checksum is about, too. */
void inet_add_pseudo_header(struct inet_sum *s, const uint8_t *ip, uint32_t tcp_bytes);

/* What is stored, as it stands in memory: the sum; and the checksum, which is its complement. Where 0
 * stands for "no checksum" (UDP) it is the other zero, which is as good elsewhere. */
void inet_put_sum(uint8_t *at, const struct inet_sum *s);
void inet_put_checksum(uint8_t *at, const struct inet_sum *s);

/* Whether the checksum is among the bytes that were summed, and right. */
bool inet_is_good(const struct inet_sum *s);

/* Put IPv4's checksum where it belongs. */
void inet_complete_ipv4(uint8_t *ip);

#endif
