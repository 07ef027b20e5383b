/*
 * RAM is taken back from a guest that runs by shadows: what mirrors its tables there must go.
 *
 * Invariant: afterwards no mirror's .guest points into the pages, no leaf maps them, and none is
 * executed from a copy. What harts remember of all that ends with the flush that follows.
 *
 * Next to read: hyp/g-stage/discard.c, who calls.
 */
#include "hyp/shadow/table.h"

/* The lowest page in [@at, @end) that a root of @space mirrors, or @end. */
static uint64_t first_root(const struct shadow_space *space, uint64_t at, uint64_t end)
{
	for (unsigned role = 0; role < ROLES; role++) {
		const struct shadow_table *t = space->root[role];

		if (t && t->key.kind == SHADOW_TOP && t->key.base - at < end - at)
			end = t->key.base;
	}
	return end;
}

static uint64_t first_root_of_all(const struct shadow_state *st, uint64_t at, uint64_t end)
{
	for (unsigned v = 0; v < SHADOW_VCPUS; v++)
		for (unsigned i = 0; i < SPACES; i++)
			end = first_root(&st->spaces[v][i], at, end);
	return end;
}

/* A root page that is mirrored can't go before its space does, and that not while a hart may be in
 * it. Only where the shadow's roots are the guest's: else there is no such root. */
gpa_t shadow_keeps(struct gstage *gs, gpa_t at, gpa_t end)
{
	struct shadow_state *st = gs->shadows;

	if (first_root_of_all(st, at.v, end.v) == end.v)
		return end;
	shadow_forget_idle(st);
	return gpa(first_root_of_all(st, at.v, end.v));
}

/* Mirrors of the page at @at. */
static void drop_mirrors(struct shadow_state *st, gpa_t at)
{
	uint32_t next;

	for (uint32_t n = shadow_gfn_of(st, at)->tables; n; n = next) {
		struct shadow_table *t = shadow_table_of(st, n);

		next = t->same;
		if (t->key.kind == SHADOW_MIRROR && t->key.base == at.v)
			shadow_drop(st, t);
	}
}

void shadow_forget(struct gstage *gs, gpa_t at, uint64_t bytes)
{
	struct shadow_state *st = gs->shadows;

	shadow_unmap_range(st, at, bytes);
	for (gpa_t page = at; page.v < at.v + bytes; page.v += PAGE_SIZE) {
		shadow_drop_copy(st, page);
		drop_mirrors(st, page);
	}
}
