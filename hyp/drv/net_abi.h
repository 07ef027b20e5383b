/*
 * The network device's numbers, for the driver of the host's and for the guest's own: features,
 * configuration, and the header in front of each packet.
 *
 * Source: virtio 1.3, "Network Device".
 */
#ifndef HYP_DRV_NET_ABI_H
#define HYP_DRV_NET_ABI_H

#include <stdint.h>

/* "Feature bits". GUEST_: what the driver takes; HOST_: what the device takes. */
#define NET_F_CSUM	 (UINT64_C(1) << 0)
#define NET_F_GUEST_CSUM (UINT64_C(1) << 1)
#define NET_F_MTU	 (UINT64_C(1) << 3)
#define NET_F_MAC	 (UINT64_C(1) << 5)
#define NET_F_GUEST_TSO4 (UINT64_C(1) << 7)
#define NET_F_GUEST_TSO6 (UINT64_C(1) << 8)
#define NET_F_GUEST_ECN	 (UINT64_C(1) << 9)
#define NET_F_HOST_TSO4	 (UINT64_C(1) << 11)
#define NET_F_HOST_TSO6	 (UINT64_C(1) << 12)
#define NET_F_HOST_ECN	 (UINT64_C(1) << 13)
#define NET_F_MRG_RXBUF	 (UINT64_C(1) << 15)
#define NET_F_STATUS	 (UINT64_C(1) << 16)

#define NET_GUEST_TSO (NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN)
#define NET_HOST_TSO  (NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN)

enum { NET_RX, NET_TX, NET_QUEUES }; /* without a control queue */

/* struct virtio_net_config, up to .mtu */
struct net_config {
	uint8_t mac[6];
	uint16_t status, max_virtqueue_pairs, mtu;
};

#define NET_S_LINK_UP 1u

/* struct virtio_net_hdr. A driver of version 1 has no .buffers, unless MRG_RXBUF was agreed on. */
struct net_header {
	uint8_t flags, gso_type;
	uint16_t hdr_len;     /* bytes of all headers, a hint */
	uint16_t gso_size;    /* payload of each segment */
	uint16_t csum_start;  /* what is to be summed, to the packet's end */
	uint16_t csum_offset; /* where the sum goes, from there */
	uint16_t buffers;
};

_Static_assert(sizeof(struct net_header) == 12, "virtio_net_hdr");

#define NET_HEADER_SHORT 10 /* without .buffers */

#define NET_HDR_NEEDS_CSUM 1u
#define NET_HDR_DATA_VALID 2u

enum { NET_GSO_NONE = 0, NET_GSO_TCPV4 = 1, NET_GSO_TCPV6 = 4, NET_GSO_ECN = 0x80 };

#endif
