/*
 * What becomes of a memory fault that left the guest. One interface for both ways of composing the
 * two stages; a VM has one of the two for life.
 */
#ifndef HYP_MMU_MMU_H
#define HYP_MMU_MMU_H

#include "hyp/arch/cause.h"
#include "hyp/vcpu/vcpu.h"

/* A fault as the trap told it. */
struct fault {
	gva_t at;	    /* stval */
	enum access access; /* by the cause */
	uint64_t htval, htinst;
};

/* What is to be done next, by whom. */
struct mmu_answer {
	enum {
		MMU_RESUME,  /* the access will work now: let the guest retry it */
		MMU_INJECT,  /* the guest gets exception .cause with .tval */
		MMU_EMULATE, /* a device's register at .at, .device: carry the access out */
		MMU_NOMEM,   /* the host has no memory left for this guest */
	} what;
	enum cause cause;
	uint64_t tval;
	gpa_t at;
	const struct gstage_device *device;
};

/* With H: hardware composes; see two_stage.c. @v is loaded on this hart. */
struct mmu_answer two_stage_fault(struct vcpu *v, const struct fault *f);

/* The guest's instruction at its pc, or why it can't be had. */
struct mmu_insn {
	struct mmu_answer trouble; /* .what is MMU_EMULATE: there is none, .bits is good */
	uint32_t bits;
};
struct mmu_insn two_stage_fetch(struct vcpu *v);

#endif
