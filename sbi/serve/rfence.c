/*
 * RFENCE: fences on other harts. "RFENCE Extension".
 *
 * What such a fence is for the hypervisor, hyp/mmu/ knows. This hart's part is done here, the
 * others' by the firmware, which doesn't need them to leave their guest.
 */
#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/mmu/mmu.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

/* Beyond this many pages one fence for all addresses costs less. */
#define PAGES_ONE_BY_ONE 16

static uint64_t take_self(const struct vcpu *v, uint64_t set, bool *self)
{
	*self = set >> v->id & 1;
	return set & ~(UINT64_C(1) << v->id);
}

/* Take one hart out of @set that may hold translations: one call each, host ids may lie far apart.
 */
static bool next_remote(const struct vcpu *v, uint64_t *set, struct sbi_harts *harts)
{
	for (unsigned i = 0; i < v->vm->vcpus_n; i++) {
		const struct vcpu *t = v->vm->vcpus[i];

		if (!(*set >> i & 1))
			continue;
		*set &= ~(UINT64_C(1) << i);
		*harts = (struct sbi_harts){ 1, atomic_load(&t->hart)->id };
		if (vcpu_is_loaded(t))
			return true;
	}
	return false;
}

void serve_fence_i_on(struct vcpu *v, uint64_t set)
{
	struct sbi_harts harts;
	bool self;

	set = take_self(v, set, &self);
	if (self)
		fence_i();
	while (next_remote(v, &set, &harts))
		sbi_remote_fence_i(harts);
}

/* "start_addr and size are both 0, or size is 2^XLEN - 1": everything. */
static struct mmu_fence whole_pages(uint64_t at, uint64_t bytes, const uint64_t *asid)
{
	uint64_t skipped = at & (PAGE_SIZE - 1);

	if ((at == 0 && bytes == 0) || bytes > UINT64_MAX - PAGE_SIZE)
		return (struct mmu_fence){ 0, UINT64_MAX, false, asid };
	return (struct mmu_fence){ at - skipped, bytes + skipped,
				   bytes <= PAGES_ONE_BY_ONE * PAGE_SIZE, asid };
}

/* What it is about all of has no member. */
static COLD void tell_fence(const struct mmu_fence *f)
{
	struct trace_value values[3];
	unsigned n = 0;

	if (f->bytes != UINT64_MAX) {
		values[n++] = (struct trace_value){ TRACE_AT, f->at };
		values[n++] = (struct trace_value){ TRACE_BYTES, f->bytes };
	}
	if (f->asid)
		values[n++] = (struct trace_value){ TRACE_ASID, *f->asid & SATP_ASID_MASK };
	trace_add(TRACE_FENCE, TRACE_SBI, values, n);
}

void serve_sfence_on(struct vcpu *v, uint64_t set, uint64_t at, uint64_t bytes,
		     const uint64_t *asid)
{
	struct mmu_fence f = whole_pages(at, bytes, asid);
	struct sbi_harts harts;
	bool self;

	if (trace_wants(TRACE_FENCE))
		tell_fence(&f);
	set = take_self(v, set, &self);
	v->mmu->fence(v, &f, self);
	while (next_remote(v, &set, &harts))
		v->mmu->fence_there(harts, &f);
}

/* HFENCE functions are for guests with the H extension; ours have none. */
struct sbi_ret serve_rfence(struct vcpu *v, uint64_t fid)
{
	uint64_t set, asid = sbi_arg(v, 4);

	if (fid > SBI_RFENCE_SFENCE_VMA_ASID)
		return sbi_fail(SBI_ERR_NOT_SUPPORTED);
	if (!sbi_targets(v, sbi_arg(v, 0), sbi_arg(v, 1), &set))
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	if (fid == SBI_RFENCE_FENCE_I)
		serve_fence_i_on(v, set);
	else
		serve_sfence_on(v, set, sbi_arg(v, 2), sbi_arg(v, 3),
				fid == SBI_RFENCE_SFENCE_VMA_ASID ? &asid : NULL);
	return sbi_ok(0);
}
