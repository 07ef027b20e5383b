/*
 * hgatp, and the fences a change of the table needs.
 *
 * A leaf that comes where nothing was is not fenced: a hart that cached "nothing there" takes one
 * more fault, finds the table right and fences then (gstage_fence_local). A leaf that replaces
 * another is fenced everywhere the VM runs, before the replaced memory can be used otherwise.
 *
 * Source: privileged specification, "Memory-Management Fences" of the H extension.
 */
#include "hyp/g-stage/gstage.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "sbi/call/call.h"

static bool mode_works[GSTAGE_MODES] = { true, true, true };

void gstage_probe(void)
{
	for (unsigned i = 0; i < GSTAGE_MODES; i++) {
		uint64_t try = (uint64_t)gstage_modes[i].atp_mode << ATP_MODE_SHIFT;

		csr_write(CSR_HGATP, try);
		mode_works[i] = csr_read(CSR_HGATP) == try;
	}
	csr_write(CSR_HGATP, (uint64_t)ATP_MODE_SV39 << ATP_MODE_SHIFT |
				     (uint64_t)HGATP_VMID_MASK << HGATP_VMID_SHIFT);
	vmid_init((csr_read(CSR_HGATP) >> HGATP_VMID_SHIFT & HGATP_VMID_MASK) + 1);
	csr_write(CSR_HGATP, 0);
	hfence_gvma_all();
}

bool gstage_mode_works(const struct pt_mode *m)
{
	return mode_works[m - gstage_modes];
}

const struct pt_mode *gstage_mode_for(gpa_t end)
{
	for (unsigned i = 0; i < GSTAGE_MODES; i++)
		if (mode_works[i] && end.v <= UINT64_C(1) << pt_address_bits(&gstage_modes[i]))
			return &gstage_modes[i];
	return NULL;
}

uint64_t gstage_hgatp(const struct gstage *gs)
{
	return (uint64_t)gs->mode->atp_mode << ATP_MODE_SHIFT | gs->vmid.id << HGATP_VMID_SHIFT |
	       gs->root.v >> PAGE_SHIFT;
}

/*
 * The VS-stage fence comes with every entry of another vcpu, not only with a new VMID: two vcpus
 * of one VM may use one ASID for different tables.
 */
void gstage_enter(struct gstage *gs, unsigned hart, uint64_t *flushed)
{
	bool flush = vmid_validate(&gs->vmid, flushed);

	atomic_fetch_or(&gs->harts, UINT64_C(1) << hart);
	csr_write(CSR_HGATP, gstage_hgatp(gs));
	if (flush)
		hfence_gvma_all();
	hfence_vvma_all();
}

void gstage_fence_local(gpa_t at)
{
	hfence_gvma_page(at, csr_read(CSR_HGATP) >> HGATP_VMID_SHIFT & HGATP_VMID_MASK);
}

/*
 * Returns when no hart holds a translation of [@at, @at + @bytes) older than the table's stores
 * before this call, nor stale instructions from the memory that stood there.
 *
 * Every VMID is fenced: a hart may still run this VM under the VMID of an earlier generation.
 */
static void fence(struct gstage *gs, gpa_t at, uint64_t bytes)
{
	uint64_t others = gstage_other_harts(gs);
	struct sbi_harts one;

	hfence_gvma_all();
	fence_i();
	while (host_next_hart(&others, &one)) {
		sbi_remote_hfence_gvma(one, at.v, bytes);
		sbi_remote_fence_i(one);
	}
}

static void flush(struct gstage *gs)
{
	fence(gs, gpa(0), UINT64_MAX);
}

const struct gstage_fencing gstage_by_hgatp = { .fence = fence, .flush = flush };
