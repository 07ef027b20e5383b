/*
 * Out of the guest and back into it.
 *
 * While a guest runs, sscratch holds its vcpu, whose first part is the frame; while the hypervisor
 * runs it holds 0. A trap from the hypervisor itself is a bug, but for the guest loads that may
 * fault (hyp/arch/guest_fetch.S).
 *
 * The hypervisor keeps nothing on the stack across a guest's run: each exit begins at its top.
 */
#include "hyp/arch/csr.h"
#include "hyp/trap/frame.h"

#define CAUSE_NUMBER_BREAKPOINT 3
#define CAUSE_NUMBER_ECALL_U	8

	.text

	/* All registers into the frame but those listed last, which are there already, and a0, which is
	   in sscratch; then into C. */
	.macro	leave exit, registers:vararg
	.irp	n, \registers
	sd	x\n, FRAME_X(\n)(a0)
	.endr
	csrrw	t0, CSR_SSCRATCH, zero
	csrr	t1, CSR_SEPC
	sd	t0, FRAME_X(10)(a0)
	sd	t1, FRAME_PC(a0)
	ld	sp, FRAME_HOST_SP(a0)
	ld	tp, FRAME_HOST_TP(a0)
	call	\exit
	.endm

	/* stvec while a guest in U-mode is loaded; a breakpoint or call may be short: fast.S */
	.globl	trap_entry_depriv, trap_slow
	.balign 4
trap_entry_depriv:
	csrrw	a0, CSR_SSCRATCH, a0
	beqz	a0, trap_from_hypervisor
	sd	t0, FRAME_X(5)(a0)
	sd	t1, FRAME_X(6)(a0)
	csrr	t0, CSR_SCAUSE
	sd	t2, FRAME_X(7)(a0)
	csrr	t1, CSR_SEPC
	addi	t0, t0, -CAUSE_NUMBER_BREAKPOINT
	sd	t3, FRAME_X(28)(a0)
	beqz	t0, fast_breakpoint
	addi	t0, t0, CAUSE_NUMBER_BREAKPOINT - CAUSE_NUMBER_ECALL_U
	beqz	t0, fast_ecall
trap_slow:
	leave	trap_exit_depriv, 1,2,3,4,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,29,30,31
	j	trap_enter

	/* stvec while a guest of either kind is loaded whose exits are timed or traced: none is short */
	.globl	trap_entry_timed
	.balign 4
trap_entry_timed:
	csrrw	a0, CSR_SSCRATCH, a0
	beqz	a0, trap_from_hypervisor
	leave	trap_exit_timed, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	j	trap_enter

	/* Out of a window (window.S): t0 is in the frame already */
	.globl	trap_arrive, trap_arrive_timed
trap_arrive:
	leave	trap_exit_depriv, 1,2,3,4,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	j	trap_enter_window
trap_arrive_timed:
	leave	trap_exit_timed, 1,2,3,4,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	j	trap_enter_window

	/* stvec while a guest in VS-mode is loaded, and while none is */
	.globl	trap_entry
	.balign 4
trap_entry:
	csrrw	a0, CSR_SSCRATCH, a0
	beqz	a0, trap_from_hypervisor
	leave	trap_exit, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31

	/* a0: the vcpu to enter. Also the way into it for the first time: _Noreturn. */
	.globl	trap_enter
trap_enter:
	ld	t1, FRAME_PC(a0)
	csrw	CSR_SSCRATCH, a0
	csrw	CSR_SEPC, t1
	ld	x1, FRAME_X(1)(a0)
	.irp	n, 2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	ld	x\n, FRAME_X(\n)(a0)
	.endr
	ld	a0, FRAME_X(10)(a0)
	sret

	/* sscratch holds a0 now, and must be 0 again; t registers may be in use by the guest load,
	   which is a call: it lets them go */
	.globl	trap_from_hypervisor
trap_from_hypervisor:
	csrrw	a0, CSR_SSCRATCH, zero
	csrr	t0, CSR_SEPC
	lla	t1, guest_fetch_half_load
	beq	t0, t1, 1f
	lla	t1, guest_fetch_word_load
	beq	t0, t1, 1f
	lla	t1, guest_load_byte_load
	bne	t0, t1, bug
1:	lla	t0, guest_fetch_fault
	csrw	CSR_SEPC, t0
	sret
bug:
	/* Give the report a stack that is sure to be there. */
	lla	sp, panic_stack_top
	call	trap_bug

	.bss
	.balign 16
	.skip	4096
panic_stack_top:
