/*
 * A guest hart's timer, and the host's one timer a hart, which stands in for it where the guest's
 * isn't the hardware's (hext.c, depriv.c), and which the scheduler uses.
 */
#ifndef HYP_VCPU_TIMER_H
#define HYP_VCPU_TIMER_H

#include "hyp/vcpu/vcpu.h"

#define TIMER_NEVER UINT64_MAX

/* Interrupt @v when `time` reaches @when; a pending timer interrupt goes away. Own hart, loaded. */
static inline void timer_set(struct vcpu *v, uint64_t when)
{
	v->backend->timer_set(v, when);
}

/* The host hart's timer went off for @v, the loaded vcpu. */
static inline void timer_fired(struct vcpu *v)
{
	v->backend->timer_fired(v);
}

/* Once, before any timer is set: whether harts have Sstc, and S-mode may use it. */
void timer_host_init(bool has_sstc);

/* This hart, before it sets a timer: none goes off. */
void timer_host_begin(void);

/* Interrupt this hart when `time` reaches @when, for @whose sake: TIMER_*. */
void timer_host_set(unsigned whose, uint64_t when);

/* Whether @whose timer has come; it is TIMER_NEVER then. This hart was interrupted. */
bool timer_host_came(unsigned whose, uint64_t now);

#endif
