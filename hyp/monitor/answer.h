/*
 * A command's answer, as text for people or as one line of JSON, by the same calls.
 *
 *   answer_table(a, columns, n)       text: a line of names, then aligned columns
 *     answer_row(a), fields ...       JSON: [{"name":value,...},...]
 *   answer_record(a, columns, n, k)   text: k names with their values a line
 *     fields ...                      JSON: {"name":value,...}
 *     answer_list(a, name, columns, n)      , and then a table       ,"name":[{...},...] behind them
 *     answer_row(a), fields ...
 *   answer_error(a, "...")            text: error: ...      JSON: "ok":false,"error":"..."
 *
 * After either, answer_about() begins a record that goes with it: in text it follows; JSON has it
 * as "about", beside "result".
 *
 * A table of one column has neither names nor alignment: in JSON it is an array of values.
 *
 * An answer is bounded. A table that has more rows than fit ends before the first one that doesn't,
 * and the answer says "truncated"; JSON stays whole.
 *
 * Texts may come from anywhere: in text for people what isn't printable becomes '?', in JSON it is
 * escaped, each byte for itself.
 */
#ifndef HYP_MONITOR_ANSWER_H
#define HYP_MONITOR_ANSWER_H

#include <stdint.h>

#include "hyp/monitor/text.h"

#define ANSWER_ROOM  32768
#define ANSWER_LEAST 2048 /* room for any error, and for what begins and ends an answer */

enum answer_form { ANSWER_TEXT, ANSWER_JSON };

struct column {
	const char *name;
	int width; /* in text; negative: to the left; in a record the first one's is for all names
		    */
};

struct answer_count {
	const char *name;
	uint64_t n;
};

/* A text, or, where that is NULL, a number. */
struct answer_member {
	const char *name, *text;
	uint64_t n;
};

struct answer {
	enum answer_form form;
	struct text text; /* the answer, when it is ended; text for people has lines ended by \n */

	/* What a command asks of whoever ran it, besides showing the answer. */
	bool renew; /* to be made anew every few seconds: `top` */
	bool ends;  /* then to end the machine, with .status */
	unsigned status;

	/* answer.c's */
	size_t room, row_at, padding;
	const struct column *columns; /* NULL: neither table nor record yet */
	unsigned columns_n, column, per_line, rows;
	bool is_record, is_nested, is_error, truncated, has_id, has_about, has_field;
	uint64_t id;
};

/**
 * Begin an answer in @to, which has @room bytes, ANSWER_LEAST or more.
 * @id: for JSON, what goes with the answer as "id"; NULL: nothing.
 */
void answer_begin(struct answer *a, enum answer_form form, char *to, size_t room,
		  const uint64_t *id);

/* Complete it. Where there was neither table nor record nor error, the result is empty (null). */
void answer_end(struct answer *a);

/* One table or record an answer, but for a record's lists. @columns must stay until answer_end(). */
void answer_table(struct answer *a, const struct column *columns, unsigned n);
void answer_record(struct answer *a, const struct column *columns, unsigned n, unsigned per_line);
/* A table in the record, when all its fields are there; another one when that has all its rows. */
void answer_list(struct answer *a, const char *name, const struct column *columns, unsigned n);
void answer_about(struct answer *a, const struct column *columns, unsigned n, unsigned per_line);
void answer_row(struct answer *a);

/* The row's next field; one too many is dropped. */
void answer_text(struct answer *a, const char *s);
void answer_bytes(struct answer *a, const char *s, size_t n); /* at most 1 KiB of it is shown */
void answer_none(struct answer *a);
void answer_bool(struct answer *a, bool v); /* yes, no; true, false */
void answer_skip(struct answer *a);	    /* the row has no such field: in JSON it is left out */
void answer_number(struct answer *a, uint64_t v);
void answer_hex(struct answer *a, uint64_t v);	  /* a string in JSON, where numbers end at 2^53 */
void answer_tenths(struct answer *a, uint64_t v); /* 123 is 12.3 */
/* At most 32, with names of at most 8 bytes; {"name":n,...} in JSON. */
void answer_counts(struct answer *a, const struct answer_count *counts, unsigned n);

/* Several things in one field: an object in JSON. Names and texts are the program's own. */
void answer_object(struct answer *a, const struct answer_member *members, unsigned n);

/* Bytes that are left for further rows; 0 where no row may come any more. */
size_t answer_left(const struct answer *a);

/* Instead of what the answer has so far. At most 255 bytes. */
void answer_error(struct answer *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
