/*
 * Text in a buffer. See text.h.
 */
#include "hyp/monitor/text.h"

#include <stdarg.h>

#include "hyp/lib/printf.h"
#include "hyp/lib/string.h"

void text_put(struct text *t, char c)
{
	if (t->n < t->room)
		t->to[t->n++] = c;
	else
		t->full = true;
}

void text_repeat(struct text *t, char c, size_t times)
{
	while (times--)
		text_put(t, c);
}

void text_add_bytes(struct text *t, const char *s, size_t n)
{
	while (n--)
		text_put(t, *s++);
}

void text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void text_format(struct text *t, const char *format, ...)
{
	char some[256];
	va_list args;

	va_start(args, format);
	format_text_v(some, sizeof(some), format, args);
	va_end(args);
	text_add(t, some);
}
