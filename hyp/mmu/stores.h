/*
 * Stores that the hypervisor carries out for a guest whose two stages the shadow composes, since
 * they go to protected pages: those that shadow_fault()'s one address doesn't say all about.
 *
 * All functions: @v is loaded here, and the access is made in the regime it ran in. *@why is what is
 * to be done where a store can't be made.
 */
#ifndef HYP_MMU_STORES_H
#define HYP_MMU_STORES_H

#include "hyp/arch/insn.h"
#include "hyp/mmu/mmu.h"

/**
 * Store the low @bytes (1..8) of @value at @at, however that is aligned. Where a page ends in it,
 * both are asked before anything is stored. A device takes no such store: an access fault.
 * Returns whether it was made.
 */
bool store_at(struct vcpu *v, gva_t at, uint64_t value, unsigned bytes, enum mmu_what *why);

/**
 * Store @i, which is @bits, of an x or an f register; FS is on for that.
 */
enum mmu_what store_scalar(struct vcpu *v, const struct insn *i, uint32_t bits);

/* Whether @bits is a vector store. */
bool is_vector_store(uint32_t bits);

/**
 * Vector store @bits, from element vstart on; VS is on. Where one can't be stored those before it
 * are, and vstart is its number.
 * Returns whether all was done; else *@why, MMU_RESUME where @bits is none that can be carried out.
 */
bool store_vector(struct vcpu *v, uint32_t bits, enum mmu_what *why);

#endif
