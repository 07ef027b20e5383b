/*
 * The decoder of loads and stores against a reference written from the specification's encoding
 * diagrams, bit by bit: every compressed encoding, and every 32-bit opcode with all its function
 * fields; then some words as an assembler makes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/arch/insn.h"

/* What an instruction is, and where its address comes from. */
struct want {
	enum insn_kind kind;
	uint8_t length, width, reg, base;
	bool is_signed, is_float;
	int32_t immediate;
};

static const struct want other = { .kind = INSN_OTHER };

static void check_decoded(uint32_t bits, struct insn got, struct want want)
{
	if (got.kind == want.kind && got.length == want.length &&
	    (got.kind == INSN_OTHER ||
	     (got.width == want.width && got.reg == want.reg && got.is_signed == want.is_signed &&
	      got.is_float == want.is_float)))
		return;
	fail_msg("%08x: kind %d/%d length %d/%d width %d/%d reg %d/%d", bits, got.kind, want.kind,
		 got.length, want.length, got.width, want.width, got.reg, want.reg);
}

static void check(uint32_t bits, struct want want)
{
	struct insn_address address;

	check_decoded(bits, insn_decode(bits), want);
	if (want.kind == INSN_OTHER)
		return;
	address = insn_address(bits);
	if (address.base != want.base || address.immediate != want.immediate)
		fail_msg("%08x: base %d/%d immediate %d/%d", bits, address.base, want.base,
			 address.immediate, want.immediate);
}

/* Bit @from of @bits, moved to @to. */
static int32_t at(uint32_t bits, unsigned from, unsigned to)
{
	return (int32_t)((bits >> from & 1) << to);
}

static int32_t c_word(uint32_t b)
{
	return at(b, 12, 5) | at(b, 11, 4) | at(b, 10, 3) | at(b, 6, 2) | at(b, 5, 6);
}

static int32_t c_double(uint32_t b)
{
	return at(b, 12, 5) | at(b, 11, 4) | at(b, 10, 3) | at(b, 6, 7) | at(b, 5, 6);
}

static int32_t c_lwsp(uint32_t b)
{
	return at(b, 12, 5) | at(b, 6, 4) | at(b, 5, 3) | at(b, 4, 2) | at(b, 3, 7) | at(b, 2, 6);
}

static int32_t c_ldsp(uint32_t b)
{
	return at(b, 12, 5) | at(b, 6, 4) | at(b, 5, 3) | at(b, 4, 8) | at(b, 3, 7) | at(b, 2, 6);
}

static int32_t c_swsp(uint32_t b)
{
	return at(b, 12, 5) | at(b, 11, 4) | at(b, 10, 3) | at(b, 9, 2) | at(b, 8, 7) | at(b, 7, 6);
}

static int32_t c_sdsp(uint32_t b)
{
	return at(b, 12, 5) | at(b, 11, 4) | at(b, 10, 3) | at(b, 9, 8) | at(b, 8, 7) | at(b, 7, 6);
}

static struct want result(enum insn_kind kind, unsigned length, unsigned width, bool is_signed,
			  bool is_float, unsigned reg, unsigned base, int32_t immediate)
{
	return (struct want){ kind,	     (uint8_t)length, (uint8_t)width, (uint8_t)reg,
			      (uint8_t)base, is_signed,	      is_float,	      immediate };
}

static struct want zcb(uint32_t b)
{
	unsigned r = (b >> 2 & 7) + 8, base = (b >> 7 & 7) + 8;
	int32_t byte = at(b, 6, 0) | at(b, 5, 1), half = at(b, 5, 1);
	bool six = b >> 6 & 1;

	switch (b >> 10 & 7) {
	case 0:
		return result(INSN_LOAD, 2, 1, false, false, r, base, byte);
	case 1:
		return result(INSN_LOAD, 2, 2, six, false, r, base, half);
	case 2:
		return result(INSN_STORE, 2, 1, false, false, r, base, byte);
	case 3:
		return six ? result(INSN_OTHER, 2, 0, false, false, 0, 0, 0)
			   : result(INSN_STORE, 2, 2, false, false, r, base, half);
	default:
		return result(INSN_OTHER, 2, 0, false, false, 0, 0, 0);
	}
}

static struct want reference_16(uint32_t b)
{
	unsigned r = (b >> 2 & 7) + 8, base = (b >> 7 & 7) + 8, rd = b >> 7 & 31, rs2 = b >> 2 & 31;
	struct want none = other;

	none.length = 2;
	switch ((b & 3) << 4 | b >> 13) {
	case 0x01:
		return result(INSN_LOAD, 2, 8, false, true, r, base, c_double(b));
	case 0x02:
		return result(INSN_LOAD, 2, 4, true, false, r, base, c_word(b));
	case 0x03:
		return result(INSN_LOAD, 2, 8, false, false, r, base, c_double(b));
	case 0x04:
		return zcb(b);
	case 0x05:
		return result(INSN_STORE, 2, 8, false, true, r, base, c_double(b));
	case 0x06:
		return result(INSN_STORE, 2, 4, false, false, r, base, c_word(b));
	case 0x07:
		return result(INSN_STORE, 2, 8, false, false, r, base, c_double(b));
	case 0x21:
		return result(INSN_LOAD, 2, 8, false, true, rd, 2, c_ldsp(b));
	case 0x22:
		return rd ? result(INSN_LOAD, 2, 4, true, false, rd, 2, c_lwsp(b)) : none;
	case 0x23:
		return rd ? result(INSN_LOAD, 2, 8, false, false, rd, 2, c_ldsp(b)) : none;
	case 0x25:
		return result(INSN_STORE, 2, 8, false, true, rs2, 2, c_sdsp(b));
	case 0x26:
		return result(INSN_STORE, 2, 4, false, false, rs2, 2, c_swsp(b));
	case 0x27:
		return result(INSN_STORE, 2, 8, false, false, rs2, 2, c_sdsp(b));
	default:
		return none;
	}
}

static int32_t sign_extend_12(uint32_t v)
{
	return v & 0x800 ? (int32_t)v - 0x1000 : (int32_t)v;
}

static enum insn_kind reference_amo(uint32_t b)
{
	switch (b >> 27) {
	case 2:
		return b >> 20 & 31 ? INSN_OTHER : INSN_LR;
	case 0:
	case 1:
	case 3:
	case 4:
	case 8:
	case 12:
	case 16:
	case 20:
	case 24:
	case 28:
		return INSN_AMO;
	default:
		return INSN_OTHER;
	}
}

static struct want reference_32(uint32_t b)
{
	unsigned f3 = b >> 12 & 7, rd = b >> 7 & 31, rs1 = b >> 15 & 31, rs2 = b >> 20 & 31;
	int32_t load = sign_extend_12(b >> 20), store = sign_extend_12(b >> 25 << 5 | rd);
	struct want none = other;

	none.length = 4;
	switch (b & 0x7f) {
	case 0x03:
		return f3 == 7 ? none
			       : result(INSN_LOAD, 4, 1u << (f3 & 3), f3 < 3, false, rd, rs1, load);
	case 0x07:
		return f3 == 0 || f3 > 3
			       ? none
			       : result(INSN_LOAD, 4, 1u << f3, false, true, rd, rs1, load);
	case 0x23:
		return f3 > 3 ? none
			      : result(INSN_STORE, 4, 1u << f3, false, false, rs2, rs1, store);
	case 0x27:
		return f3 == 0 || f3 > 3
			       ? none
			       : result(INSN_STORE, 4, 1u << f3, false, true, rs2, rs1, store);
	case 0x2f:
		return f3 != 2 && f3 != 3 ? none
					  : result(reference_amo(b), 4, f3 == 2 ? 4 : 8, f3 == 2,
						   false, rd, rs1, 0);
	default:
		return none;
	}
}

static void test_every_compressed(void **state)
{
	(void)state;
	for (uint32_t b = 0; b < 0x10000; b++) {
		if ((b & 3) == 3)
			continue;
		check(b, reference_16(b));
		/* What follows a compressed instruction is not part of it. */
		check_decoded(b, insn_decode(b | 0xa5a50000), reference_16(b));
	}
}

/* All of opcode, funct3 and the upper 12 bits; some registers. */
static void test_every_32(void **state)
{
	static const uint32_t registers[] = { 0, 0xf8f80, 0xa8080, 0x50f80 };

	(void)state;
	for (uint32_t upper = 0; upper < 0x1000; upper++)
		for (uint32_t low = 0; low < 0x400; low++)
			for (unsigned r = 0; r < 4; r++) {
				uint32_t b = upper << 20 | registers[r] | (low & 0x380) << 5 |
					     (low & 0x7f);

				if ((b & 3) == 3)
					check(b, reference_32(b));
			}
}

static void test_as_assembled(void **state)
{
	static const struct {
		uint32_t bits;
		struct want want;
	} rows[] = {
		/* lb a0,-1(a1); lbu t6,2047(x0); lwu s0,4(sp); ld ra,-2048(gp) */
		{ 0xfff58503, { INSN_LOAD, 4, 1, 10, 11, true, false, -1 } },
		{ 0x7ff04f83, { INSN_LOAD, 4, 1, 31, 0, false, false, 2047 } },
		{ 0x00416403, { INSN_LOAD, 4, 4, 8, 2, false, false, 4 } },
		{ 0x8001b083, { INSN_LOAD, 4, 8, 1, 3, false, false, -2048 } },
		/* sb a0,-1(a1); sd t6,2047(t5); fsw fa0,8(a0); fld ft11,16(a5) */
		{ 0xfea58fa3, { INSN_STORE, 4, 1, 10, 11, false, false, -1 } },
		{ 0x7fff3fa3, { INSN_STORE, 4, 8, 31, 30, false, false, 2047 } },
		{ 0x00a52427, { INSN_STORE, 4, 4, 10, 10, false, true, 8 } },
		{ 0x0107bf87, { INSN_LOAD, 4, 8, 31, 15, false, true, 16 } },
		/* lr.w.aq a0,(a1); sc.d.rl a0,a2,(a1); amoadd.w a0,a2,(a1) */
		{ 0x1405a52f, { INSN_LR, 4, 4, 10, 11, true, false, 0 } },
		{ 0x1ac5b52f, { INSN_AMO, 4, 8, 10, 11, false, false, 0 } },
		{ 0x00c5a52f, { INSN_AMO, 4, 4, 10, 11, true, false, 0 } },
		/* c.lw a0,124(a1); c.ldsp ra,504(sp); c.sdsp s0,0(sp) */
		{ 0x5de8, { INSN_LOAD, 2, 4, 10, 11, true, false, 124 } },
		{ 0x70fe, { INSN_LOAD, 2, 8, 1, 2, false, false, 504 } },
		{ 0xe022, { INSN_STORE, 2, 8, 8, 2, false, false, 0 } },
		/* vle8.v v0,(a0); hlv.w a0,(a1); cbo.zero (a0); fence; c.nop; 0 */
		{ 0x02050007, { INSN_OTHER, 4, 0, 0, 0, false, false, 0 } },
		{ 0x6805c573, { INSN_OTHER, 4, 0, 0, 0, false, false, 0 } },
		{ 0x0045200f, { INSN_OTHER, 4, 0, 0, 0, false, false, 0 } },
		{ 0x0ff0000f, { INSN_OTHER, 4, 0, 0, 0, false, false, 0 } },
		{ 0x0001, { INSN_OTHER, 2, 0, 0, 0, false, false, 0 } },
		{ 0x0000, { INSN_OTHER, 2, 0, 0, 0, false, false, 0 } },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(rows[i].bits, rows[i].want);
}

/* htinst: the 32-bit form without immediate, Addr. Offset for rs1, bit 1 clear if compressed. */
static void test_transformed(void **state)
{
	static const struct {
		uint32_t htinst;
		unsigned offset;
		struct want want;
	} rows[] = {
		{ 0x00004503, 0, { INSN_LOAD, 4, 1, 10, 0, false, false, 0 } },	 /* lbu a0 */
		{ 0x00a00021, 0, { INSN_STORE, 2, 1, 10, 0, false, false, 0 } }, /* c.sb a0 */
		{ 0x0001b501, 3, { INSN_LOAD, 2, 8, 10, 0, false, false, 0 } },	 /* c.ld a0 */
		{ 0x01f22027, 4, { INSN_STORE, 4, 4, 31, 0, false, true, 0 } },	 /* fsw ft11 */
		{ 0x1002a52f, 5, { INSN_LR, 4, 4, 10, 0, true, false, 0 } },	 /* lr.w a0 */
		{ 0x08c0252f, 0, { INSN_AMO, 4, 4, 10, 0, true, false, 0 } },	 /* amoswap.w a0 */
		{ 0x00000013,
		  0,
		  { INSN_OTHER, 4, 0, 0, 0, false, false, 0 } }, /* not a memory access */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned offset = 99;
		struct insn got = insn_decode_transformed(rows[i].htinst, &offset);

		assert_false(htinst_is_pseudo(rows[i].htinst));
		assert_int_equal(offset, rows[i].offset);
		check_decoded(rows[i].htinst, got, rows[i].want);
	}
	assert_true(htinst_is_pseudo(0x3000));
	assert_true(htinst_is_pseudo(0x3020));
	assert_false(htinst_is_pseudo(0));
}

static void test_is_store(void **state)
{
	static const struct {
		uint32_t bits;
		bool want;
	} rows[] = {
		{ 0xfea58fa3, true },  { 0xe022, true },     { 0x1ac5b52f, true }, /* sb, c.sdsp, sc.d */
		{ 0x02050027, true },  { 0x0045200f, true }, /* vse8.v, cbo.zero */
		{ 0x1405a52f, false }, { 0x00416403, false }, { 0x02050007, false }, /* lr, lwu, vle8 */
		{ 0x0ff0000f, false }, { 0x0000100f, false }, /* fence, fence.i */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (insn_is_store(rows[i].bits) != rows[i].want)
			fail_msg("%08x: is it a store? want %d", rows[i].bits, rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_compressed),
		cmocka_unit_test(test_every_32),
		cmocka_unit_test(test_as_assembled),
		cmocka_unit_test(test_transformed),
		cmocka_unit_test(test_is_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
