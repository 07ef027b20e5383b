/*
 * Memory and string functions.
 *
 * memcpy and memset matter: a guest's first write to a bundle page copies 2 MiB, so whole words
 * go eight at a time; and packets are copied from anywhere to anywhere. The rest is as short as it
 * can be. -fno-tree-loop-distribute-patterns keeps
 * the compiler from turning these loops into calls of themselves.
 */
#include "hyp/lib/string.h"

#include <stdint.h>

typedef uint64_t __attribute__((may_alias)) word;

static bool words_fit(uintptr_t a, uintptr_t b)
{
	return ((a | b) & 7) == 0;
}

/* Both aligned to words. Returns how many bytes are left, fewer than a word. */
static size_t copy_words(unsigned char *t, const unsigned char *f, size_t bytes)
{
	for (; bytes >= 64; bytes -= 64, t += 64, f += 64) {
		const word *wf = (const word *)f;
		word *wt = (word *)t;
		uint64_t a = wf[0], b = wf[1], c = wf[2], d = wf[3];
		uint64_t e = wf[4], g = wf[5], h = wf[6], i = wf[7];

		wt[0] = a, wt[1] = b, wt[2] = c, wt[3] = d;
		wt[4] = e, wt[5] = g, wt[6] = h, wt[7] = i;
	}
	for (; bytes >= 8; bytes -= 8, t += 8, f += 8)
		*(word *)t = *(const word *)f;
	return bytes;
}

/* @t alone is aligned; a word lies before @f, too. Each word stored is made of the two that it lies
 * across. Returns how many bytes are left, fewer than two words. */
static size_t merge_words(unsigned char *t, const unsigned char *f, size_t bytes)
{
	unsigned shift = 8 * ((uintptr_t)f & 7), rest = 64 - shift;
	const word *wf = (const word *)(f - ((uintptr_t)f & 7));
	uint64_t a = *wf++;

	for (; bytes >= 40; bytes -= 32, t += 32, wf += 4) {
		uint64_t b = wf[0], c = wf[1], d = wf[2], e = wf[3];
		word *wt = (word *)t;

		wt[0] = a >> shift | b << rest, wt[1] = b >> shift | c << rest;
		wt[2] = c >> shift | d << rest, wt[3] = d >> shift | e << rest;
		a = e;
	}
	for (; bytes >= 16; bytes -= 8, t += 8) {
		uint64_t b = *wf++;

		*(word *)t = a >> shift | b << rest;
		a = b;
	}
	return bytes;
}

static void copy_bytes(unsigned char *t, const unsigned char *f, size_t bytes)
{
	for (; bytes >= 4; bytes -= 4, t += 4, f += 4) {
		unsigned char a = f[0], b = f[1], c = f[2], d = f[3];

		t[0] = a, t[1] = b, t[2] = c, t[3] = d;
	}
	while (bytes--)
		*t++ = *f++;
}

#define FEW 32 /* bytes that aren't worth the trouble */

void *memcpy(void *to, const void *from, size_t bytes)
{
	unsigned char *t = to;
	const unsigned char *f = from;
	bool alike = words_fit((uintptr_t)t ^ (uintptr_t)f, 0);
	size_t head = 0, left = bytes;

	if (bytes >= FEW || words_fit((uintptr_t)t, (uintptr_t)f)) {
		head = -(uintptr_t)t & 7;
		if (!alike)
			head += 8; /* merge_words() looks at a word before */
		copy_bytes(t, f, head);
		left = alike ? copy_words(t + head, f + head, bytes - head)
			     : merge_words(t + head, f + head, bytes - head);
	}
	copy_bytes(t + bytes - left, f + bytes - left, left);
	return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if (t <= f || t >= f + bytes) {
		while (bytes--)
			*t++ = *f++;
	} else {
		while (bytes--)
			t[bytes] = f[bytes];
	}
	return to;
}

void *memset(void *to, int byte, size_t bytes)
{
	unsigned char *t = to;
	uint64_t v = (unsigned char)byte * UINT64_C(0x0101010101010101);

	if (words_fit((uintptr_t)t, 0)) {
		for (; bytes >= 64; bytes -= 64, t += 64) {
			word *w = (word *)t;

			w[0] = v, w[1] = v, w[2] = v, w[3] = v;
			w[4] = v, w[5] = v, w[6] = v, w[7] = v;
		}
		for (; bytes >= 8; bytes -= 8, t += 8)
			*(word *)t = v;
	}
	while (bytes--)
		*t++ = (unsigned char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
	const unsigned char *x = a, *y = b;

	for (; bytes; bytes--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *in, int byte, size_t bytes)
{
	const unsigned char *p = in;

	for (; bytes; bytes--, p++)
		if (*p == (unsigned char)byte)
			return (void *)(uintptr_t)p;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t most)
{
	size_t n = 0;

	while (n < most && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t most)
{
	for (; most; most--, a++, b++)
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)(uintptr_t)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++);
	return (char *)(uintptr_t)last;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

unsigned long strtoul(const char *s, char **end, int base)
{
	unsigned long v = 0;

	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 0x20) == 'x' &&
	    digit_value(s[2]) < 16) {
		base = 16;
		s += 2;
	} else if (base == 0) {
		base = s[0] == '0' ? 8 : 10;
	}
	for (; digit_value(*s) < base; s++)
		v = v * (unsigned long)base + (unsigned long)digit_value(*s);
	if (end)
		*end = (char *)(uintptr_t)s;
	return v;
}

bool string_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}
