/*
 * Out of a guest whose shadow root maps nothing of the hypervisor but this page and a page of data
 * before it, and back into it: what entry.S does, with a change of satp. See hyp/shadow/window.c.
 *
 * stvec points to the stub, wherever its window is at that moment: so it says where the data is,
 * too. sscratch is as with entry.S. Next to read: entry.S.
 */
#include "hyp/arch/csr.h"
#include "hyp/shadow/window.h"
#include "hyp/trap/frame.h"

	/* Mapped at the same address by the guest's root and by ours. */
	.section .text.window, "ax"
	.balign	4096
	.globl	trap_window
trap_window:
	csrrw	a0, CSR_SSCRATCH, a0
	beqz	a0, 2f
	csrr	a0, CSR_STVEC
	ld	a0, WINDOW_HOST_SATP(a0)
	csrw	CSR_SATP, a0
	csrr	a0, CSR_STVEC
	ld	a0, WINDOW_FENCES(a0)
	beqz	a0, 1f
	sfence.vma
1:	csrr	a0, CSR_STVEC
	ld	a0, WINDOW_VCPU(a0)
	sd	t0, FRAME_X(5)(a0)
	csrr	t0, CSR_STVEC
	ld	t0, WINDOW_ARRIVE(t0)
	jr	t0
2:	csrr	a0, CSR_STVEC
	ld	a0, WINDOW_BUG(a0)
	jr	a0

	/* Everything is as the guest is to have it but a0. */
	.org	trap_window + WINDOW_EXIT
	csrr	a0, CSR_STVEC
	ld	a0, WINDOW_SATP(a0)
	csrw	CSR_SATP, a0
	csrr	a0, CSR_STVEC
	ld	a0, WINDOW_FENCES(a0)
	beqz	a0, 1f
	sfence.vma
1:	csrr	a0, CSR_STVEC
	ld	a0, WINDOW_A0(a0)
	sret
	.balign	4096

	.text
	/* a0: the vcpu to enter. Also the way into it for the first time: _Noreturn. */
	.globl	trap_enter_window
trap_enter_window:
	ld	t1, FRAME_PC(a0)
	csrr	t0, CSR_STVEC
	ld	t2, FRAME_X(10)(a0)
	csrw	CSR_SSCRATCH, a0
	csrw	CSR_SEPC, t1
	sd	t2, WINDOW_A0(t0)
	.irp	n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	ld	x\n, FRAME_X(\n)(a0)
	.endr
	csrr	a0, CSR_STVEC
	jr	WINDOW_EXIT(a0)
