/*
 * Interrupts of the host: a kick by another hart, the timer that stands in for a guest's, the
 * console. All are looked at here, whether they ended a guest's run or a wait.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/console.h"
#include "hyp/drv/host.h"
#include "hyp/drv/plic.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vm/vm.h"

/* The kick's reason is in vcpu->requests, which the run loop reads next, and not before. */
enum outcome host_irq_software(struct vcpu *v)
{
	(void)v;
	csr_clear(CSR_SIP, IRQ_BIT(IRQ_SSI));
	fence_all();
	return OUTCOME_RESUME;
}

enum outcome host_irq_timer(struct vcpu *v)
{
	timer_fired(v);
	return OUTCOME_RESUME;
}

static void serve_console(void)
{
	struct vm *vm = vm_at_console();
	bool ready = console_interrupt();

	if (!vm)
		return;
	if (ready)
		uart_console_ready(&vm->board);
	uart_input(&vm->board);
}

enum outcome host_irq_external(struct vcpu *v)
{
	unsigned source;

	(void)v;
	while ((source = plic_host_claim()) != 0) {
		if (source == host.uart_irq)
			serve_console();
		plic_host_complete(source);
	}
	return OUTCOME_RESUME;
}

void host_irq_poll(void)
{
	uint64_t pending = csr_read(CSR_SIP) & csr_read(CSR_SIE);
	struct vcpu *v = this_hart()->vcpu;

	if (pending & IRQ_BIT(IRQ_SSI))
		host_irq_software(v);
	if ((pending & IRQ_BIT(IRQ_STI)) && v)
		host_irq_timer(v);
	if (pending & IRQ_BIT(IRQ_SEI))
		host_irq_external(v);
}
