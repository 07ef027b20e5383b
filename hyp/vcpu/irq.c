/*
 * Raising a guest hart's interrupts. See irq.h.
 *
 * Invariant: what is pending is written by the vcpu's own hart alone; the others leave a note and
 * kick. What is loaded here now needs no kick: the note is read before the guest runs on.
 */
#include "hyp/vcpu/irq.h"

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
