/*
 * Loads and stores to devices, in every form an instruction can have; devices that refuse a width;
 * holes; the edges between RAM, device and hole.
 *
 * The registers used are plain ones: the 16550's scratch register and its divisor latch (behind
 * DLAB, so that nothing is sent or received), and the PLIC's enable word. As on QEMU a 16550
 * register is a byte however wide the access, the PLIC takes 32 bits only, the finisher 16 or 32.
 * Invariant: a test leaves the UART fit to print.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/string.h"
#include "tests/guest/insn.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define HOLE	 0x18000000ul
#define SCR	 (UART_BASE + UART_SCR)
#define MCR	 (UART_BASE + UART_MCR)
#define LCR_DLAB 0x80
/* This hart's S context: its enable word for sources 1 to 31. */
#define PLIC_ENABLE (PLIC_BASE + 0x2000 + 0x80 * (2ul * board.boot_hart + 1))

static struct trap load_at(uint32_t width, uint64_t at)
{
	return probe_insn(insn_load(OP_LOAD, width, 10, 10, 0), at, 0);
}

static struct trap store_at(uint32_t width, uint64_t at, uint64_t value)
{
	return probe_insn(insn_store(OP_STORE, width, 11, 10, 0), at, value);
}

/* Run @f over a UART whose divisor latch is open, and close it before anything is printed. */
static void run_with_dlab(struct frame *f, uint8_t divisor)
{
	uint8_t lcr = mmio_read8(UART_BASE + UART_LCR), dll, dlm;

	mmio_write8(UART_BASE + UART_LCR, (uint8_t)(lcr | LCR_DLAB));
	dll = mmio_read8(UART_BASE + UART_DLL);
	dlm = mmio_read8(UART_BASE + UART_DLM);
	mmio_write8(UART_BASE + UART_DLL, divisor);
	run(f);
	mmio_write8(UART_BASE + UART_DLL, dll);
	mmio_write8(UART_BASE + UART_DLM, dlm);
	mmio_write8(UART_BASE + UART_LCR, lcr);
}

static void test_byte_loads(void)
{
	mmio_write8(SCR, 0xa5);
	test_returns(load_at(WIDTH_B, SCR), 0xffffffffffffffa5, "lb extends the sign");
	test_returns(load_at(WIDTH_BU, SCR), 0xa5, "lbu doesn't");
	mmio_write8(SCR, 0x7f);
	test_returns(load_at(WIDTH_B, SCR), 0x7f, "lb of a positive byte");
}

/* Wide accesses to a 16550: QEMU's answers with the register at the address, zero above it. */
static void test_wide_uart(void)
{
	static const struct {
		const char *name;
		uint32_t width;
	} loads[] = {
		{ "lh", WIDTH_H }, { "lhu", WIDTH_HU }, { "lw", WIDTH_W }, { "lwu", WIDTH_WU },
	}, stores[] = { { "sb", WIDTH_B }, { "sh", WIDTH_H }, { "sw", WIDTH_W } };
	uint8_t mcr = mmio_read8(MCR);

	mmio_write8(MCR, 0x0b);
	for (unsigned i = 0; i < COUNT(loads); i++)
		test_returns(load_at(loads[i].width, MCR), 0x0b, "%s of a byte register",
			     loads[i].name);
	for (unsigned i = 0; i < COUNT(stores); i++) {
		mmio_write8(MCR, 0);
		store_at(stores[i].width, MCR, 0x0a);
		test_is(mmio_read8(MCR), 0x0a, "%s to a byte register", stores[i].name);
	}
	mmio_write8(MCR, mcr);
}

/* 64 bits at the divisor latch. */
static void test_double_uart(void)
{
	struct frame f;

	frame_init(&f, code_insn(insn_load(OP_LOAD, WIDTH_D, 10, 10, 0)));
	f.x[10] = UART_BASE;
	run_with_dlab(&f, 0x5a);
	test_is(f.x[10] & 0xff, 0x5a, "ld of a byte register");
	frame_init(&f, code_insn(insn_store(OP_STORE, WIDTH_D, 11, 10, 0)));
	f.x[10] = UART_BASE;
	f.x[11] = 0x0c;
	run_with_dlab(&f, 1);
	test_is(f.cause, CAUSE_BREAKPOINT, "sd to a byte register");
}

static void test_words(void)
{
	uint32_t old = mmio_read32(PLIC_ENABLE);

	mmio_write32(PLIC_ENABLE, 0x80000000);
	test_returns(load_at(WIDTH_W, PLIC_ENABLE), 0xffffffff80000000, "lw extends the sign");
	test_returns(load_at(WIDTH_WU, PLIC_ENABLE), 0x80000000, "lwu doesn't");
	store_at(WIDTH_W, PLIC_ENABLE, 0xffffffff00000400);
	test_is(mmio_read32(PLIC_ENABLE), 0x400, "sw takes the low 32 bits");
	mmio_write32(PLIC_ENABLE, old);
}

/* A width the device doesn't take: an access fault, as on QEMU. */
static void test_refused_widths(void)
{
	static const struct {
		const char *name;
		uint32_t width;
		uint64_t at;
	} rows[] = {
		{ "PLIC, 8 bits", WIDTH_B, PLIC_BASE + 4 },
		{ "PLIC, 16 bits", WIDTH_H, PLIC_BASE + 4 },
		{ "PLIC, 64 bits", WIDTH_D, PLIC_BASE + 8 },
		{ "RTC, 8 bits", WIDTH_B, RTC_BASE },
		{ "RTC, 16 bits", WIDTH_H, RTC_BASE },
		{ "finisher, 8 bits", WIDTH_B, FINISHER_BASE },
		{ "finisher, 64 bits", WIDTH_D, FINISHER_BASE },
	};

	for (unsigned i = 0; i < COUNT(rows); i++) {
		test_traps(load_at(rows[i].width, rows[i].at), CAUSE_LOAD_ACCESS, rows[i].at,
			   "load from %s", rows[i].name);
		test_traps(store_at(rows[i].width, rows[i].at, 0), CAUSE_STORE_ACCESS, rows[i].at,
			   "store to %s", rows[i].name);
	}
}

/* Every register as the one loaded into, and as the one stored from: others must not change. */
static void test_registers(void)
{
	unsigned wrong_loads = 0, wrong_stores = 0;

	for (uint32_t r = 0; r < 32; r++) {
		uint32_t base = r == 10 ? 11 : 10;
		struct frame f;

		mmio_write8(SCR, (uint8_t)(0x40 + r));
		frame_init(&f, code_insn(insn_load(OP_LOAD, WIDTH_BU, r, base, UART_SCR)));
		for (unsigned i = 1; i < 32; i++)
			f.x[i] = 0x1111111111111111ul * (i & 15) + i;
		f.x[base] = UART_BASE;
		run(&f);
		for (unsigned i = 1; i < 32; i++) {
			uint64_t want = i == r	    ? 0x40 + r
					: i == base ? UART_BASE
						    : 0x1111111111111111ul * (i & 15) + i;

			wrong_loads += f.x[i] != want;
		}
		frame_init(&f, code_insn(insn_store(OP_STORE, WIDTH_B, r, base, UART_SCR)));
		f.x[r] = 0x60 + r;
		f.x[base] = UART_BASE;
		run(&f);
		wrong_stores += mmio_read8(SCR) != (r == 0 ? 0 : 0x60 + r);
	}
	test_is(wrong_loads, 0, "lbu into each register, the others unchanged");
	test_is(wrong_stores, 0, "sb from each register, x0 gives zero");
}

static void test_offsets(void)
{
	struct trap t;

	mmio_write8(SCR, 0x3c);
	t = probe_insn(insn_load(OP_LOAD, WIDTH_BU, 10, 10, 2047), SCR - 2047, 0);
	test_returns(t, 0x3c, "load with offset 2047");
	t = probe_insn(insn_load(OP_LOAD, WIDTH_BU, 10, 10, -2048u), SCR + 2048, 0);
	test_returns(t, 0x3c, "load with offset -2048");
	probe_insn(insn_store(OP_STORE, WIDTH_B, 11, 10, 2047), SCR - 2047, 0x11);
	test_is(mmio_read8(SCR), 0x11, "store with offset 2047");
	probe_insn(insn_store(OP_STORE, WIDTH_B, 11, 10, -2048u), SCR + 2048, 0x22);
	test_is(mmio_read8(SCR), 0x22, "store with offset -2048");
	/* The base register is also the target. */
	t = probe_insn(insn_load(OP_LOAD, WIDTH_BU, 10, 10, UART_SCR), UART_BASE, 0);
	test_returns(t, 0x22, "load over its own base");
}

/*
 * Compressed forms, in a0 (register 2 of the short set) and a1, and through sp. The word registers
 * are the PLIC's; a 64-bit form there is refused, which shows that it was taken for what it is.
 */
static void test_compressed(void)
{
	uint32_t old = mmio_read32(PLIC_ENABLE);
	struct frame f;

	mmio_write32(PLIC_ENABLE, 0x80000400);
	test_returns(probe_insn(0x4108, PLIC_ENABLE, PLIC_ENABLE), 0xffffffff80000400ul,
		     "c.lw a0, 0(a0)");
	/* c.lw a0, 64(a0); c.lw a0, 4(a0): the odd bits of the offset. */
	test_returns(probe_insn(0x4128, PLIC_ENABLE - 64, PLIC_ENABLE - 64), 0xffffffff80000400ul,
		     "c.lw a0, 64(a0)");
	test_returns(probe_insn(0x4148, PLIC_ENABLE - 4, PLIC_ENABLE - 4), 0xffffffff80000400ul,
		     "c.lw a0, 4(a0)");
	probe_insn(0xc10c, PLIC_ENABLE, 0x200);
	test_is(mmio_read32(PLIC_ENABLE), 0x200, "c.sw a1, 0(a0)");
	probe_insn(0xc14c, PLIC_ENABLE - 4, 0x800);
	test_is(mmio_read32(PLIC_ENABLE), 0x800, "c.sw a1, 4(a0)");

	frame_init(&f, code_insn(0x4512)); /* c.lwsp a0, 4(sp) */
	f.x[2] = PLIC_ENABLE - 4;
	run(&f);
	test_is(f.x[10], 0x800, "c.lwsp a0, 4(sp)");
	test_is(f.x[2], PLIC_ENABLE - 4, "c.lwsp leaves sp alone");
	frame_init(&f, code_insn(0xc22e)); /* c.swsp a1, 4(sp) */
	f.x[2] = PLIC_ENABLE - 4;
	f.x[11] = 0x100;
	run(&f);
	test_is(mmio_read32(PLIC_ENABLE), 0x100, "c.swsp a1, 4(sp)");
	mmio_write32(PLIC_ENABLE, old);

	test_traps(probe_insn(0x6108, PLIC_BASE + 8, PLIC_BASE + 8), CAUSE_LOAD_ACCESS,
		   PLIC_BASE + 8, "c.ld a0, 0(a0) is refused by the PLIC");
	test_traps(probe_insn(0xe10c, PLIC_BASE + 8, 0), CAUSE_STORE_ACCESS, PLIC_BASE + 8,
		   "c.sd a1, 0(a0) is refused by the PLIC");
	frame_init(&f, code_insn(0x6108)); /* c.ld a0, 0(a0) */
	f.x[10] = UART_BASE;
	run_with_dlab(&f, 0x21);
	test_is(f.x[10] & 0xff, 0x21, "c.ld a0, 0(a0) of a byte register");
	frame_init(&f, code_insn(0x6502)); /* c.ldsp a0, 0(sp) */
	f.x[2] = UART_BASE;
	run_with_dlab(&f, 0x22);
	test_is(f.x[10] & 0xff, 0x22, "c.ldsp a0, 0(sp) of a byte register");
	frame_init(&f, code_insn(0xe10c)); /* c.sd a1, 0(a0) */
	f.x[10] = UART_BASE;
	f.x[11] = 0x0c;
	run_with_dlab(&f, 1);
	test_is(f.cause, CAUSE_BREAKPOINT, "c.sd a1, 0(a0) to a byte register");
	test_is(f.pc, code_insn(0xe10c) + 2, "c.sd: goes on 2 bytes later");
	frame_init(&f, code_insn(0xe02e)); /* c.sdsp a1, 0(sp) */
	f.x[2] = UART_BASE;
	f.x[11] = 0x0c;
	run_with_dlab(&f, 1);
	test_is(f.cause, CAUSE_BREAKPOINT, "c.sdsp a1, 0(sp) to a byte register");
}

/* U-mode may use devices too, where translation allows. */
static void test_user(void)
{
	mmio_write8(SCR, 0x99);
	test_returns(probe_insn_user(insn_load(OP_LOAD, WIDTH_BU, 10, 10, 0), SCR, 0), 0x99,
		     "lbu from U");
	probe_insn_user(insn_store(OP_STORE, WIDTH_B, 11, 10, 0), SCR, 0x88);
	test_is(mmio_read8(SCR), 0x88, "sb from U");
	test_traps(probe_insn_user(insn_load(OP_LOAD, WIDTH_W, 10, 10, 0), HOLE, 0),
		   CAUSE_LOAD_ACCESS, HOLE, "lw from a hole in U");
}

/* A float or double goes to a register file that emulation must reach too, or refuse rightly. */
static void test_floating_point(void)
{
	uint8_t mcr = mmio_read8(MCR);
	struct trap t;
	uint64_t value;

	csr_set(CSR_SSTATUS, SSTATUS_FS_INITIAL);
	mmio_write8(MCR, 0x0b);
	t = probe_insn(insn_load(OP_LOAD_FP, WIDTH_W, 9, 10, 0), MCR, 0); /* flw f9 */
	asm volatile(".option push\n.option arch, +d\nfmv.x.d %0, f9\n.option pop" : "=r"(value));
	test_ok((!t.taken && value == 0xffffffff0000000b) ||
			(t.taken && t.cause == CAUSE_LOAD_ACCESS && t.tval == MCR),
		"flw of a byte register, or an access fault");
	asm volatile(".option push\n.option arch, +d\nfmv.d.x f9, %0\n.option pop" : : "r"(0x0aul));
	t = probe_insn(insn_store(OP_STORE_FP, WIDTH_W, 9, 10, 0), MCR, 0); /* fsw f9 */
	test_ok((!t.taken && mmio_read8(MCR) == 0x0a) ||
			(t.taken && t.cause == CAUSE_STORE_ACCESS && t.tval == MCR),
		"fsw to a byte register, or an access fault");
	mmio_write8(MCR, mcr);
	test_traps(probe_insn(insn_load(OP_LOAD_FP, WIDTH_D, 9, 10, 0), PLIC_BASE + 8, 0),
		   CAUSE_LOAD_ACCESS, PLIC_BASE + 8, "fld from the PLIC");
	test_traps(probe_insn(insn_store(OP_STORE_FP, WIDTH_D, 9, 10, 0), PLIC_BASE + 8, 0),
		   CAUSE_STORE_ACCESS, PLIC_BASE + 8, "fsd to the PLIC");
	test_traps(probe_insn(insn_load(OP_LOAD_FP, WIDTH_D, 9, 10, 0), HOLE, 0), CAUSE_LOAD_ACCESS,
		   HOLE, "fld from a hole");
	test_traps(probe_insn(insn_store(OP_STORE_FP, WIDTH_D, 9, 10, 0), HOLE, 0),
		   CAUSE_STORE_ACCESS, HOLE, "fsd to a hole");
}

/*
 * Atomics need not work on devices: an access fault is right. QEMU performs them, though; then the
 * result has to be that of a load and a store.
 */
static void test_atomics(void)
{
	uint32_t old = mmio_read32(PLIC_ENABLE);
	struct trap t;

	mmio_write32(PLIC_ENABLE, 0x400);
	t = probe_insn(insn_amo(AMO_ADD, WIDTH_W, 10, 10, 11), PLIC_ENABLE, 0x400);
	test_ok(t.taken ? t.cause == CAUSE_STORE_ACCESS && t.tval == PLIC_ENABLE
			: t.value == 0x400 && mmio_read32(PLIC_ENABLE) == 0x800,
		"amoadd.w: access fault, or done");
	t = probe_insn(insn_amo(AMO_LR, WIDTH_W, 10, 10, 0), PLIC_ENABLE, 0);
	test_ok(t.taken ? t.cause == CAUSE_LOAD_ACCESS && t.tval == PLIC_ENABLE
			: t.value == mmio_read32(PLIC_ENABLE),
		"lr.w: access fault, or done");
	t = probe_insn(insn_amo(AMO_SC, WIDTH_W, 10, 10, 11), PLIC_ENABLE, 0x200);
	test_ok(t.taken ? t.cause == CAUSE_STORE_ACCESS && t.tval == PLIC_ENABLE : t.value <= 1,
		"sc.w: access fault, failed, or done");
	mmio_write32(PLIC_ENABLE, old);
}

/* Misaligned: done in pieces, refused as misaligned, or refused as an access fault. */
static void test_misaligned(void)
{
	uint64_t at = PLIC_ENABLE + 1;
	struct trap t = load_at(WIDTH_W, at);

	test_ok(!t.taken || ((t.cause == CAUSE_LOAD_MISALIGNED || t.cause == CAUSE_LOAD_ACCESS) &&
			     t.tval >= at && t.tval < at + 4),
		"misaligned lw from a device");
	t = store_at(WIDTH_H, at, 0);
	test_ok(!t.taken || ((t.cause == CAUSE_STORE_MISALIGNED || t.cause == CAUSE_STORE_ACCESS) &&
			     t.tval >= at && t.tval < at + 2),
		"misaligned sh to a device");
}

static void test_holes(void)
{
	uint64_t ram_end = board.ram_base + board.ram_bytes;
	const struct {
		const char *name;
		uint64_t at;
	} holes[] = {
		{ "a hole", HOLE },
		{ "an odd place in a hole", HOLE + 0x123 },
		{ "the end of RAM", ram_end },
		{ "high above RAM", 0x4000000000 },
		{ "the top of physical memory", 1ul << 55 },
		{ "beyond the UART", UART_BASE + 0x100 },
		{ "beyond the finisher", 0x00100000 - 8 },
	};

	for (unsigned i = 0; i < COUNT(holes); i++) {
		test_traps(load_at(WIDTH_D, holes[i].at & ~7ul), CAUSE_LOAD_ACCESS,
			   holes[i].at & ~7ul, "ld from %s", holes[i].name);
		test_traps(load_at(WIDTH_BU, holes[i].at), CAUSE_LOAD_ACCESS, holes[i].at,
			   "lbu from %s", holes[i].name);
		test_traps(store_at(WIDTH_B, holes[i].at, 0), CAUSE_STORE_ACCESS, holes[i].at,
			   "sb to %s", holes[i].name);
		test_traps(store_at(WIDTH_D, holes[i].at & ~7ul, 0), CAUSE_STORE_ACCESS,
			   holes[i].at & ~7ul, "sd to %s", holes[i].name);
	}
	test_traps(probe_insn(insn_amo(AMO_LR, WIDTH_D, 10, 10, 0), HOLE, 0), CAUSE_LOAD_ACCESS,
		   HOLE, "lr.d from a hole");
}

/* Half in RAM, half not: the fault is that of the half that isn't, stval its first byte. */
static void test_edge_of_ram(void)
{
	uint64_t end = board.ram_base + board.ram_bytes;
	struct trap t;

	test_traps(load_at(WIDTH_D, end - 4), CAUSE_LOAD_ACCESS, end, "ld over the end of RAM");
	test_traps(load_at(WIDTH_HU, end - 1), CAUSE_LOAD_ACCESS, end, "lhu over the end of RAM");
	test_traps(store_at(WIDTH_D, end - 4, 0), CAUSE_STORE_ACCESS, end,
		   "sd over the end of RAM");
	t = load_at(WIDTH_D, end - 8);
	test_ok(!t.taken, "ld at the end of RAM");
}

/*
 * Instructions come from RAM only. QEMU itself fetches from the finisher, reads zero, and calls
 * that illegal.
 */
static void test_fetch(void)
{
	const uint64_t end = board.ram_base + board.ram_bytes;
	const struct {
		const char *name;
		uint64_t at;
	} rows[] = { { "a hole", HOLE },
		     { "the end of RAM", end },
		     { "address 8", 8 },
		     { "the top of physical memory", 1ul << 55 } };
	struct trap t;

	for (unsigned i = 0; i < COUNT(rows); i++) {
		t = probe(op_fetch, rows[i].at, 0);
		test_traps(t, CAUSE_FETCH_ACCESS, rows[i].at, "fetch from %s", rows[i].name);
		test_is(t.epc, rows[i].at, "its sepc");
	}
	t = probe(op_fetch, FINISHER_BASE, 0);
	test_either(t.cause, CAUSE_FETCH_ACCESS, CAUSE_ILLEGAL, "fetch from a device");
	test_is(t.epc, FINISHER_BASE, "its sepc");
}

/* However often it is read a register says what was stored last; and loads are all that is different
 * about it, whatever way they take. */
static void test_often(void)
{
	uint32_t old = mmio_read32(PLIC_ENABLE);
	unsigned wrong = 0;
	struct trap t;

	for (uint32_t n = 0; n < 1000; n++) {
		mmio_write32(PLIC_ENABLE, n << 8);
		wrong += mmio_read32(PLIC_ENABLE) != n << 8;
	}
	test_is(wrong, 0, "a register that is read often");
	mmio_write32(PLIC_ENABLE, 0xfffffffe);
	test_is(mmio_read32(PLIC_ENABLE), 0xfffffffe, "all of its bits");
	mmio_write32(PLIC_ENABLE + 8, 0);
	test_is(mmio_read32(PLIC_ENABLE + 12), 0, "the one after the last");
	test_traps(store_at(WIDTH_D, PLIC_ENABLE, 0), CAUSE_STORE_ACCESS, PLIC_ENABLE,
		   "a store that is refused still is");
	t = probe(op_fetch, PLIC_ENABLE, 0);
	test_either(t.cause, CAUSE_FETCH_ACCESS, CAUSE_ILLEGAL, "no code is found there");
	mmio_write32(PLIC_ENABLE, old);
	test_is(mmio_read32(PLIC_ENABLE), old, "as before");
}

int main(void)
{
	test_byte_loads();
	test_wide_uart();
	test_double_uart();
	test_words();
	test_refused_widths();
	test_registers();
	test_offsets();
	test_compressed();
	test_user();
	test_floating_point();
	test_atomics();
	test_misaligned();
	test_holes();
	test_edge_of_ram();
	test_fetch();
	test_often();
	return test_done();
}
