/*
 * See watch.h.
 *
 * The guest may map and remap without leaving; what it fences, or writes satp for, ends in an exit
 * while there are breaks, so a change is seen when it counts, at the latest.
 */
#include "hyp/trap/watch.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"

_Static_assert(TRACE_VCPUS == VCPUS_MAX, "each vcpu has its own view");

#define NOT_MAPPED UINT64_C(0)
#define BARE	   UINT64_C(1) /* no leaf has this value */

/* The leaf that maps the address, without what hardware changes; the last entry that was read. */
static uint64_t leaf_of(const struct explanation *e)
{
	pte_t last = NOT_MAPPED;

	if (!e->vs_mode)
		return BARE;
	for (unsigned i = 0; i < e->n; i++)
		if (e->ref[i].stage == EXPLAIN_VS)
			last = e->ref[i].pte;
	return e->why != EXPLAIN_FLAW && pte_is_leaf(last) ? last & ~(PTE_A | PTE_D) : NOT_MAPPED;
}

static void stop(uint64_t at, const struct explanation *e, uint64_t leaf)
{
	const struct trace_value values[] = { { TRACE_AT, at },
					      { TRACE_GPA, e->gpa.v },
					      { TRACE_ENTRY, leaf } };

	if (leaf == NOT_MAPPED)
		trace_stop(TRACE_UNMAPPED, values, 1);
	else
		trace_stop(TRACE_MAPPED, values, leaf == BARE ? 2 : 3);
}

/* Where another one is made in its place meanwhile, that is looked at the next time. */
static void look(struct vcpu *v, struct trace_break *b)
{
	struct regime r = vcpu_regime(v);
	struct explanation e;
	uint64_t leaf, id = atomic_load(&b->id), at = atomic_load(&b->at);
	bool is_table = atomic_load(&b->is_table) != 0;

	if (is_table || !id || atomic_load(&b->id) != id)
		return;
	explain(v->gstage, &r, gva(at), ACCESS_LOAD, &e);
	leaf = leaf_of(&e);
	if (b->seen[v->id].id == id && b->seen[v->id].leaf != leaf)
		stop(at, &e, leaf);
	b->seen[v->id].id = id;
	b->seen[v->id].leaf = leaf;
}

void watch_maps(struct vcpu *v)
{
	struct trace *t = this_hart()->trace;
	uint32_t n = atomic_load(&t->breaks_n);

	for (uint32_t i = 0; i < n; i++)
		look(v, &t->breaks[i]);
}

void watch_tables(const struct explanation *e, uint64_t at)
{
	struct trace *t = this_hart()->trace;

	for (unsigned i = 0; i < e->n; i++) {
		uint64_t page = align_down(e->ref[i].gpa.v, PAGE_SIZE);

		if (e->ref[i].stage == EXPLAIN_VS && trace_take_table(t, page))
			trace_stop(TRACE_WALKED,
				   (const struct trace_value[]){ { TRACE_AT, at },
								 { TRACE_GPA, page },
								 { TRACE_LEVEL, e->ref[i].level } },
				   3);
	}
}
