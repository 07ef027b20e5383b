/*
 * Lines of the control port. See control.h.
 */
#include "hyp/monitor/control.h"

#include "hyp/lib/string.h"

#define ID_DIGITS 15 /* what JSON's readers keep exactly */

bool control_byte(struct control *c, uint8_t byte)
{
	if (byte == '\n')
		return true;
	if (byte == '\r')
		return false;
	if (byte < ' ' || byte > '~')
		c->is_binary = true;
	else if (c->n == COMMAND_MOST)
		c->is_long = true;
	else
		c->line[c->n++] = (char)byte;
	return false;
}

/* "@N " at the start of @line. Returns what follows, or NULL: "@" is there, but no such number. */
static const char *take_id(const char *line, uint64_t *id, bool *has_id)
{
	const char *p = line + 1;

	*has_id = false;
	if (*line != '@')
		return line;
	for (*id = 0; *p >= '0' && *p <= '9' && p - line <= ID_DIGITS; p++)
		*id = *id * 10 + (uint64_t)(*p - '0');
	if (p == line + 1 || (*p && *p != ' '))
		return NULL;
	*has_id = true;
	return p;
}

void control_answer(struct control *c, struct answer *a, char *to, size_t room)
{
	const char *command;
	uint64_t id;
	bool has_id;

	c->line[c->n] = 0;
	command = take_id(c->line, &id, &has_id);
	answer_begin(a, ANSWER_JSON, to, room, has_id ? &id : NULL);
	if (c->is_long)
		answer_error(a, "the line is longer than %u bytes", COMMAND_MOST);
	else if (c->is_binary)
		answer_error(a, "the line has bytes that aren't printable ASCII");
	else if (!command)
		answer_error(a, "@ is followed by a number of at most %u digits", ID_DIGITS);
	else
		command_run_line(command, a);
	answer_end(a);
	*c = (struct control){ .n = 0 };
}
