/*
 * Floating-point and vector registers to memory and back: the only code of the image with such
 * instructions (tools/check-image holds the compiler to that), in a section of its own.
 *
 * sstatus.FS (and VS) must not be Off.
 */
	.option	arch, +v
	.section .text.fpstate, "ax"

#define OFFSET_FCSR   256
#define OFFSET_VSTART 264
#define OFFSET_VCSR   272
#define OFFSET_VL     280
#define OFFSET_VTYPE  288
#define OFFSET_V      296

	/* void fp_registers_save(struct fp_state *a0) */
	.globl	fp_registers_save
fp_registers_save:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	fsd	f\n, 8 * \n(a0)
	.endr
	/* void fp_control_save(struct fp_state *a0) */
	.globl	fp_control_save
fp_control_save:
	frcsr	t0
	sd	t0, OFFSET_FCSR(a0)
	ret

	/* void fp_registers_load(const struct fp_state *a0) */
	.globl	fp_registers_load
fp_registers_load:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	fld	f\n, 8 * \n(a0)
	.endr
	ld	t0, OFFSET_FCSR(a0)
	fscsr	t0
	ret

	/* void v_registers_save(struct fp_state *a0): the CSRs first, the moves change vstart */
	.globl	v_registers_save
v_registers_save:
	csrr	t0, vstart
	sd	t0, OFFSET_VSTART(a0)
	csrr	t0, vcsr
	sd	t0, OFFSET_VCSR(a0)
	csrr	t0, vl
	sd	t0, OFFSET_VL(a0)
	csrr	t0, vtype
	sd	t0, OFFSET_VTYPE(a0)
	csrw	vstart, zero
	addi	a0, a0, OFFSET_V
	csrr	t0, vlenb
	slli	t0, t0, 3
	vs8r.v	v0, (a0)
	add	a0, a0, t0
	vs8r.v	v8, (a0)
	add	a0, a0, t0
	vs8r.v	v16, (a0)
	add	a0, a0, t0
	vs8r.v	v24, (a0)
	ret

	/* void v_control_save(struct fp_state *a0): those that are written as CSRs */
	.globl	v_control_save
v_control_save:
	csrr	t0, vstart
	sd	t0, OFFSET_VSTART(a0)
	csrr	t0, vcsr
	sd	t0, OFFSET_VCSR(a0)
	ret

	/* void v_registers_load(const struct fp_state *a0): vsetvl before vstart, which it clears */
	.globl	v_registers_load
v_registers_load:
	csrw	vstart, zero
	addi	a1, a0, OFFSET_V
	csrr	t0, vlenb
	slli	t0, t0, 3
	vl8re8.v v0, (a1)
	add	a1, a1, t0
	vl8re8.v v8, (a1)
	add	a1, a1, t0
	vl8re8.v v16, (a1)
	add	a1, a1, t0
	vl8re8.v v24, (a1)
	ld	t0, OFFSET_VL(a0)
	ld	t1, OFFSET_VTYPE(a0)
	vsetvl	zero, t0, t1
	ld	t0, OFFSET_VCSR(a0)
	csrw	vcsr, t0
	ld	t0, OFFSET_VSTART(a0)
	csrw	vstart, t0
	ret

	/* void v_register_write_vstart(uint64_t a0) */
	.globl	v_register_write_vstart
v_register_write_vstart:
	csrw	vstart, a0
	ret

	/* uint64_t fp_register_read(unsigned a0): the a0-th of 32 pairs below; c.jr and compressed
	   moves have other sizes, so compression is off */
	.option	push
	.option	norvc
	.option	norelax
	.globl	fp_register_read
fp_register_read:
	slli	a0, a0, 3
	lla	t0, 1f
	add	t0, t0, a0
	jr	t0
1:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	fmv.x.d	a0, f\n
	ret
	.endr

	/* void fp_register_write(unsigned a0, uint64_t a1) */
	.globl	fp_register_write
fp_register_write:
	slli	a0, a0, 3
	lla	t0, 1f
	add	t0, t0, a0
	jr	t0
1:
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	fmv.d.x	f\n, a1
	ret
	.endr
	.option	pop
