/*
 * Guests in U-mode: traps and interrupts of a hart that is made of memory. See depriv.h.
 *
 * Invariant: .user and the state page are the truth; satp, sstatus.FS and .VS, scounteren and
 * senvcfg of the real hart are derived from them, in depriv_prepare(), whenever .stale says that
 * they may differ.
 *
 * Source: privileged specification, "Supervisor-Level ISA".
 */
#include "hyp/vcpu/depriv.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/phys.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vcpu/vcpu.h"

#define UNITS (SSTATUS_FS | SSTATUS_VS)
#define IRQS  (IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_STI) | IRQ_BIT(IRQ_SEI))
/* What of senvcfg the ISA gives and takes, at the places it has in henvcfg. */
#define ENVCFG_CBO (SENVCFG_CBIE | HENVCFG_CBCFE | HENVCFG_CBZE)

_Static_assert(sizeof(struct state_page) <= PAGE_SIZE - STATE_PAGE_OFFSET, "half a page");

static enum err depriv_init(struct vcpu *v, struct frame_pool *pool)
{
	hpa_t page, sites;
	enum err e;

	if ((e = frame_alloc(pool, &page)) ||
	    (e = frame_alloc_run(pool, DEPRIV_SITES_BYTES / PAGE_SIZE, &sites)))
		return e;
	v->depriv.state = (struct state_page *)((char *)phys_pointer(page) + STATE_PAGE_OFFSET);
	v->view.state_page = page;
	depriv_site_init(v, phys_pointer(sites));
	return OK;
}

/* Those of FS and VS that the guest has. */
static uint64_t own_units(const struct isa *isa)
{
	return (isa->has_f ? SSTATUS_FS : 0) | (isa->has_v ? SSTATUS_VS : 0);
}

static void depriv_reset_csrs(struct vcpu *v)
{
	*v->depriv.state = (struct state_page){
		.sstatus = SSTATUS_UXL_64,
		.scounteren = COUNTEREN_CY | COUNTEREN_TM | COUNTEREN_IR,
		.stimecmp = TIMER_NEVER,
	};
	v->depriv.user = false;
	v->depriv.own_units = own_units(v->isa);
}

void depriv_set_user(struct vcpu *v, bool user)
{
	if (v->depriv.user != user)
		v->depriv.stale = v->depriv.units_stale = true;
	v->depriv.user = user;
}

/* SD says that FS or VS is dirty, or that both are. */
static uint64_t with_sd(uint64_t sstatus)
{
	bool dirty = (sstatus & SSTATUS_FS) == SSTATUS_FS || (sstatus & SSTATUS_VS) == SSTATUS_VS;

	return dirty ? sstatus | SSTATUS_SD : sstatus & ~SSTATUS_SD;
}

void depriv_write_sstatus(struct vcpu *v, uint64_t value)
{
	struct state_page *s = v->depriv.state;
	uint64_t legal = SSTATUS_SIE | SSTATUS_SPIE | SSTATUS_SPP | SSTATUS_SUM | SSTATUS_MXR |
			 v->depriv.own_units;
	uint64_t after = (s->sstatus & ~legal) | (value & legal);
	uint64_t changed = s->sstatus ^ after;

	if (changed & UNITS) {
		after = with_sd(after);
		v->depriv.units_stale = true;
	}
	if (changed & (SSTATUS_SUM | SSTATUS_MXR))
		v->depriv.stale = true;
	s->sstatus = after;
}

/* A trap to @pc, in S-mode. */
static void take_trap(struct vcpu *v, uint64_t cause, uint64_t tval, uint64_t pc)
{
	struct state_page *s = v->depriv.state;
	uint64_t after = s->sstatus & ~(SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE);

	if (!v->depriv.user)
		after |= SSTATUS_SPP;
	if (s->sstatus & SSTATUS_SIE)
		after |= SSTATUS_SPIE;
	s->sstatus = after;
	s->sepc = v->frame.pc;
	s->scause = cause;
	s->stval = tval;
	v->frame.pc = pc;
	depriv_set_user(v, false);
}

void depriv_inject(struct vcpu *v, enum cause cause, uint64_t tval)
{
	take_trap(v, cause, tval, align_down(v->depriv.state->stvec, 4));
}

/* Vectored mode: "BASE+4*cause". */
static void take_interrupt(struct vcpu *v, unsigned number)
{
	uint64_t stvec = v->depriv.state->stvec;

	take_trap(v, CAUSE_INTERRUPT | number, 0,
		  align_down(stvec, 4) + (stvec & STVEC_VECTORED ? UINT64_C(4) * number : 0));
}

/* Apart from its caller, which needs no stack then. */
static COLD void take_interrupt_told(struct vcpu *v, unsigned number)
{
	const struct trace_value values[] = { { TRACE_CAUSE, EXIT_ROW(number, 1) },
					      { TRACE_PC, v->frame.pc } };

	trace_add(TRACE_INJECT, TRACE_NO_WHY, values, 2);
	take_interrupt(v, number);
}

/* "SEI, SSI, STI": in this order, where several are pending. */
static COLD void deliver(struct vcpu *v, uint64_t pending)
{
	static const uint8_t by_priority[] = { IRQ_SEI, IRQ_SSI, IRQ_STI };
	unsigned i = 0;

	while (!(pending & IRQ_BIT(by_priority[i])))
		i++;
	if (trace_wants(TRACE_INJECT))
		take_interrupt_told(v, by_priority[i]);
	else
		take_interrupt(v, by_priority[i]);
}

void depriv_sret(struct vcpu *v)
{
	struct state_page *s = v->depriv.state;
	uint64_t before = s->sstatus, after = before & ~(SSTATUS_SPP | SSTATUS_SIE);

	if (before & SSTATUS_SPIE)
		after |= SSTATUS_SIE;
	s->sstatus = after | SSTATUS_SPIE;
	v->frame.pc = s->sepc;
	depriv_set_user(v, !(before & SSTATUS_SPP));
	shadow_foresee(v->shadow, &v->view, gva(s->sepc));
}

static struct regime depriv_regime(const struct vcpu *v)
{
	const struct state_page *s = v->depriv.state;

	return (struct regime){
		.atp = shadow_mode_works(s->satp >> ATP_MODE_SHIFT) ? s->satp : 0,
		.user = v->depriv.user,
		.sum = (s->sstatus & SSTATUS_SUM) != 0,
		.mxr = (s->sstatus & SSTATUS_MXR) != 0,
		.adue = v->isa->adue,
		.napot = v->isa->has_svnapot,
		.pbmt = v->isa->has_svpbmt,
	};
}

uint64_t depriv_sip(struct vcpu *v)
{
	struct state_page *s = v->depriv.state;

	if (s->stimecmp <= csr_read(CSR_TIME))
		s->sip |= IRQ_BIT(IRQ_STI);
	return s->sip;
}

/* What has come already needs no timer. */
static void depriv_timer_set(struct vcpu *v, uint64_t when)
{
	struct state_page *s = v->depriv.state;

	s->stimecmp = when;
	s->sip &= ~IRQ_BIT(IRQ_STI);
	timer_host_set(TIMER_GUEST, depriv_sip(v) & IRQ_BIT(IRQ_STI) ? TIMER_NEVER : when);
}

static void depriv_timer_fired(struct vcpu *v)
{
	v->depriv.state->sip |= IRQ_BIT(IRQ_STI);
}

static uint64_t depriv_deadline(const struct vcpu *v)
{
	const struct state_page *s = v->depriv.state;

	return s->sie & IRQ_BIT(IRQ_STI) ? s->stimecmp : TIMER_NEVER;
}

static void depriv_irq_sync(struct vcpu *v)
{
	struct state_page *s = v->depriv.state;

	if (atomic_exchange(&v->irq_software, 0))
		s->sip |= IRQ_BIT(IRQ_SSI);
	if (atomic_load(&v->irq_external))
		s->sip |= IRQ_BIT(IRQ_SEI);
	else
		s->sip &= ~IRQ_BIT(IRQ_SEI);
}

static bool depriv_irq_is_pending(struct vcpu *v)
{
	return (depriv_sip(v) & v->depriv.state->sie & IRQS) != 0;
}

static bool depriv_irq_clear_software(struct vcpu *v)
{
	struct state_page *s = v->depriv.state;
	bool pending = (s->sip & IRQ_BIT(IRQ_SSI)) != 0;

	s->sip &= ~IRQ_BIT(IRQ_SSI);
	return pending;
}

static void depriv_float_is_dirty(struct vcpu *v)
{
	depriv_write_sstatus(v, v->depriv.state->sstatus | SSTATUS_FS);
}

/* The state may be newer than its memory whatever FS and VS say: the guest sets them at will. */
static void save_units(struct vcpu *v)
{
	csr_set(CSR_SSTATUS, (v->isa->has_f ? SSTATUS_FS : 0) | (v->isa->has_v ? SSTATUS_VS : 0));
	fp_save(v);
}

/* SPP and SPIE: sret leads to U-mode, and there every interrupt is taken. */
static void depriv_load(struct vcpu *v)
{
	struct depriv *d = &v->depriv;

	atomic_fetch_or(&v->gstage->harts, UINT64_C(1) << this_hart()->index);
	d->windowed = shadow_has_windows();
	d->has_asids = shadow_has_asids();
	if (d->windowed)
		shadow_window_load(v, (uint64_t)(uintptr_t)trap_from_hypervisor);
	vcpu_watch(v);
	csr_clear(CSR_SSTATUS, SSTATUS_SUM | SSTATUS_MXR | SSTATUS_SPP);
	csr_set(CSR_SSTATUS, SSTATUS_SPIE);
	if (v->isa->host_has_stateen)
		csr_write(CSR_SSTATEEN0, 0);
	fp_load(v);
	d->units = csr_read(CSR_SSTATUS) & UNITS;
	d->counters = csr_read(CSR_SCOUNTEREN);
	d->envcfg = csr_read(CSR_SENVCFG);
	d->enables_stale = d->units_stale = true;
	d->regime = depriv_regime(v);
	d->regime_satp = d->state->satp;
	depriv_site_mode(v, vsstage_mode(d->regime.atp));
	v->fast.tag = FAST_NEVER;
	v->fast.seq = &v->shadow->code_seq;
	v->fast.lock = &v->gstage->lock.taken;
	v->fast.state = d->state;
	d->host_satp = csr_read(CSR_SATP);
	d->satp = d->host_satp;
	d->stale = true;
	depriv_timer_set(v, d->state->stimecmp);
}

static void depriv_unload(struct vcpu *v)
{
	save_units(v);
	timer_host_set(TIMER_GUEST, TIMER_NEVER);
	csr_write(CSR_SATP, v->depriv.host_satp);
	sfence_all();
	atomic_fetch_and(&v->gstage->harts, ~(UINT64_C(1) << this_hart()->index));
}

static void depriv_begin(struct vcpu *v)
{
	struct state_page *s = v->depriv.state;

	s->satp = 0;
	s->sstatus &= ~SSTATUS_SIE;
	v->depriv.user = false;
	v->depriv.stale = v->depriv.units_stale = true;
	sfence_all();
}

/* In U the hardware has kept the guest's own FS and VS; in S they tell nothing. */
void depriv_note_units(struct vcpu *v)
{
	struct depriv *d = &v->depriv;
	uint64_t units = csr_read(CSR_SSTATUS) & UNITS;

	if (units == d->units)
		return;
	d->units = units;
	d->state->sstatus = with_sd((d->state->sstatus & ~UNITS) | units);
}

static uint64_t if_dirty(uint64_t sstatus, uint64_t unit)
{
	return (sstatus & unit) == unit ? unit : 0;
}

/*
 * A kernel that reads its sstatus must see that its own use made FS or VS dirty, and it reads
 * memory. So they are off until then: the first use traps.
 */
static uint64_t wanted_units(const struct vcpu *v)
{
	uint64_t sstatus = v->depriv.state->sstatus & v->depriv.own_units;

	return v->depriv.user ? sstatus & UNITS
			      : if_dirty(sstatus, SSTATUS_FS) | if_dirty(sstatus, SSTATUS_VS);
}

/* CBO.INVAL writes back what it drops, as with H: it must undo nothing of ours. */
static uint64_t wanted_envcfg(const struct vcpu *v)
{
	uint64_t given = v->isa->henvcfg & ENVCFG_CBO, own = v->depriv.state->senvcfg;

	if (!v->depriv.user)
		return given;
	if (own & SENVCFG_CBIE)
		own = (own & ~SENVCFG_CBIE) | HENVCFG_CBIE;
	return own & (given | ~ENVCFG_CBO);
}

static uint64_t wanted_counters(const struct vcpu *v)
{
	uint64_t given = v->isa->hcounteren;

	return v->depriv.user ? given & v->depriv.state->scounteren : given;
}

static void set_units(struct depriv *d, uint64_t units)
{
	if (d->units == units)
		return;
	csr_clear(CSR_SSTATUS, UNITS & ~units);
	csr_set(CSR_SSTATUS, units);
	d->units = units;
}

/* Without ASIDs the hart holds what the other root said. With windows satp stays the host's. */
static void set_satp(struct vcpu *v, uint64_t satp)
{
	struct depriv *d = &v->depriv;

	if (d->satp == satp)
		return;
	if (d->windowed) {
		shadow_window_enter(&v->view, &d->regime);
		return;
	}
	csr_write(CSR_SATP, satp);
	if (!d->has_asids)
		sfence_all();
	d->satp = satp;
}

/* satp is validated when it changes only, and the rest of a regime never changes. */
static inline void update_regime(struct vcpu *v)
{
	struct depriv *d = &v->depriv;
	uint64_t sstatus = d->state->sstatus;

	if (d->regime_satp != d->state->satp) {
		d->regime = depriv_regime(v);
		d->regime_satp = d->state->satp;
		depriv_site_mode(v, vsstage_mode(d->regime.atp));
		return;
	}
	d->regime.user = d->user;
	d->regime.sum = (sstatus & SSTATUS_SUM) != 0;
	d->regime.mxr = (sstatus & SSTATUS_MXR) != 0;
}

static COLD void set_enables(struct vcpu *v)
{
	struct depriv *d = &v->depriv;

	d->counters = wanted_counters(v);
	d->envcfg = wanted_envcfg(v);
	csr_write(CSR_SCOUNTEREN, d->counters);
	csr_write(CSR_SENVCFG, d->envcfg);
	d->enables_stale = false;
	/* Where they say the same for both privileges, they needn't be looked at again. */
	d->user = !d->user;
	d->enables_differ = d->counters != wanted_counters(v) || d->envcfg != wanted_envcfg(v);
	d->user = !d->user;
	d->enables_user = d->user;
}

static void derive(struct vcpu *v)
{
	struct depriv *d = &v->depriv;
	uint64_t satp;

	d->stale = false;
	update_regime(v);
	satp = shadow_satp(v->shadow, &v->view, &d->regime);
	set_satp(v, satp);
	if (d->user)
		v->fast.tag = FAST_NEVER;
	else
		depriv_site_enter(v, satp);
	if (d->enables_stale || (d->enables_differ && d->enables_user != d->user))
		set_enables(v);
}

static void derive_units(struct vcpu *v)
{
	v->depriv.units_stale = false;
	set_units(&v->depriv, wanted_units(v));
}

void depriv_prepare(struct vcpu *v)
{
	const struct state_page *s = v->depriv.state;
	uint64_t pending = s->sip & s->sie & IRQS;

	if (pending && (v->depriv.user || (s->sstatus & SSTATUS_SIE)))
		deliver(v, pending);
	/* There may be a tag now: the guest's code may have been mapped. */
	if (v->depriv.stale || v->fast.tag == FAST_UNMAPPED)
		derive(v);
	if (v->depriv.units_stale)
		derive_units(v);
}

const struct backend backend_depriv = {
	.name = "depriv",
	.kind = KIND_DEPRIV,
	.entry = trap_entry_depriv,
	.init = depriv_init,
	.reset_csrs = depriv_reset_csrs,
	.load = depriv_load,
	.unload = depriv_unload,
	.begin = depriv_begin,
	.prepare = depriv_prepare,
	.inject = depriv_inject,
	.regime = depriv_regime,
	.saved_regime = depriv_regime,
	.float_is_dirty = depriv_float_is_dirty,
	.irq_sync = depriv_irq_sync,
	.irq_is_pending = depriv_irq_is_pending,
	.irq_clear_software = depriv_irq_clear_software,
	.timer_set = depriv_timer_set,
	.timer_fired = depriv_timer_fired,
	.deadline = depriv_deadline,
};
