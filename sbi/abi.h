/*
 * Every number of the RISC-V Supervisor Binary Interface that Gnomon, its guests and its tests
 * use, once. Plain constants only, so that assembly can include it too.
 *
 * Source: riscv-non-isa/riscv-sbi-doc, version 3.0; the chapter is named beside each group.
 */
#ifndef SBI_ABI_H
#define SBI_ABI_H

/* Chapter "Binary Encoding": standard error codes, returned in a0. */
#define SBI_SUCCESS		  0
#define SBI_ERR_FAILED		  -1
#define SBI_ERR_NOT_SUPPORTED	  -2
#define SBI_ERR_INVALID_PARAM	  -3
#define SBI_ERR_DENIED		  -4
#define SBI_ERR_INVALID_ADDRESS	  -5
#define SBI_ERR_ALREADY_AVAILABLE -6
#define SBI_ERR_ALREADY_STARTED	  -7
#define SBI_ERR_ALREADY_STOPPED	  -8
#define SBI_ERR_NO_SHMEM	  -9
#define SBI_ERR_INVALID_STATE	  -10
#define SBI_ERR_BAD_RANGE	  -11
#define SBI_ERR_TIMEOUT		  -12
#define SBI_ERR_IO		  -13
#define SBI_ERR_DENIED_LOCKED	  -14

/* A hart_mask_base of all ones selects every hart and ignores hart_mask. */
#define SBI_HART_MASK_ALL 0xffffffffffffffff

/* Chapter "Legacy Extensions": the extension is the function; they return in a0 alone. */
#define SBI_LEGACY_SET_TIMER		  0x00
#define SBI_LEGACY_CONSOLE_PUTCHAR	  0x01
#define SBI_LEGACY_CONSOLE_GETCHAR	  0x02
#define SBI_LEGACY_CLEAR_IPI		  0x03
#define SBI_LEGACY_SEND_IPI		  0x04
#define SBI_LEGACY_REMOTE_FENCE_I	  0x05
#define SBI_LEGACY_REMOTE_SFENCE_VMA	  0x06
#define SBI_LEGACY_REMOTE_SFENCE_VMA_ASID 0x07
#define SBI_LEGACY_SHUTDOWN		  0x08

/* Chapter "Base Extension". */
#define SBI_EXT_BASE		       0x10
#define SBI_BASE_GET_SPEC_VERSION      0
#define SBI_BASE_GET_IMPL_ID	       1
#define SBI_BASE_GET_IMPL_VERSION      2
#define SBI_BASE_PROBE_EXTENSION       3
#define SBI_BASE_GET_MVENDORID	       4
#define SBI_BASE_GET_MARCHID	       5
#define SBI_BASE_GET_MIMPID	       6
#define SBI_SPEC_VERSION(major, minor) ((major) << 24 | (minor))
/* Gnomon's own get_impl_id: "gnom", far from the numbers that the specification gives out. */
#define SBI_IMPL_ID_GNOMON 0x676e6f6d

/* Chapter "Timer Extension". */
#define SBI_EXT_TIME	   0x54494D45
#define SBI_TIME_SET_TIMER 0

/* Chapter "IPI Extension". */
#define SBI_EXT_IPI	 0x735049
#define SBI_IPI_SEND_IPI 0

/* Chapter "RFENCE Extension". */
#define SBI_EXT_RFENCE		    0x52464E43
#define SBI_RFENCE_FENCE_I	    0
#define SBI_RFENCE_SFENCE_VMA	    1
#define SBI_RFENCE_SFENCE_VMA_ASID  2
#define SBI_RFENCE_HFENCE_GVMA_VMID 3
#define SBI_RFENCE_HFENCE_GVMA	    4
#define SBI_RFENCE_HFENCE_VVMA_ASID 5
#define SBI_RFENCE_HFENCE_VVMA	    6

/* Chapter "Hart State Management Extension". */
#define SBI_EXT_HSM		      0x48534D
#define SBI_HSM_HART_START	      0
#define SBI_HSM_HART_STOP	      1
#define SBI_HSM_HART_GET_STATUS	      2
#define SBI_HSM_HART_SUSPEND	      3
#define SBI_HSM_STARTED		      0
#define SBI_HSM_STOPPED		      1
#define SBI_HSM_START_PENDING	      2
#define SBI_HSM_STOP_PENDING	      3
#define SBI_HSM_SUSPENDED	      4
#define SBI_HSM_SUSPEND_PENDING	      5
#define SBI_HSM_RESUME_PENDING	      6
#define SBI_HSM_SUSPEND_RETENTIVE     0x00000000
#define SBI_HSM_SUSPEND_NON_RETENTIVE 0x80000000

/* Chapter "System Reset Extension". */
#define SBI_EXT_SRST		0x53525354
#define SBI_SRST_SYSTEM_RESET	0
#define SBI_SRST_SHUTDOWN	0
#define SBI_SRST_COLD_REBOOT	1
#define SBI_SRST_WARM_REBOOT	2
#define SBI_SRST_REASON_NONE	0
#define SBI_SRST_REASON_FAILURE 1

/* Chapter "Debug Console Extension". */
#define SBI_EXT_DBCN		    0x4442434E
#define SBI_DBCN_CONSOLE_WRITE	    0
#define SBI_DBCN_CONSOLE_READ	    1
#define SBI_DBCN_CONSOLE_WRITE_BYTE 2

/* Chapter "Steal-time Accounting Extension". The shared memory is 64 bytes, of which these are used. */
#define SBI_EXT_STA		 0x535441
#define SBI_STA_SET_SHMEM	 0
#define SBI_STA_BYTES		 64
#define SBI_STA_SEQUENCE	 0 /* uint32_t: odd while the rest is written */
#define SBI_STA_FLAGS		 4
#define SBI_STA_STEAL		 8 /* uint64_t: ns */
#define SBI_STA_PREEMPTED	 16
#define SBI_SHMEM_DISABLE	 0xffffffffffffffff /* both halves of an address */

#endif
