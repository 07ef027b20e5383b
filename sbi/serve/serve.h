/*
 * The SBI as guests see it: one file and one row for each extension.
 *
 * Source: riscv-non-isa/riscv-sbi-doc, version 3.0.
 */
#ifndef SBI_SERVE_SERVE_H
#define SBI_SERVE_SERVE_H

#include "hyp/vcpu/vcpu.h"
#include "sbi/call/call.h"

/* What BASE says of this implementation. */
#define SBI_SERVE_SPEC_VERSION SBI_SPEC_VERSION(2, 0)
#define SBI_SERVE_IMPL_VERSION 1

/**
 * Answer the call that @v made: extension in a7, function in a6, arguments in a0..a5, the answer
 * in a0 and a1. frame.pc is past the ecall already.
 */
void sbi_serve(struct vcpu *v);

/* Whether extension @ext is there for @v's VM. */
bool sbi_serve_has(const struct vcpu *v, uint64_t ext);

/* @v, which is loaded here, has run or waited since: tell its guest, if it asked, what it waited. */
void sbi_tell_steal(struct vcpu *v);

/* For the files of this folder: */

static inline struct sbi_ret sbi_ok(uint64_t value)
{
	return (struct sbi_ret){ SBI_SUCCESS, value };
}

static inline struct sbi_ret sbi_fail(int64_t error)
{
	return (struct sbi_ret){ error, 0 };
}

/* Argument @n, a0..a5. */
static inline uint64_t sbi_arg(const struct vcpu *v, unsigned n)
{
	return v->frame.x[X_A0 + n];
}

/* Make the guest repeat its ecall: it waits, and Gnomon doesn't; others may run meanwhile. */
struct sbi_ret sbi_again(struct vcpu *v);

/* The vcpus that a hart mask names, as a set of guest hart ids; false: it names one there isn't. */
bool sbi_targets(const struct vcpu *v, uint64_t mask, uint64_t base, uint64_t *set);

/* Function @fid of each extension; legacy ones get their extension's number for it. */
struct sbi_ret serve_base(struct vcpu *v, uint64_t fid);
struct sbi_ret serve_time(struct vcpu *v, uint64_t fid);
struct sbi_ret serve_ipi(struct vcpu *v, uint64_t fid);
struct sbi_ret serve_rfence(struct vcpu *v, uint64_t fid);
struct sbi_ret serve_hsm(struct vcpu *v, uint64_t fid);
struct sbi_ret serve_srst(struct vcpu *v, uint64_t fid);
struct sbi_ret serve_dbcn(struct vcpu *v, uint64_t fid);
struct sbi_ret serve_sta(struct vcpu *v, uint64_t fid);
struct sbi_ret serve_legacy(struct vcpu *v, uint64_t ext);

/* Send IPIs, fence: shared by the legacy calls and today's. @set as from sbi_targets(); @asid: NULL
 * for all. */
void serve_ipi_to(struct vcpu *v, uint64_t set);
void serve_fence_i_on(struct vcpu *v, uint64_t set);
void serve_sfence_on(struct vcpu *v, uint64_t set, uint64_t at, uint64_t bytes,
		     const uint64_t *asid);

#endif
