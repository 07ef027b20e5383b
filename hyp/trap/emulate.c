/*
 * A guest's load or store on a device: decode, carry out, write the result back.
 *
 * The instruction comes from htinst where the hardware gives it, else it is fetched; a fetch can
 * fault like any, and then that fault is the guest's. What can't be carried out, an AMO, a vector
 * or a misaligned access, is an access fault, as on a board whose device doesn't take it.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/insn.h"
#include "hyp/lib/exit.h"
#include "hyp/mmu/mmu.h"
#include "hyp/vm/vm.h"

/* The decoded instruction, or why there is none. */
struct decoded {
	struct mmu_answer trouble; /* .what is MMU_EMULATE: .insn is good */
	struct insn insn;
};

static struct decoded decode(struct vcpu *v, uint64_t htinst)
{
	struct decoded d = { .trouble = { .what = MMU_EMULATE } };
	struct mmu_insn m;
	unsigned offset;

	if (htinst) {
		d.insn = insn_decode_transformed(htinst, &offset);
		return d;
	}
	m = two_stage_fetch(v);
	d.trouble = m.trouble;
	if (m.trouble.what == MMU_EMULATE)
		d.insn = insn_decode(m.bits);
	return d;
}

static uint64_t register_read(const struct vcpu *v, const struct insn *i)
{
	return i->is_float ? fp_register_read(i->reg) : v->frame.x[i->reg];
}

static uint64_t sign_extend(uint64_t value, unsigned width)
{
	unsigned unused = 64 - 8 * width;

	return (uint64_t)((int64_t)(value << unused) >> unused);
}

/* A narrower value in an f register has all ones above it ("NaN Boxing"); FS becomes dirty. */
static void float_write(const struct insn *i, uint64_t value)
{
	if (i->width < 8)
		value |= ~UINT64_C(0) << 8 * i->width;
	fp_register_write(i->reg, value);
	csr_set(CSR_VSSTATUS, SSTATUS_FS);
}

static void register_write(struct vcpu *v, const struct insn *i, uint64_t value)
{
	if (i->is_float)
		float_write(i, value);
	else if (i->reg)
		v->frame.x[i->reg] = i->is_signed ? sign_extend(value, i->width) : value;
}

static struct outcome finish(struct vcpu *v, const struct insn *i, const struct mmio *m)
{
	if (!m->is_store)
		register_write(v, i, m->value);
	v->frame.pc += i->length;
	return outcome_resume();
}

static struct outcome end_vm(struct vcpu *v, const struct insn *i)
{
	const struct finisher *f = &v->vm->board.finisher;

	v->frame.pc += i->length;
	vm_end(v->vm, f->reset ? VM_RESET : VM_SHUTDOWN, f->status);
	return outcome_resume();
}

struct outcome emulate_access(struct vcpu *v, gpa_t at, const struct gstage_device *device,
			      uint64_t htinst, uint64_t tval)
{
	struct decoded d = decode(v, htinst);
	bool is_store = d.insn.kind == INSN_STORE;
	struct mmio m = { .offset = at.v - device->at.v, .width = d.insn.width,
			  .is_store = is_store };

	if (d.trouble.what != MMU_EMULATE)
		return d.trouble.what == MMU_INJECT ?
			       outcome_inject(d.trouble.cause, d.trouble.tval) :
			       outcome_resume();
	if ((d.insn.kind != INSN_LOAD && !is_store) || !is_aligned(tval, d.insn.width))
		return outcome_inject(d.insn.kind == INSN_LOAD || d.insn.kind == INSN_LR ?
					      CAUSE_LOAD_ACCESS :
					      CAUSE_STORE_ACCESS,
				      tval);
	if (is_store)
		m.value = register_read(v, &d.insn);
	switch (board_access(&v->vm->board, device->id, &m)) {
	case MMIO_OK:
		return finish(v, &d.insn, &m);
	case MMIO_END:
		return end_vm(v, &d.insn);
	case MMIO_FAULT:
	default:
		return outcome_inject(is_store ? CAUSE_STORE_ACCESS : CAUSE_LOAD_ACCESS, tval);
	}
}
