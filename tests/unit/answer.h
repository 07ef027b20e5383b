/*
 * An answer, made and ended, for unit tests.
 */
#ifndef TESTS_UNIT_ANSWER_H
#define TESTS_UNIT_ANSWER_H

#include "hyp/monitor/answer.h"
#include "tests/unit/json.h"

static char answered[ANSWER_ROOM + 1];
static struct answer a;

/* The whole answer, checked. */
static inline const char *ended(void)
{
	answer_end(&a);
	assert_true(a.text.n <= a.room);
	answered[a.text.n] = 0;
	if (a.form == ANSWER_JSON)
		assert_true(json_lines_are_valid(answered, a.text.n));
	return answered;
}

static inline void begin(enum answer_form form, size_t room)
{
	answer_begin(&a, form, answered, room, NULL);
}

#endif
