/* Lab 2: what student.c is asked for. All pages have 4 KiB; *@entry is the leaf of one. */
#ifndef GUESTS_LABS_2_FENCE_LAB_H
#define GUESTS_LABS_2_FENCE_LAB_H

#include "guests/lib/csr.h"
#include "guests/lib/paging.h"

/** Yours: put @leaf into *@entry, and forget the fence. */
void remap_unfenced(uint64_t *entry, uint64_t leaf);

/** Yours: put @leaf into *@entry, so that the next access to @va goes by it. */
void remap(uint64_t *entry, uint64_t leaf, uint64_t va);

/** Yours: let @va and @other have each other's page, from the next access on. */
void swap(uint64_t *entry, uint64_t va, uint64_t *other_entry, uint64_t other);

/* Order stores to page tables before later translations of this one page on this hart. */
static inline void sfence_vma_page(uint64_t va)
{
	asm volatile("sfence.vma %0, zero" : : "r"(va) : "memory");
}

#endif
