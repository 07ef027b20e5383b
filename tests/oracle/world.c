/*
 * Making worlds. See world.h. Mostly right, at times wrong in every way there is.
 */
#include "tests/oracle/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/drv/host.h"
#include "hyp/mm/phys.h"
#include "tests/fake/fake.h"

#define BUNDLE_BYTES MIB(8) /* the lowest part of host RAM */
#define RETRIES	   24 /* more faults than a walk has references, each of which faults twice at most */

uint64_t bits_next(struct bits *b)
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

uint64_t bits_below(struct bits *b, uint64_t n)
{
	return bits_next(b) % n;
}

bool bits_chance(struct bits *b, unsigned percent)
{
	return bits_below(b, 100) < percent;
}

uint64_t world_page(struct bits *b, const struct world *w)
{
	return w->ram + bits_below(b, w->ram_bytes / PAGE_SIZE) * PAGE_SIZE;
}

/* An address that a leaf may hold: mostly RAM, at every alignment a superpage may need. */
uint64_t world_target(struct bits *b, const struct world *w)
{
	switch (bits_below(b, 12)) {
	case 0:
		return 0;
	case 1:
		return WORLD_DEVICE;
	case 2:
		return w->ram + w->ram_bytes; /* the first hole */
	case 3:
		return bits_next(b) & (ATP_PPN_MASK << PAGE_SHIFT);
	case 4:
	case 5:
		return align_down(w->ram, GIGAPAGE);
	case 6:
	case 7:
		return align_down(world_page(b, w), MEGAPAGE);
	case 8:
		return align_down(w->back_at, PAGE_SIZE);
	default:
		return world_page(b, w);
	}
}

unsigned world_level(unsigned table)
{
	return table % PT_MAX_LEVELS;
}

/* A table of @level, mostly. */
uint64_t world_table(struct bits *b, const struct world *w, unsigned level)
{
	unsigned same = (unsigned)bits_below(b, TABLES / PT_MAX_LEVELS) * PT_MAX_LEVELS + level;

	return w->table[bits_chance(b, 95) ? same : bits_below(b, TABLES)];
}

static uint64_t random_leaf(struct bits *b, const struct world *w, unsigned level)
{
	uint64_t span = bits_chance(b, 90) ? pt_span(level) : PAGE_SIZE;
	uint64_t e = pte_make(align_down(world_target(b, w), span), PTE_V);
	static const uint64_t rights[] = { PTE_R, PTE_X, PTE_R | PTE_W, PTE_R | PTE_X,
					   PTE_R | PTE_W | PTE_X, PTE_W, PTE_W | PTE_X };

	e |= rights[bits_chance(b, 5) ? 5 + bits_below(b, 2) : bits_below(b, 5)];
	e |= bits_chance(b, 40) ? PTE_U : 0;
	e |= bits_chance(b, 70) ? PTE_A : 0;
	e |= bits_chance(b, 60) ? PTE_D : 0;
	e |= bits_chance(b, 10) ? PTE_G : 0;
	if (level == 0 && bits_chance(b, 15))
		e = (e & ~BITS(0xf, PTE_PPN_SHIFT)) | BITS(8, PTE_PPN_SHIFT) | PTE_N;
	if (bits_chance(b, 2))
		e |= PTE_N;
	if (bits_chance(b, 8))
		e |= BITS(bits_below(b, 4), 61);
	if (bits_chance(b, 2))
		e |= BITS(1, 54 + bits_below(b, 7));
	return e;
}

static uint64_t random_pointer(struct bits *b, const struct world *w, unsigned level)
{
	uint64_t e = pte_make(world_table(b, w, level ? level - 1 : 0), PTE_V);
	static const uint64_t odd[] = { PTE_D, PTE_A, PTE_U, PTE_N, BITS(1, 61), BITS(2, 61),
					BITS(1, 54), BITS(1, 60), PTE_W };

	if (bits_chance(b, 10))
		e |= PTE_G;
	if (bits_chance(b, 4))
		e |= odd[bits_below(b, sizeof(odd) / sizeof(odd[0]))];
	return e;
}

uint64_t world_entry(struct bits *b, const struct world *w, unsigned level)
{
	if (bits_chance(b, 3))
		return bits_next(b) & ~PTE_V;
	return bits_chance(b, level ? 75 : 3) ? random_pointer(b, w, level) : random_leaf(b, w, level);
}

bool world_is_backed(const struct world *w, uint64_t at)
{
	return range_holds(w->back_at, w->back_bytes, at, PAGE_SIZE);
}

void world_fail(const struct world *w, const char *what)
{
	fprintf(stderr, "world %u: %s\n", w->number, what);
	abort();
}

/* Tables that lie in the bundle are there from the start; the others are the guest's stores. */
static void write_tables(struct bits *b, struct world *w, bool bundled)
{
	for (unsigned t = 0; t < TABLES; t++) {
		if (world_is_backed(w, w->table[t]) != bundled)
			continue;
		for (unsigned i = 0; i < INDICES; i++) {
			uint64_t e = world_entry(b, w, world_level(t));
			uint64_t at = w->table[t] + 8 * w->index[i];

			if (bundled)
				memcpy(phys_pointer(hpa(w->back_from + (at - w->back_at))), &e, 8);
			else if (gstage_write(&w->gs, gpa(at), &e, 8) == ERR_NOMEM)
				world_fail(w, "no memory for a guest table");
		}
	}
}

static void choose_shape(struct bits *b, struct world *w, unsigned address_bits)
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
	unsigned s = (unsigned)bits_below(b, sizeof(shapes) / sizeof(shapes[0]));

	if (shapes[s].base >> address_bits)
		s = 0;
	w->ram = shapes[s].base;
	w->ram_bytes = shapes[s].bytes;
	/* In place by 2 MiB, by 4 KiB, or (unaligned) copied when touched. */
	w->back_at = w->ram + bits_below(b, 2) * MIB(1) + bits_below(b, 4) * KIB(4) + 8 * bits_below(b, 2);
	w->back_bytes = PAGE_SIZE * (1 + bits_below(b, 700)) - 8 * bits_below(b, 2);
	w->back_from = WORLD_BASE + bits_below(b, 2) * MIB(1) + bits_below(b, 4) * KIB(4) + w->back_at % 4096;
}

static void choose_tables(struct bits *b, struct world *w)
{
	static const unsigned indices[] = { 0, 1, 2, 3, 255, 256, 511 };

	for (unsigned t = 0; t < TABLES; t++)
		w->table[t] = world_page(b, w);
	/* Two in the bundle, at times one where there is nothing, one where no G-stage reaches. */
	w->table[0] = align_up(w->back_at, PAGE_SIZE);
	w->table[1] = align_down(w->back_at + w->back_bytes / 2, PAGE_SIZE);
	if (bits_chance(b, 30))
		w->table[2] = bits_chance(b, 50) ? w->ram + w->ram_bytes + GIB(4) : WORLD_DEVICE;
	if (bits_chance(b, 10))
		w->table[3] = BITS(0xfff, 44);
	for (unsigned i = 0; i < INDICES; i++)
		w->index[i] = bits_chance(b, 80) ? indices[(i + bits_below(b, 2)) % 7] :
					      (unsigned)bits_below(b, PT_ENTRIES);
}

void world_init(struct bits *b, struct world *w, unsigned bits_max)
{
	const struct pt_mode *mode = &gstage_modes[bits_below(b, GSTAGE_MODES)];
	unsigned bits = pt_address_bits(mode) < bits_max ? pt_address_bits(mode) : bits_max;
	struct frame_range bundle = { WORLD_BASE, BUNDLE_BYTES };

	fake_reset();
	fake_ram(WORLD_BASE, WORLD_BYTES);
	memset(w, 0, sizeof(*w));
	w->pool.owner = 1;
	choose_shape(b, w, bits);
	choose_tables(b, w);
	if (frame_add_ram((struct frame_range){ WORLD_BASE, WORLD_BYTES }, &bundle, 1, true) != OK ||
	    gstage_init(&w->gs, mode, &w->pool, gpa(w->ram), w->ram_bytes) != OK ||
	    gstage_add_device(&w->gs, gpa(WORLD_DEVICE), PAGE_SIZE, NULL) != OK)
		world_fail(w, "can't be built");
	/* Without a bundle a gigabyte of RAM gets one leaf. */
	if (w->ram_bytes >= GIB(1))
		w->back_bytes = 0;
	else if (gstage_add_backing(&w->gs, gpa(w->back_at), w->back_bytes, hpa(w->back_from),
				    false))
		world_fail(w, "can't have its bundle");
	write_tables(b, w, true);
	write_tables(b, w, false);
}

uint64_t world_address(struct bits *b, const struct world *w, unsigned levels)
{
	uint64_t va = bits_below(b, PAGE_SIZE) & ~UINT64_C(7);
	unsigned unused = 64 - (12 + 9 * levels);

	for (unsigned i = 0; i < levels; i++)
		va |= (uint64_t)w->index[bits_below(b, INDICES)] << (12 + 9 * i);
	if (bits_chance(b, 3))
		return va ^ BITS(1, 38 + bits_below(b, 26)) ^ BITS(1, 63);
	return (uint64_t)((int64_t)(va << unused) >> unused);
}

struct oracle_machine world_machine(const struct world *w, const struct regime *r)
{
	return (struct oracle_machine){
		.memory = phys_pointer(hpa(WORLD_BASE)),
		.base = WORLD_BASE,
		.bytes = WORLD_BYTES,
		.vsatp = r->atp,
		.hgatp = gstage_hgatp(&w->gs),
		.vu = r->user,
		.sum = r->sum,
		.vs_mxr = r->mxr,
		.adue = r->adue,
		.napot = r->napot,
		.pbmt = r->pbmt,
	};
}

/* The hardware's side: fault, be served, try again, until there is an answer for the guest. */
struct oracle_answer world_oracle(struct world *w, const struct oracle_machine *m, uint64_t va,
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
			world_fail(w, "a guest page fault in RAM was not served");
	}
	world_fail(w, "a translation never ends");
	abort();
}

/* Two tables may be one page. */
static bool is_first(const struct world *w, unsigned t)
{
	for (unsigned k = 0; k < t; k++)
		if (w->table[k] == w->table[t])
			return false;
	return true;
}

/* Every byte of every table, so that a store that shouldn't be is noticed. */
void world_read(struct world *w, uint8_t *to)
{
	memset(to, 0, TABLES * PAGE_SIZE);
	for (unsigned t = 0; t < TABLES; t++) {
		if (is_first(w, t) && gstage_read(&w->gs, gpa(w->table[t]), to + t * PAGE_SIZE, PAGE_SIZE))
			continue; /* not RAM */
	}
}

static void put_back(struct world *w, const uint8_t *from)
{
	for (unsigned t = 0; t < TABLES; t++)
		if (is_first(w, t) && gstage_is_ram(&w->gs, gpa(w->table[t])) &&
		    gstage_write(&w->gs, gpa(w->table[t]), from + t * PAGE_SIZE, PAGE_SIZE) != OK)
			world_fail(w, "a table can't be written");
}

uint64_t world_discard(struct bits *b, struct world *w)
{
	static uint8_t before[TABLES * PAGE_SIZE];
	struct gstage_span spans[3];
	uint64_t bytes;

	world_read(w, before);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t at = bits_chance(b, 50) ? w->table[bits_below(b, TABLES)]
						 : world_page(b, w);

		spans[i] = (struct gstage_span){ gpa(at), PAGE_SIZE << bits_below(b, 4) };
		if (bits_chance(b, 20))
			spans[i] = (struct gstage_span){ gpa(align_down(at, MEGAPAGE)), MIB(2) };
	}
	bytes = gstage_discard(&w->gs, spans, 3);
	if (bits_chance(b, 95))
		put_back(w, before);
	return bytes / PAGE_SIZE;
}

/* At most one entry, and in it only A and D, may differ. */
const char *world_compare(const uint64_t *before, const uint64_t *after, bool may_differ)
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
