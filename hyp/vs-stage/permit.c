/*
 * Permissions. Two questions, two tables: may this privilege use the page at all, and does the
 * page allow the access. See permit.h.
 */
#include "hyp/vs-stage/permit.h"

#define ALL (PTE_R | PTE_W | PTE_X)

/* [page is U][access is made in U-mode]: what is let, and what with SUM. */
static const struct {
	uint8_t always, with_sum;
} may_use[2][2] = {
	[0] = { [0] = { ALL, 0 }, [1] = { 0, 0 } },
	[1] = { [0] = { 0, PTE_R | PTE_W }, [1] = { ALL, 0 } },
};

uint8_t permit_rights(pte_t e, const struct regime *r)
{
	bool is_user_page = (e & PTE_U) != 0;
	uint64_t rights = e & ALL;
	uint8_t use = may_use[is_user_page][r->user].always;

	if (r->sum)
		use |= may_use[is_user_page][r->user].with_sum;
	if (r->mxr && (e & PTE_X))
		rights |= PTE_R;
	return (uint8_t)(rights & use);
}

bool permit(pte_t e, const struct regime *r, enum access want)
{
	return (permit_rights(e, r) & permit_right_for[want]) != 0;
}
