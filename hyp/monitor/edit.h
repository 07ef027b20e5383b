/*
 * A line editor, byte by byte. It knows nothing of commands, and no bytes can harm it.
 *
 *   printable            put in at the cursor      Up, Down             the last 16 lines
 *   Backspace, Delete    one byte gone             Left, Right, ^B, ^F  the cursor moves
 *   ^U, ^W               line, word before gone    Home, End, ^A, ^E    to the line's ends
 *   ^L                   screen cleared            ^C                   a new line
 *   Tab, Return          the caller's to handle
 *
 * The line is shown in one row of an 80-column terminal; of a longer one, the part about the
 * cursor.
 */
#ifndef HYP_MONITOR_EDIT_H
#define HYP_MONITOR_EDIT_H

#include <stdint.h>

#include "hyp/monitor/text.h"

#define EDIT_PROMPT "gnomon> "
#define EDIT_MOST   256 /* bytes of a line */
#define EDIT_KEPT   16	/* lines remembered */

enum edit_event {
	EDIT_NOTHING,
	EDIT_LINE, /* .line is complete: carry it out, then edit_begin() */
	EDIT_TAB,  /* complete the word before the cursor: edit_insert() */
};

/* .line is always ended by 0, at .n <= EDIT_MOST; .at <= .n is the cursor. Zero-initialise. */
struct edit {
	char line[EDIT_MOST + 1];
	unsigned n, at;

	/* edit.c's */
	unsigned from;	   /* the first byte that is shown */
	unsigned sequence; /* where in an escape sequence */
	unsigned number;   /* its parameter */
	bool was_return;   /* a \n that follows \r is no other line */
	char kept[EDIT_KEPT][EDIT_MOST + 1];
	unsigned kept_n, back;	   /* lines ever kept; how far back .line is from, 0: it is new */
	char draft[EDIT_MOST + 1]; /* the new line, while one from before is shown */
};

/* An empty line, and the prompt onto @out. */
void edit_begin(struct edit *e, struct text *out);

/* What was typed; what the terminal is to show goes to @out. */
enum edit_event edit_byte(struct edit *e, uint8_t byte, struct text *out);

/* Put the @n printable bytes at @s in at the cursor, as many as there is room for. */
void edit_insert(struct edit *e, const char *s, unsigned n, struct text *out);

/* Show prompt and line again, on the row the cursor is in. */
void edit_show(const struct edit *e, struct text *out);

#endif
