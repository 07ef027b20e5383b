/*
 * Text that is made bit by bit in memory of a fixed size.
 */
#ifndef HYP_MONITOR_TEXT_H
#define HYP_MONITOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Invariant: .n <= .room. What doesn't fit is dropped, and .full says so. Not ended by 0. */
struct text {
	char *to;
	size_t room, n;
	bool full;
};

void text_put(struct text *t, char c);
void text_repeat(struct text *t, char c, size_t times);
void text_add_bytes(struct text *t, const char *s, size_t n);
void text_add(struct text *t, const char *s);

/* At most 255 bytes at once; the format is hyp/lib/printf.h's. */
void text_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
