/*
 * The guest's timer, by what the host and the guest have. See timer.h.
 *
 *   guest has Sstc              vstimecmp raises VSTIP by itself
 *   host has Sstc, guest hasn't stimecmp interrupts the hypervisor, hvip.VSTIP is set
 *   neither                     the firmware's timer does
 */
#include "hyp/vcpu/timer.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/vcpu/vcpu.h"
#include "sbi/call/call.h"

static void host_timer_set(const struct isa *isa, uint64_t when)
{
	if (isa->host_has_sstc)
		csr_write(CSR_STIMECMP, when);
	else
		sbi_set_timer(when);
}

void timer_set(struct vcpu *v, uint64_t when)
{
	if (v->isa->has_sstc) {
		csr_write(CSR_VSTIMECMP, when);
		return;
	}
	v->timer = when;
	csr_clear(CSR_HVIP, IRQ_BIT(IRQ_VSTI));
	host_timer_set(v->isa, when);
}

void timer_fired(struct vcpu *v)
{
	v->timer = TIMER_NEVER;
	host_timer_set(v->isa, TIMER_NEVER);
	csr_set(CSR_HVIP, IRQ_BIT(IRQ_VSTI));
}

/*
 * A guest with Sstc leaves the host's timer idle; it is left pending, and its interrupt off. That
 * costs nothing, and keeps QEMU 7.2 from losing the guest's: on every entry to a guest it looks
 * for something pending, without its lock where vstimecmp is concerned, and withdraws an interrupt
 * that vstimecmp raises at that very moment, unless something else is pending too.
 */
void timer_load(const struct vcpu *v)
{
	if (v->isa->has_sstc) {
		csr_clear(CSR_SIE, IRQ_BIT(IRQ_STI));
		csr_write(CSR_STIMECMP, 0);
	} else {
		host_timer_set(v->isa, v->timer);
		csr_set(CSR_SIE, IRQ_BIT(IRQ_STI));
	}
}

void timer_unload(void)
{
	csr_clear(CSR_SIE, IRQ_BIT(IRQ_STI));
	if (this_hart()->vcpu->isa->has_sstc)
		csr_write(CSR_VSTIMECMP, TIMER_NEVER);
}
