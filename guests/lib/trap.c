/*
 * The trap handler: interrupts go to their handler, exceptions end the current run(), anything else
 * is reported and ends the machine.
 * Invariant: the handler itself never traps (start.S would call trap_nested). Read next: start.S.
 */
#include "guests/lib/trap.h"

#include <stddef.h>

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/print.h"

_Static_assert(offsetof(struct frame, pc) == 256, "start.S: FRAME_PC");
_Static_assert(sizeof(struct frame) == 288, "start.S: FRAME_BYTES");

void frame_run(struct frame *f);
void frame_resume(void);
void trap_handle(struct frame *f);
void trap_nested(void);
void run_end(void);
extern uint32_t code_buffer[2];

#define RUN_STACK_BYTES 4096

static irq_fn *irq_handlers[16];
static uint8_t run_stacks[MAX_HARTS][RUN_STACK_BYTES] __attribute__((aligned(16)));

void irq_handler(unsigned irq, irq_fn *fn)
{
	irq_handlers[irq] = fn;
}

static volatile bool came;

static void note(struct frame *f)
{
	(void)f;
	came = true;
	csr_write(CSR_SIE, 0);
}

bool irq_is_pending(unsigned irq)
{
	irq_fn *handler = irq_handlers[irq];
	uint64_t sie = csr_read(CSR_SIE);

	came = false;
	irq_handler(irq, note);
	csr_write(CSR_SIE, 1ul << irq);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	irq_handler(irq, handler);
	csr_write(CSR_SIE, sie);
	return came;
}

uint64_t run_end_address(void)
{
	return (uint64_t)run_end;
}

void frame_init(struct frame *f, uint64_t pc)
{
	*f = (struct frame){ .pc = pc };
	f->x[1] = run_end_address();
	f->x[2] = (uint64_t)run_stacks[hart_self()->id] + RUN_STACK_BYTES;
	f->sstatus = (csr_read(CSR_SSTATUS) & ~(SSTATUS_SIE | SSTATUS_SPIE)) | SSTATUS_SPP;
}

void run(struct frame *f)
{
	uint64_t sstatus = csr_read(CSR_SSTATUS);

	/* frame_run() returns through the trap handler, which leaves interrupts off. */
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	hart_self()->running = f;
	frame_run(f);
	csr_write(CSR_SSTATUS, sstatus);
}

bool run_returned(const struct frame *f)
{
	return f->cause == CAUSE_BREAKPOINT && f->pc == f->x[1];
}

struct trap probe(code_fn *fn, uint64_t a0, uint64_t a1)
{
	struct frame f;

	frame_init(&f, (uint64_t)fn);
	f.x[10] = a0;
	f.x[11] = a1;
	run(&f);
	if (f.cause == CAUSE_BREAKPOINT && f.pc == run_end_address())
		return (struct trap){ .value = f.x[10] };
	return (struct trap){ true, f.cause, f.pc, f.tval, f.x[10] };
}

uint64_t code_insn(uint32_t insn)
{
	const uint32_t ebreak = 0x00100073, c_ebreak = 0x9002;

	if ((insn & 3) == 3) {
		code_buffer[0] = insn;
		code_buffer[1] = ebreak;
	} else {
		code_buffer[0] = c_ebreak << 16 | insn;
	}
	fence_i();
	return (uint64_t)code_buffer;
}

static struct trap probe_code(uint32_t insn, uint64_t privilege, uint64_t a0, uint64_t a1)
{
	uint64_t code = code_insn(insn), end = code + ((insn & 3) == 3 ? 4 : 2);
	struct frame f;

	frame_init(&f, code);
	f.sstatus = (f.sstatus & ~SSTATUS_SPP) | privilege;
	f.x[10] = a0;
	f.x[11] = a1;
	run(&f);
	if (f.cause == CAUSE_BREAKPOINT && f.pc == end)
		return (struct trap){ .value = f.x[10] };
	return (struct trap){ true, f.cause, f.pc, f.tval, f.x[10] };
}

struct trap probe_insn(uint32_t insn, uint64_t a0, uint64_t a1)
{
	return probe_code(insn, SSTATUS_SPP, a0, a1);
}

struct trap probe_insn_user(uint32_t insn, uint64_t a0, uint64_t a1)
{
	return probe_code(insn, 0, a0, a1);
}

static _Noreturn void die(const char *what, uint64_t cause, uint64_t pc, uint64_t tval)
{
	print("\n%s: scause %lx sepc %lx stval %lx\n", what, cause, pc, tval);
	machine_exit(3);
}

void trap_handle(struct frame *f)
{
	struct hart *self = hart_self();

	if ((f->cause & CAUSE_INTERRUPT) != 0) {
		uint64_t irq = f->cause & 15;

		if (irq_handlers[irq] == NULL)
			die("unexpected interrupt", f->cause, f->pc, f->tval);
		irq_handlers[irq](f);
		return;
	}
	if (self->running == NULL)
		die("unexpected exception", f->cause, f->pc, f->tval);
	*self->running = *f;
	self->running = NULL;
	frame_resume();
}

void trap_nested(void)
{
	die("trap inside the trap handler", csr_read(CSR_SCAUSE), csr_read(CSR_SEPC),
	    csr_read(CSR_STVAL));
}
