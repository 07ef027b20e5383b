/*
 * One function for each way to store: a0 the address, a1 the value. See store.h.
 */
	.option norelax
	.option norvc
	.text

	.macro	one name, insn:vararg
	.globl	store_\name
	.balign	4
store_\name:
	\insn
	ret
	.endm

	one	sb, sb a1, 0(a0)
	one	sh, sh a1, 0(a0)
	one	sw, sw a1, 0(a0)
	one	sd, sd a1, 0(a0)
	.irp	width, w, d
	one	amoswap_\width, amoswap.\width a0, a1, (a0)
	one	amoadd_\width, amoadd.\width a0, a1, (a0)
	one	amoxor_\width, amoxor.\width a0, a1, (a0)
	one	amoand_\width, amoand.\width a0, a1, (a0)
	one	amoor_\width, amoor.\width a0, a1, (a0)
	one	amomin_\width, amomin.\width a0, a1, (a0)
	one	amomax_\width, amomax.\width a0, a1, (a0)
	one	amominu_\width, amominu.\width a0, a1, (a0)
	one	amomaxu_\width, amomaxu.\width a0, a1, (a0)

	/* May fail for a while, as after an interrupt, but not for ever. */
	.globl	store_sc_\width
store_sc_\width:
	li	t1, 1000
1:	lr.\width t0, (a0)
	sc.\width t0, a1, (a0)
	beqz	t0, 2f
	addi	t1, t1, -1
	bnez	t1, 1b
2:	mv	a0, t0
	ret
	.endr

	.option push
	.option rvc
	one	c_sw, c.sw a1, 0(a0)
	one	c_sd, c.sd a1, 0(a0)
	.option pop

	.macro	by_sp name, insn:vararg
	.globl	store_\name
store_\name:
	mv	t0, sp
	mv	sp, a0
	.option	push
	.option	rvc
	\insn
	.option	pop
	mv	sp, t0
	ret
	.endm

	by_sp	c_swsp, c.swsp a1, 0(sp)
	by_sp	c_sdsp, c.sdsp a1, 0(sp)

	.option	arch, +d
	.globl	store_fsw
store_fsw:
	fmv.w.x	fa1, a1
	fsw	fa1, 0(a0)
	ret
	.globl	store_fsd
store_fsd:
	fmv.d.x	fa1, a1
	fsd	fa1, 0(a0)
	ret
	.globl	store_c_fsd
store_c_fsd:
	fmv.d.x	fa1, a1
	.option	push
	.option	rvc
	c.fsd	fa1, 0(a0)
	.option	pop
	ret
	.globl	store_c_fsdsp
store_c_fsdsp:
	fmv.d.x	fa1, a1
	mv	t0, sp
	mv	sp, a0
	.option	push
	.option	rvc
	c.fsdsp	fa1, 0(sp)
	.option	pop
	mv	sp, t0
	ret

	.option	arch, +v
	/* One element of 64 bits, then the same word twice over. */
	.globl	store_vse64
store_vse64:
	vsetivli x0, 1, e64, m1, ta, ma
	vmv.v.x	v8, a1
	vse64.v	v8, (a0)
	ret
	.globl	store_vse64_two
store_vse64_two:
	vsetivli x0, 2, e64, m1, ta, ma
	vmv.v.x	v8, a1
	vse64.v	v8, (a0)
	ret
	/* Eight bytes, each stored by itself. */
	.globl	store_vse8
store_vse8:
	vsetivli x0, 1, e64, m1, ta, ma
	vmv.v.x	v8, a1
	vsetivli x0, 8, e8, m1, ta, ma
	vse8.v	v8, (a0)
	ret
