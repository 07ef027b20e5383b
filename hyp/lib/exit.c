/*
 * Ending the machine. Invariant: machine_exit() does not return, whatever firmware does.
 */
#include "hyp/lib/exit.h"

#include <stddef.h>

#include "hyp/arch/cpu.h"
#include "sbi/call/call.h"

/* QEMU's hw/misc/sifive_test: the low half says pass or fail, the high half is the code. */
#define FINISHER_FAIL 0x3333u
#define FINISHER_PASS 0x5555u

static volatile uint32_t *finisher;

void machine_exit_through(volatile uint32_t *regs)
{
	finisher = regs;
}

void machine_exit(unsigned status)
{
	if (finisher)
		*finisher = status ? status << 16 | FINISHER_FAIL : FINISHER_PASS;
	sbi_system_reset(SBI_SRST_SHUTDOWN,
			 status ? SBI_SRST_REASON_FAILURE : SBI_SRST_REASON_NONE);
	for (;;)
		cpu_wait();
}
