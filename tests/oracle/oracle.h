/*
 * A second opinion on two-stage translation: the privileged specification's algorithm, written
 * from its text and sharing nothing with hyp/ (not even the bit definitions).
 *
 * It reads tables from a flat image of host physical memory and changes nothing: the one store that
 * a translation can cause, of A and D, is part of the answer.
 *
 * Source: "Virtual Address Translation Process", "Svnapot", "Svpbmt", "Svadu", and
 * "Two-Stage Address Translation".
 */
#ifndef TESTS_ORACLE_ORACLE_H
#define TESTS_ORACLE_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

enum oracle_access { ORACLE_FETCH, ORACLE_LOAD, ORACLE_STORE };

/* Entries that a translation reads, in order: where they lie in host physical memory. */
#define ORACLE_TRACE_MAX 64
struct oracle_trace {
	unsigned n;
	uint64_t at[ORACLE_TRACE_MAX];
};

struct oracle_machine {
	const uint8_t *memory; /* what lies at host physical .base */
	uint64_t base, bytes;
	uint64_t vsatp, hgatp;
	bool vu;	   /* the access is made in VU-mode, otherwise VS */
	bool sum, vs_mxr;  /* vsstatus */
	bool adue;	   /* henvcfg.ADUE: otherwise Svade holds in the VS-stage */
	bool napot, pbmt;  /* Svnapot; Svpbmt with henvcfg.PBMTE */
	struct oracle_trace *trace; /* NULL: nobody asks */
};

/* Why a page fault or guest page fault: the rule that was broken first. */
enum oracle_why {
	WHY_NOTHING,
	WHY_ADDRESS,	    /* not canonical, or wider than the G-stage's mode */
	WHY_INVALID,	    /* V = 0 */
	WHY_WRITE_ONLY,	    /* W = 1, R = 0 */
	WHY_RESERVED,	    /* bits 60:54 */
	WHY_NAPOT,	    /* N where it means nothing */
	WHY_PBMT,	    /* PBMT where it means nothing */
	WHY_POINTER_BITS,   /* D, A, U, PBMT or N in a pointer */
	WHY_NO_LEAF,	    /* a pointer at level 0 */
	WHY_MISALIGNED,	    /* a superpage's low PPN bits */
	WHY_SUPERVISOR_PAGE, /* U = 0, used in U-mode */
	WHY_USER_PAGE,	    /* U = 1, used in S-mode without SUM */
	WHY_USER_FETCH,	    /* U = 1, fetched from in S-mode */
	WHY_RIGHTS,	    /* R, W, X */
	WHY_ACCESSED,	    /* A = 0 under Svade */
	WHY_DIRTY,	    /* D = 0 for a store under Svade */
	WHY_COUNT,
};

enum oracle_result {
	ORACLE_OK,
	ORACLE_PAGE_FAULT,
	ORACLE_GUEST_PAGE_FAULT,
	ORACLE_ACCESS_FAULT, /* outside the memory image */
	ORACLE_RESULTS,
};

struct oracle_answer {
	enum oracle_result result;
	enum oracle_why why;
	uint64_t hpa;	     /* OK */
	uint64_t gpa;	     /* OK, guest page fault */
	bool implicit;	     /* guest page fault of a reference to a VS-stage table */
	bool implicit_store; /* and that was the update of A and D */
	unsigned level, g_level; /* of the two leaves; 0 in Bare mode */
	bool updates;	     /* A or D get set: the entry at host physical .pte_at becomes .pte */
	uint64_t pte_at, pte;
};

struct oracle_answer oracle_translate(const struct oracle_machine *m, uint64_t va,
				      enum oracle_access access);

#endif
