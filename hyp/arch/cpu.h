/*
 * What the hart can do and C cannot say: CSRs, fences, waiting, guest loads.
 *
 * The only file with such instructions inline; tests/fake/hyp/arch/cpu.h takes its place when the
 * same sources are built as a program of the host.
 */
#ifndef HYP_ARCH_CPU_H
#define HYP_ARCH_CPU_H

#include "hyp/arch/addr.h"
#include "hyp/arch/csr.h"
#include "hyp/arch/hart.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* @csr is one of CSR_*, a constant. */
ALWAYS_INLINE uint64_t csr_read(const unsigned csr)
{
	uint64_t v;

	__asm__ volatile("csrr %0, %1" : "=r"(v) : "i"(csr) : "memory");
	return v;
}

ALWAYS_INLINE void csr_write(const unsigned csr, uint64_t v)
{
	__asm__ volatile("csrw %0, %1" : : "i"(csr), "rK"(v) : "memory");
}

ALWAYS_INLINE uint64_t csr_swap(const unsigned csr, uint64_t v)
{
	__asm__ volatile("csrrw %0, %1, %0" : "+r"(v) : "i"(csr) : "memory");
	return v;
}

ALWAYS_INLINE void csr_set(const unsigned csr, uint64_t bits)
{
	__asm__ volatile("csrs %0, %1" : : "i"(csr), "rK"(bits) : "memory");
}

ALWAYS_INLINE void csr_clear(const unsigned csr, uint64_t bits)
{
	__asm__ volatile("csrc %0, %1" : : "i"(csr), "rK"(bits) : "memory");
}

/* Wait until an interrupt enabled in sie or hie is pending; none is taken. */
ALWAYS_INLINE void cpu_wait(void)
{
	__asm__ volatile("wfi" : : : "memory");
}

/*
 * Inside a loop that polls another hart. Not PAUSE: QEMU leaves translated code for that, and takes
 * its global lock each time an interrupt pends; a hart that spins so holds up the one it waits for,
 * whose device access needs that lock (disk reads by two harts took five times as long).
 */
ALWAYS_INLINE void cpu_relax(void)
{
	__asm__ volatile("" : : : "memory");
}

/* Orders all earlier accesses, of memory, devices and CSRs, before all later ones. */
ALWAYS_INLINE void fence_all(void)
{
	__asm__ volatile("fence" : : : "memory");
}

/* Orders this hart's earlier stores before its later instruction fetches. */
ALWAYS_INLINE void fence_i(void)
{
	__asm__ volatile("fence.i" : : : "memory");
}

/* No SC succeeds by an LR before it: "forcibly yield any existing load reservation". */
ALWAYS_INLINE void cpu_drop_reservation(void)
{
	uint32_t word = 0, failed;

	__asm__ volatile("sc.w %0, zero, %1" : "=&r"(failed), "+A"(word) : : "memory");
}

/* Orders earlier stores to the hypervisor's own table before this hart's later walks of it. */
ALWAYS_INLINE void sfence_all(void)
{
	__asm__ volatile("sfence.vma" : : : "memory");
}

/* The same for the page at @at, where a guest without the H-extension is translated by our satp. */
ALWAYS_INLINE void sfence_page(gva_t at)
{
	__asm__ volatile("sfence.vma %0" : : "r"(at.v) : "memory");
}

/*
 * HFENCE.GVMA and HFENCE.VVMA, "Hypervisor Memory-Management Fence Instructions". Each orders this
 * hart's earlier stores to the G-stage (VS-stage) table before its later implicit reads of it, as
 * narrowly as its operands say. VVMA always acts for the VMID that hgatp holds at that moment.
 */
ALWAYS_INLINE void hfence_gvma_all(void)
{
	__asm__ volatile(".option push; .option arch, +h; hfence.gvma; .option pop" : : : "memory");
}

ALWAYS_INLINE void hfence_gvma_page(gpa_t at, uint64_t vmid)
{
	__asm__ volatile(".option push; .option arch, +h; hfence.gvma %0, %1; .option pop"
			 :
			 : "r"(at.v >> 2), "r"(vmid)
			 : "memory");
}

ALWAYS_INLINE void hfence_vvma_all(void)
{
	__asm__ volatile(".option push; .option arch, +h; hfence.vvma; .option pop" : : : "memory");
}

ALWAYS_INLINE void hfence_vvma_asid(uint64_t asid)
{
	__asm__ volatile(".option push; .option arch, +h; hfence.vvma x0, %0; .option pop"
			 :
			 : "r"(asid)
			 : "memory");
}

ALWAYS_INLINE void hfence_vvma_page(gva_t at)
{
	__asm__ volatile(".option push; .option arch, +h; hfence.vvma %0; .option pop"
			 :
			 : "r"(at.v)
			 : "memory");
}

ALWAYS_INLINE void hfence_vvma_page_asid(gva_t at, uint64_t asid)
{
	__asm__ volatile(".option push; .option arch, +h; hfence.vvma %0, %1; .option pop"
			 :
			 : "r"(at.v), "r"(asid)
			 : "memory");
}

/*
 * The guest's memory, read as the guest would fetch an instruction (HLVX.HU, HLVX.WU), for the
 * privilege in hstatus.SPVP. A read that faults returns with .failed set; scause, stval, htval and
 * htinst are then that trap's, hstatus and sstatus are put back to "trapped from the guest".
 */
struct guest_fetch {
	uint64_t value; /* 16 bits, zero-extended; 32 bits for the word */
	uint64_t failed;
};
/*
 * The loads are in guest_fetch.S. They are called from here alone, for all but a0, a1, ra and two
 * temporaries live on: nothing has to be saved around them.
 */
#define GUEST_LOAD(symbol, at)                                                                     \
	({                                                                                         \
		register uint64_t value __asm__("a0") = (at).v;                                    \
		register uint64_t failed __asm__("a1");                                            \
                                                                                                   \
		__asm__ volatile("call " symbol                                                    \
				 : "+r"(value), "=r"(failed)                                       \
				 :                                                                 \
				 : "ra", "t0", "t1", "memory");                                    \
		(struct guest_fetch){ value, failed };                                             \
	})

ALWAYS_INLINE struct guest_fetch guest_fetch_half(gva_t at)
{
	return GUEST_LOAD("guest_fetch_half_load", at);
}

/* @at is 4-byte aligned. */
ALWAYS_INLINE struct guest_fetch guest_fetch_word(gva_t at)
{
	return GUEST_LOAD("guest_fetch_word_load", at);
}

/* A load of one byte, by HLV: allowed where the guest's own would be. */
ALWAYS_INLINE struct guest_fetch guest_load_byte(gva_t at)
{
	return GUEST_LOAD("guest_load_byte_load", at);
}

/*
 * Whether instret can be read: the firmware may withhold it ("Machine Counter-Enable"). Where it
 * can't, the trap goes on at the label. For start-up: the trap's CSRs are lost.
 */
static inline bool cpu_has_instret(void)
{
	uint64_t has = 0, before, count;

	__asm__ volatile("lla %1, 1f\n\t"
			 "csrrw %1, stvec, %1\n\t"
			 "rdinstret %2\n\t"
			 "li %0, 1\n\t"
			 ".balign 4\n"
			 "1:\n\t"
			 "csrw stvec, %1"
			 : "+r"(has), "=&r"(before), "=&r"(count)
			 :
			 : "memory");
	return has != 0;
}

/* This hart's own structure. */
ALWAYS_INLINE struct hart *this_hart(void)
{
	struct hart *h;

	__asm__("mv %0, tp" : "=r"(h));
	return h;
}

#endif
