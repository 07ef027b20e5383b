/*
 * pagewalk: build an Sv39 table, walk it by hand with every step printed, then let the hardware do
 * the same and compare.
 *
 * Invariant: walk() only reads memory, just as the hardware would; it is the algorithm of the
 * privileged spec, "Virtual Address Translation Process", without the permission checks.
 * Read next: guests/lib/paging.c, which built the table.
 */
#include "guests/lib/paging.h"

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/print.h"
#include "guests/lib/trap.h"

#define LD	0x00053503u /* ld a0, 0(a0) */
#define SMALL	0x0000001000201000ul
#define LARGE	0x0000001000400000ul
#define HUGE	0x0000001040000000ul
#define NOWHERE 0x0000001000202000ul

static void print_flags(uint64_t pte)
{
	static const char letters[] = "vrwxugad";

	for (int bit = 7; bit >= 0; bit--)
		put_char((pte >> bit & 1) != 0 ? letters[bit] : '-');
}

/* Returns whether @va is mapped, and where in @pa. */
static bool walk(const uint64_t *root, uint64_t va, uint64_t *pa)
{
	const uint64_t *table = root;

	print("walk %010lx: VPN[2] %lu, VPN[1] %lu, VPN[0] %lu, offset %03lx\n", va, va >> 30 & 511,
	      va >> 21 & 511, va >> 12 & 511, va & 4095);
	for (int level = 2; level >= 0; level--) {
		unsigned shift = 12 + 9 * (unsigned)level;
		const uint64_t *entry = &table[va >> shift & 511];
		uint64_t offset = va & ((1ul << shift) - 1);

		print("  level %d: the entry at %lx is %016lx ", level, (uint64_t)entry, *entry);
		print_flags(*entry);
		if ((*entry & PTE_V) == 0) {
			print(", not valid: page fault\n");
			return false;
		}
		if ((*entry & PTE_RWX) != 0) {
			*pa = pte_address(*entry) + offset;
			print(", a leaf: %lx + %lx = %lx\n", pte_address(*entry), offset, *pa);
			return true;
		}
		table = (const uint64_t *)pte_address(*entry);
		print(", on to the table at %lx\n", (uint64_t)table);
	}
	return false;
}

/* The hardware's answer: read through @va, and see whether it is the word at @pa. */
static bool hardware_agrees(struct space *s, uint64_t va, bool mapped, uint64_t pa)
{
	uint64_t mark = va ^ 0x5a5a5a5a;
	struct trap t;
	bool ok;

	if (mapped)
		*(volatile uint64_t *)pa = mark;
	space_enter(s);
	t = probe_insn(LD, va, 0);
	space_leave();
	if (mapped) {
		ok = !t.taken && t.value == mark;
		print("  hardware: reads the word I left at %lx: %s\n", pa, ok ? "agreed" : "NO");
	} else {
		ok = t.taken && t.cause == CAUSE_LOAD_PAGE && t.tval == va;
		print("  hardware: load page fault at %lx: %s\n", t.tval, ok ? "agreed" : "NO");
	}
	return ok;
}

int main(void)
{
	static const uint64_t addresses[] = { SMALL + 0x238, LARGE + 0x12340, HUGE + 0x654320,
					      NOWHERE };
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t page = (uint64_t)page_alloc();
	int wrong = 0;

	space_map(&s, SMALL, page, 0, PTE_KERNEL);
	space_map(&s, LARGE, RAM_BASE + 0x600000, 1, PTE_KERNEL);
	space_map(&s, HUGE, RAM_BASE, 2, PTE_KERNEL);
	print("I mapped a 4 KiB page at %010lx, 2 MiB at %010lx, 1 GiB at %010lx.\n", SMALL, LARGE,
	      HUGE);
	print("The root table is at %lx, so satp will be %016lx.\n\n", (uint64_t)s.root,
	      space_satp(&s, 0));
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		uint64_t pa = 0;
		bool mapped = walk(s.root, addresses[i], &pa);

		wrong |= !hardware_agrees(&s, addresses[i], mapped, pa);
	}
	print(wrong ? "\nHand and hardware differ!\n" : "\nHand and hardware agree.\n");
	return wrong;
}
