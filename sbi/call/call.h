/*
 * The calls Gnomon makes down to the firmware. One function a call; numbers are sbi/abi.h's.
 */
#ifndef SBI_CALL_CALL_H
#define SBI_CALL_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "sbi/abi.h"

struct sbi_ret {
	int64_t error; /* SBI_SUCCESS or SBI_ERR_* */
	uint64_t value;
};

/* "Binary Encoding": a7 extension, a6 function, a0..a4 arguments; a0 error, a1 value. */
struct sbi_ret sbi_call(uint64_t ext, uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2,
			uint64_t a3, uint64_t a4);

/* A set of host harts as the SBI takes it: bit n of mask is hart base + n. */
struct sbi_harts {
	uint64_t mask, base;
};

/* Whether the firmware implements extension @ext. */
bool sbi_probe(uint64_t ext);

void sbi_console_putchar(char c);
void sbi_set_timer(uint64_t time);
void sbi_send_ipi(struct sbi_harts harts);
void sbi_remote_fence_i(struct sbi_harts harts);

/**
 * SFENCE.VMA on @harts for [@at, @at + @bytes), every ASID. Returns when all of them have done it.
 */
void sbi_remote_sfence_vma(struct sbi_harts harts, uint64_t at, uint64_t bytes);

/**
 * HFENCE.GVMA on @harts for [@at, @at + @bytes) of guest physical space, every VMID.
 * Returns when all of them have done it.
 */
void sbi_remote_hfence_gvma(struct sbi_harts harts, uint64_t at, uint64_t bytes);

/**
 * HFENCE.VVMA on @harts for [@at, @at + @bytes) of guest virtual space and the VMID each holds.
 */
void sbi_remote_hfence_vvma(struct sbi_harts harts, uint64_t at, uint64_t bytes);
void sbi_remote_hfence_vvma_asid(struct sbi_harts harts, uint64_t at, uint64_t bytes,
				 uint64_t asid);

/**
 * Start @hart at physical address @start with a0 = @hart, a1 = @opaque.
 * Returns SBI_SUCCESS or SBI_ERR_*.
 */
int64_t sbi_hart_start(uint64_t hart, uint64_t start, uint64_t opaque);

/* Returns only if the firmware can't. */
void sbi_system_reset(uint32_t type, uint32_t reason);

#endif
