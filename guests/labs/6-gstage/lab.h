/* Lab 6: what student.c is asked for. */
#ifndef GUESTS_LABS_6_GSTAGE_LAB_H
#define GUESTS_LABS_6_GSTAGE_LAB_H

#include "guests/lib/csr.h"
#include "guests/lib/paging.h"

enum access { FETCH, LOAD, STORE };

/* What is at the guest physical address. */
enum place {
	NEW_RAM,   /* RAM in 2 MiB that the guest has never touched */
	USED_RAM,  /* RAM that it stored to a moment ago */
	FILE_PAGE, /* its initrd, in 2 MiB that it has never stored to */
	DEVICE,	   /* a register of the UART, which the hypervisor plays */
	HOLE,	   /* nothing */
};

enum stage { NOBODY, VS_STAGE, G_STAGE };

struct answer {
	enum stage faults; /* whose walk ends in a fault, if any */
	uint64_t seen;	   /* the scause that the guest gets; 0: none */
};

/**
 * Yours: a guest's kernel makes @access through a leaf with flags @flags (PTE_A and PTE_D are set)
 * of its own table, which leads to @place. The hypervisor gives RAM when it is first touched; the
 * initrd is there from the start, mapped where the bundle has it, and copied at the first store.
 */
void explain(uint64_t flags, enum place place, enum access access, struct answer *a);

#endif
