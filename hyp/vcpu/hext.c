/*
 * Guests in VS-mode, by the H-extension: their CSRs are the hart's VS registers, and most of what
 * they do never leads here. See backend.h.
 *
 * Invariant: hvip is written by the vcpu's own hart alone.
 */
#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vcpu/vcpu.h"

/*
 * What the guest handles by itself. Access faults are among it: those it gets from hardware are its
 * own, since holes of its memory come as guest page faults.
 */
#define DELEGATED                                                                                  \
	(IRQ_BIT(CAUSE_FETCH_MISALIGNED) | IRQ_BIT(CAUSE_FETCH_ACCESS) | IRQ_BIT(CAUSE_ILLEGAL) |  \
	 IRQ_BIT(CAUSE_BREAKPOINT) | IRQ_BIT(CAUSE_LOAD_MISALIGNED) | IRQ_BIT(CAUSE_LOAD_ACCESS) | \
	 IRQ_BIT(CAUSE_STORE_MISALIGNED) | IRQ_BIT(CAUSE_STORE_ACCESS) | IRQ_BIT(CAUSE_ECALL_U) |  \
	 PAGE_FAULTS)
#define PAGE_FAULTS                                                                                \
	(IRQ_BIT(CAUSE_FETCH_PAGE) | IRQ_BIT(CAUSE_LOAD_PAGE) | IRQ_BIT(CAUSE_STORE_PAGE))

static void hext_reset_csrs(struct vcpu *v)
{
	v->csr = (struct vcpu_csrs){
		.sstatus = SSTATUS_UXL_64,
		.scounteren = COUNTEREN_CY | COUNTEREN_TM | COUNTEREN_IR,
		.stimecmp = TIMER_NEVER,
	};
	v->timer = TIMER_NEVER;
}

/* SPVP still holds the privilege the guest was in: "Hypervisor Status Register". */
static bool was_supervisor(void)
{
	return (csr_read(CSR_HSTATUS) & HSTATUS_SPVP) != 0;
}

/* The privilege that sret leads to. */
static void set_privilege(bool user)
{
	if (user) {
		csr_clear(CSR_SSTATUS, SSTATUS_SPP);
		csr_clear(CSR_HSTATUS, HSTATUS_SPVP);
	} else {
		csr_set(CSR_SSTATUS, SSTATUS_SPP);
		csr_set(CSR_HSTATUS, HSTATUS_SPVP);
	}
}

/* The hypervisor's registers that decide what the guest may do by itself. */
static void load_controls(const struct isa *isa)
{
	csr_write(CSR_HIDELEG, HIDELEG_VS);
	csr_write(CSR_HCOUNTEREN, isa->hcounteren);
	csr_write(CSR_HENVCFG, isa->henvcfg);
	if (isa->host_has_stateen)
		csr_write(CSR_HSTATEEN0, isa->hstateen0);
	csr_write(CSR_HTIMEDELTA, 0);
	csr_write(CSR_HGEIE, 0);
	/* VTW: a guest that waits leaves its hart to others, and is seen to be idle. */
	csr_write(CSR_HSTATUS, HSTATUS_VSXL_64 | HSTATUS_SPV | HSTATUS_VTW);
	/* They would widen what HLVX, and a guest's loads, may read. */
	csr_clear(CSR_SSTATUS, SSTATUS_SUM | SSTATUS_MXR);
	csr_set(CSR_SSTATUS, SSTATUS_SPIE);
}

/*
 * Fences, writes of satp and page faults are the guest's own affair, unless somebody wants to see
 * them: then they trap, and are carried out for it (hext_insn.c, hyp/trap/run.c).
 */
static void hext_watch(const struct vcpu *v)
{
	bool faults = trace_wants(TRACE_FAULT) || trace_wants(TRACE_INJECT);

	(void)v;
	csr_write(CSR_HEDELEG, faults ? DELEGATED & ~PAGE_FAULTS : DELEGATED);
	if (trace_wants(TRACE_FENCE) || trace_wants(TRACE_SATP))
		csr_set(CSR_HSTATUS, HSTATUS_VTVM);
	else
		csr_clear(CSR_HSTATUS, HSTATUS_VTVM);
}

/*
 * The timer, by what the guest has: with Sstc vstimecmp raises VSTIP by itself; without, the host's
 * timer interrupts the hypervisor, and hvip.VSTIP is set.
 */
static void hext_timer_set(struct vcpu *v, uint64_t when)
{
	if (v->isa->has_sstc) {
		csr_write(CSR_VSTIMECMP, when);
		return;
	}
	v->timer = when;
	csr_clear(CSR_HVIP, IRQ_BIT(IRQ_VSTI));
	timer_host_set(TIMER_GUEST, when);
}

static void hext_timer_fired(struct vcpu *v)
{
	v->timer = TIMER_NEVER;
	csr_set(CSR_HVIP, IRQ_BIT(IRQ_VSTI));
}

/* When an interrupt of the timer will end its wait; it isn't loaded. */
static uint64_t hext_deadline(const struct vcpu *v)
{
	if (!(v->csr.sie & IRQ_BIT(IRQ_STI)))
		return TIMER_NEVER;
	return v->isa->has_sstc ? v->csr.stimecmp : v->timer;
}

/* What came while it was away pends at once: nobody looks at the host's timer before the vcpu is
 * entered or has left again. */
static void load_timer(struct vcpu *v)
{
	if (v->timer <= csr_read(CSR_TIME))
		hext_timer_fired(v);
	timer_host_set(TIMER_GUEST, v->timer);
}

static void hext_load(struct vcpu *v)
{
	struct hart *h = this_hart();

	load_controls(v->isa);
	vcpu_watch(v);
	set_privilege(v->csr.user);
	gstage_enter(v->gstage, h->index, &h->vmid_flushed);
	vcpu_csrs_load(&v->csr, v->isa);
	fp_load(v);
	load_timer(v);
}

static void hext_unload(struct vcpu *v)
{
	fp_save(v);
	v->csr.user = !was_supervisor();
	vcpu_csrs_save(&v->csr, v->isa);
	if (v->isa->has_sstc)
		csr_write(CSR_VSTIMECMP, TIMER_NEVER);
	timer_host_set(TIMER_GUEST, TIMER_NEVER);
	/* No interrupt of the guest's may wake this hart now. */
	csr_write(CSR_VSIE, 0);
	csr_write(CSR_HVIP, 0);
	csr_write(CSR_VSATP, 0); /* or it might be walked ahead under the next one's hgatp */
	csr_write(CSR_HGATP, 0);
	/* What is loaded next may live in U-mode: its sret must not lead to VU. */
	csr_clear(CSR_HSTATUS, HSTATUS_SPV);
}

/* Everything is in the hardware already. */
static void hext_prepare(struct vcpu *v)
{
	(void)v;
}

static void hext_begin(struct vcpu *v)
{
	(void)v;
	csr_write(CSR_VSATP, 0);
	csr_clear(CSR_VSSTATUS, SSTATUS_SIE);
	set_privilege(false);
	hfence_vvma_all();
}

static void hext_inject(struct vcpu *v, enum cause cause, uint64_t tval)
{
	uint64_t sstatus = csr_read(CSR_VSSTATUS);
	uint64_t after = sstatus & ~(SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE);

	if (was_supervisor())
		after |= SSTATUS_SPP;
	if (sstatus & SSTATUS_SIE)
		after |= SSTATUS_SPIE;
	csr_write(CSR_VSSTATUS, after);
	csr_write(CSR_VSEPC, v->frame.pc);
	csr_write(CSR_VSCAUSE, cause);
	csr_write(CSR_VSTVAL, tval);
	v->frame.pc = align_down(csr_read(CSR_VSTVEC), 4);
	set_privilege(false);
}

static struct regime regime_of(const struct vcpu *v, uint64_t sstatus, uint64_t satp, bool user)
{
	return (struct regime){
		.atp = satp,
		.user = user,
		.sum = (sstatus & SSTATUS_SUM) != 0,
		.mxr = (sstatus & SSTATUS_MXR) != 0,
		.adue = v->isa->adue,
		.napot = v->isa->host_has_svnapot,
		.pbmt = v->isa->has_svpbmt,
	};
}

static struct regime hext_regime(const struct vcpu *v)
{
	return regime_of(v, csr_read(CSR_VSSTATUS), csr_read(CSR_VSATP), !was_supervisor());
}

static struct regime hext_saved_regime(const struct vcpu *v)
{
	return regime_of(v, v->csr.sstatus, v->csr.satp, v->csr.user);
}

static void hext_float_is_dirty(struct vcpu *v)
{
	(void)v;
	csr_set(CSR_VSSTATUS, SSTATUS_FS);
}

static void hext_irq_sync(struct vcpu *v)
{
	if (atomic_exchange(&v->irq_software, 0))
		csr_set(CSR_HVIP, IRQ_BIT(IRQ_VSSI));
	if (atomic_load(&v->irq_external))
		csr_set(CSR_HVIP, IRQ_BIT(IRQ_VSEI));
	else
		csr_clear(CSR_HVIP, IRQ_BIT(IRQ_VSEI));
}

static bool hext_irq_is_pending(struct vcpu *v)
{
	(void)v;
	return (csr_read(CSR_HIP) & csr_read(CSR_HIE) & HIDELEG_VS) != 0;
}

static bool hext_irq_clear_software(struct vcpu *v)
{
	bool pending = (csr_read(CSR_HVIP) & IRQ_BIT(IRQ_VSSI)) != 0;

	(void)v;
	csr_clear(CSR_HVIP, IRQ_BIT(IRQ_VSSI));
	return pending;
}

/* The hart has room for all of it. */
static enum err hext_init(struct vcpu *v, struct frame_pool *pool)
{
	(void)v;
	(void)pool;
	return OK;
}

const struct backend backend_hext = {
	.name = "hext",
	.kind = KIND_HEXT,
	.entry = trap_entry,
	.init = hext_init,
	.reset_csrs = hext_reset_csrs,
	.load = hext_load,
	.unload = hext_unload,
	.watch = hext_watch,
	.begin = hext_begin,
	.prepare = hext_prepare,
	.inject = hext_inject,
	.regime = hext_regime,
	.saved_regime = hext_saved_regime,
	.float_is_dirty = hext_float_is_dirty,
	.irq_sync = hext_irq_sync,
	.irq_is_pending = hext_irq_is_pending,
	.irq_clear_software = hext_irq_clear_software,
	.timer_set = hext_timer_set,
	.timer_fired = hext_timer_fired,
	.deadline = hext_deadline,
};
