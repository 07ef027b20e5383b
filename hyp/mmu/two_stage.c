/*
 * Faults of a guest whose two stages the hardware composes: guest page faults.
 *
 * The hardware tells the guest physical address in htval, if it tells it at all, and something of
 * the instruction in htinst, if anything; where they are 0 the VS-stage is walked and the
 * instruction is fetched, as any hart with H must allow for.
 *
 * Invariant: each answer makes progress: RAM that is mapped now, an exception, or an emulated
 * access. Next to read: g-stage/demand.c for RAM, trap/emulate.c for devices.
 *
 * Source: privileged specification, "Hypervisor Trap Value (htval) Register", "Transformed
 * Instruction or Pseudoinstruction for mtinst or htinst".
 */
#include "hyp/mmu/mmu.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/insn.h"
#include "hyp/g-stage/gstage.h"

static struct mmu_answer inject(enum cause cause, uint64_t tval)
{
	return (struct mmu_answer){ .what = MMU_INJECT, .cause = cause, .tval = tval };
}

static struct mmu_answer simply(int what)
{
	return (struct mmu_answer){ .what = what };
}

/* Where the fault is, and whether it is the guest's own table that lies there. */
struct target {
	struct walk walk;
	gpa_t at;
	bool implicit;
};

static struct target find_target(struct vcpu *v, const struct fault *f)
{
	struct target t = { .walk = { .result = WALK_OK } };
	struct regime r;

	t.implicit = htinst_is_pseudo(f->htinst);
	if (f->htval) {
		/* "the least-significant two bits of stval" complete an explicit access's address;
		 * a table's entry is 8-byte aligned. */
		t.at = gpa(f->htval << 2 | (t.implicit ? 0 : f->at.v & 3));
		return t;
	}
	r = vcpu_regime(v);
	t.walk = vsstage_walk(v->gstage, &r, f->at, f->access, NULL);
	t.at = t.walk.at;
	t.implicit = t.walk.result == WALK_ACCESS;
	return t;
}

/*
 * RAM is mapped and allows what the cause says, and yet it faulted. Either the hart remembered an
 * older table, or it reports a store as a load (an AMO, QEMU 7.2), which would fault forever.
 */
static struct mmu_answer not_what_it_seems(struct vcpu *v, gpa_t at, enum access want)
{
	struct mmu_insn insn;
	bool changed;
	enum err e;

	gstage_fence_local(v->gstage, at);
	if (want != ACCESS_LOAD)
		return simply(MMU_RESUME);
	insn = two_stage_fetch(v);
	if (insn.trouble.what != MMU_EMULATE)
		return insn.trouble;
	if (insn_decode(insn.bits).kind != INSN_AMO)
		return simply(MMU_RESUME);
	e = gstage_touch(v->gstage, at, ACCESS_STORE, &changed);
	return simply(e ? MMU_NOMEM : MMU_RESUME);
}

static struct mmu_answer touch_ram(struct vcpu *v, gpa_t at, enum access want)
{
	bool changed;
	enum err e = gstage_touch(v->gstage, at, want, &changed);

	if (e)
		return simply(MMU_NOMEM);
	return changed ? simply(MMU_RESUME) : not_what_it_seems(v, at, want);
}

/* A walk's own references are loads, and stores when they set A or D ("pseudoinstruction"). */
#define PSEUDO_WRITE BITS(1, 5)

static enum access reference_kind(const struct fault *f, bool implicit)
{
	if (!implicit)
		return f->access;
	return f->htinst & PSEUDO_WRITE ? ACCESS_STORE : ACCESS_LOAD;
}

/*
 * The guest touched what isn't RAM with something that can't be carried out on a device. The
 * exception is an access fault of the kind the instruction asked for; QEMU 7.2 says "load" where a
 * fetch's own walk failed, so a load is believed only if its instruction can be fetched.
 */
static struct mmu_answer deny(struct vcpu *v, const struct fault *f, bool implicit)
{
	if (implicit && f->access == ACCESS_LOAD) {
		struct guest_fetch g = guest_fetch(gva(v->frame.pc));

		if (g.cause)
			return inject(CAUSE_FETCH_ACCESS, f->at.v);
	}
	return inject(cause_access_fault(f->access), f->at.v);
}

struct mmu_answer two_stage_fault(struct vcpu *v, const struct fault *f)
{
	struct target t = find_target(v, f);
	struct gstage_place place;

	if (t.walk.result == WALK_AGAIN)
		return simply(MMU_RESUME);
	if (t.walk.result == WALK_PAGE)
		return inject(cause_page_fault(f->access), f->at.v);
	place = gstage_place(v->gstage, t.at);
	if (place.kind == GSTAGE_RAM)
		return touch_ram(v, t.at, reference_kind(f, t.implicit));
	if (place.kind == GSTAGE_HOLE || t.implicit || f->access == ACCESS_FETCH)
		return deny(v, f, t.implicit);
	return (struct mmu_answer){ .what = MMU_EMULATE, .at = t.at, .device = place.device };
}

/*
 * What the guest's own fetch of the parcel at @at would lead to. Harts disagree on the cause of a
 * failed HLVX (5, 12, 13, 20 and 21 on three versions of QEMU alone); the walk is always right.
 */
static struct mmu_answer fetch_fault(struct vcpu *v, gva_t at)
{
	struct fault f = { .at = at, .access = ACCESS_FETCH };

	return two_stage_fault(v, &f);
}

struct mmu_insn two_stage_fetch(struct vcpu *v)
{
	struct mmu_insn r = { .trouble = { .what = MMU_EMULATE } };

	for (unsigned i = 0; i < 2; i++) {
		gva_t at = gva(v->frame.pc + 2 * i);
		struct guest_fetch g = guest_fetch(at);

		if (g.cause) {
			r.trouble = fetch_fault(v, at);
			return r;
		}
		r.bits |= (uint32_t)g.value << 16 * i;
		if ((r.bits & 3) != 3)
			break;
	}
	return r;
}
