/*
 * RFENCE: fences on other harts. "RFENCE Extension".
 *
 * A guest's SFENCE.VMA is our HFENCE.VVMA for its VMID. This hart's part is done here, by the
 * narrowest fence; the others' by the firmware, which doesn't need them to leave their guest.
 */
#include "hyp/arch/cpu.h"
#include "hyp/g-stage/gstage.h"
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
		const struct vcpu *t = &v->vm->vcpus[i];

		if (!(*set >> i & 1))
			continue;
		*set &= ~(UINT64_C(1) << i);
		*harts = (struct sbi_harts){ 1, t->hart->id };
		if (t->state == VCPU_STARTED || t->state == VCPU_SUSPENDED)
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
static bool is_everything(uint64_t at, uint64_t bytes)
{
	return (at == 0 && bytes == 0) || bytes == UINT64_MAX ||
	       bytes > PAGES_ONE_BY_ONE * PAGE_SIZE;
}

void serve_sfence_on(struct vcpu *v, uint64_t set, uint64_t at, uint64_t bytes)
{
	struct sbi_harts harts;
	bool self;

	set = take_self(v, set, &self);
	if (self && is_everything(at, bytes))
		hfence_vvma_all();
	else if (self)
		for (uint64_t i = 0; i < bytes; i += PAGE_SIZE)
			hfence_vvma_page(gva(at + i));
	while (next_remote(v, &set, &harts))
		sbi_remote_hfence_vvma(harts, at, bytes);
}

void serve_sfence_asid_on(struct vcpu *v, uint64_t set, uint64_t at, uint64_t bytes, uint64_t asid)
{
	struct sbi_harts harts;
	bool self;

	set = take_self(v, set, &self);
	if (self && is_everything(at, bytes))
		hfence_vvma_asid(asid);
	else if (self)
		for (uint64_t i = 0; i < bytes; i += PAGE_SIZE)
			hfence_vvma_page_asid(gva(at + i), asid);
	while (next_remote(v, &set, &harts))
		sbi_remote_hfence_vvma_asid(harts, at, bytes, asid);
}

/* HFENCE functions are for guests with the H extension; ours have none. */
struct sbi_ret serve_rfence(struct vcpu *v, uint64_t fid)
{
	uint64_t set;

	if (fid > SBI_RFENCE_SFENCE_VMA_ASID)
		return sbi_fail(SBI_ERR_NOT_SUPPORTED);
	if (!sbi_targets(v, sbi_arg(v, 0), sbi_arg(v, 1), &set))
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	if (fid == SBI_RFENCE_FENCE_I)
		serve_fence_i_on(v, set);
	else if (fid == SBI_RFENCE_SFENCE_VMA)
		serve_sfence_on(v, set, sbi_arg(v, 2), sbi_arg(v, 3));
	else
		serve_sfence_asid_on(v, set, sbi_arg(v, 2), sbi_arg(v, 3), sbi_arg(v, 4));
	return sbi_ok(0);
}
