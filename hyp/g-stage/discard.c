/*
 * RAM that the guest doesn't need is taken back while it runs: a balloon's pages, free pages that it
 * tells of. The next touch finds what the first one did, see demand.c.
 *
 * Whoever holds a pointer into such a page meanwhile, without gs->lock, has a pin. Time is cut into
 * epochs: a pin belongs to the one it was taken in, and what is discarded in an epoch is given back
 * once no pin of that epoch, or of one before, is left. An epoch ends as soon as none of the one
 * before it has any, so two lists and two counts will do; and since new pins are of the new one, what
 * waits for an old one doesn't wait for ever.
 *
 * Invariant: what is set aside is in no table, and no hart holds a translation to it once the lock is
 * free.
 */
#include "hyp/g-stage/gstage.h"
#include "hyp/g-stage/table.h"

#define MEGA_LEVEL	1
#define FRAMES_PER_MEGA (MEGAPAGE / PAGE_SIZE)

/* A share of RAM that may wait for pins: a guest that gives pages back and takes them again while its
 * disk is slow has no more than that beyond its own. */
#define WAITS_SHARE 4

_Static_assert(FRAME_ASIDES == GSTAGE_EPOCHS, "a list for each epoch that has pins");

/* --- pins --- */

unsigned gstage_pin(struct gstage *gs)
{
	for (;;) {
		uint64_t epoch = atomic_load(&gs->epoch);
		unsigned pin = epoch % GSTAGE_EPOCHS;

		atomic_fetch_add(&gs->pins[pin], 1);
		if (atomic_load(&gs->epoch) == epoch)
			return pin;
		gstage_unpin(gs, pin); /* it may be a later one's by now */
	}
}

/* With the lock held, and all harts fenced: give back what nobody can hold a pointer to. */
static void give_back(struct gstage *gs)
{
	for (unsigned n = 0; n < GSTAGE_EPOCHS && atomic_load(&gs->waits); n++) {
		uint64_t epoch = atomic_load(&gs->epoch);
		unsigned before = (epoch + 1) % GSTAGE_EPOCHS;

		if (atomic_load(&gs->pins[before]))
			return;
		frame_free_aside(gs->pool, before);
		atomic_store(&gs->epoch, epoch + 1);
		atomic_fetch_sub(&gs->waits, gs->waiting[before]);
		gs->waiting[before] = 0;
	}
}

void gstage_unpin(struct gstage *gs, unsigned pin)
{
	if (atomic_fetch_sub(&gs->pins[pin], 1) > 1 || !atomic_load(&gs->waits))
		return;
	lock_take(&gs->lock);
	give_back(gs);
	lock_release(&gs->lock);
}

/* --- taking back --- */

static void set_aside(struct gstage *gs, hpa_t at, unsigned frames)
{
	unsigned list = atomic_load(&gs->epoch) % GSTAGE_EPOCHS;

	frame_set_aside(gs->pool, list, at, frames);
	gs->waiting[list] += frames;
	atomic_fetch_add(&gs->waits, frames);
}

/* What is set aside isn't mapped any more: let every hart know, and be done with what can be. */
static void settle(struct gstage *gs)
{
	gs->fencing->flush(gs);
	give_back(gs);
}

static bool is_much(struct gstage *gs)
{
	return atomic_load(&gs->waits) * PAGE_SIZE >= gs->ram_bytes / WAITS_SHARE + MEGAPAGE;
}

static bool more_may_wait(struct gstage *gs)
{
	if (is_much(gs))
		settle(gs);
	return !is_much(gs);
}

/* The whole leaf at @at, of @level. */
static void drop_leaf(struct gstage *gs, gpa_t at, unsigned level)
{
	hpa_t to = table_clear(gs, at);

	if (level == MEGA_LEVEL)
		frame_split(gs->pool, to);
	set_aside(gs, to, level == MEGA_LEVEL ? FRAMES_PER_MEGA : 1);
	gs->discarded += pt_span(level) / PAGE_SIZE;
}

/* Smaller leaves in place of the one at @at. Where there is no memory for a table it stays. */
static bool split(struct gstage *gs, gpa_t at, unsigned level)
{
	hpa_t block = hpa(pte_address(*table_find(gs, at, &level)));

	if (table_split(gs, at) != OK)
		return false;
	if (level == MEGA_LEVEL)
		frame_split(gs->pool, block);
	return true;
}

/* A table without leaves goes, too: it lies in a block that could be free. */
static void prune(struct gstage *gs, gpa_t at)
{
	hpa_t table = table_prune(gs, at);

	if (table.v)
		set_aside(gs, table, 1);
}

/*
 * What the table has at @at, as far as it lies below @end; what is the bundle's, or isn't there,
 * holds no memory of ours. Returns where to go on.
 */
static uint64_t drop_at(struct gstage *gs, uint64_t at, uint64_t end)
{
	unsigned level;
	pte_t e = *table_find(gs, gpa(at), &level);
	uint64_t base = align_down(at, pt_span(level)), next = base + pt_span(level);

	if (!pte_is_valid(e) || !(e & PTE_W))
		return next;
	if (!more_may_wait(gs))
		return end;
	if (level > MEGA_LEVEL || base < at || next > end)
		return split(gs, gpa(at), level) ? at : next;
	drop_leaf(gs, gpa(at), level);
	if (level == 0 && (next == end || is_aligned(next, MEGAPAGE)))
		prune(gs, gpa(at));
	return next;
}

/* Whole pages of RAM. */
static void drop(struct gstage *gs, uint64_t at, uint64_t end)
{
	if (gs->fencing->forget)
		gs->fencing->forget(gs, gpa(at), end - at);
	while (at < end)
		at = drop_at(gs, at, end);
}

/* But for those that can't be had. */
static void drop_but_kept(struct gstage *gs, uint64_t at, uint64_t end)
{
	while (at < end) {
		uint64_t kept = gs->fencing->keeps ? gs->fencing->keeps(gs, gpa(at), gpa(end)).v
						   : end;

		if (at < kept)
			drop(gs, at, kept);
		at = kept + PAGE_SIZE;
	}
}

static void drop_span(struct gstage *gs, const struct gstage_span *s)
{
	uint64_t end = gs->ram.v + gs->ram_bytes;
	uint64_t from = s->at.v < gs->ram.v ? gs->ram.v : s->at.v;

	if (s->at.v >= end || s->at.v + s->bytes < s->at.v)
		return;
	if (s->at.v + s->bytes < end)
		end = s->at.v + s->bytes;
	drop_but_kept(gs, align_up(from, PAGE_SIZE), align_down(end, PAGE_SIZE));
}

uint64_t gstage_discard(struct gstage *gs, const struct gstage_span *spans, unsigned n)
{
	uint64_t before;

	lock_take(&gs->lock);
	before = gs->discarded;
	for (unsigned i = 0; i < n; i++)
		drop_span(gs, &spans[i]);
	if (gs->discarded != before)
		settle(gs);
	before = gs->discarded - before;
	lock_release(&gs->lock);
	return before * PAGE_SIZE;
}
