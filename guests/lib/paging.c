/*
 * Building page tables and switching them on.
 * Invariant: the kit runs at physical addresses, so a space must map RAM and UART to themselves to
 * be entered; space_identity() does. Read next: guests/pagewalk/, which walks such a table by hand.
 */
#include "guests/lib/paging.h"

#include "guests/lib/board.h"
#include "guests/lib/csr.h"

struct space space_new(uint64_t mode)
{
	return (struct space){
		.mode = mode,
		.levels = (unsigned)(mode - SATP_MODE_SV39) + 3,
		.root = page_alloc(),
	};
}

struct space space_identity(uint64_t mode)
{
	struct space s = space_new(mode);

	space_map(&s, 0, 0, 2, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D);
	space_map(&s, RAM_BASE, RAM_BASE, 2, PTE_KERNEL);
	return s;
}

uint64_t pte_make(uint64_t pa, uint64_t flags)
{
	return (pa >> 12) << PTE_PPN_SHIFT | flags;
}

uint64_t pte_address(uint64_t pte)
{
	return (pte & PTE_PPN_MASK) >> PTE_PPN_SHIFT << 12;
}

uint64_t *space_entry(struct space *s, uint64_t va, unsigned level)
{
	uint64_t *table = s->root;

	for (unsigned i = s->levels - 1;; i--) {
		uint64_t *entry = &table[va >> (12 + 9 * i) & 511];

		if (i == level || ((*entry & PTE_V) != 0 && (*entry & PTE_RWX) != 0))
			return entry;
		if ((*entry & PTE_V) == 0)
			*entry = pte_make((uint64_t)page_alloc(), PTE_V);
		table = (uint64_t *)pte_address(*entry);
	}
}

void space_map(struct space *s, uint64_t va, uint64_t pa, unsigned level, uint64_t flags)
{
	*space_entry(s, va, level) = pte_make(pa, flags);
}

uint64_t space_satp(const struct space *s, uint64_t asid)
{
	return s->mode << SATP_MODE_SHIFT | asid << SATP_ASID_SHIFT | (uint64_t)s->root >> 12;
}

void space_enter(const struct space *s)
{
	csr_write(CSR_SATP, space_satp(s, 0));
	sfence_vma();
}

void space_leave(void)
{
	csr_write(CSR_SATP, 0);
	sfence_vma();
}

bool satp_mode_works(uint64_t mode)
{
	struct space s = space_identity(mode);
	bool works;

	csr_write(CSR_SATP, space_satp(&s, 0));
	works = csr_read(CSR_SATP) >> SATP_MODE_SHIFT == mode;
	space_leave();
	return works;
}
