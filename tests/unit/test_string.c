/*
 * hyp/lib/string.c against the host's C library, which it is compiled beside under other names.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define THEIRS(type, name, ...) static type (*const c_##name)(__VA_ARGS__) = name

THEIRS(void *, memcpy, void *, const void *, size_t);
THEIRS(void *, memmove, void *, const void *, size_t);
THEIRS(void *, memset, void *, int, size_t);
THEIRS(int, memcmp, const void *, const void *, size_t);
THEIRS(void *, memchr, const void *, int, size_t);
THEIRS(size_t, strlen, const char *);
THEIRS(size_t, strnlen, const char *, size_t);
THEIRS(int, strcmp, const char *, const char *);
THEIRS(int, strncmp, const char *, const char *, size_t);
THEIRS(char *, strchr, const char *, int);
THEIRS(char *, strrchr, const char *, int);
THEIRS(unsigned long, strtoul, const char *, char **, int);

#include "tests/fake/string_names.h"

#include "hyp/lib/string.h"

#define ROOM 400

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void fill(unsigned char *p, uint64_t *seed)
{
	for (unsigned i = 0; i < ROOM; i++)
		p[i] = (unsigned char)random_next(seed);
}

/* Every alignment of both ends, lengths around the words and the 64-byte rounds. */
static void copy_and_fill(void **state)
{
	unsigned char a[ROOM], b[ROOM], c[ROOM];
	uint64_t seed = 1;
	(void)state;

	for (unsigned to = 0; to < 16; to++)
		for (unsigned from = 0; from < 16; from++)
			for (unsigned n = 0; n < 210; n++) {
				fill(a, &seed);
				c_memcpy(b, a, ROOM);
				c_memcpy(c, a, ROOM);
				assert_ptr_equal(memmove(b + to, b + from, n), b + to);
				c_memmove(c + to, c + from, n);
				assert_memory_equal(b, c, ROOM);
				assert_ptr_equal(memcpy(b + to, a + from, n), b + to);
				c_memcpy(c + to, a + from, n);
				assert_memory_equal(b, c, ROOM);
				assert_ptr_equal(memset(b + to, (int)from - 3, n), b + to);
				c_memset(c + to, (int)from - 3, n);
				assert_memory_equal(b, c, ROOM);
			}
}

/* Strings of few letters, so that they are often equal for a while. */
static void random_text(char *s, uint64_t *seed)
{
	static const char letters[] = { 'a', 'b', '\x80', '\xff' };
	unsigned n = (unsigned)(random_next(seed) % 12);

	for (unsigned i = 0; i < n; i++)
		s[i] = letters[random_next(seed) % 4];
	s[n] = 0;
}

static void compare_and_search(void **state)
{
	char a[16] = { 0 }, b[16] = { 0 };
	uint64_t seed = 2;
	(void)state;

	for (unsigned i = 0; i < 100000; i++) {
		size_t n = random_next(&seed) % 14;
		int ch = "ab\x80\xffz"[random_next(&seed) % 6];

		random_text(a, &seed);
		random_text(b, &seed);
		assert_int_equal(sign(memcmp(a, b, n)), sign(c_memcmp(a, b, n)));
		assert_int_equal(sign(strcmp(a, b)), sign(c_strcmp(a, b)));
		assert_int_equal(sign(strncmp(a, b, n)), sign(c_strncmp(a, b, n)));
		assert_int_equal(strlen(a), c_strlen(a));
		assert_int_equal(strnlen(a, n), c_strnlen(a, n));
		assert_ptr_equal(memchr(a, ch, n), c_memchr(a, ch, n));
		assert_ptr_equal(strchr(a, ch), c_strchr(a, ch));
		assert_ptr_equal(strrchr(a, ch), c_strrchr(a, ch));
		assert_int_equal(string_starts(a, b), c_strncmp(a, b, c_strlen(b)) == 0);
	}
}

static void numbers(void **state)
{
	static const char *const text[] = { "0",    "1",    "42",  "042", "0x2a", "0X2A", "0x",
					    "0xg",  "2a",   "ff",  "zz",  "",     "09",   "x1",
					    "123456789", "7fffffff", "7-3" };
	static const int base[] = { 0, 8, 10, 16, 36 };
	char *end, *c_end;
	(void)state;

	for (unsigned i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		for (unsigned k = 0; k < sizeof(base) / sizeof(base[0]); k++) {
			unsigned long v = c_strtoul(text[i], &c_end, base[k]);

			assert_int_equal(strtoul(text[i], NULL, base[k]), v);
			assert_int_equal(strtoul(text[i], &end, base[k]), v);
			assert_ptr_equal(end, c_end);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_and_fill),
		cmocka_unit_test(compare_and_search),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
