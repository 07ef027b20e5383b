/*
 * The guest's test finisher: QEMU's sifive,test. One register; a store of PASS, FAIL with a code
 * in the upper half, or RESET ends the VM.
 */
#ifndef HYP_DEV_FINISHER_H
#define HYP_DEV_FINISHER_H

#include <stdbool.h>

#include "hyp/dev/mmio.h"

/* What the low half of a store asks for. */
enum { FINISHER_FAIL = 0x3333, FINISHER_PASS = 0x5555, FINISHER_RESET = 0x7777 };

struct finisher {
	bool reset;	 /* the guest asked to be reset rather than to end */
	unsigned status; /* of the end: 0 pass; a failure's code, low 8 bits, 1 where those are 0 */
};

struct board;

/* The board's row for it: see board_access(). */
enum mmio_result finisher_access(struct board *b, struct mmio *m);

#endif
