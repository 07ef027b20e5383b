/*
 * The radix tree, from gpa to hpa.
 *
 *   Sv39x4:  root (16 KiB, 2048 x 1 GiB) -> 512 x 2 MiB -> 512 x 4 KiB
 *
 * Invariant: an entry is written whole, by one store, so that a hart that walks at the same time
 * sees the old or the new one. Who decides what to map: demand.c.
 */
#include "hyp/g-stage/table.h"

#include "hyp/lib/check.h"
#include "hyp/mm/phys.h"

/* "all memory accesses (including those made to access data structures for VS-stage address
 * translation) are considered to be user-level": leaves need U. A and D are set beforehand. */
#define LEAF_FLAGS (PTE_V | PTE_U | PTE_A | PTE_D)

const struct pt_mode gstage_modes[GSTAGE_MODES] = {
	[GSTAGE_SV39X4] = { "sv39x4", ATP_MODE_SV39, 3, 2 },
	[GSTAGE_SV48X4] = { "sv48x4", ATP_MODE_SV48, 4, 2 },
	[GSTAGE_SV57X4] = { "sv57x4", ATP_MODE_SV57, 5, 2 },
};

enum err table_init(struct gstage *gs)
{
	return frame_alloc_run(gs->pool, 1u << gs->mode->root_extra, &gs->root);
}

static void entry_write(pte_t *e, pte_t v)
{
	__atomic_store_n(e, v, __ATOMIC_RELEASE);
}

/* The entry of @level for @at, with tables made on the way; NULL and *@e where that fails. */
static pte_t *grow(struct gstage *gs, gpa_t at, unsigned level, enum err *e)
{
	unsigned reached;

	for (;;) {
		pte_t *entry = table_descend(gs, at, level, &reached);
		hpa_t table;

		if (reached == level)
			return entry;
		if (pte_is_valid(*entry)) {
			*e = ERR_OVERLAP;
			return NULL;
		}
		*e = frame_alloc(gs->pool, &table);
		if (*e)
			return NULL;
		entry_write(entry, pte_make(table.v, PTE_V));
	}
}

enum err table_set(struct gstage *gs, gpa_t at, unsigned level, hpa_t to, uint64_t rwx, hpa_t *old)
{
	enum err e = OK;
	pte_t *entry = grow(gs, at, level, &e);

	*old = hpa(0);
	if (!entry)
		return e;
	CHECK(is_aligned(to.v, pt_span(level)));
	if (pte_is_valid(*entry) && !pte_is_leaf(*entry))
		*old = hpa(pte_address(*entry));
	entry_write(entry, pte_make(to.v, LEAF_FLAGS | rwx));
	return OK;
}

static hpa_t clear(pte_t *entry)
{
	hpa_t to = hpa(pte_address(*entry));

	entry_write(entry, 0);
	return to;
}

hpa_t table_clear(struct gstage *gs, gpa_t at)
{
	unsigned level;

	return clear(table_find(gs, at, &level));
}

enum err table_split(struct gstage *gs, gpa_t at)
{
	unsigned level;
	pte_t *entry = table_find(gs, at, &level), *leaves;
	hpa_t table;
	enum err e = frame_alloc(gs->pool, &table);

	if (e)
		return e;
	leaves = phys_pointer(table);
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		leaves[i] = pte_make(pte_address(*entry) + i * pt_span(level - 1),
				     *entry & ~PTE_PPN_MASK);
	entry_write(entry, pte_make(table.v, PTE_V));
	return OK;
}

/* The first leaf in the table of 4 KiB pages that has @entry, for @at; NULL: there is none. */
static const pte_t *first_leaf(const struct gstage *gs, gpa_t at, const pte_t *entry)
{
	const pte_t *leaves = entry - pt_index(gs->mode, 0, at.v);

	for (unsigned i = 0; i < PT_ENTRIES; i++)
		if (pte_is_valid(leaves[i]))
			return &leaves[i];
	return NULL;
}

bool table_is_private(const struct gstage *gs, gpa_t at)
{
	unsigned level;
	const pte_t *entry = table_find(gs, at, &level), *leaf;

	leaf = level == 0 ? first_leaf(gs, at, entry) : NULL;
	return leaf && (*leaf & PTE_W);
}

hpa_t table_prune(struct gstage *gs, gpa_t at)
{
	unsigned level;
	const pte_t *entry = table_find(gs, at, &level);

	if (level > 0 || first_leaf(gs, at, entry))
		return hpa(0);
	return clear(table_descend(gs, at, 1, &level));
}
