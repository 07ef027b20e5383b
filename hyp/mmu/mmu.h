/*
 * What becomes of a memory fault that left the guest. One interface for both ways of composing the
 * two stages; a VM has one of the two for life.
 */
#ifndef HYP_MMU_MMU_H
#define HYP_MMU_MMU_H

#include "hyp/vcpu/vcpu.h"

/* What is to be done next; the rest of the answer is in v->fault. */
enum mmu_what {
	MMU_RESUME,  /* the access will work now: let the guest retry it */
	MMU_INJECT,  /* the guest gets exception .cause with .tval */
	MMU_EMULATE, /* .to lies in .device: carry the access out */
	MMU_NOMEM,   /* the host has no memory left for this guest */
	MMU_FETCHED, /* two_stage_fetch() alone: it has the instruction */
};

/**
 * With H, where the hardware composes: what the fault of @v comes to. @v is loaded on this hart,
 * and v->fault holds what the trap told.
 */
enum mmu_what two_stage_fault(struct vcpu *v);

/**
 * Fetch the instruction at @v's pc into *@bits. Returns MMU_FETCHED, or what the fetch's own fault
 * comes to; never MMU_EMULATE. @v is loaded on this hart.
 */
enum mmu_what two_stage_fetch(struct vcpu *v, uint32_t *bits);

#endif
