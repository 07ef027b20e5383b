/*
 * The log: what goes to the firmware's console, and what is kept of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/lib/log.h"
#include "tests/fake/fake.h"

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	return 0;
}

static void test_read_again(void **state)
{
	char text[100];

	(void)state;
	assert_int_equal(log_history(text, sizeof(text)), 0);
	log_info("one");
	log_debug("not shown");
	assert_string_equal(fake.text, "gnomon: one\r\n");
	log_info("two");
	assert_int_equal(log_history(text, sizeof(text)), strlen("gnomon: one\ngnomon: two\n"));
	assert_memory_equal(text, "gnomon: one\ngnomon: two\n", 24);
	assert_int_equal(log_history(text, 5), 5);
	assert_memory_equal(text, " two\n", 5);
	assert_int_equal(log_history(text, 0), 0);
}

static void test_only_the_last_is_kept(void **state)
{
	static char text[LOG_HISTORY + 1];

	(void)state;
	for (unsigned i = 0; i < LOG_HISTORY; i++)
		log_info("%u", i);
	assert_int_equal(log_history(text, sizeof(text)), LOG_HISTORY);
	assert_string_equal(text + LOG_HISTORY - strlen("gnomon: 8191\n"), "gnomon: 8191\n");
}

/* What this hart says as an error, while it listens. */
static void test_heard(void **state)
{
	struct hart other = { .index = 1 }, *self = fake.hart;
	struct log_ear ear, inner;

	(void)state;
	log_error("before");
	log_listen(&ear);
	assert_string_equal(ear.said, "");
	log_info("no error");
	fake.hart = &other;
	log_listen(&inner);
	log_error("elsewhere");
	log_ignore(&inner);
	fake.hart = self;
	assert_string_equal(ear.said, "");
	assert_string_equal(inner.said, "elsewhere");
	log_error("%s", "one");
	log_error("%s", "other");
	assert_string_equal(ear.said, "other");
	log_ignore(&ear);
	log_error("behind");
	assert_string_equal(ear.said, "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_read_again, set_up),
		cmocka_unit_test_setup(test_only_the_last_is_kept, set_up),
		cmocka_unit_test_setup(test_heard, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
