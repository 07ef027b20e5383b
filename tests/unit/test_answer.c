/*
 * hyp/monitor/answer.c: both forms of each kind of answer, whatever is in it and however long.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "hyp/lib/string.h"
#include "tests/unit/answer.h"

static const struct column three[] = { { "name", -6 }, { "n", 4 }, { "what", -5 } };

static void two_rows(void)
{
	answer_table(&a, three, 3);
	answer_row(&a);
	answer_text(&a, "x\"\\\x1b\xc3");
	answer_number(&a, 12);
	answer_tenths(&a, 123);
	answer_row(&a);
	answer_text(&a, "longer than");
	answer_none(&a);
	answer_hex(&a, 0xabc);
	answer_number(&a, 7); /* one too many */
}

static void answer_tables(void **state)
{
	static const struct answer_count counts[] = { { "3", 5 }, { "7", 1 } };
	(void)state;

	begin(ANSWER_TEXT, ANSWER_ROOM);
	two_rows();
	assert_string_equal(ended(), "name       n  what\n"
				     "x\"\\??     12  12.3\n"
				     "longer than     -  0000000000000abc\n");
	begin(ANSWER_JSON, ANSWER_ROOM);
	two_rows();
	assert_string_equal(ended(),
			    "{\"ok\":true,\"result\":["
			    "{\"name\":\"x\\\"\\\\\\u001b\\u00c3\",\"n\":12,\"what\":12.3},"
			    "{\"name\":\"longer than\",\"n\":null,\"what\":\"0xabc\"}]}\n");
	begin(ANSWER_JSON, ANSWER_ROOM);
	answer_table(&a, three, 1);
	assert_string_equal(ended(), "{\"ok\":true,\"result\":[]}\n");
	begin(ANSWER_JSON, ANSWER_ROOM);
	answer_table(&a, three, 1);
	answer_row(&a);
	answer_counts(&a, counts, 2);
	answer_row(&a);
	answer_counts(&a, counts, 0);
	assert_string_equal(ended(), "{\"ok\":true,\"result\":[{\"3\":5,\"7\":1},{}]}\n");
	begin(ANSWER_TEXT, ANSWER_ROOM);
	answer_table(&a, three, 1);
	answer_row(&a);
	answer_counts(&a, counts, 2);
	answer_row(&a);
	answer_bytes(&a, "abcd", 2);
	assert_string_equal(ended(), "3 5, 7 1\nab\n");
}

static void record(void)
{
	answer_record(&a, three, 3, 2);
	answer_text(&a, "one");
	answer_number(&a, 2);
	answer_text(&a, "three");
}

static void answer_records(void **state)
{
	const uint64_t id = 99;
	(void)state;

	begin(ANSWER_TEXT, ANSWER_ROOM);
	record();
	assert_string_equal(ended(), "name   one  n      2\nwhat   three\n");
	answer_begin(&a, ANSWER_JSON, answered, ANSWER_ROOM, &id);
	record();
	assert_string_equal(ended(), "{\"ok\":true,\"id\":99,\"result\":"
				     "{\"name\":\"one\",\"n\":2,\"what\":\"three\"}}\n");
	begin(ANSWER_TEXT, ANSWER_ROOM);
	assert_string_equal(ended(), "");
	begin(ANSWER_JSON, ANSWER_ROOM);
	assert_string_equal(ended(), "{\"ok\":true,\"result\":null}\n");
}

static void answer_errors(void **state)
{
	const uint64_t id = UINT64_MAX;
	char all[256];
	(void)state;

	begin(ANSWER_TEXT, ANSWER_ROOM);
	two_rows();
	answer_error(&a, "no %s", "way\n");
	two_rows();
	record();
	assert_string_equal(ended(), "error: no way?\n");
	/* the longest of all fits in the least room */
	memset(all, 1, sizeof(all));
	all[255] = 0;
	answer_begin(&a, ANSWER_JSON, answered, ANSWER_LEAST, &id);
	answer_error(&a, "%s", all);
	ended();
	assert_non_null(strstr(answered, "\"ok\":false"));
	assert_non_null(strstr(answered, "\"id\":18446744073709551615"));
}

static char long_text[5000];

/* Whatever the room, what is there is whole: rows, and JSON. */
static void answer_truncated(void **state)
{
	(void)state;
	for (size_t room = ANSWER_LEAST; room < ANSWER_LEAST + 200; room++)
		for (unsigned form = ANSWER_TEXT; form <= ANSWER_JSON; form++) {
			const char *end;

			begin((enum answer_form)form, room);
			answer_table(&a, three, 3);
			for (unsigned i = 0; i < 1000; i++) {
				answer_row(&a);
				answer_text(&a, "r");
				answer_number(&a, i);
				answer_text(&a, "\x01\x02");
			}
			end = ended() + a.text.n;
			if (form == ANSWER_JSON)
				assert_string_equal(end - 20, "],\"truncated\":true}\n");
			else
				assert_string_equal(end - 15, "??\n(truncated)\n");
			assert_true(a.text.n > room - 128);
		}
	begin(ANSWER_JSON, ANSWER_LEAST);
	answer_record(&a, three, 3, 1);
	memset(long_text, 'x', sizeof(long_text));
	for (unsigned i = 0; i < 3; i++)
		answer_bytes(&a, long_text, 5000);
	assert_string_equal(ended(), "{\"ok\":true,\"result\":null,\"truncated\":true}\n");
}

static void record_with_lists(unsigned rows)
{
	answer_record(&a, three, 3, 2);
	answer_text(&a, "r");
	answer_number(&a, 1);
	answer_number(&a, 2);
	answer_list(&a, "none", three, 2);
	answer_list(&a, "some", three, 2);
	for (unsigned i = 0; i < rows; i++) {
		answer_row(&a);
		answer_text(&a, "x");
		answer_number(&a, i);
	}
	answer_list(&a, "words", three, 1);
	answer_row(&a);
	answer_text(&a, "last");
}

static void answer_lists(void **state)
{
	(void)state;
	begin(ANSWER_TEXT, ANSWER_ROOM);
	record_with_lists(2);
	assert_string_equal(ended(), "name   r  n      1\nwhat   2\n"
				     "name       n\n"
				     "name       n\n"
				     "x          0\n"
				     "x          1\n"
				     "last\n");
	begin(ANSWER_JSON, ANSWER_ROOM);
	record_with_lists(2);
	assert_string_equal(ended(),
			    "{\"ok\":true,\"result\":{\"name\":\"r\",\"n\":1,\"what\":2,"
			    "\"none\":[],"
			    "\"some\":[{\"name\":\"x\",\"n\":0},{\"name\":\"x\",\"n\":1}],"
			    "\"words\":[\"last\"]}}\n");
	begin(ANSWER_JSON, ANSWER_ROOM);
	record_with_lists(1);
	answer_error(&a, "no");
	answer_list(&a, "more", three, 2);
	assert_string_equal(ended(), "{\"ok\":false,\"error\":\"no\"}\n");
}

/* However many rows there are, and wherever the room ends: in a row, in a list's head. */
static void lists_truncated(void **state)
{
	unsigned whole = 0, cut = 0;
	(void)state;

	for (unsigned rows = 60; rows < 120; rows++)
		for (unsigned form = ANSWER_TEXT; form <= ANSWER_JSON; form++) {
			begin((enum answer_form)form, ANSWER_LEAST + rows % 7);
			record_with_lists(rows);
			(strstr(ended(), "truncated") ? cut++ : whole++);
			assert_true(string_starts(answered, form == ANSWER_JSON
								    ? "{\"ok\":true,\"result\":{"
								    : "name   r"));
		}
	assert_true(whole && cut);
	for (unsigned form = ANSWER_TEXT; form <= ANSWER_JSON; form++) {
		memset(long_text, 'x', sizeof(long_text));
		begin((enum answer_form)form, ANSWER_LEAST);
		answer_record(&a, three, 2, 1);
		answer_bytes(&a, long_text, 950);
		answer_bytes(&a, long_text, 950);
		for (unsigned i = 0; i < 20; i++)
			answer_list(&a, "list", three, 3);
		assert_non_null(strstr(ended(), "truncated"));
		begin((enum answer_form)form, ANSWER_LEAST);
		answer_record(&a, three, 3, 1);
		for (unsigned i = 0; i < 3; i++)
			answer_bytes(&a, long_text, 5000);
		answer_list(&a, "list", three, 3);
		assert_non_null(strstr(ended(), form == ANSWER_JSON ? "null,\"trunc" : "(trunc"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_tables),
		cmocka_unit_test(answer_records),
		cmocka_unit_test(answer_errors),
		cmocka_unit_test(answer_truncated),
		cmocka_unit_test(answer_lists),
		cmocka_unit_test(lists_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
