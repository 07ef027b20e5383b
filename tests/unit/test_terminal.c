/*
 * Ports onto one console: focus, views, keys. Serial ports: test_terminal_serial.c.
 */
#include "tests/unit/terminal.h"

/* One guest: its bytes and nothing else, whatever the view is asked to be. */
static void test_alone(void **state)
{
	(void)state;
	type("nobody");
	port_open(&a);
	type("yes\x03");
	expect_event(&a, true, false);
	expect_event(NULL, false, false);
	expect_read(&a, "yes\x03");
	say_from(&a, "\x1b[2Jno end");
	expect("\x1b[2Jno end");
	type("\x1d"
	     "a");
	expect("\r\ngnomon: console: a" HELP "\x1b[2Jno end");
	say_from(&a, "ab\r\ncd");
	expect("ab\r\ncd");
}

static void test_first_focus(void **state)
{
	(void)state;
	port_open(&monitor);
	type("x");
	expect_read(&monitor, "x");
	port_open(&a);
	port_open(&b);
	type("y");
	expect_read(&a, "y");
	expect_read(&monitor, "");
	expect("");
	port_close(&a);
	port_close(&b);
	expect("gnomon: console: b" HELP "gnomon: console: monitor" HELP);
	/* Nobody asked for the monitor; so the next guest is spoken to. */
	port_open(&c);
	type("z");
	expect_read(&c, "z");
	port_close(&c);
	type("\x1dm");
	port_open(&a);
	type("k");
	expect_read(&monitor, "k");
}

static void test_keys(void **state)
{
	static const struct {
		const char *keys, *says;
	} rows[] = {
		{ "\x1d"
		  "2",
		  "b" },
		{ "\x1d"
		  "1",
		  "a" },
		{ "\x1d"
		  "3",
		  "c" },
		{ "\x1dn", "a" },
		{ "\x1dp", "c" },
		{ "\x1dp", "b" },
		{ "\x1dm", "monitor" },
		{ "\x1dn", "a" },
		{ "\x1dm", "monitor" },
		{ "\x1dp", "c" },
		{ "\x1d"
		  "a",
		  "all guests, keys go to c" },
		{ "\x1dn", "a" },
		{ "\x1d"
		  "4",
		  "there is no such guest" },
		{ "\x1dx", "that key does nothing" },
		{ "\x1d"
		  "0",
		  "that key does nothing" },
		{ "\x1d\x1b", "that key does nothing" },
	};
	char line_of[100];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		type(rows[i].keys);
		snprintf(line_of, sizeof(line_of), "gnomon: console: %s" HELP, rows[i].says);
		expect(line_of);
	}
	type("\x1d?");
	assert_non_null(strstr(shown, "1..9"));
	expect_read(&a, "");
	type("\x1d\x1d\x1d]");
	expect_read(&a, "\x1d\x1d");
	type("u\x1d");
	type("2v");
	expect_read(&a, "u");
	expect_read(&b, "v");
}

/* A guest that doesn't read keeps nobody from being spoken to. */
static void test_escape_at_any_moment(void **state)
{
	char flood[256];

	(void)state;
	memset(flood, 'x', sizeof(flood));
	for (unsigned i = 0; i < 1000; i++)
		type_n(flood, sizeof(flood));
	assert_true(a.typed.in >= 65536);
	assert_int_equal(a.typed.in + a.dropped, 256000);
	type("\x1d"
	     "2");
	expect("gnomon: console: b" HELP);
	type("hello");
	expect_read(&b, "hello");
	type("\x1d"
	     "1");
	expect("gnomon: console: a" HELP);
	while (port_get(&a) == 'x')
		;
	type("y");
	assert_non_null(strstr(shown, "a didn't read: "));
	expect_read(&a, "y");
}

/* 100 bytes a time, so that queues begin and end anywhere in a block. */
static void test_paste_loses_nothing(void **state)
{
	char text[100];
	unsigned in = 0, out = 0;

	(void)state;
	while (in < 60000) {
		for (unsigned i = 0; i < sizeof(text); i++)
			text[i] = (char)('!' + in++ % 89);
		type_n(text, sizeof(text));
	}
	while (out < in)
		assert_int_equal(port_get(&a), '!' + out++ % 89);
	assert_int_equal(port_get(&a), -1);
	assert_int_equal(a.dropped, 0);
}

static void test_scroll_back(void **state)
{
	(void)state;
	say_from(&a, "one\r\n");
	say_from(&b, "missed\r\nlogin: ");
	expect("one\r\n");
	type("\x1d"
	     "2");
	expect("gnomon: console: b" HELP "missed\r\nlogin: ");
	say_from(&a, "two\r\n");
	type("\x1dn");
	expect("\r\ngnomon: console: c" HELP);
	type("\x1d"
	     "1");
	expect("gnomon: console: a" HELP "two\r\n");
	type("\x1d"
	     "1");
	expect("gnomon: console: a" HELP);
}

static void test_history_overrun(void **state)
{
	char text[3 * PORT_HISTORY], *at;
	unsigned more = 5, n = 0;

	(void)state;
	for (unsigned i = 0; i < PORT_HISTORY + more; i++)
		assert_true(port_put(&b, (uint8_t)('!' + i % 89)));
	is_stuck = true;
	type("\x1d"
	     "2");
	assert_true(port_put(&a, 'x')); /* not seen, not held up */
	assert_false(port_put(&b, 'x'));
	while (a.said && b.shown != b.said)
		drain();
	expect_event(&b, false, true);
	strcpy(text, shown);
	at = strstr(text, "gnomon: b: 5 bytes lost\r\n");
	assert_non_null(at);
	at += strlen("gnomon: b: 5 bytes lost\r\n");
	for (; at[n]; n++)
		assert_int_equal(at[n], '!' + (more + n) % 89);
	assert_int_equal(n, PORT_HISTORY);
}

static void test_blocked(void **state)
{
	unsigned n = 0;

	(void)state;
	is_stuck = true;
	while (port_put(&a, 'x'))
		n++;
	assert_int_equal(n, CONSOLE_RING - RESERVE);
	for (unsigned i = 0; i < 3 * PORT_HISTORY; i++)
		assert_true(port_put(&b, 'y'));
	terminal_interrupt();
	expect_event(NULL, false, false);
	drain();
	expect_event(&a, false, true);
	expect_event(NULL, false, false);
	/* Once nobody looks it isn't held up, and is told so. */
	while (port_put(&a, 'x'))
		;
	type("\x1dm");
	expect_event(&a, false, true);
	assert_true(port_put(&a, 'x'));
}

static void test_all(void **state)
{
	char text[LINE + 11];

	(void)state;
	say_from(&b, "before\r\nun");
	type("\x1d"
	     "a");
	expect("gnomon: console: all guests, keys go to a" HELP "b| before\r\n");
	say_from(&a, "he");
	say_from(&b, "finished\r\n");
	expect("b| unfinished\r\n");
	say_from(&monitor, "not seen\r\n");
	say_from(&a, "llo\n");
	expect("a| hello\n");
	say_from(&c, "\r\n");
	expect("c| \r\n");
	type("k");
	expect_read(&a, "k");
	/* A long line in parts. */
	memset(text, 'l', sizeof(text));
	text[sizeof(text) - 1] = 0;
	say_from(&c, text);
	text[LINE] = 0;
	assert_memory_equal(shown, "c| ", 3);
	assert_memory_equal(shown + 3, text, LINE);
	assert_string_equal(shown + 3 + LINE, "\r\n");
	shown_n = 0;
	say_from(&c, "\n");
	expect("c| llllllllll\n");
	/* The rest of a line at the change of the view, and at the end. */
	say_from(&a, "end of a");
	say_from(&b, "end of b");
	port_close(&b);
	expect("b| end of b\r\n");
	type("\x1d"
	     "1");
	expect("gnomon: console: a" HELP "end of a");
}

/* In the view of all, who has the keys is seen to the last byte when it pauses. */
static void test_all_prompt(void **state)
{
	(void)state;
	has_alarm = true;
	type("\x1d"
	     "a");
	expect("gnomon: console: all guests, keys go to a" HELP);
	say_from(&b, "b$ ");
	assert_int_equal(alarms, 0);
	say_from(&a, "a$ ");
	assert_int_equal(alarms, 3);
	terminal_interrupt();
	assert_int_equal(alarms, 4);
	expect("");
	terminal_interrupt();
	expect("a| a$ ");
	/* From there on byte by byte; another one's line comes between, not its prompt. */
	say_from(&a, "l");
	expect("l");
	say_from(&b, "x\n");
	expect("\r\nb| b$ x\n");
	say_from(&b, "b$ ");
	say_from(&a, "s");
	terminal_interrupt();
	terminal_interrupt();
	expect("a| s");
	say_from(&a, "\r\nfile\r\n");
	expect("\r\na| file\r\n");
	/* Words of our own end it too. */
	say_from(&a, "a$ ");
	terminal_interrupt();
	terminal_interrupt();
	expect("a| a$ ");
	type("\x1d"
	     "a");
	expect("\r\ngnomon: console: all guests, keys go to a" HELP "a| a$ ");
	say_from(&a, "ls\n");
	expect("ls\n");
	/* It is gone with the prompt in sight. */
	say_from(&a, "bye");
	terminal_interrupt();
	terminal_interrupt();
	port_close(&a);
	expect("a| bye\r\ngnomon: console: all guests, keys go to b" HELP);
}

/* Who gets the focus shows its prompt again; a line that is too long for one isn't. */
static void test_prompt_again(void **state)
{
	char text[LINE + 2];

	(void)state;
	say_from(&a, "hello\r\n$ ");
	type("\x1d"
	     "2");
	expect("hello\r\n$ \r\ngnomon: console: b" HELP);
	type("\x1d"
	     "1");
	expect("gnomon: console: a" HELP "$ ");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	say_from(&b, text);
	type("\x1d"
	     "2");
	shown_n = 0;
	shown[0] = 0;
	type("\x1d"
	     "2");
	expect("\r\ngnomon: console: b" HELP);
}

static void test_say(void **state)
{
	char told[LOG_HISTORY];
	size_t n;

	(void)state;
	say_from(&a, "$ ");
	terminal_say("%s: ended", "b");
	expect("$ \r\ngnomon: b: ended\r\n$ ");
	n = log_history(told, sizeof(told));
	assert_memory_equal(told + n - 17, "gnomon: b: ended\n", 17);
}

static void test_all_blocked(void **state)
{
	unsigned n = 0;

	(void)state;
	type("\x1d"
	     "a");
	is_stuck = true;
	while (port_put(&b, n % 50 == 49 ? '\n' : 'x'))
		n++;
	assert_true(n > CONSOLE_RING / 2);
	/* Who has no line yet goes on. */
	say_from(&c, "half");
	terminal_interrupt();
	expect_event(NULL, false, false);
	drain();
	expect_event(&b, false, true);
	shown_n = 0;
	say_from(&c, "\n");
	expect("c| half\n");
}

static void test_close(void **state)
{
	(void)state;
	type("\x1d"
	     "2");
	shown_n = 0;
	say_from(&c, "c was here");
	type("x");
	expect_event(&b, true, false);
	expect_event(NULL, false, false);
	type("x");
	port_close(&b);
	expect("gnomon: console: c" HELP "c was here");
	expect_event(NULL, false, false);
	/* The last one's place goes to the first. */
	port_close(&c);
	expect("\r\ngnomon: console: a" HELP);
	port_close(&monitor);
	port_close(&a);
	expect("");
	type("\x1dn\x1dp\x1dm\x1d"
	     "a\x1d"
	     "1xyz");
	port_open(&b);
	expect_read(&b, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_alone, set_up),
		cmocka_unit_test_setup(test_first_focus, set_up),
		cmocka_unit_test_setup(test_keys, set_up_three),
		cmocka_unit_test_setup(test_escape_at_any_moment, set_up_three),
		cmocka_unit_test_setup(test_paste_loses_nothing, set_up_three),
		cmocka_unit_test_setup(test_scroll_back, set_up_three),
		cmocka_unit_test_setup(test_history_overrun, set_up_three),
		cmocka_unit_test_setup(test_blocked, set_up_three),
		cmocka_unit_test_setup(test_all, set_up_three),
		cmocka_unit_test_setup(test_all_prompt, set_up_three),
		cmocka_unit_test_setup(test_prompt_again, set_up_three),
		cmocka_unit_test_setup(test_say, set_up_three),
		cmocka_unit_test_setup(test_all_blocked, set_up_three),
		cmocka_unit_test_setup(test_close, set_up_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
