/*
 * A guest hart's life: reset, onto a host hart and off it. See vcpu.h. What depends on how it is
 * run is its backend's.
 *
 * Invariant: at most one hart at a time has a vcpu loaded. Which one .hart says before anything is
 * loaded, and after everything is unloaded; whoever wants that hart to fence may rely on it.
 * Next to read: hext.c or depriv.c; hyp/trap/entry.S, how the guest is entered.
 */
#include "hyp/vcpu/vcpu.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/check.h"
#include "hyp/lib/string.h"
#include "hyp/lib/trace.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/latency.h"
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
	v->steal = gpa(0);
	v->state = VCPU_STOPPED;
	v->parked = 0;
}

static uint64_t address_of(void (*place)(void))
{
	return (uint64_t)(uintptr_t)place;
}

/* Whoever doesn't find it here yet need not fence this hart: what it remembers is dropped below. */
void vcpu_load(struct vcpu *v)
{
	struct hart *h = this_hart();

	CHECK(!h->vcpu);
	atomic_store(&v->hart, h);
	__atomic_store_n(&h->vcpu, v, __ATOMIC_SEQ_CST);
	v->backend->load(v);
	fence_i();
	cpu_drop_reservation();
	v->frame.host_sp = (uint64_t)(uintptr_t)h->stack_top;
	v->frame.host_tp = (uint64_t)(uintptr_t)h;
	irq_sync(v);
	vcpu_tell_regime(v); /* the hart may have been told to while nothing was loaded */
}

/* A vector of its own for what is watched: what isn't pays for no test. */
void vcpu_watch(const struct vcpu *v)
{
	struct trace *t = atomic_load(&v->trace);
	struct hart *h = this_hart();
	bool watched;

	h->trace = trace_is_on(t) ? t : NULL;
	h->traced = v->id;
	h->traced_memory = v->gstage;
	watched = h->trace || latency_is_on(v);
	if (v->depriv.windowed)
		shadow_window_arrive(address_of(watched ? trap_arrive_timed : trap_arrive));
	else
		csr_write(CSR_STVEC, address_of(watched ? trap_entry_timed : v->backend->entry));
	if (v->backend->watch)
		v->backend->watch(v);
}

void vcpu_unload(void)
{
	struct hart *h = this_hart();

	h->vcpu->backend->unload(h->vcpu);
	h->trace = NULL;
	__atomic_store_n(&h->vcpu, NULL, __ATOMIC_SEQ_CST);
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

/* Another hart may begin to ask meanwhile: whoever comes second waits for the same answer, or finds
 * that there is none any more. */
static bool ask(struct vcpu *v, const struct hart *h, struct regime *r)
{
	struct sbi_harts target = { 1, h->id };
	uint64_t end = csr_read(CSR_TIME) + host.timebase;

	atomic_store(&v->asked, VCPU_ASKED);
	sbi_send_ipi(target);
	while (atomic_load(&v->asked) != VCPU_TOLD) {
		if (__atomic_load_n(&h->vcpu, __ATOMIC_SEQ_CST) != v) {
			*r = v->backend->saved_regime(v);
			return true;
		}
		if (csr_read(CSR_TIME) > end)
			return false;
		cpu_relax();
	}
	*r = v->told;
	return true;
}

bool vcpu_ask_regime(struct vcpu *v, struct regime *r)
{
	const struct hart *h = atomic_load(&v->hart);

	if (__atomic_load_n(&h->vcpu, __ATOMIC_SEQ_CST) != v)
		*r = v->backend->saved_regime(v);
	else if (h == this_hart())
		*r = vcpu_regime(v);
	else
		return ask(v, h, r);
	return true;
}

/* The list is taken whole, so that what was taken can't come back while somebody pushes. */
void vcpu_wake(struct vcpu *v)
{
	struct hart *h = atomic_load(&v->hart);
	struct sbi_harts target = { 1, h->id };

	if (atomic_exchange(&v->is_woken, 1))
		return;
	v->woken_next = __atomic_load_n(&h->woken, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&h->woken, &v->woken_next, v, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
	if (h != this_hart())
		sbi_send_ipi(target);
	else if (h->vcpu)
		atomic_fetch_or(&h->vcpu->requests, VCPU_REQ_SCHED);
}

struct vcpu *vcpu_take_woken(struct hart *h)
{
	return __atomic_exchange_n(&h->woken, NULL, __ATOMIC_SEQ_CST);
}

/*
 * Either @v is seen to be loaded, and then its hart reads the request before it enters the guest or
 * after it has unloaded it; or it isn't, and then whoever unloaded it may not have seen the
 * request.
 */
void vcpu_kick(struct vcpu *v, uint32_t bits)
{
	uint32_t before = atomic_fetch_or(&v->requests, bits);
	struct hart *h = atomic_load(&v->hart);
	struct sbi_harts target = { 1, h->id };

	/* Whoever set the first bit has told a hart that is still to answer. */
	if (before & ~(uint32_t)VCPU_REQ_SCHED)
		return;
	if (__atomic_load_n(&h->vcpu, __ATOMIC_SEQ_CST) != v)
		vcpu_wake(v);
	else if (h != this_hart())
		sbi_send_ipi(target);
}
