/*
 * Exits of a vcpu that is watched, timed or traced: those of either backend, with a look at the
 * clock before and after, and each told. entry.S leads here by a vector of its own, so that exits
 * which aren't watched cost nothing more.
 *
 * The way on may lead to another vcpu, or to a long wait: each vcpu is counted when it is entered.
 */
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/mmu/explain.h"
#include "hyp/trap/watch.h"
#include "hyp/vcpu/latency.h"

/* An access that its translation didn't allow. */
static bool is_fault(uint64_t cause)
{
	static const uint64_t faults = IRQ_BIT(CAUSE_FETCH_PAGE) | IRQ_BIT(CAUSE_LOAD_PAGE) |
				       IRQ_BIT(CAUSE_STORE_PAGE) | IRQ_BIT(CAUSE_FETCH_GUEST_PAGE) |
				       IRQ_BIT(CAUSE_LOAD_GUEST_PAGE) |
				       IRQ_BIT(CAUSE_STORE_GUEST_PAGE);

	return cause < 64 && (faults >> cause & 1);
}

static enum access access_of(uint64_t cause)
{
	if (cause == CAUSE_FETCH_PAGE || cause == CAUSE_FETCH_GUEST_PAGE)
		return ACCESS_FETCH;
	return cause == CAUSE_LOAD_PAGE || cause == CAUSE_LOAD_GUEST_PAGE ? ACCESS_LOAD
									  : ACCESS_STORE;
}

/* With what the two stages say of it. An access to a device is none: it is as it should be. */
static COLD void tell_fault(const struct vcpu *v, uint64_t cause)
{
	uint64_t at = csr_read(CSR_STVAL);
	struct regime r = vcpu_regime(v);
	struct explanation e;

	explain(v->gstage, &r, gva(at), access_of(cause), &e);
	watch_tables(&e, at);
	if (e.why == EXPLAIN_DEVICE)
		return;
	trace_add(TRACE_FAULT, TRACE_NO_WHY,
		  (const struct trace_value[]){ { TRACE_CAUSE, EXIT_ROW(cause, 0) },
						{ TRACE_PC, v->frame.pc },
						{ TRACE_AT, at },
						{ TRACE_REASON, explain_reason(&e) },
						{ TRACE_GPA, e.gpa.v } },
		  e.n ? 5 : 4);
}

static void tell_exit(const struct vcpu *v, uint64_t cause)
{
	const struct trace_value values[] = { { TRACE_CAUSE, EXIT_ROW(cause, cause >> 63) },
					      { TRACE_PC, v->frame.pc },
					      { TRACE_AT, csr_read(CSR_STVAL) } };

	if (trace_wants(TRACE_EXIT))
		trace_add(TRACE_EXIT, TRACE_NO_WHY, values, 3);
	if (is_fault(cause) && trace_wants(TRACE_FAULT))
		tell_fault(v, cause);
}

static void tell_enter(const struct vcpu *v)
{
	const struct trace_value value = { TRACE_PC, v->frame.pc };

	trace_add((enum trace_kind)TRACE_ENTER, TRACE_NO_WHY, &value, 1);
}

bool trap_timed_return(struct vcpu *v)
{
	struct trace *t = this_hart()->trace;

	if (t && atomic_load(&t->breaks_n))
		watch_maps(v);
	if (t && atomic_load(&t->hit))
		return false;
	if (latency_is_on(v))
		latency_enter(v, csr_read(CSR_TIME));
	if (trace_wants(TRACE_EXIT))
		tell_enter(v);
	return true;
}

struct vcpu *trap_exit_timed(struct vcpu *v)
{
	static struct vcpu *(*const exits[BACKENDS])(struct vcpu *) = {
		[KIND_HEXT] = trap_exit,
		[KIND_DEPRIV] = trap_exit_depriv,
	};
	uint64_t cause = csr_read(CSR_SCAUSE);

	if (this_hart()->trace)
		tell_exit(v, cause);
	latency_leave(v, EXIT_ROW(cause, cause >> 63), csr_read(CSR_TIME));
	v = exits[v->backend->kind](v);
	if (!trap_timed_return(v))
		trap_next();
	return v;
}
