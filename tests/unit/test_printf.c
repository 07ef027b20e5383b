/*
 * hyp/lib/printf.c against the host's snprintf, and hyp/lib/log.c on top of it.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "hyp/lib/check.h"
#include "hyp/lib/log.h"
#include "hyp/lib/printf.h"

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	log_set_level(LOG_INFO);
	return 0;
}

/* Both must give the same text and length, at every size of the buffer. */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		char ours[64], theirs[64];                                                         \
                                                                                                   \
		for (size_t room = 0; room <= sizeof(ours); room++) {                              \
			memset(ours, '#', sizeof(ours));                                           \
			memset(theirs, '#', sizeof(theirs));                                       \
			assert_int_equal(format_text(ours, room, __VA_ARGS__),                     \
					 snprintf(theirs, room, __VA_ARGS__));                     \
			if (room)                                                                  \
				assert_string_equal(ours, theirs);                                 \
			for (size_t i = room; i < sizeof(ours); i++)                               \
				assert_int_equal(ours[i], '#');                                    \
		}                                                                                  \
	} while (0)

static void as_in_c(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%%");
	SAME("%s|%10s|%-10s|%.2s|%c", "text", "right", "left", "cut", 'c');
	SAME("%d %d %d", 0, -1, 2147483647);
	SAME("%d", -2147483647 - 1);
	SAME("%5d|%-5d|%05d|%05d", 42, 42, 42, -42);
	SAME("%1d|%02d|%01d", -7, -7, -7);
	SAME("%u %x %08x %x", 4294967295u, 0xdeadbeefu, 0xbeefu, 0u);
	SAME("%ld %lu %lx", -5000000000l, 5000000000ul, 0xffffffffffffffful);
	SAME("%lld %llx", -9223372036854775807ll - 1, 0xffffffffffffffffull);
	SAME("%zu", sizeof(int));
	SAME("%lx-%lx", 0x80000000ul, 0x90000000ul);
}

/* The compiler refuses such formats; one that gets through shows itself and harms nothing. */
static void odd_formats(void **state)
{
	static const char *const odd[] = { "100%", "%", "%5", "%q", "%l" };
	static const char *const shows[] = { "100", "", "", "q", "" };
	char text[16];
	(void)state;

	for (unsigned i = 0; i < 5; i++) {
		char exact[8]; /* no byte behind the ending 0 that could be read */
		const char *volatile format = memcpy(exact + 8 - strlen(odd[i]) - 1, odd[i],
						     strlen(odd[i]) + 1);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
		format_text(text, sizeof(text), format);
#pragma GCC diagnostic pop
		assert_string_equal(text, shows[i]);
	}
}

static void log_lines(void **state)
{
	(void)state;
	log_info("%u harts", 2u);
	log_debug("not shown");
	log_error("bad");
	assert_string_equal(fake.text, "gnomon: 2 harts\r\ngnomon: bad\r\n");
	log_set_level(LOG_ERROR);
	log_info("not shown either");
	assert_string_equal(fake.text, "gnomon: 2 harts\r\ngnomon: bad\r\n");
}

static void log_cuts_long_lines(void **state)
{
	char text[500];
	(void)state;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	log_error("%s", text);
	assert_int_equal(fake.text_n, strlen("gnomon: ") + 199 + 2);
	assert_string_equal(fake.text + fake.text_n - 2, "\r\n");
}

static void panic_ends_the_machine(void **state)
{
	(void)state;
	assert_int_equal(FAKE_STATUS(panic("frame %d", 7)), 70);
	assert_string_equal(fake.text, "gnomon: panic: frame 7\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(as_in_c, set_up),
		cmocka_unit_test_setup(odd_formats, set_up),
		cmocka_unit_test_setup(log_lines, set_up),
		cmocka_unit_test_setup(log_cuts_long_lines, set_up),
		cmocka_unit_test_setup(panic_ends_the_machine, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
