/*
 * RAM on demand: the first touch of a place gives the guest memory for it, the first write to a
 * bundle's page its own copy. In pages as large as alignment, RAM's ends and free memory allow.
 *
 * Invariant: a frame that a writable leaf points to belongs to this VM's pool and holds nothing of
 * anybody else: zeros, or the bundle's bytes.
 *
 * Read table.c first, then fence.c for who must be told.
 */
#include "hyp/g-stage/gstage.h"
#include "hyp/g-stage/table.h"

#include "hyp/lib/string.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/phys.h"

#define MEGA_LEVEL 1

static bool entry_allows(pte_t e, enum access want)
{
	static const uint8_t right[] = {
		[ACCESS_FETCH] = PTE_X, [ACCESS_LOAD] = PTE_R, [ACCESS_STORE] = PTE_W
	};

	return pte_is_valid(e) && (e & right[want]) != 0;
}

static bool span_is_ram(const struct gstage *gs, uint64_t base, uint64_t bytes)
{
	return range_holds(gs->ram.v, gs->ram_bytes, base, bytes);
}

static bool span_has_backing(const struct gstage *gs, uint64_t base, uint64_t bytes)
{
	for (unsigned i = 0; i < gs->backings_n; i++)
		if (gs->backings[i].at.v < base + bytes &&
		    base < gs->backings[i].at.v + gs->backings[i].bytes)
			return true;
	return false;
}

/* Write what the guest shall find in [@at, @at + @bytes): bundle bytes, zeros between them. */
static void populate(const struct gstage *gs, uint64_t at, uint64_t bytes, char *to, bool zero)
{
	uint64_t end = at + bytes;

	for (unsigned i = 0; i < gs->backings_n && at < end; i++) {
		const struct gstage_backing *b = &gs->backings[i];
		uint64_t from = b->at.v > at ? b->at.v : at;
		uint64_t until = b->at.v + b->bytes < end ? b->at.v + b->bytes : end;

		if (from >= until)
			continue;
		if (!zero)
			memset(to, 0, from - at);
		memcpy(to + (from - at), phys_pointer(hpa(b->from.v + (from - b->at.v))),
		       until - from);
		to += until - at;
		at = until;
	}
	if (!zero)
		memset(to, 0, end - at);
}

/* The widest leaf above 2 MiB that an untouched place can get, of memory known to be zero. */
static enum err fill_giant(struct gstage *gs, gpa_t at, unsigned top, unsigned *level, hpa_t *to)
{
	for (*level = top; *level > MEGA_LEVEL; --*level) {
		uint64_t bytes = pt_span(*level), base = align_down(at.v, bytes);

		if (span_is_ram(gs, base, bytes) && !span_has_backing(gs, base, bytes) &&
		    frame_alloc_zero_run(gs->pool, bytes, to) == OK)
			return OK;
	}
	return ERR_NOMEM;
}

/* Where some of 2 MiB was given back (discard.c) the rest of it stays as it is. */
static enum err fill_small(struct gstage *gs, gpa_t at, unsigned *level, hpa_t *to)
{
	uint64_t base = align_down(at.v, MEGAPAGE);
	bool zero = true;
	enum err e;

	*level = span_is_ram(gs, base, MEGAPAGE) && !table_is_private(gs, at) ? MEGA_LEVEL : 0;
	e = *level ? frame_alloc_block(gs->pool, to, &zero) : frame_alloc_page(gs->pool, to);
	if (e)
		return e;
	base = align_down(at.v, pt_span(*level));
	populate(gs, base, pt_span(*level), phys_pointer(*to), zero);
	return OK;
}

/*
 * The copy takes the place of what other harts may still read by an older translation, so nobody
 * may write to it before they are fenced: it is mapped without W first. With W it needs no fence:
 * a hart that remembers it without takes one more fault.
 */
static enum err replace(struct gstage *gs, gpa_t at, unsigned level, hpa_t to)
{
	hpa_t old, none;
	enum err e = table_set(gs, at, level, to, GSTAGE_RX, &old);

	if (e)
		return e;
	gs->fencing->fence(gs, gpa(align_down(at.v, pt_span(level))), pt_span(level));
	if (old.v)
		frame_free(gs->pool, old, 1);
	return table_set(gs, at, level, to, GSTAGE_RWX, &none);
}

/* Where nothing was mapped nobody needs a fence, but for the code that was copied there. */
static enum err install(struct gstage *gs, gpa_t at, unsigned level, hpa_t to)
{
	hpa_t none;
	enum err e = table_set(gs, at, level, to, GSTAGE_RWX, &none);
	uint64_t span = pt_span(level), base = align_down(at.v, span);

	if (!e && span_has_backing(gs, base, span))
		gs->fencing->fence(gs, gpa(base), span);
	return e;
}

/* @found: what the table says now, at @found_level: nothing, or a leaf that doesn't allow it. If
 * the table itself can't grow, the pool gets the memory back with the VM. */
static enum err fill(struct gstage *gs, gpa_t at, pte_t found, unsigned found_level)
{
	unsigned level;
	hpa_t to;
	enum err e = ERR_NOMEM;

	if (!pte_is_valid(found))
		e = fill_giant(gs, at, found_level, &level, &to);
	if (e)
		e = fill_small(gs, at, &level, &to);
	if (e)
		return e;
	gs->demand_fills++;
	if (!pte_is_valid(found) && found_level >= level)
		return install(gs, at, level, to);
	gs->cow_copies++;
	return replace(gs, at, level, to);
}

static COLD void tell_fill(gpa_t at, const struct gstage_entry *e, pte_t before)
{
	const struct trace_value values[] = { { TRACE_GPA, align_down(at.v, pt_span(e->level)) },
					      { TRACE_HPA, pte_address(e->pte) },
					      { TRACE_LEVEL, e->level },
					      { TRACE_ENTRY, e->pte } };

	trace_add(TRACE_FILL, pte_is_valid(before) ? TRACE_COPY : TRACE_DEMAND, values, 4);
}

/* What *@r says doesn't allow what is wanted: what does is made. */
static COLD enum err fill_found(struct gstage *gs, gpa_t at, struct gstage_entry *r)
{
	pte_t before = r->pte;
	enum err e = fill(gs, at, before, r->level);

	if (e)
		return e;
	r->pte = *table_find(gs, at, &r->level);
	if (trace_wants_of(gs, TRACE_FILL))
		tell_fill(at, r, before);
	return OK;
}

/* With the lock held: the leaf that allows @want at @at, made if need be. */
static inline enum err reach(struct gstage *gs, gpa_t at, enum access want, struct gstage_entry *r,
			     bool *changed)
{
	enum err e;

	*changed = false;
	if (!gstage_is_ram(gs, at))
		return ERR_RANGE;
	r->pte = *table_find(gs, at, &r->level);
	if (!entry_allows(r->pte, want)) {
		e = fill_found(gs, at, r);
		if (e)
			return e;
		*changed = true;
	}
	r->to = hpa(pte_address(r->pte) + (at.v & (pt_span(r->level) - 1)));
	return OK;
}

enum err gstage_reach(struct gstage *gs, gpa_t at, enum access want, struct gstage_entry *r)
{
	bool changed;

	return reach(gs, at, want, r, &changed);
}

enum err gstage_touch(struct gstage *gs, gpa_t at, enum access want, bool *changed)
{
	struct gstage_entry r;
	enum err e;

	lock_take(&gs->lock);
	e = reach(gs, at, want, &r, changed);
	lock_release(&gs->lock);
	return e;
}

void *gstage_pointer(struct gstage *gs, gpa_t at, enum access want)
{
	struct gstage_entry r;
	enum err e;

	lock_take(&gs->lock);
	e = gstage_reach(gs, at, want, &r);
	lock_release(&gs->lock);
	return e ? NULL : phys_pointer(r.to);
}

bool gstage_find_page(struct gstage *gs, gpa_t at, enum access want, struct gstage_page *page)
{
	struct gstage_entry r;
	uint64_t offset;
	enum err e;

	lock_take(&gs->lock);
	e = gstage_reach(gs, at, want, &r);
	lock_release(&gs->lock);
	if (e)
		return false;
	offset = at.v & (pt_span(r.level) - 1);
	*page = (struct gstage_page){ gpa(at.v - offset), hpa(r.to.v - offset), pt_span(r.level) };
	return true;
}

struct gstage_entry gstage_lookup(struct gstage *gs, gpa_t at)
{
	struct gstage_entry r = { .to = hpa(0) };

	lock_take(&gs->lock);
	r.pte = *table_find(gs, at, &r.level);
	lock_release(&gs->lock);
	if (pte_is_valid(r.pte))
		r.to = hpa(pte_address(r.pte) + (at.v & (pt_span(r.level) - 1)));
	return r;
}
