/*
 * The control and status registers Gnomon touches: numbers and fields, nothing that executes.
 *
 * Source: the RISC-V privileged specification, chapters "Supervisor-Level ISA" and "H Extension".
 * Plain constants only, so that assembly can include it too.
 */
#ifndef HYP_ARCH_CSR_H
#define HYP_ARCH_CSR_H

#ifdef __ASSEMBLER__
#define BITS(mask, shift) ((mask) << (shift))
#else
#define BITS(mask, shift) ((uint64_t)(mask) << (shift))
#endif

/* Supervisor (of the hypervisor, HS, and of a guest as it numbers them). */
#define CSR_SSTATUS    0x100
#define CSR_SIE	       0x104
#define CSR_STVEC      0x105
#define CSR_SCOUNTEREN 0x106
#define CSR_SENVCFG    0x10a
#define CSR_SSTATEEN0  0x10c
#define CSR_SSCRATCH   0x140
#define CSR_SEPC       0x141
#define CSR_SCAUSE     0x142
#define CSR_STVAL      0x143
#define CSR_SIP	       0x144
#define CSR_STIMECMP   0x14d
#define CSR_SATP       0x180

/* Virtual supervisor: what a guest in VS-mode reads and writes as the above. */
#define CSR_VSSTATUS  0x200
#define CSR_VSIE      0x204
#define CSR_VSTVEC    0x205
#define CSR_VSSCRATCH 0x240
#define CSR_VSEPC     0x241
#define CSR_VSCAUSE   0x242
#define CSR_VSTVAL    0x243
#define CSR_VSIP      0x244
#define CSR_VSTIMECMP 0x24d
#define CSR_VSATP     0x280

/* Hypervisor. */
#define CSR_HSTATUS    0x600
#define CSR_HEDELEG    0x602
#define CSR_HIDELEG    0x603
#define CSR_HIE	       0x604
#define CSR_HTIMEDELTA 0x605
#define CSR_HCOUNTEREN 0x606
#define CSR_HGEIE      0x607
#define CSR_HENVCFG    0x60a
#define CSR_HSTATEEN0  0x60c
#define CSR_HTVAL      0x643
#define CSR_HIP	       0x644
#define CSR_HVIP       0x645
#define CSR_HTINST     0x64a
#define CSR_HGATP      0x680

/* Unprivileged. */
#define CSR_FFLAGS  0x001
#define CSR_FCSR    0x003
#define CSR_VSTART  0x008
#define CSR_VCSR    0x00f
#define CSR_TIME    0xc01
#define CSR_INSTRET 0xc02
#define CSR_VL	    0xc20
#define CSR_VTYPE   0xc21
#define CSR_VLENB   0xc22

#define SSTATUS_SIE	 BITS(1, 1)
#define SSTATUS_SPIE	 BITS(1, 5)
#define SSTATUS_UBE	 BITS(1, 6)
#define SSTATUS_SPP	 BITS(1, 8)
#define SSTATUS_VS	 BITS(3, 9)
#define SSTATUS_FS	 BITS(3, 13)
#define SSTATUS_SUM	 BITS(1, 18)
#define SSTATUS_MXR	 BITS(1, 19)
#define SSTATUS_UXL_64	 BITS(2, 32)
#define SSTATUS_VS_INIT	 BITS(1, 9)
#define SSTATUS_VS_CLEAN BITS(2, 9)
#define SSTATUS_FS_INIT	 BITS(1, 13)
#define SSTATUS_FS_CLEAN BITS(2, 13)
#define SSTATUS_SD	 BITS(1, 63)

#define STVEC_MODE     BITS(3, 0)
#define STVEC_VECTORED BITS(1, 0)

#define HSTATUS_VSBE	BITS(1, 5)
#define HSTATUS_GVA	BITS(1, 6)
#define HSTATUS_SPV	BITS(1, 7)
#define HSTATUS_SPVP	BITS(1, 8)
#define HSTATUS_HU	BITS(1, 9)
#define HSTATUS_VTVM	BITS(1, 20)
#define HSTATUS_VTW	BITS(1, 21)
#define HSTATUS_VTSR	BITS(1, 22)
#define HSTATUS_VSXL_64 BITS(2, 32)

/* Interrupt numbers; a pending or enable bit is 1 << number. */
#define IRQ_SSI	   1
#define IRQ_VSSI   2
#define IRQ_STI	   5
#define IRQ_VSTI   6
#define IRQ_SEI	   9
#define IRQ_VSEI   10
#define IRQ_SGEI   12
#define IRQ_BIT(n) BITS(1, n)
/* A guest's own bit is one place below the VS bit that stands for it. */
#define IRQ_VS_SHIFT 1
#define HIDELEG_VS   (IRQ_BIT(IRQ_VSSI) | IRQ_BIT(IRQ_VSTI) | IRQ_BIT(IRQ_VSEI))

#define HENVCFG_FIOM BITS(1, 0)
#define HENVCFG_CBIE                                                                               \
	BITS(1, 4) /* "flush": CBO.INVAL writes back, so that it undoes nothing of ours */
#define HENVCFG_CBCFE BITS(1, 6)
#define HENVCFG_CBZE  BITS(1, 7)
#define HENVCFG_ADUE  BITS(1, 61)
#define HENVCFG_PBMTE BITS(1, 62)
#define HENVCFG_STCE  BITS(1, 63)

/* senvcfg has its fields where henvcfg has them. */
#define SENVCFG_CBIE BITS(3, 4)

#define HSTATEEN0_SENVCFG BITS(1, 62)
#define HSTATEEN0_SE0	  BITS(1, 63)

#define COUNTEREN_CY BITS(1, 0)
#define COUNTEREN_TM BITS(1, 1)
#define COUNTEREN_IR BITS(1, 2)

/* satp, vsatp and hgatp share one shape, but for the identifier's width. */
#define ATP_MODE_SHIFT	 60
#define ATP_PPN_MASK	 (BITS(1, 44) - 1)
#define SATP_ASID_SHIFT	 44
#define SATP_ASID_MASK	 0xffff
#define HGATP_VMID_SHIFT 44
#define HGATP_VMID_MASK	 0x3fff
#define ATP_MODE_BARE	 0
#define ATP_MODE_SV39	 8
#define ATP_MODE_SV48	 9
#define ATP_MODE_SV57	 10

#endif
