/*
 * Maps as ranges. See ranges.h.
 *
 * Both stages are looked at alike: a piece of the address space at a time, as large as one entry
 * that says something of all of it; merge() puts the pieces together.
 */
#include "hyp/mmu/ranges.h"

#define RWX	 (PTE_R | PTE_W | PTE_X)
#define VS_FLAGS (RWX | PTE_U | PTE_G | PTE_N)

const char *const range_owner_names[RANGE_OWNERS] = {
	[RANGE_RAM] = "ram",	   [RANGE_BUNDLE] = "bundle",	[RANGE_UNTOUCHED] = "untouched",
	[RANGE_DEVICE] = "device", [RANGE_NOTHING] = "nothing",
};

/* What has been put together so far. */
struct merge {
	struct range now; /* .bytes 0: nothing yet */
	range_see *see;
	void *context;
	bool is_over; /* .see wants no more: .now is the first that it wasn't shown */
};

static void flush(struct merge *m)
{
	if (!m->now.bytes || m->is_over)
		return;
	if (m->see(&m->now, m->context))
		m->now.bytes = 0;
	else
		m->is_over = true;
}

static bool goes_on(const struct range *a, const struct range *b)
{
	return b->from == a->from + a->bytes && b->owner == a->owner && b->flags == a->flags &&
	       b->level == a->level;
}

static void merge(struct merge *m, const struct range *piece)
{
	if (m->now.bytes && goes_on(&m->now, piece)) {
		m->now.is_scattered |= piece->to != m->now.to + m->now.bytes;
		m->now.bytes += piece->bytes;
		return;
	}
	flush(m);
	if (!m->is_over)
		m->now = *piece;
}

/* Where to go on: @at is what comes next. A range that is cut here goes on there. */
static uint64_t finish(struct merge *m, uint64_t at)
{
	flush(m);
	return m->is_over ? m->now.from : at;
}

/* --- the G-stage --- */

static struct range piece_of_ram(struct gstage *gs, gpa_t at)
{
	struct gstage_entry e = gstage_lookup(gs, at);
	uint64_t span = pt_span(e.level), end = align_down(at.v, span) + span;
	struct range piece = { .from = at.v, .owner = RANGE_UNTOUCHED };

	if (end - gs->ram.v > gs->ram_bytes)
		end = gs->ram.v + gs->ram_bytes;
	piece.bytes = end - at.v;
	if (!pte_is_valid(e.pte)) {
		piece.to = at.v;
		return piece;
	}
	piece.to = e.to.v;
	piece.level = e.level;
	piece.flags = e.pte & RWX;
	piece.owner = e.pte & PTE_W ? RANGE_RAM : RANGE_BUNDLE;
	return piece;
}

/* Some of its pages may be shown to loads as memory: gstage_show(). */
static struct range piece_of_device(struct gstage *gs, const struct gstage_device *d, uint64_t at)
{
	struct gstage_entry e = gstage_lookup(gs, gpa(at));
	uint64_t end = align_down(at, pt_span(e.level)) + pt_span(e.level);
	struct range piece = { .from = at, .to = at, .owner = RANGE_DEVICE };

	if (end - d->at.v > d->bytes)
		end = d->at.v + d->bytes;
	piece.bytes = end - at;
	if (!pte_is_valid(e.pte))
		return piece;
	piece.to = e.to.v;
	piece.level = e.level;
	piece.flags = e.pte & RWX;
	return piece;
}

/* The device, or RAM, that is at @at or follows next. false: there is none. */
static bool next_place(struct gstage *gs, uint64_t at, struct range *piece)
{
	uint64_t best = UINT64_MAX;

	if (gstage_is_ram(gs, gpa(at))) {
		*piece = piece_of_ram(gs, gpa(at));
		return true;
	}
	if (gs->ram.v >= at) {
		best = gs->ram.v;
		*piece = piece_of_ram(gs, gs->ram);
	}
	for (const struct gstage_device *d = gs->devices; d < gs->devices + gs->devices_n; d++) {
		uint64_t from = at > d->at.v ? at : d->at.v;

		if (from - d->at.v >= d->bytes || from >= best)
			continue;
		best = from;
		*piece = piece_of_device(gs, d, from);
	}
	return best != UINT64_MAX;
}

uint64_t ranges_of_g_stage(struct gstage *gs, uint64_t from, range_see *see, void *context)
{
	struct merge m = { .see = see, .context = context };
	struct range piece;
	uint64_t at = from;

	for (unsigned n = 0; n < RANGES_STEPS && !m.is_over; n++) {
		if (!next_place(gs, at, &piece))
			return finish(&m, UINT64_MAX);
		merge(&m, &piece);
		at = piece.from + piece.bytes;
	}
	return finish(&m, at);
}

/* --- the VS-stage --- */

static bool page_has(const struct gstage_device *d, gpa_t page)
{
	return page.v < d->at.v + d->bytes && d->at.v < page.v + PAGE_SIZE;
}

static enum range_owner owner_of(const struct gstage *gs, gpa_t page)
{
	if (gstage_is_ram(gs, page))
		return RANGE_RAM;
	for (unsigned i = 0; i < gs->devices_n; i++)
		if (page_has(&gs->devices[i], page))
			return RANGE_DEVICE;
	return RANGE_NOTHING;
}

static void cut_at(struct range *piece, uint64_t edge)
{
	if (edge > piece->to && edge - piece->to < piece->bytes)
		piece->bytes = edge - piece->to;
}

/* A large leaf may lead to several owners: its first pages, as far as they have one. */
static void cut_to_owner(const struct gstage *gs, struct range *piece)
{
	piece->owner = owner_of(gs, gpa(piece->to));
	cut_at(piece, gs->ram.v);
	cut_at(piece, gs->ram.v + gs->ram_bytes);
	for (const struct gstage_device *d = gs->devices; d < gs->devices + gs->devices_n; d++) {
		cut_at(piece, align_down(d->at.v, PAGE_SIZE));
		cut_at(piece, align_up(d->at.v + d->bytes, PAGE_SIZE));
	}
}

/* One entry for @at: a leaf into *@piece. false: none, and *@piece is what the entry stands for. */
static bool look(struct gstage *gs, const struct regime *r, const struct pt_mode *mode, uint64_t at,
		 struct range *piece)
{
	uint64_t table = (r->atp & ATP_PPN_MASK) << PAGE_SHIFT;

	for (unsigned level = mode->levels - 1u;; level--) {
		uint64_t span = pt_span(level);
		pte_t e;

		*piece = (struct range){ .from = at, .bytes = span - (at & (span - 1)) };
		if (!gstage_peek(gs, gpa(table + 8 * pt_index(mode, level, at)), &e))
			return false;
		switch (vsstage_kind(e, r, level)) {
		case VSSTAGE_TABLE:
			table = pte_address(e);
			break;
		case VSSTAGE_LEAF:
			piece->to = vsstage_leaf_address(e, level, gva(at)).v;
			piece->level = level;
			piece->flags = e & VS_FLAGS;
			cut_to_owner(gs, piece);
			return true;
		case VSSTAGE_FAULT:
		default:
			return false;
		}
	}
}

/* The first address that @mode translates at @at or above: what is in between is not canonical. */
static uint64_t canonical_from(const struct pt_mode *mode, uint64_t at)
{
	uint64_t half = UINT64_C(1) << (pt_address_bits(mode) - 1);

	return at >= half && at < -half ? -half : at;
}

static uint64_t walk(struct gstage *gs, const struct regime *r, const struct pt_mode *mode,
		     uint64_t from, struct merge *m)
{
	uint64_t at = canonical_from(mode, from);

	for (unsigned n = 0; n < RANGES_STEPS && !m->is_over; n++) {
		struct range piece;

		if (look(gs, r, mode, at, &piece))
			merge(m, &piece);
		at += piece.bytes;
		if (!at)
			return finish(m, UINT64_MAX);
		at = canonical_from(mode, at);
	}
	return finish(m, at);
}

/* In Bare mode addresses are what they are. */
uint64_t ranges_of_vs_stage(struct gstage *gs, const struct regime *r, uint64_t from,
			    range_see *see, void *context)
{
	struct merge m = { .see = see, .context = context };
	const struct pt_mode *mode = vsstage_mode(r->atp);

	return mode ? walk(gs, r, mode, from, &m) : UINT64_MAX;
}
