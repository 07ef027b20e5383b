/*
 * Formatting: %s %c %d %u %x %p %%, with l and ll, a width, '-' and '0', and a precision for %s.
 */
#ifndef HYP_LIB_PRINTF_H
#define HYP_LIB_PRINTF_H

#include <stdarg.h>
#include <stddef.h>

/**
 * Format into @to, at most @room bytes with the ending 0.
 * Returns the length the whole text has, which may be more than was written.
 */
size_t format_text(char *to, size_t room, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t format_text_v(char *to, size_t room, const char *format, va_list args);

#endif
