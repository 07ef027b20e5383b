/*
 * Page-table entries and page-table geometry, as data. The same for the hypervisor's own table, a
 * G-stage and a guest's VS-stage.
 *
 * Source: privileged specification, "Sv39", "Sv48", "Sv57: Page-Based 57-bit Virtual-Memory System"
 * and "Guest Physical Address Translation" (the x4 formats: a root four times as large).
 *
 *    63 62..61 60..54  53 ........ 10 9..8 7 6 5 4 3 2 1 0
 *    N  PBMT   reserved     PPN       RSW  D A G U X W R V
 */
#ifndef HYP_ARCH_PTE_H
#define HYP_ARCH_PTE_H

#include "hyp/arch/addr.h"
#include "hyp/arch/csr.h"

typedef uint64_t pte_t;

#define PTE_V BITS(1, 0)
#define PTE_R BITS(1, 1)
#define PTE_W BITS(1, 2)
#define PTE_X BITS(1, 3)
#define PTE_U BITS(1, 4)
#define PTE_G BITS(1, 5)
#define PTE_A BITS(1, 6)
#define PTE_D BITS(1, 7)

#define PTE_PPN_SHIFT 10
#define PTE_PPN_MASK  BITS(ATP_PPN_MASK, PTE_PPN_SHIFT)
#define PTE_RESERVED  BITS(0x7f, 54)
#define PTE_PBMT      BITS(3, 61)
#define PTE_N	      BITS(1, 63)

#define PT_INDEX_BITS 9u
#define PT_ENTRIES    512u
#define PT_MAX_LEVELS 5

struct pt_mode {
	const char *name;
	uint8_t atp_mode;   /* the MODE field of satp, vsatp or hgatp */
	uint8_t levels;	    /* the root's level is levels - 1, a 4 KiB leaf's is 0 */
	uint8_t root_extra; /* index bits of the root beyond 9: 2 in the x4 formats */
};

/* Bits of an address that the tables translate: 39, 41, 48, ... */
static inline unsigned pt_address_bits(const struct pt_mode *m)
{
	return PAGE_SHIFT + PT_INDEX_BITS * m->levels + m->root_extra;
}

/* What one entry of a table at @level spans: 4 KiB, 2 MiB, 1 GiB, ... */
static inline uint64_t pt_span(unsigned level)
{
	return UINT64_C(1) << (PAGE_SHIFT + PT_INDEX_BITS * level);
}

/* Which entry of its table at @level translates address @at. */
static inline uint64_t pt_index(const struct pt_mode *m, unsigned level, uint64_t at)
{
	unsigned extra = level + 1u == m->levels ? m->root_extra : 0;

	return at >> (PAGE_SHIFT + PT_INDEX_BITS * level) & ((PT_ENTRIES << extra) - 1);
}

static inline bool pte_is_valid(pte_t e)
{
	return (e & PTE_V) != 0;
}

/* Of a valid entry: R = W = X = 0 points to the next table. */
static inline bool pte_is_leaf(pte_t e)
{
	return (e & (PTE_R | PTE_W | PTE_X)) != 0;
}

/* The physical address an entry holds; host or guest physical is the caller's to know. */
static inline uint64_t pte_address(pte_t e)
{
	return (e & PTE_PPN_MASK) << (PAGE_SHIFT - PTE_PPN_SHIFT);
}

static inline pte_t pte_make(uint64_t address, uint64_t flags)
{
	return address >> (PAGE_SHIFT - PTE_PPN_SHIFT) | flags;
}

#endif
