/*
 * Lab 5, solved.
 */
#include "guests/labs/5-sum-mxr/lab.h"

void copy_from_user(uint8_t *to, const uint8_t *from, uint64_t bytes)
{
	uint64_t before = csr_set(CSR_SSTATUS, SSTATUS_SUM);

	for (uint64_t i = 0; i < bytes; i++)
		to[i] = from[i];
	csr_write(CSR_SSTATUS, before);
}

uint32_t read_code(const uint32_t *at)
{
	uint64_t before = csr_set(CSR_SSTATUS, SSTATUS_SUM | SSTATUS_MXR);
	uint32_t insn = *(const volatile uint32_t *)at;

	csr_write(CSR_SSTATUS, before);
	return insn;
}

bool may(uint64_t flags, enum access access, bool user, uint64_t sstatus)
{
	bool of_user = (flags & PTE_U) != 0;

	if (user && !of_user)
		return false;
	if (!user && of_user && (access == FETCH || (sstatus & SSTATUS_SUM) == 0))
		return false;
	if (access == FETCH)
		return (flags & PTE_X) != 0;
	if (access == STORE)
		return (flags & PTE_W) != 0;
	return (flags & PTE_R) != 0 || ((flags & PTE_X) != 0 && (sstatus & SSTATUS_MXR) != 0);
}
