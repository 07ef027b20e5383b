/*
 * Answers. See answer.h.
 *
 * Invariant: until answer_end(), text.room leaves out TAIL bytes, which complete an answer in any
 * state; and what is before .row_at is whole, so that a row which doesn't fit can be undone.
 */
#include "hyp/monitor/answer.h"

#include <stdarg.h>

#include "hyp/lib/printf.h"
#include "hyp/lib/string.h"

#define TAIL	   64
#define FIELD_MOST 1024

static bool is_json(const struct answer *a)
{
	return a->form == ANSWER_JSON;
}

/* Begin, or begin again, with nothing but what every answer has first. */
static void put_head(struct answer *a, bool ok)
{
	a->text.n = 0;
	a->text.full = false;
	if (!is_json(a))
		return;
	text_add(&a->text, ok ? "{\"ok\":true" : "{\"ok\":false");
	if (a->has_id)
		text_format(&a->text, ",\"id\":%lu", a->id);
	text_add(&a->text, ok ? ",\"result\":" : ",\"error\":");
	a->row_at = a->text.n;
}

void answer_begin(struct answer *a, enum answer_form form, char *to, size_t room,
		  const uint64_t *id)
{
	*a = (struct answer){ .form = form, .room = room, .has_id = id != NULL };
	a->text = (struct text){ .to = to, .room = room - TAIL };
	if (id)
		a->id = *id;
	put_head(a, true);
}

/* JSON, "Strings" in RFC 8259: what isn't printable ASCII becomes \u00xx. */
static void put_json_byte(struct text *t, char c)
{
	if (c == '"' || c == '\\')
		text_put(t, '\\');
	if (c < ' ' || c > '~')
		text_format(t, "\\u%04x", (unsigned)(unsigned char)c);
	else
		text_put(t, c);
}

static void put_bytes(struct answer *a, const char *s, size_t n)
{
	for (; n; n--, s++)
		if (is_json(a))
			put_json_byte(&a->text, *s);
		else
			text_put(&a->text, *s < ' ' || *s > '~' ? '?' : *s);
}

static void put_quoted(struct answer *a, const char *s, size_t n)
{
	text_put(&a->text, '"');
	put_bytes(a, s, n);
	text_put(&a->text, '"');
}

/* Padding goes before what follows it, so that no line ends with spaces. */
static void put_aligned(struct answer *a, const char *s, size_t n, int width)
{
	size_t wanted = (size_t)(width < 0 ? -width : width);
	size_t padding = wanted > n ? wanted - n : 0;

	if (!n) {
		a->padding += padding;
		return;
	}
	text_repeat(&a->text, ' ', a->padding + (width > 0 ? padding : 0));
	put_bytes(a, s, n);
	a->padding = width < 0 ? padding : 0;
}

static void end_line(struct answer *a)
{
	text_put(&a->text, '\n');
	a->padding = 0;
}

static void put_names(struct answer *a)
{
	for (unsigned i = 0; i < a->columns_n; i++) {
		const struct column *c = &a->columns[i];

		put_aligned(a, c->name, strlen(c->name), c->width);
		a->padding += 2;
	}
	end_line(a);
}

void answer_table(struct answer *a, const struct column *columns, unsigned n)
{
	if (a->is_error)
		return;
	a->columns = columns;
	a->columns_n = a->column = n;
	if (is_json(a))
		text_put(&a->text, '[');
	else if (n > 1)
		put_names(a);
	a->row_at = a->text.n;
}

void answer_record(struct answer *a, const struct column *columns, unsigned n, unsigned per_line)
{
	if (a->is_error)
		return;
	a->columns = columns;
	a->columns_n = n;
	a->per_line = per_line;
	a->is_record = true;
	a->rows = 1;
	if (is_json(a))
		text_put(&a->text, '{');
}

static bool is_list(const struct answer *a)
{
	return a->columns_n == 1 && !a->is_record;
}

/* A row that doesn't fit was never begun, and none comes after it. */
static void keep_what_fits(struct answer *a)
{
	if (a->text.full) {
		a->text.n = a->row_at;
		a->text.full = false;
		a->truncated = true;
	}
	a->row_at = a->text.n;
}

static void close_row(struct answer *a)
{
	if (a->truncated)
		return;
	if (a->rows && is_json(a) && !is_list(a))
		text_put(&a->text, '}');
	else if (a->rows && !is_json(a) && (!a->is_record || a->column % a->per_line))
		end_line(a);
	keep_what_fits(a);
}

/* What follows isn't of this record, or of this list, any more. */
static void leave_fields(struct answer *a)
{
	if (!a->is_record) {
		close_row(a);
		return;
	}
	if (!is_json(a) && a->column % a->per_line)
		end_line(a);
	keep_what_fits(a);
}

void answer_list(struct answer *a, const char *name, const struct column *columns, unsigned n)
{
	size_t end;

	if (a->is_error || a->truncated)
		return;
	leave_fields(a);
	a->is_nested = !a->is_record || !a->truncated;
	if (a->truncated)
		return;
	end = a->text.n;
	if (is_json(a)) {
		text_add(&a->text, a->is_record ? "," : "],");
		put_quoted(a, name, strlen(name));
		text_put(&a->text, ':');
	}
	answer_table(a, columns, n);
	if (a->text.full) {
		a->row_at = end;
		keep_what_fits(a);
		return;
	}
	a->is_record = false;
	a->rows = 0;
}

void answer_row(struct answer *a)
{
	if (a->is_error)
		return;
	close_row(a);
	if (a->truncated)
		return;
	if (is_json(a) && a->rows)
		text_put(&a->text, ',');
	if (is_json(a) && !is_list(a))
		text_put(&a->text, '{');
	a->rows++;
	a->column = 0;
	a->has_field = false;
}

static void begin_json_field(struct answer *a, const struct column *c)
{
	if (is_list(a))
		return;
	if (a->has_field)
		text_put(&a->text, ',');
	a->has_field = true;
	put_quoted(a, c->name, strlen(c->name));
	text_put(&a->text, ':');
}

static void put_text_field(struct answer *a, const struct column *c, const char *s, size_t n)
{
	if (a->is_record) {
		put_aligned(a, c->name, strlen(c->name), a->columns[0].width);
		a->padding++;
	}
	put_aligned(a, s, n, a->is_record ? 0 : c->width);
	a->padding += 2;
	if (a->is_record && (a->column + 1) % a->per_line == 0)
		end_line(a);
}

static bool takes_field(const struct answer *a)
{
	return !a->truncated && !a->is_error && a->column < a->columns_n;
}

static void put_field(struct answer *a, const char *s, size_t n, bool is_string)
{
	const struct column *c;

	if (!takes_field(a))
		return;
	c = &a->columns[a->column];
	if (n > FIELD_MOST)
		n = FIELD_MOST;
	if (!is_json(a)) {
		put_text_field(a, c, s, n);
	} else {
		begin_json_field(a, c);
		if (is_string)
			put_quoted(a, s, n);
		else
			text_add_bytes(&a->text, s, n);
	}
	a->column++;
}

void answer_bytes(struct answer *a, const char *s, size_t n)
{
	put_field(a, s, n, true);
}

void answer_text(struct answer *a, const char *s)
{
	put_field(a, s, strlen(s), true);
}

void answer_none(struct answer *a)
{
	const char *none = is_json(a) ? "null" : "-";

	put_field(a, none, strlen(none), false);
}

void answer_bool(struct answer *a, bool v)
{
	static const char *const words[2][2] = { { "no", "yes" }, { "false", "true" } };
	const char *word = words[is_json(a)][v];

	put_field(a, word, strlen(word), false);
}

void answer_skip(struct answer *a)
{
	if (!is_json(a))
		answer_none(a);
	else if (takes_field(a))
		a->column++;
}

size_t answer_left(const struct answer *a)
{
	return a->is_error || a->truncated ? 0 : a->text.room - a->text.n;
}

static void put_formatted(struct answer *a, bool is_string, const char *format, uint64_t v,
			  uint64_t w)
{
	char some[32];

	put_field(a, some, format_text(some, sizeof(some), format, v, w), is_string);
}

void answer_number(struct answer *a, uint64_t v)
{
	put_formatted(a, false, "%lu", v, 0);
}

void answer_hex(struct answer *a, uint64_t v)
{
	put_formatted(a, true, is_json(a) ? "0x%lx" : "%016lx", v, 0);
}

void answer_tenths(struct answer *a, uint64_t v)
{
	put_formatted(a, false, "%lu.%lu", v / 10, v % 10);
}

/* JSON: an object; text: "name n, name n". */
void answer_counts(struct answer *a, const struct answer_count *counts, unsigned n)
{
	char some[FIELD_MOST];
	struct text t = { .to = some, .room = sizeof(some) };
	bool json = is_json(a);

	if (json)
		text_put(&t, '{');
	for (unsigned i = 0; i < n; i++)
		text_format(&t, json ? "%s\"%s\":%lu" : "%s%s %lu", i ? json ? "," : ", " : "",
			    counts[i].name, counts[i].n);
	if (json)
		text_put(&t, '}');
	put_field(a, t.to, t.n, false);
}

void answer_object(struct answer *a, const struct answer_member *members, unsigned n)
{
	char some[FIELD_MOST];
	struct text t = { .to = some, .room = sizeof(some) };
	bool json = is_json(a);

	if (json)
		text_put(&t, '{');
	for (const struct answer_member *m = members; m < members + n; m++) {
		const char *begin = m > members ? json ? "," : ", " : "";

		if (m->text)
			text_format(&t, json ? "%s\"%s\":\"%s\"" : "%s%s %s", begin, m->name,
				    m->text);
		else
			text_format(&t, json ? "%s\"%s\":%lu" : "%s%s %lu", begin, m->name, m->n);
	}
	if (json)
		text_put(&t, '}');
	put_field(a, t.to, t.n, false);
}

void answer_error(struct answer *a, const char *format, ...)
{
	char some[256];
	va_list args;

	va_start(args, format);
	format_text_v(some, sizeof(some), format, args);
	va_end(args);
	a->is_error = true;
	put_head(a, false);
	if (is_json(a)) {
		put_quoted(a, some, strlen(some));
	} else {
		text_add(&a->text, "error: ");
		put_bytes(a, some, strlen(some));
		text_put(&a->text, '\n');
	}
}

/* What goes beside it must fit, or the answer is as without. */
void answer_about(struct answer *a, const struct column *columns, unsigned n, unsigned per_line)
{
	if (a->is_error || !a->columns)
		return;
	close_row(a);
	if (is_json(a) && !a->is_record)
		text_put(&a->text, ']');
	if (a->truncated || a->text.full)
		return;
	a->row_at = a->text.n;
	a->has_about = true;
	a->column = 0;
	a->has_field = false;
	if (is_json(a))
		text_add(&a->text, ",\"about\":");
	answer_record(a, columns, n, per_line);
}

static void end_result(struct answer *a)
{
	bool is_empty;

	if (a->columns)
		close_row(a);
	is_empty = !a->columns || (a->is_record && a->truncated && !a->is_nested);
	a->text.room = a->room;
	if (is_json(a) && !a->has_about && is_empty)
		text_add(&a->text, "null");
	else if (is_json(a) && !a->is_record)
		text_put(&a->text, ']');
	if (is_json(a) && a->is_nested)
		text_put(&a->text, '}');
	if (a->truncated)
		text_add(&a->text, is_json(a) ? ",\"truncated\":true" : "(truncated)\n");
}

void answer_end(struct answer *a)
{
	if (!a->is_error)
		end_result(a);
	a->text.room = a->room;
	if (is_json(a))
		text_add(&a->text, "}\n");
}
