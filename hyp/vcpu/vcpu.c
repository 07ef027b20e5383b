/*
 * A guest hart's life: reset, onto a host hart and off it. See vcpu.h. What depends on how it is
 * run is its backend's.
 *
 * Invariant: exactly one hart at a time has a vcpu loaded, the one it is pinned to.
 * Next to read: hext.c or depriv.c; hyp/trap/entry.S, how the guest is entered.
 */
#include "hyp/vcpu/vcpu.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/check.h"
#include "hyp/lib/string.h"
#include "sbi/call/call.h"

void vcpu_reset_csrs(struct vcpu *v)
{
	v->backend->reset_csrs(v);
}

/* .parked last: from then on its hart may start it. */
void vcpu_reset(struct vcpu *v)
{
	memset(&v->frame, 0, sizeof(v->frame));
	vcpu_reset_csrs(v);
	fp_reset(v);
	v->view.space = NULL;
	v->view.atp = 0;
	v->view.miss.pc.v = SHADOW_NO_MISS;
	v->irq_software = 0;
	v->irq_external = 0;
	v->requests = 0;
	v->state = VCPU_STOPPED;
	v->parked = 0;
}

void vcpu_load(struct vcpu *v)
{
	struct hart *h = this_hart();

	CHECK(!h->vcpu && v->hart == h);
	v->backend->load(v);
	v->frame.host_sp = (uint64_t)(uintptr_t)h->stack_top;
	v->frame.host_tp = (uint64_t)(uintptr_t)h;
	h->vcpu = v;
}

void vcpu_unload(void)
{
	struct vcpu *v = this_hart()->vcpu;

	v->backend->unload(v);
	this_hart()->vcpu = NULL;
}

void vcpu_begin(struct vcpu *v, struct vcpu_start s)
{
	memset(v->frame.x, 0, sizeof(v->frame.x));
	v->frame.pc = s.pc;
	v->frame.x[X_A0] = s.a0;
	v->frame.x[X_A1] = s.a1;
	v->waiting = false;
	v->backend->begin(v);
	fence_i();
}

void vcpu_kick(struct vcpu *v, uint32_t bits)
{
	uint32_t before = atomic_fetch_or(&v->requests, bits);
	struct sbi_harts target = { 1, v->hart->id };

	/* Whoever set the first bit has sent an IPI that is still to be answered. */
	if (!before && v->hart != this_hart())
		sbi_send_ipi(target);
}
