/*
 * See shadow.h. The check knows the data structures of hyp/shadow/table.h, and none of the code
 * that keeps them: what it finds in use it counts, and compares with what hangs in the chains.
 *
 * Invariant: it changes nothing; the first thing that is wrong is what it tells.
 */
#include "tests/fake/shadow.h"

#include <assert.h>
#include <string.h>

#include "hyp/arch/cpu.h"
#include "hyp/mm/phys.h"
#include "hyp/vs-stage/permit.h"

#define TABLES_MAX (POINTERS * TABLE_CHUNKS)
#define RIGHTS	   (PTE_R | PTE_W | PTE_X)

/* Where a table was met. */
enum { NOWHERE, FREE, LIMBO, LIVE, LIVE_ROOT };

struct check {
	struct shadow_state *st;
	const char *wrong;
	uint8_t where[TABLES_MAX];
	bool unsynced[TABLES_MAX];
	uint64_t in_use, chained; /* entries */
	uint32_t based;		  /* tables that are in the list of their base */
};

void fake_host_mode(const struct pt_mode *m, struct frame_pool *pool)
{
	struct map map = map_build(m);
	hpa_t root;

	if (frame_alloc(pool, &root) != OK)
		return;
	memcpy(phys_pointer(root), (void *)((map.satp & ATP_PPN_MASK) << PAGE_SHIFT), PAGE_SIZE);
	map_satp = (uint64_t)m->atp_mode << ATP_MODE_SHIFT | root.v >> PAGE_SHIFT;
	shadow_probe();
}

/* --- the hardware --- */

struct fake_walk fake_walk(uint64_t satp, gva_t at, enum access want)
{
	static const uint64_t needs[] = { [ACCESS_FETCH] = PTE_X | PTE_A,
					  [ACCESS_LOAD] = PTE_R | PTE_A,
					  [ACCESS_STORE] = PTE_W | PTE_A | PTE_D };
	const struct pt_mode *m = map_mode();
	const pte_t *table = phys_pointer(hpa((satp & ATP_PPN_MASK) << PAGE_SHIFT));
	struct fake_walk w = { .allowed = false };

	if (!vsstage_is_canonical(m, at))
		return w;
	for (w.level = m->levels - 1u;; w.level--) {
		unsigned i = (unsigned)pt_index(m, w.level, at.v);
		pte_t e = table[i];
		bool is_own = w.level + 1 == m->levels && e == map_root()[i];

		if (!pte_is_valid(e) || is_own || (!pte_is_leaf(e) && w.level == 0))
			return w;
		if (pte_is_leaf(e)) {
			w.leaf = e;
			break;
		}
		table = phys_pointer(hpa(pte_address(e)));
	}
	w.allowed = (w.leaf & (needs[want] | PTE_U)) == (needs[want] | PTE_U);
	w.to = hpa(pte_address(w.leaf) + (at.v & (pt_span(w.level) - 1)));
	return w;
}

struct fake_access fake_access(struct shadow *s, struct shadow_view *w, const struct regime *r,
			       gva_t at, enum access want)
{
	struct fake_access a = { .answer = { .what = SHADOW_RESUME } };

	while (a.faults <= FAKE_FAULTS_MAX) {
		a.walk = fake_walk(shadow_satp(s, w, r), at, want);
		if (a.walk.allowed)
			break;
		a.faults++;
		a.answer = shadow_fault(s, w, r, at, want);
		if (a.answer.what != SHADOW_RESUME)
			break;
	}
	return a;
}

static bool is_absent(const struct shadow *s, const struct shadow_absence *a, gva_t at,
		      uint64_t asid)
{
	uint64_t entry = at.v / PAGE_SIZE * sizeof(pte_t);

	if (a->asid != asid || a->mega != at.v / MEGAPAGE || a->seq != s->links_seq)
		return false;
	for (unsigned i = 0; i < ABSENCE_MAX; i++)
		if (*(const pte_t *)(uintptr_t)(a->leaves[i] + entry) || *a->up[i] != a->seen[i])
			return false;
	return true;
}

bool fake_fence_page(struct shadow *s, gva_t at, uint64_t asid, struct shadow_absence *known)
{
	struct shadow_absence other = { .seq = 0 };
	bool absent = is_absent(s, known, at, asid);
	uint64_t changes = s->stats.changes;

	if (absent)
		s->state->memo.seq = 0; /* it finds its own way */
	shadow_fence_page(s, at, asid, absent ? &other : known);
	assert(!absent || s->stats.changes == changes);
	return absent;
}

/* --- the state --- */

static bool expect(struct check *c, bool holds, const char *what)
{
	if (!holds && !c->wrong)
		c->wrong = what;
	return holds;
}

static bool is_number(const struct check *c, uint32_t number)
{
	return number >= 1 && number <= c->st->tables_n;
}

static struct shadow_table *table_at(const struct check *c, uint32_t number)
{
	return shadow_table_of(c->st, number);
}

static bool meet(struct check *c, uint32_t number, uint8_t where)
{
	if (!expect(c, is_number(c, number), "a list names a table that was never made") ||
	    !expect(c, c->where[number] == NOWHERE, "a table is in two lists"))
		return false;
	c->where[number] = where;
	return true;
}

static void meet_list(struct check *c, uint32_t first, uint8_t where)
{
	for (uint32_t n = first; n && meet(c, n, where); n = table_at(c, n)->newer)
		;
}

static void meet_ages(struct check *c)
{
	uint32_t older = 0;

	for (uint32_t n = c->st->oldest; n && meet(c, n, LIVE); n = table_at(c, n)->newer) {
		expect(c, table_at(c, n)->older == older, "the list of ages, backwards");
		expect(c, table_at(c, n)->key.kind != SHADOW_ROOT, "a root that can be evicted");
		older = n;
	}
	expect(c, c->wrong || c->st->newest == older, "the newest table");
}

static void meet_root(struct check *c, const struct shadow_table *t)
{
	if (!expect(c, t->key.kind == SHADOW_ROOT || t->key.kind == SHADOW_TOP,
		    "a space's root is none") ||
	    !meet(c, t->number, LIVE_ROOT))
		return;
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		if (entry_in_use(t, i) && shadow_child(t, i) &&
		    shadow_child(t, i)->key.kind == SHADOW_ROOT)
			meet_root(c, shadow_child(t, i));
}

static void meet_spaces(struct check *c)
{
	for (unsigned v = 0; v < SHADOW_VCPUS; v++)
		for (unsigned i = 0; i < SPACES * ROLES; i++) {
			const struct shadow_space *space = &c->st->spaces[v][i / ROLES];
			const struct shadow_table *root = space->root[i % ROLES];

			if (!expect(c, (root != NULL) == (space->satp[i % ROLES] != 0),
				    "a satp without a root") ||
			    !root)
				continue;
			expect(c, space->used, "a root of no space");
			expect(c,
			       phys_pointer(hpa((space->satp[i % ROLES] & ATP_PPN_MASK)
						<< PAGE_SHIFT)) == root->hw,
			       "a satp that isn't its root's");
			meet_root(c, root);
		}
}

static void meet_unsynced(struct check *c)
{
	for (uint32_t n = c->st->unsynced; n; n = table_at(c, n)->unsynced_next) {
		if (!expect(c, is_number(c, n) && !c->unsynced[n], "the list of the unsynced"))
			return;
		c->unsynced[n] = true;
		expect(c, c->where[n] >= LIVE && !table_at(c, n)->is_protected,
		       "an unsynced table that is gone or protected");
	}
}

/* A root that is in the list of its base nevertheless. */
static bool table_is_top(const struct check *c, uint32_t number)
{
	return c->where[number] == LIVE_ROOT && table_at(c, number)->key.kind == SHADOW_TOP;
}

static bool is_live(const struct check *c, uint32_t number)
{
	return is_number(c, number) && c->where[number] >= LIVE;
}

static struct regime role_regime(unsigned role)
{
	return (struct regime){ .user = role & ROLE_USER,
				.sum = role & ROLE_SUM,
				.mxr = role & ROLE_MXR };
}

/* What guest leaf @seen can let a shadow leaf allow. */
static uint64_t rights_of(pte_t seen, unsigned role)
{
	struct regime r = role_regime(role);

	if (!(seen & PTE_A))
		return 0;
	return (permit(seen, &r, ACCESS_LOAD) ? PTE_R : 0) |
	       (permit(seen, &r, ACCESS_STORE) && (seen & PTE_D) ? PTE_W : 0) |
	       (permit(seen, &r, ACCESS_FETCH) ? PTE_X : 0);
}

static gpa_t leaf_from(const struct shadow_table *t, unsigned i)
{
	uint64_t span = pt_span(t->key.level);

	if (!table_mirrors(t))
		return gpa(t->key.base + i * span);
	return vsstage_leaf_address(t->seen[i], t->key.level, gva(i * span));
}

static void check_leaf(struct check *c, const struct shadow_table *t, unsigned i)
{
	const uint64_t fixed = PTE_V | PTE_U | PTE_A | PTE_D;
	uint64_t span = pt_span(t->key.level);
	gpa_t from = leaf_from(t, i);
	pte_t e = t->hw[i];
	uint64_t allowed = table_mirrors(t)		? rights_of(t->seen[i], t->key.role) :
			   t->key.kind == SHADOW_DIRECT ? t->key.rights :
							  RIGHTS;
	struct gstage_entry g;

	if (!expect(c, range_holds(c->st->gs->ram.v, c->st->gs->ram_bytes, from.v, span),
		    "a leaf of what isn't RAM"))
		return;
	g = gstage_lookup(c->st->gs, from);
	expect(c, (e & ~(PTE_PPN_MASK | RIGHTS)) == fixed, "a leaf's bits");
	expect(c, is_aligned(pte_address(e), span), "a leaf's alignment");
	expect(c, !(e & RIGHTS & ~allowed), "a leaf allows what the guest's doesn't");
	expect(c, pte_is_valid(g.pte) && g.level >= t->key.level && g.to.v == pte_address(e),
	       "a leaf points elsewhere than the G-stage");
	expect(c, !(e & RIGHTS & ~g.pte), "a leaf allows what the G-stage doesn't");
	if (!(e & PTE_W))
		return;
	for (uint64_t at = from.v; at < from.v + span; at += PAGE_SIZE)
		expect(c, !shadow_gfn_of(c->st, gpa(at))->is_protected,
		       "a writable leaf of a protected page");
}

static void check_pointer(struct check *c, const struct shadow_table *t, unsigned i)
{
	const struct shadow_table *child = shadow_child(t, i);

	if (!expect(c, is_live(c, child->number) && table_at(c, child->number) == child,
		    "a pointer to a table that is gone"))
		return;
	expect(c, t->hw[i] == pte_make(phys_address(child->hw).v, PTE_V), "a pointer's bits");
	expect(c, child->key.level + 1 == t->key.level, "a pointer's level");
	if (!table_mirrors(t))
		return;
	if (child->key.kind == SHADOW_MIRROR)
		expect(c,
		       !pte_is_leaf(t->seen[i]) && child->key.role == t->key.role &&
			       child->key.base == pte_address(t->seen[i]),
		       "a pointer to another table than the guest's");
	else
		expect(c,
		       child->key.kind == SHADOW_DIRECT && pte_is_leaf(t->seen[i]) &&
			       !(child->key.rights & ~rights_of(t->seen[i], t->key.role)),
		       "a direct table that allows what the guest's leaf doesn't");
}

static entry_id *head_of(const struct check *c, const struct shadow_table *t, unsigned i)
{
	struct shadow_table *child = shadow_child(t, i);

	if (child)
		return &child->parents;
	return t->key.level ? &shadow_region_of(c->st, t->key.level, leaf_from(t, i))->maps :
			      &shadow_gfn_of(c->st, leaf_from(t, i))->maps;
}

/* Each entry in use that is first in its chain: the rest of it has the same head. */
static void check_chain(struct check *c, const struct shadow_table *t, unsigned i)
{
	entry_id *head = head_of(c, t, i), before = 0;

	c->in_use++;
	if (t->prev[i])
		return;
	if (!expect(c, *head == t->number * PT_ENTRIES + i, "an entry that hangs in no chain"))
		return;
	for (entry_id id = *head; id;) {
		const struct shadow_table *other;
		unsigned k = id % PT_ENTRIES;

		if (!expect(c, is_live(c, id / PT_ENTRIES), "a chain through a table that is gone"))
			return;
		other = table_at(c, id / PT_ENTRIES);
		if (!expect(c, entry_in_use(other, k) && head_of(c, other, k) == head,
			    "an entry in another's chain") ||
		    !expect(c, other->prev[k] == before, "a chain, backwards"))
			return;
		c->chained++;
		before = id;
		id = other->next[k];
	}
}

/* While a page is protected, the guest's entries are what was seen, but for A and D set since. */
static void check_truth(struct check *c, const struct shadow_table *t, unsigned i)
{
	pte_t now = t->guest[i], seen = t->seen[i];

	expect(c,
	       now == seen || (pte_is_leaf(seen) && !((seen ^ now) & ~(PTE_A | PTE_D)) &&
			       !(seen & ~now)),
	       "a protected table whose guest's entry is another");
}

static void check_entry(struct check *c, const struct shadow_table *t, unsigned i)
{
	const pte_t *host = map_root();
	bool is_root = t->key.level + 1 == map_mode()->levels;

	if (is_root && (shadow_has_windows() ? i == t->window : pte_is_valid(host[i]))) {
		expect(c, t->hw[i] == host[i] && !entry_in_use(t, i), "the hypervisor's map");
		return;
	}
	if (!expect(c, entry_in_use(t, i) == (t->hw[i] != 0), "an entry half in use") ||
	    !entry_in_use(t, i))
		return;
	if (pte_is_leaf(t->hw[i]))
		check_leaf(c, t, i);
	else
		check_pointer(c, t, i);
	if (!c->wrong)
		check_chain(c, t, i);
	if (t->is_protected)
		check_truth(c, t, i);
}

static void check_table(struct check *c, const struct shadow_table *t)
{
	bool mirrors = table_mirrors(t);

	expect(c, !t->is_protected || mirrors, "a protected table that mirrors nothing");
	if (mirrors)
		expect(c,
		       t->guest ==
			       phys_pointer(gstage_lookup(c->st->gs, gpa(t->key.base)).to),
		       "a mirror of memory that isn't the guest's page any more");
	if (mirrors && c->st->shadow->policy != SHADOW_LAZY)
		expect(c, t->is_protected != c->unsynced[t->number],
		       "a mirror neither protected nor to be compared");
	else
		expect(c, !t->is_protected && !c->unsynced[t->number],
		       "protection that nobody asked for");
	for (unsigned i = 0; i < PT_ENTRIES && !c->wrong; i++)
		check_entry(c, t, i);
}

static bool is_unused(const struct shadow_table *t)
{
	uint64_t any = 0;

	for (unsigned w = 0; w < PT_ENTRIES / 64; w++)
		any |= t->valid[w];
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		any |= t->hw[i];
	return any == 0 && !t->parents && !t->is_protected;
}

static void check_head(struct check *c, const entry_id *head)
{
	const struct shadow_table *t;

	if (!*head)
		return;
	if (!expect(c, is_live(c, *head / PT_ENTRIES), "a chain begins in a table that is gone"))
		return;
	t = table_at(c, *head / PT_ENTRIES);
	expect(c, entry_in_use(t, *head % PT_ENTRIES) && head_of(c, t, *head % PT_ENTRIES) == head,
	       "a chain begins with another's entry");
}

static bool belongs_to(const struct check *c, const struct shadow_table *t, gpa_t page)
{
	const struct gstage *gs = c->st->gs;

	return t->key.base == page.v ||
	       (t->key.kind == SHADOW_DIRECT && page.v == gs->ram.v &&
		!gstage_is_ram(gs, gpa(t->key.base)));
}

static void check_page(struct check *c, gpa_t page)
{
	const struct shadow_gfn *g = shadow_gfn_of(c->st, page);
	uint32_t protected = 0;

	check_head(c, &g->maps);
	for (uint32_t n = g->tables; n; n = table_at(c, n)->same) {
		if (!expect(c, is_live(c, n) && c->based <= c->st->tables_n &&
				       belongs_to(c, table_at(c, n), page),
			    "a page's list of tables"))
			return;
		protected += table_at(c, n)->is_protected;
		c->based++;
	}
	expect(c, g->is_protected == protected, "how many tables protect a page");
}

static void check_region(struct check *c, unsigned level, gpa_t at)
{
	struct shadow_region *region = shadow_region_of(c->st, level, at);
	uint32_t special = 0;

	check_head(c, &region->maps);
	for (uint64_t i = 0; i < pt_span(level); i += PAGE_SIZE)
		if (gstage_is_ram(c->st->gs, gpa(at.v + i)))
			special += shadow_gfn_of(c->st, gpa(at.v + i))->is_protected > 0;
	expect(c, region->special == special, "how many pages of a region are special");
}

static void check_memory(struct check *c)
{
	gpa_t ram = c->st->gs->ram;
	uint64_t end = ram.v + c->st->gs->ram_bytes;

	for (uint64_t at = ram.v; at < end && !c->wrong; at += PAGE_SIZE)
		check_page(c, gpa(at));
	for (unsigned level = 1; level <= 2; level++)
		for (uint64_t at = align_down(ram.v, pt_span(level)); at < end && !c->wrong;
		     at += pt_span(level))
			check_region(c, level, gpa(at));
}

static void check_tables(struct check *c)
{
	uint32_t live = 0;

	for (uint32_t n = 1; n <= c->st->tables_n && !c->wrong; n++) {
		expect(c, c->where[n] != NOWHERE, "a table that is lost");
		live += c->where[n] == LIVE || table_is_top(c, n);
		if (c->where[n] >= LIVE)
			check_table(c, table_at(c, n));
		else
			expect(c, is_unused(table_at(c, n)), "a free table that is used");
	}
	expect(c, c->wrong || c->in_use == c->chained, "a chain that is a ring");
	check_memory(c);
	expect(c, c->wrong || c->based == live, "a table in no list of its base");
}

const char *fake_shadow_wrong(struct shadow_state *st)
{
	static struct check c;

	memset(&c, 0, sizeof(c));
	c.st = st;
	meet_list(&c, st->free, FREE);
	meet_list(&c, st->limbo, LIMBO);
	meet_ages(&c);
	meet_spaces(&c);
	meet_unsynced(&c);
	if (!c.wrong)
		check_tables(&c);
	return c.wrong;
}
