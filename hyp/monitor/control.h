/*
 * What programs say on the control port: one command a line, each answered by one line of JSON.
 *
 *   vm list\n           {"ok":true,"result":[...]}
 *   @17 vm start a\n    {"ok":true,"id":17,"result":null}
 *   @18 vm strat a\n    {"ok":false,"id":18,"error":"..."}
 *
 * Every line is answered, whatever is in it: those too long, or with bytes that aren't printable
 * ASCII, with an error.
 */
#ifndef HYP_MONITOR_CONTROL_H
#define HYP_MONITOR_CONTROL_H

#include <stdint.h>

#include "hyp/monitor/answer.h"
#include "hyp/monitor/command.h"

/* A line that is coming. Zero-initialise; the same forgets what has come. */
struct control {
	char line[COMMAND_MOST + 1];
	unsigned n;
	bool is_long, is_binary;
};

/* The next byte. Returns whether it completes a line: then control_answer(). */
bool control_byte(struct control *c, uint8_t byte);

/* Carry out the line and begin a new one; the answer, complete, is in @to, as answer_begin() has
 * it. */
void control_answer(struct control *c, struct answer *a, char *to, size_t room);

#endif
