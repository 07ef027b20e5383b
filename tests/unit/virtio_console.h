/*
 * For tests of hyp/dev/virtio_console.c: hosts' ends of the test's own, a window and two serial
 * ports, and a driver with many queues.
 */
#ifndef TESTS_UNIT_VIRTIO_CONSOLE_H
#define TESTS_UNIT_VIRTIO_CONSOLE_H

#include "tests/unit/virtio.h"

#include "hyp/vcpu/irq.h"

#define SERIAL_TAKES 1000
#define SERIAL_OUT   20000
#include "tests/fake/serials.h"

#define SLOT	    2
#define SIZE	    16
#define F_MULTIPORT (UINT64_C(1) << 1)
#define AT_ONCE	    8192

enum { READY = 0, ADD = 1, PORT_READY = 3, CONSOLE = 4, OPEN = 6, NAME = 7 };
enum { RX0 = 0, TX0 = 1, CONTROL_RX = 2, CONTROL_TX = 3, RX1 = 4, TX1 = 5, RX2 = 6, TX2 = 7 };

/* --- the host's ends --- */

static struct {
	char out[70000], in[256];
	size_t out_n, out_most, in_n, in_at;
	struct port *port;
} window;

void irq_set_external(struct vcpu *v, bool high)
{
	(void)v;
	(void)high;
}

void port_open(struct port *p)
{
	/* The UART's comes first; nobody looks at that one. */
	window.port = p;
}

void port_close(struct port *p)
{
	assert_ptr_equal(p, window.port);
	window.port = NULL;
}

bool port_put(struct port *p, uint8_t byte)
{
	assert_ptr_equal(p, window.port);
	if (window.out_n == window.out_most)
		return false;
	window.out[window.out_n++] = (char)byte;
	return true;
}

int port_get(struct port *p)
{
	if (p != window.port || window.in_at == window.in_n)
		return -1;
	return window.in[window.in_at++];
}

/* Something happened at @s. */
static inline void happen(struct serial *s)
{
	s->event = true;
	virtio_console_turn(&board);
}

/* What was sent is through. */
static inline void drain(struct serial *s)
{
	s->is_busy = false;
	happen(s);
}

static inline void arrive(struct serial *s, const char *text)
{
	assert_int_equal(s->in_n, s->in_at);
	s->in_at = 0;
	s->in_n = strlen(text);
	memcpy(s->in, text, s->in_n);
	happen(s);
}

static inline void set_open(struct serial *s, bool is_open)
{
	s->is_open = is_open;
	s->was_closed |= !is_open;
	happen(s);
}

/* --- a driver with many queues --- */

static struct {
	uint16_t offered, seen;
} state_of[12];

static inline uint64_t table_of(unsigned queue)
{
	return RAM + 0x100000 + 0x4000 * queue;
}

static inline uint64_t buffer_of(unsigned queue, unsigned i)
{
	return RAM + 0x200000 + 0x40000 * queue + 0x4000 * i;
}

static inline void set_address(unsigned at, uint64_t v)
{
	put(SLOT, at, (uint32_t)v);
	put(SLOT, at + 4, (uint32_t)(v >> 32));
}

static inline void set_up_queue(unsigned queue)
{
	uint64_t at = table_of(queue);

	put(SLOT, QUEUE_SEL, queue);
	put(SLOT, QUEUE_SIZE, SIZE);
	set_address(QUEUE_DESC, at);
	set_address(QUEUE_AVAIL, at + 0x1000);
	set_address(QUEUE_USED, at + 0x2000);
	put16(at + 0x1000, 0);
	put16(at + 0x1002, 0);
	put16(at + 0x2002, 0);
	put(SLOT, QUEUE_READY, 1);
	state_of[queue].offered = state_of[queue].seen = 0;
}

static inline void begin(uint64_t features)
{
	put(SLOT, STATUS, 0);
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER);
	accept(SLOT, features | VIRTIO_F_VERSION_1);
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	for (unsigned queue = 0; queue < 12; queue++)
		set_up_queue(queue);
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/* Offer a chain of one part, of @bytes, on @queue. */
static inline void lay(unsigned queue, uint32_t bytes)
{
	unsigned i = state_of[queue].offered % SIZE;

	put_desc(table_of(queue), i, buffer_of(queue, i), bytes, queue % 2 ? 0 : WRITE, 0);
	put16(table_of(queue) + 0x1004 + 2 * i, (uint16_t)i);
	put16(table_of(queue) + 0x1002, ++state_of[queue].offered);
}

static inline enum mmio_result tell(unsigned queue)
{
	return put(SLOT, NOTIFY, queue);
}

/* How many chains of @queue came back since this was last asked, at most one; *@bytes: written. */
static inline bool back(unsigned queue, uint32_t *bytes)
{
	uint64_t used = table_of(queue) + 0x2000;
	uint16_t seen = state_of[queue].seen;

	if (get16(used + 2) == seen)
		return false;
	*bytes = get32(used + 4 + 8 * (seen % SIZE) + 4);
	state_of[queue].seen++;
	return true;
}

static inline void send(unsigned queue, const void *from, uint32_t bytes)
{
	guest_put(buffer_of(queue, state_of[queue].offered % SIZE), from, bytes);
	lay(queue, bytes);
	assert_int_equal(tell(queue), MMIO_OK);
}

static inline bool is_back(unsigned queue)
{
	uint32_t bytes;

	return back(queue, &bytes);
}

static inline void control(uint32_t port, uint16_t event, uint16_t value)
{
	struct {
		uint32_t port;
		uint16_t event, value;
	} m = { port, event, value };

	send(CONTROL_TX, &m, sizeof(m));
	assert_true(is_back(CONTROL_TX));
}

static inline void expect(uint32_t port, uint16_t event, uint16_t value, const char *name)
{
	unsigned i = state_of[CONTROL_RX].seen % SIZE;
	uint64_t at = buffer_of(CONTROL_RX, i);
	uint32_t bytes;
	char got[64];

	assert_true(back(CONTROL_RX, &bytes));
	assert_int_equal(get32(at), port);
	assert_int_equal(get16(at + 4), event);
	assert_int_equal(get16(at + 6), value);
	assert_int_equal(bytes, name ? 8 + strlen(name) + 1 : 8);
	if (name) {
		guest_get(at + 8, got, strlen(name) + 1);
		assert_string_equal(got, name);
	}
}

static inline void expect_no_more(void)
{
	assert_false(is_back(CONTROL_RX));
}

static inline void expect_input(unsigned queue, const char *text)
{
	unsigned i = state_of[queue].seen % SIZE;
	char got[64] = { 0 };
	uint32_t bytes;

	assert_true(back(queue, &bytes));
	assert_int_equal(bytes, strlen(text));
	guest_get(buffer_of(queue, i), got, bytes);
	assert_string_equal(got, text);
}

#endif
