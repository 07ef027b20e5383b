/*
 * See stores.h. What a hart does in one step, translate and store, are two here, with no lock held
 * between them: as if the hart had fetched the translation a little earlier.
 *
 * Next to read: vector_store.c, many stores in one instruction.
 */
#include "hyp/mmu/stores.h"

#include "hyp/arch/cpu.h"

static bool fails(struct vcpu *v, enum cause cause, gva_t at, enum mmu_what *why)
{
	v->fault.cause = cause;
	v->fault.tval = at.v;
	*why = MMU_INJECT;
	return false;
}

/* Where @at is in the guest's RAM, which can be written then. */
static bool reach(struct vcpu *v, gva_t at, gpa_t *to, enum mmu_what *why)
{
	struct walk w = vsstage_walk(v->gstage, &v->depriv.regime, at, ACCESS_STORE);
	bool changed;

	if (w.result == WALK_PAGE)
		return fails(v, CAUSE_STORE_PAGE, at, why);
	if (w.result == WALK_ACCESS || (w.result == WALK_OK && !gstage_is_ram(v->gstage, w.at)))
		return fails(v, CAUSE_STORE_ACCESS, at, why);
	*to = w.at;
	if (w.result == WALK_OK && gstage_touch(v->gstage, w.at, ACCESS_STORE, &changed) == OK)
		return true;
	*why = w.result == WALK_AGAIN ? MMU_RESUME : MMU_NOMEM;
	return false;
}

bool store_at(struct vcpu *v, gva_t at, uint64_t value, unsigned bytes, enum mmu_what *why)
{
	unsigned room = (unsigned)(PAGE_SIZE - at.v % PAGE_SIZE);
	unsigned first = bytes < room ? bytes : room;
	gpa_t to, next = gpa(0);

	if (!reach(v, at, &to, why) ||
	    (first < bytes && !reach(v, gva(at.v + first), &next, why)))
		return false;
	shadow_store(v->shadow, to, value, first);
	if (first < bytes)
		shadow_store(v->shadow, next, value >> 8 * first, bytes - first);
	return true;
}

enum mmu_what store_scalar(struct vcpu *v, const struct insn *i, uint32_t bits)
{
	struct insn_address a = insn_address(bits);
	uint64_t at = v->frame.x[a.base] + (uint64_t)(int64_t)a.immediate;
	uint64_t value = i->is_float ? fp_register_read(i->reg) : v->frame.x[i->reg];
	enum mmu_what why;

	if (!store_at(v, gva(at), value, i->width, &why))
		return why;
	v->frame.pc += i->length;
	return MMU_RESUME;
}
