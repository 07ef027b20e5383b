/*
 * Guest page faults: ask hyp/mmu/ what the fault comes to, then do it. See hyp/mmu/mmu.h.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/log.h"
#include "hyp/vm/vm.h"

static enum access access_of(uint64_t cause)
{
	if (cause == CAUSE_FETCH_GUEST_PAGE)
		return ACCESS_FETCH;
	return cause == CAUSE_LOAD_GUEST_PAGE ? ACCESS_LOAD : ACCESS_STORE;
}

static COLD enum outcome no_memory(const struct vcpu *v)
{
	log_error("%s: stopped: the host has no memory left for it; give the machine more",
		  v->vm->config.name);
	return OUTCOME_STOP_VM;
}

enum outcome outcome_of(struct vcpu *v, enum mmu_what what)
{
	if (what == MMU_EMULATE)
		return emulate_access(v);
	if (what == MMU_NOMEM)
		return no_memory(v);
	return what == MMU_INJECT ? OUTCOME_INJECT : OUTCOME_RESUME;
}

enum outcome trap_guest_page_fault(struct vcpu *v)
{
	v->fault.at = gva(csr_read(CSR_STVAL));
	v->fault.access = access_of(csr_read(CSR_SCAUSE));
	v->fault.htval = csr_read(CSR_HTVAL);
	v->fault.htinst = csr_read(CSR_HTINST);
	return outcome_of(v, v->mmu->fault(v));
}
