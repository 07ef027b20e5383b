/*
 * The comparison of the software walk. See compare.h; world.c for what it walks in.
 *
 * Invariant: the oracle plays the hardware. A guest page fault that it reports for RAM is served by
 * gstage_touch(), as a trap would be, and tried again; what remains must be what vsstage_walk() says.
 */
#include "tests/oracle/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/drv/host.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/mm/phys.h"
#include "hyp/vs-stage/walk.h"
#include "tests/oracle/world.h"

static const unsigned vs_modes[] = { ATP_MODE_SV39, ATP_MODE_SV48, ATP_MODE_SV57 };

static void random_query(struct bits *b, const struct world *w, struct oracle_machine *m,
			 uint64_t *va, enum oracle_access *access)
{
	unsigned k = (unsigned)bits_below(b, 3);
	uint64_t flags = bits_next(b);

	*m = (struct oracle_machine){
		.memory = phys_pointer(hpa(WORLD_BASE)),
		.base = WORLD_BASE,
		.bytes = WORLD_BYTES,
		.vsatp = BITS(vs_modes[k], ATP_MODE_SHIFT) |
			 world_table(b, w, k + 2) >> PAGE_SHIFT,
		.hgatp = gstage_hgatp(&w->gs),
		.vu = flags & 1,
		.sum = flags & 2,
		.vs_mxr = flags & 4,
		.adue = flags & 8,
		.napot = flags & 16,
		.pbmt = flags & 32,
	};
	*access = (enum oracle_access)bits_below(b, 3);
	*va = world_address(b, w, 3 + k);
	if (bits_chance(b, 2)) {
		m->vsatp = 0;
		*va = world_target(b, w) & ~UINT64_C(7);
	}
}

static struct regime regime_of(const struct oracle_machine *m)
{
	return (struct regime){ .atp = m->vsatp, .user = m->vu, .sum = m->sum, .mxr = m->vs_mxr,
				.adue = m->adue, .napot = m->napot, .pbmt = m->pbmt };
}

static struct walk run_walk(struct world *w, const struct oracle_machine *m, uint64_t va,
			    enum oracle_access access)
{
	const struct regime r = regime_of(m);

	return vsstage_walk(&w->gs, &r, gva(va), (enum access)access);
}

/* What a walk that ends well must agree about. */
static const char *compare_success(struct world *w, const struct oracle_answer *o, struct walk s,
				   enum oracle_access access)
{
	struct gstage_entry g;
	bool changed;

	if (s.result != WALK_OK || s.at.v != o->gpa || s.level != o->level)
		return "the walk's result, gpa or level";
	if (o->result == ORACLE_GUEST_PAGE_FAULT)
		return gstage_touch(&w->gs, s.at, (enum access)access, &changed) == ERR_RANGE ?
			       NULL :
			       "an address that isn't RAM";
	if (gstage_touch(&w->gs, s.at, (enum access)access, &changed) != OK)
		return "RAM";
	g = gstage_lookup(&w->gs, s.at);
	if (g.to.v != o->hpa || g.level != o->g_level)
		return "the G-stage's hpa or level";
	return NULL;
}

static const char *compare(struct world *w, const struct oracle_answer *o, struct walk s,
			   enum oracle_access access)
{
	if (o->result == ORACLE_PAGE_FAULT)
		return s.result == WALK_PAGE ? NULL : "a page fault";
	if (o->implicit)
		return s.result == WALK_ACCESS && s.at.v == o->gpa ? NULL : "a table outside RAM";
	if (o->result == ORACLE_ACCESS_FAULT)
		return "hardware that leaves the machine's RAM";
	return compare_success(w, o, s, access);
}

static void count(struct coverage *c, const struct oracle_machine *m,
		  const struct oracle_answer *o, const struct walk *s, enum oracle_access access)
{
	bool leaf = m->vsatp && s->result == WALK_OK;

	c->result[o->result]++;
	c->why[o->why] += o->result == ORACLE_PAGE_FAULT;
	c->implicit += o->implicit;
	c->bare += !m->vsatp;
	if (o->result == ORACLE_OK)
		c->g_level[o->g_level]++;
	if (!leaf)
		return;
	c->level[o->level]++;
	c->updates += o->updates;
	c->by_mxr += access == ORACLE_LOAD && !(s->pte & PTE_R);
	c->by_sum += !m->vu && (s->pte & PTE_U);
	c->napot += (s->pte & PTE_N) != 0;
	c->pbmt += (s->pte & PTE_PBMT) != 0;
}

static void report(struct world *w, const struct oracle_machine *m, const struct oracle_answer *o,
		    const struct walk *s, uint64_t va, unsigned access)
{
	struct explain_ref ref[PT_MAX_LEVELS];
	const struct regime r = regime_of(m);
	unsigned n = guest_references(&w->gs, &r, gva(va), (enum access)access, ref);

	fprintf(stderr,
		"va %016lx access %u vsatp %016lx hgatp %016lx vu %d sum %d mxr %d adue %d "
		"napot %d pbmt %d\n",
		va, access, m->vsatp, m->hgatp, m->vu, m->sum, m->vs_mxr, m->adue, m->napot,
		m->pbmt);
	fprintf(stderr, "oracle: result %d why %d gpa %lx hpa %lx level %u/%u implicit %d\n",
		(int)o->result, (int)o->why, o->gpa, o->hpa, o->level, o->g_level, o->implicit);
	fprintf(stderr, "walk:   result %d gpa %lx level %u pte %016lx\n", (int)s->result, s->at.v,
		s->level, s->pte);
	for (unsigned i = 0; i < n; i++)
		fprintf(stderr, "  step: level %u at %lx pte %016lx\n", ref[i].level, ref[i].gpa.v,
			ref[i].pte);
}

/* @walk_first: the software walk meets untouched memory; otherwise the hardware does. */
static void one_query(struct bits *b, struct world *w, bool walk_first, struct coverage *c)
{
	static uint64_t before[TABLES * PT_ENTRIES], after[TABLES * PT_ENTRIES];
	bool look = bits_below(b, 32) == 0;
	struct oracle_machine m;
	struct oracle_answer o;
	struct walk s;
	enum oracle_access access;
	const char *wrong;
	uint64_t va, copies = w->gs.cow_copies;

	random_query(b, w, &m, &va, &access);
	if (look)
		world_read(w, (uint8_t *)before);
	wrong = compare_explanation(w, &m, va, access, c);
	if (walk_first)
		s = run_walk(w, &m, va, access);
	o = world_oracle(w, &m, va, access);
	if (!walk_first)
		s = run_walk(w, &m, va, access);
	if (!wrong)
		wrong = compare(w, &o, s, access);
	if (!wrong)
		wrong = compare_explanation(w, &m, va, access, c);
	if (!wrong && walk_first && o.updates)
		wrong = "A and D, which the walk did not set";
	if (!wrong && o.updates &&
	    memcmp(m.memory + (o.pte_at - m.base), &o.pte, sizeof(o.pte)) != 0)
		wrong = "the entry with A and D set";
	if (!wrong && look) {
		world_read(w, (uint8_t *)after);
		wrong = world_compare(before, after, m.adue && s.result == WALK_OK);
	}
	if (wrong) {
		fprintf(stderr, "%s first; they disagree about %s\n",
			walk_first ? "walk" : "hardware", wrong);
		report(w, &m, &o, &s, va, access);
		world_fail(w, "a difference");
	}
	count(c, &m, &o, &s, access);
	c->copied += w->gs.cow_copies != copies;
}

/* The tables that lie in the bundle, as the bundle has them. */
static uint64_t bundle_sum(const struct world *w)
{
	uint64_t sum = 0, e;

	for (unsigned t = 0; t < TABLES; t++)
		for (unsigned i = 0; i < PT_ENTRIES && world_is_backed(w, w->table[t]); i++) {
			uint64_t at = w->back_from + (w->table[t] - w->back_at) + 8 * i;

			memcpy(&e, phys_pointer(hpa(at)), sizeof(e));
			sum = sum * 31 + e;
		}
	return sum;
}

void compare_world(struct bits *b, unsigned queries, struct coverage *c)
{
	static struct world w;
	static unsigned number;
	uint64_t sum;

	world_init(b, &w, 64);
	w.number = number++;
	sum = bundle_sum(&w);
	for (unsigned i = 0; i < queries; i++)
		one_query(b, &w, bits_chance(b, 50), c);
	if (sum != bundle_sum(&w))
		world_fail(&w, "a guest's store went into the bundle");
}
