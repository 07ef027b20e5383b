/*
 * Exits of guests in U-mode: dispatch by cause. See run.c, which has the loop.
 *
 * Whatever a guest does that its own kernel should handle comes here first, and is handed on.
 * Illegal instructions come by way of the firmware, which may leave stval stale: it isn't looked
 * at.
 */
#include "hyp/trap/frame.h"
#include "hyp/trap/trap.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/insn.h"
#include "hyp/sched/sched.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

_Static_assert(offsetof(struct vcpu, fast.tag) == FAST_TAG, "FAST_TAG");
_Static_assert(offsetof(struct vcpu, fast.mix) == FAST_MIX, "FAST_MIX");
_Static_assert(offsetof(struct vcpu, fast.seq) == FAST_SEQ, "FAST_SEQ");
_Static_assert(offsetof(struct vcpu, fast.sites) == FAST_SITES, "FAST_SITES");
_Static_assert(offsetof(struct vcpu, fast.state) == FAST_STATE, "FAST_STATE");
_Static_assert(offsetof(struct vcpu, fast.taken) == FAST_TAKEN, "FAST_TAKEN");
_Static_assert(offsetof(struct vcpu, fast.calls) == FAST_CALLS, "FAST_CALLS");
_Static_assert(offsetof(struct vcpu, fast.fences) == FAST_FENCES, "FAST_FENCES");
_Static_assert(sizeof(struct depriv_site) == 1 << SITE_SHIFT, "SITE_SHIFT");
_Static_assert(DEPRIV_SITES == SITES, "SITES");
_Static_assert(offsetof(struct depriv_site, pc) == SITE_PC, "SITE_PC");
_Static_assert(offsetof(struct depriv_site, tag) == SITE_TAG, "SITE_TAG");
_Static_assert(offsetof(struct depriv_site, seq) == SITE_SEQ, "SITE_SEQ");
_Static_assert(offsetof(struct depriv_site, handler) == SITE_HANDLER, "SITE_HANDLER");
_Static_assert(offsetof(struct depriv_site, operand) == SITE_OPERAND, "SITE_OPERAND");
_Static_assert(offsetof(struct depriv_site, read) == SITE_READ, "SITE_READ");
_Static_assert(offsetof(struct depriv_site, write) == SITE_WRITE, "SITE_WRITE");
_Static_assert(offsetof(struct depriv_site, read2) == SITE_READ2, "SITE_READ2");
_Static_assert(offsetof(struct depriv_site, offset) == SITE_OFFSET, "SITE_OFFSET");
_Static_assert(offsetof(struct depriv_site, call) == SITE_CALL, "SITE_CALL");
_Static_assert(offsetof(struct vcpu, fast.rs2) == FAST_RS2, "FAST_RS2");
_Static_assert(offsetof(struct vcpu, fast.read) == FAST_READ, "FAST_READ");
_Static_assert(offsetof(struct vcpu, fast.write) == FAST_WRITE, "FAST_WRITE");
_Static_assert(offsetof(struct vcpu, fast.lock) == FAST_LOCK, "FAST_LOCK");
_Static_assert(offsetof(struct vcpu, fast.absence.seq) == ABSENCE_SEQ, "ABSENCE_SEQ");
_Static_assert(offsetof(struct vcpu, fast.absence.asid) == ABSENCE_ASID, "ABSENCE_ASID");
_Static_assert(offsetof(struct vcpu, fast.absence.mega) == ABSENCE_MEGA, "ABSENCE_MEGA");
_Static_assert(offsetof(struct vcpu, fast.absence.up) == ABSENCE_UP(0), "ABSENCE_UP");
_Static_assert(offsetof(struct vcpu, fast.absence.seen) == ABSENCE_SEEN(0), "ABSENCE_SEEN");
_Static_assert(offsetof(struct vcpu, fast.absence.leaves) == ABSENCE_LEAVES(0), "ABSENCE_LEAVES");
_Static_assert(ABSENCE_MAX == 3, "ABSENCE_MAX");
_Static_assert(offsetof(struct shadow, links_seq) - offsetof(struct shadow, code_seq) == SEQ_LINKS,
	       "SEQ_LINKS");
_Static_assert(offsetof(struct state_page, sstatus) == STATE_SSTATUS, "STATE_SSTATUS");
_Static_assert(offsetof(struct state_page, sie) == STATE_SIE, "STATE_SIE");
_Static_assert(offsetof(struct state_page, sip) == STATE_SIP, "STATE_SIP");

/* An exception that is the guest's own. */
static enum outcome hand_on(struct vcpu *v)
{
	return outcome_inject(v, (enum cause)csr_read(CSR_SCAUSE), csr_read(CSR_STVAL));
}

static uint64_t as_stval(uint32_t bits)
{
	return (bits & 3) == 3 ? bits : bits & 0xffff;
}

/* What the guest may do in S-mode costs less the next time. */
static enum outcome illegal(struct vcpu *v)
{
	uint32_t bits, replacement;
	enum mmu_what fetched = v->mmu->fetch(v, &bits);

	if (fetched != MMU_FETCHED)
		return outcome_of(v, fetched);
	if (!depriv_execute(v, bits))
		return outcome_inject(v, CAUSE_ILLEGAL, as_stval(bits));
	replacement = depriv_replacement(v, bits);
	if (replacement)
		shadow_patch(v->shadow, v->depriv.code.at, bits, replacement);
	return OUTCOME_RESUME;
}

/*
 * An EBREAK that isn't known: the guest's own, or what stands in a copy for something else. A copy
 * may have gone since, by another hart's doing: then the original is to be tried.
 */
static COLD enum outcome unknown_breakpoint(struct vcpu *v)
{
	uint32_t bits;
	enum mmu_what fetched = v->mmu->fetch(v, &bits);

	if (fetched != MMU_FETCHED)
		return outcome_of(v, fetched);
	if (bits == INSN_EBREAK || (bits & 3) != 3)
		return hand_on(v);
	if (!v->depriv.code.is_copy)
		return OUTCOME_RESUME;
	depriv_site_note(v, bits);
	return depriv_execute(v, bits) ? OUTCOME_RESUME
				       : outcome_inject(v, CAUSE_ILLEGAL, as_stval(bits));
}

/* The next instruction of a guest that is stepped: what a fetch of it comes to. */
static COLD enum outcome step(struct vcpu *v)
{
	v->fault.at = gva(v->frame.pc);
	v->fault.access = ACCESS_FETCH;
	return outcome_of(v, v->mmu->fault(v));
}

static enum outcome breakpoint(struct vcpu *v)
{
	uint32_t bits = v->depriv.user ? 0 : depriv_site_recall(v);

	if (bits && depriv_execute(v, bits))
		return OUTCOME_RESUME;
	v->view.pc = gva(v->frame.pc);
	if (shadow_stepped(v->shadow, &v->view, &v->depriv.regime))
		return step(v);
	return unknown_breakpoint(v);
}

/* The hart sees no difference between the guest's kernel and its processes: both are in U-mode. */
static enum outcome ecall(struct vcpu *v)
{
	if (v->depriv.user)
		return outcome_inject(v, CAUSE_ECALL_U, 0);
	v->frame.pc += 4;
	sbi_serve(v);
	return OUTCOME_RESUME;
}

static enum outcome fault(struct vcpu *v, enum access access)
{
	v->fault.at = gva(csr_read(CSR_STVAL));
	v->fault.access = access;
	return outcome_of(v, v->mmu->fault(v));
}

static enum outcome fetch_fault(struct vcpu *v)
{
	return fault(v, ACCESS_FETCH);
}

static enum outcome load_fault(struct vcpu *v)
{
	return fault(v, ACCESS_LOAD);
}

static enum outcome store_fault(struct vcpu *v)
{
	return fault(v, ACCESS_STORE);
}

/* By EXIT_ROW. What has no row can't happen. */
static trap_handler *const handlers[EXIT_ROWS] = {
	[EXIT_ROW(CAUSE_FETCH_MISALIGNED, 0)] = hand_on,
	[EXIT_ROW(CAUSE_FETCH_ACCESS, 0)] = hand_on,
	[EXIT_ROW(CAUSE_ILLEGAL, 0)] = illegal,
	[EXIT_ROW(CAUSE_BREAKPOINT, 0)] = breakpoint,
	[EXIT_ROW(CAUSE_LOAD_MISALIGNED, 0)] = hand_on,
	[EXIT_ROW(CAUSE_LOAD_ACCESS, 0)] = hand_on,
	[EXIT_ROW(CAUSE_STORE_MISALIGNED, 0)] = hand_on,
	[EXIT_ROW(CAUSE_STORE_ACCESS, 0)] = hand_on,
	[EXIT_ROW(CAUSE_ECALL_U, 0)] = ecall,
	[EXIT_ROW(CAUSE_FETCH_PAGE, 0)] = fetch_fault,
	[EXIT_ROW(CAUSE_LOAD_PAGE, 0)] = load_fault,
	[EXIT_ROW(CAUSE_STORE_PAGE, 0)] = store_fault,
	[EXIT_ROW(IRQ_SSI, 1)] = host_irq_software,
	[EXIT_ROW(IRQ_STI, 1)] = host_irq_timer,
	[EXIT_ROW(IRQ_SEI, 1)] = host_irq_external,
};

struct vcpu *trap_exit_depriv(struct vcpu *v)
{
	enum outcome o;

	if (v->depriv.user)
		depriv_note_units(v);
	o = trap_dispatch(handlers, v, csr_read(CSR_SCAUSE));
	if (o != OUTCOME_RESUME)
		trap_carry_out(v, o);
	if ((atomic_load_explicit(&v->requests, memory_order_relaxed) || v->waiting) &&
	    !sched_stays(v))
		trap_next();
	depriv_prepare(v);
	return v;
}
