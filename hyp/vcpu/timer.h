/*
 * A guest hart's timer, and the host's that stands in for it where the guest's isn't the
 * hardware's: hext.c, depriv.c.
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

/* Set this hart's own timer, by what the host has. */
void timer_host_set(const struct isa *isa, uint64_t when);

#endif
