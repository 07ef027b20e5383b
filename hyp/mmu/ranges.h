/*
 * All that one stage of a guest maps, as ranges: neighbours that are alike are one.
 *
 * It changes nothing, as hyp/mmu/explain.h. Each step of it is of one moment, the whole isn't
 * unless the VM is paused. A guest can make its tables lead through more entries than there is time
 * for, so it goes on in pieces of so many steps.
 */
#ifndef HYP_MMU_RANGES_H
#define HYP_MMU_RANGES_H

#include "hyp/vs-stage/walk.h"

#define RANGES_STEPS 20000 /* entries looked at in one piece */

enum range_owner {
	RANGE_RAM,	 /* the VM's own memory */
	RANGE_BUNDLE,	 /* a page of the bundle's, without W: copied at the first store */
	RANGE_UNTOUCHED, /* RAM without memory behind it yet */
	RANGE_DEVICE,
	RANGE_NOTHING, /* of the VS-stage: it leads where the VM has nothing */
	RANGE_OWNERS,
};
extern const char *const range_owner_names[RANGE_OWNERS];

struct range {
	uint64_t from, bytes;
	uint64_t to;	   /* where .from leads */
	bool is_scattered; /* the rest doesn't lead on from there */
	unsigned level;	   /* of its pages, if it has any: RANGE_RAM, RANGE_BUNDLE; all of the
			      VS-stage's */
	pte_t flags;	   /* R W X, of the VS-stage U G N too */
	enum range_owner owner;
};

/* Called for each range in order. Returns false to end before the next. */
typedef bool range_see(const struct range *r, void *context);

/**
 * The ranges of guest physical addresses from @from on, or of guest virtual ones in regime @r.
 * Returns the address from which to go on, UINT64_MAX where there is no more. What @see didn't want
 * any more is gone on with.
 */
uint64_t ranges_of_g_stage(struct gstage *gs, uint64_t from, range_see *see, void *context);
uint64_t ranges_of_vs_stage(struct gstage *gs, const struct regime *r, uint64_t from,
			    range_see *see, void *context);

#endif
