/*
 * Lab 9, solved.
 */
#include "guests/labs/9-hypervisor/lab.h"

uint64_t hgatp_of(const uint64_t *root)
{
	return HGATP_MODE_SV39X4 << HGATP_MODE_SHIFT | (uint64_t)root >> 12;
}

uint64_t hstatus_of_guest(uint64_t now)
{
	return now | HSTATUS_SPV | HSTATUS_SPVP;
}

void g_map(uint64_t *root, uint64_t gpa, uint64_t hpa, uint64_t rights)
{
	uint64_t *table = root;

	for (unsigned level = 2; level > 0; level--) {
		uint64_t *entry = &table[gpa >> (12 + 9 * level) & (level == 2 ? 2047 : 511)];

		if ((*entry & PTE_V) == 0)
			*entry = (uint64_t)given_page() >> 12 << PTE_PPN_SHIFT | PTE_V;
		table = (uint64_t *)((*entry & PTE_PPN_MASK) >> PTE_PPN_SHIFT << 12);
	}
	table[gpa >> 12 & 511] =
		hpa >> 12 << PTE_PPN_SHIFT | rights | PTE_V | PTE_U | PTE_A | PTE_D;
}

bool g_fault(uint64_t *root, uint64_t cause, uint64_t htval)
{
	uint64_t gpa = htval << 2 & ~4095ul, host = given_host_page(gpa);
	bool writable = given_is_writable(gpa);

	if (host == 0 || (cause == CAUSE_STORE_GUEST_PAGE && !writable))
		return false;
	g_map(root, gpa, host, writable ? PTE_RWX : PTE_R | PTE_X);
	return true;
}
