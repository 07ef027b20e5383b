/*
 * Lab 7: what student.c is given, and what it is asked for: a shadow pager for 2 MiB of a guest's
 * addresses, those from .va on. The guest's kernel is everything that the check does.
 */
#ifndef GUESTS_LABS_7_SHADOW_LAB_H
#define GUESTS_LABS_7_SHADOW_LAB_H

#include "guests/lib/csr.h"
#include "guests/lib/paging.h"

struct pager {
	uint64_t va;
	const uint64_t *guest; /* the guest's leaf table: page numbers are guest physical */
	uint64_t *shadow;      /* what the machine walks: page numbers are host physical; all 0 */
};

/* The host page behind the guest page at @gpa, always the same; 0: that is no RAM. */
uint64_t given_host_page(uint64_t gpa);

enum access { FETCH, LOAD, STORE };
enum outcome { RETRY, GUEST_PAGE_FAULT, GUEST_ACCESS_FAULT };

/**
 * Yours: the guest's kernel accessed @at, and the shadow had nothing that allows it. Fill one
 * entry where the guest's own entry allows it; else say what the guest is to be told.
 * All guest leaves have A and D, none has U.
 */
enum outcome fill(struct pager *p, uint64_t at, enum access access);

/**
 * Yours, policy `trap`: tables are write-protected, so you hear of each store. The guest has stored
 * to p->guest[@index], and makes no fence. From now on no access goes by what stood there.
 */
void stored(struct pager *p, unsigned index);

/**
 * Yours, policy `lazy`: nothing is protected, nobody told you of any store. The guest executed
 * sfence.vma for @at. From now on no access to that page goes by an older entry.
 */
void fenced(struct pager *p, uint64_t at);

#endif
