/*
 * Spin locks with acquire and release ordering. Interrupts are never taken in the hypervisor, so a
 * lock needs no interrupt masking.
 *
 * Whoever finds one free takes it: no turns. Harts under QEMU are threads, often more of them than
 * there are processors, and a turn that is given to a hart whose thread isn't running holds up all
 * the others: four busy harts on two processors came to a standstill.
 *
 * Lock order, outermost first; a hart takes them only downwards in this list:
 *   vm->lock (life cycle) > device locks (uart, virtio, ...) > the switch's table > its ports > virtio's
 *   line_lock > plic > gstage->lock > pool and block lock > terminal > serial, host disks,
 *   alarm's clock > log.
 * A guest that sends holds its own device's lock and one port's at a time, the receiver's; nobody who
 * holds a port's takes a device's. So two guests that send to each other never wait in a circle.
 */
#ifndef HYP_LIB_LOCK_H
#define HYP_LIB_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "hyp/arch/cpu.h"

struct lock {
	_Atomic uint32_t taken;
};

static inline void lock_take(struct lock *l)
{
	while (atomic_exchange_explicit(&l->taken, 1, memory_order_acquire))
		while (atomic_load_explicit(&l->taken, memory_order_relaxed))
			cpu_relax();
}

static inline void lock_release(struct lock *l)
{
	atomic_store_explicit(&l->taken, 0, memory_order_release);
}

#endif
