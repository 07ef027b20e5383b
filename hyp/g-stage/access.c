/*
 * The hypervisor's own view of guest RAM. Invariant: a pointer is used within one 4 KiB page only,
 * since the next page may be elsewhere.
 */
#include "hyp/g-stage/gstage.h"
#include "hyp/g-stage/table.h"

#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

/* Bytes from @at to the end of its page, @bytes at most. */
static uint64_t page_part(gpa_t at, uint64_t bytes)
{
	uint64_t room = PAGE_SIZE - (at.v & (PAGE_SIZE - 1));

	return bytes < room ? bytes : room;
}

/*
 * RAM at @at for @want, or NULL and *@e. The lock is held until the access is made: nobody takes the
 * memory back meanwhile, or looks at it for a shadow.
 */
static void *touched(struct gstage *gs, gpa_t at, enum access want, enum err *e)
{
	struct gstage_entry r;

	*e = gstage_reach(gs, at, want, &r);
	if (*e)
		return NULL;
	if (want == ACCESS_STORE && gs->fencing->write)
		gs->fencing->write(gs, at, 1);
	return phys_pointer(r.to);
}

/* Copy @bytes in one page out of the guest to @to, or into it from @from; the other one is NULL. */
static enum err copy_part(struct gstage *gs, gpa_t at, char *to, const char *from, uint64_t bytes)
{
	char *guest;
	enum err e;

	lock_take(&gs->lock);
	guest = touched(gs, at, from ? ACCESS_STORE : ACCESS_LOAD, &e);
	if (guest && from)
		memcpy(guest, from, bytes);
	else if (guest)
		memcpy(to, guest, bytes);
	lock_release(&gs->lock);
	return e;
}

static enum err copy(struct gstage *gs, gpa_t at, char *to, const char *from, uint64_t bytes)
{
	while (bytes) {
		uint64_t part = page_part(at, bytes);
		enum err e = copy_part(gs, at, to, from, part);

		if (e)
			return e;
		if (from)
			from += part;
		else
			to += part;
		at.v += part;
		bytes -= part;
	}
	return OK;
}

void gstage_written(struct gstage *gs, const struct gstage_span *span, uint64_t offset,
		    uint64_t bytes)
{
	if (!gs->fencing->write)
		return;
	lock_take(&gs->lock);
	for (; bytes; span++, offset = 0) {
		uint64_t n = span->bytes - offset < bytes ? span->bytes - offset : bytes;

		gs->fencing->write(gs, gpa(span->at.v + offset), n);
		bytes -= n;
	}
	lock_release(&gs->lock);
}

bool gstage_peek(struct gstage *gs, gpa_t at, uint64_t *v)
{
	unsigned level;
	pte_t e;

	if (!gstage_is_ram(gs, at) || !is_aligned(at.v, sizeof(*v)))
		return false;
	lock_take(&gs->lock);
	e = *table_find(gs, at, &level);
	if (pte_is_valid(e))
		*v = __atomic_load_n((const uint64_t *)phys_pointer(hpa(
					     pte_address(e) + (at.v & (pt_span(level) - 1)))),
				     __ATOMIC_RELAXED);
	lock_release(&gs->lock);
	return pte_is_valid(e);
}

enum err gstage_read(struct gstage *gs, gpa_t at, void *to, uint64_t bytes)
{
	return copy(gs, at, to, NULL, bytes);
}

enum err gstage_write(struct gstage *gs, gpa_t at, const void *from, uint64_t bytes)
{
	return copy(gs, at, NULL, from, bytes);
}

enum err gstage_read16(struct gstage *gs, gpa_t at, uint16_t *v)
{
	const _Atomic uint16_t *guest;
	enum err e;

	if (!is_aligned(at.v, sizeof(*v)))
		return ERR_RANGE;
	lock_take(&gs->lock);
	guest = touched(gs, at, ACCESS_LOAD, &e);
	if (guest)
		*v = atomic_load(guest);
	lock_release(&gs->lock);
	return e;
}

enum err gstage_write16(struct gstage *gs, gpa_t at, uint16_t v)
{
	_Atomic uint16_t *guest;
	enum err e;

	if (!is_aligned(at.v, sizeof(v)))
		return ERR_RANGE;
	lock_take(&gs->lock);
	guest = touched(gs, at, ACCESS_STORE, &e);
	if (guest)
		atomic_store(guest, v);
	lock_release(&gs->lock);
	return e;
}
