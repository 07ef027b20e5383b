/*
 * Patched places: EBREAKs in copies of the guest's code (hyp/shadow/patch.c), and what stands there
 * in the original. Finding that out takes a walk; what was found is remembered here.
 */
#ifndef HYP_VCPU_DEPRIV_SITE_H
#define HYP_VCPU_DEPRIV_SITE_H

#include <stdint.h>

struct vcpu;

/* True as long as the guest's satp and shadow_code_seq() are what they were. */
struct depriv_site {
	uint64_t pc, satp, seq;
	uint64_t bits; /* of the original; 0: nothing is known */
};

#define SITES 256
struct depriv_sites {
	struct depriv_site site[SITES];
};

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
