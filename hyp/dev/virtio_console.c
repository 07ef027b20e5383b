/*
 * A device of consoles and ports. See virtio_console.h.
 *
 * Nothing is queued here: chains stay in their rings until all of them is through, with a note
 * (virtqueue.taken) of what was, and messages are made of what the driver knows and what is so,
 * when there is a buffer for one. So a driver that repeats itself, or takes nothing, costs nothing.
 *
 * Invariant: with the lock free, whatever could be moved has been, or .is_behind and the alarm is
 * set, or the driver was asked to notify again.
 *
 * Next: hyp/drv/serial.c, hyp/drv/terminal.c, the other ends.
 */
#include "hyp/dev/board.h"

#include <stddef.h>

#include "hyp/drv/alarm.h"
#include "hyp/lib/printf.h"
#include "hyp/lib/string.h"

#define F_MULTIPORT   (UINT64_C(1) << 1)
#define F_EMERG_WRITE (UINT64_C(1) << 2)

#define CONSOLE	     0 /* the port */
#define CONTROL_RX   2 /* queues, as the driver calls them */
#define CONTROL_TX   3
#define AT_ONCE	     KIB(8)  /* bytes moved through a queue, */
#define CHAIN_COST   64	     /* a chain being as many, */
#define REST_DELAY   1000000 /* before others have so many ns */
#define WINDOW_BYTES 64

/* Events of the control queues. */
enum {
	DEVICE_READY = 0,
	PORT_ADD = 1,
	PORT_READY = 3,
	CONSOLE_PORT = 4,
	PORT_OPEN = 6,
	PORT_NAME = 7,
};

struct message {
	uint32_t port;
	uint16_t event, value;
};

/* Messages that the driver gets for the asking, in this order. */
enum { OWES_ADD = 1, OWES_CONSOLE = 2, OWES_NAME = 4 };

static const struct {
	unsigned bit;
	uint16_t event;
} owed[] = {
	{ OWES_ADD, PORT_ADD },
	{ OWES_CONSOLE, CONSOLE_PORT },
	{ OWES_NAME, PORT_NAME },
};

static struct virtqueue *rx_of(struct virtio_console *c, unsigned port)
{
	return &c->device->queue[port ? 2 * port + 2 : 0];
}

static struct virtqueue *tx_of(struct virtio_console *c, unsigned port)
{
	return rx_of(c, port) + 1;
}

static bool knows_ports(const struct virtio_console *c)
{
	return (c->device->accepted & F_MULTIPORT) != 0;
}

/* --- the host's ends --- */

/* Whether somebody listens there. A window is never gone. */
static bool host_is_open(const struct virtio_console *c, unsigned port)
{
	struct serial *s = c->port[port].serial;

	return port == CONSOLE ? c->port[port].is_there : s && serial_is_open(s);
}

/* Bytes on their way through a chain of a port's queue. */
struct flow {
	struct virtio_console *c;
	unsigned port;
	struct virtqueue *q;
	struct virtqueue_cursor at;
};

/* Copying fails where the guest's memory can't be had any more, and then the queue can't go on. */
static bool take(struct flow *f, void *to, uint64_t n)
{
	f->q->is_broken |= !virtqueue_take(&f->at, to, n);
	return !f->q->is_broken;
}

static bool give(struct flow *f, const void *from, uint64_t n)
{
	f->q->is_broken |= !virtqueue_give(&f->at, from, n);
	return !f->q->is_broken;
}

/* Up to @bytes to the window. Returns how many it took. */
static uint64_t show(struct flow *f, uint64_t bytes)
{
	uint8_t part[WINDOW_BYTES];
	uint64_t n, done = 0;

	for (; done < bytes; done += n) {
		n = bytes - done < sizeof(part) ? bytes - done : sizeof(part);
		if (!take(f, part, n))
			return done;
		for (uint64_t i = 0; i < n; i++)
			if (!port_put(&f->c->window, part[i]))
				return done + i;
	}
	return done;
}

/* The same to a serial port, which takes a part at a time. */
static uint64_t send(struct flow *f, uint64_t bytes)
{
	struct serial *s = f->c->port[f->port].serial;
	size_t most;
	void *to = serial_room(s, &most);
	uint64_t n = bytes < most ? bytes : most;

	if (!n || !take(f, to, n))
		return 0;
	serial_send(s, n);
	return n;
}

/* Up to @bytes of what was typed, to the guest. Returns how many there were. */
static uint64_t type(struct flow *f, uint64_t bytes)
{
	uint8_t part[WINDOW_BYTES];
	uint64_t n = 0;
	int byte;

	while (n < bytes && n < sizeof(part) && (byte = port_get(&f->c->window)) >= 0)
		part[n++] = (uint8_t)byte;
	return give(f, part, n) ? n : 0;
}

/* The same of what came at a serial port. */
static uint64_t receive(struct flow *f, uint64_t bytes)
{
	struct serial *s = f->c->port[f->port].serial;
	size_t came = 0;
	const void *from = s ? serial_input(s, &came) : NULL;
	uint64_t n = bytes < came ? bytes : came;

	if (!n || !give(f, from, n))
		return 0;
	serial_pass(s, n);
	return n;
}

/* --- data --- */

static void spend(uint64_t *most, uint64_t n)
{
	*most -= n < *most ? n : *most;
}

/* Send up to *@most bytes of a chain on, from where it was left. Returns whether it is through. */
static bool send_chain(struct flow *f, const struct virtqueue_chain *chain, uint64_t *most,
		       uint32_t *written)
{
	uint64_t left, n;

	*written = 0;
	f->at = virtqueue_readable(f->q, chain);
	virtqueue_skip(&f->at, f->q->taken);
	left = virtqueue_left(&f->at);
	if (left && host_is_open(f->c, f->port)) {
		n = left < *most ? left : *most;
		n = f->port == CONSOLE ? show(f, n) : send(f, n);
		spend(most, n);
		f->q->taken += n;
		f->c->port[f->port].in += n;
		if (n < left)
			return false;
	}
	f->q->taken = 0;
	return true;
}

/* Fill a chain with what there is, were it one byte. Without room it goes back as it came. */
static bool fill_chain(struct flow *f, const struct virtqueue_chain *chain, uint64_t *most,
		       uint32_t *written)
{
	uint64_t room, part;

	*written = 0;
	f->at = virtqueue_writable(f->q, chain);
	room = virtqueue_left(&f->at);
	while (*written < room && *most) {
		uint64_t left = room - *written;

		part = f->port == CONSOLE ? type(f, left) : receive(f, left);
		if (!part)
			break;
		*written += (uint32_t)part;
		f->c->port[f->port].out += part;
		spend(most, part);
	}
	return *written || !room;
}

/* Move what can be moved through @q. Returns whether there is more than is done at once. */
static bool work(struct virtio_console *c, unsigned port, struct virtqueue *q,
		 bool (*move)(struct flow *f, const struct virtqueue_chain *chain, uint64_t *most,
			      uint32_t *written))
{
	struct flow f = { .c = c, .port = port, .q = q };
	struct virtqueue_chain chain;
	uint64_t most = AT_ONCE;
	bool more = true;

	while (more && most) {
		enum virtqueue_state state = virtqueue_pop(q, &chain);
		uint32_t written;

		if (state != VIRTQUEUE_CHAIN) {
			more = state == VIRTQUEUE_EMPTY && virtqueue_arm(q);
			continue;
		}
		if (move(&f, &chain, &most, &written)) {
			virtio_count(c->device, &chain, written);
			virtqueue_push(q, chain.head, written);
			spend(&most, CHAIN_COST);
		} else {
			virtqueue_put_back(q);
			more = !most;
		}
		more &= !q->is_broken;
	}
	virtio_publish(c->device, q);
	return more;
}

static bool serve_tx(struct virtio_console *c, unsigned port)
{
	return work(c, port, tx_of(c, port), send_chain);
}

/* What comes waits until the guest has opened the port: one of which it knows nothing always is. */
static bool serve_rx(struct virtio_console *c, unsigned port)
{
	const struct virtio_console_port *p = &c->port[port];

	if (!p->is_there || (knows_ports(c) && !p->is_open))
		return false;
	return work(c, port, rx_of(c, port), fill_chain);
}

/* --- messages --- */

/* Bytes that came before the host's end was closed are to reach the guest before it hears of that;
 * so it hears of it where it hasn't any left to fetch. */
static bool close_is_due(const struct virtio_console *c, unsigned port)
{
	const struct virtio_console_port *p = &c->port[port];

	return p->told_open && (p->was_closed || !host_is_open(c, port)) &&
	       !(p->serial && serial_has_input(p->serial));
}

/* Make the next message about @port, if there is one to be sent; it counts as sent. */
static bool next_message(struct virtio_console *c, unsigned port, struct message *m)
{
	struct virtio_console_port *p = &c->port[port];
	bool closes;

	*m = (struct message){ .port = port, .value = 1 };
	for (unsigned i = 0; i < sizeof(owed) / sizeof(owed[0]); i++) {
		if (!(p->owes & owed[i].bit))
			continue;
		p->owes &= ~owed[i].bit;
		m->event = owed[i].event;
		return true;
	}
	closes = close_is_due(c, port);
	if (!p->is_ready || !(closes || (!p->told_open && host_is_open(c, port))))
		return false;
	p->told_open = !closes;
	p->was_closed = false;
	m->event = PORT_OPEN;
	m->value = !closes;
	return true;
}

/* The next message of all, into a chain that holds one; a name is cut to what else it holds. */
static bool tell(struct flow *f, const struct virtqueue_chain *chain, uint64_t *most,
		 uint32_t *written)
{
	struct message m;
	unsigned port = 0;
	uint64_t room, n = 0;

	(void)most;
	*written = 0;
	f->at = virtqueue_writable(f->q, chain);
	room = virtqueue_left(&f->at);
	if (room < sizeof(m))
		return true;
	while (port < VIRTIO_CONSOLE_PORTS && !next_message(f->c, port, &m))
		port++;
	if (port == VIRTIO_CONSOLE_PORTS)
		return false;
	if (m.event == PORT_NAME)
		n = strlen(f->c->port[port].name) + 1;
	if (n > room - sizeof(m))
		n = room - sizeof(m);
	if (give(f, &m, sizeof(m)) && give(f, f->c->port[port].name, n))
		*written = (uint32_t)(sizeof(m) + n);
	return true;
}

static void hear_device_ready(struct virtio_console *c)
{
	for (unsigned port = 0; port < VIRTIO_CONSOLE_PORTS; port++)
		if (c->port[port].is_there)
			c->port[port].owes |= OWES_ADD;
}

static void hear_of_port(struct virtio_console_port *p, const struct message *m)
{
	if (m->event == PORT_READY && m->value) {
		p->owes |= p->name ? OWES_NAME : OWES_CONSOLE;
		p->told_open = false;
	}
	if (m->event == PORT_READY)
		p->is_ready = m->value != 0;
	if (m->event == PORT_OPEN)
		p->is_open = m->value != 0;
}

/* What is too short, about no port that there is, or makes no sense is passed over. */
static bool hear(struct flow *f, const struct virtqueue_chain *chain, uint64_t *most,
		 uint32_t *written)
{
	struct message m;

	(void)most;
	*written = 0;
	f->at = virtqueue_readable(f->q, chain);
	if (virtqueue_left(&f->at) < sizeof(m) || !take(f, &m, sizeof(m)))
		return true;
	if (m.event == DEVICE_READY && m.value)
		hear_device_ready(f->c);
	else if (m.port < VIRTIO_CONSOLE_PORTS && f->c->port[m.port].is_there)
		hear_of_port(&f->c->port[m.port], &m);
	return true;
}

/* What else may have become possible: input, and with the last of it the news of a closed end. */
static bool serve_guest(struct virtio_console *c)
{
	bool more = false;

	for (unsigned port = 0; port < VIRTIO_CONSOLE_PORTS; port++)
		more |= serve_rx(c, port);
	return work(c, CONSOLE, &c->device->queue[CONTROL_RX], tell) || more;
}

static bool serve_host(struct virtio_console *c)
{
	bool more = false;

	for (unsigned port = 0; port < VIRTIO_CONSOLE_PORTS; port++)
		more |= serve_tx(c, port);
	return more;
}

/* --- the device --- */

static bool notified(struct virtio_device *d, unsigned queue)
{
	struct virtio_console *c = &d->board->console;
	bool more = false;

	if (queue == CONTROL_TX)
		more = work(c, CONSOLE, &d->queue[queue], hear);
	else if (queue % 2)
		return serve_tx(c, queue == 1 ? CONSOLE : queue / 2 - 1);
	return serve_guest(c) || more;
}

/* A window that is full loses it, as a machine in need can't wait. */
static void configure(struct virtio_device *d, uint64_t at, uint64_t width, uint32_t v)
{
	struct virtio_console *c = &d->board->console;

	(void)width;
	if (at == offsetof(struct virtio_console_config, emergency_write) &&
	    host_is_open(c, CONSOLE))
		(void)port_put(&c->window, (uint8_t)v);
}

static void reset(struct virtio_device *d)
{
	struct virtio_console *c = &d->board->console;

	c->is_behind = false;
	for (unsigned port = 0; port < VIRTIO_CONSOLE_PORTS; port++) {
		struct virtio_console_port *p = &c->port[port];

		p->owes = 0;
		p->is_ready = p->is_open = p->told_open = p->was_closed = false;
	}
}

/* Bytes of each port, by its number, as the driver has it. */
static unsigned counters(struct virtio_device *d, struct virtio_counter *to)
{
	static const char *const names[VIRTIO_CONSOLE_PORTS][2] = {
		{ "in0", "out0" }, { "in1", "out1" }, { "in2", "out2" }, { "in3", "out3" },
		{ "in4", "out4" },
	};
	unsigned n = 0;

	for (unsigned port = 0; port < VIRTIO_CONSOLE_PORTS; port++) {
		const struct virtio_console_port *p = &d->board->console.port[port];

		if (!p->is_there)
			continue;
		to[n++] = (struct virtio_counter){ names[port][0], p->in };
		to[n++] = (struct virtio_counter){ names[port][1], p->out };
	}
	return n;
}

static void detach(struct virtio_device *d)
{
	virtio_console_detach(d->board);
}

static const struct virtio_kind kind = {
	.id = 3,
	.queue_size = VIRTIO_QUEUE_SIZE,
	.name = "console",
	.detach = detach,
	.notified = notified,
	.configure = configure,
	.reset = reset,
	.counters = counters,
};

/* --- from the host's side --- */

static void find_serial(struct virtio_console *c, struct virtio_console_port *p)
{
	char name[SERIAL_NAME];

	format_text(name, sizeof(name), SERIAL_PORT "%s/%s", c->vm, p->name);
	p->serial = serial_find(name);
}

/* Returns whether there may be others than at the last look. */
static bool find_serials(struct virtio_console *c)
{
	unsigned now = serial_generation();

	if (now == c->generation)
		return false;
	c->generation = now;
	for (unsigned port = 0; port < VIRTIO_CONSOLE_PORTS; port++)
		if (c->port[port].name)
			find_serial(c, &c->port[port]);
	return true;
}

/* Whether something happened at the serial ports. */
static bool take_events(struct virtio_console *c)
{
	bool any = find_serials(c);

	for (unsigned port = 0; port < VIRTIO_CONSOLE_PORTS; port++) {
		struct virtio_console_port *p = &c->port[port];

		if (!p->serial)
			continue;
		any |= serial_take_event(p->serial);
		p->was_closed |= serial_take_closed(p->serial);
	}
	return any;
}

/* Nobody notifies again of what is left then, so the alarm does. */
static void serve(struct virtio_console *c)
{
	if (!virtio_is_live(c->device))
		return;
	c->is_behind = serve_host(c);
	c->is_behind |= serve_guest(c);
	if (c->is_behind)
		(void)alarm_set(REST_DELAY);
}

void virtio_console_turn(struct board *b)
{
	struct virtio_console *c = &b->console;
	bool any;

	lock_take(&c->device->lock);
	any = take_events(c);
	if (any || c->is_behind)
		serve(c);
	lock_release(&c->device->lock);
}

void virtio_console_window_event(struct board *b)
{
	struct virtio_console *c = &b->console;

	lock_take(&c->device->lock);
	serve(c);
	lock_release(&c->device->lock);
}

static void open_window(struct virtio_console *c, const struct virtio_console_plan *plan)
{
	format_text(c->label, sizeof(c->label), "%s" VIRTIO_CONSOLE_LABEL, plan->vm);
	c->window =
		(struct port){ .label = c->label, .owner = plan->owner, .history = plan->history };
	c->port[CONSOLE].is_there = true;
	port_open(&c->window);
}

void virtio_console_attach(struct board *b, unsigned slot, struct gstage *gs,
			   const struct virtio_console_plan *plan)
{
	struct virtio_console *c = &b->console;

	*c = (struct virtio_console){ .device = &b->virtio[slot],
				      .vm = plan->vm,
				      .config.ports = VIRTIO_CONSOLE_PORTS,
				      .listener.owner = b,
				      .generation = serial_generation() - 1 };
	for (unsigned i = 0; i < plan->named_n; i++)
		c->port[1 + i] =
			(struct virtio_console_port){ .is_there = true, .name = plan->named[i] };
	virtio_attach(b, slot, &kind, 2 * VIRTIO_CONSOLE_PORTS + 2, gs,
		      F_MULTIPORT | (plan->history ? F_EMERG_WRITE : 0), &c->config,
		      sizeof(c->config));
	(void)find_serials(c);
	if (plan->history)
		open_window(c, plan);
	serial_listen(&c->listener);
}

void virtio_console_detach(struct board *b)
{
	struct virtio_console *c = &b->console;

	if (!c->device)
		return;
	serial_ignore(&c->listener);
	if (c->port[CONSOLE].is_there)
		port_close(&c->window);
}
