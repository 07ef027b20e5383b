/*
 * hyp/monitor/edit.c: every key, and what an 80-column terminal shows after it.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "hyp/monitor/edit.h"

#define UP     "\x1b[A"
#define DOWN   "\x1b[B"
#define RIGHT  "\x1b[C"
#define LEFT   "\x1b[D"
#define DELETE "\x1b[3~"

static struct edit e;
static char shown[1 << 16];
static struct text out;

static enum edit_event type_bytes(const char *s, size_t n)
{
	enum edit_event event = EDIT_NOTHING;

	while (n--)
		event = edit_byte(&e, (uint8_t)*s++, &out);
	assert_true(e.n <= EDIT_MOST && e.at <= e.n && e.line[e.n] == 0);
	assert_false(out.full);
	return event;
}

static enum edit_event type(const char *s)
{
	return type_bytes(s, strlen(s));
}

static void fresh(void)
{
	e = (struct edit){ .n = 0 };
	out = (struct text){ .to = shown, .room = sizeof(shown) };
	edit_begin(&e, &out);
}

static void type_line(const char *s)
{
	type(s);
	assert_int_equal(type("\r"), EDIT_LINE);
	assert_string_equal(e.line, s);
	edit_begin(&e, &out);
}

/* What the cursor's row of a terminal shows after all that was written, and where the cursor is. */
static const char *row(unsigned *cursor)
{
	static char text[512];
	unsigned at = 0, n = 0;

	memset(text, 0, sizeof(text));
	for (size_t i = 0; i < out.n; i++) {
		char c = shown[i];

		if (c == '\r' || c == '\n') {
			at = 0;
			if (c == '\n')
				memset(text, 0, n), n = 0;
		} else if (c == '\x1b') {
			unsigned number = 0;

			for (i += 2; shown[i] >= '0' && shown[i] <= '9'; i++)
				number = number * 10 + (unsigned)(shown[i] - '0');
			if (shown[i] == 'D')
				at -= number;
			else if (shown[i] == 'K')
				memset(text + at, 0, sizeof(text) - at);
			else if (shown[i] == 'J')
				memset(text, 0, sizeof(text)), n = at = 0;
		} else {
			text[at++] = c;
			n = at > n ? at : n;
		}
		assert_true(at < 80);
	}
	*cursor = at;
	return text;
}

static void is_shown(const char *line, unsigned cursor)
{
	char with_prompt[512];
	unsigned at;

	snprintf(with_prompt, sizeof(with_prompt), EDIT_PROMPT "%s", line);
	assert_string_equal(row(&at), with_prompt);
	assert_int_equal(at, strlen(EDIT_PROMPT) + cursor);
}

static void editor_keys(void **state)
{
	static const struct {
		const char *typed, *line;
		unsigned cursor;
	} rows[] = {
		{ "abc", "abc", 3 },
		{ "abc\x7f", "ab", 2 },
		{ "abc\b", "ab", 2 },
		{ "\x7f\x7f", "", 0 },
		{ "abc" LEFT LEFT "x", "axbc", 2 },
		{ "abc\x02\x02x", "axbc", 2 },
		{ "abc" LEFT LEFT LEFT LEFT "x", "xabc", 1 },
		{ "abc\x01x", "xabc", 1 },
		{ "abc\x01" RIGHT "x", "axbc", 2 },
		{ "abc\x01\x06x", "axbc", 2 },
		{ "abc" RIGHT "x", "abcx", 4 },
		{ "abc\x01\x05x", "abcx", 4 },
		{ "abc\x1b[Hx", "xabc", 1 },
		{ "abc\x1b[1~x", "xabc", 1 },
		{ "abc\x1b[7~x", "xabc", 1 },
		{ "abc\x1bOHx", "xabc", 1 },
		{ "abc\x01\x1b[Fx", "abcx", 4 },
		{ "abc\x01\x1b[4~x", "abcx", 4 },
		{ "abc\x01\x1b[8~x", "abcx", 4 },
		{ "abc\x01" DELETE, "bc", 0 },
		{ "abc" DELETE, "abc", 3 },
		{ "abc" LEFT "\x7f", "ac", 1 },
		{ "abc def" LEFT "\x15x", "x", 1 },
		{ "abc def\x17", "abc ", 4 },
		{ "abc def  \x17", "abc ", 4 },
		{ "abc\x17\x17", "", 0 },
		{ "abc def" LEFT "\x17", "abc f", 4 },
		{ "abc\x0c", "abc", 3 },
		{ "abc" LEFT "\x0c", "abc", 2 },
		{ "abc\x03", "", 0 },
		/* what has no meaning */
		{ "a\x80\xff\xc3\xa4z", "az", 2 },
		{ "a\x1b[99;12~z", "az", 2 },
		{ "a\x1b[5~z", "az", 2 },
		{ "a\x1b[Zz", "az", 2 },
		{ "a\x1b[1;5Dz", "za", 1 },
		{ "a\x1bqz", "az", 2 },
		{ "a\x1b\x1b[Dz", "za", 1 },
		{ "a\x1b[\x1b[Dz", "za", 1 },
		{ "a\x1b[1234567890123456789~z", "az", 2 },
		{ "a\x04\x0b\x0e\x10\x1a\x1fz", "az", 2 },
		{ UP DOWN, "", 0 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fresh();
		assert_int_equal(type(rows[i].typed), EDIT_NOTHING);
		assert_string_equal(e.line, rows[i].line);
		assert_int_equal(e.at, rows[i].cursor);
		is_shown(rows[i].line, rows[i].cursor);
	}
}

static void editor_lines(void **state)
{
	(void)state;
	fresh();
	assert_int_equal(type("vm list\r"), EDIT_LINE);
	assert_string_equal(e.line, "vm list");
	edit_begin(&e, &out);
	assert_int_equal(type("\n"), EDIT_NOTHING); /* of \r\n */
	assert_int_equal(type("\n"), EDIT_LINE);
	edit_begin(&e, &out);
	assert_int_equal(type("x\n"), EDIT_LINE);
	edit_begin(&e, &out);
	assert_int_equal(type("ab" LEFT "\r"), EDIT_LINE); /* whole, wherever the cursor is */
	assert_string_equal(e.line, "ab");
	edit_begin(&e, &out);
	assert_int_equal(type_bytes("a\0b", 3), EDIT_NOTHING);
	assert_string_equal(e.line, "ab");
	assert_int_equal(type("\t"), EDIT_TAB);
}

static void editor_long_line(void **state)
{
	char many[400], tail[71];
	(void)state;

	for (unsigned i = 0; i < sizeof(many); i++)
		many[i] = (char)('a' + i % 26);
	fresh();
	type_bytes(many, sizeof(many));
	assert_int_equal(e.n, EDIT_MOST);
	assert_memory_equal(e.line, many, EDIT_MOST);
	memcpy(tail, many + EDIT_MOST - 70, 70);
	tail[70] = 0;
	is_shown(tail, 70);
	type("\x01");
	memcpy(tail, many, 70);
	is_shown(tail, 0);
	type("\x05" LEFT "\x7f!");
	assert_int_equal(e.n, EDIT_MOST);
	assert_int_equal(e.line[EDIT_MOST - 2], '!');
	edit_insert(&e, "more", 4, &out);
	assert_int_equal(e.n, EDIT_MOST);
	type("\x15");
	is_shown("", 0);
}

static void editor_history(void **state)
{
	char line[16];
	(void)state;

	fresh();
	type_line("one");
	type_line("two");
	type_line("two");
	type_line("   ");
	type("dra" UP);
	is_shown("two", 3);
	type(UP);
	is_shown("one", 3);
	type(UP); /* there is no more */
	is_shown("one", 3);
	type(DOWN DOWN);
	is_shown("dra", 3);
	type(DOWN);
	is_shown("dra", 3);
	type(UP UP "\x7f\x7f\x7f"
		   "two");
	assert_int_equal(type("\r"), EDIT_LINE); /* changed, and the same as the last */
	edit_begin(&e, &out);
	type(UP UP);
	is_shown("one", 3);
	type("\x15");
	for (unsigned i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "n%u", i % 100);
		type_line(line);
	}
	for (int i = 0; i < 100; i++)
		type(UP);
	is_shown("n24", 3); /* the sixteenth from the end */
	for (int i = 0; i < 100; i++)
		type(DOWN);
	is_shown("", 0);
}

static void editor_any_bytes(void **state)
{
	uint64_t seed = 1;
	unsigned cursor;
	(void)state;

	for (unsigned round = 0; round < 200; round++) {
		fresh();
		for (unsigned i = 0; i < 300; i++) {
			static const char often[] = "\x1b[ABCDHF3~\x7f\x01\x05 x";
			uint64_t r = random_next(&seed);
			char byte = (char)(r & 1 ? (char)(r >> 8) : often[r >> 8 & 15]);

			if (type_bytes(&byte, 1) == EDIT_LINE)
				edit_begin(&e, &out);
			out.n = out.n > sizeof(shown) / 2 ? 0 : out.n;
		}
		out.n = 0;
		edit_show(&e, &out);
		row(&cursor);
		assert_int_equal(cursor, strlen(EDIT_PROMPT) + e.at - e.from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(editor_keys),	    cmocka_unit_test(editor_lines),
		cmocka_unit_test(editor_long_line), cmocka_unit_test(editor_history),
		cmocka_unit_test(editor_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
