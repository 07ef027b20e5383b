/*
 * Code under test that is executed very often: a page of it, and what came of it.
 */
#ifndef TESTS_GUEST_HOTCODE_H
#define TESTS_GUEST_HOTCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/trap.h"

#define HOT  200 /* executions; more than anyone should wait for before rewriting code */
#define EDGE 4096ul
#define SSIP (1ul << 1)

#define A0 10u
#define A1 11u

/* CSR instructions, as insn_csr() takes them; with I, rs1 is the immediate. */
#define RW 1u
#define RS 2u
#define RC 3u
#define I  4u

extern uint8_t *code; /* the page */

/** Make the page. */
void hotcode_init(void);

/** Put the low @bytes of @insn at @at. */
void put(uint8_t *at, uint32_t insn, unsigned bytes);

/** Put @insn and a return there; does not fence. */
code_fn *put_function(uint8_t *at, uint32_t insn);

/** Remember @what as the trouble of the current test, unless @good or there is one already. */
void note(bool good, const char *what);

/** The end of a test that note() was called for. */
void report(const char *name);

#endif
