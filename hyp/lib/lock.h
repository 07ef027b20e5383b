/*
 * Spin locks, fair (ticket), with acquire and release ordering. Interrupts are never taken in the
 * hypervisor, so a lock needs no interrupt masking.
 *
 * Lock order, outermost first; a hart takes them only downwards in this list:
 *   vm->lock (life cycle) > device locks (uart, plic, ...) > gstage->lock > pool and block lock
 *   > console > log.
 */
#ifndef HYP_LIB_LOCK_H
#define HYP_LIB_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "hyp/arch/cpu.h"

struct lock {
	_Atomic uint32_t next, serving;
};

static inline void lock_take(struct lock *l)
{
	uint32_t mine = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);

	while (atomic_load_explicit(&l->serving, memory_order_acquire) != mine)
		cpu_relax();
}

static inline void lock_release(struct lock *l)
{
	uint32_t mine = atomic_load_explicit(&l->serving, memory_order_relaxed);

	atomic_store_explicit(&l->serving, mine + 1, memory_order_release);
}

#endif
