/*
 * Patched places: EBREAKs in copies of the guest's code (hyp/shadow/patch.c), and what stands there
 * in the original. Finding that out takes a walk; what was found is remembered here.
 */
#ifndef HYP_VCPU_DEPRIV_SITE_H
#define HYP_VCPU_DEPRIV_SITE_H

#include <stdint.h>

#include "hyp/shadow/shadow.h"

struct pt_mode;
struct vcpu;
struct state_page;

/*
 * True as long as .tag and shadow_code_seq() are what they were. Known to fast.S.
 *
 * The tag says which translations S-mode's code has: it is the entry of the topmost shadow table for
 * the region that stvec lies in. Kernels have that part in common for all their address spaces, and
 * what is known of a place in one is then known in all. Places in other regions aren't remembered.
 */
struct depriv_site {
	uint64_t pc, tag, seq;
	uint64_t handler; /* where in hyp/trap/ it is carried out */
	uint64_t operand; /* the immediate, or the bits that can be written */
	uint64_t call;	  /* the function that carries it out whatever it means */
	uint16_t read, write, read2; /* rows for rs1, rd and rs2 there */
	uint16_t offset;	     /* of a word of the state page */
	uint64_t bits;		     /* of the original; 0: nothing is known */
};

#define DEPRIV_SITES 2048

/* What fast.S needs of a vcpu. Right while the guest runs. */
struct fast_path {
	uint64_t tag; /* while the guest is in S-mode; FAST_NEVER in U */
	uint64_t mix; /* of the tag, into the place of a site */
	const _Atomic uint64_t *seq; /* shadow->code_seq; .links_seq is behind it */
	struct depriv_site *sites;
	struct state_page *state;
	uint64_t taken, calls, fences; /* how often: all else, system calls, fences by itself */
	uint64_t rs2;		       /* its own */
	uint64_t read, write;	       /* its first rows */
	const _Atomic uint32_t *lock;  /* gstage->lock's word */
	struct shadow_absence absence;
	unsigned region; /* address bits that a region has */
	unsigned tables; /* to read from the root for a tag; 0 in Bare mode: the root is it */
	unsigned shift;	 /* to the root's index in an address */
	uint64_t root;	 /* the satp that .tag was read by */
};
/* No entries of a table. */
#define FAST_NEVER    UINT64_MAX       /* U-mode */
#define FAST_UNMAPPED (UINT64_MAX - 1) /* S-mode, where stvec leads nowhere yet */

#define DEPRIV_SITES_BYTES (DEPRIV_SITES * sizeof(struct depriv_site))
/* Give @v memory of DEPRIV_SITES_BYTES, zero, to remember in. Once. */
void depriv_site_init(struct vcpu *v, void *sites);

/* fast.S's: a system call of the guest's user. Only .pc of the frame is right, and is set. */
uint64_t depriv_user_ecall(struct vcpu *v);

/* The guest's regime has changed, and is S-mode's: what fast.S is to believe from now on. @satp: the
 * shadow's root for it. */
void depriv_site_enter(struct vcpu *v, uint64_t satp);
/* The mode of the guest's satp has changed; NULL: Bare. */
void depriv_site_mode(struct vcpu *v, const struct pt_mode *mode);

/* What was remembered of the guest's pc, or 0. */
uint32_t depriv_site_recall(struct vcpu *v);

/* At the guest's pc is, for as long as nothing changes, a patched place of the original @bits, as
 * the last fetch (.depriv.code) found it. */
void depriv_site_note(struct vcpu *v, uint32_t bits);

/**
 * What may stand in a copy for @bits, which depriv_execute() took in S-mode: it does the same by the
 * state page, or traps more cheaply. 0: nothing, the instruction is legal at times.
 */
uint32_t depriv_replacement(const struct vcpu *v, uint32_t bits);

#endif
