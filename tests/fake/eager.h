/*
 * A driver that is always ahead: whenever its available ring is looked at there is a ring's worth of
 * chains more. To be included once.
 */
#ifndef TESTS_FAKE_EAGER_H
#define TESTS_FAKE_EAGER_H

#include <stdlib.h>

#include "hyp/g-stage/gstage.h"

#define EAGER_ENOUGH 100000 /* looks: that is for ever */

static struct {
	uint64_t at;	    /* where its avail.idx is; 0: nobody is eager */
	uint16_t idx, more; /* what it was last; entries of the ring */
	unsigned looks;
} eager;

/* The linker leads calls of gstage_read16() here; see tests.mk. */
enum err __real_gstage_read16(struct gstage *g, gpa_t at, uint16_t *v);
enum err __wrap_gstage_read16(struct gstage *g, gpa_t at, uint16_t *v);

enum err __wrap_gstage_read16(struct gstage *g, gpa_t at, uint16_t *v)
{
	if (!eager.at || at.v != eager.at)
		return __real_gstage_read16(g, at, v);
	if (++eager.looks == EAGER_ENOUGH)
		abort();
	eager.idx = (uint16_t)(eager.idx + eager.more);
	*v = eager.idx;
	return OK;
}

#endif
