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

/* Major opcode SYSTEM, by the instruction's low half. */
static inline bool insn_is_system(uint32_t bits)
{
	return (bits & 0x7f) == 0x73;
}

#define INSN_EBREAK UINT32_C(0x00100073)
#define INSN_WFI    UINT32_C(0x10500073)
#define INSN_WRS_NTO UINT32_C(0x00d00073)

/* funct5 of SC, the one AMO that isn't read, change, write. */
#define INSN_FUNCT5_SC 0x03

struct insn {
	uint8_t kind;	/* enum insn_kind */
	uint8_t length; /* 2 or 4 bytes */
	uint8_t width;	/* bytes accessed: 1, 2, 4, 8 */
	uint8_t reg;	/* rs2 of a store, rd of everything else; x0..x31 or f0..f31 */
	bool is_signed; /* what is loaded is sign-extended */
	bool is_float;	/* .reg is an f register; a load of less than 8 bytes is NaN-boxed */
	uint8_t funct5; /* of an AMO: which */
	uint8_t source; /* of an AMO: rs2. 8 bytes in all, so that a table's row is a shift away */
};

/**
 * Decode the instruction @bits, 16 (in the low half) or 32 wide as its own low bits say. Of
 * INSN_OTHER only .length means anything.
 */
struct insn insn_decode(uint32_t bits);

/**
 * Whether @bits writes memory: as insn_decode() says, or a vector store, or a cache-block
 * operation, which needs the same right ("Cache Management Operations").
 */
bool insn_is_store(uint32_t bits);

/*
 * What insn_decode() said of a few instructions: a driver reaches its device by the same ones over
 * and over. Zero-initialised it is empty; one hart uses it.
 */
#define INSN_MEMOS 8
struct insn_memo {
	uint32_t bits[INSN_MEMOS]; /* 0, an illegal instruction, where there is none */
	struct insn insn[INSN_MEMOS];
};

/* The same as insn_decode(); the answer lies in @memo until the next call. */
static inline const struct insn *insn_recall(struct insn_memo *memo, uint32_t bits)
{
	unsigned row = (bits ^ bits >> 7) % INSN_MEMOS;

	if (memo->bits[row] != bits) {
		memo->bits[row] = bits;
		memo->insn[row] = insn_decode(bits);
	}
	return &memo->insn[row];
}

/* What a load @i puts into its register of @value, which was in memory. */
static inline uint64_t insn_extend(const struct insn *i, uint64_t value)
{
	unsigned unused;

	if (!i->is_signed)
		return value;
	unused = 64 - 8u * i->width;
	return (uint64_t)((int64_t)(value << unused) >> unused);
}

/* Where a load or store gets its address from: x[.base] + .immediate. */
struct insn_address {
	uint8_t base;
	int32_t immediate;
};

/**
 * The address operands of @bits, which insn_decode() knows as a load, store, AMO or LR.
 */
struct insn_address insn_address(uint32_t bits);

/**
 * Decode a transformed instruction from htinst (neither 0 nor a pseudo-instruction): .length is
 * the original's; *@offset gets the Addr. Offset field.
 */
struct insn insn_decode_transformed(uint64_t htinst, unsigned *offset);

/* Whether htinst names an implicit access to a VS-stage table; then what kind of access it was. */
static inline bool htinst_is_pseudo(uint64_t htinst)
{
	return htinst != 0 && (htinst & 1) == 0;
}

#endif
