/*
 * A hart made of variables: stands in for hyp/arch/cpu.h where the sources run on the host.
 *
 * Found first by -Itests/fake. Same names, same meaning, nothing executed: CSRs are an array, a
 * fence is counted and remembered. What a test may look at or change is in tests/fake/fake.h.
 */
#ifndef HYP_ARCH_CPU_H
#define HYP_ARCH_CPU_H

#include "hyp/arch/addr.h"
#include "hyp/arch/csr.h"
#include "hyp/arch/hart.h"
#include "tests/fake/fake.h"

#define ALWAYS_INLINE static inline

ALWAYS_INLINE uint64_t csr_read(const unsigned csr)
{
	return fake.csr[csr];
}

ALWAYS_INLINE void csr_write(const unsigned csr, uint64_t v)
{
	fake.csr[csr] = fake_csr_legal(csr, v);
}

ALWAYS_INLINE uint64_t csr_swap(const unsigned csr, uint64_t v)
{
	uint64_t old = csr_read(csr);

	csr_write(csr, v);
	return old;
}

ALWAYS_INLINE void csr_set(const unsigned csr, uint64_t bits)
{
	csr_write(csr, csr_read(csr) | bits);
}

ALWAYS_INLINE void csr_clear(const unsigned csr, uint64_t bits)
{
	csr_write(csr, csr_read(csr) & ~bits);
}

ALWAYS_INLINE void cpu_wait(void)
{
	fake_fence(FAKE_WAIT, 0, 0);
}

/* So that who waits with a limit comes to it. */
ALWAYS_INLINE void cpu_relax(void)
{
	fake.csr[CSR_TIME] += 1000;
}

ALWAYS_INLINE void fence_all(void)
{
	fake_fence(FAKE_FENCE_MEMORY, 0, 0);
}

ALWAYS_INLINE void fence_i(void)
{
	fake_fence(FAKE_FENCE_I, 0, 0);
}

ALWAYS_INLINE void cpu_drop_reservation(void)
{
}

ALWAYS_INLINE void sfence_all(void)
{
	fake_fence(FAKE_SFENCE_ALL, 0, 0);
}

ALWAYS_INLINE void sfence_page(gva_t at)
{
	fake_fence(FAKE_SFENCE_PAGE, at.v, 0);
}

ALWAYS_INLINE void hfence_gvma_all(void)
{
	fake_fence(FAKE_GVMA_ALL, 0, 0);
}

ALWAYS_INLINE void hfence_gvma_page(gpa_t at, uint64_t vmid)
{
	fake_fence(FAKE_GVMA_PAGE, at.v, vmid);
}

ALWAYS_INLINE void hfence_vvma_all(void)
{
	fake_fence(FAKE_VVMA_ALL, 0, 0);
}

ALWAYS_INLINE void hfence_vvma_asid(uint64_t asid)
{
	fake_fence(FAKE_VVMA_ASID, 0, asid);
}

ALWAYS_INLINE void hfence_vvma_page(gva_t at)
{
	fake_fence(FAKE_VVMA_PAGE, at.v, 0);
}

ALWAYS_INLINE void hfence_vvma_page_asid(gva_t at, uint64_t asid)
{
	fake_fence(FAKE_VVMA_PAGE_ASID, at.v, asid);
}

struct guest_fetch {
	uint64_t value;
	uint64_t failed;
};

/* Ask fake.guest_fetch_fault; without one every fetch is an instruction page fault. */
struct guest_fetch guest_fetch_half(gva_t at);
struct guest_fetch guest_fetch_word(gva_t at);
struct guest_fetch guest_load_byte(gva_t at);

ALWAYS_INLINE bool cpu_has_instret(void)
{
	return true;
}

ALWAYS_INLINE struct hart *this_hart(void)
{
	return fake.hart;
}

#endif
