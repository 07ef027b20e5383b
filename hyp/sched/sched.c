/*
 * From a vcpu's state and requests to "enter it now" or "wait". See sched.h.
 *
 * Invariant: requests are taken before the state is looked at, so that a kick between the two
 * leads to one more round, never to a lost wake-up.
 */
#include "hyp/sched/sched.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vm/vm.h"

static struct vcpu *pinned[HOST_HARTS_MAX];

void sched_add(struct vcpu *v)
{
	pinned[v->hart->index] = v;
}

/* What was raised while nothing was loaded here becomes pending now. */
static void begin(struct vcpu *v)
{
	vcpu_reset_csrs(v);
	vcpu_load(v);
	irq_sync(v);
	vcpu_begin(v, v->start);
	atomic_store(&v->state, VCPU_STARTED);
}

/* A suspended hart wakes for any interrupt it has enabled ("Hart Suspend"). */
static void wake(struct vcpu *v)
{
	if (!irq_is_pending(v))
		return;
	if (v->start.pc != VCPU_START_HERE)
		vcpu_begin(v, v->start);
	atomic_store(&v->state, VCPU_STARTED);
}

/* Whether its WFI, if it is in one, goes on waiting. */
static bool waits(struct vcpu *v)
{
	if (v->waiting && irq_is_pending(v))
		v->waiting = false;
	return v->waiting;
}

static void take_requests(struct vcpu *v)
{
	uint32_t asked = atomic_exchange(&v->requests, 0);

	if (asked & VCPU_REQ_PARK)
		vm_park(v);
	if ((asked & VCPU_REQ_IRQ) && this_hart()->vcpu)
		irq_sync(v);
}

/*
 * A hart that is stopped gives up its registers: WFI would not sleep while an interrupt that the
 * guest has enabled is pending in them. A suspended one keeps them: that is what wakes it.
 */
struct vcpu *sched_next(void)
{
	struct vcpu *v = pinned[this_hart()->index];

	if (!v)
		return NULL;
	take_requests(v);
	/* Nobody may start a hart of a VM that is being taken apart. */
	if (v->parked)
		return NULL;
	if (v->state == VCPU_STARTED)
		return waits(v) ? NULL : v;
	if (v->state == VCPU_SUSPENDED) {
		wake(v);
	} else if (this_hart()->vcpu) {
		vcpu_unload();
	}
	if (v->state == VCPU_STARTING)
		begin(v);
	return v->state == VCPU_STARTED ? v : NULL;
}
