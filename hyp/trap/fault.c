/*
 * Guest page faults: ask hyp/mmu/ what the fault comes to, then do it. See hyp/mmu/mmu.h.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/log.h"
#include "hyp/mmu/mmu.h"
#include "hyp/vm/vm.h"

static enum access access_of(uint64_t cause)
{
	if (cause == CAUSE_FETCH_GUEST_PAGE)
		return ACCESS_FETCH;
	return cause == CAUSE_LOAD_GUEST_PAGE ? ACCESS_LOAD : ACCESS_STORE;
}

static struct outcome no_memory(const struct vcpu *v)
{
	log_error("%s: stopped: the host has no memory left for it; give the machine more",
		  v->vm->config.name);
	return outcome_stop();
}

struct outcome trap_guest_page_fault(struct vcpu *v)
{
	struct fault f = { .at = gva(csr_read(CSR_STVAL)),
			   .access = access_of(csr_read(CSR_SCAUSE)),
			   .htval = csr_read(CSR_HTVAL),
			   .htinst = csr_read(CSR_HTINST) };
	struct mmu_answer a = two_stage_fault(v, &f);

	switch (a.what) {
	case MMU_RESUME:
		return outcome_resume();
	case MMU_INJECT:
		return outcome_inject(a.cause, a.tval);
	case MMU_EMULATE:
		return emulate_access(v, a.at, a.device, f.htinst, f.at.v);
	case MMU_NOMEM:
	default:
		return no_memory(v);
	}
}
