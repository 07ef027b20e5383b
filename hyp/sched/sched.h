/*
 * Which vcpu a hart runs. In this version each vcpu has a hart of its own.
 */
#ifndef HYP_SCHED_SCHED_H
#define HYP_SCHED_SCHED_H

#include "hyp/vcpu/vcpu.h"

/* Give @v to its hart, once, before that hart first asks. */
void sched_add(struct vcpu *v);

/**
 * Carry out what was asked of this hart's vcpu, and tell whether it can run now.
 * Returns the vcpu, loaded and ready to be entered, or NULL: wait for an interrupt and ask again.
 */
struct vcpu *sched_next(void);

#endif
