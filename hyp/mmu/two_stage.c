/*
 * Faults and fences of a guest whose two stages the hardware composes.
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

static enum mmu_what two_stage_fetch(struct vcpu *v, uint32_t *bits);

static enum mmu_what inject(struct vcpu *v, enum cause cause, gva_t tval)
{
	v->fault.cause = cause;
	v->fault.tval = tval.v;
	return MMU_INJECT;
}

/*
 * RAM is mapped and allows what the cause says, and yet it faulted. Either the hart remembered an
 * older table, or it reports a store as a load (an AMO, QEMU 7.2), which would fault forever.
 */
static COLD enum mmu_what not_what_it_seems(struct vcpu *v, gpa_t to, enum access want)
{
	enum mmu_what fetched;
	uint32_t bits;
	bool changed;

	gstage_fence_local(to);
	if (want != ACCESS_LOAD)
		return MMU_RESUME;
	fetched = two_stage_fetch(v, &bits);
	if (fetched != MMU_FETCHED)
		return fetched;
	if (!insn_is_store(bits))
		return MMU_RESUME;
	return gstage_touch(v->gstage, to, ACCESS_STORE, &changed) == OK ? MMU_RESUME : MMU_NOMEM;
}

static COLD enum mmu_what touch_ram(struct vcpu *v, gpa_t to, enum access want)
{
	bool changed;

	if (gstage_touch(v->gstage, to, want, &changed) != OK)
		return MMU_NOMEM;
	return changed ? MMU_RESUME : not_what_it_seems(v, to, want);
}

/*
 * The guest touched what isn't RAM with something that can't be carried out on a device. The
 * exception is an access fault of the kind the instruction asked for.
 */
static COLD enum mmu_what deny(struct vcpu *v, gva_t at, enum access access)
{
	return inject(v, cause_access_fault(access), at);
}

/*
 * The same where one of the guest's own tables isn't RAM. QEMU 7.2 says "load" whatever the access
 * was, so a load is believed only if its instruction can be fetched and is one.
 */
static COLD enum mmu_what deny_table(struct vcpu *v, gva_t at, enum access access)
{
	enum mmu_what fetched;
	uint32_t bits;

	if (access != ACCESS_LOAD)
		return deny(v, at, access);
	fetched = two_stage_fetch(v, &bits);
	if (fetched != MMU_FETCHED)
		return fetched;
	return deny(v, at, insn_is_store(bits) ? ACCESS_STORE : ACCESS_LOAD);
}

/* An access of the guest's own, to guest physical @to. */
static inline enum mmu_what explicit_fault(struct vcpu *v, gva_t at, enum access access, gpa_t to)
{
	const struct gstage_device *device;

	if (gstage_is_ram(v->gstage, to))
		return touch_ram(v, to, access);
	device = gstage_device_at(v->gstage, to);
	if (!device || access == ACCESS_FETCH)
		return deny(v, at, access);
	v->fault.to = to;
	v->fault.device = device;
	return MMU_EMULATE;
}

/* A walk's own references are loads, and stores when they set A or D ("pseudoinstruction"). */
#define PSEUDO_WRITE BITS(1, 5)

/* A reference of the VS-stage's own walk, to its entry at guest physical @to. */
static COLD enum mmu_what implicit_fault(struct vcpu *v, gpa_t to)
{
	const struct fault *f = &v->fault;

	if (!gstage_is_ram(v->gstage, to))
		return deny_table(v, f->at, f->access);
	return touch_ram(v, to, f->htinst & PSEUDO_WRITE ? ACCESS_STORE : ACCESS_LOAD);
}

/* The hardware didn't say where: walk. The walk has touched the tables it read. */
static COLD enum mmu_what find_fault(struct vcpu *v, gva_t at, enum access access)
{
	struct regime r = vcpu_regime(v);
	struct walk w = vsstage_walk(v->gstage, &r, at, access);

	switch (w.result) {
	case WALK_OK:
		return explicit_fault(v, at, access, w.at);
	case WALK_PAGE:
		return inject(v, cause_page_fault(access), at);
	case WALK_ACCESS:
		return deny_table(v, at, access);
	case WALK_NOMEM:
		return MMU_NOMEM;
	case WALK_AGAIN:
	default:
		return MMU_RESUME;
	}
}

/* "the least-significant two bits of stval" complete the address of an explicit access; a table's
 * entry is 8-byte aligned. */
static enum mmu_what two_stage_fault(struct vcpu *v)
{
	const struct fault *f = &v->fault;
	gpa_t to = gpa(f->htval << 2);

	if (!f->htval)
		return find_fault(v, f->at, f->access);
	if (htinst_is_pseudo(f->htinst))
		return implicit_fault(v, to);
	return explicit_fault(v, f->at, f->access, gpa(to.v | (f->at.v & 3)));
}

/*
 * What the guest's own fetch of the parcel at @at would lead to. Harts disagree on the cause of a
 * failed HLVX (5, 12, 13, 20 and 21 on three versions of QEMU alone); the walk is always right.
 */
static COLD enum mmu_what fetch_fault(struct vcpu *v, uint64_t at)
{
	return find_fault(v, gva(at), ACCESS_FETCH);
}

/* An instruction may begin in one page and end in the next: then in two parcels. */
static enum mmu_what two_stage_fetch(struct vcpu *v, uint32_t *bits)
{
	uint64_t pc = v->frame.pc;
	struct guest_fetch low, high;

	low = pc & 2 ? guest_fetch_half(gva(pc)) : guest_fetch_word(gva(pc));
	if (low.failed)
		return fetch_fault(v, pc);
	*bits = (uint32_t)low.value;
	if (!(pc & 2) || (*bits & 3) != 3)
		return MMU_FETCHED;
	high = guest_fetch_half(gva(pc + 2));
	if (high.failed)
		return fetch_fault(v, pc + 2);
	*bits |= (uint32_t)high.value << 16;
	return MMU_FETCHED;
}

/* The guest's SFENCE.VMA is our HFENCE.VVMA for its VMID, as narrow as it can be. */
static void fence_page(uint64_t at, const uint64_t *asid)
{
	if (asid)
		hfence_vvma_page_asid(gva(at), *asid);
	else
		hfence_vvma_page(gva(at));
}

static void fence_all_pages(const uint64_t *asid)
{
	if (asid)
		hfence_vvma_asid(*asid);
	else
		hfence_vvma_all();
}

/* The harts share no more than the table, which they walk themselves. */
static void two_stage_fence(struct vcpu *v, const struct mmu_fence *f, bool here)
{
	(void)v;
	if (!here)
		return;
	if (!f->one_by_one)
		fence_all_pages(f->asid);
	for (uint64_t i = 0; f->one_by_one && i < f->bytes; i += PAGE_SIZE)
		fence_page(f->at + i, f->asid);
}

/* By the firmware, which doesn't need them to leave their guest. */
static void two_stage_fence_there(struct sbi_harts harts, const struct mmu_fence *f)
{
	if (f->asid)
		sbi_remote_hfence_vvma_asid(harts, f->at, f->bytes, *f->asid);
	else
		sbi_remote_hfence_vvma(harts, f->at, f->bytes);
}

const struct mmu mmu_two_stage = {
	.fault = two_stage_fault,
	.fetch = two_stage_fetch,
	.fence = two_stage_fence,
	.fence_there = two_stage_fence_there,
};
