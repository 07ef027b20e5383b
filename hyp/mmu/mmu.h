/*
 * What becomes of a memory fault that left the guest, and of a guest's fences. One interface for
 * both ways of composing the two stages; a VM has one of the two for life.
 */
#ifndef HYP_MMU_MMU_H
#define HYP_MMU_MMU_H

#include "hyp/vcpu/vcpu.h"
#include "sbi/call/call.h"

/* What is to be done next; the rest of the answer is in v->fault. */
enum mmu_what {
	MMU_RESUME,  /* the access will work now: let the guest retry it */
	MMU_INJECT,  /* the guest gets exception .cause with .tval */
	MMU_EMULATE, /* .to lies in .device: carry the access out */
	MMU_NOMEM,   /* the host has no memory left for this guest */
	MMU_FETCHED, /* .fetch alone: it has the instruction */
};

/* Addresses that a guest's fence is about. */
struct mmu_fence {
	uint64_t at, bytes;   /* whole pages */
	bool one_by_one;      /* few enough pages to fence each on its own */
	const uint64_t *asid; /* NULL: every address space */
};

/* @v is loaded on this hart. */
struct mmu {
	/* What the fault of @v comes to; v->fault holds what the trap told. */
	enum mmu_what (*fault)(struct vcpu *v);
	/* Fetch the instruction at @v's pc into *@bits. Returns MMU_FETCHED, or what the fetch's
	 * own fault comes to; never MMU_EMULATE. */
	enum mmu_what (*fetch)(struct vcpu *v, uint32_t *bits);
	/* A fence that @v asks for: what its VM's harts share, and this hart too where @here. */
	void (*fence)(struct vcpu *v, const struct mmu_fence *f, bool here);
	/* The same on other harts, after .fence. Returns when they have done it. */
	void (*fence_there)(struct sbi_harts harts, const struct mmu_fence *f);
};

/* Set v->mmu by v->backend, for life. */
void mmu_init_vcpu(struct vcpu *v);

/* For this folder: the rows, in two_stage.c and shadowed.c. */
extern const struct mmu mmu_two_stage, mmu_shadowed;

#endif
