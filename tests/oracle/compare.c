/*
 * Random worlds, and the comparison. See compare.h.
 *
 * A world is a VM with some RAM, a piece of bundle in it, a device, and a dozen pages that serve as
 * guest tables. Each has a level that it is mostly, not always, used at; few indices are in use: so
 * walks run deep, and the odd ones go wrong in every way.
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
#include "tests/fake/fake.h"

#define HOST_BASE  UINT64_C(0x80000000)
#define HOST_BYTES GIB(3)
#define BUNDLE_BYTES MIB(8) /* the lowest part of host RAM */
#define TABLES	   15
#define INDICES	   6
#define DEVICE_AT  UINT64_C(0x10000000)
#define RETRIES	   24 /* more faults than a walk has references, each of which faults twice at most */

struct world {
	struct gstage gs;
	struct frame_pool pool;
	uint64_t ram, ram_bytes;
	uint64_t back_at, back_bytes, back_from;
	uint64_t table[TABLES];
	unsigned index[INDICES];
	unsigned number;
};

static const unsigned vs_modes[] = { ATP_MODE_SV39, ATP_MODE_SV48, ATP_MODE_SV57 };

static uint64_t bits_next(struct bits *b)
{
	uint64_t z;

	if (b->n >= sizeof(z)) {
		memcpy(&z, b->data, sizeof(z));
		b->data += sizeof(z);
		b->n -= sizeof(z);
		return z;
	}
	z = b->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t below(struct bits *b, uint64_t n)
{
	return bits_next(b) % n;
}

static bool chance(struct bits *b, unsigned percent)
{
	return below(b, 100) < percent;
}

static uint64_t ram_page(struct bits *b, const struct world *w)
{
	return w->ram + below(b, w->ram_bytes / PAGE_SIZE) * PAGE_SIZE;
}

/* An address that a leaf may hold: mostly RAM, at every alignment a superpage may need. */
static uint64_t leaf_target(struct bits *b, const struct world *w)
{
	switch (below(b, 12)) {
	case 0:
		return 0;
	case 1:
		return DEVICE_AT;
	case 2:
		return w->ram + w->ram_bytes; /* the first hole */
	case 3:
		return bits_next(b) & (ATP_PPN_MASK << PAGE_SHIFT);
	case 4:
	case 5:
		return align_down(w->ram, GIGAPAGE);
	case 6:
	case 7:
		return align_down(ram_page(b, w), MEGAPAGE);
	case 8:
		return align_down(w->back_at, PAGE_SIZE);
	default:
		return ram_page(b, w);
	}
}

static unsigned level_of(unsigned table)
{
	return table % PT_MAX_LEVELS;
}

/* A table of @level, mostly. */
static uint64_t random_table(struct bits *b, const struct world *w, unsigned level)
{
	unsigned same = (unsigned)below(b, TABLES / PT_MAX_LEVELS) * PT_MAX_LEVELS + level;

	return w->table[chance(b, 95) ? same : below(b, TABLES)];
}

static uint64_t random_leaf(struct bits *b, const struct world *w, unsigned level)
{
	uint64_t span = chance(b, 90) ? pt_span(level) : PAGE_SIZE;
	uint64_t e = pte_make(align_down(leaf_target(b, w), span), PTE_V);
	static const uint64_t rights[] = { PTE_R, PTE_X, PTE_R | PTE_W, PTE_R | PTE_X,
					   PTE_R | PTE_W | PTE_X, PTE_W, PTE_W | PTE_X };

	e |= rights[chance(b, 5) ? 5 + below(b, 2) : below(b, 5)];
	e |= chance(b, 40) ? PTE_U : 0;
	e |= chance(b, 70) ? PTE_A : 0;
	e |= chance(b, 60) ? PTE_D : 0;
	e |= chance(b, 10) ? PTE_G : 0;
	if (level == 0 && chance(b, 15))
		e = (e & ~BITS(0xf, PTE_PPN_SHIFT)) | BITS(8, PTE_PPN_SHIFT) | PTE_N;
	if (chance(b, 2))
		e |= PTE_N;
	if (chance(b, 8))
		e |= BITS(below(b, 4), 61);
	if (chance(b, 2))
		e |= BITS(1, 54 + below(b, 7));
	return e;
}

static uint64_t random_pointer(struct bits *b, const struct world *w, unsigned level)
{
	uint64_t e = pte_make(random_table(b, w, level ? level - 1 : 0), PTE_V);
	static const uint64_t odd[] = { PTE_D, PTE_A, PTE_U, PTE_N, BITS(1, 61), BITS(2, 61),
					BITS(1, 54), BITS(1, 60), PTE_W };

	if (chance(b, 10))
		e |= PTE_G;
	if (chance(b, 4))
		e |= odd[below(b, sizeof(odd) / sizeof(odd[0]))];
	return e;
}

static uint64_t random_entry(struct bits *b, const struct world *w, unsigned level)
{
	if (chance(b, 3))
		return bits_next(b) & ~PTE_V;
	return chance(b, level ? 75 : 3) ? random_pointer(b, w, level) : random_leaf(b, w, level);
}

static bool in_backing(const struct world *w, uint64_t at)
{
	return range_holds(w->back_at, w->back_bytes, at, PAGE_SIZE);
}

static void fail(const struct world *w, const char *what)
{
	fprintf(stderr, "world %u: %s\n", w->number, what);
	abort();
}

/* Tables that lie in the bundle are there from the start; the others are the guest's stores. */
static void write_tables(struct bits *b, struct world *w, bool bundled)
{
	for (unsigned t = 0; t < TABLES; t++) {
		if (in_backing(w, w->table[t]) != bundled)
			continue;
		for (unsigned i = 0; i < INDICES; i++) {
			uint64_t e = random_entry(b, w, level_of(t));
			uint64_t at = w->table[t] + 8 * w->index[i];

			if (bundled)
				memcpy(phys_pointer(hpa(w->back_from + (at - w->back_at))), &e, 8);
			else if (gstage_write(&w->gs, gpa(at), &e, 8) == ERR_NOMEM)
				fail(w, "no memory for a guest table");
		}
	}
}

static void choose_shape(struct bits *b, struct world *w, const struct pt_mode *mode)
{
	static const struct {
		uint64_t base, bytes;
	} shapes[] = {
		{ 0x80000000, MIB(4) },
		{ 0x80000000, MIB(6) + KIB(12) },
		{ 0x801ff000, MIB(4) + KIB(20) },
		{ 0x80000000, GIB(1) },
		{ 0, MIB(4) },
		{ UINT64_C(1) << 40, MIB(5) },
		{ UINT64_C(1) << 49, MIB(4) },
		{ (UINT64_C(1) << 55) + GIB(1), MIB(4) },
	};
	unsigned s = (unsigned)below(b, sizeof(shapes) / sizeof(shapes[0]));

	if (shapes[s].base >> pt_address_bits(mode))
		s = 0;
	w->ram = shapes[s].base;
	w->ram_bytes = shapes[s].bytes;
	/* In place by 2 MiB, by 4 KiB, or (unaligned) copied when touched. */
	w->back_at = w->ram + below(b, 2) * MIB(1) + below(b, 4) * KIB(4) + 8 * below(b, 2);
	w->back_bytes = PAGE_SIZE * (1 + below(b, 700)) - 8 * below(b, 2);
	w->back_from = HOST_BASE + below(b, 2) * MIB(1) + below(b, 4) * KIB(4) + w->back_at % 4096;
}

static void choose_tables(struct bits *b, struct world *w)
{
	static const unsigned indices[] = { 0, 1, 2, 3, 255, 256, 511 };

	for (unsigned t = 0; t < TABLES; t++)
		w->table[t] = ram_page(b, w);
	/* Two in the bundle, at times one where there is nothing, one where no G-stage reaches. */
	w->table[0] = align_up(w->back_at, PAGE_SIZE);
	w->table[1] = align_down(w->back_at + w->back_bytes / 2, PAGE_SIZE);
	if (chance(b, 30))
		w->table[2] = chance(b, 50) ? w->ram + w->ram_bytes + GIB(4) : DEVICE_AT;
	if (chance(b, 10))
		w->table[3] = BITS(0xfff, 44);
	for (unsigned i = 0; i < INDICES; i++)
		w->index[i] = chance(b, 80) ? indices[(i + below(b, 2)) % 7] :
					      (unsigned)below(b, PT_ENTRIES);
}

static void world_init(struct bits *b, struct world *w)
{
	const struct pt_mode *mode = &gstage_modes[below(b, GSTAGE_MODES)];
	struct frame_range bundle = { HOST_BASE, BUNDLE_BYTES };

	fake_reset();
	fake_ram(HOST_BASE, HOST_BYTES);
	memset(w, 0, sizeof(*w));
	w->pool.owner = 1;
	choose_shape(b, w, mode);
	choose_tables(b, w);
	if (frame_add_ram((struct frame_range){ HOST_BASE, HOST_BYTES }, &bundle, 1, true) != OK ||
	    gstage_init(&w->gs, mode, &w->pool, gpa(w->ram), w->ram_bytes) != OK ||
	    gstage_add_device(&w->gs, gpa(DEVICE_AT), PAGE_SIZE, NULL) != OK)
		fail(w, "can't be built");
	/* Without a bundle a gigabyte of RAM gets one leaf. */
	if (w->ram_bytes >= GIB(1))
		w->back_bytes = 0;
	else if (gstage_add_backing(&w->gs, gpa(w->back_at), w->back_bytes, hpa(w->back_from)))
		fail(w, "can't have its bundle");
	write_tables(b, w, true);
	write_tables(b, w, false);
}

static uint64_t random_address(struct bits *b, const struct world *w, unsigned levels)
{
	uint64_t va = below(b, PAGE_SIZE) & ~UINT64_C(7);
	unsigned unused = 64 - (12 + 9 * levels);

	for (unsigned i = 0; i < levels; i++)
		va |= (uint64_t)w->index[below(b, INDICES)] << (12 + 9 * i);
	if (chance(b, 3))
		return va ^ BITS(1, 38 + below(b, 26)) ^ BITS(1, 63);
	return (uint64_t)((int64_t)(va << unused) >> unused);
}

static void random_query(struct bits *b, const struct world *w, struct oracle_machine *m,
			 uint64_t *va, enum oracle_access *access)
{
	unsigned k = (unsigned)below(b, 3);
	uint64_t flags = bits_next(b);

	*m = (struct oracle_machine){
		.memory = phys_pointer(hpa(HOST_BASE)),
		.base = HOST_BASE,
		.bytes = HOST_BYTES,
		.vsatp = BITS(vs_modes[k], ATP_MODE_SHIFT) |
			 random_table(b, w, k + 2) >> PAGE_SHIFT,
		.hgatp = gstage_hgatp(&w->gs),
		.vu = flags & 1,
		.sum = flags & 2,
		.vs_mxr = flags & 4,
		.adue = flags & 8,
		.napot = flags & 16,
		.pbmt = flags & 32,
	};
	*access = (enum oracle_access)below(b, 3);
	*va = random_address(b, w, 3 + k);
	if (chance(b, 2)) {
		m->vsatp = 0;
		*va = leaf_target(b, w) & ~UINT64_C(7);
	}
}

/* The hardware's side: fault, be served, try again, until there is an answer for the guest. */
static struct oracle_answer run_oracle(struct world *w, const struct oracle_machine *m, uint64_t va,
				       enum oracle_access access)
{
	for (unsigned i = 0; i < RETRIES; i++) {
		struct oracle_answer o = oracle_translate(m, va, access);
		enum access want = (enum access)access;
		bool changed;

		if (o.result != ORACLE_GUEST_PAGE_FAULT ||
		    !gstage_is_ram(&w->gs, gpa(o.gpa)))
			return o;
		if (o.implicit)
			want = o.implicit_store ? ACCESS_STORE : ACCESS_LOAD;
		if (gstage_touch(&w->gs, gpa(o.gpa), want, &changed) != OK || !changed)
			fail(w, "a guest page fault in RAM was not served");
	}
	fail(w, "a translation never ends");
	abort();
}

static struct walk run_walk(struct world *w, const struct oracle_machine *m, uint64_t va,
			    enum oracle_access access, struct walk_log *log)
{
	struct regime r = { .atp = m->vsatp, .user = m->vu, .sum = m->sum, .mxr = m->vs_mxr,
			    .adue = m->adue, .napot = m->napot, .pbmt = m->pbmt };

	return vsstage_walk(&w->gs, &r, gva(va), (enum access)access, log);
}

/* What a walk that ends well must agree about. */
static const char *compare_success(struct world *w, const struct oracle_machine *m,
				   const struct oracle_answer *o, struct walk s,
				   const struct walk_log *log, enum oracle_access access)
{
	struct gstage_entry g;
	bool changed;

	if (s.result != WALK_OK || s.at.v != o->gpa || s.level != o->level)
		return "the walk's result, gpa or level";
	if (m->vsatp && log->n != (m->vsatp >> ATP_MODE_SHIFT) - 5 - o->level)
		return "the number of steps";
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

static const char *compare(struct world *w, const struct oracle_machine *m,
			   const struct oracle_answer *o, struct walk s,
			   const struct walk_log *log, enum oracle_access access)
{
	if (o->result == ORACLE_PAGE_FAULT)
		return s.result == WALK_PAGE ? NULL : "a page fault";
	if (o->implicit)
		return s.result == WALK_ACCESS && s.at.v == o->gpa ? NULL : "a table outside RAM";
	if (o->result == ORACLE_ACCESS_FAULT)
		return "hardware that leaves the machine's RAM";
	return compare_success(w, m, o, s, log, access);
}

/* Every byte of every table, so that a store that shouldn't be is noticed. */
static void read_tables(struct world *w, uint8_t *to)
{
	/* Two tables may be one page: that is read once. */
	memset(to, 0, TABLES * PAGE_SIZE);
	for (unsigned t = 0; t < TABLES; t++) {
		bool again = false;

		for (unsigned k = 0; k < t; k++)
			again |= w->table[k] == w->table[t];
		if (!again && gstage_read(&w->gs, gpa(w->table[t]), to + t * PAGE_SIZE, PAGE_SIZE))
			continue; /* not RAM */
	}
}

/* At most one entry, and in it only A and D, may differ. */
static const char *compare_tables(const uint64_t *before, const uint64_t *after, bool may_differ)
{
	unsigned differ = 0;

	for (unsigned i = 0; i < TABLES * PT_ENTRIES; i++) {
		if (before[i] == after[i])
			continue;
		if ((before[i] ^ after[i]) & ~(PTE_A | PTE_D))
			return "more than A and D of an entry changed";
		differ++;
	}
	return differ > (may_differ ? 1 : 0) ? "a table changed" : NULL;
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

static void explain(const struct oracle_machine *m, const struct oracle_answer *o,
		    const struct walk *s, const struct walk_log *log, uint64_t va, unsigned access)
{
	fprintf(stderr,
		"va %016lx access %u vsatp %016lx hgatp %016lx vu %d sum %d mxr %d adue %d "
		"napot %d pbmt %d\n",
		va, access, m->vsatp, m->hgatp, m->vu, m->sum, m->vs_mxr, m->adue, m->napot,
		m->pbmt);
	fprintf(stderr, "oracle: result %d why %d gpa %lx hpa %lx level %u/%u implicit %d\n",
		(int)o->result, (int)o->why, o->gpa, o->hpa, o->level, o->g_level, o->implicit);
	fprintf(stderr, "walk:   result %d gpa %lx level %u pte %016lx\n", (int)s->result, s->at.v,
		s->level, s->pte);
	for (unsigned i = 0; m->vsatp && i < log->n; i++)
		fprintf(stderr, "  step: level %u at %lx pte %016lx\n", log->step[i].level,
			log->step[i].pte_at.v, log->step[i].pte);
}

/* @walk_first: the software walk meets untouched memory; otherwise the hardware does. */
static void one_query(struct bits *b, struct world *w, bool walk_first, struct coverage *c)
{
	static uint64_t before[TABLES * PT_ENTRIES], after[TABLES * PT_ENTRIES];
	bool look = below(b, 32) == 0;
	struct walk_log log = { .n = PT_MAX_LEVELS + 1 };
	struct oracle_machine m;
	struct oracle_answer o;
	struct walk s;
	enum oracle_access access;
	const char *wrong;
	uint64_t va, copies = w->gs.cow_copies;

	random_query(b, w, &m, &va, &access);
	if (look)
		read_tables(w, (uint8_t *)before);
	if (walk_first)
		s = run_walk(w, &m, va, access, &log);
	o = run_oracle(w, &m, va, access);
	if (!walk_first)
		s = run_walk(w, &m, va, access, &log);
	wrong = compare(w, &m, &o, s, &log, access);
	if (!wrong && walk_first && o.updates)
		wrong = "A and D, which the walk did not set";
	if (!wrong && o.updates &&
	    memcmp(m.memory + (o.pte_at - m.base), &o.pte, sizeof(o.pte)) != 0)
		wrong = "the entry with A and D set";
	if (!wrong && look) {
		read_tables(w, (uint8_t *)after);
		wrong = compare_tables(before, after, m.adue && s.result == WALK_OK);
	}
	if (wrong) {
		fprintf(stderr, "%s first; they disagree about %s\n",
			walk_first ? "walk" : "hardware", wrong);
		explain(&m, &o, &s, &log, va, access);
		fail(w, "a difference");
	}
	count(c, &m, &o, &s, access);
	c->copied += w->gs.cow_copies != copies;
}

/* The tables that lie in the bundle, as the bundle has them. */
static uint64_t bundle_sum(const struct world *w)
{
	uint64_t sum = 0, e;

	for (unsigned t = 0; t < TABLES; t++)
		for (unsigned i = 0; i < PT_ENTRIES && in_backing(w, w->table[t]); i++) {
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

	world_init(b, &w);
	w.number = number++;
	sum = bundle_sum(&w);
	for (unsigned i = 0; i < queries; i++)
		one_query(b, &w, chance(b, 50), c);
	if (sum != bundle_sum(&w))
		fail(&w, "a guest's store went into the bundle");
}
