/*
 * VMIDs: identifiers that tag a hart's cached translations, fewer than there may be VMs.
 *
 * VMIDs are given out in order. When they run out a new generation begins: every VM must take a
 * new one before it runs again, and every hart must drop all its translations once. This is right
 * for VMIDLEN 0 too: then each change of VM begins a generation.
 *
 * Source: privileged specification, "Hypervisor Guest Address Translation and Protection (hgatp)
 * Register".
 */
#ifndef HYP_G_STAGE_VMID_H
#define HYP_G_STAGE_VMID_H

#include <stdbool.h>
#include <stdint.h>

struct vmid {
	uint64_t generation; /* 0: none was given yet */
	uint64_t id;
};

/* Tell how many VMIDs there are: 1 << VMIDLEN. Once, before the first vmid_validate(). */
void vmid_init(uint64_t count);

/**
 * Give @v an identifier of the current generation if it has none. Any hart.
 * @flushed: the generation this hart has last dropped all translations for; updated.
 * Returns whether this hart must drop all guest translations (HFENCE.GVMA without operands) before
 * it uses @v.
 */
bool vmid_validate(struct vmid *v, uint64_t *flushed);

#endif
