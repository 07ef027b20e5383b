/*
 * Data pages that say who they are: what a load returns says where it went.
 */
#ifndef TESTS_GUEST_NUMBERED_H
#define TESTS_GUEST_NUMBERED_H

#include <stdbool.h>
#include <stdint.h>

/* The first word of page n is n. */
extern uint64_t *numbered[4];

void numbered_init(void);

/** An entry that maps page @n for the kernel. */
uint64_t leaf(unsigned n);

/** The word at @va, in S-mode; a trap's value if it faults. */
uint64_t look(uint64_t va);

/** Whether a load there is a page fault. */
bool faults(uint64_t va);

#endif
