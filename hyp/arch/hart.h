/*
 * What each host hart keeps for itself. Only that hart reads or writes it, but for what is marked;
 * tp holds its address all the while the hypervisor runs.
 */
#ifndef HYP_ARCH_HART_H
#define HYP_ARCH_HART_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/arch/addr.h"

struct gstage;
struct trace;
struct vcpu;

/* Who wants to be told by the hart's one timer: hyp/vcpu/timer.h. */
enum { TIMER_GUEST, TIMER_SCHED, TIMER_MONITOR, TIMER_UPLINK, TIMER_END, TIMERS };

struct hart {
	unsigned index;	       /* 0 is the boot hart; row of host.hart_id */
	uint64_t id;	       /* as the firmware numbers it */
	void *stack_top;       /* 16-byte aligned */
	struct vcpu *vcpu;     /* whose state is in this hart's registers, or NULL; others may read */
	struct vcpu *fp;       /* whose FP and vector state is in them, or NULL */
	uint64_t vmid_flushed; /* for vmid_validate() */
	uint64_t timer[TIMERS];
	struct trace *trace; /* where events of .vcpu are told, or NULL: hyp/lib/trace.h */
	unsigned traced;     /* its number, then, */
	const struct gstage *traced_memory; /* and its VM's G-stage */

	/* Any hart, atomically; then an IPI makes this one look. */
	struct vcpu *woken; /* vcpu.c: those that were kicked while they were nowhere loaded */
	uint32_t is_called; /* sched.c: choose anew who runs here */
};

#endif
