/*
 * The state page: what patched code reads and writes instead of CSRs. See shadow.h.
 *
 *   root -> top -> mirror -> mirror -> (nothing of the guest's) -> state page
 *
 * The last page of the address space is different memory for each vcpu, so the tables on the way
 * there are each vcpu's own (.owner). Where the guest's tables end, tables of ours go on.
 *
 * Invariant: nothing is mapped there before some copy uses it, nor once the guest maps that page.
 */
#include "hyp/shadow/table.h"

#define LAST	    (PT_ENTRIES - 1)
#define STATE_LEAF  (PTE_V | PTE_R | PTE_W | PTE_U | PTE_A | PTE_D)
#define STATE_PAGES (-PAGE_SIZE)

bool shadow_has_state_page(const struct shadow *s)
{
	return s->state->state_allowed;
}

bool shadow_is_state_page(unsigned role, gva_t at)
{
	return at.v >= STATE_PAGES && !(role & (ROLE_USER | ROLE_MXR));
}

bool shadow_is_state_leaf(const struct shadow_state *st, const struct shadow_table *t, pte_t hw)
{
	return t->key.owner && pte_address(hw) == st->views[t->key.owner - 1]->state_page.v;
}

uint8_t shadow_state_owner(const struct shadow_state *st, const struct shadow_view *w,
			   unsigned role)
{
	if (st->shadow->policy == SHADOW_NONE)
		return (uint8_t)(w->vcpu + 1);
	return st->state_allowed && !(role & (ROLE_USER | ROLE_MXR)) ? (uint8_t)(w->vcpu + 1) : 0;
}

void shadow_map_state(struct shadow_state *st, const struct shadow_view *w, struct shadow_table *t,
		      unsigned index, pte_t seen)
{
	struct shadow_key key = { .kind = SHADOW_STATE, .owner = (uint8_t)(w->vcpu + 1) };

	while (t->key.level > 0) {
		struct shadow_table *child;

		key.level = (uint8_t)(t->key.level - 1);
		child = shadow_find(st, &key);
		if (!child)
			child = shadow_make(st, &key, NULL);
		child->touched = st->clock;
		if (entry_in_use(t, index))
			shadow_clear(st, t, index);
		shadow_link(st, t, index, seen, child);
		t = child;
		index = LAST;
		seen = 0;
	}
	if (entry_in_use(t, index))
		shadow_clear(st, t, index);
	shadow_map(st, t, index, seen, pte_make(w->state_page.v, STATE_LEAF));
}

void shadow_give_up_state(struct shadow_state *st)
{
	st->state_allowed = st->state_used = false;
	shadow_drop_copies(st);
	shadow_unmap_state(st);
	shadow_flush(st);
}
