/*
 * The VS-stage: guest virtual to guest physical, by the guest's own table.
 *
 * With H the hardware does this by itself; the software walk is needed to emulate an access, and to
 * find what faulted when htval is 0. It follows the specification's algorithm step by step; so does
 * hyp/mmu/explain.h, which shows each and changes nothing.
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

/*
 * The rules of a walk, one by one, for who caches what they lead to (hyp/shadow/).
 */

/* The mode that @atp selects; NULL: Bare. */
const struct pt_mode *vsstage_mode(uint64_t atp);
/* Whether all bits above the translated ones equal the highest translated one. */
bool vsstage_is_canonical(const struct pt_mode *m, gva_t at);

/* What is wrong with an entry itself, whoever uses it: the first rule that it breaks. */
enum vsstage_flaw {
	VSSTAGE_SOUND,
	VSSTAGE_INVALID,	 /* V = 0 */
	VSSTAGE_WRITE_ONLY,	 /* W = 1, R = 0 */
	VSSTAGE_RESERVED_BITS,	 /* 60:54 */
	VSSTAGE_POINTER_TOO_LOW, /* a pointer at level 0 */
	VSSTAGE_POINTER_BITS,	 /* D, A, U, PBMT or N in a pointer */
	VSSTAGE_NAPOT,		 /* N where it means nothing */
	VSSTAGE_PBMT,		 /* PBMT where it means nothing */
	VSSTAGE_MISALIGNED,	 /* a superpage's low PPN bits */
	VSSTAGE_FLAWS,
};
enum vsstage_flaw vsstage_flaw(pte_t e, const struct regime *r, unsigned level);

/* What a valid or invalid entry @e of a table at @level is. */
enum vsstage_kind {
	VSSTAGE_FAULT, /* not sound */
	VSSTAGE_TABLE,
	VSSTAGE_LEAF,
};
enum vsstage_kind vsstage_kind(pte_t e, const struct regime *r, unsigned level);

/* Where leaf @e of @level takes @at: step 10. */
gpa_t vsstage_leaf_address(pte_t e, unsigned level, gva_t at);

/* Whether @e lacks A, or D for a store. */
bool vsstage_lacks_accessed(pte_t e, enum access want);
/**
 * Set A, and D for a store, at @at if the entry still is @seen.
 * Returns whether it was.
 */
bool vsstage_set_accessed(pte_t *at, pte_t seen, enum access want);

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
 */
struct walk vsstage_walk(struct gstage *gs, const struct regime *r, gva_t at, enum access want);

#endif
