/*
 * Lazy switching of floating-point and vector state.
 *
 * A trap on first use, the usual way, is closed here: illegal instructions are delegated to the
 * guest. So a vcpu's registers are loaded when it is put on a hart that has another's, and written
 * back when it leaves a hart with FS or VS dirty.
 *
 * Invariant: hart->fp == v and v->fp_on == hart together mean that the hart's registers hold v's
 * state; memory is older than them only while v is loaded and, but for control registers, sstatus
 * says dirty.
 */
#include "hyp/vcpu/fp.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/string.h"
#include "hyp/vcpu/vcpu.h"

_Static_assert(offsetof(struct fp_state, fcsr) == 256, "fp_state.S: OFFSET_FCSR");
_Static_assert(offsetof(struct fp_state, vstart) == 264, "fp_state.S: OFFSET_VSTART");
_Static_assert(offsetof(struct fp_state, vtype) == 288, "fp_state.S: OFFSET_VTYPE");
_Static_assert(offsetof(struct fp_state, v) == 296, "fp_state.S: OFFSET_V");

void fp_registers_save(struct fp_state *to);
void fp_registers_load(const struct fp_state *from);
void v_registers_save(struct fp_state *to);
void v_registers_load(const struct fp_state *from);
void fp_control_save(struct fp_state *to);
void v_control_save(struct fp_state *to);

static size_t v_bytes;

void fp_probe(bool has_v)
{
	if (!has_v)
		return;
	csr_set(CSR_SSTATUS, SSTATUS_VS_INIT);
	v_bytes = 32 * csr_read(CSR_VLENB);
}

size_t fp_state_bytes(bool has_v)
{
	return sizeof(struct fp_state) + (has_v ? v_bytes : 0);
}

static bool is_here(const struct vcpu *v)
{
	return this_hart()->fp == v && v->fp_on == this_hart();
}

/* FS and VS of the hypervisor's own sstatus: clean, so that a change by the guest shows, and off
 * where the guest has no such extension. */
static void mark_clean(const struct isa *isa)
{
	csr_clear(CSR_SSTATUS, SSTATUS_FS | SSTATUS_VS);
	csr_set(CSR_SSTATUS,
		(isa->has_f ? SSTATUS_FS_CLEAN : 0) | (isa->has_v ? SSTATUS_VS_CLEAN : 0));
}

void fp_load(struct vcpu *v)
{
	mark_clean(v->isa);
	if (is_here(v))
		return;
	if (v->isa->has_f)
		fp_registers_load(v->fp);
	if (v->isa->has_v)
		v_registers_load(v->fp);
	this_hart()->fp = v;
	v->fp_on = this_hart();
	mark_clean(v->isa);
}

/*
 * QEMU, up to 10 at least, doesn't make the hypervisor's FS and VS dirty where a guest in VS-mode
 * writes fcsr, vstart or vcsr as CSRs, or an instruction sets nothing but fflags: these are always
 * saved.
 */
void fp_save(struct vcpu *v)
{
	uint64_t sstatus = csr_read(CSR_SSTATUS);

	if (!is_here(v))
		return;
	if (v->isa->has_f)
		((sstatus & SSTATUS_FS) == SSTATUS_FS ? fp_registers_save
						      : fp_control_save)(v->fp);
	if (v->isa->has_v)
		((sstatus & SSTATUS_VS) == SSTATUS_VS ? v_registers_save : v_control_save)(v->fp);
	mark_clean(v->isa);
}

const struct fp_state *fp_read_vector(struct vcpu *v)
{
	v_registers_save(v->fp);
	return v->fp;
}

void fp_reset(struct vcpu *v)
{
	v->fp_on = NULL;
	memset(v->fp, 0, fp_state_bytes(v->isa->has_v));
}
