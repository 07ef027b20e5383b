/*
 * A guest hart's life: reset, onto a host hart and off it, exceptions. See vcpu.h.
 *
 * Invariant: exactly one hart at a time has a vcpu loaded, the one it is pinned to.
 * Next to read: hyp/trap/entry.S, how the guest is entered.
 */
#include "hyp/vcpu/vcpu.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/check.h"
#include "hyp/lib/string.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/timer.h"
#include "sbi/call/call.h"

/*
 * What the guest handles by itself. Access faults are among it: those it gets from hardware are its
 * own, since holes of its memory come as guest page faults.
 */
#define DELEGATED                                                                                  \
	(IRQ_BIT(CAUSE_FETCH_MISALIGNED) | IRQ_BIT(CAUSE_FETCH_ACCESS) | IRQ_BIT(CAUSE_ILLEGAL) |  \
	 IRQ_BIT(CAUSE_BREAKPOINT) | IRQ_BIT(CAUSE_LOAD_MISALIGNED) | IRQ_BIT(CAUSE_LOAD_ACCESS) | \
	 IRQ_BIT(CAUSE_STORE_MISALIGNED) | IRQ_BIT(CAUSE_STORE_ACCESS) | IRQ_BIT(CAUSE_ECALL_U) |  \
	 IRQ_BIT(CAUSE_FETCH_PAGE) | IRQ_BIT(CAUSE_LOAD_PAGE) | IRQ_BIT(CAUSE_STORE_PAGE))

void vcpu_reset_csrs(struct vcpu *v)
{
	v->csr = (struct vcpu_csrs){
		.sstatus = SSTATUS_UXL_64,
		.scounteren = COUNTEREN_CY | COUNTEREN_TM | COUNTEREN_IR,
		.stimecmp = TIMER_NEVER,
	};
	v->timer = TIMER_NEVER;
}

/* .parked last: from then on its hart may start it. */
void vcpu_reset(struct vcpu *v)
{
	memset(&v->frame, 0, sizeof(v->frame));
	vcpu_reset_csrs(v);
	fp_reset(v);
	v->irq_software = 0;
	v->irq_external = 0;
	v->requests = 0;
	v->state = VCPU_STOPPED;
	v->parked = 0;
}

/* The hypervisor's registers that decide what the guest may do by itself. */
static void load_controls(const struct isa *isa)
{
	csr_write(CSR_HEDELEG, DELEGATED);
	csr_write(CSR_HIDELEG, HIDELEG_VS);
	csr_write(CSR_HCOUNTEREN, isa->hcounteren);
	csr_write(CSR_HENVCFG, isa->henvcfg);
	if (isa->host_has_stateen)
		csr_write(CSR_HSTATEEN0, isa->hstateen0);
	csr_write(CSR_HTIMEDELTA, 0);
	csr_write(CSR_HGEIE, 0);
	csr_write(CSR_HSTATUS, HSTATUS_VSXL_64 | HSTATUS_SPV | HSTATUS_SPVP);
	/* They would widen what HLVX, and a guest's loads, may read. */
	csr_clear(CSR_SSTATUS, SSTATUS_SUM | SSTATUS_MXR);
}

void vcpu_load(struct vcpu *v)
{
	struct hart *h = this_hart();

	CHECK(!h->vcpu && v->hart == h);
	load_controls(v->isa);
	gstage_enter(v->gstage, h->index, &h->vmid_flushed);
	vcpu_csrs_load(&v->csr, v->isa);
	fp_load(v);
	timer_load(v);
	v->frame.host_sp = (uint64_t)(uintptr_t)h->stack_top;
	v->frame.host_tp = (uint64_t)(uintptr_t)h;
	h->vcpu = v;
}

void vcpu_unload(void)
{
	struct vcpu *v = this_hart()->vcpu;

	fp_save(v);
	vcpu_csrs_save(&v->csr, v->isa);
	timer_unload();
	/* No interrupt of the guest's may wake this hart now. */
	csr_write(CSR_VSIE, 0);
	csr_write(CSR_HVIP, 0);
	csr_write(CSR_HGATP, 0);
	this_hart()->vcpu = NULL;
}

void vcpu_begin(struct vcpu *v, struct vcpu_start s)
{
	memset(v->frame.x, 0, sizeof(v->frame.x));
	v->frame.pc = s.pc;
	v->frame.x[X_A0] = s.a0;
	v->frame.x[X_A1] = s.a1;
	csr_write(CSR_VSATP, 0);
	csr_clear(CSR_VSSTATUS, SSTATUS_SIE);
	csr_set(CSR_SSTATUS, SSTATUS_SPP | SSTATUS_SPIE);
	csr_set(CSR_HSTATUS, HSTATUS_SPV | HSTATUS_SPVP);
	hfence_vvma_all();
	fence_i();
}

/* SPVP still holds the privilege the guest was in: "Hypervisor Status Register". */
static bool was_supervisor(void)
{
	return (csr_read(CSR_HSTATUS) & HSTATUS_SPVP) != 0;
}

void vcpu_inject(struct vcpu *v, enum cause cause, uint64_t tval)
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
	csr_set(CSR_SSTATUS, SSTATUS_SPP);
	csr_set(CSR_HSTATUS, HSTATUS_SPVP);
}

struct regime vcpu_regime(const struct vcpu *v)
{
	uint64_t sstatus = csr_read(CSR_VSSTATUS);

	return (struct regime){
		.atp = csr_read(CSR_VSATP),
		.user = !was_supervisor(),
		.sum = (sstatus & SSTATUS_SUM) != 0,
		.mxr = (sstatus & SSTATUS_MXR) != 0,
		.adue = v->isa->adue,
		.napot = v->isa->has_svnapot,
		.pbmt = v->isa->has_svpbmt,
	};
}

void vcpu_kick(struct vcpu *v, uint32_t bits)
{
	uint32_t before = atomic_fetch_or(&v->requests, bits);
	struct sbi_harts target = { 1, v->hart->id };

	/* Whoever set the first bit has sent an IPI that is still to be answered. */
	if (!before && v->hart != this_hart())
		sbi_send_ipi(target);
}
