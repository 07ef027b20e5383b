/*
 * Lab 8's checks. Tables are built here in all modes and page sizes; what a walk has to read is
 * known from the building, entry by entry, and compared with what the student's code reads.
 */
#include "guests/labs/8-walk/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"
#include "guests/lib/print.h"

#define LOG_MAX	 64
#define GIGAPAGE (1ul << 30)

static struct stages stages;
static uint64_t gva, gpa, shift_to_host; /* gpa + shift_to_host == hpa */
static uint64_t wanted[LOG_MAX], got[LOG_MAX];
static unsigned wanted_count, got_count;
static uint64_t *vs_pages[5];
static unsigned vs_leaf, g_leaf;

uint64_t given_read(uint64_t hpa)
{
	/* A leaf ends a walk that has lost its way. */
	if (got_count == LOG_MAX)
		return PTE_USER;
	got[got_count++] = hpa;
	if (hpa % 8 != 0 || hpa - RAM_BASE >= board.ram_bytes)
		return 0;
	return *(volatile uint64_t *)hpa;
}

static uint64_t to_gpa(const void *host)
{
	return (uint64_t)host - shift_to_host;
}

/* Four pages in a row, at a multiple of their size. */
static uint64_t *root_page(void)
{
	uint64_t *page = page_alloc();

	while ((uint64_t)page % 16384 != 0)
		page = page_alloc();
	for (unsigned i = 0; i < 3; i++)
		page_alloc();
	return page;
}

/* Where the G-stage's entries for @at are; made on the way where they aren't there yet. */
static void g_entries(uint64_t at, bool note)
{
	uint64_t *table = (uint64_t *)stages.g_root;

	for (unsigned level = stages.g_levels - 1;; level--) {
		unsigned bits = level == stages.g_levels - 1 ? 11 : 9;
		uint64_t *e = &table[at >> (12 + 9 * level) & ((1ul << bits) - 1)];
		uint64_t size = 4096ul << 9 * level;

		if (note)
			wanted[wanted_count++] = (uint64_t)e;
		if (level == g_leaf) {
			*e = pte_make((at & ~(size - 1)) + shift_to_host, PTE_USER);
			return;
		}
		if (*e == 0)
			*e = pte_make((uint64_t)page_alloc(), PTE_V);
		table = (uint64_t *)pte_address(*e);
	}
}

/* An address for each stage, tables that lead there, and what a walk reads. */
static void build(unsigned vs_levels, unsigned at_vs, unsigned g_levels, unsigned at_g)
{
	unsigned gpa_bits = g_levels == 5 ? 56 : 12 + 9 * g_levels + 2;
	uint64_t data = RAM_BASE + (lab_random() % 0x1000000 & ~7ul);

	vs_leaf = at_vs;
	g_leaf = at_g;
	/* Guest addresses lie in the upper half of what G-stage and entries can name. */
	shift_to_host = -((lab_random() % 64 * GIGAPAGE) | 1ul << (gpa_bits - 1));
	gpa = to_gpa((void *)data);
	gva = lab_random() & ((1ul << (12 + 9 * vs_levels)) - 1);
	gva = (gva & ~((4096ul << 9 * at_vs) - 1)) | (gpa & ((4096ul << 9 * at_vs) - 1));
	stages = (struct stages){ vs_levels, 0, g_levels, (uint64_t)root_page() };
	for (unsigned level = vs_levels; level-- > at_vs;)
		vs_pages[level] = page_alloc();
	stages.vs_root = to_gpa(vs_pages[vs_levels - 1]);
	wanted_count = 0;
	for (unsigned level = vs_levels; level-- > at_vs;) {
		uint64_t *e = &vs_pages[level][gva >> (12 + 9 * level) & 511];

		*e = level == at_vs ? pte_make(gpa & ~((4096ul << 9 * level) - 1), PTE_KERNEL)
				    : pte_make(to_gpa(vs_pages[level - 1]), PTE_V);
		g_entries(to_gpa(e), true);
		wanted[wanted_count++] = (uint64_t)e;
	}
	g_entries(gpa, true);
}

static bool reads_as_wanted(unsigned from)
{
	unsigned wants = wanted_count - from;

	if (got_count != wants) {
		print("     VS-stage of %u levels, leaf at %u; G-stage of %u, leaves at %u:"
		      " you read %u times\n",
		      stages.vs_levels, vs_leaf, stages.g_levels, g_leaf, got_count);
		return false;
	}
	for (unsigned i = 0; i < wants; i++)
		if (got[i] != wanted[from + i]) {
			print("     your reference %u is to another entry\n", i + 1);
			return false;
		}
	return true;
}

static bool gstage_alone(void)
{
	for (unsigned g = 3; g <= 5; g++)
		for (unsigned leaf = 0; leaf < 3; leaf++) {
			build(3, 0, g, leaf);
			got_count = 0;
			if (LAB_CALL(walk_gstage, &stages, gpa, 0, 0) != gpa + shift_to_host ||
			    !reads_as_wanted(wanted_count - (g - leaf)))
				return false;
		}
	return true;
}

static bool walks(unsigned vs, unsigned at_vs, unsigned g, unsigned at_g)
{
	build(vs, at_vs, g, at_g);
	got_count = 0;
	return LAB_CALL(walk_both, &stages, gva, 0, 0) == gpa + shift_to_host && reads_as_wanted(0);
}

static bool sv39(void)
{
	return walks(3, 0, 3, 0) && wanted_count == 15;
}

static bool wider(void)
{
	return walks(4, 0, 4, 0) && wanted_count == 24 && walks(5, 0, 5, 0) && wanted_count == 35;
}

static bool superpages(void)
{
	for (unsigned n = 0; n < 81; n++)
		if (!walks(3 + n % 3, n / 3 % 3, 3 + n / 9 % 3, n / 27))
			return false;
	return true;
}

static bool counts(void)
{
	for (unsigned n = 0; n < 81; n++) {
		unsigned vs = 3 + n % 3, at_vs = n / 3 % 3, g = 3 + n / 9 % 3, at_g = n / 27;

		build(vs, at_vs, g, at_g);
		got_count = 0;
		if (LAB_CALL(count, vs, at_vs, g, at_g) != wanted_count || got_count != 0)
			return false;
	}
	return true;
}

int main(void)
{
	static const struct step steps[] = {
		{ "walk_gstage() finds the host address, at each mode and page size",
		  "the root of Sv39x4 is four pages: two bits more of the address choose in it; a "
		  "leaf may come at each level",
		  gstage_alone },
		{ "walk_both() makes the 15 references of Sv39 over Sv39x4, in order",
		  "a VS-stage table is at a guest physical address: before each of its entries can "
		  "be read, the G-stage is walked; and once more for the page itself",
		  sv39 },
		{ "24 of Sv48 over Sv48x4, 35 of Sv57 over Sv57x4",
		  "levels begin at vs_levels - 1 and g_levels - 1", wider },
		{ "and fewer with superpages, in either stage",
		  "a leaf above level 0 ends that walk; the offset has more bits then",
		  superpages },
		{ "count() knows how many",
		  "how many entries has the VS-stage's walk; what does each cost; what is left at "
		  "the end?",
		  counts },
	};

	return lab_steps(8, steps, sizeof(steps) / sizeof(steps[0]));
}
