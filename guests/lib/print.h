/*
 * Console output. One hart prints at a time: there is no lock, only the boot hart prints.
 */
#ifndef GUESTS_LIB_PRINT_H
#define GUESTS_LIB_PRINT_H

#include <stdarg.h>

enum console {
	CONSOLE_UART,	/* ns16550, polled; the default */
	CONSOLE_DBCN,	/* SBI debug console, a byte at a time */
	CONSOLE_LEGACY, /* SBI legacy console_putchar */
};

/** Send what follows through @which. */
void console_use(enum console which);

void put_char(char c);

/**
 * Print formatted text: %d %u %x %s %c %%, `l` for 64 bits, a width, zero or `-` padding.
 * A newline is sent as it is.
 */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_va(const char *format, va_list args);

#endif
