/*
 * The shortest exits of a guest in U-mode: its patched instructions. Those that change a word of its
 * state page and nothing else, and fences that have nothing to do, need no stack, no C and four
 * registers; the others, and system calls, are C functions that need none of the guest's registers
 * but what they are told.
 *
 * On entry (from entry.S): a0 the vcpu, sscratch the guest's a0, t0..t3 saved in the frame. What is
 * known of a patched place is in struct depriv_site; what isn't known, or would have consequences,
 * goes the long way (trap_slow), with nothing changed yet.
 *
 * Next to read: hyp/vcpu/depriv_site.c, which chooses the handler.
 */
#include "hyp/arch/csr.h"
#include "hyp/trap/frame.h"

	.option	norvc
	.text

	/* t1: sepc. Find the place's site: t2. */
	.globl	fast_breakpoint
fast_breakpoint:
	ld	t3, FAST_MIX(a0)
	srli	t2, t1, 2
	xor	t2, t2, t3
	andi	t2, t2, SITES - 1
	slli	t2, t2, SITE_SHIFT
	ld	t3, FAST_SITES(a0)
	add	t2, t2, t3
	ld	t3, SITE_PC(t2)
	bne	t3, t1, trap_slow
	ld	t3, SITE_TAG(t2)
	ld	t0, FAST_TAG(a0)
	bne	t3, t0, trap_slow
	ld	t3, FAST_SEQ(a0)
	ld	t0, SITE_SEQ(t2)
	ld	t3, 0(t3)
	bne	t3, t0, trap_slow
	ld	t3, SITE_HANDLER(t2)
	ld	t1, SITE_OPERAND(t2)
	jr	t3

	/* t1 := the guest's register of a row; the last thing: rd := t0 */
	.macro	read_register row
	lhu	t3, \row(t2)
	ld	t0, FAST_READ(a0)
	add	t3, t3, t0
	jalr	t0, t3
	.endm
	.macro	write_register
	lhu	t3, SITE_WRITE(t2)
	ld	t1, FAST_WRITE(a0)
	add	t3, t3, t1
	jr	t3
	.endm

	/* Back into the guest: one more of @counter. */
	.macro	resume counter
	ld	t0, \counter(a0)
	addi	t0, t0, 1
	sd	t0, \counter(a0)
	ld	t0, FRAME_X(5)(a0)
	ld	t1, FRAME_X(6)(a0)
	ld	t2, FRAME_X(7)(a0)
	ld	t3, FRAME_X(28)(a0)
	csrrw	a0, CSR_SSCRATCH, a0
	sret
	.endm

	/* The guest goes on behind the instruction. */
	.macro	step_over
	csrr	t1, CSR_SEPC
	addi	t1, t1, 4
	csrw	CSR_SEPC, t1
	.endm

	/* CSRRS of sstatus, by register and by immediate, if it is SIE alone and nothing waits for it */
	.globl	fast_set, fast_set_immediate
fast_set:
	read_register SITE_READ
fast_set_immediate:
	andi	t0, t1, ~SSTATUS_SIE
	bnez	t0, fast_call
	ld	t3, FAST_STATE(a0)
	ld	t0, STATE_SIP(t3)
	ld	t3, STATE_SIE(t3)
	and	t0, t0, t3
	bnez	t0, fast_call
	ld	t3, FAST_STATE(a0)
	ld	t0, STATE_SSTATUS(t3)
	or	t1, t0, t1
	j	fast_write_sstatus

	/* CSRRC of sstatus, if it is SIE alone */
	.globl	fast_clear, fast_clear_immediate
fast_clear:
	read_register SITE_READ
fast_clear_immediate:
	andi	t0, t1, ~SSTATUS_SIE
	bnez	t0, fast_call
	ld	t3, FAST_STATE(a0)
	ld	t0, STATE_SSTATUS(t3)
	not	t1, t1
	and	t1, t0, t1
fast_write_sstatus:
	sd	t1, STATE_SSTATUS(t3)
	step_over
	write_register

	/* CSRRW of a word of which some bits can be written, without consequences */
	.globl	fast_word
fast_word:
	read_register SITE_READ
	ld	t3, SITE_OPERAND(t2)
	and	t1, t1, t3
	lhu	t0, SITE_OFFSET(t2)
	ld	t3, FAST_STATE(a0)
	add	t3, t3, t0
	ld	t0, 0(t3)
	sd	t1, 0(t3)
	step_over
	write_register

	/*
	 * Call a C function as C needs it: what it may change saved, sscratch 0, a stack, tp. a0 is
	 * the vcpu before and after; a1..a3 are for the function, t0 what it returned.
	 */
	.macro	call_c target:vararg
	csrrw	t0, CSR_SSCRATCH, zero
	sd	t0, FRAME_X(10)(a0)
	csrr	t0, CSR_SEPC
	sd	t0, FRAME_PC(a0)
	ld	sp, FRAME_HOST_SP(a0)
	ld	tp, FRAME_HOST_TP(a0)
	addi	sp, sp, -16
	sd	a0, 0(sp)
	sd	t2, 8(sp)
	\target
	mv	t0, a0
	ld	a0, 0(sp)
	ld	t2, 8(sp)
	ld	t1, FRAME_PC(a0)
	ld	t3, FRAME_X(10)(a0)
	csrw	CSR_SEPC, t1
	csrw	CSR_SSCRATCH, t3
	.irp	n, 1,2,4,11,12,13,14,15,16,17,29,30,31
	ld	x\n, FRAME_X(\n)(a0)
	.endr
	.endm

	.macro	save_for_c
	.irp	n, 1,2,4,11,12,13,14,15,16,17,29,30,31
	sd	x\n, FRAME_X(\n)(a0)
	.endr
	.endm

	/* The site's function: with rs1's value and rs2's. What it returns is rd's. */
	.globl	fast_call
fast_call:
	save_for_c
	read_register SITE_READ2
	sd	t1, FAST_RS2(a0)
	read_register SITE_READ
	ld	a3, FAST_RS2(a0)
	mv	a2, t1
	mv	a1, t2
	ld	t3, SITE_CALL(t2)
	call_c	jalr ra, t3
	write_register

	/*
	 * SFENCE.VMA of one page in one ASID, where no shadow maps the page: see struct shadow_absence
	 * for why that can be found out so. Else it is the site's function's.
	 */
	.globl	fast_fence_page
fast_fence_page:
	read_register SITE_READ2
	ld	t0, ABSENCE_ASID(a0)
	bne	t0, t1, fast_call
	read_register SITE_READ
	ld	t0, ABSENCE_MEGA(a0)
	srli	t3, t1, 21 /* 2 MiB */
	bne	t0, t3, fast_call
	/* What the guest has stored is there for all before the lock is seen to be free ... */
	ld	t0, FAST_LOCK(a0)
	fence	rw, r
	lw	t0, 0(t0)
	bnez	t0, fast_call
	/* ... and what was done under it is seen after that. */
	fence	r, r
	ld	t0, FAST_SEQ(a0)
	ld	t3, ABSENCE_SEQ(a0)
	ld	t0, SEQ_LINKS(t0)
	bne	t0, t3, fast_call
	/* Leaves first: of those in use most have changed. t1: where the page's is, from address 0's */
	srli	t1, t1, 12
	slli	t1, t1, 3
	.irp	n, 0,1,2
	ld	t0, ABSENCE_LEAVES(\n)(a0)
	add	t0, t0, t1
	ld	t0, 0(t0)
	bnez	t0, fast_call
	.endr
	.irp	n, 0,1,2
	ld	t0, ABSENCE_UP(\n)(a0)
	ld	t3, ABSENCE_SEEN(\n)(a0)
	ld	t0, 0(t0)
	bne	t0, t3, fast_call
	.endr
	sfence.vma
	step_over
	resume	FAST_FENCES

	/* A system call: an exception that the guest's kernel gets. */
	.globl	fast_ecall
fast_ecall:
	ld	t2, FAST_TAG(a0)
	addi	t2, t2, 1
	bnez	t2, trap_slow
	save_for_c
	call_c	call depriv_user_ecall
	resume	FAST_CALLS

	/* The instruction is done. */
fast_done:
	resume	FAST_TAKEN

	/*
	 * The guest's register n to t1, and t0 to it: row n of each, FAST_ROW bytes. Those that are
	 * saved are in the frame, a0 is in sscratch; what stands @before and @after those that are
	 * where they were.
	 */
	.macro	rows	zero, a0, saved, before, after, back:vararg
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	.if	\n == 0
	\zero
	.elseif	\n == 10
	\a0
	.elseif	(\n >= 5 && \n <= 7) || \n == 28
	\saved, FRAME_X(\n)(a0)
	.else
	\before\()\n\after
	.endif
	\back
	.endr
	.endm

	.globl	fast_read, fast_write
fast_read:
	rows	"li t1, 0", "csrr t1, sscratch", "ld t1", "mv t1, x", "", jr t0
fast_write:
	rows	"nop", "csrw sscratch, t0", "sd t0", "mv x", ", t0", j fast_done
	.globl	fast_end
fast_end:
