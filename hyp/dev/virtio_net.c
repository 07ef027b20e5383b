/*
 * Network devices. See virtio_net.h.
 *
 * A receiver's queue is filled by whoever sends: its inputs_lock is its port's. A sender holds its
 * own device's lock, for its tx queue, and then one receiver's port at a time. Receivers are shown
 * what they got, and interrupted, once for all that a sender brings at once.
 *
 * Invariant: between two deliveries a receiver's queue has no chain that was taken and not pushed.
 *
 * Next: switch.c, who is to get it; packet.c, what is left to be done with it.
 */
#include "hyp/dev/virtio_net.h"

#include "hyp/dev/board.h"
#include "hyp/dev/coalesce.h"
#include "hyp/dev/packet.h"
#include "hyp/drv/net.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

#define UPLINK_AT_ONCE (NET_BUFFERS / 2) /* packets; the others are the host's meanwhile */
#define COST	       1024	   /* of a packet, in bytes copied */

#define FEATURES                                                                                   \
	(NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MTU | NET_F_MAC | NET_GUEST_TSO | NET_HOST_TSO |    \
	 NET_F_MRG_RXBUF | NET_F_STATUS)

struct virtio_net {
	unsigned port;
	uint64_t told; /* ports that have got something, and weren't shown it; with the device's lock */
	struct net_config config;
	/* With the port's lock: the first chain of a packet, and the one after it. */
	struct virtqueue_chain first, more;
};

#define FRAMES 8
_Static_assert(sizeof(struct virtio_net) <= FRAMES * PAGE_SIZE, "what is allocated");

/* --- to a guest --- */

static unsigned header_bytes(const struct virtio_device *d)
{
	return d->accepted & (VIRTIO_F_VERSION_1 | NET_F_MRG_RXBUF) ? sizeof(struct net_header)
								     : NET_HEADER_SHORT;
}

/* A packet on its way into the chains of a queue. */
struct delivery {
	struct virtio_device *d;
	struct virtqueue *q;
	struct virtqueue_cursor to; /* in the chain that is being filled */
	uint16_t head;		    /* of that chain */
	uint64_t room, put;	    /* bytes it had at first; that were put there */
	uint16_t popped, pushed;    /* chains */
};

/* Go on in the next chain, which is to be in @c. Returns false where there is none. One packet
 * has a ring's worth of them, or who adds empty ones as fast as they are taken would keep the sender
 * here for ever. */
static bool next_chain(struct delivery *v, struct virtqueue_chain *c)
{
	if (v->popped == v->q->size || virtqueue_pop(v->q, c) != VIRTQUEUE_CHAIN)
		return false;
	v->popped++;
	v->head = c->head;
	v->to = virtqueue_writable(v->q, c);
	v->room = virtqueue_left(&v->to);
	v->put = 0;
	return true;
}

static void push_chain(struct delivery *v)
{
	virtqueue_push(v->q, v->head, (uint32_t)v->put);
	v->pushed++;
}

static bool go_on(struct delivery *v)
{
	if (!(v->d->accepted & NET_F_MRG_RXBUF))
		return false;
	push_chain(v);
	return next_chain(v, &v->d->net->more);
}

static bool give(struct delivery *v, const uint8_t *from, uint64_t bytes)
{
	while (bytes) {
		uint64_t n = v->room - v->put < bytes ? v->room - v->put : bytes;

		if (!n) {
			if (!go_on(v))
				return false;
			continue;
		}
		if (!virtqueue_give(&v->to, from, n)) {
			v->q->is_broken = true; /* no memory left */
			return false;
		}
		v->put += n;
		from += n;
		bytes -= n;
	}
	return true;
}

static bool give_rest(struct delivery *v, const struct packet *p)
{
	struct packet_source from = p->rest;
	uint64_t left = p->bytes - p->head_bytes;

	while (left) {
		uint64_t n;
		const uint8_t *at = packet_source_next(&from, left, &n);

		if (!at || !give(v, at, n))
			return false;
		left -= n;
	}
	return true;
}

/* How many chains it is in is known at the end. */
static bool count_chains(struct delivery *v, const struct packet *p, struct virtqueue_cursor start)
{
	struct net_header header = p->header;

	header.buffers = v->pushed;
	return virtqueue_give(&start, &header, header_bytes(v->d));
}

static bool fill_chains(struct delivery *v, struct packet *p)
{
	unsigned bytes = header_bytes(v->d);
	bool in_one = bytes == sizeof(p->header);
	const uint8_t *header = (const uint8_t *)&p->header;
	struct virtqueue_cursor start;

	if (!next_chain(v, &v->d->net->first) || v->room < bytes)
		return false;
	start = v->to;
	p->header.buffers = 1;
	if (!give(v, header, in_one ? bytes + p->head_bytes : bytes) ||
	    (!in_one && !give(v, p->head, p->head_bytes)) || !give_rest(v, p))
		return false;
	push_chain(v);
	return v->pushed == 1 || count_chains(v, p, start);
}

/* All of @p, or nothing: the driver doesn't know of chains before it is shown them. */
static bool put_in_guest(struct virtio_device *d, struct packet *p)
{
	struct delivery v = { .d = d, .q = &d->queue[NET_RX] };

	if (fill_chains(&v, p))
		return true;
	virtqueue_undo(v.q, v.popped, v.pushed);
	return false;
}

/* --- to the host --- */

static bool copy_rest(struct net_frame *f, uint8_t *to, uint64_t room, const struct packet *p)
{
	struct packet_source from = p->rest;
	uint64_t left = p->bytes - p->head_bytes;
	unsigned part = 0;

	while (left) {
		uint64_t n;
		const uint8_t *at;

		if (!room) {
			part++;
			to = f->part[part].at;
			room = f->part[part].bytes;
		}
		at = packet_source_next(&from, left < room ? left : room, &n);
		if (!at)
			return false;
		memcpy(to, at, n);
		to += n;
		room -= n;
		left -= n;
	}
	return true;
}

/* By how much the packet is moved so that words of what isn't its head go to words. */
static unsigned skew_of(const struct packet *p)
{
	struct packet_source from = p->rest;
	uint64_t n;
	const uint8_t *at = packet_source_next(&from, 1, &n);

	return at ? ((uintptr_t)at - p->head_bytes - sizeof(p->header)) & 7 : 0;
}

_Static_assert(sizeof(struct net_header) + 7 + PACKET_HEAD <= NET_BUFFER, "it is in the first part");

static bool put_in_uplink(struct packet *p)
{
	struct net_frame f;

	if (!net_find_room(&f, p->bytes, skew_of(p)))
		return false;
	memcpy(f.part[0].at, p->head, p->head_bytes);
	if (!copy_rest(&f, f.part[0].at + p->head_bytes, f.part[0].bytes - p->head_bytes, p))
		return false;
	f.header = p->header;
	f.header.buffers = 0;
	net_send(&f);
	return true;
}

/* --- to whom it may go, as he takes it; with the port's lock --- */

/* Whether somebody is there, and what he takes packets for. */
static bool takes_packets(unsigned to, unsigned *offloads)
{
	const struct virtio_device *d = switch_ports[to].device;

	if (to == SWITCH_UPLINK) {
		*offloads = offloads_of_host(net_features());
		return true;
	}
	if (!d || !virtio_is_live(d) || !d->queue[NET_RX].is_ready)
		return false;
	*offloads = offloads_of_guest(d->accepted);
	return true;
}

static bool put(unsigned to, struct packet *p)
{
	struct switch_port *port = &switch_ports[to];

	if (to == SWITCH_UPLINK ? !put_in_uplink(p) : !put_in_guest(port->device, p))
		return false;
	port->out.packets++;
	port->out.bytes += p->bytes;
	return true;
}

/* What comes after a segment that is lost is sent again in any case. */
static bool put_segments(unsigned to, const struct packet *p)
{
	struct packet_cut cut = packet_cut(p);
	struct packet segment;

	while (packet_next_segment(&cut, &segment))
		if (!put(to, &segment))
			return false;
	return cut.done == p->bytes - p->head_bytes;
}

static bool put_completed(unsigned to, const struct packet *p)
{
	struct packet whole = *p;

	return packet_complete(&whole) && put(to, &whole);
}

static bool put_as_taken(unsigned to, struct packet *p, unsigned offloads)
{
	unsigned missing = p->needs & ~offloads;

	if (!missing)
		return put(to, p);
	return missing == OFFLOAD_CSUM && p->needs == OFFLOAD_CSUM ? put_completed(to, p)
								    : put_segments(to, p);
}

/* --- through the switch --- */

static void drop(uint64_t *drops, enum switch_drop why)
{
	drops[why]++;
}

static void deliver(unsigned to, struct packet *p)
{
	struct switch_port *port = &switch_ports[to];
	unsigned offloads;

	lock_take(&port->lock);
	if (!takes_packets(to, &offloads))
		drop(port->drops_out, DROP_NOT_READY);
	else if (!put_as_taken(to, p, offloads))
		drop(port->drops_out, DROP_NO_ROOM);
	lock_release(&port->lock);
}

/* Show the ports of @told what they got. */
static void tell(uint64_t told)
{
	for (; told; told &= told - 1) {
		unsigned to = bit_lowest(told);
		struct switch_port *port = &switch_ports[to];

		lock_take(&port->lock);
		if (to == SWITCH_UPLINK)
			net_sent_all();
		else if (port->device && virtio_is_live(port->device))
			virtio_publish(port->device, &port->device->queue[NET_RX]);
		lock_release(&port->lock);
	}
}

/* A packet from port @from. Returns the ports that got it, and are to be shown it. */
static uint64_t forward(unsigned from, const struct packet_source *source,
			const struct net_header *header, unsigned may)
{
	struct switch_port *port = &switch_ports[from];
	struct packet p;
	uint64_t to;
	bool is_spoofed;

	if (!packet_read(&p, source, header, may)) {
		drop(port->drops_in, DROP_MALFORMED);
		return 0;
	}
	to = switch_route(from, p.head, &is_spoofed);
	if (is_spoofed)
		drop(port->drops_in, DROP_SPOOFED);
	for (uint64_t left = to; left; left &= left - 1)
		deliver(bit_lowest(left), &p);
	return to;
}

static void count_in(unsigned from, uint64_t bytes)
{
	switch_ports[from].in.packets++;
	switch_ports[from].in.bytes += bytes;
}

static unsigned count(uint64_t set)
{
	unsigned n = 0;

	for (; set; set &= set - 1)
		n++;
	return n;
}

/* --- from the host --- */

void virtio_net_begin_uplink(void)
{
	if (net_is_there())
		switch_add_uplink();
}

/* What was held back, with what was joined to it. */
static uint64_t forward_held(struct coalesced *held)
{
	unsigned may = offloads_of_guest(net_features());
	bool is_ours = held->is_large;
	struct packet_source source = { .host = coalesce_end(held) };

	if (is_ours)
		may |= OFFLOAD_CSUM | OFFLOAD_TSO4;
	return source.host ? forward(SWITCH_UPLINK, &source, &source.host->header, may) : 0;
}

static void count_frame(const struct net_frame *f)
{
	count_in(SWITCH_UPLINK, packet_source_left(&(struct packet_source){ .host = f }));
}

bool virtio_net_uplink(void)
{
	struct net_frame frame[2], *f = frame;
	struct coalesced held = { 0 };
	uint64_t told = 0;

	for (unsigned n = 0; n < UPLINK_AT_ONCE && net_receive(f); n++) {
		count_frame(f);
		if (!coalesce_join(&held, f)) {
			told |= forward_held(&held);
			coalesce_begin(&held, f);
		}
		f = held.frame == frame ? frame + 1 : frame;
	}
	told |= forward_held(&held);
	tell(told);
	return net_received_all();
}

/* --- from a guest --- */

/* A chain that holds no packet is taken back as if it were one. */
static struct virtio_done serve(struct virtio_device *d, struct virtqueue *q,
				const struct virtqueue_chain *chain)
{
	struct packet_source source = { .guest = virtqueue_readable(q, chain) };
	struct net_header header = { 0 };
	uint64_t bytes = virtqueue_left(&source.guest), to;
	unsigned pin;

	if (!virtqueue_take(&source.guest, &header, header_bytes(d))) {
		drop(switch_ports[d->net->port].drops_in, DROP_MALFORMED);
		return (struct virtio_done){ .cost = COST };
	}
	count_in(d->net->port, bytes - header_bytes(d));
	pin = gstage_pin(d->gs); /* for what packet_source_next() points to */
	to = forward(d->net->port, &source, &header, offloads_of_host(d->accepted));
	gstage_unpin(d->gs, pin);
	d->net->told |= to;
	return (struct virtio_done){ .cost = COST + count(to) * (COST + bytes) };
}

static void served(struct virtio_device *d)
{
	tell(d->net->told);
	d->net->told = 0;
}

/* Nobody waits for buffers: where there are none packets are dropped. */
static void refill(struct virtio_device *d, struct virtqueue *q)
{
	(void)d;
	(void)q;
}

/* Its port's; see `nets`. */
static unsigned counters(struct virtio_device *d, struct virtio_counter *to)
{
	const struct switch_port *p = &switch_ports[d->net->port];
	unsigned n = 0;

	to[n++] = (struct virtio_counter){ "rx", p->out.packets };
	to[n++] = (struct virtio_counter){ "rx_bytes", p->out.bytes };
	to[n++] = (struct virtio_counter){ "tx", p->in.packets };
	to[n++] = (struct virtio_counter){ "tx_bytes", p->in.bytes };
	for (unsigned why = 0; why < DROPS; why++)
		to[n++] = (struct virtio_counter){ switch_drop_names[why],
						   p->drops_in[why] + p->drops_out[why] };
	return n;
}

static void detach(struct virtio_device *d)
{
	switch_remove(d->net->port);
}

static const struct virtio_kind kind = {
	.id = 1,
	.queue_size = VIRTIO_QUEUE_SIZE,
	.name = "net",
	.detach = detach,
	.serve = serve,
	.served = served,
	.inputs = 1u << NET_RX,
	.refill = refill,
	.counters = counters,
};

/* --- there or not --- */

static void describe(struct net_config *c, uint64_t mac)
{
	*c = (struct net_config){
		.status = NET_S_LINK_UP, .max_virtqueue_pairs = 1, .mtu = PACKET_MTU
	};
	for (unsigned i = 0; i < MAC_BYTES; i++)
		c->mac[i] = (uint8_t)(mac >> 8 * (MAC_BYTES - 1 - i));
}

enum err virtio_net_attach(struct board *b, unsigned slot, struct gstage *gs,
			   const struct switch_rules *rules, struct frame_pool *pool)
{
	struct virtio_device *d = &b->virtio[slot];
	struct virtio_net *net;
	hpa_t at;
	enum err e = frame_alloc_run(pool, FRAMES, &at);

	if (e)
		return e;
	net = phys_pointer(at);
	describe(&net->config, rules->mac);
	e = switch_add(d, rules, &net->port);
	if (e) {
		frame_free(pool, at, FRAMES);
		return e;
	}
	d->net = net;
	d->inputs_lock = &switch_ports[net->port].lock;
	virtio_attach(b, slot, &kind, NET_QUEUES, gs, FEATURES, &net->config, sizeof(net->config));
	return OK;
}

unsigned virtio_net_port(const struct virtio_device *d)
{
	return d->kind == &kind ? d->net->port : 0;
}
