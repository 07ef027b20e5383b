/*
 * The run loop: dispatch by cause, carry the outcome out, choose who runs next.
 *
 * A trap of the guest arrives in trap_exit(), or in depriv.c's; what it returns is entered. Where
 * another vcpu may have to run, or none can, trap_next() goes on instead. Next to read: the row of
 * the cause that interests you.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/insn.h"
#include "hyp/drv/terminal.h"
#include "hyp/lib/check.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/log.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/frame.h"
#include "hyp/sched/sched.h"
#include "hyp/trap/frame.h"
#include "hyp/vcpu/latency.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

_Static_assert(offsetof(struct vcpu, frame) == 0, "a vcpu's address is its frame's");
_Static_assert(offsetof(struct frame, x) == FRAME_X(0), "FRAME_X");
_Static_assert(offsetof(struct frame, pc) == FRAME_PC, "FRAME_PC");
_Static_assert(offsetof(struct frame, host_sp) == FRAME_HOST_SP, "FRAME_HOST_SP");
_Static_assert(offsetof(struct frame, host_tp) == FRAME_HOST_TP, "FRAME_HOST_TP");

_Noreturn void trap_bug(void);

/* The hart may be another's meanwhile: sched.c. */
static enum outcome wait_for_interrupt(struct vcpu *v)
{
	v->frame.pc += 4;
	v->waiting = true;
	atomic_fetch_or(&v->requests, VCPU_REQ_SCHED);
	return OUTCOME_RESUME;
}

/* "Zawrs": it traps by VTW as WFI does, from U-mode too. It may end for any reason; who spins there
 * waits for another hart, which may have to run first. */
static enum outcome wait_on_reservation(struct vcpu *v)
{
	v->frame.pc += 4;
	sched_give_way(v);
	return OUTCOME_RESUME;
}

/* What traps since it is watched. stval may be stale (QEMU 7.2, HLV): carried out is what is there.
 */
static COLD enum outcome watched_instruction(struct vcpu *v, uint64_t stval)
{
	uint32_t bits;
	enum mmu_what fetched = v->mmu->fetch(v, &bits);

	if (fetched != MMU_FETCHED)
		return outcome_of(v, fetched);
	if (hext_execute(v, bits))
		return OUTCOME_RESUME;
	return outcome_inject(v, CAUSE_ILLEGAL, stval);
}

/*
 * What is legal for HS-mode but not for the guest: hypervisor instructions, counters and CSRs that
 * are switched off. The guest's hart has none of them, so it gets what a hart without gives.
 */
static enum outcome virtual_instruction(struct vcpu *v)
{
	uint64_t stval = csr_read(CSR_STVAL);
	uint32_t bits = (uint32_t)stval;
	bool user;

	if (!stval) {
		enum mmu_what fetched = v->mmu->fetch(v, &bits);

		if (fetched != MMU_FETCHED)
			return outcome_of(v, fetched);
	}
	user = vcpu_regime(v).user;
	if (bits == INSN_WFI && !user)
		return wait_for_interrupt(v);
	if (bits == INSN_WRS_NTO)
		return wait_on_reservation(v);
	if (!user && this_hart()->trace)
		return watched_instruction(v, stval);
	return outcome_inject(v, CAUSE_ILLEGAL, stval);
}

/* It is the guest's own, and delegated to it while nobody watches. */
static enum outcome page_fault(struct vcpu *v)
{
	return outcome_inject(v, (enum cause)csr_read(CSR_SCAUSE), csr_read(CSR_STVAL));
}

/* By EXIT_ROW. What has no row is delegated or can't happen. */
static trap_handler *const handlers[EXIT_ROWS] = {
	[EXIT_ROW(CAUSE_FETCH_PAGE, 0)] = page_fault,
	[EXIT_ROW(CAUSE_LOAD_PAGE, 0)] = page_fault,
	[EXIT_ROW(CAUSE_STORE_PAGE, 0)] = page_fault,
	[EXIT_ROW(CAUSE_FETCH_GUEST_PAGE, 0)] = trap_guest_page_fault,
	[EXIT_ROW(CAUSE_LOAD_GUEST_PAGE, 0)] = trap_guest_page_fault,
	[EXIT_ROW(CAUSE_STORE_GUEST_PAGE, 0)] = trap_guest_page_fault,
	[EXIT_ROW(CAUSE_VIRTUAL, 0)] = virtual_instruction,
	[EXIT_ROW(IRQ_SSI, 1)] = host_irq_software,
	[EXIT_ROW(IRQ_STI, 1)] = host_irq_timer,
	[EXIT_ROW(IRQ_SEI, 1)] = host_irq_external,
};

COLD enum outcome trap_unknown(struct vcpu *v, uint64_t cause)
{
	log_error("%s: stopped: hart %u trapped with cause %lx at %lx, stval %lx, which Gnomon "
		  "can't handle",
		  v->vm->config.name, v->id, cause, v->frame.pc, csr_read(CSR_STVAL));
	return OUTCOME_STOP_VM;
}

/* The call to the SBI, the one exit that is short enough for its dispatch to matter. */
static void ecall(struct vcpu *v)
{
	v->exits[EXIT_ROW(CAUSE_ECALL_VS, 0)]++;
	v->frame.pc += 4;
	sbi_serve(v);
}

/* Apart from its caller, which needs no stack then. */
static COLD void inject_told(struct vcpu *v)
{
	const struct trace_value values[] = { { TRACE_CAUSE, EXIT_ROW(v->fault.cause, 0) },
					      { TRACE_PC, v->frame.pc },
					      { TRACE_AT, v->fault.tval } };

	trace_add(TRACE_INJECT, TRACE_NO_WHY, values, 3);
	vcpu_inject(v, v->fault.cause, v->fault.tval);
}

COLD void trap_carry_out(struct vcpu *v, enum outcome o)
{
	if (o != OUTCOME_INJECT)
		vm_end(v->vm, VM_FAILED, EXIT_STOPPED);
	else if (trace_wants(TRACE_INJECT))
		inject_told(v);
	else
		vcpu_inject(v, v->fault.cause, v->fault.tval);
}

/* Returns only where @v is to be paused. */
static void enter(struct vcpu *v)
{
	v->backend->prepare(v);
	sbi_tell_steal(v);
	if ((latency_is_on(v) || this_hart()->trace) && !trap_timed_return(v))
		return;
	if (v->depriv.windowed)
		trap_enter_window(v);
	trap_enter(v);
}

/* An event of this hart's vcpu was to end its VM's run: a step, or a break. If that has come to its
 * own end meanwhile, so be it. */
static COLD void pause(struct vm *vm, uint64_t by)
{
	if (vm_pause_for(vm, by) == OK)
		terminal_say("%s: paused by event %lu", vm->config.name, by);
}

static inline void pause_if_stopped(void)
{
	struct trace *t = this_hart()->trace;
	uint64_t by;

	if (t && trace_take_stop(t, &by))
		pause(this_hart()->vcpu->vm, by);
}

/* Interrupts are looked at, never taken. */
COLD _Noreturn void trap_next(void)
{
	struct vcpu *v;

	for (;;) {
		pause_if_stopped();
		switch (sched_next(&v)) {
		case SCHED_RUN:
			enter(v);
			break;
		case SCHED_PARKED:
			vm_park(v);
			host_irq_ends();
			break;
		case SCHED_WAIT:
		default:
			if (!frame_zero_some())
				cpu_wait();
			host_irq_poll();
		}
	}
}

struct vcpu *trap_exit(struct vcpu *v)
{
	uint64_t cause = csr_read(CSR_SCAUSE);

	if (cause == CAUSE_ECALL_VS) {
		ecall(v);
	} else {
		enum outcome o = trap_dispatch(handlers, v, cause);

		if (o != OUTCOME_RESUME)
			trap_carry_out(v, o);
	}
	/* What the requests are about is read after they are taken, in sched.c. */
	if (__builtin_expect(atomic_load_explicit(&v->requests, memory_order_relaxed) != 0, 0) &&
	    !sched_stays(v))
		trap_next();
	return v;
}

_Noreturn void trap_loop(void)
{
	csr_write(CSR_SSCRATCH, 0);
	csr_write(CSR_STVEC, (uint64_t)(uintptr_t)trap_entry);
	csr_write(CSR_SIE, IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_SEI));
	timer_host_begin();
	sched_begin();
	trap_next();
}

_Noreturn void trap_bug(void)
{
	panic("trap in the hypervisor: cause %lx at %lx, stval %lx", csr_read(CSR_SCAUSE),
	      csr_read(CSR_SEPC), csr_read(CSR_STVAL));
}
