/*
 * The functions of ops.h.
 */
	.option norelax
	.text

	.globl	op_load
op_load:
	ld	a0, 0(a0)
	ret

	.globl	op_store
op_store:
	sd	a1, 0(a0)
	ret

	.globl	op_amoadd
op_amoadd:
	amoadd.d a0, a1, (a0)
	ret

	.globl	op_lr_sc
op_lr_sc:
	lr.d	t0, (a0)
	sc.d	a0, a1, (a0)
	ret

	.globl	op_fetch
op_fetch:
	jr	a0

	.option push
	.option arch, +d
	.globl	op_fsd
op_fsd:
	fmv.d.x	f0, a1
	fsd	f0, 0(a0)
	ret

	.globl	op_fld
op_fld:
	fld	f0, 0(a0)
	fmv.x.d	a0, f0
	ret
	.option pop

	.globl	code_return_5a
	.balign	4
code_return_5a:
	li	a0, 0x5a
	ret
