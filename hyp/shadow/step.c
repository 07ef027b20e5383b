/*
 * Policy none: each instruction of the guest has its shadow made anew. For teaching: what it would
 * cost to translate each reference in software.
 *
 * The instruction is executed from a page of ours, in which nothing else stands but breakpoints;
 * wherever the guest goes on, it traps. What was filled for an instruction is taken back when the
 * next one traps, and the hart is flushed. One instruction may need many pages: it faults for each,
 * with the same pc, and what it has got so far stays.
 *
 *   gva of pc -> guest's table -> G-stage -> the guest's page     read for the instruction's bytes
 *   gva of pc -> shadow -> our page: c.ebreak ... the instruction, c.ebreak ...    executed
 *
 * Tables are each vcpu's own (.owner): none takes back what another needs. As the page can be
 * executed only, an access to a page that the instruction is in is made by software; where that
 * can't be, the instruction runs in its own pages, and those behind it too until one faults.
 *
 * Invariant: but for that, no entry is in use that wasn't filled for the instruction at .pc.
 *
 * Next to read: fill.c, who calls this.
 */
#include "hyp/shadow/table.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

#define C_EBREAK 0x9002
#define PARCELS	 (PAGE_SIZE / sizeof(uint16_t))
#define ROOM	 16 /* entries that one fault may fill, at most */

/* Two pages a vcpu: an instruction may end in the next. */
static uint16_t *page_of(const struct shadow_step *step, unsigned which)
{
	return (uint16_t *)(uintptr_t)phys_pointer(step->pages[which]);
}

enum err shadow_steps_init(struct shadow_state *st)
{
	hpa_t at;
	enum err e = frame_alloc_run(st->gs->pool, 2 * SHADOW_VCPUS, &at);

	if (e)
		return e;
	for (unsigned i = 0; i < 2 * SHADOW_VCPUS; i++) {
		struct shadow_step *step = &st->steps[i / 2];
		uint16_t *parcels;

		step->pages[i % 2] = hpa(at.v + i * PAGE_SIZE);
		parcels = page_of(step, i % 2);
		for (unsigned n = 0; n < PARCELS; n++)
			parcels[n] = C_EBREAK;
		step->pc = gva(SHADOW_NO_MISS);
	}
	return OK;
}

static void take_back(struct shadow_state *st, struct shadow_step *step)
{
	while (step->used_n) {
		struct shadow_table *t = step->used[--step->used_n].t;
		unsigned index = step->used[step->used_n].index;

		if (entry_in_use(t, index))
			shadow_clear(st, t, index);
	}
	for (unsigned which = 0; which < 2; which++) {
		uint16_t *parcels = page_of(step, which);

		for (unsigned n = 0; n < 2; n++)
			if (step->first[which] + n < PARCELS)
				parcels[step->first[which] + n] = C_EBREAK;
	}
	sfence_all();
}

static bool is_same(const struct shadow_step *step, const struct shadow_view *w,
		    const struct regime *r)
{
	return step->pc.v == w->pc.v && step->atp == r->atp && step->role == shadow_role(r);
}

void shadow_step_begin(struct shadow_state *st, const struct shadow_view *w, const struct regime *r)
{
	struct shadow_step *step = &st->steps[w->vcpu];

	if (st->shadow->policy != SHADOW_NONE)
		return;
	st->step = step;
	if (is_same(step, w, r) && step->used_n + ROOM <= STEP_USED)
		return;
	take_back(st, step);
	if (!is_same(step, w, r)) {
		step->whole = false;
		st->shadow->stats.steps++;
	}
	step->pc = w->pc;
	step->atp = r->atp;
	step->role = (uint8_t)shadow_role(r);
}

/* Stems say nothing of the guest's, and nobody would find them again. */
void shadow_step_note(struct shadow_step *step, struct shadow_table *t, unsigned index,
		      const struct shadow_table *child)
{
	if (step && step->used_n < STEP_USED && !(child && child->key.kind == SHADOW_ROOT)) {
		step->used[step->used_n].t = t;
		step->used[step->used_n++].index = (uint16_t)index;
	}
}

/* Both pages of an instruction that ends in the next one; of a short one at a page's end, too, for
 * which software does as well. */
bool shadow_step_has(const struct shadow_step *step, gva_t at)
{
	return !step->whole && ((at.v ^ step->pc.v) < PAGE_SIZE ||
				(at.v ^ (step->pc.v + sizeof(uint16_t))) < PAGE_SIZE);
}

hpa_t shadow_step_page(struct shadow_step *step, gva_t at, hpa_t original)
{
	unsigned which = (at.v ^ step->pc.v) >= PAGE_SIZE;
	unsigned first = which ? 0 : (unsigned)(step->pc.v % PAGE_SIZE / sizeof(uint16_t));
	const uint16_t *from =
		(const uint16_t *)(uintptr_t)phys_pointer(hpa(align_down(original.v, PAGE_SIZE)));
	uint16_t *to = page_of(step, which);

	to[first] = from[first];
	if (!which && (from[first] & 3) == 3 && first + 1 < PARCELS)
		to[first + 1] = from[first + 1];
	step->first[which] = (uint16_t)first;
	fence_i();
	return step->pages[which];
}

bool shadow_stepped(const struct shadow *s, const struct shadow_view *w, const struct regime *r)
{
	const struct shadow_step *step = &s->state->steps[w->vcpu];

	return s->policy == SHADOW_NONE && !(is_same(step, w, r) || step->whole);
}

void shadow_step_whole(struct shadow *s, const struct shadow_view *w)
{
	struct shadow_state *st = s->state;
	struct shadow_step *step = &st->steps[w->vcpu];

	lock_take(&st->gs->lock);
	take_back(st, step);
	step->whole = true;
	lock_release(&st->gs->lock);
}
