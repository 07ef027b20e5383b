/*
 * Random worlds for the oracle's comparisons.
 *
 * A world is a VM with some RAM, a piece of bundle in it, a device, and a dozen pages that serve as
 * guest tables. Each has a level that it is mostly, not always, used at; few indices are in use: so
 * walks run deep, and the odd ones go wrong in every way.
 */
#ifndef TESTS_ORACLE_WORLD_H
#define TESTS_ORACLE_WORLD_H

#include "hyp/g-stage/gstage.h"
#include "hyp/vs-stage/walk.h"
#include "tests/oracle/compare.h"

#define WORLD_BASE   UINT64_C(0x80000000) /* host RAM */
#define WORLD_BYTES  GIB(3)
#define WORLD_DEVICE UINT64_C(0x10000000)
#define TABLES	     15
#define INDICES	     6

struct world {
	struct gstage gs;
	struct frame_pool pool;
	uint64_t ram, ram_bytes;
	uint64_t back_at, back_bytes, back_from;
	uint64_t table[TABLES];
	unsigned index[INDICES];
	unsigned number;
};

uint64_t bits_next(struct bits *b);
uint64_t bits_below(struct bits *b, uint64_t n);
bool bits_chance(struct bits *b, unsigned percent);

/* Build one whose RAM lies below 2^@bits_max. All former worlds are gone. */
void world_init(struct bits *b, struct world *w, unsigned bits_max);

/* Say so, and end. */
void world_fail(const struct world *w, const char *what);

/* A page of RAM; an address for a leaf; a table page that is mostly of @level; an entry for one. */
uint64_t world_page(struct bits *b, const struct world *w);
uint64_t world_target(struct bits *b, const struct world *w);
uint64_t world_table(struct bits *b, const struct world *w, unsigned level);
uint64_t world_entry(struct bits *b, const struct world *w, unsigned level);
/* What table[@table] mostly is, and whether page @at is in the bundle. */
unsigned world_level(unsigned table);
bool world_is_backed(const struct world *w, uint64_t at);

/* An address whose walk meets entries in use, by a mode of @levels. */
uint64_t world_address(struct bits *b, const struct world *w, unsigned levels);

/* The hart that makes accesses in regime @r. */
struct oracle_machine world_machine(const struct world *w, const struct regime *r);

/* The hardware's side: fault, be served, try again, until there is an answer for the guest. */
struct oracle_answer world_oracle(struct world *w, const struct oracle_machine *m, uint64_t va,
				  enum oracle_access access);

/* Every byte of every table, so that a store that shouldn't be is noticed: TABLES pages at @to. */
void world_read(struct world *w, uint8_t *to);
/* The guest gives back tables, and other pages; mostly it writes the tables again as they were, so that
 * there is something to walk. Returns how many pages came back. */
uint64_t world_discard(struct bits *b, struct world *w);
/* What is wrong, or NULL: at most one entry, and in it only A and D, may differ. */
const char *world_compare(const uint64_t *before, const uint64_t *after, bool may_differ);

#endif
