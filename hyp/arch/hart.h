/*
 * What each host hart keeps for itself. Only that hart reads or writes it, but for .vcpu, which
 * others may read; tp holds its address all the while the hypervisor runs.
 */
#ifndef HYP_ARCH_HART_H
#define HYP_ARCH_HART_H

#include <stdint.h>

#include "hyp/arch/addr.h"

struct vcpu;

struct hart {
	unsigned index;	       /* 0 is the boot hart; row of host.hart_id */
	uint64_t id;	       /* as the firmware numbers it */
	void *stack_top;       /* 16-byte aligned */
	struct vcpu *vcpu;     /* whose state is in this hart's registers, or NULL */
	struct vcpu *fp;       /* whose FP and vector state is in them, or NULL */
	uint64_t vmid_flushed; /* for vmid_validate() */
};

#endif
