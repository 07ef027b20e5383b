/*
 * The host's timer: stimecmp where the hart has Sstc, else the firmware's. See timer.h.
 */
#include "hyp/vcpu/timer.h"

#include "hyp/arch/cpu.h"
#include "sbi/call/call.h"

void timer_host_set(const struct isa *isa, uint64_t when)
{
	if (isa->host_has_sstc)
		csr_write(CSR_STIMECMP, when);
	else
		sbi_set_timer(when);
}
