/*
 * The hypervisor's own address space.
 *
 *   lowest address of the mode's upper half + physical address = virtual address
 *
 * for RAM, devices and the image alike, without U. The pages of the image are cut by what they
 * hold: text R-X, constants R--; everything else in the map is RW-. Under Sv48 and Sv57 that is
 * above everything a guest of the next narrower mode can address.
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
 * without the H-extension. All of it is fixed once translation is on.
 */
extern uint64_t map_satp;	      /* as map_build() answered: the hypervisor's own satp */
const struct pt_mode *map_mode(void); /* its mode */
/* Its root, PT_ENTRIES entries. Those that map anything are in the upper half, none has U, and all
 * they lead to is the same for every root they are copied into. */
const pte_t *map_root(void);

#endif
