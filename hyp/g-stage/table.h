/*
 * The G-stage table itself: entries in the hardware's format, nothing of what they are for.
 * For the files of hyp/g-stage/ alone, with gstage->lock held.
 */
#ifndef HYP_G_STAGE_TABLE_H
#define HYP_G_STAGE_TABLE_H

#include "hyp/g-stage/gstage.h"
#include "hyp/mm/phys.h"

#define GSTAGE_RX  (PTE_R | PTE_X)
#define GSTAGE_RWX (PTE_R | PTE_W | PTE_X)

/* A fresh root for gs->mode. Returns OK or ERR_NOMEM. */
MUST_USE enum err table_init(struct gstage *gs);

/* The last entry on the way to @at, down to @lowest at most: there, a leaf, or an invalid one; and its
 * level. This is run for every access to guest memory: below the root pt_index() needs no mode, and
 * nothing is stored on the way. */
static inline pte_t *table_descend(const struct gstage *gs, gpa_t at, unsigned lowest,
				   unsigned *level)
{
	unsigned l = gs->mode->levels - 1u;
	pte_t *e = (pte_t *)phys_pointer(gs->root) + pt_index(gs->mode, l, at.v);

	while (l != lowest && pte_is_valid(*e) && !pte_is_leaf(*e))
		e = (pte_t *)phys_pointer(hpa(pte_address(*e))) +
		    (at.v >> (PAGE_SHIFT + PT_INDEX_BITS * --l) & (PT_ENTRIES - 1));
	*level = l;
	return e;
}

/* The same down to 4 KiB. */
static inline pte_t *table_find(const struct gstage *gs, gpa_t at, unsigned *level)
{
	return table_descend(gs, at, 0, level);
}

/**
 * Translate the span of @level that @at lies in to @to with rights @rwx, a set of PTE_R, W, X.
 * What stood there, a leaf or a table of smaller ones, is replaced; *@old gets that table's
 * address (.v 0: there was none), which the caller frees after the fence.
 * Returns OK; ERR_OVERLAP where a larger leaf covers @at; ERR_NOMEM.
 */
MUST_USE enum err table_set(struct gstage *gs, gpa_t at, unsigned level, hpa_t to, uint64_t rwx,
			    hpa_t *old);

/* Take back the leaf that @at lies in. Returns where it led. */
hpa_t table_clear(struct gstage *gs, gpa_t at);

/* 512 leaves to the same memory in place of the one that @at lies in, of 2 MiB or more. Returns OK or
 * ERR_NOMEM. */
MUST_USE enum err table_split(struct gstage *gs, gpa_t at);

/* Whether the table of 4 KiB pages that @at is translated by has leaves that allow stores; either all
 * it has are such, or none. */
bool table_is_private(const struct gstage *gs, gpa_t at);

/* Take that table back if there is nothing in it. Returns its address, .v 0: it stays. */
hpa_t table_prune(struct gstage *gs, gpa_t at);

#endif
