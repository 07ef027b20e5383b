/*
 * What lives where in a VM's physical address space: RAM, devices, holes, and the bundle's bytes
 * that lie in RAM. Fixed before the VM runs; read without a lock after.
 *
 * Invariant: devices overlap neither RAM nor each other; backings lie in RAM, in order of their
 * addresses, apart from each other.
 */
#include "hyp/g-stage/gstage.h"
#include "hyp/g-stage/table.h"

#include "hyp/lib/string.h"

#define MEGA_LEVEL 1

static bool ranges_meet(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

enum err gstage_init(struct gstage *gs, const struct pt_mode *mode, struct frame_pool *pool,
		     gpa_t ram, uint64_t bytes)
{
	if (!range_holds(0, UINT64_C(1) << pt_address_bits(mode), ram.v, bytes))
		return ERR_RANGE;
	memset(gs, 0, sizeof(*gs));
	gs->mode = mode;
	gs->fencing = &gstage_by_hgatp;
	gs->pool = pool;
	gs->ram = ram;
	gs->ram_bytes = bytes;
	return table_init(gs);
}

enum err gstage_add_device(struct gstage *gs, gpa_t at, uint64_t bytes,
			   const struct board_device *device)
{
	if (gs->devices_n == GSTAGE_DEVICES_MAX)
		return ERR_FULL;
	if (ranges_meet(at.v, bytes, gs->ram.v, gs->ram_bytes))
		return ERR_OVERLAP;
	for (unsigned i = 0; i < gs->devices_n; i++)
		if (ranges_meet(at.v, bytes, gs->devices[i].at.v, gs->devices[i].bytes))
			return ERR_OVERLAP;
	gs->devices[gs->devices_n++] = (struct gstage_device){ at, bytes, device };
	return OK;
}

enum err gstage_show(struct gstage *gs, gpa_t at, hpa_t from)
{
	hpa_t old;
	enum err e;

	if (gs->fencing != &gstage_by_hgatp)
		return ERR_UNSUPPORTED;
	lock_take(&gs->lock);
	e = table_set(gs, at, 0, from, PTE_R, &old);
	lock_release(&gs->lock);
	return e;
}

/* Map the whole pages of @b where they lie, without W, the 2 MiB ones as such. */
static enum err map_in_place(struct gstage *gs, const struct gstage_backing *b)
{
	uint64_t skip = align_up(b->at.v, PAGE_SIZE) - b->at.v;
	uint64_t at = b->at.v + skip, from = b->from.v + skip;
	uint64_t end = align_down(b->at.v + b->bytes, PAGE_SIZE);

	if (!is_aligned(from, PAGE_SIZE))
		return OK; /* demand.c copies it when it is touched */
	while (at < end) {
		bool mega = is_aligned(at | from, MEGAPAGE) && end - at >= MEGAPAGE;
		unsigned level = mega ? MEGA_LEVEL : 0;
		hpa_t old;
		enum err e = table_set(gs, gpa(at), level, hpa(from), GSTAGE_RX, &old);

		if (e)
			return e;
		at += pt_span(level);
		from += pt_span(level);
	}
	return OK;
}

enum err gstage_add_backing(struct gstage *gs, gpa_t at, uint64_t bytes, hpa_t from, bool shared)
{
	unsigned i = gs->backings_n;

	if (i == GSTAGE_BACKINGS_MAX)
		return ERR_FULL;
	if (!range_holds(gs->ram.v, gs->ram_bytes, at.v, bytes))
		return ERR_RANGE;
	for (unsigned k = 0; k < i; k++)
		if (ranges_meet(at.v, bytes, gs->backings[k].at.v, gs->backings[k].bytes))
			return ERR_OVERLAP;
	for (; i > 0 && gs->backings[i - 1].at.v > at.v; i--)
		gs->backings[i] = gs->backings[i - 1];
	gs->backings[i] = (struct gstage_backing){ at, bytes, from };
	gs->backings_n++;
	return shared ? OK : map_in_place(gs, &gs->backings[i]);
}
