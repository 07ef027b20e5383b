/*
 * Code that tests run with probe() and run(): the instruction under test comes first, so its sepc
 * is the function's address.
 */
#ifndef TESTS_GUEST_OPS_H
#define TESTS_GUEST_OPS_H

#include "guests/lib/trap.h"

code_fn op_load;   /* ld a0, 0(a0) */
code_fn op_store;  /* sd a1, 0(a0) */
code_fn op_amoadd; /* amoadd.d a0, a1, (a0) */
code_fn op_lr_sc;  /* lr.d, sc.d of a1; returns 0 if the store was made */
code_fn op_fetch;  /* jump to a0, which should return */
code_fn op_fsd;	   /* a1 through f0 into the word at a0 */
code_fn op_fld;	   /* the word at a0 through f0 */

/* In RAM, position independent: li a0, 0x5a; ret. */
extern const uint16_t code_return_5a[3];

#endif
