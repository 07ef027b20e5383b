/*
 * The line editor. See edit.h.
 *
 * Invariant: what the terminal shows in the cursor's row is the prompt and .line from .from on,
 * with the cursor at .at. A key changes the line first, then the row is written anew: only a byte
 * put in at the end is merely echoed.
 */
#include "hyp/monitor/edit.h"

#include "hyp/lib/string.h"

#define WINDOW 70 /* bytes of a line that are shown, beside the prompt in 80 columns */

enum { KEY_BACKSPACE = 0x7f, KEY_ESCAPE = 0x1b };
#define CONTROL(letter) ((letter)&0x1f)

/* How far an escape sequence has come: ESC, then [ or O, then digits, then the letter or ~. */
enum { SEQUENCE_NONE, SEQUENCE_ESCAPE, SEQUENCE_INSIDE };

typedef void edit_key(struct edit *e, struct text *out);

void edit_show(const struct edit *e, struct text *out)
{
	unsigned end = e->n - e->from > WINDOW ? e->from + WINDOW : e->n;

	text_add(out, "\r" EDIT_PROMPT);
	text_add_bytes(out, e->line + e->from, end - e->from);
	text_add(out, "\x1b[K");
	if (end > e->at)
		text_format(out, "\x1b[%uD", end - e->at);
}

static void show_changed(struct edit *e, struct text *out)
{
	if (e->at < e->from)
		e->from = e->at;
	if (e->at > e->from + WINDOW)
		e->from = e->at - WINDOW;
	edit_show(e, out);
}

static void clear_line(struct edit *e)
{
	e->n = e->at = e->from = e->back = 0;
	e->line[0] = 0;
}

void edit_begin(struct edit *e, struct text *out)
{
	clear_line(e);
	edit_show(e, out);
}

static void take_out(struct edit *e, unsigned from, unsigned to, struct text *out)
{
	memmove(e->line + from, e->line + to, e->n - to + 1);
	e->n -= to - from;
	e->at = from;
	show_changed(e, out);
}

void edit_insert(struct edit *e, const char *s, unsigned n, struct text *out)
{
	bool echo;

	if (n > EDIT_MOST - e->n)
		n = EDIT_MOST - e->n;
	echo = e->at == e->n && e->n + n <= e->from + WINDOW;
	memmove(e->line + e->at + n, e->line + e->at, e->n - e->at + 1);
	memcpy(e->line + e->at, s, n);
	e->n += n;
	e->at += n;
	if (echo)
		text_add_bytes(out, s, n);
	else
		show_changed(e, out);
}

static void to_start(struct edit *e, struct text *out)
{
	e->at = 0;
	show_changed(e, out);
}

static void to_end(struct edit *e, struct text *out)
{
	e->at = e->n;
	show_changed(e, out);
}

static void left(struct edit *e, struct text *out)
{
	e->at -= e->at > 0;
	show_changed(e, out);
}

static void right(struct edit *e, struct text *out)
{
	e->at += e->at < e->n;
	show_changed(e, out);
}

static void backspace(struct edit *e, struct text *out)
{
	if (e->at)
		take_out(e, e->at - 1, e->at, out);
}

static void delete_byte(struct edit *e, struct text *out)
{
	if (e->at < e->n)
		take_out(e, e->at, e->at + 1, out);
}

static void delete_line(struct edit *e, struct text *out)
{
	take_out(e, 0, e->n, out);
}

static void delete_word(struct edit *e, struct text *out)
{
	unsigned from = e->at;

	while (from && e->line[from - 1] == ' ')
		from--;
	while (from && e->line[from - 1] != ' ')
		from--;
	take_out(e, from, e->at, out);
}

static void clear_screen(struct edit *e, struct text *out)
{
	text_add(out, "\x1b[H\x1b[2J");
	edit_show(e, out);
}

static void give_up(struct edit *e, struct text *out)
{
	text_add(out, "^C\n");
	edit_begin(e, out);
}

static unsigned kept_lines(const struct edit *e)
{
	return e->kept_n < EDIT_KEPT ? e->kept_n : EDIT_KEPT;
}

static void go_back_to(struct edit *e, unsigned back, struct text *out)
{
	if (!e->back)
		memcpy(e->draft, e->line, sizeof(e->draft));
	e->back = back;
	memcpy(e->line, back ? e->kept[(e->kept_n - back) % EDIT_KEPT] : e->draft, sizeof(e->line));
	e->n = e->at = (unsigned)strlen(e->line);
	e->from = 0;
	show_changed(e, out);
}

static void up(struct edit *e, struct text *out)
{
	if (e->back < kept_lines(e))
		go_back_to(e, e->back + 1, out);
}

static void down(struct edit *e, struct text *out)
{
	if (e->back)
		go_back_to(e, e->back - 1, out);
}

/* Neither blanks alone nor the same line twice in turn. */
static void keep_line(struct edit *e)
{
	const char *last = e->kept[(e->kept_n + EDIT_KEPT - 1) % EDIT_KEPT];
	const char *s = e->line;

	while (*s == ' ')
		s++;
	if (!*s || (e->kept_n && strcmp(last, e->line) == 0))
		return;
	memcpy(e->kept[e->kept_n++ % EDIT_KEPT], e->line, sizeof(e->line));
}

static edit_key *const control_keys[32] = {
	[CONTROL('A')] = to_start,     [CONTROL('B')] = left,	     [CONTROL('C')] = give_up,
	[CONTROL('E')] = to_end,       [CONTROL('F')] = right,	     [CONTROL('H')] = backspace,
	[CONTROL('L')] = clear_screen, [CONTROL('U')] = delete_line, [CONTROL('W')] = delete_word,
};

/* By the byte that ends the sequence, from '@' on. */
static edit_key *const letter_keys[32] = {
	['A' - '@'] = up,   ['B' - '@'] = down,	    ['C' - '@'] = right,
	['D' - '@'] = left, ['H' - '@'] = to_start, ['F' - '@'] = to_end,
};

/* By the number before ~. */
static edit_key *const number_keys[10] = {
	[1] = to_start, [3] = delete_byte, [4] = to_end, [7] = to_start, [8] = to_end,
};

static void sequence_byte(struct edit *e, uint8_t byte, struct text *out)
{
	edit_key *key = NULL;

	if (e->sequence == SEQUENCE_ESCAPE) {
		bool goes_on = byte == '[' || byte == 'O';

		e->sequence = goes_on ? SEQUENCE_INSIDE : SEQUENCE_NONE;
		e->number = 0;
		return;
	}
	if (byte < '@') { /* parameters: the last one counts, cut to what has no key */
		bool is_digit = byte >= '0' && byte <= '9';

		e->number = is_digit ? e->number * 10 + byte - '0' : 0;
		if (e->number > 9)
			e->number = 9;
		return;
	}
	e->sequence = SEQUENCE_NONE;
	if (byte == '~')
		key = number_keys[e->number];
	else if (byte < '@' + 32)
		key = letter_keys[byte - '@'];
	if (key)
		key(e, out);
}

static enum edit_event end_line(struct edit *e, struct text *out)
{
	keep_line(e);
	text_put(out, '\n');
	return EDIT_LINE;
}

static enum edit_event control_byte(struct edit *e, uint8_t byte, struct text *out)
{
	bool was_return = e->was_return;

	e->sequence = byte == KEY_ESCAPE ? SEQUENCE_ESCAPE : SEQUENCE_NONE;
	e->was_return = byte == '\r';
	if (byte == '\n' && was_return)
		return EDIT_NOTHING;
	if (byte == '\r' || byte == '\n')
		return end_line(e, out);
	if (byte == '\t')
		return EDIT_TAB;
	if (control_keys[byte])
		control_keys[byte](e, out);
	return EDIT_NOTHING;
}

enum edit_event edit_byte(struct edit *e, uint8_t byte, struct text *out)
{
	char c = (char)byte;

	if (byte < ' ')
		return control_byte(e, byte, out);
	e->was_return = false;
	if (e->sequence != SEQUENCE_NONE)
		sequence_byte(e, byte, out);
	else if (byte == KEY_BACKSPACE)
		backspace(e, out);
	else if (byte < KEY_BACKSPACE)
		edit_insert(e, &c, 1, out);
	return EDIT_NOTHING;
}
