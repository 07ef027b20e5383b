/*
 * First instructions of each hart, the trap entry, and the way back.
 *
 * Invariant: outside the trap handler sscratch holds this hart's struct hart, inside it 0; so any
 * register, sp and tp included, may hold anything when a trap comes. Read next: trap.c.
 */
#include "guests/lib/hart.h"

#define FRAME_PC	256
#define FRAME_SSTATUS	264
#define FRAME_CAUSE	272
#define FRAME_TVAL	280
#define FRAME_BYTES	288

	.section .text.start, "ax"
	.option norelax

/* Point tp, sp, sscratch and stvec at hart a0's own; changes t0. */
.macro	hart_setup
	csrw	sie, zero
	li	t0, AREA_BYTES
	mul	t0, t0, a0
	la	tp, hart_areas
	add	tp, tp, t0
	li	t0, AREA_BYTES
	add	sp, tp, t0
	li	t0, TRAP_STACK_BYTES
	add	tp, tp, t0
	sd	a0, HART_ID(tp)
	csrw	sscratch, tp
	la	t0, trap_entry
	csrw	stvec, t0
.endm

/* a0 = hart id, a1 = device tree: the boot protocol of S-mode images. */
	.globl	_start
_start:
	la	t0, bss_start
	la	t1, image_end
1:	sd	zero, 0(t0)
	sd	zero, 8(t0)
	sd	zero, 16(t0)
	sd	zero, 24(t0)
	sd	zero, 32(t0)
	sd	zero, 40(t0)
	sd	zero, 48(t0)
	sd	zero, 56(t0)
	addi	t0, t0, 64
	bltu	t0, t1, 1b
	hart_setup
	tail	boot_main

/* Where SBI HSM starts the other harts: a0 = hart id, a1 = the caller's word. */
	.globl	secondary_start
secondary_start:
	hart_setup
	tail	secondary_main

	.text

	.balign	4
	.globl	trap_entry
trap_entry:
	csrrw	sp, sscratch, sp
	beqz	sp, nested
	addi	sp, sp, -FRAME_BYTES
	.irp	n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, \
		24, 25, 26, 27, 28, 29, 30, 31
	sd	x\n, (8 * \n)(sp)
	.endr
	addi	tp, sp, FRAME_BYTES
	csrrw	t0, sscratch, zero
	sd	t0, (8 * 2)(sp)
	csrr	t0, sepc
	csrr	t1, sstatus
	csrr	t2, scause
	csrr	t3, stval
	sd	t0, FRAME_PC(sp)
	sd	t1, FRAME_SSTATUS(sp)
	sd	t2, FRAME_CAUSE(sp)
	sd	t3, FRAME_TVAL(sp)
	mv	a0, sp
	call	trap_handle
	mv	a0, sp

/* Enter the frame at a0 on the hart at tp. */
frame_enter:
	csrw	sscratch, tp
	ld	t0, FRAME_PC(a0)
	ld	t1, FRAME_SSTATUS(a0)
	csrw	sepc, t0
	csrw	sstatus, t1
	.irp	n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, \
		24, 25, 26, 27, 28, 29, 30, 31
	ld	x\n, (8 * \n)(a0)
	.endr
	ld	a0, 80(a0)
	sret

/* A trap inside the handler is a bug of the kit: say so on a stack of its own. */
nested:
	la	sp, nested_stack_end
	tail	trap_nested

/* void frame_run(struct frame *f): keep what C expects to find again, then enter. */
	.globl	frame_run
frame_run:
	sd	ra, (HART_RESUME + 0)(tp)
	sd	sp, (HART_RESUME + 8)(tp)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	sd	s\n, (HART_RESUME + 16 + 8 * \n)(tp)
	.endr
	j	frame_enter

/* void frame_resume(void): leave the trap handler by returning from frame_run(). */
	.globl	frame_resume
frame_resume:
	csrw	sscratch, tp
	ld	ra, (HART_RESUME + 0)(tp)
	ld	sp, (HART_RESUME + 8)(tp)
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
	ld	s\n, (HART_RESUME + 16 + 8 * \n)(tp)
	.endr
	ret

/* Where the code of a run returns to. */
	.globl	run_end
run_end:
	ebreak

/* One instruction under test, room for 4 bytes, then the end of the run. */
	.section .data
	.balign	8
	.globl	code_buffer
code_buffer:
	.space	8

	.section .bss
	.balign	16
	.space	4096
nested_stack_end:
