/*
 * Faults and fences of a guest whose two stages the shadow composes: page faults of the hart.
 *
 * hyp/shadow/ says what a fault comes to. What it leaves to be carried out here are stores to the
 * guest's page tables, and loads from pages that aren't what is executed. All of it is about the
 * instruction that trapped, so in the regime that the guest ran in (v->depriv.regime).
 *
 * Invariant: each answer makes progress: a shadow that is filled now, an exception, an access that
 * was carried out, or one that nothing hinders any more.
 */
#include "hyp/arch/cpu.h"
#include "hyp/arch/insn.h"
#include "hyp/mmu/stores.h"

static enum mmu_what inject(struct vcpu *v, enum cause cause, gva_t tval)
{
	v->fault.cause = cause;
	v->fault.tval = tval.v;
	return MMU_INJECT;
}

static struct shadow_code code_at(struct vcpu *v, gva_t pc)
{
	return shadow_code(v->shadow, &v->view, &v->depriv.regime, pc);
}

/* It isn't mapped any more, or it isn't yet: another hart's doing, or a shadow's that was dropped.
 */
static COLD enum mmu_what fetch_fault(struct vcpu *v, gva_t at)
{
	struct shadow_answer a;

	v->view.pc = gva(v->frame.pc);
	a = shadow_fault(v->shadow, &v->view, &v->depriv.regime, at, ACCESS_FETCH);

	if (a.what == SHADOW_NOMEM)
		return MMU_NOMEM;
	if (a.what == SHADOW_PAGE)
		return inject(v, CAUSE_FETCH_PAGE, at);
	if (a.what == SHADOW_ACCESS)
		return inject(v, CAUSE_FETCH_ACCESS, at);
	return MMU_RESUME;
}

/* An instruction of 32 bits that begins in the last parcel of a page. */
static COLD enum mmu_what fetch_second(struct vcpu *v, uint32_t *bits)
{
	gva_t at = gva(v->frame.pc + 2);
	struct shadow_code c = code_at(v, at);

	if (!c.is_mapped)
		return fetch_fault(v, at);
	*bits |= c.bits << 16;
	return MMU_FETCHED;
}

static enum mmu_what shadowed_fetch(struct vcpu *v, uint32_t *bits)
{
	gva_t pc = gva(v->frame.pc);
	struct shadow_code c = v->depriv.code = code_at(v, pc);

	if (!c.is_mapped)
		return fetch_fault(v, pc);
	*bits = c.bits;
	if ((*bits & 3) != 3)
		*bits &= 0xffff;
	else if ((pc.v & (PAGE_SIZE - 1)) == PAGE_SIZE - 2)
		return fetch_second(v, bits);
	return MMU_FETCHED;
}

/* Whether @i is the access that faulted, all of it. */
static bool is_all(const struct vcpu *v, const struct insn *i, uint32_t bits)
{
	struct insn_address a = insn_address(bits);

	return v->frame.x[a.base] + (uint64_t)(int64_t)a.immediate == v->fault.at.v &&
	       is_aligned(v->fault.at.v, i->width);
}

/* An AMO is aligned, or traps otherwise. SC is not among these: what LR saw isn't known. */
static bool is_amo(const struct insn *i)
{
	return i->kind == INSN_AMO && i->funct5 != INSN_FUNCT5_SC;
}

static void carry_out_store(struct vcpu *v, const struct insn *i, gpa_t to)
{
	uint64_t *x = v->frame.x;

	if (i->kind == INSN_STORE) {
		shadow_store(v->shadow, to, x[i->reg], i->width);
	} else {
		uint64_t old = shadow_amo(v->shadow, to, i->funct5, x[i->source], i->width);

		if (i->reg)
			x[i->reg] = old;
	}
	v->frame.pc += i->length;
}

/* Another hart may have written other code there since the trap: an access by a unit that is off
 * isn't to be believed. */
static bool is_on(uint64_t unit)
{
	return (csr_read(CSR_SSTATUS) & unit) != 0;
}

static void let_through(struct vcpu *v, gpa_t to)
{
	if (v->shadow->policy == SHADOW_NONE)
		shadow_step_whole(v->shadow, &v->view);
	else
		shadow_unprotect(v->shadow, to);
}

/* A store to the guest's page table at @to. What can't be carried out is let through: SC, and what
 * is no store that we know. */
static COLD enum mmu_what unusual_store(struct vcpu *v, const struct insn *i, uint32_t bits, gpa_t to)
{
	enum mmu_what why;

	if (i->kind == INSN_STORE && (!i->is_float || is_on(SSTATUS_FS)))
		return store_scalar(v, i, bits);
	if (is_vector_store(bits) && v->isa->has_v && is_on(SSTATUS_VS)) {
		if (store_vector(v, bits, &why))
			return MMU_RESUME;
		if (why != MMU_RESUME)
			return why;
	}
	let_through(v, to);
	return MMU_RESUME;
}

/* The usual one needs no second translation. */
static enum mmu_what store(struct vcpu *v, gpa_t to)
{
	const struct insn *i;
	uint32_t bits;
	enum mmu_what fetched = shadowed_fetch(v, &bits);

	if (fetched != MMU_FETCHED)
		return fetched;
	i = insn_recall(&v->memo, bits);
	if ((is_amo(i) || (i->kind == INSN_STORE && !i->is_float)) && is_all(v, i, bits)) {
		carry_out_store(v, i, to);
		return MMU_RESUME;
	}
	return unusual_store(v, i, bits, to);
}

static uint64_t load_value(const void *p, const struct insn *i)
{
	uint64_t value = 0;

	switch (i->width) {
	case 1:
		value = *(const volatile uint8_t *)p;
		break;
	case 2:
		value = *(const volatile uint16_t *)p;
		break;
	case 4:
		value = *(const volatile uint32_t *)p;
		break;
	default:
		value = *(const volatile uint64_t *)p;
		break;
	}
	return insn_extend(i, value);
}

/* A load at @to from a page that a copy is executed of. What can't be carried out ends that. */
static enum mmu_what load(struct vcpu *v, gpa_t to)
{
	const struct insn *i;
	const void *from;
	unsigned pin;
	uint32_t bits;
	enum mmu_what fetched = shadowed_fetch(v, &bits);

	if (fetched != MMU_FETCHED)
		return fetched;
	i = insn_recall(&v->memo, bits);
	if (i->kind != INSN_LOAD || i->is_float || !is_all(v, i, bits)) {
		if (v->shadow->policy == SHADOW_NONE)
			shadow_step_whole(v->shadow, &v->view);
		else
			shadow_unpatch(v->shadow, to);
		return MMU_RESUME;
	}
	pin = gstage_pin(v->gstage);
	from = gstage_pointer(v->gstage, to, ACCESS_LOAD);
	if (from && i->reg)
		v->frame.x[i->reg] = load_value(from, i);
	gstage_unpin(v->gstage, pin);
	if (!from)
		return MMU_NOMEM;
	v->frame.pc += i->length;
	return MMU_RESUME;
}

/*
 * What came where nothing was is not fenced: a hart that remembers "nothing there" faults once more
 * at the same place, and is fenced then. By all addresses, since a fence of one is about leaves only,
 * and it may be a table that came.
 */
static enum mmu_what retry(struct vcpu *v)
{
	struct depriv *d = &v->depriv;

	if (d->retried_at == v->fault.at.v && d->retried_pc == v->frame.pc)
		sfence_all();
	d->retried_at = v->fault.at.v;
	d->retried_pc = v->frame.pc;
	return MMU_RESUME;
}

static enum mmu_what shadowed_fault(struct vcpu *v)
{
	struct fault *f = &v->fault;
	struct shadow_answer a;

	v->view.pc = gva(v->frame.pc);
	a = shadow_fault(v->shadow, &v->view, &v->depriv.regime, f->at, f->access);
	switch (a.what) {
	case SHADOW_RESUME:
		return retry(v);
	case SHADOW_PAGE:
		return inject(v, cause_page_fault(f->access), f->at);
	case SHADOW_ACCESS:
		return inject(v, cause_access_fault(f->access), f->at);
	case SHADOW_DEVICE:
		f->to = a.to;
		f->device = a.device;
		return MMU_EMULATE;
	case SHADOW_STORE:
		return store(v, a.to);
	case SHADOW_READ:
		return load(v, a.to);
	case SHADOW_NOMEM:
	default:
		return MMU_NOMEM;
	}
}

/* The shadows are shared by all harts: once for all. What a hart remembers has no ASIDs. */
static void shadowed_fence(struct vcpu *v, const struct mmu_fence *f, bool here)
{
	if (!f->one_by_one)
		shadow_fence(v->shadow, NULL, f->asid);
	for (uint64_t i = 0; f->one_by_one && i < f->bytes; i += PAGE_SIZE) {
		gva_t at = gva(f->at + i);

		shadow_fence(v->shadow, &at, f->asid);
	}
	if (here)
		sfence_all();
}

/* A leaf of the guest's that changed may have been a table of the shadow's, and fences of a page are
 * about leaves only: so all addresses. */
static void shadowed_fence_there(struct sbi_harts harts, const struct mmu_fence *f)
{
	(void)f;
	sbi_remote_sfence_vma(harts, 0, UINT64_MAX);
}

const struct mmu mmu_shadowed = {
	.fault = shadowed_fault,
	.fetch = shadowed_fetch,
	.fence = shadowed_fence,
	.fence_there = shadowed_fence_there,
};
