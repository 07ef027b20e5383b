/*
 * Lab 7, solved.
 */
#include "guests/labs/7-shadow/lab.h"

static const uint64_t right[] = { [FETCH] = PTE_X, [LOAD] = PTE_R, [STORE] = PTE_W };

enum outcome fill(struct pager *p, uint64_t at, enum access access)
{
	unsigned index = (at - p->va) >> 12 & 511;
	uint64_t leaf = p->guest[index], host;

	if ((leaf & PTE_V) == 0 || (leaf & right[access]) == 0)
		return GUEST_PAGE_FAULT;
	host = given_host_page((leaf & PTE_PPN_MASK) >> PTE_PPN_SHIFT << 12);
	if (host == 0)
		return GUEST_ACCESS_FAULT;
	p->shadow[index] = host >> 12 << PTE_PPN_SHIFT | (leaf & 1023);
	return RETRY;
}

void stored(struct pager *p, unsigned index)
{
	p->shadow[index] = 0;
	asm volatile("sfence.vma %0, zero" : : "r"(p->va + 4096ul * index) : "memory");
}

void fenced(struct pager *p, uint64_t at)
{
	stored(p, (at - p->va) >> 12 & 511);
}
