/*
 * Exits: what a guest's trap leads to, and the loop each hart runs in.
 */
#ifndef HYP_TRAP_TRAP_H
#define HYP_TRAP_TRAP_H

#include "hyp/vcpu/vcpu.h"

/* What handling a trap came to. */
struct outcome {
	enum {
		OUTCOME_RESUME,	 /* the guest goes on at frame.pc */
		OUTCOME_INJECT,	 /* it gets exception .cause with .tval instead */
		OUTCOME_STOP_VM, /* its VM can't go on; the log says why */
	} what;
	enum cause cause;
	uint64_t tval;
};

static inline struct outcome outcome_resume(void)
{
	return (struct outcome){ .what = OUTCOME_RESUME };
}

static inline struct outcome outcome_inject(enum cause cause, uint64_t tval)
{
	return (struct outcome){ .what = OUTCOME_INJECT, .cause = cause, .tval = tval };
}

static inline struct outcome outcome_stop(void)
{
	return (struct outcome){ .what = OUTCOME_STOP_VM };
}

/* The loop of this hart: run vcpus, for ever. stvec and sscratch are set here. */
_Noreturn void trap_loop(void);

/* Entered by entry.S with the vcpu that left the guest; returns the one to enter. */
struct vcpu *trap_exit(struct vcpu *v);

/* Enter @v's guest; entry.S. */
_Noreturn void trap_enter(struct vcpu *v);

/* Guest page faults: fault.c. Device accesses: emulate.c. Interrupts of the host: host_irq.c. */
struct outcome trap_guest_page_fault(struct vcpu *v);
struct outcome emulate_access(struct vcpu *v, gpa_t at, const struct gstage_device *device,
			      uint64_t htinst, uint64_t tval);
struct outcome host_irq_software(struct vcpu *v);
struct outcome host_irq_timer(struct vcpu *v);
struct outcome host_irq_external(struct vcpu *v);

/* Serve what is pending for the host while no guest runs on this hart. */
void host_irq_poll(void);

#endif
