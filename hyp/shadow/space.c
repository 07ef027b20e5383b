/*
 * Guest address spaces: which root the hardware's satp points to, by the guest's satp and role.
 *
 * Each vcpu remembers a few spaces; a satp that comes back finds its roots as they were. That is
 * right without a comparison, since what an ASID remembers may be used until the guest fences, and
 * a fence marks the spaces it is about (.dirty).
 *
 * Invariant: a view's space is the one of its .atp, and isn't dirty.
 *
 * Next to read: table.h for the shape, fill.c for what is under a root.
 */
#include "hyp/shadow/table.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/string.h"
#include "hyp/mm/map.h"
#include "hyp/mm/phys.h"

#define STATE_FRAMES 16
_Static_assert(sizeof(struct shadow_state) <= STATE_FRAMES * PAGE_SIZE, "STATE_FRAMES");

/* Comparisons that found nothing changed, after which a table is likely to stay as it is. */
#define COLD_AFTER 16
/* Telling other harts costs about as much for many pages as for one. */
#define PROTECTED_AT_ONCE 32

const char *const shadow_policy_names[SHADOW_POLICIES] = {
	[SHADOW_TRAP] = "trap",
	[SHADOW_UNSYNC] = "unsync",
	[SHADOW_LAZY] = "lazy",
	[SHADOW_NONE] = "none",
};

/* ASIDs the host's satp holds, less one; 0 where it has none. */
static uint64_t asids;

void shadow_probe(void)
{
	csr_write(CSR_SATP, map_satp | (uint64_t)SATP_ASID_MASK << SATP_ASID_SHIFT);
	asids = csr_read(CSR_SATP) >> SATP_ASID_SHIFT & SATP_ASID_MASK;
	csr_write(CSR_SATP, map_satp);
	sfence_all();
	if (shadow_has_windows())
		shadow_windows_init();
}

bool shadow_has_asids(void)
{
	return asids >= SPACES * ROLES;
}

/* The hypervisor needs a part of the address space that the guest can't name, or a window. */
bool shadow_mode_works(uint64_t mode)
{
	const struct pt_mode *m = vsstage_mode(mode << ATP_MODE_SHIFT);

	return mode == ATP_MODE_BARE ||
	       (m && m->levels < map_mode()->levels + (shadow_has_windows() ? 1 : 0));
}

/* --- a G-stage leaf was replaced --- */

static void flush_derived(struct gstage *gs)
{
	shadow_flush(gs->shadows);
	shadow_flush_code(gs->shadows);
}

static void fence_derived(struct gstage *gs, gpa_t at, uint64_t bytes)
{
	struct shadow_state *st = gs->shadows;

	shadow_unmap_range(st, at, bytes);
	flush_derived(gs);
}

/* As if an instruction that isn't emulated wrote there. */
static void write_derived(struct gstage *gs, gpa_t at, uint64_t bytes)
{
	struct shadow_state *st = gs->shadows;
	uint64_t end = at.v + bytes;

	for (; at.v < end; at.v = align_down(at.v, PAGE_SIZE) + PAGE_SIZE) {
		const struct shadow_gfn *g = shadow_gfn_of(st, at);

		if (!g->is_protected && !g->copy)
			continue;
		shadow_lift(st, at);
		shadow_drop_copy(st, at);
	}
}

static const struct gstage_fencing by_shadow = {
	.fence = fence_derived,
	.flush = flush_derived,
	.write = write_derived,
	.keeps = shadow_keeps,
	.forget = shadow_forget,
};

/* --- spaces --- */

/* Roots and stems belong to nobody else. */
static void drop_root(struct shadow_state *st, struct shadow_table *t)
{
	for (unsigned w = 0; w < PT_ENTRIES / 64; w++)
		for (uint64_t left = t->valid[w]; left; left &= left - 1) {
			struct shadow_table *child = shadow_child(t, w * 64 + bit_lowest(left));

			if (child && child->key.kind == SHADOW_ROOT)
				drop_root(st, child);
		}
	shadow_drop(st, t);
}

static void forget(struct shadow_state *st, struct shadow_space *space)
{
	if (!vsstage_mode(space->atp))
		st->shadow->code_seq++; /* in Bare mode the root is the tag */
	st->forgetting = true;
	for (unsigned role = 0; role < ROLES; role++)
		if (space->root[role])
			drop_root(st, space->root[role]);
	st->forgetting = false;
	memset(space, 0, sizeof(*space));
}

/* Of the two entered last, the vcpu's hart may still run on the one until it loads the other. */
static bool is_idle(const struct shadow_space *spaces, const struct shadow_space *space)
{
	unsigned later = 0;

	for (unsigned i = 0; i < SPACES; i++)
		later += spaces[i].last > space->last;
	return space->used && later >= 2;
}

void shadow_forget_idle(struct shadow_state *st)
{
	for (unsigned v = 0; v < SHADOW_VCPUS; v++)
		for (unsigned i = 0; i < SPACES; i++)
			if (is_idle(st->spaces[v], &st->spaces[v][i]))
				forget(st, &st->spaces[v][i]);
}

/* The one of @atp, or the one to take for it: a free one, or what wasn't used for longest. */
static struct shadow_space *find_space(struct shadow_space *spaces, uint64_t atp)
{
	struct shadow_space *best = &spaces[0];

	for (unsigned i = 0; i < SPACES; i++) {
		if (spaces[i].used && spaces[i].atp == atp)
			return &spaces[i];
		if (spaces[i].last < best->last)
			best = &spaces[i];
	}
	return best;
}

static struct shadow_space *enter_space(struct shadow_state *st, struct shadow_view *w,
					uint64_t atp)
{
	struct shadow_space *space = find_space(st->spaces[w->vcpu], atp);

	if (!space->used || space->atp != atp) {
		forget(st, space);
		space->used = true;
		space->atp = atp;
	}
	if (space->dirty)
		shadow_sync_space(st, space);
	space->last = ++st->clock;
	st->views[w->vcpu] = w;
	w->space = space;
	w->satps = space->satp;
	w->atp = atp;
	return space;
}

static void map_hypervisor(struct shadow_table *root)
{
	const pte_t *host = map_root();

	for (unsigned i = 0; i < PT_ENTRIES; i++)
		if (pte_is_valid(host[i]))
			root->hw[i] = host[i];
}

/* The guest's root page, if the shadow's root is to mirror it and can. */
static pte_t *root_page(struct shadow_state *st, uint64_t atp)
{
	const struct pt_mode *m = vsstage_mode(atp);
	gpa_t at = gpa((atp & ATP_PPN_MASK) << PAGE_SHIFT);
	struct gstage_entry g;

	if (!m || m->levels < map_mode()->levels || !gstage_is_ram(st->gs, at) ||
	    gstage_reach(st->gs, at, ACCESS_STORE, &g) != OK)
		return NULL;
	return phys_pointer(g.to);
}

static struct shadow_table *new_root(struct shadow_state *st, const struct shadow_view *w,
				     unsigned role)
{
	struct shadow_key key = { .kind = SHADOW_ROOT, .level = (uint8_t)(map_mode()->levels - 1) };
	pte_t *guest = root_page(st, w->atp);
	struct shadow_table *root;

	if (guest) {
		key.kind = SHADOW_TOP;
		key.base = (w->atp & ATP_PPN_MASK) << PAGE_SHIFT;
		key.role = (uint8_t)role;
		key.owner = shadow_state_owner(st, w, role);
	}
	root = shadow_make(st, &key, guest);
	if (guest)
		shadow_protect(st, root);
	if (st->windowed)
		shadow_window_open(root);
	else
		map_hypervisor(root);
	return root;
}

/* The hypervisor's own entries, and nothing else yet. The ASID may have been another root's. */
static void make_root(struct shadow_state *st, struct shadow_view *w, unsigned role)
{
	struct shadow_space *space = w->space;
	struct shadow_table *root = new_root(st, w, role);
	uint64_t asid = 1 + (uint64_t)(space - st->spaces[w->vcpu]) * ROLES + role;

	space->root[role] = root;
	space->roles |= (uint8_t)(1u << role);
	st->shadow->links_seq++;
	space->satp[role] = (uint64_t)map_mode()->atp_mode << ATP_MODE_SHIFT |
			    (shadow_has_asids() ? asid << SATP_ASID_SHIFT : 0) |
			    phys_address(root->hw).v >> PAGE_SHIFT;
	st->shadow->stats.roots++;
	sfence_all();
}

struct shadow_space *shadow_space_of(struct shadow_state *st, struct shadow_view *w,
				     const struct regime *r)
{
	unsigned role = shadow_role(r);

	if (!w->space || w->atp != r->atp)
		enter_space(st, w, r->atp);
	if (!w->space->root[role])
		make_root(st, w, role);
	return w->space;
}

uint64_t shadow_find_satp(struct shadow *s, struct shadow_view *w, const struct regime *r)
{
	struct shadow_state *st = s->state;
	uint64_t satp;

	lock_take(&st->gs->lock);
	shadow_begin(st);
	satp = shadow_space_of(st, w, r)->satp[shadow_role(r)];
	lock_release(&st->gs->lock);
	return satp;
}

/* The leaf that the hardware finds for @at; NULL: none. */
static const struct shadow_table *find_leaf(const struct shadow_table *t, gva_t at, unsigned *index)
{
	while (t) {
		*index = shadow_index(t->key.level, at.v);
		if (!entry_in_use(t, *index))
			return NULL;
		if (pte_is_leaf(t->hw[*index]))
			return t;
		t = shadow_child(t, *index);
	}
	return NULL;
}

/* The guest's instructions are read where the hart fetches them from, 16 bits at a time. */
static uint32_t parcels(const uint16_t *original, gva_t pc)
{
	uint32_t low = original[0];

	return (pc.v & (PAGE_SIZE - 1)) == PAGE_SIZE - 2 ? low : low | (uint32_t)original[1] << 16;
}

struct shadow_code shadow_code_at(struct shadow_state *st, const struct shadow_table *root,
				  gva_t pc)
{
	struct shadow_code c = { .seq = shadow_code_seq(st->shadow) };
	struct gstage_entry original;
	unsigned index;
	const struct shadow_table *t = find_leaf(root, pc, &index);

	if (!t || !(t->hw[index] & PTE_X))
		return c;
	c.at = gpa(shadow_leaf_base(t, index).v | (pc.v & (pt_span(t->key.level) - 1)));
	if (gstage_reach(st->gs, c.at, ACCESS_LOAD, &original) != OK)
		return c;
	c.is_mapped = true;
	c.bits = parcels(phys_pointer(original.to), pc);
	c.is_copy = t->key.level == 0 && pte_address(t->hw[index]) == shadow_copy_of(st, c.at).v;
	return c;
}

struct shadow_code shadow_code(struct shadow *s, struct shadow_view *w, const struct regime *r,
			       gva_t pc)
{
	struct shadow_state *st = s->state;
	struct shadow_code c;

	lock_take(&st->gs->lock);
	shadow_begin(st);
	c = shadow_code_at(st, shadow_space_of(st, w, r)->root[shadow_role(r)], pc);
	lock_release(&st->gs->lock);
	return c;
}

/* --- for who looks on --- */

static const struct shadow_table *root_of(const struct shadow_state *st,
					  const struct shadow_view *w, const struct regime *r)
{
	for (unsigned i = 0; i < SPACES; i++) {
		const struct shadow_space *space = &st->spaces[w->vcpu][i];

		if (space->used && space->atp == r->atp)
			return space->root[shadow_role(r)];
	}
	return NULL;
}

/* Whether what entry @index of @t was made from isn't the guest's any more. That A or D has been
 * set since takes nothing away. */
static bool is_old(const struct shadow_table *t, unsigned index)
{
	pte_t seen = t->seen[index], now;

	if (!table_mirrors(t))
		return false;
	now = __atomic_load_n(&t->guest[index], __ATOMIC_RELAXED);
	return ((seen ^ now) & ~(PTE_A | PTE_D)) || (seen & ~now);
}

static struct shadow_seen look(const struct shadow_state *st, const struct shadow_table *root,
			       gva_t at)
{
	struct shadow_seen seen = { .has_root = root != NULL };
	const struct shadow_table *t = root;

	while (t) {
		unsigned index = shadow_index(t->key.level, at.v);
		const struct shadow_gfn *gfn;

		seen.level = t->key.level;
		seen.entry = entry_in_use(t, index) ? t->hw[index] : 0;
		seen.is_old |= seen.entry && is_old(t, index);
		seen.is_leaf = pte_is_leaf(seen.entry);
		if (!seen.entry || !seen.is_leaf) {
			t = seen.entry ? shadow_child(t, index) : NULL;
			continue;
		}
		seen.is_state = shadow_is_state_leaf(st, t, seen.entry);
		if (seen.is_state)
			break;
		gfn = shadow_gfn_of(st, gpa(shadow_leaf_base(t, index).v +
					    (at.v & (pt_span(t->key.level) - 1))));
		seen.is_protected = gfn->is_protected != 0;
		seen.is_copy = gfn->copy != 0;
		break;
	}
	return seen;
}

struct shadow_seen shadow_look(struct shadow *s, const struct shadow_view *w,
			       const struct regime *r, gva_t at)
{
	struct shadow_state *st = s->state;
	struct shadow_seen seen;

	if (!st)
		return (struct shadow_seen){ .has_root = false };
	lock_take(&st->gs->lock);
	seen = look(st, root_of(st, w, r), at);
	lock_release(&st->gs->lock);
	return seen;
}

/* --- a VM's begin --- */

enum err shadow_init(struct shadow *s, struct gstage *gs, enum shadow_policy policy, bool patch)
{
	struct shadow_state *st;
	hpa_t at;
	enum err e = frame_alloc_run(gs->pool, STATE_FRAMES, &at);

	if (e)
		return e;
	st = phys_pointer(at);
	st->shadow = s;
	st->gs = gs;
	st->clock = 1;
	st->cold_after = COLD_AFTER;
	st->batch = PROTECTED_AT_ONCE;
	patch = patch && policy != SHADOW_NONE;
	st->state_allowed = patch;
	st->windowed = shadow_has_windows();
	*s = (struct shadow){ .policy = policy,
			      .patch = patch,
			      .code_seq = s->code_seq + 1,
			      .links_seq = s->links_seq + 1 };
	if ((e = shadow_tables_init(st)) || (e = shadow_copies_init(st)) ||
	    (policy == SHADOW_NONE && (e = shadow_steps_init(st))))
		return e;
	s->state = st;
	gs->shadows = st;
	gs->fencing = &by_shadow;
	return OK;
}
