/*
 * A guest hart's timer. Where the guest has Sstc it is vstimecmp, and nothing here runs but the
 * SBI's set_timer; otherwise the host hart's own timer stands in, and its interrupt is handed on.
 */
#ifndef HYP_VCPU_TIMER_H
#define HYP_VCPU_TIMER_H

#include <stdint.h>

#define TIMER_NEVER UINT64_MAX

struct vcpu;

/* Interrupt @v when `time` reaches @when; a pending timer interrupt goes away. Own hart, loaded. */
void timer_set(struct vcpu *v, uint64_t when);

/* The host hart's timer went off for @v, the loaded vcpu. */
void timer_fired(struct vcpu *v);

/* With vcpu_load() and vcpu_unload(). */
void timer_load(const struct vcpu *v);
void timer_unload(void);

#endif
