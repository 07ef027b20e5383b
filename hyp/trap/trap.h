/*
 * Exits: what a guest's trap leads to, and the loop each hart runs in.
 */
#ifndef HYP_TRAP_TRAP_H
#define HYP_TRAP_TRAP_H

#include "hyp/mmu/mmu.h"
#include "hyp/vcpu/vcpu.h"

/* What handling a trap came to. */
enum outcome {
	OUTCOME_RESUME,	 /* the guest goes on at frame.pc */
	OUTCOME_INJECT,	 /* it gets exception v->fault.cause with v->fault.tval instead */
	OUTCOME_STOP_VM, /* its VM can't go on; the log says why */
};

static inline enum outcome outcome_inject(struct vcpu *v, enum cause cause, uint64_t tval)
{
	v->fault.cause = cause;
	v->fault.tval = tval;
	return OUTCOME_INJECT;
}

/* The loop of this hart: run vcpus, for ever. Everything that this hart needs for it is set here. */
_Noreturn void trap_loop(void);

/* Go on with whoever is to run, when there is one. What is on the stack is lost. */
_Noreturn void trap_next(void);

/* Entered by entry.S with the vcpu that left the guest; returns the one to enter. One for each
 * backend: run.c, depriv.c. */
struct vcpu *trap_exit(struct vcpu *v);
struct vcpu *trap_exit_depriv(struct vcpu *v);

/* The same for both, where exits are timed or traced; and before any other entry of @v, which is to be
 * paused instead where that returns false: timed.c. */
struct vcpu *trap_exit_timed(struct vcpu *v);
bool trap_timed_return(struct vcpu *v);

/* Enter @v's guest: entry.S; window.S, where it has a window. */
_Noreturn void trap_enter(struct vcpu *v);
_Noreturn void trap_enter_window(struct vcpu *v);

/* What both need: for a cause without a handler, for an outcome but RESUME. */
enum outcome trap_unknown(struct vcpu *v, uint64_t cause);

/* Count the exit and handle it by the table of @v's backend. */
typedef enum outcome trap_handler(struct vcpu *v);
static inline enum outcome trap_dispatch(trap_handler *const handlers[EXIT_ROWS], struct vcpu *v,
					 uint64_t cause)
{
	uint64_t row = EXIT_ROW(cause, cause >> 63);

	if (row >= EXIT_ROWS || !handlers[row])
		return trap_unknown(v, cause);
	v->exits[row]++;
	return handlers[row](v);
}
void trap_carry_out(struct vcpu *v, enum outcome o);

/* Guest page faults: fault.c. Device accesses: emulate.c. Interrupts of the host: host_irq.c. */
enum outcome trap_guest_page_fault(struct vcpu *v);
enum outcome emulate_access(struct vcpu *v);
enum outcome outcome_of(struct vcpu *v, enum mmu_what what);
enum outcome host_irq_software(struct vcpu *v);
enum outcome host_irq_timer(struct vcpu *v);
enum outcome host_irq_external(struct vcpu *v);

/* Serve what is pending for the host while no guest runs on this hart. */
void host_irq_poll(void);

/* What has ended, and waits for devices of the host's, is gone on with; again a little later. */
void host_irq_ends(void);

#endif
