/*
 * Calls to the SBI below, firmware or hypervisor.
 */
#ifndef GUESTS_LIB_SBI_H
#define GUESTS_LIB_SBI_H

#include <stdint.h>

#include "sbi/abi.h"

struct sbi_ret {
	int64_t error;
	uint64_t value;
};

/** Any call; legacy ones answer in .error alone. */
struct sbi_ret sbi_call(uint64_t ext, uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2,
			uint64_t a3, uint64_t a4);

/** Non-zero if the extension is there. */
uint64_t sbi_probe(uint64_t ext);

/** Next timer interrupt at @time, which also takes back a pending one. */
void sbi_set_timer(uint64_t time);

struct sbi_ret sbi_send_ipi(uint64_t mask, uint64_t base);

/** HSM state of @hart. */
struct sbi_ret sbi_hart_status(uint64_t hart);

/** Shut down; does not return where SRST exists. */
void sbi_shutdown(uint64_t reason);

#endif
