/*
 * Trap causes, and the three kinds of memory access with the fault each kind gets.
 *
 * Source: privileged specification, "Supervisor Cause (scause) Register" and its H-extension
 * additions. The numbers in a tables' row order are the spec's.
 */
#ifndef HYP_ARCH_CAUSE_H
#define HYP_ARCH_CAUSE_H

#include <stdint.h>

#define CAUSE_INTERRUPT (UINT64_C(1) << 63)

enum cause {
	CAUSE_FETCH_MISALIGNED = 0,
	CAUSE_FETCH_ACCESS = 1,
	CAUSE_ILLEGAL = 2,
	CAUSE_BREAKPOINT = 3,
	CAUSE_LOAD_MISALIGNED = 4,
	CAUSE_LOAD_ACCESS = 5,
	CAUSE_STORE_MISALIGNED = 6,
	CAUSE_STORE_ACCESS = 7,
	CAUSE_ECALL_U = 8,
	CAUSE_ECALL_S = 9,
	CAUSE_ECALL_VS = 10,
	CAUSE_FETCH_PAGE = 12,
	CAUSE_LOAD_PAGE = 13,
	CAUSE_STORE_PAGE = 15,
	CAUSE_FETCH_GUEST_PAGE = 20,
	CAUSE_LOAD_GUEST_PAGE = 21,
	CAUSE_VIRTUAL = 22,
	CAUSE_STORE_GUEST_PAGE = 23,
};

/* What a memory reference wants; AMO, SC and LR of a location to be written count as stores. */
enum access {
	ACCESS_FETCH,
	ACCESS_LOAD,
	ACCESS_STORE,
};

static inline enum cause cause_access_fault(enum access a)
{
	static const uint8_t cause[] = { CAUSE_FETCH_ACCESS, CAUSE_LOAD_ACCESS,
					 CAUSE_STORE_ACCESS };
	return (enum cause)cause[a];
}

static inline enum cause cause_page_fault(enum access a)
{
	static const uint8_t cause[] = { CAUSE_FETCH_PAGE, CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE };
	return (enum cause)cause[a];
}

#endif
