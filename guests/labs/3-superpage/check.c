/*
 * Lab 3's checks: the machine goes through the student's leaves, at random places.
 */
#include "guests/labs/3-superpage/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"
#include "guests/lib/trap.h"

#define LD	 0x00053503u /* ld a0, 0(a0) */
#define MEGAPAGE 0x200000ul
#define VA	 0x0000001000600000ul
#define PA	 (RAM_BASE + 0x800000ul)
#define PLAIN	 (PTE_V | PTE_R | PTE_W | PTE_A | PTE_D)

static struct space space;
static uint64_t *entry;
static unsigned tables;

uint64_t *given_page(void)
{
	tables++;
	return page_alloc();
}

static bool loads(uint64_t va, uint64_t *value)
{
	struct trap t = probe_insn(LD, va, 0);

	*value = t.value;
	return !t.taken;
}

static bool breaks(void)
{
	uint64_t leaf, number, value;
	struct trap t;

	space = space_identity(SATP_MODE_SV39);
	entry = space_entry(&space, VA, 1);
	space_enter(&space);
	leaf = LAB_CALL(broken_leaf, PA + (lab_random() & 0x1ff000), 0, 0, 0);
	number = leaf >> PTE_PPN_SHIFT;
	*entry = leaf;
	sfence_vma();
	t = probe_insn(LD, VA, 0);
	*entry = leaf & ~(511ul << PTE_PPN_SHIFT);
	sfence_vma();
	return (leaf & 1023) == PTE_KERNEL && number >> 9 == PA >> 21 && t.taken &&
	       t.cause == CAUSE_LOAD_PAGE && loads(VA, &value);
}

static bool refuses(void)
{
	const uint64_t odd = (lab_random() & 0x1ff000) | 0x1000;

	*entry = 0;
	return LAB_CALL(map_2m, entry, VA, PA + odd, PLAIN) == 0 && *entry == 0 &&
	       LAB_CALL(map_2m, entry, VA + odd, PA, PLAIN) == 0 && *entry == 0 &&
	       LAB_CALL(map_2m, entry, VA + odd, PA + odd, PLAIN) == 0 && *entry == 0;
}

static bool maps(void)
{
	uint64_t at = lab_random() & (MEGAPAGE - 8), word = lab_random(), value;

	*(volatile uint64_t *)(PA + at) = word;
	if (LAB_CALL(map_2m, entry, VA, PA, PLAIN) != 1)
		return false;
	sfence_vma();
	return loads(VA + at, &value) && value == word && (*entry & 1023) == PLAIN;
}

static bool splits(void)
{
	uint64_t value;

	for (uint64_t i = 0; i < 512; i++)
		*(volatile uint64_t *)(PA + i * 4096 + 8 * i) = lab_random();
	LAB_CALL(split, entry, VA, 0, 0);
	if ((*entry & PTE_RWX) != 0 || (*entry & PTE_V) == 0 || tables != 1)
		return false;
	for (uint64_t i = 0; i < 512; i++)
		if (!loads(VA + i * 4096 + 8 * i, &value) ||
		    value != *(volatile uint64_t *)(PA + i * 4096 + 8 * i) ||
		    (*space_entry(&space, VA + i * 4096, 0) & 1023) != PLAIN)
			return false;
	return true;
}

static bool is_fenced(void)
{
	uint64_t *page = page_alloc(), value;
	uint64_t hole = (lab_random() & 511) << 12;

	*entry = pte_make(PA, PLAIN);
	sfence_vma();
	if (!loads(VA + hole, &value))
		return false;
	*page = lab_random();
	LAB_CALL(split, entry, VA, 0, 0);
	*space_entry(&space, VA + hole, 0) = pte_make((uint64_t)page, PLAIN);
	asm volatile("sfence.vma %0, zero" : : "r"(VA + hole) : "memory");
	return loads(VA + hole, &value) && value == *page && loads(VA + (hole ^ 0x1000), &value) &&
	       value == *(volatile uint64_t *)(PA + (hole ^ 0x1000));
}

int main(void)
{
	static const struct step steps[] = {
		{ "a load through broken_leaf() faults, and for its page number alone",
		  "a leaf at level 1 has nine bits of page number that the address has too; what "
		  "if they aren't 0?",
		  breaks },
		{ "map_2m() refuses what one leaf can't map",
		  "both addresses must be multiples of 2 MiB", refuses },
		{ "map_2m() maps 2 MiB",
		  "the page number stands from bit 10 on, with 4 KiB as unit", maps },
		{ "split() leaves all as it was, page by page",
		  "each of the 512 leaves has the old one's flags, and the page number of its own "
		  "4 KiB; then the entry points to the table",
		  splits },
		{ "then one of the pages can be mapped elsewhere",
		  "only leaves have flags besides V; an entry that points on has none", is_fenced },
	};

	return lab_steps(3, steps, sizeof(steps) / sizeof(steps[0]));
}
