/*
 * What every lab's check.c uses: steps that pass or don't, calls into the student's file, random
 * numbers that differ from run to run, and the verdict.
 *
 * The student's file gets to link nothing but print() and what begins with given_ (the runner
 * looks), so that what passes is passed by the machine. Read next: lab.c, then 1-sv39/check.c.
 */
#ifndef GUESTS_LABS_LAB_H
#define GUESTS_LABS_LAB_H

#include <stdbool.h>
#include <stdint.h>

struct step {
	const char *what; /* that is so, where the step passes */
	const char *hint;
	bool (*holds)(void);
};

/**
 * Take the steps until one doesn't hold. Returns main()'s status: 0 where all hold, and then has
 * printed the proof that the runner waits for; else 1, with the hint.
 */
int lab_steps(unsigned lab, const struct step *steps, unsigned count);

/**
 * Call the student's @fn in S-mode. Where it takes an exception, that is shown, and the step that
 * made the call doesn't hold, whatever it answers.
 */
uint64_t lab_call(uint64_t fn, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);
#define LAB_CALL(fn, a0, a1, a2, a3)                                                               \
	lab_call((uint64_t)(fn), (uint64_t)(a0), (uint64_t)(a1), (uint64_t)(a2), (uint64_t)(a3))

/* Another number each time, another row of them each run. */
uint64_t lab_random(void);

#endif
