/*
 * Guest loads that may fault, and the place their traps return to.
 *
 * The only instructions of the hypervisor that are allowed to trap are the three below:
 * hyp/trap/entry.S sends a trap with such an sepc to guest_fetch_fault. See hyp/arch/cpu.h.
 */
#include "hyp/arch/csr.h"

	.option arch, +h
	.text
	.globl	guest_fetch_half_load, guest_fetch_word_load, guest_load_byte_load, guest_fetch_fault
	.balign	4
guest_fetch_half_load:
	hlvx.hu	a0, (a0)
	li	a1, 0
	ret

	.balign	4
guest_fetch_word_load:
	hlvx.wu	a0, (a0)
	li	a1, 0
	ret

	.balign	4
guest_load_byte_load:
	hlv.bu	a0, (a0)
	li	a1, 0
	ret

	/*
	 * Entered by the sret of hyp/trap/entry.S. The trap from HS-mode cleared hstatus.SPV and set
	 * sstatus.SPP; the way back into the guest needs them as the guest's trap left them: SPV is
	 * 1, SPP is what SPVP still holds ("Hypervisor Status (hstatus) Register").
	 */
guest_fetch_fault:
	li	a1, HSTATUS_SPV
	csrrs	a0, CSR_HSTATUS, a1
	li	a1, SSTATUS_SPP
	andi	a0, a0, HSTATUS_SPVP
	bnez	a0, 1f
	csrc	CSR_SSTATUS, a1
	j	2f
1:	csrs	CSR_SSTATUS, a1
2:	li	a1, 1
	ret
