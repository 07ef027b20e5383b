/*
 * Interrupts of the host: a kick by another hart, the timer that stands in for a guest's, the
 * console. All are looked at here, whether they ended a guest's run or a wait.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/dev/virtio_net.h"
#include "hyp/drv/alarm.h"
#include "hyp/drv/blk.h"
#include "hyp/drv/host.h"
#include "hyp/drv/net.h"
#include "hyp/drv/plic.h"
#include "hyp/drv/serial.h"
#include "hyp/drv/terminal.h"
#include "hyp/monitor/monitor.h"
#include "hyp/sched/sched.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vm/vm.h"

/* The kick's reason is in vcpu->requests, which the run loop reads next, and not before; or it is
 * about another vcpu. */
enum outcome host_irq_software(struct vcpu *v)
{
	csr_clear(CSR_SIP, IRQ_BIT(IRQ_SSI));
	fence_all();
	if (v)
		vcpu_tell_regime(v);
	if (sched_was_called() && v)
		atomic_fetch_or(&v->requests, VCPU_REQ_SCHED);
	return OUTCOME_RESUME;
}

/* What it shows live is due. */
static void serve_monitor(void)
{
	if (monitor_deadline() <= csr_read(CSR_TIME))
		monitor_tick();
	timer_host_set(TIMER_MONITOR, monitor_deadline());
}

/* While more comes than is handed on at once, guests have this long in between. */
#define UPLINK_PAUSE_US 100

static void serve_uplink(void)
{
	uint64_t again = TIMER_NEVER;

	if (virtio_net_uplink())
		again = csr_read(CSR_TIME) + host.timebase * UPLINK_PAUSE_US / 1000000;
	timer_host_set(TIMER_UPLINK, again);
}

#define END_LOOK_MS 500

/* Devices that don't interrupt any more must not keep a VM from ending. */
void host_irq_ends(void)
{
	uint64_t again = TIMER_NEVER;

	if (vm_go_on_ending())
		again = csr_read(CSR_TIME) + host.timebase * END_LOOK_MS / 1000;
	timer_host_set(TIMER_END, again);
}

/* It has come for the guest, for the scheduler, or, on QEMU 7.2, for nobody any more. */
enum outcome host_irq_timer(struct vcpu *v)
{
	uint64_t now = csr_read(CSR_TIME);

	if (timer_host_came(TIMER_GUEST, now))
		timer_fired(v);
	if (timer_host_came(TIMER_SCHED, now) && v)
		atomic_fetch_or(&v->requests, VCPU_REQ_SCHED);
	if (timer_host_came(TIMER_MONITOR, now))
		serve_monitor();
	if (timer_host_came(TIMER_UPLINK, now))
		serve_uplink();
	if (timer_host_came(TIMER_END, now))
		host_irq_ends();
	return OUTCOME_RESUME;
}

static void serve_port(struct port_event e)
{
	struct vm *vm = e.port->owner;

	if (!vm)
		monitor_terminal();
	else if (e.port == &vm->board.uart.port)
		uart_port_event(&vm->board, e);
	else
		virtio_console_window_event(&vm->board);
}

static void serve_terminal(void)
{
	struct serial *control = serial_find(SERIAL_CONTROL);
	struct port_event e;
	struct board *board;

	terminal_interrupt();
	while (terminal_next_event(&e))
		serve_port(e);
	while ((board = serial_next_owner()) != NULL)
		virtio_console_turn(board);
	if (control && serial_take_event(control))
		monitor_control();
	timer_host_set(TIMER_MONITOR, monitor_deadline());
}

enum outcome host_irq_external(struct vcpu *v)
{
	unsigned source;

	(void)v;
	while ((source = plic_host_claim()) != 0) {
		struct blk *disk = blk_interrupt(source);

		if (disk) {
			virtio_blk_finish(disk);
			(void)vm_go_on_ending();
		}
		if (source == host.uart_irq || serial_interrupt(source) || alarm_interrupt(source))
			serve_terminal();
		else if (net_interrupt(source))
			serve_uplink();
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
	if (pending & IRQ_BIT(IRQ_STI))
		host_irq_timer(v);
	if (pending & IRQ_BIT(IRQ_SEI))
		host_irq_external(v);
}
