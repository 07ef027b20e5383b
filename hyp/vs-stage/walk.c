/*
 * The walk of a guest's own table. See walk.h; the numbers are the steps of "Virtual Address
 * Translation Process".
 *
 * Invariant: an entry is read once, checked, used; what the guest writes meanwhile doesn't matter. What
 * it gives back meanwhile, it gives back after the walk (gs->lock).
 * Next to read: permit.h, the rules of step 6 and 8; then g-stage/, where the gpa goes.
 */
#include "hyp/vs-stage/walk.h"

#include "hyp/mm/phys.h"
#include "hyp/vs-stage/permit.h"

static const struct pt_mode vsstage_modes[] = {
	{ "sv39", ATP_MODE_SV39, 3, 0 },
	{ "sv48", ATP_MODE_SV48, 4, 0 },
	{ "sv57", ATP_MODE_SV57, 5, 0 },
};

const struct pt_mode *vsstage_mode(uint64_t atp)
{
	uint64_t mode = atp >> ATP_MODE_SHIFT;

	for (unsigned i = 0; i < sizeof(vsstage_modes) / sizeof(vsstage_modes[0]); i++)
		if (vsstage_modes[i].atp_mode == mode)
			return &vsstage_modes[i];
	return NULL;
}

bool vsstage_is_canonical(const struct pt_mode *m, gva_t at)
{
	unsigned unused = 64 - pt_address_bits(m);

	return (uint64_t)((int64_t)(at.v << unused) >> unused) == at.v;
}

static struct walk ends(int result, gpa_t at)
{
	return (struct walk){ .result = result, .at = at };
}

/* Svnapot: N with PPN[3:0] = 1000 makes 64 KiB of sixteen entries; nothing else is defined. */
static bool napot_is_reserved(pte_t e, const struct regime *r, unsigned level)
{
	return (e & PTE_N) && (!r->napot || level != 0 || (e >> PTE_PPN_SHIFT & 0xf) != 8);
}

/* Svpbmt: three types of memory, which change nothing here; the fourth encoding is reserved. */
static bool pbmt_is_reserved(pte_t e, const struct regime *r)
{
	return (e & PTE_PBMT) && (!r->pbmt || (e & PTE_PBMT) == PTE_PBMT);
}

/* Step 3, 4 and 5. */
enum vsstage_flaw vsstage_flaw(pte_t e, const struct regime *r, unsigned level)
{
	if (!pte_is_valid(e))
		return VSSTAGE_INVALID;
	if ((e & PTE_W) && !(e & PTE_R))
		return VSSTAGE_WRITE_ONLY;
	if (e & PTE_RESERVED)
		return VSSTAGE_RESERVED_BITS;
	if (!pte_is_leaf(e)) {
		if (e & (PTE_D | PTE_A | PTE_U | PTE_PBMT | PTE_N))
			return VSSTAGE_POINTER_BITS;
		return level == 0 ? VSSTAGE_POINTER_TOO_LOW : VSSTAGE_SOUND;
	}
	if (napot_is_reserved(e, r, level))
		return VSSTAGE_NAPOT;
	if (pbmt_is_reserved(e, r))
		return VSSTAGE_PBMT;
	return is_aligned(pte_address(e), pt_span(level)) ? VSSTAGE_SOUND : VSSTAGE_MISALIGNED;
}

enum vsstage_kind vsstage_kind(pte_t e, const struct regime *r, unsigned level)
{
	if (vsstage_flaw(e, r, level) != VSSTAGE_SOUND)
		return VSSTAGE_FAULT;
	return pte_is_leaf(e) ? VSSTAGE_LEAF : VSSTAGE_TABLE;
}

gpa_t vsstage_leaf_address(pte_t e, unsigned level, gva_t at)
{
	uint64_t span = e & PTE_N ? KIB(64) : pt_span(level);

	return gpa(align_down(pte_address(e), span) | (at.v & (span - 1)));
}

/* Step 9. */
bool vsstage_set_accessed(pte_t *at, pte_t seen, enum access want)
{
	pte_t wanted = seen | PTE_A | (want == ACCESS_STORE ? PTE_D : 0);

	return __atomic_compare_exchange_n(at, &seen, wanted, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

bool vsstage_lacks_accessed(pte_t e, enum access want)
{
	return !(e & PTE_A) || (want == ACCESS_STORE && !(e & PTE_D));
}

/* The entry at @at of a table, for @want; NULL and *@why where it can't be had. */
static pte_t *entry_at(struct gstage *gs, gpa_t at, enum access want, struct walk *why)
{
	struct gstage_entry e;

	if (gstage_reach(gs, at, want, &e) == OK)
		return phys_pointer(e.to);
	*why = ends(gstage_is_ram(gs, at) ? WALK_NOMEM : WALK_ACCESS, at);
	return NULL;
}

static struct walk walk_tables(struct gstage *gs, const struct regime *r, const struct pt_mode *m,
			       gva_t at, enum access want)
{
	uint64_t table = (r->atp & ATP_PPN_MASK) << PAGE_SHIFT;
	struct walk why;

	for (unsigned level = m->levels - 1u;; level--) {
		gpa_t place = gpa(table + 8 * pt_index(m, level, at.v));
		pte_t *entry = entry_at(gs, place, ACCESS_LOAD, &why);
		enum vsstage_kind kind;
		pte_t e;

		if (!entry)
			return why;
		e = __atomic_load_n(entry, __ATOMIC_RELAXED);
		kind = vsstage_kind(e, r, level);
		if (kind == VSSTAGE_FAULT)
			return ends(WALK_PAGE, place);
		if (kind == VSSTAGE_TABLE) {
			table = pte_address(e);
			continue;
		}
		if (!permit(e, r, want))
			return ends(WALK_PAGE, place);
		if (vsstage_lacks_accessed(e, want)) {
			if (!r->adue)
				return ends(WALK_PAGE, place);
			entry = entry_at(gs, place, ACCESS_STORE, &why);
			if (!entry)
				return why;
			if (!vsstage_set_accessed(entry, e, want))
				return ends(WALK_AGAIN, place);
		}
		return (struct walk){ WALK_OK, vsstage_leaf_address(e, level, at), e, level };
	}
}

struct walk vsstage_walk(struct gstage *gs, const struct regime *r, gva_t at, enum access want)
{
	const struct pt_mode *m = vsstage_mode(r->atp);
	struct walk w;

	if (!m)
		return ends(WALK_OK, gpa(at.v));
	if (!vsstage_is_canonical(m, at))
		return ends(WALK_PAGE, gpa(0));
	lock_take(&gs->lock);
	w = walk_tables(gs, r, m, at, want);
	lock_release(&gs->lock);
	return w;
}
