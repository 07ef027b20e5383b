/*
 * Ports that are heard at a serial port of the host's, too.
 */
#include "tests/unit/terminal.h"

/* With its own serial port a guest is heard there, seen or not. */
static void test_serial(void **state)
{
	(void)state;
	say_from(&b, "early ");
	line.is_there = true;
	terminal_interrupt();
	say_from(&b, "late ");
	assert_int_equal(line.got_n, 0);
	line.is_open = line.event = true;
	terminal_interrupt();
	say_from(&b, "open");
	assert_string_equal(line.got, "early late open");
	expect("");
	line.input = "in";
	line.event = true;
	terminal_interrupt();
	expect_event(&b, true, false);
	expect_read(&b, "in");
}

/* Fed by lines; what isn't one a little later. */
static void test_serial_by_lines(void **state)
{
	(void)state;
	line.is_there = line.is_open = has_alarm = true;
	terminal_interrupt();
	say_from(&b, "first\r\nlogin: ");
	assert_string_equal(line.got, "first\r\n");
	assert_int_equal(alarms, strlen("firstlogin: ") + 1);
	terminal_interrupt();
	assert_string_equal(line.got, "first\r\nlogin: ");
	for (unsigned i = 0; i < PART; i++)
		assert_true(port_put(&b, 'x'));
	assert_int_equal(line.got_n, strlen("first\r\nlogin: ") + PART);
}

static void test_serial_blocks_while_open(void **state)
{
	unsigned n = 0;

	(void)state;
	line.is_there = line.is_open = line.is_busy = true;
	terminal_interrupt();
	while (port_put(&b, (uint8_t)('!' + n % 89)))
		n++;
	assert_int_equal(n, PORT_HISTORY);
	line.is_busy = false;
	line.event = true;
	terminal_interrupt();
	expect_event(&b, false, true);
	assert_int_equal(line.got_n, PORT_HISTORY);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(line.got[i], '!' + i % 89);
	/* Who has gone doesn't hold it up. */
	line.is_busy = true;
	while (port_put(&b, 'x'))
		;
	line.is_open = false;
	line.event = true;
	terminal_interrupt();
	expect_event(&b, false, true);
	for (unsigned i = 0; i < 2 * PORT_HISTORY; i++)
		assert_true(port_put(&b, 'x'));
}

/* At the end all goes out that goes out, and nobody waits for the rest. */
static void test_flush(void **state)
{
	(void)state;
	line.is_there = line.is_open = true;
	terminal_interrupt();
	line.is_busy = true;
	for (unsigned i = 0; i < 1000; i++)
		assert_true(port_put(&b, 'x'));
	say_from(&a, "and this");
	terminal_flush();
	assert_int_equal(line.got_n, 1000);
	say_from(&b, "last words");
	line.is_busy = true;
	port_close(&b);
	assert_int_equal(line.got_n, 1010);
	make(&b, 1, "b");
	port_open(&b);
	is_stuck = true;
	say_from(&a, "stuck");
	terminal_flush();
	line.is_open = false;
	say_from(&b, "gone");
	terminal_flush();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_serial, set_up_three),
		cmocka_unit_test_setup(test_serial_by_lines, set_up_three),
		cmocka_unit_test_setup(test_serial_blocks_while_open, set_up_three),
		cmocka_unit_test_setup(test_flush, set_up_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
