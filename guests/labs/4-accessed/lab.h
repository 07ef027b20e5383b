/* Lab 4: what student.c is asked for. */
#ifndef GUESTS_LABS_4_ACCESSED_LAB_H
#define GUESTS_LABS_4_ACCESSED_LAB_H

#include "guests/lib/csr.h"
#include "guests/lib/paging.h"

/**
 * Yours: the page fault handler of a kernel on hardware that leaves A and D to it (Svade). *@leaf
 * is what maps the address; @cause is CAUSE_FETCH_PAGE, CAUSE_LOAD_PAGE or CAUSE_STORE_PAGE, of an
 * access by the kernel. Where only A or D was missing, set what that access needs.
 * Returns whether it can be tried again; else *@leaf stays as it is.
 */
bool mend(uint64_t *leaf, uint64_t cause);

enum use { UNUSED, READ, WRITTEN };

/**
 * Yours: what happened to each of the @count pages of 4 KiB from @va on, whose leaves are @leaves,
 * since the last call; into @uses. From now on the next call's time is counted.
 */
void harvest(uint64_t *leaves, unsigned count, uint64_t va, enum use *uses);

#endif
