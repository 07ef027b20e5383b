/*
 * The first instruction. The image begins with Linux's Image header, so that any boot loader of
 * RISC-V kernels takes it; a0 is the hart's id, a1 the device tree's physical address, satp is 0.
 *
 * Source: Linux's Documentation/arch/riscv/boot-image-header.rst and boot.rst.
 */
#include "hyp/arch/csr.h"
#include "hyp/boot/boot.h"

	.section .text.head, "ax"
	.globl	image_start
	j	start
	.balign	8
	.dword	0x200000		/* text_offset: from the start of RAM, 2 MiB-aligned */
	.dword	image_end - image_start
	.dword	0			/* flags: little-endian */
	.word	2			/* version 0.2 */
	.word	0
	.dword	0
	.ascii	"RISCV\0\0\0"
	.ascii	"RSC\x05"
	.word	0

	/*
	 * The boot hart. boot_early() builds the table and relocates the image for its place in it;
	 * its answer is struct map {satp, offset} in a0 and a1.
	 */
start:
	csrw	CSR_SIE, zero
	/* OpenSBI 1.1 may send a hart that we have just started here, rather than to its entry. */
	lla	t0, boot_taken
	li	t1, 1
	amoswap.w.aqrl t1, t1, (t0)
	bnez	t1, stray
	mv	s0, a0
	mv	s1, a1
	lla	t0, image_bss
	lla	t1, image_bss_end
1:	sd	zero, (t0)
	sd	zero, 8(t0)
	sd	zero, 16(t0)
	sd	zero, 24(t0)
	sd	zero, 32(t0)
	sd	zero, 40(t0)
	sd	zero, 48(t0)
	sd	zero, 56(t0)
	addi	t0, t0, 64
	bltu	t0, t1, 1b
	lla	sp, boot_stack_top
	mv	a0, s0
	mv	a1, s1
	call	boot_early
2:	mv	s2, a0
	lla	t0, boot_main
	add	t0, t0, a1
	add	sp, sp, a1
	mv	a0, s0
	mv	a1, s1
	jal	switch_on
	/* The hart doesn't have the mode: another one, or the end. */
	lla	sp, boot_stack_top
	call	boot_mode_missing
	j	2b

	/*
	 * Switch to satp in s2 and go on at the virtual address in t0. The next fetch after the
	 * write faults, since nothing is mapped where we run; stvec is where we want to be. Where
	 * the hart doesn't have the mode, the write does nothing and we return.
	 */
switch_on:
	lla	t1, landed
	ld	t2, phys_offset
	add	t1, t1, t2
	csrw	CSR_STVEC, t1
	sfence.vma
	csrw	CSR_SATP, s2
	ret

	.balign	4
landed:
	jr	t0

	/* Its row of boot_harts[] is the one with its id, filled before it was started. */
stray:
	addi	a0, a0, 1
	lla	a1, boot_harts
1:	ld	t0, BOOT_HART_ID1(a1)
	beq	t0, a0, boot_hart_entry
	addi	a1, a1, BOOT_HART_BYTES
	j	1b

	/*
	 * Another hart, started with a1: its struct boot_hart, physical.
	 */
	.globl	boot_hart_entry
	.balign	4
boot_hart_entry:
	csrw	CSR_SIE, zero
	ld	s2, BOOT_HART_SATP(a1)
	ld	sp, BOOT_HART_SP(a1)
	ld	t0, BOOT_HART_PC(a1)
	ld	a0, BOOT_HART_ARG(a1)
	jal	switch_on
	/* It lacks what the boot hart has. */
1:	wfi
	j	1b

	.data
	.balign	4
boot_taken:
	.word	0

	.bss
	.balign 16
	.skip	BOOT_STACK_BYTES
	.globl	boot_stack_top
boot_stack_top:
