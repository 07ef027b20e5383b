/*
 * The host's PLIC: the sources of our drivers, for the boot hart's S-mode context.
 */
#ifndef HYP_DRV_PLIC_H
#define HYP_DRV_PLIC_H

/* Priority and enable for @source towards this hart; threshold 0. Does nothing without a PLIC. */
void plic_host_enable(unsigned source);

/* Claim the pending source of this hart's context, 0 if none; complete it when served. */
unsigned plic_host_claim(void);
void plic_host_complete(unsigned source);

#endif
