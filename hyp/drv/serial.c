/*
 * Driver of the host's virtio-serial device, and its ports.
 *
 * Each port has one buffer a direction: what the device may fill belongs to it until it has, and
 * then to us until all of it has been read; what is being sent is the device's until it is through.
 * Our ends are open always: QEMU loses what comes just after one was closed, where it waits if it
 * isn't read. Of the messages that we send one is under way at a time: the device answers a "port
 * ready" with several, and drops those that find no buffer.
 *
 * Source: virtio 1.3, "Console Device". Next: hyp/drv/virtio.c.
 */
#include "hyp/drv/serial.h"

#include "hyp/drv/host.h"
#include "hyp/drv/plic.h"
#include "hyp/drv/virtio.h"
#include "hyp/lib/lock.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"
#include "hyp/mm/frame.h"
#include "hyp/mm/phys.h"

#define PORTS_MAX   40 /* a console for each VM, the control port, some to spare */
#define RX_BYTES    1024
#define TX_BYTES    2048
#define QUEUE	    4  /* descriptors; one of them is ever used */
#define MESSAGES    32 /* buffers for the device's messages: one for each port at start */
#define MESSAGE_MAX (sizeof(struct message) + SERIAL_NAME - 1)

#define FEATURE_MULTIPORT (UINT64_C(1) << 1)
#define CONFIG_PORTS	  4 /* le32 max_nr_ports */

enum { CONTROL_RX = 2, CONTROL_TX = 3 };

/* Events of the control queues. */
enum {
	DEVICE_READY = 0,
	PORT_ADD = 1,
	PORT_REMOVE = 2,
	PORT_READY = 3,
	PORT_OPEN = 6,
	PORT_NAME = 7,
};

struct message {
	uint32_t port;
	uint16_t event, value;
};

/* What the device reads and writes: a frame for each port, and one for the control queues. */
struct port_memory {
	uint8_t rx_queue[VIRTQ_BYTES(QUEUE)], tx_queue[VIRTQ_BYTES(QUEUE)];
	uint8_t rx[RX_BYTES], tx[TX_BYTES];
};

struct control_memory {
	uint8_t rx_queue[VIRTQ_BYTES(MESSAGES)], tx_queue[VIRTQ_BYTES(QUEUE)];
	struct message tx;
	union {
		struct message message;
		uint8_t bytes[MESSAGE_MAX];
	} rx[MESSAGES];
};

_Static_assert(sizeof(struct port_memory) <= PAGE_SIZE, "a frame");
_Static_assert(sizeof(struct control_memory) <= PAGE_SIZE, "a frame");
_Static_assert(VIRTQ_BYTES(QUEUE) % 16 == 0 && VIRTQ_BYTES(MESSAGES) % 16 == 0, "aligned");

struct serial {
	char name[SERIAL_NAME]; /* "": none, or none yet */
	bool is_there;		/* the device has added it */
	_Atomic bool is_open;	/* at the host's end; read without the lock */
	bool is_sending;	/* .tx is the device's */
	bool has_event;
	bool was_closed;	    /* at the host's end, since somebody asked */
	bool owes_ready, owes_open; /* messages that are to be sent */
	unsigned rx_n, rx_at;	    /* bytes in .rx; the next to be read. 0: .rx is the device's */
	struct virtq rx, tx;
	struct port_memory *memory;
};

static struct {
	struct lock lock;
	struct virtio virtio; /* .kind 0: there is none */
	unsigned ports_n;
	_Atomic uint32_t generation;
	bool owes_ready, is_sending; /* control messages */
	struct virtq rx, tx;
	struct control_memory *memory;
	/* The chain of each buffer for messages. */
	uint8_t buffer_of[VIRTQ_MAX];
	struct frame_pool pool;
	struct serial_listener *listeners, *served; /* .served: whose turn it is */
	unsigned round;
	struct serial port[PORTS_MAX];
} device;

static bool offer(struct virtq *q, void *at, size_t bytes, bool is_written, unsigned *id)
{
	struct virtq_part part = { phys_address(at), (uint32_t)bytes, is_written };
	int head = virtq_add(q, &part, 1);

	if (head < 0)
		return false;
	*id = (unsigned)head;
	return true;
}

static void offer_message_buffer(unsigned i)
{
	unsigned id;

	if (offer(&device.rx, &device.memory->rx[i], MESSAGE_MAX, true, &id))
		device.buffer_of[id] = (uint8_t)i;
}

static void offer_rx(struct serial *s)
{
	unsigned id;

	s->rx_n = s->rx_at = 0;
	offer(&s->rx, s->memory->rx, RX_BYTES, true, &id);
	virtq_notify(&s->rx);
}

static void send_message(unsigned port, unsigned event)
{
	unsigned id;

	device.memory->tx = (struct message){ port, (uint16_t)event, 1 };
	device.is_sending =
		offer(&device.tx, &device.memory->tx, sizeof(struct message), false, &id);
	virtq_notify(&device.tx);
}

/* The next message that is owed, if the last one is through. */
static void send_owed(void)
{
	if (device.is_sending)
		return;
	if (device.owes_ready) {
		device.owes_ready = false;
		send_message(0, DEVICE_READY);
		return;
	}
	for (unsigned i = 0; i < device.ports_n; i++) {
		struct serial *s = &device.port[i];

		if (s->owes_ready) {
			s->owes_ready = false;
			send_message(i, PORT_READY);
			return;
		}
		if (s->owes_open) {
			s->owes_open = false;
			send_message(i, PORT_OPEN);
			return;
		}
	}
}

static void port_added(struct serial *s)
{
	s->is_there = s->owes_ready = s->owes_open = true;
}

static void port_removed(struct serial *s)
{
	s->is_there = s->owes_ready = s->owes_open = false;
	s->is_open = false; /* atomic: for clang not a value to go on with */
	s->was_closed = true;
	s->has_event = true;
	s->name[0] = 0;
	device.generation++;
}

static void port_opened(struct serial *s, bool is_open)
{
	s->is_open = is_open;
	s->was_closed |= !is_open;
	s->has_event = true;
}

/* A name that is too long is cut. */
static void port_named(struct serial *s, const uint8_t *name, size_t n)
{
	if (n > SERIAL_NAME - 1)
		n = SERIAL_NAME - 1;
	memcpy(s->name, name, n);
	s->name[n] = 0;
	device.generation++;
}

/* What isn't for a port that we know, and events that need no answer, are passed over. */
static void take_message(const uint8_t *bytes, size_t n)
{
	struct message m;
	struct serial *s;

	if (n < sizeof(m))
		return;
	memcpy(&m, bytes, sizeof(m));
	if (m.port >= device.ports_n)
		return;
	s = &device.port[m.port];
	if (m.event == PORT_ADD)
		port_added(s);
	else if (!s->is_there)
		return;
	else if (m.event == PORT_REMOVE)
		port_removed(s);
	else if (m.event == PORT_NAME)
		port_named(s, bytes + sizeof(m), n - sizeof(m));
	else if (m.event == PORT_OPEN)
		port_opened(s, m.value != 0);
}

/* At most as many as there are buffers: what comes meanwhile interrupts again. */
static void take_messages(void)
{
	unsigned id, n = 0;
	uint32_t bytes;

	for (; n < MESSAGES && virtq_take(&device.rx, &id, &bytes); n++) {
		unsigned i = device.buffer_of[id];

		take_message(device.memory->rx[i].bytes, bytes);
		offer_message_buffer(i);
	}
	if (n)
		virtq_notify(&device.rx);
	if (virtq_take(&device.tx, &id, &bytes))
		device.is_sending = false;
	send_owed();
}

static void take_port(struct serial *s)
{
	unsigned id;
	uint32_t bytes;

	if (virtq_take(&s->tx, &id, &bytes)) {
		s->is_sending = false;
		s->has_event = true;
	}
	if (!virtq_take(&s->rx, &id, &bytes))
		return;
	s->rx_n = bytes;
	if (bytes)
		s->has_event = true;
	else
		offer_rx(s);
}

void serial_poll(void)
{
	if (!device.virtio.kind)
		return;
	lock_take(&device.lock);
	virtio_interrupt(&device.virtio);
	take_messages();
	for (unsigned i = 0; i < device.ports_n; i++)
		take_port(&device.port[i]);
	lock_release(&device.lock);
}

bool serial_interrupt(unsigned source)
{
	if (!device.virtio.kind || source != device.virtio.irq)
		return false;
	serial_poll();
	return true;
}

struct serial *serial_find(const char *name)
{
	struct serial *found = NULL;

	lock_take(&device.lock);
	for (unsigned i = 0; i < device.ports_n && !found; i++)
		if (device.port[i].is_there && strcmp(device.port[i].name, name) == 0)
			found = &device.port[i];
	lock_release(&device.lock);
	return found;
}

unsigned serial_generation(void)
{
	return device.generation;
}

bool serial_is_open(struct serial *s)
{
	return s->is_open;
}

/* With the lock. */
static void *room(struct serial *s, size_t *n)
{
	*n = s->is_there && !s->is_sending ? TX_BYTES : 0;
	return *n ? s->memory->tx : NULL;
}

static void send(struct serial *s, size_t n)
{
	unsigned id;

	if (!n || !s->is_there)
		return;
	s->is_sending = offer(&s->tx, s->memory->tx, n, false, &id);
	virtq_notify(&s->tx);
}

static const void *input(struct serial *s, size_t *n)
{
	*n = s->rx_n - s->rx_at;
	return s->memory->rx + s->rx_at;
}

static void pass(struct serial *s, size_t n)
{
	s->rx_at += (unsigned)n;
	if (n && s->rx_at == s->rx_n)
		offer_rx(s);
}

size_t serial_write(struct serial *s, const void *from, size_t n)
{
	size_t most;
	void *to;

	lock_take(&device.lock);
	to = room(s, &most);
	n = n < most ? n : most;
	if (n)
		memcpy(to, from, n);
	send(s, n);
	lock_release(&device.lock);
	return n;
}

size_t serial_read(struct serial *s, void *to, size_t n)
{
	const void *from;
	size_t left;

	lock_take(&device.lock);
	from = input(s, &left);
	n = n < left ? n : left;
	memcpy(to, from, n);
	pass(s, n);
	lock_release(&device.lock);
	return n;
}

void *serial_room(struct serial *s, size_t *n)
{
	void *to;

	lock_take(&device.lock);
	to = room(s, n);
	lock_release(&device.lock);
	return to;
}

void serial_send(struct serial *s, size_t n)
{
	lock_take(&device.lock);
	send(s, n);
	lock_release(&device.lock);
}

const void *serial_input(struct serial *s, size_t *n)
{
	const void *from;

	lock_take(&device.lock);
	from = input(s, n);
	lock_release(&device.lock);
	return from;
}

void serial_pass(struct serial *s, size_t n)
{
	lock_take(&device.lock);
	pass(s, n);
	lock_release(&device.lock);
}

bool serial_take_closed(struct serial *s)
{
	bool was_closed;

	lock_take(&device.lock);
	was_closed = s->was_closed;
	s->was_closed = false;
	lock_release(&device.lock);
	return was_closed;
}

void serial_listen(struct serial_listener *l)
{
	lock_take(&device.lock);
	l->round = device.round - 1;
	l->next = device.listeners;
	device.listeners = l;
	lock_release(&device.lock);
}

void serial_ignore(struct serial_listener *l)
{
	struct serial_listener **at = &device.listeners;

	lock_take(&device.lock);
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	while (device.served == l) {
		lock_release(&device.lock);
		cpu_relax();
		lock_take(&device.lock);
	}
	lock_release(&device.lock);
}

void *serial_next_owner(void)
{
	struct serial_listener *l;

	lock_take(&device.lock);
	for (l = device.listeners; l && l->round == device.round; l = l->next)
		;
	if (l)
		l->round = device.round;
	else
		device.round++;
	device.served = l;
	lock_release(&device.lock);
	return l ? l->owner : NULL;
}

bool serial_has_input(struct serial *s)
{
	bool has;

	lock_take(&device.lock);
	has = s->rx_at != s->rx_n;
	lock_release(&device.lock);
	return has;
}

bool serial_take_event(struct serial *s)
{
	bool event;

	lock_take(&device.lock);
	event = s->has_event;
	s->has_event = false;
	lock_release(&device.lock);
	return event;
}

/* A zeroed frame, laid out as the caller will. */
static void *new_frame(void)
{
	hpa_t at;

	return frame_alloc(&device.pool, &at) == OK ? phys_pointer(at) : NULL;
}

static enum err init_queue(struct virtq *q, unsigned index, unsigned size, const uint8_t *at)
{
	return virtq_init(q, &device.virtio, index, size, phys_address(at));
}

static enum err init_control(void)
{
	enum err e;

	device.memory = new_frame();
	if (!device.memory)
		return ERR_NOMEM;
	e = init_queue(&device.rx, CONTROL_RX, MESSAGES, device.memory->rx_queue);
	return e ? e : init_queue(&device.tx, CONTROL_TX, QUEUE, device.memory->tx_queue);
}

/* Port 0 has queues 0 and 1, the control queues come next, then the other ports in order. */
static enum err init_port(unsigned i)
{
	struct serial *s = &device.port[i];
	unsigned queue = i ? 2 * i + 2 : 0;
	enum err e;

	s->memory = new_frame();
	if (!s->memory)
		return ERR_NOMEM;
	e = init_queue(&s->rx, queue, QUEUE, s->memory->rx_queue);
	return e ? e : init_queue(&s->tx, queue + 1, QUEUE, s->memory->tx_queue);
}

static enum err init_device(void)
{
	uint64_t features;
	enum err e = virtio_begin(&device.virtio, FEATURE_MULTIPORT, &features);

	if (!e && !(features & FEATURE_MULTIPORT))
		e = ERR_UNSUPPORTED;
	if (!e)
		e = init_control();
	if (e)
		return e;
	device.ports_n = virtio_config(&device.virtio, CONFIG_PORTS);
	if (device.ports_n > PORTS_MAX)
		device.ports_n = PORTS_MAX;
	for (unsigned i = 0; i < device.ports_n && !e; i++)
		e = init_port(i);
	return e;
}

/* Buffers for all that may come, then the word that it may. */
static void begin(void)
{
	virtio_ready(&device.virtio);
	plic_host_enable(device.virtio.irq);
	for (unsigned i = 0; i < device.ports_n; i++)
		offer_rx(&device.port[i]);
	for (unsigned i = 0; i < MESSAGES; i++)
		offer_message_buffer(i);
	virtq_notify(&device.rx);
	device.owes_ready = true;
	send_owed();
}

static void free_frame(const void *frame)
{
	if (frame)
		frame_free(&device.pool, phys_address(frame), 1);
}

static void give_up(enum err e)
{
	log_error("the host's serial ports aren't used: %s", err_name(e));
	virtio_give_up(&device.virtio);
	free_frame(device.memory);
	for (unsigned i = 0; i < device.ports_n; i++)
		free_frame(device.port[i].memory);
	device.ports_n = 0;
	device.virtio.kind = 0;
}

void serial_init(void)
{
	enum err e;

	device.virtio = virtio_find(VIRTIO_CONSOLE);
	if (!device.virtio.kind)
		return;
	e = init_device();
	if (e)
		give_up(e);
	else
		begin();
}
