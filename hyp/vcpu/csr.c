/*
 * Moving a guest's CSRs between the hardware and memory.
 *
 * A CSR's number is part of the instruction, so a loop over a table can't do this; the table is a
 * list that is expanded once for each direction. Invariant: both directions move the same set.
 */
#include "hyp/vcpu/csr.h"

#include "hyp/arch/cpu.h"
#include "hyp/vcpu/isa.h"

/* Hardware register, field. Those without a VS copy are the plain ones: the hypervisor itself
 * makes no use of scounteren, senvcfg and sstateen0. */
#define ALWAYS(X)                                                                                  \
	X(CSR_VSSTATUS, sstatus)                                                                   \
	X(CSR_VSIE, sie)                                                                           \
	X(CSR_VSTVEC, stvec)                                                                       \
	X(CSR_VSSCRATCH, sscratch)                                                                 \
	X(CSR_VSEPC, sepc)                                                                         \
	X(CSR_VSCAUSE, scause)                                                                     \
	X(CSR_VSTVAL, stval)                                                                       \
	X(CSR_VSATP, satp)                                                                         \
	X(CSR_HVIP, hvip)                                                                          \
	X(CSR_SCOUNTEREN, scounteren)                                                              \
	X(CSR_SENVCFG, senvcfg)

#define SAVE(csr, field) c->field = csr_read(csr);
#define LOAD(csr, field) csr_write(csr, c->field);

void vcpu_csrs_save(struct vcpu_csrs *c, const struct isa *isa)
{
	ALWAYS(SAVE)
	if (isa->host_has_stateen)
		c->sstateen0 = csr_read(CSR_SSTATEEN0);
	if (isa->has_sstc)
		c->stimecmp = csr_read(CSR_VSTIMECMP);
}

void vcpu_csrs_load(const struct vcpu_csrs *c, const struct isa *isa)
{
	ALWAYS(LOAD)
	if (isa->host_has_stateen)
		csr_write(CSR_SSTATEEN0, c->sstateen0);
	if (isa->has_sstc)
		csr_write(CSR_VSTIMECMP, c->stimecmp);
}
