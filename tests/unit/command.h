/*
 * Commands of the monitor, to the machine that monitor.h plays: what each answers. To be included once,
 * by a test.
 */
#ifndef TESTS_UNIT_COMMAND_H
#define TESTS_UNIT_COMMAND_H

#include "tests/unit/unit.h"

#include <stdio.h>

#include "hyp/lib/string.h"
#include "hyp/mm/frame.h"
#include "hyp/monitor/command.h"
#include "tests/unit/answer.h"
#include "tests/unit/monitor.h"

static inline int command_set_up(void **state)
{
	(void)state;
	fake_reset();
	play();
	return 0;
}

static inline const char *run_in(enum answer_form form, const char *line)
{
	begin(form, ANSWER_ROOM);
	command_run_line(line, &a);
	return ended();
}

/* In both forms; what is returned is the text. */
static inline const char *run(const char *line)
{
	run_in(ANSWER_JSON, line);
	return run_in(ANSWER_TEXT, line);
}

#endif
