/*
 * A guest hart's supervisor CSRs, with their two backings: the VS registers of the hardware, and
 * struct vcpu_csrs in memory while the vcpu isn't loaded.
 */
#ifndef HYP_VCPU_CSR_H
#define HYP_VCPU_CSR_H

#include <stdbool.h>
#include <stdint.h>

struct isa;

/* The saved values, under the names the guest knows them by. */
struct vcpu_csrs {
	uint64_t sstatus, sie, stvec, sscratch, sepc, scause, stval, satp;
	uint64_t hvip; /* the interrupts the hypervisor has raised */
	uint64_t scounteren, senvcfg;
	uint64_t sstateen0; /* where the host has Smstateen */
	uint64_t stimecmp;  /* where the guest has Sstc */
	bool user;	    /* the privilege it was in; hext.c */
};

/* Hardware to memory, and back. @isa tells which of the conditional ones are the guest's. */
void vcpu_csrs_save(struct vcpu_csrs *c, const struct isa *isa);
void vcpu_csrs_load(const struct vcpu_csrs *c, const struct isa *isa);

#endif
