/* Lab 1: what student.c is given, and what it is asked for. */
#ifndef GUESTS_LABS_1_SV39_LAB_H
#define GUESTS_LABS_1_SV39_LAB_H

#include "guests/lib/paging.h"

/* A zeroed page for a table. */
uint64_t *given_page(void);

/**
 * Yours: map the 4 KiB page at @va to @pa, in the Sv39 table whose root is at @root. @flags are the
 * leaf's, V among them. What is mapped already stays so. Sv39 has addresses of 39 bits; bits 63 to
 * 39 of @va are equal to bit 38.
 */
void map(uint64_t *root, uint64_t va, uint64_t pa, uint64_t flags);

#endif
