/*
 * Which way of composing goes with which backend.
 */
#include "hyp/mmu/mmu.h"

void mmu_init_vcpu(struct vcpu *v)
{
	static const struct mmu *const by_kind[BACKENDS] = {
		[KIND_HEXT] = &mmu_two_stage,
		[KIND_DEPRIV] = &mmu_shadowed,
	};

	v->mmu = by_kind[v->backend->kind];
}
