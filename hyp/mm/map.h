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
 * Build the table for @m. Runs once, before translation is on, and touches only the image.
 */
struct map map_build(const struct pt_mode *m);

#endif
