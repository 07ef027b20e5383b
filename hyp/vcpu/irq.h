/*
 * A guest hart's interrupts as the hypervisor raises them: software and external. (Its timer:
 * timer.h.) Any hart may call; the vcpu's own hart makes them pending before it enters the guest.
 */
#ifndef HYP_VCPU_IRQ_H
#define HYP_VCPU_IRQ_H

#include "hyp/vcpu/vcpu.h"

/* Set the guest's sip.SSIP; the guest clears it itself. */
void irq_raise_software(struct vcpu *v);

/* Make the guest's sip.SEIP follow @high. */
void irq_set_external(struct vcpu *v, bool high);

/* Make pending what was asked for. Own hart, loaded. */
static inline void irq_sync(struct vcpu *v)
{
	v->backend->irq_sync(v);
}

/* Whether an interrupt that @v has enabled is pending. Own hart, loaded. */
static inline bool irq_is_pending(struct vcpu *v)
{
	return v->backend->irq_is_pending(v);
}

/* Clear the guest's sip.SSIP, and tell whether it was set. Own hart, loaded. */
static inline bool irq_clear_software(struct vcpu *v)
{
	return v->backend->irq_clear_software(v);
}

#endif
