/*
 * Ending the machine. Invariant: machine_exit() does not return, whatever firmware does.
 */
#include "hyp/lib/exit.h"

#include <stddef.h>

#include "hyp/arch/cpu.h"
#include "sbi/call/call.h"

static volatile uint32_t *finisher;

void machine_exit_through(volatile uint32_t *regs)
{
	finisher = regs;
}

/* The finisher takes a moment on newer QEMUs; a reset through the firmware meanwhile would put its
 * own status in place of ours. */
void machine_exit(unsigned status)
{
	if (finisher)
		*finisher = status ? status << 16 | FINISHER_FAIL : FINISHER_PASS;
	else
		sbi_system_reset(SBI_SRST_SHUTDOWN,
				 status ? SBI_SRST_REASON_FAILURE : SBI_SRST_REASON_NONE);
	for (;;)
		cpu_wait();
}
