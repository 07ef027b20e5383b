/*
 * The run loop: dispatch by cause, carry the outcome out, choose who runs next.
 *
 * A trap of the guest arrives in trap_exit(); what it returns is entered. Where nothing can run the
 * hart waits in idle(). Next to read: the row of the cause that interests you.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/check.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/log.h"
#include "hyp/sched/sched.h"
#include "hyp/trap/frame.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

_Static_assert(offsetof(struct vcpu, frame) == 0, "a vcpu's address is its frame's");
_Static_assert(offsetof(struct frame, x) == FRAME_X(0), "FRAME_X");
_Static_assert(offsetof(struct frame, pc) == FRAME_PC, "FRAME_PC");
_Static_assert(offsetof(struct frame, host_sp) == FRAME_HOST_SP, "FRAME_HOST_SP");
_Static_assert(offsetof(struct frame, host_tp) == FRAME_HOST_TP, "FRAME_HOST_TP");

#define INTERRUPT_ROW 32

void trap_entry(void);
_Noreturn void trap_bug(void);

static struct outcome ecall(struct vcpu *v)
{
	v->frame.pc += 4;
	sbi_serve(v);
	return outcome_resume();
}

/*
 * What is legal for HS-mode but not for the guest: hypervisor instructions, counters and CSRs that
 * are switched off. The guest's hart has none of them, so it gets what a hart without gives.
 */
static struct outcome virtual_instruction(struct vcpu *v)
{
	(void)v;
	return outcome_inject(CAUSE_ILLEGAL, csr_read(CSR_STVAL));
}

/* By scause: exceptions, then interrupts. Those without a row are delegated or can't happen. */
static struct outcome (*const handlers[EXIT_CAUSES])(struct vcpu *v) = {
	[CAUSE_ECALL_VS] = ecall,
	[CAUSE_FETCH_GUEST_PAGE] = trap_guest_page_fault,
	[CAUSE_LOAD_GUEST_PAGE] = trap_guest_page_fault,
	[CAUSE_STORE_GUEST_PAGE] = trap_guest_page_fault,
	[CAUSE_VIRTUAL] = virtual_instruction,
	[INTERRUPT_ROW + IRQ_SSI] = host_irq_software,
	[INTERRUPT_ROW + IRQ_STI] = host_irq_timer,
	[INTERRUPT_ROW + IRQ_SEI] = host_irq_external,
};

static struct outcome unknown_cause(struct vcpu *v, uint64_t cause)
{
	log_error("%s: stopped: hart %u trapped with cause %lx at %lx, stval %lx, which Gnomon "
		  "can't handle",
		  v->vm->config.name, v->id, cause, v->frame.pc, csr_read(CSR_STVAL));
	return outcome_stop();
}

static struct outcome dispatch(struct vcpu *v)
{
	uint64_t cause = csr_read(CSR_SCAUSE);
	/* The interrupt flag is bit 63: one shift makes row 32 + n of it. */
	uint64_t row = (cause & 0x1f) | cause >> 63 << 5;

	v->exits[row]++;
	if (!handlers[row] || (cause & ~CAUSE_INTERRUPT) > 0x1f)
		return unknown_cause(v, cause);
	return handlers[row](v);
}

static void carry_out(struct vcpu *v, struct outcome o)
{
	if (o.what == OUTCOME_INJECT)
		vcpu_inject(v, o.cause, o.tval);
	else
		vm_end(v->vm, VM_SHUTDOWN, EXIT_STOPPED);
}

/* Wait until some vcpu can run on this hart. Interrupts are looked at, never taken. */
static struct vcpu *idle(void)
{
	struct vcpu *v;

	while (!(v = sched_next())) {
		cpu_wait();
		host_irq_poll();
	}
	return v;
}

struct vcpu *trap_exit(struct vcpu *v)
{
	struct outcome o = dispatch(v);

	if (__builtin_expect(o.what != OUTCOME_RESUME, 0))
		carry_out(v, o);
	if (__builtin_expect(atomic_load_explicit(&v->requests, memory_order_acquire) != 0, 0))
		return idle();
	return v;
}

_Noreturn void trap_loop(void)
{
	csr_write(CSR_SSCRATCH, 0);
	csr_write(CSR_STVEC, (uint64_t)(uintptr_t)trap_entry);
	csr_write(CSR_SIE, IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_STI) | IRQ_BIT(IRQ_SEI));
	trap_enter(idle());
}

_Noreturn void trap_bug(void)
{
	panic("trap in the hypervisor: cause %lx at %lx, stval %lx, htval %lx", csr_read(CSR_SCAUSE),
	      csr_read(CSR_SEPC), csr_read(CSR_STVAL), csr_read(CSR_HTVAL));
}
