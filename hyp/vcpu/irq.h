/*
 * A guest hart's interrupts as the hypervisor raises them: software and external. (Its timer:
 * timer.h.) Any hart may call; the vcpu's own hart puts them into hvip before it enters the guest.
 */
#ifndef HYP_VCPU_IRQ_H
#define HYP_VCPU_IRQ_H

#include <stdbool.h>

struct vcpu;

/* Set the guest's sip.SSIP; the guest clears it itself. */
void irq_raise_software(struct vcpu *v);

/* Make the guest's sip.SEIP follow @high. */
void irq_set_external(struct vcpu *v, bool high);

/* Put what was asked for into hvip. Own hart, loaded. */
void irq_sync(struct vcpu *v);

/* Whether an interrupt that the vcpu loaded on this hart has enabled is pending. */
bool irq_is_pending(void);

#endif
