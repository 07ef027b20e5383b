/*
 * The log, and panic(), its last line.
 *
 * Goes through SBI and not through hyp/drv/, so that it works from the first instruction and when
 * everything else is broken. Invariant: a line is whole.
 */
#include "hyp/lib/log.h"

#include <stdarg.h>

#include "hyp/arch/cpu.h"
#include "hyp/lib/check.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/lock.h"
#include "hyp/lib/printf.h"
#include "sbi/call/call.h"

static enum log_level shown = LOG_INFO;
static struct lock log_lock;
static char history[LOG_HISTORY];
static uint64_t printed; /* bytes ever */
static struct log_ear *ears;

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

static void put_line(const char *lead, const char *line)
{
	put_text(lead);
	put_text(line);
	put_text("\r\n");
}

static void tell_ears(const char *line)
{
	for (struct log_ear *ear = ears; ear; ear = ear->next)
		if (ear->hart == this_hart())
			format_text(ear->said, sizeof(ear->said), "%s", line);
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE];
	va_list args;

	if (level > shown)
		return;
	va_start(args, format);
	format_text_v(line, sizeof(line), format, args);
	va_end(args);
	lock_take(&log_lock);
	put_line("gnomon: ", line);
	if (level == LOG_ERROR)
		tell_ears(line);
	lock_release(&log_lock);
}

void log_listen(struct log_ear *ear)
{
	ear->hart = this_hart();
	ear->said[0] = 0;
	lock_take(&log_lock);
	ear->next = ears;
	ears = ear;
	lock_release(&log_lock);
}

void log_ignore(struct log_ear *ear)
{
	struct log_ear **at = &ears;

	lock_take(&log_lock);
	while (*at != ear)
		at = &(*at)->next;
	*at = ear->next;
	lock_release(&log_lock);
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
	char line[LOG_LINE];
	va_list args;

	va_start(args, format);
	format_text_v(line, sizeof(line), format, args);
	va_end(args);
	put_line("gnomon: panic: ", line);
	machine_exit(EXIT_PANIC);
}
