/*
 * The operator's two ways in: a terminal and a control port. See monitor.h.
 *
 * Invariant: one hart at a time is in here. A hart that comes meanwhile leaves what it came for in
 * .asked and goes; who is inside looks there before it leaves. So nobody waits, and there is no
 * order of locks to keep.
 *
 * Each way has the bytes of one answer, and takes no more input until they are gone: who doesn't
 * read doesn't fill anything up. In one go at most SOME bytes are taken: guests share the hart.
 */
#include "hyp/monitor/monitor.h"

#include <stdatomic.h>

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/drv/serial.h"
#include "hyp/drv/terminal.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/string.h"
#include "hyp/monitor/command.h"
#include "hyp/monitor/control.h"
#include "hyp/monitor/edit.h"

#define SOME	      512 /* bytes of input in one go */
#define NEVER	      UINT64_MAX
#define RENEW_SECONDS 2
#define LIST_ROOM     1024

enum { ASKED_TERMINAL = 1, ASKED_CONTROL = 2 };

static _Atomic uint32_t asked, inside;
static _Atomic uint64_t deadline = NEVER;

static uint8_t history[PORT_HISTORY];
static char terminal_room[ANSWER_ROOM], control_room[ANSWER_ROOM];

static struct {
	struct port port;
	struct edit edit;
	struct text out; /* what it is to show ... */
	size_t sent;	 /* ... from here on */
	bool at_end;	 /* the \r before a \n is sent */
	bool is_renewed; /* the line in .edit is carried out again and again, until a key */
	bool has_more;	 /* input, perhaps */
	uint64_t renew_at;
} terminal = {
	.port = { .label = "monitor", .history = history },
	.out = { .to = terminal_room, .room = sizeof(terminal_room) },
};

static struct {
	struct control control;
	struct answer answer;
	size_t sent; /* bytes of the answer */
	bool has_more;
} channel;

/* Show what is to be shown; lines end as terminals want it. Returns whether all of it went. */
static bool flush_terminal(void)
{
	for (; terminal.sent < terminal.out.n; terminal.sent++) {
		char c = terminal.out.to[terminal.sent];

		if (c == '\n' && !terminal.at_end && !port_put(&terminal.port, '\r'))
			return false;
		terminal.at_end = c == '\n';
		if (!port_put(&terminal.port, (uint8_t)c))
			return false;
		terminal.at_end = false;
	}
	terminal.sent = terminal.out.n = 0;
	terminal.out.full = false;
	return true;
}

/* .out has room for an answer and a prompt: it was empty before the byte that led here. */
static void carry_out(const char *line)
{
	struct text *out = &terminal.out;
	struct answer a;

	answer_begin(&a, ANSWER_TEXT, out->to + out->n, out->room - out->n - LIST_ROOM, NULL);
	command_run_line(line, &a);
	answer_end(&a);
	out->n += a.text.n;
	if (a.ends) {
		(void)flush_terminal();
		terminal_flush();
		machine_exit(a.status);
	}
	terminal.is_renewed = a.renew;
	terminal.renew_at = csr_read(CSR_TIME) + RENEW_SECONDS * host.timebase;
	if (!a.renew)
		edit_begin(&terminal.edit, out);
}

/* Where there are several ways on and none is longer, they are listed. */
static void complete(void)
{
	char room[LIST_ROOM];
	struct text list = { .to = room, .room = sizeof(room) };
	struct completion c = { .list = &list };
	struct edit *e = &terminal.edit;

	command_complete(e->line, e->at, &c);
	if (c.common[0]) {
		edit_insert(e, c.common, (unsigned)strlen(c.common), &terminal.out);
	} else if (c.count > 1) {
		text_put(&terminal.out, '\n');
		text_add_bytes(&terminal.out, list.to, list.n);
		text_put(&terminal.out, '\n');
		edit_show(e, &terminal.out);
	}
}

static void take_byte(uint8_t byte)
{
	struct edit *e = &terminal.edit;

	if (terminal.is_renewed) {
		terminal.is_renewed = false;
		edit_begin(e, &terminal.out);
		return;
	}
	switch (edit_byte(e, byte, &terminal.out)) {
	case EDIT_NOTHING:
		break;
	case EDIT_LINE:
		carry_out(e->line);
		break;
	case EDIT_TAB:
		complete();
		break;
	}
}

static void renew(void)
{
	if (!terminal.is_renewed || csr_read(CSR_TIME) < terminal.renew_at)
		return;
	text_add(&terminal.out, "\x1b[H\x1b[J");
	carry_out(terminal.edit.line);
}

/* What is typed while there is something to show is kept for us, and there will be room. */
static void serve_terminal(void)
{
	unsigned left = SOME;
	int byte;

	if (flush_terminal())
		renew();
	while (left && flush_terminal() && (byte = port_get(&terminal.port)) >= 0) {
		take_byte((uint8_t)byte);
		left--;
	}
	terminal.has_more = !left;
	flush_terminal();
}

static bool flush_channel(struct serial *s)
{
	struct answer *a = &channel.answer;

	if (channel.sent < a->text.n)
		channel.sent +=
			serial_write(s, a->text.to + channel.sent, a->text.n - channel.sent);
	return channel.sent == a->text.n;
}

static void take_control_byte(uint8_t byte, struct serial *s)
{
	if (!control_byte(&channel.control, byte))
		return;
	control_answer(&channel.control, &channel.answer, control_room, sizeof(control_room));
	channel.sent = 0;
	flush_channel(s);
	if (channel.answer.ends) {
		terminal_flush();
		machine_exit(channel.answer.status);
	}
}

/* Whoever comes next begins with a line of their own, and gets no answer to another's. */
static void forget_channel(void)
{
	channel.control = (struct control){ .n = 0 };
	channel.answer.text.n = channel.sent = 0;
}

static void serve_control(void)
{
	struct serial *s = serial_find(SERIAL_CONTROL);
	unsigned left = SOME;
	uint8_t byte;

	if (!s || !serial_is_open(s))
		forget_channel();
	while (s && left && flush_channel(s) && serial_read(s, &byte, 1)) {
		take_control_byte(byte, s);
		left--;
	}
	channel.has_more = !left;
}

/* No matter which of them is due: the other one has nothing to do then. */
static void set_deadline(void)
{
	uint64_t at = terminal.is_renewed ? terminal.renew_at : NEVER;

	atomic_store(&deadline, terminal.has_more || channel.has_more ? 0 : at);
}

static void serve(uint32_t what)
{
	atomic_fetch_or(&asked, what);
	while (atomic_load(&asked) && !atomic_exchange(&inside, 1)) {
		uint32_t todo = atomic_exchange(&asked, 0);

		if (todo & ASKED_TERMINAL)
			serve_terminal();
		if (todo & ASKED_CONTROL)
			serve_control();
		set_deadline();
		atomic_store(&inside, 0);
	}
}

void monitor_init(void)
{
	port_open(&terminal.port);
	edit_begin(&terminal.edit, &terminal.out);
	serve(ASKED_TERMINAL);
}

void monitor_terminal(void)
{
	serve(ASKED_TERMINAL);
}

void monitor_control(void)
{
	serve(ASKED_CONTROL);
}

uint64_t monitor_deadline(void)
{
	return atomic_load(&deadline);
}

void monitor_tick(void)
{
	serve(ASKED_TERMINAL | ASKED_CONTROL);
}
