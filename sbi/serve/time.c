/*
 * TIME: the timer. "Timer Extension".
 */
#include "hyp/vcpu/timer.h"
#include "sbi/serve/serve.h"

struct sbi_ret serve_time(struct vcpu *v, uint64_t fid)
{
	if (fid != SBI_TIME_SET_TIMER)
		return sbi_fail(SBI_ERR_NOT_SUPPORTED);
	timer_set(v, sbi_arg(v, 0));
	return sbi_ok(0);
}
