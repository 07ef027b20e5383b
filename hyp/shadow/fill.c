/*
 * Faults: compose what the guest's table and the G-stage say, and put it into the shadow.
 *
 * Invariant: a shadow entry never allows more than the guest's entry and the G-stage did at some
 * moment since the last fence that the guest made for it.
 *
 * Next to read: sync.c, how a change takes it back.
 */
#include "hyp/shadow/table.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/insn.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/phys.h"
#include "hyp/vs-stage/permit.h"

#define LEAF_LEVEL_MAX 2
#define HW_LEAF	       (PTE_V | PTE_U | PTE_A | PTE_D)
#define RWX	       (PTE_R | PTE_W | PTE_X)

/* The fault that is being served. */
struct request {
	struct shadow_state *st;
	struct shadow_view *w;
	const struct regime *r;
	gva_t at;
	enum access want;
	uint8_t role;
};

/* An entry of a shadow table. */
struct place {
	struct shadow_table *t;
	unsigned index;
};

static struct shadow_answer answer(enum shadow_what what)
{
	return (struct shadow_answer){ .what = what };
}

/* Of what leaf @e lets somebody do: hardware with A and D clear would not let him store. */
static uint8_t rights_now(pte_t e, uint8_t permitted)
{
	return e & PTE_D ? permitted : permitted & (uint8_t)~PTE_W;
}

/* @to: NULL where the entry stands for nothing of the guest's. */
static COLD void tell_fill(const struct request *q, struct place p, const uint64_t *to,
			   enum trace_why why)
{
	pte_t e = p.t->hw[p.index];
	struct trace_value values[6] = { { TRACE_AT, q->at.v },
					 { TRACE_HPA, pte_address(e) },
					 { TRACE_LEVEL, p.t->key.level },
					 { TRACE_ENTRY, e } };
	unsigned n = 4;

	if (to)
		values[n++] = (struct trace_value){ TRACE_GPA, *to };
	if (table_mirrors(p.t))
		values[n++] = (struct trace_value){ TRACE_IN, p.t->key.base };
	trace_add(TRACE_FILL, why, values, n);
}

static void link(const struct request *q, struct place p, pte_t seen, struct shadow_table *child)
{
	shadow_link(q->st, p.t, p.index, seen, child);
	if (trace_wants(TRACE_FILL))
		tell_fill(q, p, table_mirrors(child) ? &child->key.base : NULL, TRACE_TABLE);
}

/* --- leaves --- */

/* The largest page that can map @at at once: as large as both stages', and nothing special in it. */
static unsigned level_for(const struct shadow_state *st, gpa_t at, unsigned vs, unsigned g)
{
	unsigned level = vs < g ? vs : g;

	if (st->step)
		return 0;
	if (level > LEAF_LEVEL_MAX)
		level = LEAF_LEVEL_MAX;
	while (level && shadow_region_of(st, level, at)->special)
		level--;
	return level;
}

/* Whether the mapping at hand is one that copies are executed through. */
static bool executes_copies(const struct request *q, uint8_t rights)
{
	return (rights & PTE_X) && !(q->role & (ROLE_USER | ROLE_MXR));
}

/* Down through direct tables from @p, whose entry spans more than a page of @level. */
static struct place descend_direct(const struct request *q, struct place p, pte_t seen, gpa_t at,
				   unsigned level, uint8_t rights)
{
	struct shadow_state *st = q->st;

	for (unsigned l = p.t->key.level; l > level; l--) {
		struct shadow_key key = { .base = align_down(at.v, pt_span(l)),
					  .kind = SHADOW_DIRECT,
					  .level = (uint8_t)(l - 1),
					  .role = executes_copies(q, rights),
					  .rights = rights,
					  .owner = st->step ? (uint8_t)(q->w->vcpu + 1) : 0 };
		struct shadow_table *child = shadow_find(st, &key);

		if (!child)
			child = shadow_make(st, &key, NULL);
		child->touched = st->clock;
		if (entry_in_use(p.t, p.index) && shadow_child(p.t, p.index) != child)
			shadow_clear(st, p.t, p.index);
		if (!entry_in_use(p.t, p.index))
			link(q, p, seen, child);
		p = (struct place){ child, shadow_index(l - 1, at.v) };
		seen = 0;
	}
	return p;
}

/* A page that is executed from a copy, or a table's, can't be had for this access: why. */
static enum shadow_what hindrance(const struct request *q, gpa_t to, uint8_t rights)
{
	struct shadow_state *st = q->st;

	if (shadow_copy_of(st, to).v) {
		if (q->want == ACCESS_LOAD && executes_copies(q, rights) &&
		    shadow_copy_read(st, to))
			return SHADOW_READ;
		if (q->want != ACCESS_FETCH && (q->want == ACCESS_STORE || executes_copies(q, rights)))
			shadow_drop_copy(st, to);
	}
	if (q->want == ACCESS_STORE && shadow_gfn_of(st, to)->is_protected &&
	    !shadow_may_lift(st, to))
		return SHADOW_STORE;
	return SHADOW_RESUME;
}

/* Policy none: what a page lets the instruction do besides being fetched; 0: it is fetched, from a
 * page of ours. */
static uint8_t step_rights(const struct request *q, uint8_t rights)
{
	if (q->st->step->whole)
		return rights;
	return q->want == ACCESS_FETCH ? 0 : rights & (uint8_t)~PTE_X;
}

static pte_t compose(const struct request *q, gpa_t to, const struct gstage_entry *g, unsigned level,
		     uint8_t rights)
{
	struct shadow_gfn *gfn = shadow_gfn_of(q->st, to);

	if (q->st->step && !(rights = step_rights(q, rights)))
		return pte_make(shadow_step_page(q->st->step, q->at, g->to).v, HW_LEAF | PTE_X);
	if (!(g->pte & PTE_W) || gfn->is_protected || gfn->copy)
		rights &= (uint8_t)~PTE_W;
	if (gfn->copy && executes_copies(q, rights))
		return pte_make(shadow_copy_of(q->st, to).v, HW_LEAF | PTE_X);
	return pte_make(align_down(g->to.v, pt_span(level)), HW_LEAF | rights);
}

/* RAM at @to, which leaf @seen of the guest at @p maps with @rights. */
static struct shadow_answer map_ram(const struct request *q, struct place p, pte_t seen, gpa_t to,
				    uint8_t rights)
{
	struct shadow_state *st = q->st;
	struct gstage_entry g;
	enum shadow_what what = hindrance(q, to, rights);
	unsigned level;
	pte_t leaf;

	if (what != SHADOW_RESUME)
		return (struct shadow_answer){ what, to, NULL };
	if (gstage_reach(st->gs, to, q->want, &g) != OK)
		return answer(SHADOW_NOMEM);
	if (st->step && shadow_step_has(st->step, q->at) && q->want != ACCESS_FETCH)
		return (struct shadow_answer){
			q->want == ACCESS_STORE ? SHADOW_STORE : SHADOW_READ, to, NULL };
	level = level_for(st, to, p.t->key.level, g.level);
	p = descend_direct(q, p, seen, to, level, rights);
	leaf = compose(q, to, &g, level, rights);
	if (entry_in_use(p.t, p.index)) {
		if (p.t->hw[p.index] == leaf) {
			sfence_all(); /* the hart remembers an older one, a leaf or a pointer */
			return answer(SHADOW_RESUME);
		}
		shadow_clear(st, p.t, p.index);
	}
	shadow_map(st, p.t, p.index, table_mirrors(p.t) ? seen : 0, leaf);
	if (trace_wants(TRACE_FILL))
		tell_fill(q, p, &(uint64_t){ align_down(to.v, pt_span(level)) }, TRACE_PAGE);
	return answer(SHADOW_RESUME);
}

static struct shadow_answer map(const struct request *q, struct place p, pte_t seen, gpa_t to,
				uint8_t rights)
{
	const struct gstage_device *device;

	if (gstage_is_ram(q->st->gs, to))
		return map_ram(q, p, seen, to, rights);
	device = gstage_device_at(q->st->gs, to);
	if (!device || q->want == ACCESS_FETCH)
		return answer(SHADOW_ACCESS);
	return (struct shadow_answer){ SHADOW_DEVICE, to, device };
}

/* Other shadows of the same page, and its patched copy, have the entry without the bit that was set. */
static void note_accessed(struct shadow_state *st, const struct shadow_table *t, unsigned index,
			  pte_t before, pte_t now)
{
	const struct shadow_gfn *g = shadow_gfn_of(st, gpa(t->key.base));
	uint32_t number = g->tables;

	if (g->copy)
		shadow_drop_copy(st, gpa(t->key.base));
	while (number) {
		struct shadow_table *other = shadow_table_of(st, number);

		if (table_mirrors(other) && entry_in_use(other, index) &&
		    other->seen[index] == before)
			other->seen[index] = now;
		number = other->same;
	}
}

/* What is at the address of the access: see shadow.h. */
enum claim {
	CLAIM_COPY,  /* a copy means the state page */
	CLAIM_GUEST, /* the guest means the last page */
	CLAIM_NONE,  /* a copy did that has gone meanwhile, by another hart's doing */
};

static enum claim claim_of(const struct request *q)
{
	struct shadow_code c =
		shadow_code_at(q->st, q->w->space->root[q->role], q->w->pc);

	if (c.is_copy && q->st->state_used)
		return CLAIM_COPY;
	if (!c.is_mapped || insn_is_system(c.bits))
		return CLAIM_NONE;
	return CLAIM_GUEST;
}

/*
 * Whether a leaf of the guest's, of @level, has the last page in it, which then isn't ours; and whether
 * the access may have been meant for the state page.
 */
static bool must_retry(const struct request *q, unsigned level)
{
	struct shadow_state *st = q->st;

	if (!st->shadow->patch || q->at.v < -pt_span(level) || (q->role & (ROLE_USER | ROLE_MXR)))
		return false;
	if (st->state_used) {
		shadow_give_up_state(st);
		return true;
	}
	st->state_allowed = false;
	return q->want != ACCESS_FETCH && shadow_is_state_page(q->role, q->at) &&
	       claim_of(q) == CLAIM_NONE;
}

/* The guest's own fault: it will look at the entry, and perhaps try again. */
static struct shadow_answer missed(const struct request *q, struct place p)
{
	if (p.t->key.level == 0 && !q->st->step && !shadow_is_state_page(q->role, q->at))
		q->w->miss = (struct shadow_miss){ q->w->pc,		 q->at,	  p.t,
						   q->st->shadow->links_seq, q->want, *q->r };
	return answer(SHADOW_PAGE);
}

/* Leaf @e of the guest at @p, permissions still to be looked at: steps 6 to 10 of the walk. */
static struct shadow_answer map_leaf(const struct request *q, struct place p, pte_t e)
{
	unsigned level = p.t->key.level;
	pte_t now = e | PTE_A | (q->want == ACCESS_STORE ? PTE_D : 0);
	uint8_t permitted = permit_rights(e, q->r);

	if (must_retry(q, level))
		return answer(SHADOW_RESUME);
	if (!(permitted & permit_right_for[q->want]))
		return missed(q, p);
	if (vsstage_lacks_accessed(e, q->want)) {
		if (!q->r->adue)
			return missed(q, p);
		if (!vsstage_set_accessed(&p.t->guest[p.index], e, q->want))
			return answer(SHADOW_RESUME);
		note_accessed(q->st, p.t, p.index, e, now);
	}
	return map(q, p, now, vsstage_leaf_address(e, level, q->at),
		   rights_now(now, permitted));
}

/* The leaf at @p, if hardware could have cached it by itself: nothing is set for it. */
static void foresee(const struct request *q, struct place p)
{
	pte_t e = __atomic_load_n(&p.t->guest[p.index], __ATOMIC_RELAXED);
	uint8_t permitted = permit_rights(e, q->r);
	gpa_t to;

	if (vsstage_kind(e, q->r, 0) != VSSTAGE_LEAF || vsstage_lacks_accessed(e, q->want) ||
	    !(permitted & permit_right_for[q->want]))
		return;
	to = vsstage_leaf_address(e, 0, q->at);
	if (!gstage_is_ram(q->st->gs, to))
		return;
	p.t->touched = q->st->clock;
	if (map_ram(q, p, e, to, rights_now(e, permitted)).what == SHADOW_RESUME)
		q->st->shadow->stats.foreseen++;
}

void shadow_fill_miss(struct shadow *s, struct shadow_view *w)
{
	const struct shadow_miss m = w->miss;
	struct shadow_state *st = s->state;
	struct request q = { st, w, &m.r, m.at, m.want, (uint8_t)shadow_role(&m.r) };
	struct place p = { m.t, shadow_index(0, m.at.v) };

	w->miss.pc.v = SHADOW_NO_MISS;
	lock_take(&st->gs->lock);
	if (m.links_seq == st->shadow->links_seq && !entry_in_use(p.t, p.index))
		foresee(&q, p);
	lock_release(&st->gs->lock);
}

/* --- tables --- */

/* The mirror of the guest's table page at @key's base, for entry @p of the one above; NULL and
 * @*why where that isn't memory. */
static struct shadow_table *mirror(const struct request *q, struct shadow_key key, struct place p,
				   enum shadow_what *why)
{
	struct shadow_table *t;
	struct gstage_entry g;

	if (!gstage_is_ram(q->st->gs, gpa(key.base))) {
		*why = SHADOW_ACCESS;
		return NULL;
	}
	t = shadow_find(q->st, &key);
	if (t) {
		t->touched = q->st->clock;
		shadow_verify(q->st, p.t, p.index, t);
		return t;
	}
	/* For a store: the page is the VM's own from now on, and stays where it is. */
	if (gstage_reach(q->st->gs, gpa(key.base), ACCESS_STORE, &g) != OK) {
		*why = SHADOW_NOMEM;
		return NULL;
	}
	t = shadow_make(q->st, &key, phys_pointer(g.to));
	shadow_protect(q->st, t);
	return t;
}

/* What stands below @p is no guest entry's choice: a stem, or the top of the guest's own table. */
static struct shadow_table *below_root(const struct request *q, struct place p, unsigned levels,
				       enum shadow_what *why)
{
	unsigned level = p.t->key.level - 1u;
	struct shadow_key key = { .kind = SHADOW_ROOT, .level = (uint8_t)level };
	struct shadow_table *child;

	if (entry_in_use(p.t, p.index))
		return shadow_child(p.t, p.index);
	if (level < levels) {
		key.kind = SHADOW_MIRROR;
		key.base = (q->r->atp & ATP_PPN_MASK) << PAGE_SHIFT;
		key.role = q->role;
		key.half = q->at.v >> 63 ? HALF_HIGH : HALF_LOW;
		if (key.half == HALF_HIGH || q->st->step)
			key.owner = shadow_state_owner(q->st, q->w, q->role);
		child = mirror(q, key, p, why);
	} else {
		child = shadow_make(q->st, &key, NULL);
	}
	if (child)
		link(q, p, 0, child);
	return child;
}

/* The guest maps nothing where @p leads. @what it gets, unless the state page belongs there. */
static struct shadow_answer not_mapped(const struct request *q, struct place p, pte_t e,
				       enum shadow_what what)
{
	if (!q->st->shadow->patch || q->want == ACCESS_FETCH ||
	    !shadow_is_state_page(q->role, q->at))
		return what == SHADOW_PAGE ? missed(q, p) : answer(what);
	switch (claim_of(q)) {
	case CLAIM_COPY:
		shadow_map_state(q->st, q->w, p.t, p.index, e);
		return answer(SHADOW_RESUME);
	case CLAIM_NONE:
		return answer(SHADOW_RESUME);
	case CLAIM_GUEST:
	default:
		if (q->st->state_used)
			shadow_give_up_state(q->st);
		return answer(what);
	}
}

/* The vcpu that has the table below @p for itself, or 0: see struct shadow_key. */
static uint8_t owner_below(const struct request *q, struct place p)
{
	return q->st->step || p.index == PT_ENTRIES - 1 ? p.t->key.owner : 0;
}

static struct shadow_answer fill_mirror(const struct request *q, struct shadow_table *t)
{
	enum shadow_what why;

	for (;;) {
		struct place p = { t, shadow_index(t->key.level, q->at.v) };
		struct shadow_table *child =
			entry_in_use(t, p.index) ? shadow_child(t, p.index) : NULL;
		pte_t e;

		t->touched = q->st->clock;
		t->stores = 0;
		if (!child || child->key.kind != SHADOW_MIRROR) {
			e = __atomic_load_n(&t->guest[p.index], __ATOMIC_RELAXED);
			q->st->shadow->stats.references++;
			switch (vsstage_kind(e, q->r, t->key.level)) {
			case VSSTAGE_LEAF:
				return map_leaf(q, p, e);
			case VSSTAGE_TABLE:
				break;
			case VSSTAGE_FAULT:
			default:
				return not_mapped(q, p, e, SHADOW_PAGE);
			}
			child = mirror(q,
				       (struct shadow_key){ .base = pte_address(e),
							    .kind = SHADOW_MIRROR,
							    .level = (uint8_t)(t->key.level - 1),
							    .role = q->role,
							    .owner = owner_below(q, p) },
				       p, &why);
			if (!child)
				return answer(why);
			if (entry_in_use(t, p.index))
				shadow_clear(q->st, t, p.index);
			link(q, p, e, child);
		}
		t = child;
	}
}

static struct shadow_answer fill(const struct request *q, struct shadow_table *root)
{
	const struct pt_mode *m = vsstage_mode(q->r->atp);
	struct place p = { root, shadow_index(root->key.level, q->at.v) };
	enum shadow_what why;

	if (!m && shadow_is_state_page(q->role, q->at))
		return not_mapped(q, p, 0, SHADOW_ACCESS);
	if (!m)
		return map(q, p, 0, gpa(q->at.v), RWX);
	if (!vsstage_is_canonical(m, q->at))
		return answer(SHADOW_PAGE);
	if (root->key.kind == SHADOW_TOP)
		return fill_mirror(q, root);
	if (m->levels == root->key.level + 1u) /* and yet it mirrors nothing */
		return answer(gstage_is_ram(q->st->gs, gpa((q->r->atp & ATP_PPN_MASK) << PAGE_SHIFT))
				      ? SHADOW_NOMEM
				      : SHADOW_ACCESS);
	for (;;) {
		struct shadow_table *child = below_root(q, p, m->levels, &why);

		if (!child)
			return answer(why);
		if (child->key.kind == SHADOW_MIRROR)
			return fill_mirror(q, child);
		p = (struct place){ child, shadow_index(child->key.level, q->at.v) };
	}
}

struct shadow_answer shadow_fault(struct shadow *s, struct shadow_view *w, const struct regime *r,
				  gva_t at, enum access want)
{
	struct request q = { s->state, w, r, at, want, (uint8_t)shadow_role(r) };
	struct shadow_table *root;
	struct shadow_answer a;

	lock_take(&q.st->gs->lock);
	shadow_begin(q.st);
	s->stats.faults++;
	shadow_step_begin(q.st, w, r);
	root = shadow_space_of(q.st, w, r)->root[q.role];
	if (q.st->windowed)
		shadow_window_give_way(q.st, root, at);
	a = fill(&q, root);
	q.st->step = NULL;
	lock_release(&q.st->gs->lock);
	return a;
}
