/* Lab 3: what student.c is given, and what it is asked for. All tables are Sv39's. */
#ifndef GUESTS_LABS_3_SUPERPAGE_LAB_H
#define GUESTS_LABS_3_SUPERPAGE_LAB_H

#include "guests/lib/csr.h"
#include "guests/lib/paging.h"

/* A zeroed page for a table. */
uint64_t *given_page(void);

/**
 * Yours: an entry for level 1, a valid leaf with all of PTE_KERNEL, for the page of 2 MiB that @pa
 * lies in; but so that each access through it faults, for its page number alone.
 */
uint64_t broken_leaf(uint64_t pa);

/**
 * Yours: let *@entry, at level 1, map 2 MiB at @va to @pa with @flags, where a leaf can do that.
 * Returns whether it can; else *@entry stays as it is.
 */
bool map_2m(uint64_t *entry, uint64_t va, uint64_t pa, uint64_t flags);

/**
 * Yours: put a table of 512 leaves of 4 KiB in place of the leaf *@entry at level 1, which maps
 * @va; everything is mapped as before.
 */
void split(uint64_t *entry, uint64_t va);

#endif
