/*
 * printf for guests, over one of three consoles.
 * Invariant: no allocation and no lock, so that the trap handler can print too.
 */
#include "guests/lib/print.h"

#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/board.h"
#include "guests/lib/sbi.h"
#include "guests/lib/string.h"

static void uart_put(char c)
{
	while ((mmio_read8(UART_BASE + UART_LSR) & UART_LSR_THRE) == 0)
		;
	mmio_write8(UART_BASE + UART_THR, (uint8_t)c);
}

static void dbcn_put(char c)
{
	sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE_BYTE, (uint8_t)c, 0, 0, 0, 0);
}

static void legacy_put(char c)
{
	sbi_call(SBI_LEGACY_CONSOLE_PUTCHAR, 0, (uint8_t)c, 0, 0, 0, 0);
}

static void (*const put_by_console[])(char) = {
	[CONSOLE_UART] = uart_put,
	[CONSOLE_DBCN] = dbcn_put,
	[CONSOLE_LEGACY] = legacy_put,
};

static enum console console = CONSOLE_UART;

void console_use(enum console which)
{
	console = which;
}

void put_char(char c)
{
	put_by_console[console](c);
}

static void put_padded(const char *s, unsigned width, char pad, bool left)
{
	unsigned long length = str_length(s);

	if (left)
		print("%s", s);
	for (; width > length; width--)
		put_char(left ? ' ' : pad);
	if (!left)
		for (; *s != '\0'; s++)
			put_char(*s);
}

/* Write @value's digits backwards into the end of a buffer; returns their start. */
static char *to_digits(char *end, uint64_t value, unsigned base)
{
	*--end = '\0';
	do {
		*--end = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	return end;
}

void print_va(const char *f, va_list args)
{
	char digits[24];

	for (; *f != '\0'; f++) {
		bool left = false, wide = false;
		unsigned width = 0;
		char pad = ' ';
		char *s;
		int64_t value;

		if (*f != '%') {
			put_char(*f);
			continue;
		}
		if (*++f == '-') {
			left = true;
			f++;
		}
		if (*f == '0')
			pad = '0';
		for (; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + (unsigned)(*f - '0');
		for (; *f == 'l'; f++)
			wide = true;
		switch (*f) {
		case 's':
			s = va_arg(args, char *);
			if (width == 0)
				for (; *s != '\0'; s++)
					put_char(*s);
			else
				put_padded(s, width, pad, left);
			break;
		case 'c':
			put_char((char)va_arg(args, int));
			break;
		case 'd':
			value = wide ? va_arg(args, int64_t) : va_arg(args, int);
			s = to_digits(digits + sizeof(digits),
				      value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
			if (value < 0)
				*--s = '-';
			put_padded(s, width, pad, left);
			break;
		case 'u':
		case 'x':
			s = to_digits(digits + sizeof(digits),
				      wide ? va_arg(args, uint64_t) : va_arg(args, unsigned),
				      *f == 'x' ? 16 : 10);
			put_padded(s, width, pad, left);
			break;
		default:
			put_char(*f);
			break;
		}
	}
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_va(format, args);
	va_end(args);
}
