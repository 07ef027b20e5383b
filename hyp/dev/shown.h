/*
 * A page of registers that loads do nothing to, shown to the guest as memory: a load of a guest that
 * reads them often is no exit then. Stores are, as before, and keep the memory true.
 *
 * Only a core with H finds it there (gstage_show()). What a driver must not do, a load of another
 * width than the registers', gets these bytes once they are shown; so they are only where a driver
 * has shown by SHOWN_AFTER loads that it needs that.
 *
 * The memory is the board's, and outlives the table that leads to it.
 */
#ifndef HYP_DEV_SHOWN_H
#define HYP_DEV_SHOWN_H

#include "hyp/g-stage/gstage.h"

#define SHOWN_AFTER 256

struct shown_page {
	_Alignas(PAGE_SIZE) uint32_t word[PAGE_SIZE / 4];
};

struct shown {
	uint32_t loads; /* that were emulated, since the last reset */
	uint32_t *word; /* NULL: it isn't shown */
};

/* A load was emulated: whether that was one too many. Then follow shown_begin(), by which the page can
 * be stored to; stores of all that it is to say; and shown_end(), by which the guest sees it. */
static inline bool shown_is_due(struct shown *s)
{
	return ++s->loads == SHOWN_AFTER;
}

static inline void shown_store(const struct shown *s, uint64_t at, uint32_t v)
{
	if (s->word)
		__atomic_store_n(&s->word[at / 4], v, __ATOMIC_RELEASE);
}

static inline void shown_begin(struct shown *s, struct shown_page *page)
{
	s->word = page->word;
}

/* Show the page at @at of @gs; where that can't be done, all is as it was. */
void shown_end(struct shown *s, struct gstage *gs, gpa_t at);

/* As after reset. The table that leads to the page has gone, or goes before the guest runs again. */
static inline void shown_reset(struct shown *s)
{
	*s = (struct shown){ 0 };
}

#endif
