/*
 * Exits of a vcpu that is timed: those of either backend, with a look at the clock before and
 * after. entry.S leads here by a vector of its own, so that exits which aren't timed cost nothing
 * more.
 *
 * The way on may lead to another vcpu, or to a long wait: each vcpu is counted when it is entered.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/vcpu/latency.h"

struct vcpu *trap_exit_timed(struct vcpu *v)
{
	static struct vcpu *(*const exits[BACKENDS])(struct vcpu *) = {
		[KIND_HEXT] = trap_exit,
		[KIND_DEPRIV] = trap_exit_depriv,
	};
	uint64_t cause = csr_read(CSR_SCAUSE);

	latency_leave(v, EXIT_ROW(cause, cause >> 63), csr_read(CSR_TIME));
	v = exits[v->backend->kind](v);
	latency_enter(v, csr_read(CSR_TIME));
	return v;
}
