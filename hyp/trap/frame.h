/*
 * Offsets in struct frame, for entry.S; hyp/trap/run.c asserts that they are right.
 */
#ifndef HYP_TRAP_FRAME_H
#define HYP_TRAP_FRAME_H

#define FRAME_X(n)    (8 * (n))
#define FRAME_PC      256
#define FRAME_HOST_SP 264
#define FRAME_HOST_TP 272

#endif
