/*
 * A guest whose kernel runs in U-mode: what it believes to be its S-mode lives in memory, and each
 * instruction that looks at it traps as illegal.
 *
 *   depriv.c       its traps and interrupts, its way onto a hart and off it
 *   depriv_csr.c   its CSRs, one row each
 *   depriv_insn.c  its privileged instructions
 *
 * All functions: own hart, @v is loaded there.
 */
#ifndef HYP_VCPU_DEPRIV_H
#define HYP_VCPU_DEPRIV_H

#include "hyp/arch/addr.h"
#include "hyp/arch/cause.h"
#include "hyp/shadow/shadow.h"
#include "hyp/vcpu/depriv_site.h"
#include "hyp/vs-stage/walk.h"

struct vcpu;

/*
 * The guest's CSRs. They lie in the upper half of a page of their own, so that code of the guest's
 * could be given that page in the last 4 KiB of the address space, which loads and stores reach by
 * a negative offset from x0.
 *
 * What each word holds is what a read of the CSR gives, but for sip.STIP: see depriv_sip().
 */
struct state_page {
	uint64_t sstatus, sie, sip, stvec, sscratch, sepc, scause, stval, satp;
	uint64_t scounteren, senvcfg, sstateen0;
	uint64_t stimecmp; /* also where the guest has no Sstc: what it asked of the SBI */
};
#define STATE_PAGE_OFFSET 2048

/*
 * Once copies of its code use the page (hyp/shadow/state.c), the guest can write any value there at
 * any time it runs, by an address that it has no business with. What would do harm is looked at
 * again where it is used: satp, sip, FS and VS.
 */
struct depriv {
	struct state_page *state; /* fixed while the VM lives */
	bool user;		  /* the privilege the guest believes to have: U, or else S */
	bool windowed, has_asids; /* since it was loaded: shadow_has_windows(), ..._asids() */
	bool stale; /* something that what follows is made from has changed: depriv_prepare() */

	/* What is in this hart's registers; they are written only to change. */
	uint64_t satp, units, counters, envcfg;
	uint64_t own_units; /* those of FS and VS that the guest has */
	bool units_stale;   /* FS or VS, or the privilege, has changed */
	bool enables_stale; /* so have scounteren or senvcfg */
	bool enables_user;  /* for which privilege .counters and .envcfg are */
	bool enables_differ; /* the other one's would be others */
	struct regime regime;		 /* what satp was made from: in which the guest last ran */
	uint64_t regime_satp;		 /* what .regime.atp was made from */
	uint64_t retried_at, retried_pc; /* the last fault that was to be retried: shadowed.c */
	uint64_t host_satp; /* what was in satp before @v was loaded, and must be after */
	struct shadow_code code;   /* where the instruction was, by the last fetch */
};

/* After a trap from the guest, before anything else, if it was in U: its FS and VS are noted. */
void depriv_note_units(struct vcpu *v);

/**
 * Before the guest runs on: an interrupt that it takes now is delivered, and this hart's registers
 * are what the guest's privilege and CSRs ask for.
 */
void depriv_prepare(struct vcpu *v);

/**
 * Carry out instruction @bits at frame.pc, which trapped as illegal, if it isn't: what a guest in
 * S-mode may do, and FP or vector instructions that were off for our sake only.
 * Returns whether the guest can go on at frame.pc; false: illegal it is, nothing changed.
 */
bool depriv_execute(struct vcpu *v, uint32_t bits);

/* For the files of this folder: */

/* The guest goes on with privilege U, or else S. */
void depriv_set_user(struct vcpu *v, bool user);

/* The backend's inject. */
void depriv_inject(struct vcpu *v, enum cause cause, uint64_t tval);

/* Return from a trap: "sret". */
void depriv_sret(struct vcpu *v);

/* sip as it is at this moment. Where nothing asks, STIP comes when the host's timer goes off. */
uint64_t depriv_sip(struct vcpu *v);

/* Put @value into those bits of sstatus that can be written. */
void depriv_write_sstatus(struct vcpu *v, uint64_t value);

/* CSR instruction @bits, as depriv_execute() has it. */
bool depriv_csr(struct vcpu *v, uint32_t bits);

/**
 * What CSR instruction @bits does in S-mode, but for the general registers and the pc. @operand: the
 * value of rs1, or the immediate; *@old: for rd.
 * Returns false, with nothing changed, where there is no such CSR.
 */
bool depriv_csr_access(struct vcpu *v, uint32_t bits, uint64_t operand, uint64_t *old);

/* SFENCE.VMA @bits with the values of rs1 and rs2. */
void depriv_fence(struct vcpu *v, uint32_t bits, uint64_t at, uint64_t asid);

/**
 * Where in the state page CSR @number is, if an access that reads it, or one that writes it and
 * @writes, is nothing but a load or store there. Else -1.
 */
int depriv_csr_offset(unsigned number, bool writes);

/* The bits of CSR @number that a write sets, where it does nothing else; 0: it isn't so simple. */
uint64_t depriv_csr_legal(unsigned number);

#endif
