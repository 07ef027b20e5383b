/*
 * The guest's test finisher: QEMU's sifive,test. One register; a store of PASS, FAIL with a code
 * in the upper half, or RESET ends the VM.
 */
#ifndef HYP_DEV_FINISHER_H
#define HYP_DEV_FINISHER_H

#include "hyp/dev/mmio.h"

struct board;

/* The board's row for it: see board_access(). */
enum mmio_result finisher_access(struct board *b, struct mmio *m);

#endif
