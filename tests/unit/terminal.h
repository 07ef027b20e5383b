/*
 * What the tests of hyp/drv/terminal.c begin with: a console and serial ports of the test's own.
 */
#ifndef TESTS_UNIT_TERMINAL_H
#define TESTS_UNIT_TERMINAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/fake.h"

#include "hyp/drv/terminal.c"

#define HELP " (Ctrl-] ? for help)\r\n"

/* The console. */
static char shown[4 * PORT_HISTORY];
static unsigned shown_n, ring_n;
static bool is_stuck; /* what is put stays in the ring */
static const char *typed_text;
static unsigned typed_n;

unsigned console_room(void)
{
	return CONSOLE_RING - ring_n;
}

void console_put(uint8_t byte)
{
	assert_true(ring_n < CONSOLE_RING);
	ring_n += is_stuck;
	shown[shown_n++] = (char)byte;
	shown[shown_n] = 0;
}

int console_get(void)
{
	return typed_n ? (typed_n--, (uint8_t)*typed_text++) : -1;
}

void console_interrupt(void)
{
}

static bool has_alarm;
static unsigned alarms;

bool alarm_set(uint64_t ns)
{
	(void)ns;
	alarms += has_alarm;
	return has_alarm;
}

/* One serial port, of guest b. */
struct serial {
	bool is_there, is_open, is_busy, event;
	char got[4 * PORT_HISTORY];
	unsigned got_n;
	const char *input;
};

static struct serial line;

struct serial *serial_find(const char *name)
{
	return line.is_there && strcmp(name, "gnomon.console.b") == 0 ? &line : NULL;
}

unsigned serial_generation(void)
{
	return line.is_there;
}

bool serial_is_open(struct serial *s)
{
	return s->is_open;
}

size_t serial_write(struct serial *s, const void *from, size_t n)
{
	if (s->is_busy)
		return 0;
	n = n < 100 ? n : 100;
	memcpy(s->got + s->got_n, from, n);
	s->got_n += (unsigned)n;
	return n;
}

size_t serial_read(struct serial *s, void *to, size_t n)
{
	assert_int_equal(n, 1);
	if (!*s->input)
		return 0;
	*(char *)to = *s->input++;
	return 1;
}

bool serial_has_input(struct serial *s)
{
	return *s->input;
}

/* Only who is asked gets on: the device needs two looks for each part. */
void serial_poll(void)
{
	static unsigned n;

	line.is_busy = line.is_busy && n++ % 2;
}

bool serial_take_event(struct serial *s)
{
	bool event = s->event;

	s->event = false;
	return event;
}

static uint8_t histories[4][PORT_HISTORY];
static struct port a, b, c, monitor;

static inline void make(struct port *p, unsigned n, const char *label)
{
	*p = (struct port){ .label = label,
			    .owner = p == &monitor ? NULL : p,
			    .history = histories[n] };
}

static inline int set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(&terminal, 0, sizeof(terminal));
	typed_drop(&a.typed);
	typed_drop(&b.typed);
	typed_drop(&c.typed);
	typed_drop(&monitor.typed);
	memset(&line, 0, sizeof(line));
	line.input = "";
	shown_n = ring_n = typed_n = 0;
	shown[0] = 0;
	is_stuck = has_alarm = false;
	alarms = 0;
	make(&a, 0, "a");
	make(&b, 1, "b");
	make(&c, 2, "c");
	make(&monitor, 3, "monitor");
	return 0;
}

static inline int set_up_three(void **state)
{
	set_up(state);
	port_open(&monitor);
	port_open(&a);
	port_open(&b);
	port_open(&c);
	return 0;
}

static inline void say_from(struct port *p, const char *text)
{
	for (; *text; text++)
		assert_true(port_put(p, (uint8_t)*text));
}

static inline void type_n(const char *text, unsigned n)
{
	typed_text = text;
	typed_n = n;
	terminal_interrupt();
}

static inline void type(const char *text)
{
	type_n(text, (unsigned)strlen(text));
}

/* What came on the console since this was last asked. */
static inline void expect(const char *text)
{
	assert_string_equal(shown, text);
	shown_n = 0;
	shown[0] = 0;
}

static inline void expect_read(struct port *p, const char *text)
{
	for (; *text; text++)
		assert_int_equal(port_get(p), (uint8_t)*text);
	assert_int_equal(port_get(p), -1);
}

static inline void expect_event(struct port *p, bool input, bool room)
{
	struct port_event e = { 0 };

	if (!p) {
		assert_false(terminal_next_event(&e));
		return;
	}
	assert_true(terminal_next_event(&e));
	assert_ptr_equal(e.port, p);
	assert_int_equal(e.input, input);
	assert_int_equal(e.room, room);
}

static inline void drain(void)
{
	ring_n = 0;
	terminal_interrupt();
}

#endif
