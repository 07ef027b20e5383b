/*
 * SRST: the end of the VM, or its beginning anew. "System Reset Extension".
 */
#include "hyp/lib/exit.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

/* Vendor- and platform-specific types and reasons, and all reserved ones, don't exist here. */
struct sbi_ret serve_srst(struct vcpu *v, uint64_t fid)
{
	uint32_t type = (uint32_t)sbi_arg(v, 0), reason = (uint32_t)sbi_arg(v, 1);

	if (fid != SBI_SRST_SYSTEM_RESET)
		return sbi_fail(SBI_ERR_NOT_SUPPORTED);
	if (type > SBI_SRST_WARM_REBOOT || reason > SBI_SRST_REASON_FAILURE)
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	if (type == SBI_SRST_SHUTDOWN && reason == SBI_SRST_REASON_NONE)
		vm_end(v->vm, VM_SHUTDOWN, EXIT_OK);
	else if (type == SBI_SRST_SHUTDOWN)
		vm_end(v->vm, VM_FAILED, EXIT_GUEST_FAILED);
	else
		vm_end(v->vm, VM_RESET, EXIT_OK);
	return sbi_ok(0);
}
