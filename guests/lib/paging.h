/*
 * Page tables of a guest: Sv39, Sv48, Sv57.
 */
#ifndef GUESTS_LIB_PAGING_H
#define GUESTS_LIB_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#define PTE_V	      (1ul << 0)
#define PTE_R	      (1ul << 1)
#define PTE_W	      (1ul << 2)
#define PTE_X	      (1ul << 3)
#define PTE_U	      (1ul << 4)
#define PTE_G	      (1ul << 5)
#define PTE_A	      (1ul << 6)
#define PTE_D	      (1ul << 7)
#define PTE_PPN_SHIFT 10
#define PTE_PPN_MASK  (((1ul << 44) - 1) << PTE_PPN_SHIFT)
#define PTE_RWX	      (PTE_R | PTE_W | PTE_X)
/* What kernel and user mappings have when nothing is being tested about them. */
#define PTE_KERNEL (PTE_V | PTE_RWX | PTE_A | PTE_D)
#define PTE_USER   (PTE_KERNEL | PTE_U)

struct space {
	uint64_t mode;	 /* satp.MODE */
	unsigned levels; /* 3, 4 or 5 */
	uint64_t *root;
};

/** An empty address space for satp mode @mode (SATP_MODE_SV39 and up). */
struct space space_new(uint64_t mode);

/** A space with the kit's own needs: all RAM and the devices, at their own addresses, not U. */
struct space space_identity(uint64_t mode);

/**
 * The entry that maps @va at @level (0 is 4 KiB, 1 is 2 MiB, ...). Tables on the way are made.
 * Where a leaf stands in the way, the result is that leaf.
 */
uint64_t *space_entry(struct space *s, uint64_t va, unsigned level);

/** Map the page of @level at @va to @pa with @flags; does not fence. */
void space_map(struct space *s, uint64_t va, uint64_t pa, unsigned level, uint64_t flags);

/** A leaf or table entry for @pa. */
uint64_t pte_make(uint64_t pa, uint64_t flags);

/** The address an entry points to. */
uint64_t pte_address(uint64_t pte);

/** The value for satp. */
uint64_t space_satp(const struct space *s, uint64_t asid);

/** Turn @s on, and fence. */
void space_enter(const struct space *s);

/** Back to Bare, and fence. */
void space_leave(void);

/** Whether satp takes @mode here. Leaves translation off. */
bool satp_mode_works(uint64_t mode);

#endif
