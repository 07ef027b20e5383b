/*
 * The log, and panic(), its last line.
 *
 * Goes through SBI and not through hyp/drv/, so that it works from the first instruction and when
 * everything else is broken. Invariant: a line is whole.
 */
#include "hyp/lib/log.h"

#include <stdarg.h>

#include "hyp/lib/check.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/lock.h"
#include "hyp/lib/printf.h"
#include "sbi/call/call.h"

#define LINE_MAX 200

static enum log_level shown = LOG_INFO;
static struct lock log_lock;
static char history[LOG_HISTORY];
static uint64_t printed; /* bytes ever */

void log_set_level(enum log_level level)
{
	shown = level;
}

static void keep(char byte)
{
	if (byte != '\r')
		history[printed++ % LOG_HISTORY] = byte;
}

static void keep_text(const char *text)
{
	for (; *text; text++)
		keep(*text);
}

static void put_text(const char *text)
{
	for (const char *c = text; *c; c++)
		sbi_console_putchar(*c);
	keep_text(text);
}

static void put_line(const char *lead, const char *format, va_list args)
{
	char line[LINE_MAX];

	format_text_v(line, sizeof(line), format, args);
	put_text(lead);
	put_text(line);
	put_text("\r\n");
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > shown)
		return;
	va_start(args, format);
	lock_take(&log_lock);
	put_line("gnomon: ", format, args);
	lock_release(&log_lock);
	va_end(args);
}

void log_keep(const char *line)
{
	lock_take(&log_lock);
	keep_text("gnomon: ");
	keep_text(line);
	keep('\n');
	lock_release(&log_lock);
}

size_t log_history(char *to, size_t room)
{
	uint64_t at;
	size_t n = 0;

	lock_take(&log_lock);
	at = printed - (printed < LOG_HISTORY ? printed : LOG_HISTORY);
	if (printed - at > room)
		at = printed - room;
	while (at != printed)
		to[n++] = history[at++ % LOG_HISTORY];
	lock_release(&log_lock);
	return n;
}

/* Takes no lock: the hart that holds it may be this one. */
void panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line("gnomon: panic: ", format, args);
	va_end(args);
	machine_exit(EXIT_PANIC);
}
