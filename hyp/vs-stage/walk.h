/*
 * The VS-stage: guest virtual to guest physical, by the guest's own table.
 *
 * With H the hardware does this by itself; the software walk is needed to emulate an access, to
 * explain one, and to find what faulted when htval is 0. It follows the specification's algorithm
 * step by step and may record each.
 *
 * Source: privileged specification, "Virtual Address Translation Process", with the changes of
 * "Two-Stage Address Translation".
 */
#ifndef HYP_VS_STAGE_WALK_H
#define HYP_VS_STAGE_WALK_H

#include "hyp/arch/cause.h"
#include "hyp/arch/pte.h"
#include "hyp/g-stage/gstage.h"

/* What selects a guest translation, besides the address. */
struct regime {
	uint64_t atp;  /* the guest's satp: vsatp with H */
	bool user;     /* the access is made in U-mode (VU) */
	bool sum, mxr; /* sstatus bits as the guest set them */
	bool adue;     /* A and D are set by hardware; otherwise clear ones fault (Svade) */
	bool napot;    /* the guest has Svnapot, or else N is reserved */
	bool pbmt;     /* the guest has Svpbmt, or else PBMT is reserved */
};

/* One reference of a walk, for whoever wants to see it. */
struct walk_step {
	unsigned level;
	gpa_t pte_at;
	pte_t pte;
};

struct walk_log {
	unsigned n;
	struct walk_step step[PT_MAX_LEVELS];
};

struct walk {
	enum {
		WALK_OK,     /* .at is the gpa, .level the leaf's level */
		WALK_PAGE,   /* the guest gets a page fault of the access's kind */
		WALK_ACCESS, /* a table lies outside RAM: an access fault; .at is where */
		WALK_NOMEM,  /* the host has no memory left for a table the guest never touched */
		WALK_AGAIN,  /* another vcpu changed the leaf meanwhile: let the guest retry */
	} result;
	gpa_t at;
	pte_t pte; /* the leaf; 0 in Bare mode */
	unsigned level;
};

/**
 * Translate @at for @want. Sets A and D in the guest's table, atomically, where @r->adue.
 * @log: each reference is recorded there; may be NULL.
 */
struct walk vsstage_walk(struct gstage *gs, const struct regime *r, gva_t at, enum access want,
			 struct walk_log *log);

#endif
