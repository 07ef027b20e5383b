/*
 * Two serial ports of the host's, for tests of hyp/dev/virtio_console.c: hyp/drv/serial.h with ends
 * of the test's own; and the alarm, which is counted. To be included once. SERIAL_TAKES: bytes that
 * a port takes at once; SERIAL_OUT: those that it keeps. What breaks a rule ends the test.
 */
#ifndef TESTS_FAKE_SERIALS_H
#define TESTS_FAKE_SERIALS_H

#include <stdlib.h>
#include <string.h>

#include "hyp/drv/alarm.h"
#include "hyp/drv/serial.h"

struct serial {
	const char *name;
	bool is_open, was_closed, event, is_busy;
	char out[SERIAL_OUT], in[64];
	size_t out_n, in_n, in_at;
};

static struct serial serials[2];
static unsigned generation, alarms;
static struct serial_listener *listener;

bool alarm_set(uint64_t ns)
{
	(void)ns;
	alarms++;
	return true;
}

uint64_t alarm_clock(void)
{
	return 0;
}

struct serial *serial_find(const char *name)
{
	for (unsigned i = 0; i < 2; i++)
		if (serials[i].name && strcmp(serials[i].name, name) == 0)
			return &serials[i];
	return NULL;
}

unsigned serial_generation(void)
{
	return generation;
}

bool serial_is_open(struct serial *s)
{
	return s->is_open;
}

void *serial_room(struct serial *s, size_t *n)
{
	*n = s->is_busy ? 0 : SERIAL_TAKES;
	return s->is_busy ? NULL : s->out + s->out_n;
}

void serial_send(struct serial *s, size_t n)
{
	if (!n || n > SERIAL_TAKES || s->is_busy)
		abort();
	s->out_n += n;
	s->is_busy = true;
}

const void *serial_input(struct serial *s, size_t *n)
{
	*n = s->in_n - s->in_at;
	return s->in + s->in_at;
}

void serial_pass(struct serial *s, size_t n)
{
	if (n > s->in_n - s->in_at)
		abort();
	s->in_at += n;
}

bool serial_has_input(struct serial *s)
{
	return s->in_n != s->in_at;
}

bool serial_take_closed(struct serial *s)
{
	bool was = s->was_closed;

	s->was_closed = false;
	return was;
}

bool serial_take_event(struct serial *s)
{
	bool event = s->event;

	s->event = false;
	return event;
}

void serial_listen(struct serial_listener *l)
{
	listener = l;
}

void serial_ignore(struct serial_listener *l)
{
	if (l != listener)
		abort();
	listener = NULL;
}

#endif
