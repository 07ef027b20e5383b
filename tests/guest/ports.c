/*
 * Consoles and named ports behind virtio-mmio: the talk about them, bytes both ways, nothing lost
 * where a side is slow, and that a driver that breaks the rules harms nobody: after a reset the
 * device works as before.
 *
 * Run with port 0 a console, port 1 "echo", at whose other end somebody sends back what comes, and
 * port 2 "sink", whose other end takes everything; without a device all is skipped. Nothing here
 * waits without a limit.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/string.h"
#include "tests/guest/tap.h"
#include "tests/guest/vdrv.h"

#define ID_CONSOLE 3

#define F_MULTIPORT   (1ul << 1)
#define F_EMERG_WRITE (1ul << 2)

enum { READY = 0, ADD = 1, PORT_READY = 3, CONSOLE = 4, OPEN = 6, NAME = 7, EVENTS };
enum { TX0 = 1, CONTROL_RX = 2, CONTROL_TX = 3, RX1 = 4, TX1 = 5, RX2 = 6, TX2 = 7, QUEUES };
enum { PORTS = 3, SIZE = 16, BUFFER = 8192 };

struct message {
	uint32_t port;
	uint16_t event, value;
};

static struct ring {
	VDRV_RINGS(SIZE);
} rings[QUEUES];
static uint16_t seen[QUEUES]; /* of each used ring */
static uint8_t buffers[QUEUES][SIZE][BUFFER] __attribute__((aligned(4096)));

/* What was said of each port since the last start: how often, and the last value. */
static struct {
	unsigned n[EVENTS];
	uint16_t value[EVENTS];
	char name[32];
} said[PORTS];

static unsigned slot;
static unsigned token; /* the last one that was sent */

static bool is_over(uint64_t end)
{
	return csr_read(CSR_TIME) >= end;
}

static uint64_t in_seconds(unsigned n)
{
	return csr_read(CSR_TIME) + n * board.timebase;
}

static void start_device(uint64_t features)
{
	(void)vdrv_begin(slot, features);
	for (unsigned queue = 0; queue < QUEUES; queue++) {
		vdrv_set_queue(slot, queue, &rings[queue], SIZE);
		seen[queue] = 0;
	}
	vdrv_go(slot);
	mem_set(said, 0, sizeof(said));
}

/* Offer descriptor @i of @queue: its buffer, or @bytes of it. */
static void offer(unsigned queue, unsigned i, uint32_t bytes)
{
	rings[queue].desc[i] =
		(struct desc){ (uint64_t)buffers[queue][i], bytes, queue % 2 ? 0 : WRITE, 0 };
	vdrv_offer(&rings[queue], SIZE, i);
}

static void notify(unsigned queue)
{
	vdrv_set(slot, R_NOTIFY, queue);
}

/* The next buffer that is back, within @end: its number, and *@bytes written; -1: none. */
static int take(unsigned queue, uint32_t *bytes, uint64_t end)
{
	volatile uint16_t *n = &rings[queue].used.n;
	unsigned at = seen[queue] % SIZE;

	while (*n == seen[queue])
		if (is_over(end))
			return -1;
	vdrv_barrier();
	*bytes = rings[queue].used.entry[at].bytes;
	seen[queue]++;
	return (int)(rings[queue].used.entry[at].id % SIZE);
}

/* Send @bytes of the first buffer of @queue, and wait until it is back. */
static bool send(unsigned queue, uint32_t bytes)
{
	uint32_t none;

	offer(queue, 0, bytes);
	notify(queue);
	return take(queue, &none, in_seconds(5)) == 0;
}

static bool control(uint32_t port, unsigned event, unsigned value)
{
	*(struct message *)buffers[CONTROL_TX][0] =
		(struct message){ port, (uint16_t)event, (uint16_t)value };
	return send(CONTROL_TX, sizeof(struct message));
}

static void note(const uint8_t *buffer, uint32_t bytes)
{
	const struct message *m = (const struct message *)buffer;

	if (bytes < sizeof(*m) || m->port >= PORTS || m->event >= EVENTS)
		return;
	said[m->port].n[m->event]++;
	said[m->port].value[m->event] = m->value;
	for (unsigned i = 0; m->event == NAME && i < 31 && sizeof(*m) + i < bytes; i++)
		said[m->port].name[i] = (char)buffer[sizeof(*m) + i];
}

/* Listen until @event was said of @port @n times in all, or the time is over. */
static bool hear(unsigned port, unsigned event, unsigned n)
{
	uint64_t end = in_seconds(10);
	uint32_t bytes;
	int i;

	while (said[port].n[event] < n) {
		i = take(CONTROL_RX, &bytes, end);
		if (i < 0)
			return false;
		note(buffers[CONTROL_RX][i], bytes);
		offer(CONTROL_RX, (unsigned)i, 64);
		notify(CONTROL_RX);
	}
	return true;
}

/* As far as a driver goes before anybody uses a port. */
static bool start(void)
{
	bool good;

	start_device(F_MULTIPORT);
	for (unsigned i = 0; i < SIZE; i++)
		offer(CONTROL_RX, i, 64);
	notify(CONTROL_RX);
	good = control(~0u, READY, 1);
	for (unsigned port = 0; port < PORTS; port++)
		good &= hear(port, ADD, 1) && control(port, PORT_READY, 1);
	return good && hear(0, CONSOLE, 1) && hear(1, NAME, 1) && hear(2, NAME, 1);
}

/* How many of the next @bytes that come at port 1 are those of counting up from 0. */
static uint32_t counted(uint32_t bytes)
{
	uint64_t end = in_seconds(10);
	uint32_t n, done = 0, good = 0;
	int i;

	while (done < bytes && (i = take(RX1, &n, end)) >= 0) {
		for (uint32_t k = 0; k < n; k++)
			good += buffers[RX1][i][k] == (uint8_t)(done + k);
		done += n;
		offer(RX1, (unsigned)i, 100);
		notify(RX1);
	}
	return good;
}

/* What comes at port 1 until the token that was sent last, behind which there is nothing. */
static bool hear_token(void)
{
	uint64_t end = in_seconds(10);
	uint32_t word = 0, n;
	int i;

	for (;;) {
		i = take(RX1, &n, end);
		if (i < 0)
			return false;
		for (uint32_t k = 0; k < n; k++)
			word = word << 8 | buffers[RX1][i][k];
		if (word == token)
			return true;
		offer(RX1, (unsigned)i, 100);
		notify(RX1);
	}
}

/* Send a token to the echo and wait for it. */
static bool echoes(void)
{
	token = (token + 1) | 0x80000000u;
	for (unsigned k = 0; k < 4; k++)
		buffers[TX1][0][k] = (uint8_t)(token >> (24 - 8 * k));
	return send(TX1, 4) && hear_token();
}

static void offer_all(unsigned queue, uint32_t bytes)
{
	for (unsigned i = 0; i < SIZE; i++)
		offer(queue, i, bytes);
	notify(queue);
}

static bool works(void)
{
	if (!start() || !hear(1, OPEN, 1) || !control(1, OPEN, 1))
		return false;
	offer_all(RX1, BUFFER);
	return echoes();
}

static void test_device(void)
{
	uint32_t features;

	vdrv_set(slot, R_FEATURES_SEL, 0);
	features = vdrv_get(slot, R_FEATURES);
	test_ok(features & F_MULTIPORT, "it has several ports");
	test_is(vdrv_get(slot, R_CONFIG + 4), 5, "at most five");
	vdrv_set(slot, R_QUEUE_SEL, 2 * 5 + 1);
	test_ok(vdrv_get(slot, R_QUEUE_MAX) >= SIZE, "twelve queues");
	vdrv_set(slot, R_QUEUE_SEL, 2 * 5 + 2);
	test_is(vdrv_get(slot, R_QUEUE_MAX), 0, "and no more");
	test_ok(features & F_EMERG_WRITE, "emergency write");
	vdrv_set(slot, R_CONFIG + 8, '\n');
	test_is(vdrv_get(slot, R_CONFIG + 4), 5, "an emergency write changes nothing");
}

static void test_talk(void)
{
	test_ok(start(), "start");
	test_is(vdrv_get(slot, R_INTERRUPT), 1, "messages interrupt");
	vdrv_set(slot, R_ACK, 1);
	test_is(vdrv_get(slot, R_INTERRUPT), 0, "acknowledged");
	test_is(said[0].n[NAME], 0, "the console has no name");
	test_is(said[1].n[CONSOLE] + said[2].n[CONSOLE], 0, "the others are no consoles");
	test_ok(str_equal(said[1].name, "echo"), "port 1 is echo");
	test_ok(str_equal(said[2].name, "sink"), "port 2 is sink");
	test_ok(hear(0, OPEN, 1) && said[0].value[OPEN], "the console is open");
	test_ok(hear(1, OPEN, 1) && said[1].value[OPEN], "echo is open");
	test_ok(hear(2, OPEN, 1) && said[2].value[OPEN], "sink is open");
	test_ok(control(~0u, READY, 1) && hear(2, ADD, 2), "all are told again for the asking");
}

static void test_output(void)
{
	bool good = true;
	uint32_t none;

	(void)start();
	mem_set(buffers[TX2], '.', sizeof(buffers[TX2]));
	test_ok(hear(2, OPEN, 1) && send(TX2, 1), "a byte");
	test_ok(send(TX2, BUFFER), "as many as a buffer holds");
	for (unsigned i = 0; i < SIZE; i++)
		offer(TX2, i, BUFFER);
	notify(TX2);
	for (unsigned i = 0; i < SIZE; i++)
		good &= take(TX2, &none, in_seconds(5)) == (int)i;
	test_ok(good, "sixteen buffers, in order");
	for (unsigned i = 0; i < SIZE; i++)
		rings[TX2].desc[i] = (struct desc){ (uint64_t)buffers[TX2][i], BUFFER,
						    i + 1 < SIZE ? NEXT : 0, (uint16_t)(i + 1) };
	vdrv_offer(&rings[TX2], SIZE, 0);
	notify(TX2);
	test_ok(take(TX2, &none, in_seconds(5)) == 0, "a chain of sixteen");
	test_ok(send(TX0, 1), "a byte on the console");
}

static void test_echo(void)
{
	bool good = true;

	test_ok(works(), "echo");
	for (unsigned k = 0; k < 8; k++)
		good &= echoes();
	test_ok(good, "echo, again and again");
	for (unsigned i = 0; i < 8; i++)
		for (unsigned k = 0; k < BUFFER; k++)
			buffers[TX1][i][k] = (uint8_t)k;
	for (unsigned i = 0; i < 8; i++)
		offer(TX1, i, BUFFER);
	notify(TX1);
	test_is(counted(8 * BUFFER), 8 * BUFFER, "64 KiB come back in order");
}

/* What comes before there is room, or before the port is open, is there when there is. */
static void test_waiting(void)
{
	uint32_t bytes;

	(void)start();
	(void)hear(1, OPEN, 1);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < BUFFER; k++)
			buffers[TX1][i][k] = (uint8_t)k;
		offer(TX1, i, BUFFER);
	}
	notify(TX1);
	offer_all(RX1, 100);
	test_is((uint64_t)take(RX1, &bytes, in_seconds(1)), ~0ul,
		"nothing before the port is open");
	test_ok(control(1, OPEN, 1), "open it");
	test_is(counted(4 * BUFFER), 4 * BUFFER, "all of it then");
	test_ok(control(1, OPEN, 0) && control(1, OPEN, 1), "close it, open it");
	test_ok(echoes(), "echo");
}

static void test_reset_in_the_middle(void)
{
	for (unsigned k = 0; k < 20; k++) {
		(void)start();
		(void)control(1, OPEN, 1);
		offer_all(RX1, k);
		offer_all(TX1, 500);
		offer_all(TX2, BUFFER);
	}
	test_ok(works(), "works after resets in the middle");
}

/* Each spoils descriptor 0 of a queue, which stands alone. */
static void loop(struct ring *r)
{
	r->desc[0].flags |= NEXT;
	r->desc[0].next = 0;
}

static void next_outside(struct ring *r)
{
	r->desc[0].flags |= NEXT;
	r->desc[0].next = 0xffff;
}

static void outside_ram(struct ring *r)
{
	r->desc[0].at = board.ram_base + board.ram_bytes;
}

static void wrapping(struct ring *r)
{
	r->desc[0].at = ~0ul - 15;
	r->desc[0].bytes = 64;
}

static void huge(struct ring *r)
{
	r->desc[0].bytes = 0xffffffff;
}

static void nothing(struct ring *r)
{
	r->desc[0].bytes = 0;
}

static void head_outside(struct ring *r)
{
	r->avail.id[0] = SIZE;
}

static void index_jumps(struct ring *r)
{
	r->avail.n = (uint16_t)(r->avail.n + 3 * SIZE);
}

static void other_direction(struct ring *r)
{
	r->desc[0].flags ^= WRITE;
}

static const struct {
	const char *name;
	void (*spoil)(struct ring *r);
} bad[] = {
	{ "a loop", loop },
	{ "next far outside", next_outside },
	{ "a buffer outside RAM", outside_ram },
	{ "a buffer that wraps", wrapping },
	{ "4 GiB", huge },
	{ "no bytes", nothing },
	{ "a head outside the table", head_outside },
	{ "an index that jumps", index_jumps },
	{ "the wrong direction", other_direction },
};

/* What makes the device look at its queues, if it still looks at any. */
static void say_anything(void)
{
	static const struct message m[] = { { ~0u, READY, 1 }, { 1, OPEN, 1 } };

	for (unsigned i = 0; i < COUNT(m); i++) {
		*(struct message *)buffers[CONTROL_TX][1 + i] = m[i];
		offer(CONTROL_TX, 1 + i, sizeof(m[i]));
	}
	notify(CONTROL_TX);
}

static void test_bad(void)
{
	static const unsigned queues[] = { TX0, CONTROL_RX, CONTROL_TX, RX1, TX1, TX2 };

	for (unsigned q = 0; q < COUNT(queues); q++)
		for (unsigned i = 0; i < COUNT(bad); i++) {
			start_device(F_MULTIPORT);
			offer(queues[q], 0, 64);
			bad[i].spoil(&rings[queues[q]]);
			vdrv_barrier();
			notify(queues[q]);
			say_anything();
			test_ok(works(), "queue %u, %s: works after a reset", queues[q],
				bad[i].name);
		}
}

/* All that can be said, in an order that makes no sense, before and after a good start. */
static void test_bad_talk(void)
{
	uint64_t seed = 5;

	for (unsigned k = 0; k < 200; k++) {
		seed = seed * 6364136223846793005ul + 1442695040888963407ul;
		if (k % 50 == 0)
			start_device(k % 100 ? F_MULTIPORT : 0);
		if (k % 3 == 0)
			offer(CONTROL_RX, k / 3 % SIZE, 1 + (uint32_t)(seed >> 40 & 31));
		*(uint64_t *)buffers[CONTROL_TX][0] =
			(seed >> 32 & 3) | (seed >> 35 & 7) << 32 | (seed >> 38 & 1) << 48;
		(void)send(CONTROL_TX, 1 + k % 16);
	}
	test_ok(works(), "works after talk that makes no sense");
}

static volatile bool stop;

/* On another hart: whatever comes to mind. */
static void meddle(uint64_t seed)
{
	static const uint16_t regs[] = { R_STATUS,    R_QUEUE_READY, R_QUEUE_SIZE, R_NOTIFY,
					 R_QUEUE_SEL, R_NOTIFY,	     R_USED,	   R_ACK };

	while (!stop) {
		unsigned queue = seed >> 47 & 7;

		seed = seed * 6364136223846793005ul + 1442695040888963407ul;
		vdrv_set(slot, regs[seed >> 60 & 7], (uint32_t)(seed >> 32) & 7);
		rings[queue].desc[seed >> 50 & 15].next = (uint16_t)(seed >> 20);
		rings[queue].desc[seed >> 50 & 15].flags = (uint16_t)(seed >> 40 & 7);
	}
}

static void test_meddling(void)
{
	unsigned other = board.boot_hart == 0;

	if (on_opensbi() || !(board.harts >> other & 1)) {
		test_skip("one hart, or a QEMU, which aborts");
		return;
	}
	hart_start(other, meddle, 3);
	for (unsigned k = 0; k < 300; k++) {
		start_device(F_MULTIPORT);
		for (unsigned queue = 0; queue < QUEUES; queue++) {
			mem_set(buffers[queue], 0, sizeof(buffers[queue][0]));
			offer(queue, k % SIZE, 100);
			notify(queue);
		}
	}
	stop = true;
	hart_await(other, SBI_HSM_STOPPED);
	test_ok(works(), "works after another hart meddled with everything");
}

int main(void)
{
	slot = vdrv_find(0, ID_CONSOLE);
	if (slot == VDRV_SLOTS) {
		test_skip("no ports");
		return test_done();
	}
	mem_set(buffers[TX0], '\n', sizeof(buffers[TX0])); /* for who reads the console */
	test_device();
	test_talk();
	test_output();
	test_echo();
	test_waiting();
	test_reset_in_the_middle();
	test_bad();
	test_bad_talk();
	test_meddling();
	return test_done();
}
