/*
 * How long a guest is away for each cause of an exit: from the trap until that vcpu is entered
 * again, with all that was done, waited for or run meanwhile.
 *
 * It costs nothing while it is off: a vcpu that is timed enters the hypervisor by another vector
 * (hyp/trap/timed.c), which is chosen when it is loaded.
 */
#ifndef HYP_VCPU_LATENCY_H
#define HYP_VCPU_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/vcpu/vcpu.h"

/* Bucket n counts times from 2^(n-1), 0 for the first, to below 2^n units of `time`; the last one
 * counts all that are longer, too. */
#define LATENCY_BUCKETS 31

struct latency {
	_Atomic uint32_t is_on;

	/* The vcpu's hart writes, any hart may read. */
	uint32_t row;  /* EXIT_ROW of the exit it is away for */
	uint64_t left; /* when that was; 0: it isn't away */
	uint32_t counts[EXIT_ROWS][LATENCY_BUCKETS];
};

/* Whether @v, when it is loaded, is to enter by the timing vector. */
static inline bool latency_is_on(const struct vcpu *v)
{
	const struct latency *l = atomic_load(&v->latency);

	return l && atomic_load(&l->is_on);
}

/**
 * Switch timing of @v's exits; it takes effect when @v is next loaded. The counts stay; the memory
 * for them is its VM's, taken from @pool the first time.
 * Returns OK or ERR_NOMEM.
 */
MUST_USE enum err latency_switch(struct vcpu *v, bool on, struct frame_pool *pool);

/* Own hart: @v has left the guest for the cause of @row; it is about to enter it. At time @now. */
void latency_leave(struct vcpu *v, uint64_t row, uint64_t now);
void latency_enter(struct vcpu *v, uint64_t now);

/* How many exits of @row took as long as @bucket says. */
uint64_t latency_count(const struct vcpu *v, unsigned row, unsigned bucket);

/* Forget the counts; of exits meanwhile some may stay. */
void latency_reset(struct vcpu *v);

#endif
