/*
 * Calls down to the firmware. The result of a call that cannot fail with good arguments is not
 * looked at: there is nothing a caller could do about it.
 */
#include "sbi/call/call.h"

struct sbi_ret sbi_call(uint64_t ext, uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2,
			uint64_t a3, uint64_t a4)
{
	register uint64_t r0 __asm__("a0") = a0;
	register uint64_t r1 __asm__("a1") = a1;
	register uint64_t r2 __asm__("a2") = a2;
	register uint64_t r3 __asm__("a3") = a3;
	register uint64_t r4 __asm__("a4") = a4;
	register uint64_t r6 __asm__("a6") = fid;
	register uint64_t r7 __asm__("a7") = ext;

	__asm__ volatile("ecall"
			 : "+r"(r0), "+r"(r1)
			 : "r"(r2), "r"(r3), "r"(r4), "r"(r6), "r"(r7)
			 : "memory");
	return (struct sbi_ret){ (int64_t)r0, r1 };
}

bool sbi_probe(uint64_t ext)
{
	struct sbi_ret r = sbi_call(SBI_EXT_BASE, SBI_BASE_PROBE_EXTENSION, ext, 0, 0, 0, 0);

	return r.error == SBI_SUCCESS && r.value != 0;
}

void sbi_console_putchar(char c)
{
	sbi_call(SBI_LEGACY_CONSOLE_PUTCHAR, 0, (unsigned char)c, 0, 0, 0, 0);
}

void sbi_set_timer(uint64_t time)
{
	sbi_call(SBI_EXT_TIME, SBI_TIME_SET_TIMER, time, 0, 0, 0, 0);
}

void sbi_send_ipi(struct sbi_harts harts)
{
	sbi_call(SBI_EXT_IPI, SBI_IPI_SEND_IPI, harts.mask, harts.base, 0, 0, 0);
}

void sbi_remote_fence_i(struct sbi_harts harts)
{
	sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, harts.mask, harts.base, 0, 0, 0);
}

void sbi_remote_sfence_vma(struct sbi_harts harts, uint64_t at, uint64_t bytes)
{
	sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, harts.mask, harts.base, at, bytes, 0);
}

void sbi_remote_hfence_gvma(struct sbi_harts harts, uint64_t at, uint64_t bytes)
{
	sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_HFENCE_GVMA, harts.mask, harts.base, at, bytes, 0);
}

void sbi_remote_hfence_vvma(struct sbi_harts harts, uint64_t at, uint64_t bytes)
{
	sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_HFENCE_VVMA, harts.mask, harts.base, at, bytes, 0);
}

void sbi_remote_hfence_vvma_asid(struct sbi_harts harts, uint64_t at, uint64_t bytes, uint64_t asid)
{
	sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_HFENCE_VVMA_ASID, harts.mask, harts.base, at, bytes,
		 asid);
}

int64_t sbi_hart_start(uint64_t hart, uint64_t start, uint64_t opaque)
{
	return sbi_call(SBI_EXT_HSM, SBI_HSM_HART_START, hart, start, opaque, 0, 0).error;
}

void sbi_system_reset(uint32_t type, uint32_t reason)
{
	sbi_call(SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, type, reason, 0, 0, 0);
}
