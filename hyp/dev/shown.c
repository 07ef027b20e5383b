/*
 * Registers shown as memory. See shown.h.
 */
#include "hyp/dev/shown.h"

#include "hyp/mm/phys.h"

void shown_end(struct shown *s, struct gstage *gs, gpa_t at)
{
	if (gstage_show(gs, at, phys_address(s->word)) != OK)
		s->word = NULL;
}
