/*
 * Permissions. Two questions, two tables: may this privilege use the page at all, and does the
 * page allow the access. See permit.h.
 */
#include "hyp/vs-stage/permit.h"

/* [page is U][access is made in U-mode][access]: 1 yes, 0 no, 2 with SUM. */
static const uint8_t may_use[2][2][3] = {
	/*         fetch load store */
	[0] = { [0] = { 1, 1, 1 }, [1] = { 0, 0, 0 } },
	[1] = { [0] = { 0, 2, 2 }, [1] = { 1, 1, 1 } },
};

bool permit(pte_t e, const struct regime *r, enum access want)
{
	pte_t rights[] = {
		[ACCESS_FETCH] = PTE_X,
		[ACCESS_LOAD] = PTE_R | (r->mxr ? PTE_X : 0),
		[ACCESS_STORE] = PTE_W,
	};
	uint8_t use = may_use[(e & PTE_U) != 0][r->user][want];

	return (use == 1 || (use == 2 && r->sum)) && (e & rights[want]) != 0;
}
