/*
 * Driver of the host's network device. See net.h.
 *
 * Invariant: buffer n of a queue belongs to descriptor n: it is the device's while that is under
 * way, ours else. So no buffer is offered while packets that came are looked at.
 *
 * Next: hyp/drv/virtio.c.
 */
#include "hyp/drv/net.h"

#include "hyp/drv/host.h"
#include "hyp/drv/plic.h"
#include "hyp/drv/virtio.h"
#include "hyp/drv/virtio_abi.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"
#include "hyp/mm/frame.h"
#include "hyp/mm/phys.h"

#define WANTED                                                                                     \
	(NET_F_CSUM | NET_F_GUEST_CSUM | NET_GUEST_TSO | NET_HOST_TSO | NET_F_MRG_RXBUF |          \
	 VIRTIO_F_EVENT_IDX)

#define HEADER sizeof(struct net_header)

_Static_assert(NET_BUFFERS <= VIRTQ_MAX, "a descriptor for each");
_Static_assert((NET_PARTS_MAX - 1) * NET_BUFFER >= HEADER + 7 + 65536, "the largest packet");

struct memory {
	uint8_t rx_queue[VIRTQ_BYTES(NET_BUFFERS)], tx_queue[VIRTQ_BYTES(NET_BUFFERS)];
	uint8_t rx[NET_BUFFERS][NET_BUFFER], tx[NET_BUFFERS][NET_BUFFER];
};

static struct {
	struct virtio virtio; /* .kind 0: there is none */
	uint64_t features;
	struct virtq rx, tx;
	struct memory *memory;
	struct frame_pool pool;
} net;

bool net_is_there(void)
{
	return net.virtio.kind != 0;
}

uint64_t net_features(void)
{
	return net.features;
}

/* --- receiving --- */

static void offer_buffers(void)
{
	while (net.rx.free_n) {
		struct virtq_part part = { phys_address(net.memory->rx[net.rx.free]), NET_BUFFER,
					   true };

		(void)virtq_add(&net.rx, &part, 1);
	}
}

bool net_interrupt(unsigned source)
{
	if (!net_is_there() || source != net.virtio.irq)
		return false;
	virtio_interrupt(&net.virtio);
	return true;
}

static void add_part(struct net_frame *f, uint8_t *at, uint32_t bytes)
{
	f->part[f->parts++] = (struct net_part){ at, bytes };
}

/* The rest of a packet that began in another buffer. Returns false where it isn't all there. */
static bool take_more(struct net_frame *f, unsigned buffers)
{
	unsigned id;
	uint32_t bytes;

	if (buffers > NET_PARTS_MAX)
		return false;
	while (f->parts < buffers) {
		if (!virtq_take(&net.rx, &id, &bytes))
			return false;
		add_part(f, net.memory->rx[id], bytes);
	}
	return true;
}

/* The device is through with all buffers of a packet at once. */
bool net_receive(struct net_frame *f)
{
	unsigned id, buffers;
	uint32_t bytes;

	while (virtq_take(&net.rx, &id, &bytes)) {
		uint8_t *at = net.memory->rx[id];

		f->parts = 0;
		if (bytes < HEADER)
			continue;
		memcpy(&f->header, at, HEADER);
		add_part(f, at + HEADER, bytes - (uint32_t)HEADER);
		buffers = net.features & NET_F_MRG_RXBUF ? f->header.buffers : 1;
		if (take_more(f, buffers))
			return true;
	}
	return false;
}

bool net_received_all(void)
{
	offer_buffers();
	virtq_notify(&net.rx);
	return virtq_arm(&net.rx);
}

/* --- sending --- */

static void take_back(void)
{
	unsigned id;
	uint32_t bytes;

	while (virtq_take(&net.tx, &id, &bytes))
		continue;
}

/* The buffers of the descriptors that virtq_add() will take next. */
bool net_find_room(struct net_frame *f, uint32_t bytes, unsigned skew)
{
	uint32_t before = (uint32_t)HEADER + skew, left = bytes + before;
	unsigned n = (left + NET_BUFFER - 1) / NET_BUFFER, i;

	if (n > NET_PARTS_MAX)
		return false;
	if (net.tx.free_n < n)
		take_back();
	if (net.tx.free_n < n)
		return false;
	i = net.tx.free;
	for (f->parts = 0; f->parts < n; i = net.tx.chain[i].link) {
		uint32_t part = left < NET_BUFFER ? left : NET_BUFFER;

		add_part(f, net.memory->tx[i], part);
		left -= part;
	}
	f->part[0].at += before;
	f->part[0].bytes -= before;
	return true;
}

void net_send(const struct net_frame *f)
{
	struct virtq_part part[NET_PARTS_MAX];

	memcpy(f->part[0].at - HEADER, &f->header, HEADER);
	for (unsigned i = 0; i < f->parts; i++)
		part[i] = (struct virtq_part){ phys_address(f->part[i].at), f->part[i].bytes,
					       false };
	part[0].at.v -= HEADER;
	part[0].bytes += (uint32_t)HEADER;
	(void)virtq_add(&net.tx, part, f->parts);
}

void net_sent_all(void)
{
	virtq_notify(&net.tx);
	virtq_silence(&net.tx);
}

/* --- start-up --- */

/* Packets of several buffers come only where these can be merged. */
static enum err agree(void)
{
	enum err e = virtio_begin(&net.virtio, WANTED, &net.features);

	if (!e && !(net.features & NET_F_MRG_RXBUF) && (net.features & NET_GUEST_TSO))
		e = virtio_begin(&net.virtio, WANTED & ~NET_GUEST_TSO, &net.features);
	return e;
}

static enum err init_queue(struct virtq *q, unsigned index, const uint8_t *at)
{
	enum err e = virtq_init(q, &net.virtio, index, NET_BUFFERS, phys_address(at));

	q->has_event_idx = (net.features & VIRTIO_F_EVENT_IDX) != 0;
	return e;
}

static enum err init_device(void)
{
	hpa_t at;
	bool zero;
	enum err e = agree();

	if (e || (e = frame_alloc_block(&net.pool, &at, &zero)))
		return e;
	net.memory = phys_pointer(at);
	memset(net.memory, 0, sizeof(*net.memory));
	e = init_queue(&net.rx, NET_RX, net.memory->rx_queue);
	return e ? e : init_queue(&net.tx, NET_TX, net.memory->tx_queue);
}

static void begin(void)
{
	virtio_ready(&net.virtio);
	plic_host_enable(net.virtio.irq);
	virtq_silence(&net.tx);
	(void)net_received_all();
}

static void give_up(enum err e)
{
	log_error("the host's network device isn't used: %s", err_name(e));
	virtio_give_up(&net.virtio);
	frame_free_all(&net.pool);
	net.virtio.kind = 0;
}

void net_init(void)
{
	enum err e;

	net.virtio = virtio_find(VIRTIO_NET);
	if (!net.virtio.kind)
		return;
	e = init_device();
	if (e)
		give_up(e);
	else
		begin();
}
