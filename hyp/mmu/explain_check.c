/*
 * An explanation against the hardware. See explain_check().
 *
 * Invariant: this hart's registers of a guest are as before when it returns, whoever is loaded
 * here; and it remembers no translation made meanwhile, since the VMID may be anybody's. It isn't
 * among those that are fenced when memory is taken back, so gs->lock is held while there are any: a
 * walk may still set A in a page that it has found.
 */
#include "hyp/mmu/explain.h"

#include "hyp/arch/cpu.h"
#include "hyp/mm/phys.h"

/* What HLV goes by, and what its trap changes. */
struct controls {
	uint64_t sstatus, hstatus, hgatp, henvcfg, vsatp, vsstatus;
};

static struct controls save(void)
{
	return (struct controls){
		.sstatus = csr_read(CSR_SSTATUS),
		.hstatus = csr_read(CSR_HSTATUS),
		.hgatp = csr_read(CSR_HGATP),
		.henvcfg = csr_read(CSR_HENVCFG),
		.vsatp = csr_read(CSR_VSATP),
		.vsstatus = csr_read(CSR_VSSTATUS),
	};
}

static void set(const struct controls *c)
{
	csr_write(CSR_VSATP, 0); /* no walk by one's table under another's */
	csr_write(CSR_SSTATUS, c->sstatus);
	csr_write(CSR_HSTATUS, c->hstatus);
	csr_write(CSR_HENVCFG, c->henvcfg);
	csr_write(CSR_VSSTATUS, c->vsstatus);
	csr_write(CSR_HGATP, c->hgatp);
	csr_write(CSR_VSATP, c->vsatp);
	hfence_gvma_all();
	hfence_vvma_all();
}

/* sstatus.SUM and MXR would widen what HLV may read. */
static struct controls controls_of(const struct vcpu *v, const struct regime *r,
				   const struct controls *now)
{
	struct controls c = {
		.sstatus = now->sstatus & ~(SSTATUS_SUM | SSTATUS_MXR),
		.hstatus = (now->hstatus & ~HSTATUS_SPVP) | HSTATUS_VSXL_64,
		.hgatp = gstage_hgatp(v->gstage),
		.henvcfg = v->isa->henvcfg,
		.vsatp = r->atp,
		.vsstatus = SSTATUS_UXL_64,
	};

	if (!r->user)
		c.hstatus |= HSTATUS_SPVP;
	if (r->sum)
		c.vsstatus |= SSTATUS_SUM;
	if (r->mxr)
		c.vsstatus |= SSTATUS_MXR;
	return c;
}

/* HLVX reads 16 bits. */
static uint64_t value_at(hpa_t at, enum access want)
{
	const volatile void *p = phys_pointer(at);

	return want == ACCESS_FETCH ? *(const volatile uint16_t *)p : *(const volatile uint8_t *)p;
}

static struct guest_fetch access(gva_t at, enum access want)
{
	return want == ACCESS_FETCH ? guest_fetch_half(at) : guest_load_byte(at);
}

static struct guest_fetch access_as(struct vcpu *v, const struct regime *r, gva_t at,
				    enum access want)
{
	struct controls before = save(), during = controls_of(v, r, &before);
	struct guest_fetch got;

	lock_take(&v->gstage->lock);
	set(&during);
	got = access(at, want);
	set(&before);
	lock_release(&v->gstage->lock);
	return got;
}

/* Hardware would set A, or may where it mustn't: the explanation ends at the guest's leaf. */
static bool needs_accessed(const struct explanation *e)
{
	const struct explain_ref *last = e->n ? &e->ref[e->n - 1] : NULL;

	if (e->why == EXPLAIN_TABLE_OUTSIDE)
		return last && last->stage == EXPLAIN_VS && pte_is_leaf(last->pte);
	return e->sets_accessed || e->why == EXPLAIN_G_NO_UPDATE;
}

static bool is_checkable(const struct vcpu *v, gva_t at, enum access want,
			 const struct explanation *e)
{
	if (v->backend->kind != KIND_HEXT || want == ACCESS_STORE || needs_accessed(e))
		return false;
	return want != ACCESS_FETCH || !(at.v & 1);
}

enum explain_check explain_check(struct vcpu *v, const struct regime *r, gva_t at, enum access want,
				 const struct explanation *e)
{
	struct guest_fetch got;
	uint64_t was;

	if (!is_checkable(v, at, want, e))
		return EXPLAIN_UNCHECKED;
	was = e->why == EXPLAIN_WORKS ? value_at(e->hpa, want) : 0;
	got = access_as(v, r, at, want);
	if (e->why != EXPLAIN_WORKS)
		return got.failed ? EXPLAIN_AGREES : EXPLAIN_DISAGREES;
	if (got.failed)
		return EXPLAIN_DISAGREES;
	return got.value == was || got.value == value_at(e->hpa, want) ? EXPLAIN_AGREES
								       : EXPLAIN_DISAGREES;
}
