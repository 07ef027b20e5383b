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

/* Copy out of the guest to @to, or into it from @from; the other one is NULL. */
static enum err copy(struct gstage *gs, gpa_t at, char *to, const char *from, uint64_t bytes)
{
	while (bytes) {
		uint64_t part = page_part(at, bytes);
		char *guest;

		if (!gstage_is_ram(gs, at))
			return ERR_RANGE;
		guest = gstage_pointer(gs, at, from ? ACCESS_STORE : ACCESS_LOAD);
		if (!guest)
			return ERR_NOMEM;
		if (from) {
			if (gs->fencing->write)
				gs->fencing->write(gs, at);
			memcpy(guest, from, part);
			/* Somebody may have looked at it meanwhile. */
			if (gs->fencing->write)
				gs->fencing->write(gs, at);
			from += part;
		} else {
			memcpy(to, guest, part);
			to += part;
		}
		at.v += part;
		bytes -= part;
	}
	return OK;
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

	if (!gstage_is_ram(gs, at) || !is_aligned(at.v, sizeof(*v)))
		return ERR_RANGE;
	guest = gstage_pointer(gs, at, ACCESS_LOAD);
	if (!guest)
		return ERR_NOMEM;
	*v = atomic_load(guest);
	return OK;
}

enum err gstage_write16(struct gstage *gs, gpa_t at, uint16_t v)
{
	_Atomic uint16_t *guest;

	if (!gstage_is_ram(gs, at) || !is_aligned(at.v, sizeof(v)))
		return ERR_RANGE;
	guest = gstage_pointer(gs, at, ACCESS_STORE);
	if (!guest)
		return ERR_NOMEM;
	if (gs->fencing->write)
		gs->fencing->write(gs, at);
	atomic_store(guest, v);
	if (gs->fencing->write)
		gs->fencing->write(gs, at);
	return OK;
}
