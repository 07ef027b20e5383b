/*
 * Encodings of the instructions that tests execute one at a time with probe_insn(): a0 is x10,
 * a1 is x11. Source: RISC-V unprivileged specification, "RV32/64G Instruction Set Listings".
 */
#ifndef TESTS_GUEST_INSN_H
#define TESTS_GUEST_INSN_H

#include <stdint.h>

#define OP_LOAD	    0x03u
#define OP_LOAD_FP  0x07u
#define OP_STORE    0x23u
#define OP_STORE_FP 0x27u
#define OP_AMO	    0x2fu
#define OP_SYSTEM   0x73u

#define WIDTH_B	 0u
#define WIDTH_H	 1u
#define WIDTH_W	 2u
#define WIDTH_D	 3u
#define WIDTH_BU 4u
#define WIDTH_HU 5u
#define WIDTH_WU 6u

#define AMO_ADD	 0x00u
#define AMO_SWAP 0x01u
#define AMO_LR	 0x02u
#define AMO_SC	 0x03u

#define CSR_OP_RW  1u
#define CSR_OP_RS  2u
#define CSR_OP_RC  3u
#define CSR_OP_RWI 5u

#define INSN_EBREAK	0x00100073u
#define INSN_ECALL	0x00000073u
#define INSN_SRET	0x10200073u
#define INSN_MRET	0x30200073u
#define INSN_WFI	0x10500073u
#define INSN_SFENCE_VMA 0x12000073u
#define INSN_C_EBREAK	0x9002u
#define INSN_C_RET	0x8082u

static inline uint32_t insn_load(uint32_t opcode, uint32_t width, uint32_t rd, uint32_t rs1,
				 uint32_t offset)
{
	return (offset & 0xfff) << 20 | rs1 << 15 | width << 12 | rd << 7 | opcode;
}

static inline uint32_t insn_store(uint32_t opcode, uint32_t width, uint32_t rs2, uint32_t rs1,
				  uint32_t offset)
{
	return (offset >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | width << 12 |
	       (offset & 31) << 7 | opcode;
}

static inline uint32_t insn_amo(uint32_t funct5, uint32_t width, uint32_t rd, uint32_t rs1,
				uint32_t rs2)
{
	return funct5 << 27 | rs2 << 20 | rs1 << 15 | width << 12 | rd << 7 | OP_AMO;
}

static inline uint32_t insn_csr(uint32_t op, uint32_t rd, uint32_t csr, uint32_t rs1)
{
	return csr << 20 | rs1 << 15 | op << 12 | rd << 7 | OP_SYSTEM;
}

#endif
