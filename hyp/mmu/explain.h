/*
 * One translation, told step by step: every memory reference that the two stages make, in the order
 * in which hardware makes them, and why it ends as it does.
 *
 *   Sv39 over Sv39x4, 4 KiB pages:  3 entries of the guest's, each of whose addresses takes 3 of
 *   the G-stage's, and 3 more for the page itself: 3 * (3 + 1) + 3 = 15. Sv48: 24. Sv57: 35.
 *
 * It changes nothing: no A or D, no memory for what the guest never touched. So where the G-stage
 * has nothing yet the explanation ends, and says what a touch would do.
 *
 * Source: privileged specification, "Two-Stage Address Translation".
 */
#ifndef HYP_MMU_EXPLAIN_H
#define HYP_MMU_EXPLAIN_H

#include "hyp/vcpu/vcpu.h"
#include "hyp/vs-stage/walk.h"

#define EXPLAIN_REFS_MAX (PT_MAX_LEVELS * (PT_MAX_LEVELS + 1) + PT_MAX_LEVELS)

/* One reference: an entry that is read. */
struct explain_ref {
	enum { EXPLAIN_VS, EXPLAIN_G } stage;
	unsigned level;
	uint64_t of;	/* what the stage translates: a gva, or a gpa */
	uint64_t index; /* of the entry in its table */
	gpa_t gpa;	/* where the guest has the entry; of the G-stage's: nowhere, .v 0 */
	hpa_t hpa;	/* where it is */
	pte_t pte;
};

/* How a translation ends. */
enum explain_why {
	EXPLAIN_WORKS,
	EXPLAIN_NOT_CANONICAL,
	EXPLAIN_FLAW,	     /* .flaw of the last VS-stage entry */
	EXPLAIN_USER_PAGE,   /* U = 1, used in S-mode without SUM */
	EXPLAIN_USER_FETCH,  /* U = 1, fetched from in S-mode */
	EXPLAIN_KERNEL_PAGE, /* U = 0, used in U-mode */
	EXPLAIN_NO_READ,
	EXPLAIN_NO_WRITE,
	EXPLAIN_NO_EXECUTE,
	EXPLAIN_NO_A,
	EXPLAIN_NO_D,	       /* and hardware doesn't set them */
	EXPLAIN_TABLE_OUTSIDE, /* an entry of the guest's is not in RAM */
	EXPLAIN_OUTSIDE,       /* nor is what it looks for, nor a device there */
	EXPLAIN_DEVICE,
	EXPLAIN_DEVICE_FETCH,
	EXPLAIN_G_NOTHING,  /* V = 0 in the G-stage: never touched, or given back */
	EXPLAIN_G_NO_WRITE, /* no W there: a bundle's page, before its first write */
	EXPLAIN_G_NO_READ,
	EXPLAIN_G_NO_EXECUTE,
	EXPLAIN_G_NO_UPDATE, /* no W where the VS-stage leaf lies, of which A or D is to be set */
	EXPLAIN_WHYS,
};

struct explanation {
	const struct pt_mode *vs_mode; /* NULL: Bare */
	const struct pt_mode *g_mode;
	unsigned n;
	struct explain_ref ref[EXPLAIN_REFS_MAX];
	enum explain_why why;
	enum vsstage_flaw flaw;
	bool sets_accessed; /* it works, and hardware sets A, or D, in the VS-stage leaf */
	gpa_t gpa;	    /* what the G-stage translated last */
	hpa_t hpa;	    /* EXPLAIN_WORKS */
	uint64_t bytes;	    /* EXPLAIN_WORKS: of the page that both stages have there */
};

/**
 * Explain access @want of @at in regime @r. Takes gs->lock.
 */
void explain(struct gstage *gs, const struct regime *r, gva_t at, enum access want,
	     struct explanation *e);

/* One sentence on how it ended; for a fault, why. */
const char *explain_sentence(const struct explanation *e);
/* How it ended, as a number; and the sentence again. */
uint64_t explain_reason(const struct explanation *e);
const char *explain_sentence_of(uint64_t reason);

/**
 * The exception that it ends in: for the guest, or, a guest page fault, for the hypervisor.
 * false: there is none.
 */
bool explain_cause(const struct explanation *e, enum access want, enum cause *cause);

/* What hardware with H says of the same access. */
enum explain_check {
	EXPLAIN_UNCHECKED, /* no H; a store; or the access itself would change A, D or the G-stage,
			    * or might: QEMU up to 10.0 sets them without W in the G-stage */
	EXPLAIN_AGREES,
	EXPLAIN_DISAGREES,
};

/**
 * Make the access, explained in @e, by HLV or HLVX in regime @r, on this hart: it must fault
 * where @e does, and else read what is at .hpa. For a guest that H runs; its VM may run meanwhile,
 * and change what was explained: then it may disagree. Takes gs->lock.
 */
enum explain_check explain_check(struct vcpu *v, const struct regime *r, gva_t at, enum access want,
				 const struct explanation *e);

#endif
