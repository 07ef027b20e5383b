/*
 * hyp/dev/virtio_console.c, what the guest and the hosts' ends get, and when.
 */
#include "tests/unit/virtio_console.h"

static void attach(bool with_window)
{
	static uint8_t history[PORT_HISTORY];
	static const char *const named[] = { "agent", "log" };
	const struct virtio_console_plan plan = { .vm = "vm",
						  .owner = &board,
						  .history = with_window ? history : NULL,
						  .named = named,
						  .named_n = 2 };

	virtio_board();
	memset(serials, 0, sizeof(serials));
	memset(&window, 0, sizeof(window));
	window.out_most = sizeof(window.out);
	alarms = 0;
	generation++;
	serials[0].name = "gnomon.port.vm/agent";
	serials[1].name = "gnomon.port.vm/log";
	serials[0].is_open = true;
	virtio_console_attach(&board, SLOT, &gs, &plan);
	board_reset(&board, vcpus, 1);
}

static int set_up(void **state)
{
	(void)state;
	attach(true);
	return 0;
}

/* As far as Linux goes: all ports are known, the named ones not opened by anybody. */
static void begin_all(void)
{
	begin(F_MULTIPORT);
	for (unsigned i = 0; i < SIZE; i++)
		lay(CONTROL_RX, 64);
	tell(CONTROL_RX);
	control(0xffffffff, READY, 1);
	for (uint32_t port = 0; port < 3; port++) {
		expect(port, ADD, 1, NULL);
		control(port, PORT_READY, 1);
	}
	control(0, OPEN, 1);
	expect(0, CONSOLE, 1, NULL);
	expect(0, OPEN, 1, NULL);
	expect(1, NAME, 1, "agent");
	expect(1, OPEN, 1, NULL);
	expect(2, NAME, 1, "log");
	expect_no_more();
}

static void test_what_it_is(void **state)
{
	const uint64_t common = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
				VIRTIO_F_IN_ORDER | VIRTIO_F_RING_RESET;

	(void)state;
	assert_int_equal(get(SLOT, DEVICE_ID), 3);
	assert_int_equal(offered(SLOT), common | 2 | 4);
	assert_int_equal(get(SLOT, CONFIG + 4), 5);
	assert_int_equal(get(SLOT, CONFIG + 8), 0);
	assert_int_equal(get(SLOT, CONFIG + 12), 0);
	put(SLOT, QUEUE_SEL, 11);
	assert_int_equal(get(SLOT, QUEUE_MAX), 256);
	put(SLOT, QUEUE_SEL, 12);
	assert_int_equal(get(SLOT, QUEUE_MAX), 0);
	assert_string_equal(window.port->label, "vm/hvc0");
	virtio_console_detach(&board);
	assert_null(window.port);
	assert_null(listener);
	attach(false);
	assert_int_equal(offered(SLOT), common | 2);
	assert_null(window.port);
	put(SLOT, CONFIG + 8, 'x');
	virtio_console_detach(&board);
	assert_null(listener);
	virtio_board();
	virtio_console_detach(&board);
}

static void test_messages(void **state)
{
	(void)state;
	begin_all();
	set_open(&serials[1], true);
	expect(2, OPEN, 1, NULL);
	set_open(&serials[0], false);
	expect(1, OPEN, 0, NULL);
	/* There and gone again. */
	set_open(&serials[1], false);
	serials[1].is_open = true;
	happen(&serials[1]);
	expect(2, OPEN, 0, NULL);
	expect(2, OPEN, 1, NULL);
	control(2, PORT_READY, 1); /* once more */
	expect(2, NAME, 1, "log");
	expect(2, OPEN, 1, NULL);
	expect_no_more();
}

/* What there is no buffer for isn't lost. */
static void test_messages_wait(void **state)
{
	(void)state;
	begin(F_MULTIPORT);
	control(0, READY, 1);
	control(0, READY, 1);
	control(1, PORT_READY, 1);
	for (unsigned i = 0; i < 4; i++)
		set_open(&serials[0], i % 2);
	lay(CONTROL_RX, 7); /* too small */
	lay(CONTROL_RX, 8);
	tell(CONTROL_RX);
	assert_true(is_back(CONTROL_RX));
	expect(0, ADD, 1, NULL);
	for (unsigned i = 0; i < 6; i++)
		lay(CONTROL_RX, i == 1 ? 10 : 64);
	tell(CONTROL_RX);
	expect(1, ADD, 1, NULL);
	assert_true(is_back(CONTROL_RX)); /* the name, cut */
	expect(1, OPEN, 1, NULL);
	expect(2, ADD, 1, NULL);
	expect_no_more();
}

static void test_what_the_driver_says_is_checked(void **state)
{
	(void)state;
	begin_all();
	control(3, PORT_READY, 1);
	control(0xffffffff, PORT_READY, 1);
	control(0xffffffff, OPEN, 1);
	control(1, 77, 1);
	control(0, READY, 0);
	send(CONTROL_TX, "short", 5);
	assert_true(is_back(CONTROL_TX));
	lay(CONTROL_TX, 0x4000); /* long, and zeros: as DEVICE_READY it doesn't count */
	tell(CONTROL_TX);
	assert_true(is_back(CONTROL_TX));
	tell(11);
	tell(12);
	tell(0xffffffff);
	expect_no_more();
	control(1, PORT_READY, 0);
	set_open(&serials[0], false);
	expect_no_more();
	assert_int_equal(get(SLOT, STATUS), 15);
}

static void test_output(void **state)
{
	(void)state;
	begin_all();
	send(TX0, "hello", 5);
	assert_true(is_back(TX0));
	assert_memory_equal(window.out, "hello", 5);
	send(TX1, "to agent", 8);
	assert_true(is_back(TX1));
	assert_memory_equal(serials[0].out, "to agent", 8);
	send(TX1, "more", 4);
	send(TX1, "and more", 8);
	assert_false(is_back(TX1));
	drain(&serials[0]);
	assert_true(is_back(TX1));
	assert_false(is_back(TX1));
	drain(&serials[0]);
	assert_true(is_back(TX1));
	assert_int_equal(serials[0].out_n, 20);
	assert_memory_equal(serials[0].out, "to agentmoreand more", 20);
	send(TX2, "nobody", 6);
	assert_true(is_back(TX2));
	assert_int_equal(serials[1].out_n, 0);
	lay(11, 0x4000); /* of port 4, which isn't there */
	tell(11);
	assert_true(is_back(11));
}

/* A chain that is longer than what the host's end takes waits in the ring. */
static void test_long_output(void **state)
{
	static char text[3500];

	(void)state;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	begin_all();
	send(TX1, text, sizeof(text));
	send(TX1, "end", 3);
	for (unsigned n = 1000; n < sizeof(text); n += 1000) {
		assert_int_equal(serials[0].out_n, n);
		assert_false(is_back(TX1));
		tell(TX1);
		drain(&serials[0]);
	}
	assert_true(is_back(TX1));
	drain(&serials[0]);
	assert_true(is_back(TX1));
	assert_int_equal(serials[0].out_n, sizeof(text) + 3);
	assert_memory_equal(serials[0].out, text, sizeof(text));
	assert_memory_equal(serials[0].out + sizeof(text), "end", 3);
	/* Its end goes with who listened. */
	serials[0].is_busy = false;
	send(TX1, text, sizeof(text));
	send(TX1, "lost", 4);
	set_open(&serials[0], false);
	assert_true(is_back(TX1));
	assert_true(is_back(TX1));
	assert_int_equal(serials[0].out_n, sizeof(text) + 3 + 1000);
	set_open(&serials[0], true);
	serials[0].is_busy = false;
	send(TX1, "new", 3);
	assert_memory_equal(serials[0].out + serials[0].out_n - 3, "new", 3);
}

static void test_full_window(void **state)
{
	(void)state;
	begin_all();
	window.out_most = 7;
	send(TX0, "0123456789", 10);
	assert_false(is_back(TX0));
	window.out_most = 9;
	virtio_console_window_event(&board);
	assert_false(is_back(TX0));
	window.out_most = 100;
	virtio_console_window_event(&board);
	assert_true(is_back(TX0));
	assert_int_equal(window.out_n, 10);
	assert_memory_equal(window.out, "0123456789", 10);
	assert_int_equal(alarms, 0);
}

/* A window takes anything; so the driver notifies again, or the alarm goes on where it can't. */
static void test_at_most_so_much_at_once(void **state)
{
	unsigned again = 0;

	(void)state;
	begin_all();
	put_desc(table_of(TX0), 0, RAM + MIB(1), 60000, 0, 0);
	put16(table_of(TX0) + 0x1002, 1);
	while (tell(TX0) == MMIO_AGAIN)
		assert_int_equal(window.out_n, ++again * AT_ONCE);
	assert_int_equal(again, 60000 / AT_ONCE);
	assert_true(is_back(TX0));
	assert_int_equal(window.out_n, 60000);
	window.out_n = window.out_most = 0;
	put16(table_of(TX0) + 0x1002, 2);
	assert_int_equal(tell(TX0), MMIO_OK);
	window.out_most = sizeof(window.out);
	virtio_console_window_event(&board);
	assert_int_equal(window.out_n, AT_ONCE);
	for (again = 1; window.out_n < 60000; again++) {
		assert_int_equal(alarms, again);
		virtio_console_turn(&board);
	}
	assert_true(is_back(TX0));
	virtio_console_turn(&board);
	assert_int_equal(alarms, again - 1);
}

static void test_input(void **state)
{
	(void)state;
	begin_all();
	arrive(&serials[0], "early");
	lay(RX1, 3);
	tell(RX1);
	assert_false(is_back(RX1)); /* nobody opened it */
	control(1, OPEN, 1);
	expect_input(RX1, "ear");
	assert_false(is_back(RX1));
	lay(RX1, 0);
	lay(RX1, 60);
	lay(RX1, 60);
	tell(RX1);
	expect_input(RX1, "");
	expect_input(RX1, "ly");
	assert_false(is_back(RX1));
	arrive(&serials[0], "late");
	expect_input(RX1, "late");
	arrive(&serials[0], "later");
	control(1, OPEN, 0);
	lay(RX1, 60);
	tell(RX1);
	assert_false(is_back(RX1));
	memcpy(window.in, "typed", window.in_n = 5);
	virtio_console_window_event(&board);
	lay(RX0, 60);
	tell(RX0);
	expect_input(RX0, "typed");
}

/* What was sent before an end was closed comes before the word of that. */
static void test_close_behind_input(void **state)
{
	(void)state;
	begin_all();
	control(1, OPEN, 1);
	arrive(&serials[0], "last words");
	set_open(&serials[0], false);
	set_open(&serials[0], true);
	expect_no_more();
	lay(RX1, 6);
	tell(RX1);
	expect_input(RX1, "last w");
	expect_no_more();
	lay(RX1, 6);
	tell(RX1);
	expect_input(RX1, "ords");
	expect(1, OPEN, 0, NULL);
	expect(1, OPEN, 1, NULL);
	expect_no_more();
}

static void test_reset(void **state)
{
	static const char text[3000] = "begun";

	(void)state;
	begin_all();
	control(1, OPEN, 1);
	send(TX1, text, sizeof(text));
	arrive(&serials[0], "for later");
	put(SLOT, STATUS, 0);
	drain(&serials[0]);
	virtio_console_window_event(&board);
	assert_int_equal(serials[0].out_n, 1000);
	begin_all();
	send(TX1, "anew", 4);
	assert_memory_equal(serials[0].out + 1000, "anew", 4);
	lay(RX1, 60);
	tell(RX1);
	assert_false(is_back(RX1));
	control(1, OPEN, 1);
	expect_input(RX1, "for later");
	/* A queue by itself. */
	drain(&serials[0]);
	send(TX1, text, sizeof(text));
	put(SLOT, QUEUE_SEL, TX1);
	put(SLOT, QUEUE_READY, 0);
	drain(&serials[0]);
	set_up_queue(TX1);
	send(TX1, "queue", 5);
	assert_memory_equal(serials[0].out + serials[0].out_n - 5, "queue", 5);
}

/* There is one port then, and no talk about it. */
static void test_without_multiport(void **state)
{
	(void)state;
	begin(0);
	memcpy(window.in, "ab", window.in_n = 2);
	lay(RX0, 60);
	tell(RX0);
	expect_input(RX0, "ab");
	send(TX0, "out", 3);
	assert_true(is_back(TX0));
	assert_memory_equal(window.out, "out", 3);
	lay(CONTROL_RX, 60);
	tell(CONTROL_RX);
	set_open(&serials[1], true);
	expect_no_more();
}

static void test_emergency_write(void **state)
{
	(void)state;
	put(SLOT, CONFIG + 8, '!');
	put_wide(SLOT, CONFIG + 8, 1, '?');
	put(SLOT, CONFIG + 4, 7);
	put(SLOT, CONFIG + 12, 'x');
	assert_int_equal(window.out_n, 2);
	assert_memory_equal(window.out, "!?", 2);
	assert_int_equal(get(SLOT, CONFIG + 4), 5);
	window.out_most = 2;
	put(SLOT, CONFIG + 8, 'x');
	assert_int_equal(window.out_n, 2);
}

/* The host's ends are known only some time after start-up. */
static void test_late_serial(void **state)
{
	(void)state;
	serials[0].name = NULL;
	generation++;
	virtio_console_turn(&board);
	begin(F_MULTIPORT);
	for (unsigned i = 0; i < 8; i++)
		lay(CONTROL_RX, 64);
	control(1, PORT_READY, 1);
	control(1, OPEN, 1);
	expect(1, NAME, 1, "agent");
	expect_no_more();
	send(TX1, "lost", 4);
	assert_true(is_back(TX1));
	serials[0].name = "gnomon.port.vm/agent";
	virtio_console_turn(&board);
	expect_no_more();
	generation++;
	virtio_console_turn(&board);
	expect(1, OPEN, 1, NULL);
	send(TX1, "found", 5);
	assert_memory_equal(serials[0].out, "found", 5);
}

static void test_broken_queue(void **state)
{
	(void)state;
	begin_all();
	put_desc(table_of(TX1), 0, RAM + RAM_BYTES, 1, 0, 0);
	put16(table_of(TX1) + 0x1002, 1);
	tell(TX1);
	assert_int_equal(get(SLOT, STATUS), 15 | NEEDS_RESET);
	send(TX0, "x", 1);
	virtio_console_window_event(&board);
	assert_int_equal(window.out_n, 0);
	begin_all();
	send(TX0, "x", 1);
	assert_int_equal(window.out_n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_it_is, set_up),
		cmocka_unit_test_setup(test_messages, set_up),
		cmocka_unit_test_setup(test_messages_wait, set_up),
		cmocka_unit_test_setup(test_what_the_driver_says_is_checked, set_up),
		cmocka_unit_test_setup(test_output, set_up),
		cmocka_unit_test_setup(test_long_output, set_up),
		cmocka_unit_test_setup(test_full_window, set_up),
		cmocka_unit_test_setup(test_at_most_so_much_at_once, set_up),
		cmocka_unit_test_setup(test_input, set_up),
		cmocka_unit_test_setup(test_close_behind_input, set_up),
		cmocka_unit_test_setup(test_reset, set_up),
		cmocka_unit_test_setup(test_without_multiport, set_up),
		cmocka_unit_test_setup(test_emergency_write, set_up),
		cmocka_unit_test_setup(test_late_serial, set_up),
		cmocka_unit_test_setup(test_broken_queue, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
