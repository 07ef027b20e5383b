/*
 * The virtio queues and the driver of the serial ports, over a device of the test's own that reads
 * and writes the rings as the specification has them, and does as it likes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/hostdev.h"

#include "hyp/drv/alarm.c"
#define reg plic_reg /* alarm.c has one too */
#include "hyp/drv/plic.c"
#undef reg
#include "hyp/drv/serial.c"

#define RTC   UINT64_C(0x101000)
#define PORTS 5

_Static_assert(DEV_QUEUES == 2 * PORTS + 2, "queues of a console");

static uint32_t rtc[8];

static uint32_t io_read32(hpa_t at)
{
	return at.v - RTC < sizeof(rtc) ? rtc[(at.v - RTC) / 4] : dev_read(at.v);
}

static void io_write32(hpa_t at, uint32_t value)
{
	if (at.v - RTC < sizeof(rtc))
		rtc[(at.v - RTC) / 4] = value;
	else
		dev_write(at.v, value);
}

/* The next chain, of one part, and that. */
static bool dev_next_part(unsigned queue, uint16_t *id, struct virtio_desc *d)
{
	if (!dev_next(queue, id))
		return false;
	*d = dev_desc(queue)[*id];
	assert_int_equal(d->flags & VIRTIO_DESC_NEXT, 0);
	return true;
}

/* Fill the next buffer of @queue. Returns false where there is none. */
static bool dev_give(unsigned queue, const void *from, uint32_t bytes)
{
	struct virtio_desc d;
	uint16_t id;

	if (!dev_next_part(queue, &id, &d))
		return false;
	assert_int_equal(d.flags, VIRTIO_DESC_WRITE);
	assert_true(bytes <= d.bytes);
	memcpy(phys_pointer(hpa(d.at)), from, bytes);
	dev_used(queue, id, bytes);
	return true;
}

/* Fetch what was sent on @queue; the buffer stays under way until dev_used(). */
static uint32_t dev_fetch(unsigned queue, void *to, uint16_t *id)
{
	struct virtio_desc d;

	if (!dev_next_part(queue, id, &d))
		return 0;
	assert_int_equal(d.flags, 0);
	memcpy(to, phys_pointer(hpa(d.at)), d.bytes);
	return d.bytes;
}

static void dev_says(uint32_t port, uint16_t event, uint16_t value, const char *name)
{
	uint8_t bytes[200];
	struct message m = { port, event, value };

	memcpy(bytes, &m, sizeof(m));
	memcpy(bytes + sizeof(m), name, strlen(name));
	assert_true(dev_give(CONTROL_RX, bytes, (uint32_t)(sizeof(m) + strlen(name))));
}

static void interrupt(void)
{
	assert_true(serial_interrupt(DEV_IRQ));
	assert_int_equal(dev.irq, 0);
}

static void expect_message(uint32_t port, uint16_t event)
{
	uint8_t bytes[2048];
	struct message m;
	uint16_t id;

	assert_int_equal(dev_fetch(CONTROL_TX, bytes, &id), sizeof(m));
	memcpy(&m, bytes, sizeof(m));
	assert_int_equal(m.event, event);
	assert_int_equal(m.port, port);
	assert_int_equal(m.value, 1);
	/* The next comes once this one is through. */
	interrupt();
	assert_int_equal(dev_fetch(CONTROL_TX, bytes, &id), 0);
	dev_used(CONTROL_TX, id, 0);
}

static int set_up_machine(void **state)
{
	(void)state;
	fake_reset();
	fake_ram(0x80000000, 8 * MEGAPAGE);
	memset(&host, 0, sizeof(host));
	memset(&device, 0, sizeof(device));
	assert_int_equal(
		frame_add_ram((struct frame_range){ 0x80000000, 8 * MEGAPAGE }, NULL, 0, true), OK);
	dev_plug(VIRTIO_CONSOLE, 128, UINT64_C(1) << 32 | 7);
	dev.ports = PORTS;
	return 0;
}

static int set_up(void **state)
{
	set_up_machine(state);
	serial_init();
	return 0;
}

/* Port 2, known by name and open. */
static struct serial *open_port(const char *name)
{
	uint8_t bytes[2048];
	uint16_t id;

	dev_says(2, PORT_ADD, 0, "");
	dev_says(2, PORT_NAME, 1, name);
	dev_says(2, PORT_OPEN, 1, "");
	interrupt();
	while (dev_fetch(CONTROL_TX, bytes, &id)) {
		dev_used(CONTROL_TX, id, 0);
		interrupt();
	}
	return serial_find(name);
}

static void test_negotiation(void **state)
{
	(void)state;
	assert_int_equal(dev.accepted, UINT64_C(1) << 32 | FEATURE_MULTIPORT);
	assert_int_equal(dev.status, 15);
	for (unsigned i = 0; i < DEV_QUEUES; i++)
		assert_int_equal(dev.q[i].ready, 1);
	assert_false(serial_interrupt(9));
	assert_null(serial_find("gnomon.control"));
	expect_message(0, DEVICE_READY);
}

static void test_what_is_not_used(void **state)
{
	static const struct {
		uint32_t kind, version, max;
		uint64_t features;
		const char *says;
	} rows[] = {
		{ 0, 1, 128, 0, "" },
		{ 1, 2, 128, 0, "" },
		{ 3, 1, 128, UINT64_C(1) << 32 | 2, "legacy" },
		{ 3, 2, 128, 2, "aren't used" },
		{ 3, 2, 128, UINT64_C(1) << 32, "aren't used" },
		{ 3, 2, 16, UINT64_C(1) << 32 | 2, "aren't used" },
	};
	uint64_t before;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_up_machine(state);
		before = frame_free_bytes();
		dev.kind = rows[i].kind;
		dev.version = rows[i].version;
		dev.max = rows[i].max;
		dev.features = rows[i].features;
		serial_init();
		if (*rows[i].says)
			assert_non_null(strstr(fake.text, rows[i].says));
		else
			assert_string_equal(fake.text, "");
		assert_false(serial_interrupt(DEV_IRQ));
		assert_null(serial_find(""));
		assert_int_equal(frame_free_bytes(), before);
	}
}

static void test_ports_come_and_go(void **state)
{
	unsigned generation = serial_generation();

	(void)state;
	expect_message(0, DEVICE_READY);
	dev_says(1, PORT_ADD, 0, "");
	dev_says(4, PORT_ADD, 0, "");
	interrupt();
	expect_message(1, PORT_READY);
	interrupt();
	expect_message(1, PORT_OPEN);
	interrupt();
	expect_message(4, PORT_READY);
	dev_says(4, PORT_NAME, 1, "gnomon.control");
	interrupt();
	assert_int_not_equal(serial_generation(), generation);
	assert_ptr_equal(serial_find("gnomon.control"), &device.port[4]);
	assert_null(serial_find("gnomon.contro"));
	assert_false(serial_is_open(&device.port[4]));
	dev_says(4, PORT_OPEN, 1, "");
	interrupt();
	assert_true(serial_is_open(&device.port[4]));
	dev_says(4, PORT_REMOVE, 0, "");
	interrupt();
	assert_null(serial_find("gnomon.control"));
	assert_false(serial_is_open(&device.port[4]));
	assert_int_equal(serial_write(&device.port[4], "x", 1), 0);
}

static void test_output(void **state)
{
	struct serial *s = open_port("out");
	uint8_t big[3 * TX_BYTES] = { 1, 2, 3 }, got[TX_BYTES];
	uint16_t id;

	(void)state;
	assert_true(serial_take_event(s));
	assert_int_equal(serial_write(s, "hello", 5), 5);
	assert_int_equal(serial_write(s, "more", 4), 0);
	assert_int_equal(dev_fetch(7, got, &id), 5);
	assert_memory_equal(got, "hello", 5);
	assert_false(serial_take_event(s));
	dev_used(7, id, 0);
	interrupt();
	assert_true(serial_take_event(s));
	assert_int_equal(serial_write(s, big, sizeof(big)), TX_BYTES);
	assert_int_equal(dev_fetch(7, got, &id), TX_BYTES);
	assert_memory_equal(got, big, TX_BYTES);
}

static void test_input(void **state)
{
	struct serial *s = open_port("in");
	char got[10];

	(void)state;
	serial_take_event(s);
	assert_int_equal(serial_read(s, got, 1), 0);
	for (unsigned round = 0; round < 10; round++) {
		assert_true(dev_give(6, "abcdefg", 7));
		assert_false(dev_give(6, "too early", 9));
		interrupt();
		assert_true(serial_take_event(s));
		assert_true(serial_has_input(s));
		assert_int_equal(serial_read(s, got, 4), 4);
		assert_memory_equal(got, "abcd", 4);
		assert_int_equal(serial_read(s, got, 4), 3);
		assert_memory_equal(got, "efg", 3);
		assert_false(serial_has_input(s));
	}
	assert_true(dev_give(6, "", 0));
	interrupt();
	assert_false(serial_has_input(s));
	assert_true(dev_give(6, "x", 1));
}

/* By who uses a port alone: no copies. */
static void test_in_place(void **state)
{
	struct serial *s = open_port("alone");
	uint8_t got[TX_BYTES];
	uint16_t id;
	size_t n;
	char *to;

	(void)state;
	to = serial_room(s, &n);
	assert_non_null(to);
	assert_int_equal(n, TX_BYTES);
	memcpy(to, "direct", 6);
	serial_send(s, 0);
	assert_int_equal(dev_fetch(7, got, &id), 0);
	serial_send(s, 6);
	assert_null(serial_room(s, &n));
	assert_int_equal(n, 0);
	assert_int_equal(dev_fetch(7, got, &id), 6);
	assert_memory_equal(got, "direct", 6);
	dev_used(7, id, 0);
	interrupt();
	assert_non_null(serial_room(s, &n));
	(void)serial_input(s, &n);
	assert_int_equal(n, 0);
	assert_true(dev_give(6, "abcdefg", 7));
	interrupt();
	assert_memory_equal(serial_input(s, &n), "abcdefg", 7);
	assert_int_equal(n, 7);
	serial_pass(s, 3);
	assert_memory_equal(serial_input(s, &n), "defg", 4);
	assert_int_equal(n, 4);
	assert_false(dev_give(6, "too early", 9));
	serial_pass(s, 4);
	assert_true(dev_give(6, "x", 1));
	dev_says(2, PORT_REMOVE, 0, "");
	interrupt();
	assert_null(serial_room(s, &n));
	serial_send(s, 1);
	assert_int_equal(dev_fetch(7, got, &id), 0);
}

/* Who left may be back before anybody looked. */
static void test_closed(void **state)
{
	struct serial *s = open_port("door");

	(void)state;
	assert_false(serial_take_closed(s));
	dev_says(2, PORT_OPEN, 0, "");
	dev_says(2, PORT_OPEN, 1, "");
	interrupt();
	assert_true(serial_is_open(s));
	assert_true(serial_take_closed(s));
	assert_false(serial_take_closed(s));
}

static void test_listeners(void **state)
{
	struct serial_listener a = { .owner = &a }, b = { .owner = &b };

	(void)state;
	assert_null(serial_next_owner());
	serial_listen(&a);
	serial_listen(&b);
	for (unsigned round = 0; round < 3; round++) {
		assert_ptr_equal(serial_next_owner(), &b);
		assert_ptr_equal(serial_next_owner(), &a);
		assert_null(serial_next_owner());
	}
	assert_ptr_equal(serial_next_owner(), &b);
	serial_ignore(&a);
	assert_null(serial_next_owner());
	serial_listen(&a);
	serial_ignore(&b);
	assert_ptr_equal(serial_next_owner(), &a);
	assert_null(serial_next_owner());
}

/* Numbers, lengths, messages that make no sense. */
static void test_what_the_device_says_is_checked(void **state)
{
	struct serial *s = open_port("in");
	char name[MESSAGE_MAX];
	char got[2 * RX_BYTES];
	struct virtio_desc d;
	uint16_t id;

	(void)state;
	dev_used(6, 3, 10); /* not under way */
	dev_used(6, 0xffffffff, 10);
	dev_used(7, 0, 10);
	interrupt();
	assert_false(serial_has_input(s));
	assert_true(dev_next_part(6, &id, &d));
	dev_used(6, id, 0xffffffff);
	interrupt();
	assert_int_equal(serial_read(s, got, sizeof(got)), RX_BYTES);
	dev_says(PORTS, PORT_ADD, 0, "");
	dev_says(0xffffffff, PORT_NAME, 0, "far");
	dev_says(3, PORT_NAME, 0, "too early");
	dev_says(2, 77, 0, "");
	assert_true(dev_give(CONTROL_RX, name, 3));
	interrupt();
	assert_null(serial_find("far"));
	assert_null(serial_find("too early"));
	memset(name, 'n', sizeof(name));
	name[SERIAL_NAME - 1] = 0;
	dev_says(2, PORT_NAME, 1, name);
	interrupt();
	assert_ptr_equal(serial_find(name), s);
	/* A ring that claims more than it holds. */
	((struct used *)phys_pointer(hpa(dev.q[CONTROL_RX].area[2])))->n += 1000;
	interrupt();
}

/* It is said, and ports are what they were. */
static void test_broken(void **state)
{
	char said[2048] = "";
	struct serial *s = open_port("x");
	(void)state;

	dev.status |= VIRTIO_STATUS_NEEDS_RESET;
	interrupt();
	log_history(said, sizeof(said) - 1);
	assert_null(strstr(said, "asks for a reset"));
	dev.irq |= INTERRUPT_CONFIG;
	interrupt();
	log_history(said, sizeof(said) - 1);
	assert_non_null(strstr(said, "virtio device 3 at"));
	assert_ptr_equal(serial_find("x"), s);
}

/* Chains of several parts, in and out in any order. */
static void test_chains(void **state)
{
	struct virtq *q = &device.port[1].tx;
	struct virtq_part part[3] = { { hpa(0x80000000), 16, false },
				      { hpa(0x80001000), 512, true },
				      { hpa(0x80002000), 1, true } };
	struct virtio_desc *d = dev_desc(5);
	uint32_t bytes;
	unsigned id;
	int a, b;

	(void)state;
	a = virtq_add(q, part, 3);
	assert_true(a >= 0);
	assert_int_equal(d[a].flags, VIRTIO_DESC_NEXT);
	assert_int_equal(d[d[a].next].flags, VIRTIO_DESC_NEXT | VIRTIO_DESC_WRITE);
	assert_int_equal(d[d[d[a].next].next].flags, VIRTIO_DESC_WRITE);
	assert_int_equal(virtq_add(q, part, 2), -1);
	b = virtq_add(q, part, 1);
	assert_true(b >= 0 && b != a);
	assert_int_equal(virtq_add(q, part, 1), -1);
	assert_false(virtq_take(q, &id, &bytes));
	dev_used(5, (uint32_t)b, 5);
	dev_used(5, (uint32_t)b, 5); /* twice */
	dev_used(5, d[a].next, 5);   /* not a head */
	dev_used(5, (uint32_t)a, 1000);
	assert_true(virtq_take(q, &id, &bytes));
	assert_int_equal(id, b);
	assert_int_equal(bytes, 0);
	assert_true(virtq_take(q, &id, &bytes));
	assert_int_equal(id, a);
	assert_int_equal(bytes, 513);
	for (unsigned i = 0; i < QUEUE; i++)
		assert_true(virtq_add(q, part, 1) >= 0);
	assert_int_equal(virtq_add(q, part, 1), -1);
}

static void test_alarm(void **state)
{
	(void)state;
	memset(rtc, 0, sizeof(rtc));
	assert_false(alarm_set(5));
	host.rtc = hpa(RTC);
	host.rtc_irq = 11;
	alarm_init();
	assert_int_equal(rtc[GOLDFISH_IRQ_ENABLED / 4], 1);
	rtc[GOLDFISH_TIME_LOW / 4] = 0xffffffff;
	rtc[GOLDFISH_TIME_HIGH / 4] = 7;
	assert_true(alarm_set(2));
	assert_int_equal(rtc[GOLDFISH_ALARM_HIGH / 4], 8);
	assert_int_equal(rtc[GOLDFISH_ALARM_LOW / 4], 1);
	rtc[GOLDFISH_TIME_LOW / 4] = 0;
	assert_true(alarm_set(2)); /* the first one stands */
	assert_int_equal(rtc[GOLDFISH_ALARM_HIGH / 4], 8);
	assert_false(alarm_interrupt(10));
	assert_true(alarm_interrupt(11));
	assert_int_equal(rtc[GOLDFISH_CLEAR_INTERRUPT / 4], 1);
	assert_true(alarm_set(2));
	assert_int_equal(rtc[GOLDFISH_ALARM_LOW / 4], 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_negotiation, set_up),
		cmocka_unit_test_setup(test_what_is_not_used, set_up),
		cmocka_unit_test_setup(test_ports_come_and_go, set_up),
		cmocka_unit_test_setup(test_output, set_up),
		cmocka_unit_test_setup(test_input, set_up),
		cmocka_unit_test_setup(test_in_place, set_up),
		cmocka_unit_test_setup(test_closed, set_up),
		cmocka_unit_test_setup(test_listeners, set_up),
		cmocka_unit_test_setup(test_what_the_device_says_is_checked, set_up),
		cmocka_unit_test_setup(test_broken, set_up),
		cmocka_unit_test_setup(test_chains, set_up),
		cmocka_unit_test_setup(test_alarm, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
