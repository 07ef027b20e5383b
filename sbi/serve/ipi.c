/*
 * IPI: software interrupts to harts. "IPI Extension".
 */
#include "hyp/vcpu/irq.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

/* A stopped hart takes none: it begins with no interrupt pending. */
void serve_ipi_to(struct vcpu *v, uint64_t set)
{
	for (unsigned i = 0; set; i++, set >>= 1)
		if ((set & 1) && v->vm->vcpus[i]->state != VCPU_STOPPED)
			irq_raise_software(v->vm->vcpus[i]);
}

struct sbi_ret serve_ipi(struct vcpu *v, uint64_t fid)
{
	uint64_t set;

	if (fid != SBI_IPI_SEND_IPI)
		return sbi_fail(SBI_ERR_NOT_SUPPORTED);
	if (!sbi_targets(v, sbi_arg(v, 0), sbi_arg(v, 1), &set))
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	serve_ipi_to(v, set);
	return sbi_ok(0);
}
