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
#include "hyp/vm/vm.h"

static const struct insn no_access = { .kind = INSN_OTHER };

/*
 * Whether an access at a page's first byte began on the page before: then stval is where its
 * second part begins.
 */
static COLD bool began_before(const struct vcpu *v, uint32_t bits)
{
	struct insn_address a = insn_address(bits);

	return v->frame.x[a.base] + (uint64_t)(int64_t)a.immediate != v->fault.at.v;
}

static COLD const struct insn *decode_htinst(struct vcpu *v)
{
	struct insn *i = &v->transformed;
	unsigned offset;

	*i = insn_decode_transformed(v->fault.htinst, &offset);
	return offset && i->kind != INSN_AMO ? &no_access : i;
}

/*
 * The instruction, or NULL with *@what telling what its fetch came to. An access that isn't wholly
 * the device's is none that can be carried out.
 */
static inline const struct insn *decode(struct vcpu *v, enum mmu_what *what)
{
	const struct insn *i;
	uint32_t bits;

	*what = MMU_FETCHED;
	if (v->fault.htinst)
		return decode_htinst(v);
	*what = v->mmu->fetch(v, &bits);
	if (*what != MMU_FETCHED)
		return NULL;
	i = insn_recall(&v->memo, bits);
	if (i->width > 1 && (v->fault.at.v & (PAGE_SIZE - 1)) == 0 && i->kind != INSN_AMO &&
	    began_before(v, bits))
		return &no_access;
	return i;
}

/* Another hart may have written other code there since the trap: an FP access is not to be believed
 * where FP is off. */
static COLD bool float_is_on(void)
{
	return (csr_read(CSR_SSTATUS) & SSTATUS_FS) != 0;
}

static uint64_t register_read(const struct vcpu *v, const struct insn *i)
{
	return i->is_float ? fp_register_read(i->reg) : v->frame.x[i->reg];
}

/* A narrower value in an f register has all ones above it ("NaN Boxing"); FS becomes dirty. */
static COLD void float_write(struct vcpu *v, const struct insn *i, uint64_t value)
{
	if (i->width < 8)
		value |= ~UINT64_C(0) << 8 * i->width;
	fp_register_write(i->reg, value);
	v->backend->float_is_dirty(v);
}

static void register_write(struct vcpu *v, const struct insn *i, uint64_t value)
{
	if (i->is_float)
		float_write(v, i, value);
	else if (i->reg)
		v->frame.x[i->reg] = insn_extend(i, value);
}

static COLD enum outcome end_vm(struct vcpu *v, const struct mmio *m)
{
	vm_end(v->vm, m->reset ? VM_RESET : m->status ? VM_FAILED : VM_SHUTDOWN, m->status);
	return OUTCOME_RESUME;
}

/* The hart's word on load or store decides, but an AMO is a store whatever the hart says. */
static COLD enum outcome refuse(struct vcpu *v, const struct insn *i)
{
	enum access access = i->kind == INSN_AMO ? ACCESS_STORE : v->fault.access;

	return outcome_inject(v, cause_access_fault(access), v->fault.at.v);
}

enum outcome emulate_access(struct vcpu *v)
{
	const struct gstage_device *device = v->fault.device;
	struct mmio m;
	enum mmu_what what;
	enum mmio_result result;
	const struct insn *i = decode(v, &what);

	if (!i)
		return outcome_of(v, what);
	if ((i->kind != INSN_LOAD && i->kind != INSN_STORE) || (i->is_float && !float_is_on()))
		return refuse(v, i);
	m.offset = v->fault.to.v - device->at.v;
	m.width = i->width;
	m.is_store = i->kind == INSN_STORE;
	if (m.is_store)
		m.value = register_read(v, i);
	result = board_access(&v->vm->board, device->board_device, &m);
	if (result >= MMIO_FAULT)
		return result == MMIO_AGAIN ? OUTCOME_RESUME : refuse(v, i);
	if (i->kind == INSN_LOAD)
		register_write(v, i, m.value);
	v->frame.pc += i->length;
	return result == MMIO_OK ? OUTCOME_RESUME : end_vm(v, &m);
}
