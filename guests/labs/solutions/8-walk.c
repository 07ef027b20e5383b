/*
 * Lab 8, solved.
 */
#include "guests/labs/8-walk/lab.h"

static uint64_t target(uint64_t entry, uint64_t at, unsigned shift)
{
	uint64_t offset = at & ((1ul << shift) - 1);

	return ((entry & PTE_PPN_MASK) >> PTE_PPN_SHIFT << 12) + offset;
}

uint64_t walk_gstage(const struct stages *s, uint64_t gpa)
{
	uint64_t table = s->g_root;

	for (unsigned level = s->g_levels - 1;; level--) {
		unsigned shift = 12 + 9 * level;
		uint64_t index = gpa >> shift & (level == s->g_levels - 1 ? 2047 : 511);
		uint64_t entry = given_read(table + 8 * index);

		if ((entry & PTE_RWX) != 0)
			return target(entry, gpa, shift);
		table = target(entry, 0, 12);
	}
}

uint64_t walk_both(const struct stages *s, uint64_t gva)
{
	uint64_t table = s->vs_root;

	for (unsigned level = s->vs_levels - 1;; level--) {
		unsigned shift = 12 + 9 * level;
		uint64_t entry = given_read(walk_gstage(s, table + 8 * (gva >> shift & 511)));

		if ((entry & PTE_RWX) != 0)
			return walk_gstage(s, target(entry, gva, shift));
		table = target(entry, 0, 12);
	}
}

unsigned count(unsigned vs_levels, unsigned vs_leaf, unsigned g_levels, unsigned g_leaf)
{
	unsigned vs = vs_levels - vs_leaf, g = g_levels - g_leaf;

	return vs * (g + 1) + g;
}
