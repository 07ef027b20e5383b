/*
 * The few string and memory functions a freestanding guest needs.
 */
#ifndef GUESTS_LIB_STRING_H
#define GUESTS_LIB_STRING_H

#include <stdbool.h>
#include <stddef.h>

unsigned long str_length(const char *s);
bool str_equal(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
void mem_copy(void *to, const void *from, size_t bytes);
void mem_set(void *to, int value, size_t bytes);

/* The compiler calls these by name for structure copies. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

#endif
