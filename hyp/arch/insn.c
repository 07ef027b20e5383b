/*
 * Decoding loads and stores: one table for 32-bit instructions, one for compressed ones.
 *
 * Invariant: an encoding that no row names, or that its row's conditions exclude, is INSN_OTHER.
 *
 * Next: whoever emulates the access, in hyp/trap/.
 */
#include "hyp/arch/insn.h"

#define X_SP 2

/* What an instruction does apart from its operands, as a sum of these. 0 is INSN_OTHER. */
enum shape {
	LOAD = INSN_LOAD,
	STORE = INSN_STORE,
	AMO = INSN_AMO,
	KIND = 7,
	B = 0 << 3, /* the logarithm of the width */
	H = 1 << 3,
	W = 2 << 3,
	D = 3 << 3,
	SIGNED = 1 << 5,
	FLOAT = 1 << 6,
};

static uint32_t field(uint32_t bits, unsigned from, unsigned count)
{
	return bits >> from & ((1u << count) - 1);
}

/* By major opcode, bits 6..2, and funct3. LR and SC are told from AMOs by funct5. */
#define OPCODE_AMO    0x0b
#define OPCODE_STORES 0x08 /* set in those of stores, clear in those of loads */
static const uint8_t shapes[32][8] = {
	[0x00] = { LOAD + B + SIGNED, LOAD + H + SIGNED, LOAD + W + SIGNED, LOAD + D, /* lb .. */
		   LOAD + B, LOAD + H, LOAD + W },				      /* lbu .. */
	[0x01] = { 0, LOAD + H + FLOAT, LOAD + W + FLOAT, LOAD + D + FLOAT },	      /* flh .. */
	[0x08] = { STORE + B, STORE + H, STORE + W, STORE + D },		      /* sb .. */
	[0x09] = { 0, STORE + H + FLOAT, STORE + W + FLOAT, STORE + D + FLOAT },      /* fsh .. */
	[OPCODE_AMO] = { 0, 0, AMO + W + SIGNED, AMO + D },
};

static struct insn from_shape(unsigned shape, uint8_t length)
{
	return (struct insn){
		.kind = (uint8_t)(shape & KIND),
		.length = length,
		.width = (uint8_t)(1u << (shape >> 3 & 3)),
		.is_signed = (shape & SIGNED) != 0,
		.is_float = (shape & FLOAT) != 0,
	};
}

/* "A" Extension: the value of funct5 for each; others are reserved, or of other extensions. */
static uint8_t amo_kind(uint32_t bits)
{
	static const uint8_t kinds[32] = {
		[0x00] = INSN_AMO, /* amoadd */
		[0x01] = INSN_AMO, /* amoswap */
		[0x02] = INSN_LR,  /* lr */
		[INSN_FUNCT5_SC] = INSN_AMO,
		[0x04] = INSN_AMO, /* amoxor */
		[0x08] = INSN_AMO, /* amoor */
		[0x0c] = INSN_AMO, /* amoand */
		[0x10] = INSN_AMO, /* amomin */
		[0x14] = INSN_AMO, /* amomax */
		[0x18] = INSN_AMO, /* amominu */
		[0x1c] = INSN_AMO, /* amomaxu */
	};
	uint8_t kind = kinds[field(bits, 27, 5)];

	return kind == INSN_LR && field(bits, 20, 5) != 0 ? INSN_OTHER : kind;
}

static struct insn decode_32(uint32_t bits)
{
	unsigned opcode = field(bits, 2, 5);
	struct insn i = from_shape(shapes[opcode][field(bits, 12, 3)], 4);

	i.reg = (uint8_t)field(bits, i.kind == INSN_STORE ? 20 : 7, 5);
	if (i.kind == INSN_AMO) {
		i.kind = amo_kind(bits);
		i.funct5 = (uint8_t)field(bits, 27, 5);
		i.source = (uint8_t)field(bits, 20, 5);
	}
	return i;
}

static struct insn_address address_32(uint32_t bits)
{
	unsigned opcode = field(bits, 2, 5);
	struct insn_address a = { .base = (uint8_t)field(bits, 15, 5) };

	if (opcode == OPCODE_AMO)
		return a;
	a.immediate = (int32_t)bits >> 20;
	if (opcode & OPCODE_STORES)
		a.immediate = (a.immediate & ~31) | (int32_t)field(bits, 7, 5);
	return a;
}

/* Where the pieces of a compressed immediate lie: @count bits at @from are its bits from @to up. */
struct piece {
	uint8_t from, count, to;
};
enum { PIECES = 3 };

/* "Compressed Instruction Formats": the immediates, by the instructions that have them. */
enum format {
	BYTE,
	HALF,
	WORD,
	DOUBLE,
	LOAD_WORD_SP,
	LOAD_DOUBLE_SP,
	STORE_WORD_SP,
	STORE_DOUBLE_SP
};
static const struct piece formats[][PIECES] = {
	[BYTE] = { { 6, 1, 0 }, { 5, 1, 1 } },
	[HALF] = { { 5, 1, 1 } },
	[WORD] = { { 6, 1, 2 }, { 10, 3, 3 }, { 5, 1, 6 } },
	[DOUBLE] = { { 10, 3, 3 }, { 5, 2, 6 } },
	[LOAD_WORD_SP] = { { 4, 3, 2 }, { 12, 1, 5 }, { 2, 2, 6 } },
	[LOAD_DOUBLE_SP] = { { 5, 2, 3 }, { 12, 1, 5 }, { 2, 3, 6 } },
	[STORE_WORD_SP] = { { 9, 4, 2 }, { 7, 2, 6 } },
	[STORE_DOUBLE_SP] = { { 10, 3, 3 }, { 7, 3, 6 } },
};

struct compressed {
	uint8_t shape;
	uint8_t format; /* enum format; those of the stack pointer have full register numbers */
};

/* By quadrant (0, or 2 in the second half) and funct3. Zcb's share of quadrant 0 is below. */
static const struct compressed compressed[16] = {
	[1] = { LOAD + D + FLOAT, DOUBLE },
	[2] = { LOAD + W + SIGNED, WORD },
	[3] = { LOAD + D, DOUBLE },
	[5] = { STORE + D + FLOAT, DOUBLE },
	[6] = { STORE + W, WORD },
	[7] = { STORE + D, DOUBLE },
	[8 + 1] = { LOAD + D + FLOAT, LOAD_DOUBLE_SP },
	[8 + 2] = { LOAD + W + SIGNED, LOAD_WORD_SP },
	[8 + 3] = { LOAD + D, LOAD_DOUBLE_SP },
	[8 + 5] = { STORE + D + FLOAT, STORE_DOUBLE_SP },
	[8 + 6] = { STORE + W, STORE_WORD_SP },
	[8 + 7] = { STORE + D, STORE_DOUBLE_SP },
};

/* Quadrant 0, funct3 4, by bits 12..10; of halfwords bit 6 tells c.lhu, c.lh; c.sh, reserved. */
#define FUNCT3_ZCB 4
static const struct compressed zcb[8][2] = {
	[0] = { { LOAD + B, BYTE }, { LOAD + B, BYTE } },
	[1] = { { LOAD + H, HALF }, { LOAD + H + SIGNED, HALF } },
	[2] = { { STORE + B, BYTE }, { STORE + B, BYTE } },
	[3] = { { STORE + H, HALF } },
};

/* Quadrant 1 has no loads or stores. */
static const struct compressed *find_compressed(uint32_t bits)
{
	static const struct compressed other;
	unsigned funct3 = field(bits, 13, 3);

	switch (bits & 3) {
	case 0:
		return funct3 == FUNCT3_ZCB ? &zcb[field(bits, 10, 3)][field(bits, 6, 1)]
					    : &compressed[funct3];
	case 2:
		return &compressed[8 + funct3];
	default:
		return &other;
	}
}

static int32_t compressed_immediate(uint32_t bits, const struct piece *p)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < PIECES; i++)
		v |= field(bits, p[i].from, p[i].count) << p[i].to;
	return (int32_t)v;
}

static bool uses_sp(const struct compressed *c)
{
	return c->format >= LOAD_WORD_SP;
}

static struct insn decode_16(uint32_t bits)
{
	const struct compressed *c = find_compressed(bits);
	struct insn i = from_shape(c->shape, 2);

	if (!uses_sp(c)) {
		i.reg = (uint8_t)(8 + field(bits, 2, 3));
		return i;
	}
	i.reg = (uint8_t)field(bits, i.kind == INSN_STORE ? 2 : 7, 5);
	if (i.kind == INSN_LOAD && !i.is_float && i.reg == 0)
		i.kind = INSN_OTHER; /* c.lwsp and c.ldsp to x0 are reserved */
	return i;
}

static struct insn_address address_16(uint32_t bits)
{
	const struct compressed *c = find_compressed(bits);

	return (struct insn_address){
		.base = (uint8_t)(uses_sp(c) ? X_SP : 8 + field(bits, 7, 3)),
		.immediate = compressed_immediate(bits, formats[c->format]),
	};
}

/* Low bits 11 begin an instruction of 32 bits or, followed by 111, a longer one: no row has that.
 */
static bool is_compressed(uint32_t bits)
{
	return (bits & 3) != 3;
}

struct insn insn_decode(uint32_t bits)
{
	return is_compressed(bits) ? decode_16(bits) : decode_32(bits);
}

bool insn_is_store(uint32_t bits)
{
	uint8_t kind = insn_decode(bits).kind;
	bool is_vector_store = (bits & 0x7f) == 0x27;
	bool is_cbo = (bits & 0x707f) == 0x200f;

	return kind == INSN_STORE || kind == INSN_AMO || is_vector_store || is_cbo;
}

struct insn_address insn_address(uint32_t bits)
{
	return is_compressed(bits) ? address_16(bits) : address_32(bits);
}

/*
 * Bit 0 is 1; bit 1 is 0 where the original was compressed, and the rest as its 32-bit equivalent
 * without immediate, with Addr. Offset in rs1's place.
 */
struct insn insn_decode_transformed(uint64_t htinst, unsigned *offset)
{
	struct insn i = decode_32((uint32_t)htinst | 2);

	*offset = field((uint32_t)htinst, 15, 5);
	i.length = htinst & 2 ? 4 : 2;
	return i;
}
