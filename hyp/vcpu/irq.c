/*
 * Raising a guest hart's interrupts. See irq.h.
 *
 * Invariant: hvip is written by the vcpu's own hart alone; the others leave a note and kick. What
 * is loaded here now needs no kick: the note is read before the guest runs on.
 */
#include "hyp/vcpu/irq.h"

#include "hyp/arch/cpu.h"
#include "hyp/vcpu/vcpu.h"

void irq_raise_software(struct vcpu *v)
{
	atomic_store(&v->irq_software, 1);
	vcpu_kick(v, VCPU_REQ_IRQ);
}

void irq_set_external(struct vcpu *v, bool high)
{
	if (atomic_exchange(&v->irq_external, high) != high)
		vcpu_kick(v, VCPU_REQ_IRQ);
}

void irq_sync(struct vcpu *v)
{
	if (atomic_exchange(&v->irq_software, 0))
		csr_set(CSR_HVIP, IRQ_BIT(IRQ_VSSI));
	if (atomic_load(&v->irq_external))
		csr_set(CSR_HVIP, IRQ_BIT(IRQ_VSEI));
	else
		csr_clear(CSR_HVIP, IRQ_BIT(IRQ_VSEI));
}

bool irq_is_pending(void)
{
	return (csr_read(CSR_HIP) & csr_read(CSR_HIE) & HIDELEG_VS) != 0;
}
