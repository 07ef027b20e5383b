/*
 * Ports onto one console.
 *
 * A port's history is the buffer of all its output: what is shown or sent lies between .shown or
 * .sent and .said, and where nobody looks the oldest bytes are overwritten.
 *
 * Invariant: when the lock is free, everything that the console has room for and that is to be
 * seen there has been handed to it; and a port that is refused a byte is told of room later.
 *
 * Next: hyp/drv/console.c, hyp/drv/serial.c.
 */
#include "hyp/drv/terminal.h"

#include "hyp/drv/alarm.h"
#include "hyp/drv/console.h"
#include "hyp/drv/serial.h"
#include "hyp/lib/lock.h"
#include "hyp/lib/log.h"
#include "hyp/lib/printf.h"
#include "hyp/lib/string.h"

#define ESCAPE	    0x1d /* Ctrl-] */
#define LINE	    200	 /* bytes of an unfinished line, in the view of all, until it is shown */
#define RESERVE	    512	 /* of the console's ring, for what Gnomon says here */
#define PART	    256	 /* bytes of an unfinished line that a serial port is fed at once, */
#define PART_DELAY  UINT64_C(2000000) /* and how many ns less may wait for more; so may a prompt */
#define INPUT_BURST 256 /* bytes typed that one interrupt takes: the UART asks again */

static struct {
	struct lock lock;
	struct port *ports;   /* in the order in which they were opened */
	struct port *focus;   /* NULL: there is no port */
	struct port *served;  /* whose event was taken last: its owner may be at it */
	bool shows_all;	      /* all guests are to be seen, not just .focus */
	bool is_chosen;	      /* somebody wanted that focus */
	bool is_escaped;      /* the last byte typed was the escape key */
	bool is_in_line;      /* the last byte shown didn't end a line, */
	struct port *line_of; /* in the view of all, this one's */
	uint64_t prompt;      /* what .focus had said at the last interrupt */
	unsigned generation;  /* of serial ports, at the last look */
} terminal;

static bool is_guest(const struct port *p)
{
	return p->owner != NULL;
}

static unsigned guests_n(void)
{
	unsigned n = 0;

	for (const struct port *p = terminal.ports; p; p = p->next)
		n += is_guest(p);
	return n;
}

/* A guest alone is seen as it is. */
static bool all_are_seen(void)
{
	return terminal.shows_all && guests_n() > 1;
}

static void show(uint8_t byte)
{
	terminal.is_in_line = byte != '\n';
	console_put(byte);
}

static void show_text(const char *text)
{
	for (; *text; text++)
		show((uint8_t)*text);
}

static void end_line(void)
{
	if (terminal.is_in_line)
		show_text("\r\n");
	terminal.line_of = NULL;
}

#define SAID 160

/* A line of our own. It is lost where even what is kept free for it is used up. */
static void say_line(const char *line)
{
	if (console_room() < SAID + 16)
		return;
	end_line();
	show_text("gnomon: ");
	show_text(line);
	show_text("\r\n");
}

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	char line[SAID];
	va_list args;

	va_start(args, format);
	format_text_v(line, sizeof(line), format, args);
	va_end(args);
	say_line(line);
}

static uint8_t said_at(const struct port *p, uint64_t at)
{
	return p->history[at % PORT_HISTORY];
}

static void skip_lost(struct port *p)
{
	uint64_t n = p->said - p->shown;

	if (n <= PORT_HISTORY)
		return;
	say("%s: %lu bytes lost", p->label, n - PORT_HISTORY);
	p->shown = p->said - PORT_HISTORY;
}

/* What the port with the focus said and the console hadn't room for. */
static void catch_up(struct port *p)
{
	skip_lost(p);
	while (p->shown != p->said && console_room() > RESERVE)
		show(said_at(p, p->shown++));
}

/* The bytes of the next line that is to be shown, with its end; 0: none is whole. The rest of one
 * that was begun is. */
static unsigned line_length(const struct port *p)
{
	uint64_t waiting = p->said - p->shown;

	for (unsigned n = 0; n < LINE && n < waiting; n++)
		if (said_at(p, p->shown + n) == '\n')
			return n + 1;
	if (waiting >= LINE)
		return LINE;
	return p == terminal.line_of ? (unsigned)waiting : 0;
}

/* The next @n bytes of @p as a line with its label, or the rest of one. Returns false, and shows
 * nothing, without room for all of it. */
static bool show_line(struct port *p, unsigned n)
{
	if (!n || console_room() < RESERVE + strlen(p->label) + n + 8)
		return false;
	if (p != terminal.line_of) {
		end_line();
		show_text(p->label);
		show_text("| ");
	}
	for (unsigned i = 0; i < n; i++)
		show(said_at(p, p->shown++));
	if (n >= LINE)
		end_line();
	terminal.line_of = terminal.is_in_line ? p : NULL;
	return true;
}

/* A line of each guest in turn, as long as there are any. */
static void show_lines(void)
{
	bool more = true;

	while (more) {
		more = false;
		for (struct port *p = terminal.ports; p; p = p->next) {
			if (!is_guest(p))
				continue;
			skip_lost(p);
			more |= show_line(p, line_length(p));
		}
	}
}

static void show_waiting(void)
{
	if (all_are_seen())
		show_lines();
	else if (terminal.focus)
		catch_up(terminal.focus);
}

/* Whether @p has a line, or enough of one, in the view of all. Looks at its end only. */
static bool has_line(const struct port *p)
{
	return p->said != p->shown && (p == terminal.line_of || p->said - p->shown >= LINE ||
				       said_at(p, p->said - 1) == '\n');
}

/* Whether @p may say a byte, as far as the console goes. */
static bool console_allows(struct port *p)
{
	if (all_are_seen()) {
		if (!is_guest(p) || !has_line(p))
			return true;
		show_lines();
		return !has_line(p);
	}
	if (p != terminal.focus)
		return true;
	if (p->shown != p->said)
		catch_up(p);
	return p->shown == p->said && console_room() > RESERVE;
}

/* Hand on to @p's serial port what it takes. Until somebody listens there, the history waits. */
static void feed_serial(struct port *p)
{
	if (!p->serial || !serial_is_open(p->serial))
		return;
	if (p->said - p->sent > PORT_HISTORY)
		p->sent = p->said - PORT_HISTORY;
	while (p->sent != p->said) {
		uint64_t at = p->sent % PORT_HISTORY, n = p->said - p->sent;
		size_t took = serial_write(p->serial, p->history + at,
					   n < PORT_HISTORY - at ? n : PORT_HISTORY - at);

		if (!took)
			return;
		p->sent += took;
	}
}

/* Feed it by lines: a byte at a time would cost several times what it costs the guest to say it. */
static void feed_soon(struct port *p, uint8_t byte)
{
	if (!serial_is_open(p->serial))
		return;
	if (byte == '\n' || p->said - p->sent >= PART || !alarm_set(PART_DELAY))
		feed_serial(p);
}

static bool serial_allows(struct port *p)
{
	if (!p->serial || p->said - p->sent < PORT_HISTORY || !serial_is_open(p->serial))
		return true;
	feed_serial(p);
	return p->said - p->sent < PORT_HISTORY;
}

/* The console or a serial port takes bytes again, or the focus is elsewhere: tell who waited. */
static void wake(void)
{
	for (struct port *p = terminal.ports; p; p = p->next)
		if (p->is_short && serial_allows(p) && console_allows(p)) {
			p->is_short = false;
			p->has_room = true;
		}
}

/* In the view of all: by lines, or once a prompt of who has the keys has been there for a while. */
static void show_soon(struct port *p)
{
	if (has_line(p))
		show_lines();
	else if (p == terminal.focus)
		(void)alarm_set(PART_DELAY);
}

bool port_put(struct port *p, uint8_t byte)
{
	bool taken;

	lock_take(&terminal.lock);
	taken = serial_allows(p) && console_allows(p);
	if (taken) {
		p->history[p->said++ % PORT_HISTORY] = byte;
		if (p->serial)
			feed_soon(p, byte);
		if (p == terminal.focus && !all_are_seen())
			show(said_at(p, p->shown++));
		else if (all_are_seen() && is_guest(p))
			show_soon(p);
	} else {
		p->is_short = true;
	}
	lock_release(&terminal.lock);
	return taken;
}

int port_get(struct port *p)
{
	uint8_t from_serial;
	int byte;

	lock_take(&terminal.lock);
	byte = typed_take(&p->typed);
	if (byte < 0 && p->serial && serial_read(p->serial, &from_serial, 1))
		byte = from_serial;
	lock_release(&terminal.lock);
	return byte;
}

/* Back to the begin of the line that @p is in: its prompt may have been shown long ago. */
static void show_again(struct port *p)
{
	uint64_t at = p->said, least = at < LINE ? 0 : at - LINE;

	while (at > least && said_at(p, at - 1) != '\n')
		at--;
	if (at < p->shown && (at == 0 || said_at(p, at - 1) == '\n'))
		p->shown = at;
}

/* The word to whoever looks on, and what they missed. */
static void show_view(void)
{
	struct port *p = terminal.focus;

	if (!p)
		return;
	if (all_are_seen())
		say("console: all guests, keys go to %s (Ctrl-] ? for help)", p->label);
	else
		say("console: %s (Ctrl-] ? for help)", p->label);
	show_again(p);
	show_waiting();
	wake();
}

static void set_focus(struct port *p)
{
	terminal.focus = p;
	terminal.shows_all = false;
	terminal.is_chosen = true;
	show_view();
}

/* Guest @n, from 0, or NULL. */
static struct port *nth_guest(unsigned n)
{
	for (struct port *p = terminal.ports; p; p = p->next)
		if (is_guest(p) && n-- == 0)
			return p;
	return NULL;
}

static struct port *monitor_port(void)
{
	for (struct port *p = terminal.ports; p; p = p->next)
		if (!is_guest(p))
			return p;
	return NULL;
}

/* How many guests stand before @p. */
static unsigned place_of(const struct port *p)
{
	unsigned n = 0;

	for (const struct port *q = terminal.ports; q && q != p; q = q->next)
		n += is_guest(q);
	return n;
}

static void switch_to(struct port *p, const char *what)
{
	if (p)
		set_focus(p);
	else
		say("console: there is no such %s (Ctrl-] ? for help)", what);
}

static void key_number(uint8_t key)
{
	switch_to(nth_guest(key - '1'), "guest");
}

/* From the monitor, which stands nowhere among them, to the first or the last. */
static void key_step(uint8_t key)
{
	unsigned n = guests_n(), from = terminal.focus ? place_of(terminal.focus) : 0;

	if (!n) {
		switch_to(NULL, "guest");
		return;
	}
	if (!is_guest(terminal.focus))
		from = key == 'n' ? n - 1 : 0;
	switch_to(nth_guest((key == 'n' ? from + 1 : from + n - 1) % n), "guest");
}

static void key_monitor(uint8_t key)
{
	(void)key;
	switch_to(monitor_port(), "port");
}

static void key_all(uint8_t key)
{
	struct port *guest =
		terminal.focus && is_guest(terminal.focus) ? terminal.focus : nth_guest(0);

	(void)key;
	if (!guest) {
		switch_to(NULL, "guest");
		return;
	}
	terminal.focus = guest;
	terminal.shows_all = terminal.is_chosen = true;
	show_view();
}

static void give(uint8_t byte)
{
	struct port *p = terminal.focus;

	if (!p)
		return;
	if (!typed_add(&p->typed, byte)) {
		p->dropped++;
		return;
	}
	p->has_input = true;
	if (p->dropped)
		say("console: %s didn't read: %lu bytes typed are lost", p->label, p->dropped);
	p->dropped = 0;
}

static void key_itself(uint8_t key)
{
	(void)key;
	give(ESCAPE);
}

static void key_help(uint8_t key)
{
	(void)key;
	say("Ctrl-] then 1..9: that guest, n p: next, previous, m: monitor, a: all guests, "
	    "]: Ctrl-] itself");
}

static const struct {
	uint8_t first, last;
	void (*act)(uint8_t key);
} keys[] = {
	{ '1', '9', key_number },	{ 'n', 'n', key_step }, { 'p', 'p', key_step },
	{ 'm', 'm', key_monitor },	{ 'a', 'a', key_all },	{ ']', ']', key_itself },
	{ ESCAPE, ESCAPE, key_itself }, { '?', '?', key_help },
};

static void take_key(uint8_t key)
{
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (key >= keys[i].first && key <= keys[i].last) {
			keys[i].act(key);
			return;
		}
	say("console: that key does nothing (Ctrl-] ? for help)");
}

static void take_byte(uint8_t byte)
{
	bool was_escaped = terminal.is_escaped;

	terminal.is_escaped = !was_escaped && byte == ESCAPE;
	if (was_escaped)
		take_key(byte);
	else if (byte != ESCAPE)
		give(byte);
}

/* Everything is taken at once, read or not: the escape key may come next. */
static void take_typed(void)
{
	int byte;

	for (unsigned n = 0; n < INPUT_BURST && (byte = console_get()) >= 0; n++)
		take_byte((uint8_t)byte);
}

static void serve_serial(struct port *p)
{
	if (!p->serial)
		return;
	feed_serial(p);
	if (serial_take_event(p->serial) && serial_has_input(p->serial))
		p->has_input = true;
}

static void find_serial(struct port *p)
{
	char name[SERIAL_NAME];

	format_text(name, sizeof(name), SERIAL_CONSOLE "%s", p->label);
	p->serial = serial_find(name);
}

static void find_new_serials(void)
{
	unsigned now = serial_generation();

	if (now == terminal.generation)
		return;
	terminal.generation = now;
	for (struct port *p = terminal.ports; p; p = p->next)
		if (is_guest(p))
			find_serial(p);
}

void terminal_say(const char *format, ...)
{
	char line[SAID];
	va_list args;

	va_start(args, format);
	format_text_v(line, sizeof(line), format, args);
	va_end(args);
	log_keep(line);
	lock_take(&terminal.lock);
	say_line(line);
	if (terminal.focus)
		show_again(terminal.focus);
	show_waiting();
	lock_release(&terminal.lock);
}

void terminal_focus_all(void)
{
	lock_take(&terminal.lock);
	key_all(0);
	lock_release(&terminal.lock);
}

/* A prompt doesn't end its line: it is shown when nothing was added since the last interrupt. */
static void show_prompt(void)
{
	struct port *p = terminal.focus;

	if (!all_are_seen() || p->said == p->shown)
		return;
	if (p->said == terminal.prompt)
		show_line(p, (unsigned)(p->said - p->shown));
	else
		(void)alarm_set(PART_DELAY);
	terminal.prompt = p->said;
}

void terminal_interrupt(void)
{
	lock_take(&terminal.lock);
	console_interrupt();
	find_new_serials();
	for (struct port *p = terminal.ports; p; p = p->next)
		serve_serial(p);
	take_typed();
	show_waiting();
	show_prompt();
	wake();
	lock_release(&terminal.lock);
}

/* What it said last, whole line or not. */
static void show_rest(struct port *p)
{
	if (all_are_seen() && is_guest(p)) {
		show_lines();
		show_line(p, (unsigned)(p->said - p->shown));
		if (p == terminal.line_of)
			end_line();
	}
	if (p == terminal.line_of)
		terminal.line_of = NULL;
}

/* Bytes that are on their way to a serial port that listens; feeds it. */
static uint64_t unsent(struct port *p)
{
	feed_serial(p);
	return p->serial && serial_is_open(p->serial) ? p->said - p->sent : 0;
}

void terminal_flush(void)
{
	uint64_t before = UINT64_MAX, now;

	lock_take(&terminal.lock);
	show_waiting();
	for (struct port *p = terminal.ports; p; p = p->next)
		show_rest(p);
	for (;; before = now) {
		serial_poll();
		now = CONSOLE_RING - console_room();
		for (struct port *p = terminal.ports; p; p = p->next)
			now += unsent(p);
		if (!now || now >= before)
			break;
	}
	lock_release(&terminal.lock);
}

/* What @p has still to send, as far as it goes at once. What else came with that is looked at when
 * the alarm interrupts. */
static void flush_serial(struct port *p)
{
	uint64_t before = UINT64_MAX, now;

	for (; (now = unsent(p)) != 0 && now < before; before = now)
		serial_poll();
	if (before != UINT64_MAX)
		(void)alarm_set(PART_DELAY);
}

/* Another hart may be at an event of @p, which isn't on the list any more: a moment. */
static void await_served(const struct port *p)
{
	while (terminal.served == p) {
		lock_release(&terminal.lock);
		cpu_relax();
		lock_take(&terminal.lock);
	}
}

bool terminal_next_event(struct port_event *e)
{
	struct port *p;

	lock_take(&terminal.lock);
	for (p = terminal.ports; p && !p->has_input && !p->has_room; p = p->next)
		;
	terminal.served = p;
	if (p) {
		*e = (struct port_event){ p, p->has_input, p->has_room };
		p->has_input = p->has_room = false;
	}
	lock_release(&terminal.lock);
	return p != NULL;
}

void port_open(struct port *p)
{
	struct port **end = &terminal.ports;

	lock_take(&terminal.lock);
	while (*end)
		end = &(*end)->next;
	*end = p;
	if (is_guest(p))
		find_serial(p);
	if (!terminal.focus || (is_guest(p) && !is_guest(terminal.focus) && !terminal.is_chosen))
		terminal.focus = p;
	lock_release(&terminal.lock);
}

/* The guest after the one that stood at @place, the one before, or the monitor. */
static void leave_focus(unsigned place)
{
	unsigned n = guests_n();

	terminal.focus = n ? nth_guest(place % n) : terminal.ports;
	terminal.is_chosen = false;
	show_view();
}

void port_close(struct port *p)
{
	struct port **at = &terminal.ports;
	unsigned place;

	lock_take(&terminal.lock);
	show_rest(p);
	flush_serial(p);
	place = place_of(p);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	typed_drop(&p->typed);
	if (p == terminal.focus)
		leave_focus(place);
	show_waiting();
	await_served(p);
	lock_release(&terminal.lock);
}
