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

	/* The word in v8, then @body, by which its eight bytes are stored. */
	.macro	vector name, body:vararg
	.globl	store_\name
store_\name:
	vsetivli x0, 1, e64, m1, ta, ma
	vmv.v.x	v8, a1
	\body
	ret
	.endm
	.macro	insns list:vararg
	.irp	one, \list
	\one
	.endr
	.endm

	vector	vse16, insns "vsetivli x0, 4, e16, m1, ta, ma", "vse16.v v8, (a0)"
	vector	vse32, insns "vsetivli x0, 2, e32, m1, ta, ma", "vse32.v v8, (a0)"
	/* In strides: forwards, and backwards from the second half with the halves exchanged. */
	vector	vsse16, insns "li t0, 2", "vsetivli x0, 4, e16, m1, ta, ma", "vsse16.v v8, (a0), t0"
	vector	vsse32, insns "vsetivli x0, 2, e32, m1, ta, ma", "vslidedown.vi v9, v8, 1", \
		"vslideup.vi v9, v8, 1", "addi a0, a0, 4", "li t0, -4", "vsse32.v v9, (a0), t0"
	/* By index: bytes by 64-bit indices, 32 bits by 8-bit ones. */
	vector	vsuxei64, insns "vsetivli x0, 8, e64, m8, ta, ma", "vid.v v16", \
		"vsetivli x0, 8, e8, m1, ta, ma", "vsuxei64.v v8, (a0), v16"
	vector	vsoxei8, insns "vsetivli x0, 2, e8, m1, ta, ma", "vid.v v16", "vsll.vi v16, v16, 2", \
		"vsetivli x0, 2, e32, m1, ta, ma", "vsoxei8.v v8, (a0), v16"
	/* A segment of two fields. */
	vector	vsseg2e32, insns "vsetivli x0, 2, e32, m1, ta, ma", "vslidedown.vi v9, v8, 1", \
		"vsetivli x0, 1, e32, m1, ta, ma", "vsseg2e32.v v8, (a0)"
	/* The mask of 64 elements. */
	vector	vsm, insns "li t0, 64", "vsetvli x0, t0, e8, m4, ta, ma", "vsm.v v8, (a0)"
	/* A whole register: what follows the word is stored as it is. */
	vector	vs1r, insns "vl1re64.v v9, (a0)", "vmv.s.x v9, a1", "vs1r.v v9, (a0)"
	/* Every second byte, then the others. */
	vector	masked, insns "li t0, 0x55", "vsetivli x0, 1, e8, m1, ta, ma", "vmv.s.x v0, t0", \
		"vsetivli x0, 8, e8, m1, ta, ma", "vse8.v v8, (a0), v0.t", "vmnot.m v0, v0", \
		"vse8.v v8, (a0), v0.t"
	/* From an element on, those before it by another store. */
	vector	vstart, insns "vsetivli x0, 3, e8, m1, ta, ma", "vse8.v v8, (a0)", \
		"vsetivli x0, 8, e8, m1, ta, ma", "csrwi vstart, 3", "vse8.v v8, (a0)"
