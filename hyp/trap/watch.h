/*
 * Breaks: pausing a VM where what its tables say of an address changes, or where a page of its
 * memory becomes one of its tables. Both are found by walking as the guest's hart would, changing
 * nothing.
 */
#ifndef HYP_TRAP_WATCH_H
#define HYP_TRAP_WATCH_H

#include "hyp/mmu/explain.h"

/* After an exit of @v, whose VM has breaks: compare each address with what mapped it after the last
 * one, and stop where that is another. */
void watch_maps(struct vcpu *v);

/* Walk @e, of gva @at, was made: stop where a table that it went by is broken at. */
void watch_tables(const struct explanation *e, uint64_t at);

#endif
