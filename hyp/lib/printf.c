/*
 * Formatting text. Invariant: nothing is written at or beyond to + room, and the text ends with 0
 * if room > 0. See hyp/lib/log.c for who prints.
 */
#include "hyp/lib/printf.h"

#include <stdbool.h>
#include <stdint.h>

#include "hyp/lib/string.h"

struct sink {
	char *to;
	size_t room, length;
};

struct spec {
	bool left, zero;
	size_t width, precision;
	unsigned longs;
};

static void put(struct sink *s, char c)
{
	if (s->length + 1 < s->room)
		s->to[s->length] = c;
	s->length++;
}

static void put_repeated(struct sink *s, char c, size_t n)
{
	while (n--)
		put(s, c);
}

static void put_field(struct sink *s, const struct spec *f, const char *text, size_t n)
{
	size_t pad = f->width > n ? f->width - n : 0;

	if (!f->left)
		put_repeated(s, f->zero ? '0' : ' ', pad);
	while (n--)
		put(s, *text++);
	if (f->left)
		put_repeated(s, ' ', pad);
}

static void put_number(struct sink *s, const struct spec *f, uint64_t v, unsigned base,
		       bool negative)
{
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (negative && f->zero && !f->left) { /* the sign stands before the padding */
		struct spec rest = *f;

		put(s, '-');
		rest.width -= rest.width > 0;
		put_field(s, &rest, digits + at, sizeof(digits) - at);
		return;
	}
	if (negative)
		digits[--at] = '-';
	put_field(s, f, digits + at, sizeof(digits) - at);
}

static const char *parse_spec(const char *p, struct spec *f)
{
	*f = (struct spec){ .precision = SIZE_MAX };
	for (; *p == '-' || *p == '0'; p++)
		*(*p == '-' ? &f->left : &f->zero) = true;
	for (; *p >= '0' && *p <= '9'; p++)
		f->width = f->width * 10 + (size_t)(*p - '0');
	if (*p == '.')
		for (f->precision = 0, p++; *p >= '0' && *p <= '9'; p++)
			f->precision = f->precision * 10 + (size_t)(*p - '0');
	for (; *p == 'l' || *p == 'z'; p++)
		f->longs++;
	return p;
}

static void put_signed(struct sink *s, const struct spec *f, int64_t v)
{
	put_number(s, f, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0);
}

size_t format_text_v(char *to, size_t room, const char *format, va_list args)
{
	struct sink s = { to, room, 0 };
	struct spec f;

	for (const char *p = format; *p; p++) {
		if (*p != '%') {
			put(&s, *p);
			continue;
		}
		p = parse_spec(p + 1, &f);
		switch (*p) {
		case 's': {
			const char *text = va_arg(args, const char *);
			put_field(&s, &f, text, strnlen(text, f.precision));
			break;
		}
		case 'c': {
			char c = (char)va_arg(args, int);
			put_field(&s, &f, &c, 1);
			break;
		}
		case 'd':
			put_signed(&s, &f, f.longs ? va_arg(args, int64_t) : va_arg(args, int));
			break;
		case 'u':
		case 'x':
			put_number(&s, &f,
				   f.longs ? va_arg(args, uint64_t) : va_arg(args, unsigned),
				   *p == 'x' ? 16 : 10, false);
			break;
		case 'p':
			put_number(&s, &f, (uintptr_t)va_arg(args, void *), 16, false);
			break;
		case 0: /* a % at the very end */
			p--;
			break;
		default: /* %%, and a mistake shows as itself */
			put(&s, *p);
		}
	}
	if (room)
		to[s.length < room ? s.length : room - 1] = 0;
	return s.length;
}

size_t format_text(char *to, size_t room, const char *format, ...)
{
	va_list args;
	size_t n;

	va_start(args, format);
	n = format_text_v(to, room, format, args);
	va_end(args);
	return n;
}
