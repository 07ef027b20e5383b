/*
 * SBI calls. Chapter "Binary Encoding": a7 extension, a6 function, arguments in a0..a5, answer in
 * a0 and a1, every other register preserved.
 */
#include "guests/lib/sbi.h"

struct sbi_ret sbi_call(uint64_t ext, uint64_t fid, uint64_t arg0, uint64_t arg1, uint64_t arg2,
			uint64_t arg3, uint64_t arg4)
{
	register uint64_t a0 asm("a0") = arg0;
	register uint64_t a1 asm("a1") = arg1;
	register uint64_t a2 asm("a2") = arg2;
	register uint64_t a3 asm("a3") = arg3;
	register uint64_t a4 asm("a4") = arg4;
	register uint64_t a6 asm("a6") = fid;
	register uint64_t a7 asm("a7") = ext;

	asm volatile("ecall"
		     : "+r"(a0), "+r"(a1)
		     : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7)
		     : "memory");
	return (struct sbi_ret){ .error = (int64_t)a0, .value = a1 };
}

uint64_t sbi_probe(uint64_t ext)
{
	return sbi_call(SBI_EXT_BASE, SBI_BASE_PROBE_EXTENSION, ext, 0, 0, 0, 0).value;
}

void sbi_set_timer(uint64_t time)
{
	sbi_call(SBI_EXT_TIME, SBI_TIME_SET_TIMER, time, 0, 0, 0, 0);
}

struct sbi_ret sbi_send_ipi(uint64_t mask, uint64_t base)
{
	return sbi_call(SBI_EXT_IPI, SBI_IPI_SEND_IPI, mask, base, 0, 0, 0);
}

struct sbi_ret sbi_hart_status(uint64_t hart)
{
	return sbi_call(SBI_EXT_HSM, SBI_HSM_HART_GET_STATUS, hart, 0, 0, 0, 0);
}

void sbi_shutdown(uint64_t reason)
{
	sbi_call(SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, SBI_SRST_SHUTDOWN, reason, 0, 0, 0);
}
