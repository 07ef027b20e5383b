/*
 * The hypervisor's own address space.
 *
 *   lowest address of the mode's upper half + physical address = virtual address
 *
 * for RAM, devices and the image alike, without U. The pages of the image are cut by what they
 * hold: text R-X, constants R--; everything else in the map is RW-. Under Sv48 and Sv57 that is
 * above everything a guest of the next narrower mode can address, so guests without the H-extension
 * have it in their own tables, and it is global. Under Sv39 they can't: such a guest's addresses
 * are its own, all of them, and a window (hyp/shadow/window.c) leads from its table to this one.
 */
#ifndef HYP_MM_MAP_H
#define HYP_MM_MAP_H

#include "hyp/arch/pte.h"

/* The modes of satp, narrowest first. */
enum { HOST_SV39, HOST_SV48, HOST_SV57, HOST_MODES };
extern const struct pt_mode host_modes[HOST_MODES];

/* What the map reaches: physical addresses below this. */
#define MAP_BYTES GIB(256)

struct map {
	uint64_t satp;	 /* selects the table; every hart loads the same */
	uint64_t offset; /* virtual minus physical */
};

/**
 * Build the table for @m, in place of one built before. Runs on one hart, before translation is on,
 * and touches only the image.
 */
struct map map_build(const struct pt_mode *m);

/*
 * For hyp/shadow/, which lays this map into every table that satp points to while a guest runs
 * without the H-extension, unless it is Sv39's. All of it is fixed once translation is on.
 */
extern uint64_t map_satp;	      /* as map_build() answered: the hypervisor's own satp */
const struct pt_mode *map_mode(void); /* its mode */
/* Its root, PT_ENTRIES entries. Those that map anything are in the upper half, none has U, and all
 * they lead to is the same for every root they are copied into. */
const pte_t *map_root(void);

/**
 * Sv39 alone: let every entry of the lower half, which is empty, lead to @table, of level 1. Before
 * another hart than this one has translation on; the caller fences.
 */
void map_set_lower_half(const void *table);

#endif
