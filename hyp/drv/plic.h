/*
 * The host's PLIC: the sources of our drivers, for the boot hart's S-mode context unless they are
 * moved.
 */
#ifndef HYP_DRV_PLIC_H
#define HYP_DRV_PLIC_H

/* Priority and enable for @source towards this hart; threshold 0. Does nothing without a PLIC. */
void plic_host_enable(unsigned source);

/* @source, which is enabled, is for the hart of index @to from now on. It may come once more to the one
 * that it was for. */
void plic_host_move(unsigned source, unsigned to);

/* Claim the pending source of this hart's context, 0 if none; complete it when served. */
unsigned plic_host_claim(void);
void plic_host_complete(unsigned source);

#endif
