/*
 * Keeping shadows true to the guest's tables: protection, fences. The stores themselves: store.c.
 *
 *   trap     a mirror's page is protected for as long as the mirror lives; each store is emulated
 *   unsync   a mirror's page is protected once some fences have found nothing changed in it; a
 *            store to a leaf table ends that, others are emulated
 *   lazy     nothing is protected
 *
 * A fence compares what it is about and isn't protected. Under trap that is what was lifted for
 * stores that aren't emulated, until the next fence; and where the VM runs on several harts, what is
 * still to be protected: each must be told, and waited for, so they are told of many pages at once.
 * Under both policies what isn't protected hangs in the list .unsynced.
 *
 * Invariant: what hangs, without a protected page, on a space that isn't dirty has been compared
 * since the last fence about it; what has a protected page is right. A table that is used in a new
 * place is compared before, since its entries were right for other address spaces only.
 */
#include "hyp/shadow/table.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/phys.h"

/* --- comparing --- */

/* The guest stores to @t's page, of which other roles have mirrors, too. */
static void stir(struct shadow_state *st, const struct shadow_table *t)
{
	if (!t->quiet)
		return;
	for (uint32_t n = shadow_gfn_of(st, gpa(t->key.base))->tables; n;
	     n = shadow_table_of(st, n)->same)
		shadow_table_of(st, n)->quiet = 0;
}

/* A and D that were set since don't matter: the shadow allows less, and will learn of it. But in a
 * pointer they are reserved. */
static bool is_still_right(pte_t seen, pte_t now)
{
	return pte_is_leaf(seen) && (seen & ~(PTE_A | PTE_D)) == (now & ~(PTE_A | PTE_D)) &&
	       !(seen & ~now & (PTE_A | PTE_D));
}

static COLD void tell_sync(const struct shadow_table *t, unsigned index, pte_t now, bool stays)
{
	const struct trace_value values[] = { { TRACE_GPA, t->key.base + index * sizeof(pte_t) },
					      { TRACE_LEVEL, t->key.level },
					      { TRACE_ENTRY, t->seen[index] },
					      { TRACE_VALUE, now } };

	trace_add(TRACE_SYNC, stays ? TRACE_SAME : TRACE_CHANGED, values, 4);
}

/* Entry @index of the guest's table is @now, and was another. */
static COLD void entry_changed(struct shadow_state *st, struct shadow_table *t, unsigned index,
			       pte_t now)
{
	bool stays = is_still_right(t->seen[index], now);

	stir(st, t);
	if (trace_wants(TRACE_SYNC))
		tell_sync(t, index, now, stays);
	if (stays) {
		t->seen[index] = now;
		return;
	}
	st->shadow->stats.changes++;
	shadow_clear(st, t, index);
}

static inline void sync_entry(struct shadow_state *st, struct shadow_table *t, unsigned index)
{
	pte_t now = __atomic_load_n(&t->guest[index], __ATOMIC_RELAXED);

	st->shadow->stats.syncs++;
	if (now != t->seen[index])
		entry_changed(st, t, index, now);
}

/* Global, so that no fence of one ASID is about it. Pointers are compared all the same: what is mapped
 * below may have no G. */
static bool is_global(const struct shadow_table *t, unsigned index)
{
	return (t->seen[index] & PTE_G) && pte_is_leaf(t->seen[index]);
}

static void sync_table(struct shadow_state *st, struct shadow_table *t, bool global_too)
{
	st->to_protect += ++t->quiet == st->cold_after;
	for (unsigned w = 0; w < PT_ENTRIES / 64; w++)
		for (uint64_t left = t->valid[w]; left; left &= left - 1) {
			unsigned i = w * 64 + bit_lowest(left);

			if (global_too || !is_global(t, i))
				sync_entry(st, t, i);
		}
}

static bool is_comparable(const struct shadow_table *t)
{
	return table_mirrors(t) && !t->is_protected;
}

/* How much of what hangs on a table is to be compared. */
enum extent {
	LOCAL,	/* what isn't global */
	ENOUGH, /* that, and where a fence was made since, all */
	ALL,
};

/* Pointers are always compared: what comes below them may have no G. */
static bool may_skip(const struct shadow_state *st, const struct shadow_table *t, enum extent e)
{
	return t->key.level == 0 && e != ALL && !(t->leads_to & TO_LOCAL) &&
	       (e == LOCAL || t->synced == st->fence_seq);
}

/* @t and what hangs on it, each once a round. At most as deep as tables have levels. */
static void sync_tree(struct shadow_state *st, struct shadow_table *t, enum extent e)
{
	bool all = e == ALL || (e == ENOUGH && t->synced != st->fence_seq);

	if (t->visited == st->round || may_skip(st, t, e))
		return;
	t->visited = st->round;
	if (is_comparable(t))
		sync_table(st, t, all);
	for (unsigned w = 0; t->key.level > 0 && t->key.kind != SHADOW_DIRECT && w < PT_ENTRIES / 64;
	     w++)
		for (uint64_t left = t->valid[w]; left; left &= left - 1) {
			struct shadow_table *child = shadow_child(t, w * 64 + bit_lowest(left));

			if (child)
				sync_tree(st, child, e);
		}
	if (all)
		t->synced = st->fence_seq;
}

/* Whether entry @index of @t stands for the same addresses as the first entry that points to @child.
 * Another one of several may where the first doesn't; to look at them all would save a Linux one
 * comparison in a thousand. */
static bool is_at_same_address(const struct shadow_state *st, const struct shadow_table *t,
			       unsigned index, const struct shadow_table *child)
{
	entry_id id = child->parents;

	while (id && id % PT_ENTRIES == index) {
		const struct shadow_table *other = shadow_table_of(st, id / PT_ENTRIES);

		if (other == t || t->key.half || !t->parents)
			return other->key.half == t->key.half;
		index = t->parents % PT_ENTRIES;
		t = shadow_table_of(st, t->parents / PT_ENTRIES);
		id = other->parents;
	}
	return false;
}

/*
 * Whoever uses it next may have an ASID of its own, under which nothing is remembered but global
 * mappings; and those only at the same address, and if no fence was made since they were looked at.
 */
void shadow_verify(struct shadow_state *st, const struct shadow_table *t, unsigned index,
		   struct shadow_table *child)
{
	if (!shadow_is_lazy(st->shadow) && !st->unsynced)
		return;
	st->round++;
	sync_tree(st, child, is_at_same_address(st, t, index, child) ? ENOUGH : ALL);
}

static void sync_space(struct shadow_state *st, struct shadow_space *space, enum extent e)
{
	for (unsigned role = 0; role < ROLES; role++)
		if (space->root[role])
			sync_tree(st, space->root[role], e);
}

static void memo_forget(struct shadow_fence_memo *m)
{
	m->seq = 0;
}

void shadow_sync_space(struct shadow_state *st, struct shadow_space *space)
{
	st->round++;
	sync_space(st, space, ALL);
	space->dirty = false;
	st->shadow->links_seq++; /* what is known of fences was found without this space */
}

/* --- one page --- */

/* The guest's entries on the way are the same for all roles: each once. */
static void memo_add_up(struct shadow_fence_memo *m, const struct shadow_table *t, unsigned index)
{
	for (unsigned i = 0; i < m->ups; i++)
		if (m->up[i] == &t->guest[index])
			return;
	if (m->ups == MEMO_MAX) {
		memo_forget(m);
		return;
	}
	m->up[m->ups] = &t->guest[index];
	m->up_seen[m->ups++] = t->seen[index];
}

static void memo_add_leaf(struct shadow_fence_memo *m, struct shadow_table *t)
{
	if (m->leaves == MEMO_MAX)
		memo_forget(m);
	else
		m->leaf[m->leaves++] = t;
}

/* A 64 KiB page is sixteen entries that are one. */
static COLD void sync_napot(struct shadow_state *st, struct shadow_table *t, unsigned index)
{
	unsigned first = index & ~15u;

	for (unsigned i = first; i < first + 16; i++)
		if (entry_in_use(t, i) && (t->seen[i] & PTE_N))
			sync_entry(st, t, i);
}

static inline bool is_as_seen(const struct shadow_table *t, unsigned index)
{
	return !entry_in_use(t, index) ||
	       __atomic_load_n(&t->guest[index], __ATOMIC_RELAXED) == t->seen[index];
}

static inline void sync_leaf_entry(struct shadow_state *st, struct shadow_table *t, unsigned index)
{
	if (!is_as_seen(t, index))
		sync_entry(st, t, index);
	if (t->has_napot)
		sync_napot(st, t, index);
}

/* Of the path to @at under @t, down to where it ends or was walked already. */
static void sync_page_of(struct shadow_state *st, struct shadow_table *t, gva_t at)
{
	while (t && t->visited != st->round) {
		unsigned index = shadow_index(t->key.level, at.v);

		t->visited = st->round;
		if (is_comparable(t) && t->key.level == 0) {
			sync_leaf_entry(st, t, index);
			memo_add_leaf(&st->memo, t);
			return;
		}
		if (is_comparable(t) && entry_in_use(t, index))
			sync_entry(st, t, index);
		if (!entry_in_use(t, index))
			return;
		if (is_comparable(t))
			memo_add_up(&st->memo, t, index);
		t = t->key.level && t->key.kind != SHADOW_DIRECT ? shadow_child(t, index) : NULL;
	}
}

/* Whether the last fence's way is this one's, too. */
static inline bool memo_is_good(const struct shadow_state *st, gva_t at, uint64_t asid)
{
	const struct shadow_fence_memo *m = &st->memo;

	if (m->seq != st->shadow->links_seq || m->mega != at.v / MEGAPAGE || m->asid != asid)
		return false;
	for (unsigned i = 0; i < m->ups; i++)
		if (__atomic_load_n(m->up[i], __ATOMIC_RELAXED) != m->up_seen[i])
			return false;
	return true;
}

/* And whether its leaf tables, too, are as they were. */
static inline bool memo_leaves_are_as_seen(const struct shadow_state *st, gva_t at)
{
	const struct shadow_fence_memo *m = &st->memo;

	for (unsigned i = 0; i < m->leaves; i++)
		if (m->leaf[i]->has_napot ||
		    !is_as_seen(m->leaf[i], shadow_index(0, at.v)))
			return false;
	return true;
}

static void sync_by_memo(struct shadow_state *st, gva_t at)
{
	for (unsigned i = 0; i < st->memo.leaves; i++)
		sync_leaf_entry(st, st->memo.leaf[i], shadow_index(0, at.v));
}

/* --- protection --- */

static void unsynced_add(struct shadow_state *st, struct shadow_table *t)
{
	t->quiet = 0;
	t->unsynced_prev = 0;
	t->unsynced_next = st->unsynced;
	if (st->unsynced)
		shadow_table_of(st, st->unsynced)->unsynced_prev = t->number;
	st->unsynced = t->number;
	st->to_protect += st->shadow->policy == SHADOW_TRAP;
}

static void unsynced_remove(struct shadow_state *st, const struct shadow_table *t)
{
	if (t->unsynced_next)
		shadow_table_of(st, t->unsynced_next)->unsynced_prev = t->unsynced_prev;
	if (t->unsynced_prev)
		shadow_table_of(st, t->unsynced_prev)->unsynced_next = t->unsynced_next;
	else
		st->unsynced = t->unsynced_next;
}

/* No hart but this one has run the VM. */
static bool is_alone(const struct shadow_state *st)
{
	return !(atomic_load(&st->gs->harts) & ~(UINT64_C(1) << this_hart()->index));
}

/* No mapping lets the guest write @t's page any more; harts may remember one until they fence.
 * Returns whether any may. */
static bool protect(struct shadow_state *st, struct shadow_table *t)
{
	gpa_t at = gpa(t->key.base);

	t->is_protected = true;
	if (shadow_gfn_of(st, at)->is_protected++ > 0)
		return false;
	shadow_set_special(st, at, true);
	shadow_unmap_page(st, at, true);
	return true;
}

void shadow_protect(struct shadow_state *st, struct shadow_table *t)
{
	bool now = st->shadow->policy == SHADOW_TRAP && is_alone(st);

	if (shadow_is_lazy(st->shadow))
		return;
	if (!now && !shadow_gfn_of(st, gpa(t->key.base))->is_protected)
		unsynced_add(st, t);
	else if (protect(st, t))
		shadow_flush(st);
}

void shadow_forget_protection(struct shadow_state *st, struct shadow_table *t)
{
	if (!table_mirrors(t) || shadow_is_lazy(st->shadow))
		return;
	if (!t->is_protected) {
		unsynced_remove(st, t);
		return;
	}
	t->is_protected = false;
	if (--shadow_gfn_of(st, gpa(t->key.base))->is_protected == 0)
		shadow_set_special(st, gpa(t->key.base), false);
}

static bool is_protected_mirror_of(const struct shadow_table *t, gpa_t at)
{
	return t->is_protected && t->key.base == align_down(at.v, PAGE_SIZE);
}

static COLD void tell_unshadow(gpa_t at, enum trace_why why)
{
	const struct trace_value value = { TRACE_GPA, align_down(at.v, PAGE_SIZE) };

	trace_add(TRACE_UNSHADOW, why, &value, 1);
}

void shadow_lift(struct shadow_state *st, gpa_t at)
{
	struct shadow_gfn *g = shadow_gfn_of(st, at);

	if (!g->is_protected)
		return;
	for (uint32_t n = g->tables; n; n = shadow_table_of(st, n)->same) {
		struct shadow_table *t = shadow_table_of(st, n);

		if (is_protected_mirror_of(t, at)) {
			t->is_protected = false;
			unsynced_add(st, t);
		}
	}
	g->is_protected = 0;
	shadow_set_special(st, at, false);
	st->shadow->links_seq++; /* the memo doesn't know them */
	st->shadow->stats.unshadows++;
	if (trace_wants_of(st->gs, TRACE_UNSHADOW))
		tell_unshadow(at, TRACE_STORED);
}

/* Stores to a page without a use of its mirror between them, before it is taken for none any more:
 * making one again costs about as much. */
#define STORES_MAX 32

/* What the store's own address is translated by is in use; roots are their spaces' to drop. */
static bool is_disused(const struct shadow_state *st, struct shadow_table *t)
{
	return t->key.kind == SHADOW_MIRROR && t->touched != st->clock &&
	       (!t->parents || ++t->stores > STORES_MAX);
}

/* A table page that the guest has put to other use, or is about to, gets its mirrors dropped. */
static void drop_disused(struct shadow_state *st, gpa_t at)
{
	uint32_t next;

	for (uint32_t n = shadow_gfn_of(st, at)->tables; n; n = next) {
		struct shadow_table *t = shadow_table_of(st, n);

		next = t->same;
		if (!is_protected_mirror_of(t, at) || !is_disused(st, t))
			continue;
		shadow_drop(st, t);
		if (trace_wants(TRACE_UNSHADOW))
			tell_unshadow(at, TRACE_DISUSED);
	}
}

/* Only leaf tables: higher ones change seldom, and a store costs less than a protection. */
bool shadow_may_lift(struct shadow_state *st, gpa_t at)
{
	drop_disused(st, at);
	if (!shadow_gfn_of(st, at)->is_protected)
		return true;
	if (st->shadow->policy != SHADOW_UNSYNC)
		return false;
	for (uint32_t n = shadow_gfn_of(st, at)->tables; n; n = shadow_table_of(st, n)->same) {
		const struct shadow_table *t = shadow_table_of(st, n);

		if (is_protected_mirror_of(t, at) && t->key.level > 0)
			return false;
	}
	shadow_lift(st, at);
	return true;
}

void shadow_unprotect(struct shadow *s, gpa_t to)
{
	lock_take(&s->state->gs->lock);
	shadow_lift(s->state, to);
	lock_release(&s->state->gs->lock);
}

/* To be protected: under unsync what stays as it is, under trap anything. */
static bool is_cold(const struct shadow_state *st, const struct shadow_table *t)
{
	return st->shadow->policy == SHADOW_TRAP || t->quiet >= st->cold_after;
}

/* Protect first, all that are cold, and let the harts know; then compare: what is stored in between
 * is seen, what is stored after traps. */
static COLD void protect_again(struct shadow_state *st)
{
	uint32_t cold = 0, next;
	bool flush = false;

	for (uint32_t n = st->unsynced; n; n = next) {
		struct shadow_table *t = shadow_table_of(st, n);

		next = t->unsynced_next;
		if (!is_cold(st, t))
			continue;
		unsynced_remove(st, t);
		flush |= protect(st, t);
		t->unsynced_next = cold;
		cold = n;
	}
	st->to_protect = 0;
	if (flush)
		shadow_flush(st);
	for (uint32_t n = cold; n; n = shadow_table_of(st, n)->unsynced_next)
		sync_table(st, shadow_table_of(st, n), true);
}

/* Before a fence: protect what is due. Returns whether there is anything left to compare. */
static COLD bool protect_due(struct shadow_state *st)
{
	if (st->to_protect >= st->batch || (st->to_protect && is_alone(st)))
		protect_again(st);
	return st->unsynced;
}

/* --- fences --- */

static bool has_asid(const struct shadow_space *space, const uint64_t *asid)
{
	return !asid || (space->atp >> SATP_ASID_SHIFT & SATP_ASID_MASK) == (*asid & SATP_ASID_MASK);
}

static void fence_page_of(struct shadow_state *st, struct shadow_space *space, gva_t at)
{
	for (unsigned left = space->roles; left; left &= left - 1)
		sync_page_of(st, space->root[bit_lowest(left)], at);
}

/* A space that isn't used now is compared when it is entered again; but for one page at once. */
static void fence_space(struct shadow_state *st, struct shadow_space *space, bool active,
			const gva_t *at, bool global_too)
{
	if (space->dirty)
		return; /* all of it will be compared, and .links_seq goes up */
	if (at)
		fence_page_of(st, space, *at);
	else if (active)
		sync_space(st, space, global_too ? ALL : LOCAL);
	else
		space->dirty = true;
}

static void fence_spaces(struct shadow_state *st, const gva_t *at, const uint64_t *asid)
{
	for (unsigned v = 0; v < SHADOW_VCPUS; v++)
		for (unsigned i = 0; st->views[v] && i < SPACES; i++) {
			struct shadow_space *space = &st->spaces[v][i];

			if (space->roles && has_asid(space, asid))
				fence_space(st, space, st->views[v]->space == space, at, !asid);
		}
}

static COLD void fence_page_lazily(struct shadow_state *st, gva_t at, uint64_t asid)
{
	bool all = asid == SHADOW_ALL_ASIDS;

	if (memo_is_good(st, at, asid)) {
		sync_by_memo(st, at);
		return;
	}
	st->round++;
	st->memo = (struct shadow_fence_memo){ .seq = 1 };
	fence_spaces(st, &at, all ? NULL : &asid);
	if (!st->memo.seq)
		return;
	st->memo.seq = st->shadow->links_seq;
	st->memo.mega = at.v / MEGAPAGE;
	st->memo.asid = asid;
}

static void know_by_memo(const struct shadow_state *st, struct shadow_absence *a)
{
	const struct shadow_fence_memo *m = &st->memo;

	a->seq = 0;
	if (!m->ups || m->ups > ABSENCE_MAX || !m->leaves || m->leaves > ABSENCE_MAX)
		return;
	for (unsigned i = 0; i < ABSENCE_MAX; i++) {
		unsigned up = i < m->ups ? i : 0;
		const struct shadow_table *leaf = m->leaf[i < m->leaves ? i : 0];

		if (leaf->has_napot)
			return;
		a->up[i] = m->up[up];
		a->seen[i] = m->up_seen[up];
		a->leaves[i] = (uint64_t)(uintptr_t)leaf->hw - m->mega * PAGE_SIZE;
	}
	a->seq = m->seq;
	a->asid = m->asid;
	a->mega = m->mega;
}

/* What the next fence of a row may go by, if this one has left anything. */
static inline void know(const struct shadow_state *st, struct shadow_absence *a)
{
	const struct shadow_fence_memo *m = &st->memo;

	if (m->seq == st->shadow->links_seq &&
	    (a->seq != m->seq || a->mega != m->mega || a->asid != m->asid))
		know_by_memo(st, a);
}

void shadow_fence_page(struct shadow *s, gva_t at, uint64_t asid, struct shadow_absence *known)
{
	struct shadow_state *st = s->state;

	lock_take(&st->gs->lock);
	s->stats.fences++;
	st->fence_seq += asid == SHADOW_ALL_ASIDS;
	if ((shadow_is_lazy(s) || protect_due(st)) &&
	    (!memo_is_good(st, at, asid) || !memo_leaves_are_as_seen(st, at)))
		fence_page_lazily(st, at, asid);
	if (known)
		know(st, known);
	lock_release(&st->gs->lock);
}

static void fence_all_pages(struct shadow_state *st, const uint64_t *asid)
{
	st->round++;
	fence_spaces(st, NULL, asid);
}

void shadow_fence(struct shadow *s, const gva_t *at, const uint64_t *asid)
{
	struct shadow_state *st = s->state;

	if (at) {
		shadow_fence_page(s, *at, asid ? *asid & SATP_ASID_MASK : SHADOW_ALL_ASIDS, NULL);
		return;
	}
	lock_take(&st->gs->lock);
	s->stats.fences++;
	st->fence_seq += !asid;
	if (shadow_is_lazy(s) || protect_due(st))
		fence_all_pages(st, asid);
	lock_release(&st->gs->lock);
}

/* --- stores --- */

void shadow_written(struct shadow_state *st, gpa_t to, unsigned width)
{
	const struct shadow_gfn *g = shadow_gfn_of(st, to);
	unsigned first = (unsigned)(to.v % PAGE_SIZE / sizeof(pte_t));
	unsigned last = (unsigned)((to.v % PAGE_SIZE + width - 1) / sizeof(pte_t));

	st->shadow->stats.stores++;
	if (g->copy)
		shadow_drop_copy(st, to);
	for (uint32_t n = g->tables; n; n = shadow_table_of(st, n)->same) {
		struct shadow_table *t = shadow_table_of(st, n);

		if (!table_mirrors(t) || t->key.base != align_down(to.v, PAGE_SIZE))
			continue;
		for (unsigned i = first; i <= last; i++)
			if (entry_in_use(t, i))
				sync_entry(st, t, i);
	}
}
