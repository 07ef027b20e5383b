/*
 * The hypervisor's own view of guest RAM. Invariant: a pointer is used within one 4 KiB page only,
 * since the next page may be elsewhere.
 */
#include "hyp/g-stage/gstage.h"

#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

void *gstage_pointer(struct gstage *gs, gpa_t at, enum access want)
{
	bool changed;

	if (gstage_touch(gs, at, want, &changed) != OK)
		return NULL;
	return phys_pointer(gstage_lookup(gs, at).to);
}

/* Bytes from @at to the end of its page, @bytes at most. */
static uint64_t page_part(gpa_t at, uint64_t bytes)
{
	uint64_t room = PAGE_SIZE - (at.v & (PAGE_SIZE - 1));

	return bytes < room ? bytes : room;
}

/* Copy one page's part one way or the other; returns OK or why not. */
static enum err copy_part(struct gstage *gs, gpa_t at, enum access want, void *ours,
			  const void *from, uint64_t bytes)
{
	char *guest;

	if (!gstage_is_ram(gs, at))
		return ERR_RANGE;
	guest = gstage_pointer(gs, at, want);
	if (!guest)
		return ERR_NOMEM;
	memcpy(from ? guest : ours, from ? from : guest, bytes);
	return OK;
}

enum err gstage_read(struct gstage *gs, gpa_t at, void *to, uint64_t bytes)
{
	char *ours = to;

	while (bytes) {
		uint64_t part = page_part(at, bytes);
		enum err e = copy_part(gs, at, ACCESS_LOAD, ours, NULL, part);

		if (e)
			return e;
		at.v += part, ours += part, bytes -= part;
	}
	return OK;
}

enum err gstage_write(struct gstage *gs, gpa_t at, const void *from, uint64_t bytes)
{
	const char *ours = from;

	while (bytes) {
		uint64_t part = page_part(at, bytes);
		enum err e = copy_part(gs, at, ACCESS_STORE, NULL, ours, part);

		if (e)
			return e;
		at.v += part, ours += part, bytes -= part;
	}
	return OK;
}
