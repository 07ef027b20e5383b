/*
 * The comparison of explanations. See compare.h.
 *
 * Invariant: the oracle is asked for the same translation in the same state, and tells each entry
 * that it reads; an explanation names just these, in that order, and the same end.
 */
#include "tests/oracle/compare.h"

#include <string.h>

#include "hyp/mmu/explain.h"
#include "tests/oracle/world.h"

/* The oracle's reason for a page fault, in our words: for those that aren't an entry's flaw. */
static const enum explain_why reasons[WHY_COUNT] = {
	[WHY_ADDRESS] = EXPLAIN_NOT_CANONICAL, [WHY_SUPERVISOR_PAGE] = EXPLAIN_KERNEL_PAGE,
	[WHY_USER_PAGE] = EXPLAIN_USER_PAGE,   [WHY_USER_FETCH] = EXPLAIN_USER_FETCH,
	[WHY_ACCESSED] = EXPLAIN_NO_A,	       [WHY_DIRTY] = EXPLAIN_NO_D,
};

static const enum vsstage_flaw flaws[WHY_COUNT] = {
	[WHY_INVALID] = VSSTAGE_INVALID,
	[WHY_WRITE_ONLY] = VSSTAGE_WRITE_ONLY,
	[WHY_RESERVED] = VSSTAGE_RESERVED_BITS,
	[WHY_NAPOT] = VSSTAGE_NAPOT,
	[WHY_PBMT] = VSSTAGE_PBMT,
	[WHY_POINTER_BITS] = VSSTAGE_POINTER_BITS,
	[WHY_NO_LEAF] = VSSTAGE_POINTER_TOO_LOW,
	[WHY_MISALIGNED] = VSSTAGE_MISALIGNED,
};

static const enum explain_why lacks[] = {
	[ORACLE_FETCH] = EXPLAIN_NO_EXECUTE,
	[ORACLE_LOAD] = EXPLAIN_NO_READ,
	[ORACLE_STORE] = EXPLAIN_NO_WRITE,
};

static bool is_same_page_fault(const struct explanation *e, enum oracle_why why,
			       enum oracle_access access)
{
	if (flaws[why])
		return e->why == EXPLAIN_FLAW && e->flaw == flaws[why];
	return e->why == (why == WHY_RIGHTS ? lacks[access] : reasons[why]);
}

/* What the G-stage lacks, by what is there. */
static bool is_same_guest_fault(const struct world *w, const struct explanation *e,
				const struct oracle_answer *o)
{
	bool is_ram = gstage_is_ram(&w->gs, gpa(o->gpa));
	bool is_device = gstage_device_at(&w->gs, gpa(o->gpa)) != NULL;

	if (e->gpa.v != o->gpa)
		return false;
	if (e->why == EXPLAIN_G_NOTHING)
		return is_ram && o->why == WHY_INVALID;
	if (e->why == EXPLAIN_TABLE_OUTSIDE)
		return !is_ram && o->implicit;
	if (e->why == EXPLAIN_OUTSIDE)
		return !is_ram && !o->implicit && !is_device;
	if (e->why == EXPLAIN_DEVICE || e->why == EXPLAIN_DEVICE_FETCH)
		return !is_ram && !o->implicit && is_device;
	if (e->why == EXPLAIN_G_NO_UPDATE)
		return is_ram && o->implicit_store && o->why == WHY_RIGHTS && !e->sets_accessed;
	return e->why == EXPLAIN_G_NO_WRITE && is_ram && !o->implicit && o->why == WHY_RIGHTS;
}

static bool is_same_end(const struct world *w, const struct explanation *e,
			const struct oracle_answer *o, enum oracle_access access)
{
	enum cause cause;
	bool faults = explain_cause(e, (enum access)access, &cause);

	if (o->result == ORACLE_OK)
		return !faults && e->hpa.v == o->hpa && e->gpa.v == o->gpa &&
		       e->sets_accessed == o->updates;
	if (o->result == ORACLE_PAGE_FAULT)
		return faults && cause == cause_page_fault((enum access)access) &&
		       is_same_page_fault(e, o->why, access);
	return o->result == ORACLE_GUEST_PAGE_FAULT && faults && is_same_guest_fault(w, e, o);
}

static const char *compare_references(const struct explanation *e, const struct oracle_trace *t,
				      const struct oracle_machine *m)
{
	if (e->n != t->n)
		return "the number of references";
	for (unsigned i = 0; i < e->n; i++)
		if (e->ref[i].hpa.v != t->at[i] ||
		    memcmp(&e->ref[i].pte, m->memory + (t->at[i] - m->base), sizeof(pte_t)) != 0)
			return "a reference";
	return NULL;
}

unsigned guest_references(struct gstage *gs, const struct regime *r, gva_t at, enum access want,
			  struct explain_ref to[PT_MAX_LEVELS])
{
	struct explanation e;
	unsigned n = 0;

	explain(gs, r, at, want, &e);
	for (unsigned i = 0; i < e.n; i++)
		if (e.ref[i].stage == EXPLAIN_VS)
			to[n++] = e.ref[i];
	return n;
}

const char *compare_explanation(struct world *w, const struct oracle_machine *m, uint64_t va,
				enum oracle_access access, struct coverage *c)
{
	const struct regime r = { .atp = m->vsatp,
				  .user = m->vu,
				  .sum = m->sum,
				  .mxr = m->vs_mxr,
				  .adue = m->adue,
				  .napot = m->napot,
				  .pbmt = m->pbmt };
	struct oracle_machine traced = *m;
	struct oracle_trace t = { .n = 0 };
	struct explanation e;
	struct oracle_answer o;

	traced.trace = &t;
	explain(&w->gs, &r, gva(va), (enum access)access, &e);
	o = oracle_translate(&traced, va, access);
	c->explained[e.why]++;
	if (!is_same_end(w, &e, &o, access) || !explain_sentence(&e))
		return "how its explanation ends";
	return compare_references(&e, &t, m);
}
