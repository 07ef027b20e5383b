/*
 * Decoding the loads and stores a guest may use on a device. Pure; touches no CSR.
 *
 * Source: unprivileged specification, "RV64I", "A", "F", "D", "Zfh", "C" and "Zcb"; privileged
 * specification, "Trap Instruction Register" for the transformed kind.
 */
#ifndef HYP_ARCH_INSN_H
#define HYP_ARCH_INSN_H

#include <stdbool.h>
#include <stdint.h>

enum insn_kind {
	INSN_OTHER, /* anything that isn't one of these */
	INSN_LOAD,
	INSN_STORE,
	INSN_AMO, /* AMO and SC: a store, cause 23, whatever the hart reported */
	INSN_LR,
};

struct insn {
	enum insn_kind kind;
	uint8_t length;	   /* 2 or 4 bytes */
	uint8_t width;	   /* bytes accessed: 1, 2, 4, 8 */
	uint8_t reg;	   /* rs2 of a store, rd of everything else; x0..x31 or f0..f31 */
	uint8_t base;	   /* rs1: where the address comes from */
	bool is_signed;	   /* what is loaded is sign-extended */
	bool is_float;	   /* .reg is an f register; a load of less than 8 bytes is NaN-boxed */
	int32_t immediate; /* added to x[base] */
};

/**
 * Decode the instruction @bits, 16 (in the low half) or 32 wide as its own low bits say. Of
 * INSN_OTHER only .length means anything.
 */
struct insn insn_decode(uint32_t bits);

/**
 * Decode a transformed instruction from htinst (neither 0 nor a pseudo-instruction): .length is
 * the original's; .base and .immediate are 0, *@offset gets the Addr. Offset field.
 */
struct insn insn_decode_transformed(uint64_t htinst, unsigned *offset);

/* Whether htinst names an implicit access to a VS-stage table; then what kind of access it was. */
static inline bool htinst_is_pseudo(uint64_t htinst)
{
	return htinst != 0 && (htinst & 1) == 0;
}

#endif
