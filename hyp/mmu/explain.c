/*
 * The two stages, reference by reference. See explain.h.
 *
 * Invariant: gs->lock is held from the first reference to the last, so the G-stage stands still;
 * the guest's own entries are read once each, as they are at that moment. RAM alone is ever read.
 *
 * Next: hyp/vs-stage/walk.c and hyp/g-stage/table.c, the same in earnest.
 */
#include "hyp/mmu/explain.h"

#include "hyp/mm/phys.h"
#include "hyp/vs-stage/permit.h"

/* What a walk works on. */
struct query {
	struct gstage *gs;
	const struct regime *r;
	gva_t at;
	enum access want;
	struct explanation *e;
	pte_t g_leaf; /* the last one of the G-stage */
	unsigned g_level;
};

static pte_t reference(struct query *q, struct explain_ref ref)
{
	ref.pte = __atomic_load_n((const pte_t *)phys_pointer(ref.hpa), __ATOMIC_RELAXED);
	q->e->ref[q->e->n++] = ref;
	return ref.pte;
}

/* Nothing is mapped at @at: what would a touch come to? */
static enum explain_why nothing_there(const struct query *q, gpa_t at, bool is_table,
				      enum access want)
{
	if (gstage_is_ram(q->gs, at))
		return EXPLAIN_G_NOTHING;
	if (is_table)
		return EXPLAIN_TABLE_OUTSIDE;
	if (!gstage_device_at(q->gs, at))
		return EXPLAIN_OUTSIDE;
	return want == ACCESS_FETCH ? EXPLAIN_DEVICE_FETCH : EXPLAIN_DEVICE;
}

static enum explain_why g_rights(pte_t e, enum access want)
{
	static const struct {
		pte_t right;
		enum explain_why lacks;
	} needs[] = {
		[ACCESS_FETCH] = { PTE_X, EXPLAIN_G_NO_EXECUTE },
		[ACCESS_LOAD] = { PTE_R, EXPLAIN_G_NO_READ },
		[ACCESS_STORE] = { PTE_W, EXPLAIN_G_NO_WRITE },
	};

	return e & needs[want].right ? EXPLAIN_WORKS : needs[want].lacks;
}

/* What isn't RAM is shown to loads at most (gstage_show()); other accesses are the device's. */
static enum explain_why at_leaf(const struct query *q, gpa_t at, bool is_table, enum access want)
{
	enum explain_why why = g_rights(q->g_leaf, want);

	return why && !gstage_is_ram(q->gs, at) ? nothing_there(q, at, is_table, want) : why;
}

/* The G-stage: @at to *@to. A leaf of ours is sound. */
static enum explain_why g_stage(struct query *q, gpa_t at, bool is_table, enum access want,
				hpa_t *to)
{
	const struct pt_mode *m = q->gs->mode;
	hpa_t table = q->gs->root;

	q->e->gpa = at;
	for (unsigned level = m->levels - 1u;; level--) {
		uint64_t index = pt_index(m, level, at.v);
		pte_t e;

		if (at.v >> pt_address_bits(m))
			return nothing_there(q, at, is_table, want);
		e = reference(q, (struct explain_ref){ .stage = EXPLAIN_G,
						       .level = level,
						       .of = at.v,
						       .index = index,
						       .hpa = hpa(table.v + 8 * index) });
		if (!pte_is_valid(e))
			return nothing_there(q, at, is_table, want);
		table = hpa(pte_address(e));
		if (!pte_is_leaf(e))
			continue;
		q->g_leaf = e;
		q->g_level = level;
		*to = hpa(table.v + (at.v & (pt_span(level) - 1)));
		return at_leaf(q, at, is_table, want);
	}
}

/* Steps 6 and 8, where permit() says no. */
static enum explain_why vs_rights(pte_t e, const struct query *q)
{
	static const enum explain_why lacks[] = {
		[ACCESS_FETCH] = EXPLAIN_NO_EXECUTE,
		[ACCESS_LOAD] = EXPLAIN_NO_READ,
		[ACCESS_STORE] = EXPLAIN_NO_WRITE,
	};

	if (permit(e, q->r, q->want))
		return EXPLAIN_WORKS;
	if (q->r->user && !(e & PTE_U))
		return EXPLAIN_KERNEL_PAGE;
	if (!q->r->user && (e & PTE_U) && q->want == ACCESS_FETCH)
		return EXPLAIN_USER_FETCH;
	if (!q->r->user && (e & PTE_U) && !q->r->sum)
		return EXPLAIN_USER_PAGE;
	return lacks[q->want];
}

/* Step 9. The update is a store of its own to where the G-stage has just led. */
static enum explain_why accessed(pte_t e, struct query *q)
{
	if (!vsstage_lacks_accessed(e, q->want))
		return EXPLAIN_WORKS;
	if (!q->r->adue)
		return e & PTE_A ? EXPLAIN_NO_D : EXPLAIN_NO_A;
	if (g_rights(q->g_leaf, ACCESS_STORE) != EXPLAIN_WORKS)
		return gstage_is_ram(q->gs, q->e->gpa) ? EXPLAIN_G_NO_UPDATE
						       : EXPLAIN_TABLE_OUTSIDE;
	q->e->sets_accessed = true;
	return EXPLAIN_WORKS;
}

/* A leaf of the guest's at @level: on to the page. */
static enum explain_why leaf(pte_t e, unsigned level, struct query *q)
{
	enum explain_why why = vs_rights(e, q);
	uint64_t span = e & PTE_N ? KIB(64) : pt_span(level);

	if (!why)
		why = accessed(e, q);
	if (!why)
		why = g_stage(q, vsstage_leaf_address(e, level, q->at), false, q->want, &q->e->hpa);
	if (!why)
		q->e->bytes = span < pt_span(q->g_level) ? span : pt_span(q->g_level);
	return why;
}

static enum explain_why vs_stage(struct query *q)
{
	const struct pt_mode *m = q->e->vs_mode;
	uint64_t table = (q->r->atp & ATP_PPN_MASK) << PAGE_SHIFT;

	for (unsigned level = m->levels - 1u;; level--) {
		struct explain_ref ref = { .stage = EXPLAIN_VS, .level = level, .of = q->at.v };
		enum explain_why why;
		pte_t e;

		ref.index = pt_index(m, level, q->at.v);
		ref.gpa = gpa(table + 8 * ref.index);
		why = g_stage(q, ref.gpa, true, ACCESS_LOAD, &ref.hpa);
		if (why)
			return why;
		e = reference(q, ref);
		q->e->flaw = vsstage_flaw(e, q->r, level);
		if (q->e->flaw)
			return EXPLAIN_FLAW;
		if (pte_is_leaf(e))
			return leaf(e, level, q);
		table = pte_address(e);
	}
}

static enum explain_why bare(struct query *q)
{
	enum explain_why why = g_stage(q, gpa(q->at.v), false, q->want, &q->e->hpa);

	if (!why)
		q->e->bytes = pt_span(q->g_level);
	return why;
}

void explain(struct gstage *gs, const struct regime *r, gva_t at, enum access want,
	     struct explanation *e)
{
	struct query q = { .gs = gs, .r = r, .at = at, .want = want, .e = e };

	*e = (struct explanation){ .vs_mode = vsstage_mode(r->atp), .g_mode = gs->mode };
	lock_take(&gs->lock);
	if (!e->vs_mode)
		e->why = bare(&q);
	else if (!vsstage_is_canonical(e->vs_mode, at))
		e->why = EXPLAIN_NOT_CANONICAL;
	else
		e->why = vs_stage(&q);
	lock_release(&gs->lock);
}

/* --- how it ended --- */

enum ending { WORKS, PAGE_FAULT, ACCESS_FAULT, GUEST_PAGE_FAULT };

static const struct {
	enum ending ending;
	const char *sentence;
} endings[EXPLAIN_WHYS] = {
	[EXPLAIN_WORKS] = { WORKS, "Both stages allow it." },
	[EXPLAIN_NOT_CANONICAL] = { PAGE_FAULT, "The bits above those that the mode translates "
						"don't all equal the highest of them: no"
						" table is read." },
	[EXPLAIN_USER_PAGE] = { PAGE_FAULT, "U = 1 in the VS-stage leaf: a page of user mode, "
					    "which the kernel may use only while"
					    " sstatus.SUM is 1." },
	[EXPLAIN_USER_FETCH] = { PAGE_FAULT, "U = 1 in the VS-stage leaf: the kernel never "
					     "executes from a page of user mode, SUM or"
					     " not." },
	[EXPLAIN_KERNEL_PAGE] = { PAGE_FAULT, "U = 0 in the VS-stage leaf: a page of the kernel's, "
					      "which user mode may not use." },
	[EXPLAIN_NO_READ] = { PAGE_FAULT, "R = 0 in the VS-stage leaf: no load (with sstatus.MXR, "
					  "X = 1 would do)." },
	[EXPLAIN_NO_WRITE] = { PAGE_FAULT, "W = 0 in the VS-stage leaf: no store." },
	[EXPLAIN_NO_EXECUTE] = { PAGE_FAULT, "X = 0 in the VS-stage leaf: no fetch." },
	[EXPLAIN_NO_A] = { PAGE_FAULT, "A = 0 in the VS-stage leaf, and hardware doesn't set it "
				       "here (Svade): the guest's"
				       " kernel has to." },
	[EXPLAIN_NO_D] = { PAGE_FAULT, "D = 0 in the VS-stage leaf, and hardware doesn't set it "
				       "here (Svade): the guest's"
				       " kernel has to, before a store." },
	[EXPLAIN_TABLE_OUTSIDE] = { ACCESS_FAULT, "This entry of the guest's tables would lie "
						  "where the VM has no RAM." },
	[EXPLAIN_OUTSIDE] = { ACCESS_FAULT, "The guest physical address is neither RAM nor a "
					    "device of this VM." },
	[EXPLAIN_DEVICE] = { GUEST_PAGE_FAULT, "A device's registers: the G-stage maps them for "
					       "loads at most, so that Gnomon carries"
					       " the access out." },
	[EXPLAIN_DEVICE_FETCH] = { ACCESS_FAULT, "Devices hold no instructions." },
	[EXPLAIN_G_NOTHING] = { GUEST_PAGE_FAULT, "V = 0 in the G-stage: RAM that the guest never "
						  "touched, or has given back; Gnomon maps it at "
						  "the next touch." },
	[EXPLAIN_G_NO_READ] = { GUEST_PAGE_FAULT, "The G-stage leaf lacks R: VS-stage permission "
						  "to load is not enough." },
	[EXPLAIN_G_NO_WRITE] = { GUEST_PAGE_FAULT, "The G-stage leaf lacks W: VS-stage permission "
						   "to store is not enough; the page is the"
						   " bundle's, and Gnomon gives the guest its own "
						   "copy at the first store." },
	[EXPLAIN_G_NO_EXECUTE] = { GUEST_PAGE_FAULT, "The G-stage leaf lacks X: VS-stage fetch "
						     "permission is not enough." },
	[EXPLAIN_G_NO_UPDATE] = { GUEST_PAGE_FAULT, "A or D is to be set in the VS-stage leaf, and "
						    "the G-stage leaf of the page that it lies in "
						    "lacks W: a table in the bundle's bytes, of "
						    "which Gnomon gives the guest its own copy." },
};

static const char *const flaws[VSSTAGE_FLAWS] = {
	[VSSTAGE_INVALID] = "V = 0 in the VS-stage entry: the guest has nothing there.",
	[VSSTAGE_WRITE_ONLY] = "W = 1 with R = 0 in the VS-stage entry is reserved.",
	[VSSTAGE_RESERVED_BITS] = "Reserved bits (60 to 54) of the VS-stage entry aren't 0.",
	[VSSTAGE_POINTER_TOO_LOW] =
		"R = W = X = 0 at level 0: a pointer where only a leaf can stand.",
	[VSSTAGE_POINTER_BITS] = "D, A, U, PBMT or N is set in a pointer to the next table, where "
				 "they are reserved.",
	[VSSTAGE_NAPOT] = "N is set where it means nothing: no Svnapot, or no leaf of 64 KiB.",
	[VSSTAGE_PBMT] = "PBMT is set where it means nothing: no Svpbmt, or its reserved value.",
	[VSSTAGE_MISALIGNED] = "A misaligned superpage: its low PPN bits, which the offset takes "
			       "the place of, aren't"
			       " 0.",
};

const char *explain_sentence(const struct explanation *e)
{
	return e->why == EXPLAIN_FLAW ? flaws[e->flaw] : endings[e->why].sentence;
}

uint64_t explain_reason(const struct explanation *e)
{
	return (uint64_t)e->why << 8 | e->flaw;
}

const char *explain_sentence_of(uint64_t reason)
{
	struct explanation e = { .why = (enum explain_why)(reason >> 8),
				 .flaw = (enum vsstage_flaw)(reason & 0xff) };

	return explain_sentence(&e);
}

/* A reference to an entry of the guest's is a load, and its update a store, but the cause is that
 * of the access they are made for. */
bool explain_cause(const struct explanation *e, enum access want, enum cause *cause)
{
	static const enum cause guest_page[] = {
		[ACCESS_FETCH] = CAUSE_FETCH_GUEST_PAGE,
		[ACCESS_LOAD] = CAUSE_LOAD_GUEST_PAGE,
		[ACCESS_STORE] = CAUSE_STORE_GUEST_PAGE,
	};

	switch (e->why == EXPLAIN_FLAW ? PAGE_FAULT : endings[e->why].ending) {
	case WORKS:
		return false;
	case PAGE_FAULT:
		*cause = cause_page_fault(want);
		return true;
	case ACCESS_FAULT:
		*cause = cause_access_fault(want);
		return true;
	case GUEST_PAGE_FAULT:
	default:
		*cause = guest_page[want];
		return true;
	}
}
