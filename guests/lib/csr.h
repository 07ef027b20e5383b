/*
 * Supervisor CSRs and their fields, as far as guests and in-guest tests use them.
 *
 * Source: RISC-V privileged specification, chapter "Supervisor-Level ISA". Read next: trap.h.
 */
#ifndef GUESTS_LIB_CSR_H
#define GUESTS_LIB_CSR_H

#include <stdint.h>

#define CSR_FFLAGS     0x001
#define CSR_FRM	       0x002
#define CSR_FCSR       0x003
#define CSR_SSTATUS    0x100
#define CSR_SIE	       0x104
#define CSR_STVEC      0x105
#define CSR_SCOUNTEREN 0x106
#define CSR_SENVCFG    0x10a
#define CSR_SSCRATCH   0x140
#define CSR_SEPC       0x141
#define CSR_SCAUSE     0x142
#define CSR_STVAL      0x143
#define CSR_SIP	       0x144
#define CSR_STIMECMP   0x14d
#define CSR_SATP       0x180
#define CSR_VSSTATUS   0x200
#define CSR_MSTATUS    0x300
#define CSR_HSTATUS    0x600
#define CSR_HGATP      0x680
#define CSR_CYCLE      0xc00
#define CSR_TIME       0xc01
#define CSR_INSTRET    0xc02
#define CSR_MHARTID    0xf14

#define SSTATUS_SIE	   (1ul << 1)
#define SSTATUS_SPIE	   (1ul << 5)
#define SSTATUS_UBE	   (1ul << 6)
#define SSTATUS_SPP	   (1ul << 8)
#define SSTATUS_VS	   (3ul << 9)
#define SSTATUS_FS	   (3ul << 13)
#define SSTATUS_FS_INITIAL (1ul << 13)
#define SSTATUS_FS_CLEAN   (2ul << 13)
#define SSTATUS_FS_DIRTY   (3ul << 13)
#define SSTATUS_SUM	   (1ul << 18)
#define SSTATUS_MXR	   (1ul << 19)
#define SSTATUS_UXL	   (3ul << 32)
#define SSTATUS_UXL_64	   (2ul << 32)
#define SSTATUS_SD	   (1ul << 63)

#define SATP_MODE_SHIFT 60
#define SATP_MODE_BARE	0ul
#define SATP_MODE_SV39	8ul
#define SATP_MODE_SV48	9ul
#define SATP_MODE_SV57	10ul
#define SATP_ASID_SHIFT 44
#define SATP_ASID_MASK	0xfffful
#define SATP_PPN_MASK	((1ul << 44) - 1)

/* scause: interrupts have the top bit set. */
#define CAUSE_INTERRUPT	       (1ul << 63)
#define IRQ_S_SOFT	       1
#define IRQ_S_TIMER	       5
#define IRQ_S_EXT	       9
#define CAUSE_FETCH_MISALIGNED 0
#define CAUSE_FETCH_ACCESS     1
#define CAUSE_ILLEGAL	       2
#define CAUSE_BREAKPOINT       3
#define CAUSE_LOAD_MISALIGNED  4
#define CAUSE_LOAD_ACCESS      5
#define CAUSE_STORE_MISALIGNED 6
#define CAUSE_STORE_ACCESS     7
#define CAUSE_ECALL_U	       8
#define CAUSE_ECALL_S	       9
#define CAUSE_FETCH_PAGE       12
#define CAUSE_LOAD_PAGE	       13
#define CAUSE_STORE_PAGE       15

static inline __attribute__((always_inline)) uint64_t csr_read(unsigned csr)
{
	uint64_t value;

	asm volatile("csrr %0, %1" : "=r"(value) : "i"(csr) : "memory");
	return value;
}

static inline __attribute__((always_inline)) void csr_write(unsigned csr, uint64_t value)
{
	asm volatile("csrw %0, %1" : : "i"(csr), "r"(value) : "memory");
}

static inline __attribute__((always_inline)) uint64_t csr_set(unsigned csr, uint64_t bits)
{
	uint64_t old;

	asm volatile("csrrs %0, %1, %2" : "=r"(old) : "i"(csr), "r"(bits) : "memory");
	return old;
}

static inline __attribute__((always_inline)) uint64_t csr_clear(unsigned csr, uint64_t bits)
{
	uint64_t old;

	asm volatile("csrrc %0, %1, %2" : "=r"(old) : "i"(csr), "r"(bits) : "memory");
	return old;
}

static inline void wfi(void)
{
	asm volatile("wfi" : : : "memory");
}

/** Order stores to code before later instruction fetches of this hart. */
static inline void fence_i(void)
{
	asm volatile("fence.i" : : : "memory");
}

/** Order stores to page tables before later translations of this hart, all of them. */
static inline void sfence_vma(void)
{
	asm volatile("sfence.vma" : : : "memory");
}

#endif
