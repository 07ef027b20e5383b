/*
 * Patched places: EBREAKs in copies of the guest's code (hyp/shadow/patch.c), and what stands there
 * in the original. Finding that out takes a walk; what was found is remembered here.
 */
#ifndef HYP_VCPU_DEPRIV_SITE_H
#define HYP_VCPU_DEPRIV_SITE_H

#include <stdint.h>

struct vcpu;
struct state_page;

/* True as long as the guest's satp and shadow_code_seq() are what they were. Known to fast.S. */
struct depriv_site {
	uint64_t pc, satp, seq;
	uint64_t handler; /* where in hyp/trap/fast.S it is carried out; 0: not there */
	uint64_t operand; /* the immediate, or the bits that can be written */
	uint64_t read, write; /* rows for rs1 and rd there */
	uint32_t offset;  /* of a word of the state page */
	uint32_t bits;	  /* of the original; 0: nothing is known */
};

#define DEPRIV_SITES 256

/* What fast.S needs of a vcpu. Right while the guest runs. */
struct fast_path {
	uint64_t tag; /* the guest's satp while it is in S-mode, FAST_NEVER in U */
	uint64_t mix; /* of satp, into the place of a site */
	const _Atomic uint64_t *seq;
	struct depriv_site *sites;
	struct state_page *state;
	uint64_t taken; /* how often it did */
};
/* No satp: ASID and PPN all ones lie outside any memory. */
#define FAST_NEVER UINT64_MAX

/* The guest's privilege or satp has changed: what fast.S is to believe from now on. */
void depriv_site_enter(struct vcpu *v);

/* What was remembered of the guest's pc, or 0. */
uint32_t depriv_site_recall(struct vcpu *v);

/* At the guest's pc is, for as long as nothing changes, a patched place of the original @bits. */
void depriv_site_note(struct vcpu *v, uint32_t bits);

/**
 * What may stand in a copy for @bits, which depriv_execute() took in S-mode: it does the same by the
 * state page, or traps more cheaply. 0: nothing, the instruction is legal at times.
 */
uint32_t depriv_replacement(const struct vcpu *v, uint32_t bits);

#endif
