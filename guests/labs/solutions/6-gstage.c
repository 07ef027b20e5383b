/*
 * Lab 6, solved.
 */
#include "guests/labs/6-gstage/lab.h"

static const uint64_t right[] = { [FETCH] = PTE_X, [LOAD] = PTE_R, [STORE] = PTE_W };
static const uint64_t page_fault[] = {
	[FETCH] = CAUSE_FETCH_PAGE, [LOAD] = CAUSE_LOAD_PAGE, [STORE] = CAUSE_STORE_PAGE
};
static const uint64_t access_fault[] = {
	[FETCH] = CAUSE_FETCH_ACCESS, [LOAD] = CAUSE_LOAD_ACCESS, [STORE] = CAUSE_STORE_ACCESS
};

void explain(uint64_t flags, enum place place, enum access access, struct answer *a)
{
	*a = (struct answer){ NOBODY, 0 };
	if ((flags & PTE_V) == 0 || (flags & PTE_U) != 0 || (flags & right[access]) == 0) {
		*a = (struct answer){ VS_STAGE, page_fault[access] };
		return;
	}
	if (place == USED_RAM || (place == FILE_PAGE && access != STORE))
		return;
	a->faults = G_STAGE;
	if (place == HOLE || (place == DEVICE && access == FETCH))
		a->seen = access_fault[access];
}
