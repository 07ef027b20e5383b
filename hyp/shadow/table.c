/*
 * Shadow tables: making, chaining, dropping. See table.h.
 *
 * Invariant: an entry is in use exactly if its bit in .valid is set, if the hardware's entry is
 * not 0, and if it hangs in one chain. A table that hangs on nothing and was dropped is in limbo
 * until every hart has fenced; only then its memory is anybody else's.
 *
 * Next to read: fill.c, what goes into the entries.
 */
#include "hyp/shadow/table.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/trace.h"
#include "hyp/lib/check.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"
#include "sbi/call/call.h"

/* A share of guest memory that may go into shadows, and what a few small guests need at least. */
#define GFNS_A_TABLE   64
#define TABLES_MIN     1024
#define EVICT_AT_ONCE  32
/* That can't be dropped: two spaces' roots and stems for all roles, and the way of an access. */
#define TABLES_A_VCPU (2 * ROLES * 3 + 20)
#define LEAF_LEVEL_MAX 2

#define TABLE_FRAMES   4
#define TABLE_BYTES    (TABLE_FRAMES * PAGE_SIZE)
_Static_assert(sizeof(struct shadow_table) <= PAGE_SIZE, "a table takes four frames");

static entry_id id_of(const struct shadow_table *t, unsigned index)
{
	return t->number * PT_ENTRIES + index;
}

struct shadow_table *shadow_table_of(const struct shadow_state *st, uint32_t number)
{
	return st->tables[number / POINTERS][number % POINTERS];
}

static struct shadow_table *table_of_entry(const struct shadow_state *st, entry_id id)
{
	return shadow_table_of(st, id / PT_ENTRIES);
}

struct shadow_gfn *shadow_gfn_of(const struct shadow_state *st, gpa_t at)
{
	uint64_t gfn = (at.v - st->gs->ram.v) >> PAGE_SHIFT;

	return &st->gfns[gfn / GFNS_A_BLOCK][gfn % GFNS_A_BLOCK];
}

struct shadow_region *shadow_region_of(const struct shadow_state *st, unsigned level, gpa_t at)
{
	uint64_t base = align_down(st->gs->ram.v, pt_span(level));

	return &st->regions[level - 1][(at.v - base) / pt_span(level)];
}

/* --- memory --- */

static enum err alloc_gfns(struct shadow_state *st)
{
	uint64_t blocks = align_up(st->gfn_n, GFNS_A_BLOCK) / GFNS_A_BLOCK;

	if (blocks > GFN_BLOCKS)
		return ERR_RANGE;
	for (uint64_t i = 0; i < blocks; i++) {
		hpa_t at;
		bool zero;
		enum err e = frame_alloc_block(st->gs->pool, &at, &zero);

		if (e)
			return e;
		st->gfns[i] = phys_pointer(at);
		if (!zero)
			memset(st->gfns[i], 0, MEGAPAGE);
	}
	return OK;
}

static enum err alloc_regions(struct shadow_state *st, unsigned level)
{
	uint64_t from = align_down(st->gs->ram.v, pt_span(level));
	uint64_t n = align_up(st->gs->ram.v + st->gs->ram_bytes - from, pt_span(level)) /
		     pt_span(level);
	uint64_t bytes = n * sizeof(struct shadow_region);
	bool zero = true;
	hpa_t at;
	enum err e;

	if (bytes > MEGAPAGE)
		return ERR_RANGE;
	if (bytes > PAGE_SIZE)
		e = frame_alloc_block(st->gs->pool, &at, &zero);
	else
		e = frame_alloc(st->gs->pool, &at);
	if (e)
		return e;
	st->regions[level - 1] = phys_pointer(at);
	if (!zero)
		memset(st->regions[level - 1], 0, bytes);
	return OK;
}

/*
 * Memory for so many tables is kept aside, so that there are enough to go on with when the host has
 * none left: the roots of what each vcpu runs, and the way of one access of each.
 */
static enum err keep_reserve(struct shadow_state *st)
{
	unsigned blocks = 1 + host.harts * TABLES_A_VCPU / (MEGAPAGE / TABLE_BYTES);

	st->reserves = blocks < RESERVES_MAX ? blocks : RESERVES_MAX;
	for (unsigned i = 0; i < st->reserves; i++) {
		bool zero;
		enum err e = frame_alloc_block(st->gs->pool, &st->reserve[i], &zero);

		if (e)
			return e;
		st->reserve_is_zero[i] = zero;
	}
	return OK;
}

enum err shadow_tables_init(struct shadow_state *st)
{
	hpa_t at;
	enum err e;

	st->gfn_n = st->gs->ram_bytes >> PAGE_SHIFT;
	st->tables_max = POINTERS * TABLE_CHUNKS - 1;
	if (st->gfn_n / GFNS_A_TABLE + TABLES_MIN < st->tables_max)
		st->tables_max = (uint32_t)(st->gfn_n / GFNS_A_TABLE) + TABLES_MIN;
	if ((e = alloc_gfns(st)) || (e = alloc_regions(st, 1)) || (e = alloc_regions(st, 2)) ||
	    (e = keep_reserve(st)))
		return e;
	/* The first chunk of numbers, which the reserve can't do without. */
	e = frame_alloc(st->gs->pool, &at);
	if (!e)
		st->tables[0] = phys_pointer(at);
	return e;
}

/* TABLE_FRAMES of the reserve, as zero as frames are. Returns false where it is used up. */
static bool take_reserve(struct shadow_state *st, hpa_t *at)
{
	unsigned block = st->reserve_used / (MEGAPAGE / TABLE_BYTES);

	if (block >= st->reserves)
		return false;
	*at = hpa(st->reserve[block].v +
		  st->reserve_used++ % (MEGAPAGE / TABLE_BYTES) * TABLE_BYTES);
	if (!st->reserve_is_zero[block])
		memset(phys_pointer(*at), 0, TABLE_BYTES);
	return true;
}

/* Four frames in a row: what the hardware walks, what was seen, the links, the table itself. */
static struct shadow_table *new_table(struct shadow_state *st)
{
	uint32_t number = st->tables_n + 1;
	struct shadow_table ***chunk = &st->tables[number / POINTERS];
	struct shadow_table *t;
	hpa_t at;

	if (number > st->tables_max || (!*chunk && frame_alloc(st->gs->pool, &at) != OK))
		return NULL;
	if (!*chunk)
		*chunk = phys_pointer(at);
	if (frame_alloc_run(st->gs->pool, TABLE_FRAMES, &at) != OK && !take_reserve(st, &at))
		return NULL;
	t = phys_pointer(hpa(at.v + 3 * PAGE_SIZE));
	t->hw = phys_pointer(at);
	t->seen = t->hw + PT_ENTRIES;
	t->next = (entry_id *)(t->seen + PT_ENTRIES);
	t->prev = t->next + PT_ENTRIES;
	t->number = number;
	(*chunk)[number % POINTERS] = t;
	st->tables_n++;
	st->shadow->stats.tables++;
	return t;
}

/* --- chains --- */

static void chain_push(struct shadow_state *st, entry_id *head, struct shadow_table *t,
		       unsigned index)
{
	entry_id id = id_of(t, index);

	t->next[index] = *head;
	t->prev[index] = 0;
	if (*head)
		table_of_entry(st, *head)->prev[*head % PT_ENTRIES] = id;
	*head = id;
}

static void chain_remove(struct shadow_state *st, entry_id *head, struct shadow_table *t,
			 unsigned index)
{
	entry_id next = t->next[index], prev = t->prev[index];

	if (next)
		table_of_entry(st, next)->prev[next % PT_ENTRIES] = prev;
	if (prev)
		table_of_entry(st, prev)->next[prev % PT_ENTRIES] = next;
	else
		*head = next;
}

/* Where the leaf at @index begins in guest memory. A mirror's level-0 entry may be part of 64 KiB. */
gpa_t shadow_leaf_base(const struct shadow_table *t, unsigned index)
{
	uint64_t span = pt_span(t->key.level);

	if (table_mirrors(t))
		return vsstage_leaf_address(t->seen[index], t->key.level, gva(index * span));
	return gpa(t->key.base + index * span);
}

/* The chain of the guest memory, at @at, that a leaf of @level maps. */
static entry_id *maps_of(struct shadow_state *st, unsigned level, gpa_t at)
{
	return level ? &shadow_region_of(st, level, at)->maps : &shadow_gfn_of(st, at)->maps;
}

static entry_id *chain_of_leaf(struct shadow_state *st, const struct shadow_table *t, unsigned index,
			       pte_t leaf)
{
	if (shadow_is_state_leaf(st, t, leaf))
		return &st->state_maps;
	return maps_of(st, t->key.level, shadow_leaf_base(t, index));
}

struct shadow_table *shadow_child(const struct shadow_table *t, unsigned index)
{
	pte_t e = t->hw[index];

	return pte_is_leaf(e) ? NULL : phys_pointer(hpa(pte_address(e) + 3 * PAGE_SIZE));
}

static void entry_write(pte_t *at, pte_t v)
{
	__atomic_store_n(at, v, __ATOMIC_RELEASE);
}

static void take_into_use(struct shadow_table *t, unsigned index, pte_t seen, pte_t hw)
{
	t->seen[index] = seen;
	t->valid[index / 64] |= UINT64_C(1) << index % 64;
	entry_write(&t->hw[index], hw);
}

/* A leaf of such a kind comes below @t. */
static void mark_leads_to(struct shadow_state *st, struct shadow_table *t, unsigned what)
{
	if ((t->leads_to & what) == what)
		return;
	t->leads_to |= (uint8_t)what;
	for (entry_id id = t->parents; id;) {
		struct shadow_table *parent = table_of_entry(st, id);

		mark_leads_to(st, parent, what);
		id = parent->next[id % PT_ENTRIES];
	}
}

/* A page of the guest's own that has X alone is taken for one, too: that does no harm. */
static bool is_copy(pte_t leaf)
{
	return (leaf & (PTE_R | PTE_X)) == PTE_X;
}

void shadow_link(struct shadow_state *st, struct shadow_table *t, unsigned index, pte_t seen,
		 struct shadow_table *child)
{
	take_into_use(t, index, seen, pte_make(phys_address(child->hw).v, PTE_V));
	chain_push(st, &child->parents, t, index);
	shadow_step_note(st->step, t, index, child);
	st->shadow->links_seq++;
	mark_leads_to(st, t, child->leads_to);
}

/* From now on a fence of a page is about others of its table, too. */
static bool is_first_napot(const struct shadow_table *t, pte_t seen)
{
	return (seen & PTE_N) && !t->has_napot;
}

void shadow_map(struct shadow_state *st, struct shadow_table *t, unsigned index, pte_t seen,
		pte_t leaf)
{
	take_into_use(t, index, seen, leaf);
	t->quiet = 0;
	chain_push(st, chain_of_leaf(st, t, index, leaf), t, index);
	shadow_step_note(st->step, t, index, NULL);
	if (!(seen & PTE_G))
		mark_leads_to(st, t, TO_LOCAL);
	if (is_copy(leaf))
		mark_leads_to(st, t, TO_COPY);
	st->shadow->links_seq += t->key.level > 0 || is_first_napot(t, seen);
	t->has_napot |= (seen & PTE_N) != 0;
	st->shadow->stats.fills++;
}

/* What belongs to a space goes with it, and at no other time. */
static bool is_root(const struct shadow_table *t)
{
	return t->key.kind == SHADOW_ROOT || t->key.kind == SHADOW_TOP;
}

/* What hangs on nothing, or on a space that is being forgotten, no hart goes by. */
static bool is_reachable(const struct shadow_state *st, const struct shadow_table *t)
{
	return !st->forgetting && (t->parents || is_root(t));
}

void shadow_clear(struct shadow_state *st, struct shadow_table *t, unsigned index)
{
	struct shadow_table *child = shadow_child(t, index);

	if (is_reachable(st, t) &&
	    (child ? (child->leads_to & TO_COPY) != 0 : is_copy(t->hw[index])))
		st->shadow->code_seq++;
	st->shadow->links_seq += child != NULL;
	chain_remove(st, child ? &child->parents : chain_of_leaf(st, t, index, t->hw[index]), t,
		     index);
	entry_write(&t->hw[index], 0);
	t->valid[index / 64] &= ~(UINT64_C(1) << index % 64);
}

static void clear_id(struct shadow_state *st, entry_id id)
{
	shadow_clear(st, table_of_entry(st, id), id % PT_ENTRIES);
}

static void clear_chain(struct shadow_state *st, const entry_id *head, bool writable_only)
{
	for (entry_id id = *head, next; id; id = next) {
		const struct shadow_table *t = table_of_entry(st, id);

		next = t->next[id % PT_ENTRIES];
		if (!writable_only || (t->hw[id % PT_ENTRIES] & PTE_W))
			clear_id(st, id);
	}
}

void shadow_unmap_page(struct shadow_state *st, gpa_t at, bool writable_only)
{
	for (unsigned level = 0; level <= LEAF_LEVEL_MAX; level++)
		clear_chain(st, maps_of(st, level, at), writable_only);
}

/* Those of one block of struct shadow_gfn. */
static void unmap_pages(struct shadow_state *st, const struct shadow_gfn *g, uint64_t n)
{
	for (const struct shadow_gfn *end = g + n; g < end; g++)
		if (g->maps)
			clear_chain(st, &g->maps, false);
}

/* Mostly of what no shadow maps yet: a look at each page must cost little. */
void shadow_unmap_range(struct shadow_state *st, gpa_t at, uint64_t bytes)
{
	uint64_t from = at.v > st->gs->ram.v ? at.v : st->gs->ram.v;
	uint64_t until = st->gs->ram.v + st->gs->ram_bytes;

	if (at.v + bytes < until)
		until = at.v + bytes;
	for (uint64_t i = from, n; i < until; i += n * PAGE_SIZE) {
		uint64_t in_block = (i - st->gs->ram.v) / PAGE_SIZE % GFNS_A_BLOCK;

		n = (until - i) / PAGE_SIZE;
		if (n > GFNS_A_BLOCK - in_block)
			n = GFNS_A_BLOCK - in_block;
		unmap_pages(st, shadow_gfn_of(st, gpa(i)), n);
	}
	for (unsigned level = 1; level <= LEAF_LEVEL_MAX; level++)
		for (uint64_t i = from; i < until; i = align_down(i, pt_span(level)) + pt_span(level))
			clear_chain(st, maps_of(st, level, gpa(i)), false);
}

void shadow_unmap_state(struct shadow_state *st)
{
	clear_chain(st, &st->state_maps, false);
}

void shadow_set_special(struct shadow_state *st, gpa_t at, bool special)
{
	for (unsigned level = 1; level <= LEAF_LEVEL_MAX; level++)
		shadow_region_of(st, level, at)->special += special ? 1 : -1u;
}

/* --- tables --- */

static bool keys_are_equal(const struct shadow_key *a, const struct shadow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* A direct table may begin below RAM. */
static uint32_t *same_of(const struct shadow_state *st, const struct shadow_key *key)
{
	gpa_t at = gstage_is_ram(st->gs, gpa(key->base)) ? gpa(key->base) : st->gs->ram;

	return &shadow_gfn_of(st, at)->tables;
}

struct shadow_table *shadow_find(const struct shadow_state *st, const struct shadow_key *key)
{
	uint32_t number = *same_of(st, key);

	while (number) {
		struct shadow_table *t = shadow_table_of(st, number);

		if (keys_are_equal(&t->key, key))
			return t;
		number = t->same;
	}
	return NULL;
}

/* A root that mirrors nothing is in no list of the same base. */
static bool has_base(const struct shadow_table *t)
{
	return t->key.kind != SHADOW_ROOT;
}

static void add_same(struct shadow_state *st, struct shadow_table *t)
{
	uint32_t *first = same_of(st, &t->key);

	t->same = *first;
	*first = t->number;
}

static void remove_same(struct shadow_state *st, struct shadow_table *t)
{
	uint32_t *at = same_of(st, &t->key);

	while (*at != t->number)
		at = &shadow_table_of(st, *at)->same;
	*at = t->same;
}

static void add_newest(struct shadow_state *st, struct shadow_table *t)
{
	t->older = st->newest;
	t->newer = 0;
	if (st->newest)
		shadow_table_of(st, st->newest)->newer = t->number;
	else
		st->oldest = t->number;
	st->newest = t->number;
}

static void remove_from_ages(struct shadow_state *st, struct shadow_table *t)
{
	if (t->older)
		shadow_table_of(st, t->older)->newer = t->newer;
	else
		st->oldest = t->newer;
	if (t->newer)
		shadow_table_of(st, t->newer)->older = t->older;
	else
		st->newest = t->older;
}

static void clear_all(struct shadow_state *st, struct shadow_table *t)
{
	for (unsigned w = 0; w < PT_ENTRIES / 64; w++)
		while (t->valid[w])
			shadow_clear(st, t, w * 64 + bit_lowest(t->valid[w]));
}

/* Roots hold the hypervisor's entries too, which hang in no chain. */
static void empty(struct shadow_state *st, struct shadow_table *t)
{
	clear_all(st, t);
	if (is_root(t))
		memset(t->hw, 0, PAGE_SIZE);
}

void shadow_drop(struct shadow_state *st, struct shadow_table *t)
{
	/* Where its memory is another's, what is known under it as a tag isn't true any more. */
	if ((t->leads_to & TO_COPY) && !is_root(t) && t->key.half == HALF_NONE)
		st->shadow->code_seq++;
	clear_chain(st, &t->parents, false);
	empty(st, t);
	shadow_forget_protection(st, t);
	if (has_base(t))
		remove_same(st, t);
	if (!is_root(t))
		remove_from_ages(st, t);
	t->newer = st->limbo;
	st->limbo = t->number;
	st->shadow->links_seq++;
}

static COLD void tell_evict(const struct shadow_table *t)
{
	const struct trace_value values[] = { { TRACE_GPA, t->key.base },
					      { TRACE_LEVEL, t->key.level } };

	trace_add(TRACE_EVICT, TRACE_NO_WHY, values, 2);
}

/* From the oldest on, but not what the fault that is being served goes through. */
static void evict(struct shadow_state *st)
{
	uint32_t number = st->oldest;

	for (unsigned n = 0; n < EVICT_AT_ONCE && number;) {
		struct shadow_table *t = shadow_table_of(st, number);

		number = t->newer;
		if (t->touched == st->clock)
			continue;
		if (trace_wants(TRACE_EVICT))
			tell_evict(t);
		shadow_drop(st, t);
		st->shadow->stats.evicted++;
		n++;
	}
}

static uint32_t take_free(struct shadow_state *st)
{
	uint32_t number = st->free;

	if (number)
		st->free = shadow_table_of(st, number)->newer;
	return number;
}

static struct shadow_table *find_room(struct shadow_state *st)
{
	struct shadow_table *t;
	uint32_t number = take_free(st);

	if (!number && (t = new_table(st)) != NULL)
		return t;
	if (!number) {
		if (!st->limbo)
			evict(st);
		if (!st->limbo)
			shadow_forget_idle(st);
		shadow_flush(st);
		number = take_free(st);
	}
	CHECK(number);
	return shadow_table_of(st, number);
}

struct shadow_table *shadow_make(struct shadow_state *st, const struct shadow_key *key,
				 pte_t *guest)
{
	struct shadow_table *t = find_room(st);

	t->key = *key;
	t->guest = guest;
	t->touched = st->clock;
	t->synced = st->fence_seq;
	t->leads_to = 0;
	t->stores = 0;
	t->has_napot = false;
	t->visited = 0;
	t->parents = 0;
	if (has_base(t))
		add_same(st, t);
	if (!is_root(t))
		add_newest(st, t);
	return t;
}

void shadow_begin(struct shadow_state *st)
{
	st->clock++;
}

/* --- harts --- */

static void limbo_is_over(struct shadow_state *st)
{
	while (st->limbo) {
		struct shadow_table *t = shadow_table_of(st, st->limbo);

		st->limbo = t->newer;
		t->newer = st->free;
		st->free = t->number;
	}
}

static void on_others(const struct shadow_state *st, void (*call)(struct sbi_harts))
{
	uint64_t others = gstage_other_harts(st->gs);
	struct sbi_harts one;

	while (host_next_hart(&others, &one)) {
		call(one);
		st->shadow->stats.flushes++;
	}
}

static void fence_all_of(struct sbi_harts harts)
{
	sbi_remote_sfence_vma(harts, 0, UINT64_MAX);
}

void shadow_flush(struct shadow_state *st)
{
	sfence_all();
	on_others(st, fence_all_of);
	limbo_is_over(st);
}

void shadow_flush_code(struct shadow_state *st)
{
	fence_i();
	on_others(st, sbi_remote_fence_i);
}
