/*
 * Strings and memory, byte by byte: guests are small, plainness wins.
 * Built with -fno-tree-loop-distribute-patterns, or memcpy() would become a call to itself.
 */
#include "guests/lib/string.h"

unsigned long str_length(const char *s)
{
	unsigned long n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

bool str_starts(const char *s, const char *prefix)
{
	while (*prefix != '\0')
		if (*s++ != *prefix++)
			return false;
	return true;
}

bool str_equal(const char *a, const char *b)
{
	return str_starts(a, b) && str_length(a) == str_length(b);
}

void mem_copy(void *to, const void *from, size_t bytes)
{
	char *t = to;
	const char *f = from;

	while (bytes-- > 0)
		*t++ = *f++;
}

void mem_set(void *to, int value, size_t bytes)
{
	char *t = to;

	while (bytes-- > 0)
		*t++ = (char)value;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
	mem_copy(to, from, bytes);
	return to;
}

void *memset(void *to, int value, size_t bytes)
{
	mem_set(to, value, bytes);
	return to;
}
