/*
 * Nothing but the result changes: all 31 registers, the 32 of floating point and fcsr over every
 * kind of exit to whatever is below, and sstatus.FS, which tells the guest whether they are dirty.
 *
 * Invariant: the code under test runs by run(), whose frame holds every register before and after.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/sbi.h"
#include "tests/guest/insn.h"
#include "tests/guest/tap.h"

#define SCR    (UART_BASE + UART_SCR)
#define HOLE   0x18000000ul
#define A0     10
#define A1     11
#define A2     12
#define A3     13
#define A6     16
#define A7     17
#define BIT(n) (1u << (n))
#define SEED   0x0123456789abcdeful

/* A value that no other register, and no other seed, has. */
static uint64_t pattern(uint64_t seed, unsigned i)
{
	return seed * (2 * i + 1) ^ 0x9e3779b97f4a7c15ul * i;
}

/*
 * One instruction each that leaves the guest, or may; x[] inputs by register, and the registers
 * that it may change. x0 as an input register ends the list.
 */
static const struct exit_row {
	const char *name;
	uint32_t insn;
	struct {
		unsigned reg;
		uint64_t value;
	} in[4];
	uint32_t changes;
} exits[] = {
	{ "SBI call, BASE", INSN_ECALL, { { A7, SBI_EXT_BASE }, { A6, 0 } }, BIT(A0) | BIT(A1) },
	{ "SBI call, unknown", INSN_ECALL, { { A7, 0x0abcdef0 }, { A6, 3 } }, BIT(A0) | BIT(A1) },
	{ "SBI call, TIME",
	  INSN_ECALL,
	  { { A7, SBI_EXT_TIME }, { A6, 0 }, { A0, ~0ul } },
	  BIT(A0) | BIT(A1) },
	{ "SBI call, IPI to no one",
	  INSN_ECALL,
	  { { A7, SBI_EXT_IPI }, { A6, 0 }, { A0, 0 }, { A1, 0 } },
	  BIT(A0) | BIT(A1) },
	{ "SBI call, remote fence",
	  INSN_ECALL,
	  { { A7, SBI_EXT_RFENCE }, { A6, 1 }, { A0, 0 }, { A1, ~0ul } },
	  BIT(A0) | BIT(A1) },
	{ "SBI call, HSM status",
	  INSN_ECALL,
	  { { A7, SBI_EXT_HSM }, { A6, 2 }, { A0, 0 } },
	  BIT(A0) | BIT(A1) },
	{ "SBI call, legacy getchar", INSN_ECALL, { { A7, SBI_LEGACY_CONSOLE_GETCHAR } }, BIT(A0) },
	{ "device load", 0x00064583 /* lbu a1, 0(a2) */, { { A2, SCR } }, BIT(A1) },
	{ "device load to x0", 0x00064003 /* lbu x0, 0(a2) */, { { A2, SCR } }, 0 },
	{ "device store", 0x00b60023 /* sb a1, 0(a2) */, { { A2, SCR }, { A1, 0x42 } }, 0 },
	{ "load from a hole", 0x00063583 /* ld a1, 0(a2) */, { { A2, HOLE } }, 0 },
	{ "store to a hole", 0x00b63023 /* sd a1, 0(a2) */, { { A2, HOLE } }, 0 },
	{ "illegal instruction", 0x0000, { { 0, 0 } }, 0 },
	{ "M-mode CSR", 0xf14025f3 /* csrr a1, mhartid */, { { 0, 0 } }, 0 },
	{ "time", 0xc01025f3 /* csrr a1, time */, { { 0, 0 } }, BIT(A1) },
	{ "sfence.vma", INSN_SFENCE_VMA, { { 0, 0 } }, 0 },
	{ "breakpoint", INSN_EBREAK, { { 0, 0 } }, 0 },
};

static void fill(struct frame *f, uint64_t seed)
{
	for (unsigned i = 1; i < 32; i++)
		f->x[i] = pattern(seed, i);
}

static unsigned differences(const struct frame *before, const struct frame *after, uint32_t changes)
{
	unsigned count = 0;

	for (unsigned i = 1; i < 32; i++)
		count += (changes >> i & 1) == 0 && after->x[i] != before->x[i];
	return count;
}

static void test_exit_kind(const struct exit_row *row)
{
	unsigned wrong = 0;

	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct frame before, after;

		frame_init(&before, code_insn(row->insn));
		fill(&before, seed * SEED);
		for (unsigned i = 0; i < COUNT(row->in) && row->in[i].reg != 0; i++)
			before.x[row->in[i].reg] = row->in[i].value;
		after = before;
		run(&after);
		wrong += differences(&before, &after, row->changes);
	}
	test_is(wrong, 0, "registers survive: %s", row->name);
}

/* Touch pages that no one has used, with all registers full. */
static void test_page_touches(void)
{
	uint64_t fresh = (board_heap() + 0x7fffff) & ~0x1ffffful;
	unsigned wrong = 0;

	for (uint64_t i = 0; i < 256; i++) {
		struct frame before, after;

		frame_init(&before, code_insn(0x00b63023)); /* sd a1, 0(a2) */
		fill(&before, SEED + i);
		before.x[A2] = fresh + 4096 * i;
		after = before;
		run(&after);
		wrong += differences(&before, &after, 0) +
			 (*(volatile uint64_t *)(fresh + 4096 * i) != before.x[A1]);
	}
	test_is(wrong, 0, "registers survive: first touch of 256 pages");
}

static volatile unsigned ticks;

static void tick(struct frame *f)
{
	(void)f;
	ticks = ticks + 1;
	sbi_set_timer(csr_read(CSR_TIME) + 2000);
}

/* All registers counted up, with interrupts, 64 times; `count_up` ends when a0 reaches a1. */
asm("count_up: addi a0, a0, 1\n bne a0, a1, count_up\n ebreak\n");
extern char count_up[];

static void test_interrupts(void)
{
	unsigned wrong = 0;
	struct frame before, after;

	irq_handler(IRQ_S_TIMER, tick);
	sbi_set_timer(csr_read(CSR_TIME) + 2000);
	csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
	while (ticks < 64) {
		frame_init(&before, (uint64_t)count_up);
		fill(&before, SEED);
		before.x[A0] = 0;
		before.x[A1] = 200000;
		before.sstatus |= SSTATUS_SPIE;
		after = before;
		run(&after);
		wrong += differences(&before, &after, BIT(A0)) + (after.x[A0] != 200000);
	}
	csr_write(CSR_SIE, 0);
	sbi_set_timer(UINT64_MAX);
	test_is(wrong, 0, "registers survive: timer interrupts");
}

/* Floating point: 32 registers and fcsr in and out of memory. */
struct fp_state {
	uint64_t f[32];
	uint64_t fcsr;
};

void fp_load(const struct fp_state *s);
void fp_store(struct fp_state *s);
asm(".option push\n.option arch, +d\n"
    "fp_load:\n"
    ".irp n, "
    "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "fld f\\n, 8*\\n(a0)\n .endr\n ld t0, 256(a0)\n csrw fcsr, t0\n ret\n"
    "fp_store:\n"
    ".irp n, "
    "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "fsd f\\n, 8*\\n(a0)\n .endr\n csrr t0, fcsr\n sd t0, 256(a0)\n ret\n"
    ".option pop\n");

static void fp_fill(struct fp_state *s, uint64_t seed)
{
	for (unsigned i = 0; i < 32; i++)
		s->f[i] = pattern(seed, i + 40);
	s->fcsr = seed & 0x1f; /* flags; rounding mode 0 to 4 is legal */
	s->fcsr |= (seed % 5) << 5;
}

static unsigned fp_differences(const struct fp_state *a, const struct fp_state *b)
{
	unsigned count = a->fcsr != b->fcsr;

	for (unsigned i = 0; i < 32; i++)
		count += a->f[i] != b->f[i];
	return count;
}

static void sbi_calls(void)
{
	for (unsigned i = 0; i < 2000; i++)
		sbi_call(SBI_EXT_BASE, i % 7, 0, 0, 0, 0, 0);
}

static void device_accesses(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		mmio_write8(SCR, (uint8_t)i);
		mmio_read8(SCR);
	}
}

static void timer_interrupts(void)
{
	ticks = 0;
	sbi_set_timer(csr_read(CSR_TIME) + 100);
	csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	while (ticks < 200)
		;
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	csr_write(CSR_SIE, 0);
	sbi_set_timer(UINT64_MAX);
}

static void traps(void)
{
	for (unsigned i = 0; i < 1000; i++)
		probe_insn(0x0000, 0, 0);
}

static void sleeps(void)
{
	for (unsigned i = 0; i < 20; i++) {
		csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
		sbi_set_timer(csr_read(CSR_TIME) + 1000);
		wfi();
		sbi_call(SBI_EXT_HSM, SBI_HSM_HART_SUSPEND, 0, 0, 0, 0, 0);
		csr_write(CSR_SIE, 0);
		sbi_set_timer(UINT64_MAX);
	}
}

static const struct {
	const char *name;
	void (*happen)(void);
} events[] = {
	{ "2000 SBI calls", sbi_calls },
	{ "2000 device accesses", device_accesses },
	{ "200 timer interrupts", timer_interrupts },
	{ "1000 exceptions", traps },
	{ "20 sleeps", sleeps },
};

/* Once left dirty, once clean: a hypervisor may save and restore in the one and not in the other.
 */
static void test_fp_survives(void)
{
	static const struct {
		const char *name;
		uint64_t fs;
	} states[] = { { "dirty", SSTATUS_FS_DIRTY }, { "clean", SSTATUS_FS_CLEAN } };
	uint64_t seed = 0x4142434445464748;

	for (unsigned i = 0; i < COUNT(events); i++) {
		for (unsigned s = 0; s < COUNT(states); s++) {
			struct fp_state before, after;

			fp_fill(&before, seed++);
			csr_set(CSR_SSTATUS, SSTATUS_FS);
			fp_load(&before);
			csr_clear(CSR_SSTATUS, SSTATUS_FS);
			csr_set(CSR_SSTATUS, states[s].fs);
			events[i].happen();
			test_is(csr_read(CSR_SSTATUS) & SSTATUS_FS, states[s].fs, "FS stays %s: %s",
				states[s].name, events[i].name);
			fp_store(&after);
			test_is(fp_differences(&before, &after), 0, "FP state left %s survives: %s",
				states[s].name, events[i].name);
		}
	}
}

/* FS off: the values stay, but can't be reached; afterwards they are there again. */
static void test_fp_off(void)
{
	struct fp_state before, after;

	fp_fill(&before, SEED);
	csr_set(CSR_SSTATUS, SSTATUS_FS);
	fp_load(&before);
	csr_clear(CSR_SSTATUS, SSTATUS_FS);
	sbi_calls();
	device_accesses();
	test_is(csr_read(CSR_SSTATUS) & (SSTATUS_FS | SSTATUS_SD), 0, "FS stays off, SD clear");
	csr_set(CSR_SSTATUS, SSTATUS_FS_CLEAN);
	fp_store(&after);
	test_is(fp_differences(&before, &after), 0, "FP state survives with FS off");
}

static void set_fcsr(uint64_t fcsr)
{
	asm volatile(".option push\n.option arch, +d\ncsrw fcsr, %0\n.option pop" : : "r"(fcsr));
}

static uint64_t get_fcsr(void)
{
	uint64_t fcsr;

	asm volatile(".option push\n.option arch, +d\ncsrr %0, fcsr\n.option pop" : "=r"(fcsr));
	return fcsr;
}

/* Written as a CSR, with no other FP instruction: beside other guests it goes to memory and back. */
static void test_fcsr_alone(void)
{
	unsigned wrong = 0;

	csr_set(CSR_SSTATUS, SSTATUS_FS);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t fcsr = (i % 5) << 5 | (i & 0x1f);

		set_fcsr(fcsr);
		sleeps();
		wrong += get_fcsr() != fcsr;
	}
	set_fcsr(0);
	test_is(wrong, 0, "fcsr survives without a change of an f register");
}

/* Each row: what an FP instruction does under an FS state. */
static void test_fs_tracking(void)
{
	static const struct {
		const char *name;
		uint32_t insn;
		bool writes;
	} rows[] = {
		{ "fmv.d.x f1, a0", 0xf20500d3, true }, { "fld f1, 0(a0)", 0x00053087, true },
		{ "csrw fcsr, a1", 0x00359073, true },	{ "fmv.x.d a0, f1", 0xe2008553, false },
		{ "fsd f1, 0(a0)", 0x00153027, false }, { "csrr a0, fcsr", 0x00302573, false },
	};
	uint64_t memory = (uint64_t)page_alloc();

	for (unsigned i = 0; i < COUNT(rows); i++) {
		uint64_t fs;
		struct frame f;

		for (fs = 0; fs <= SSTATUS_FS_DIRTY; fs += SSTATUS_FS_INITIAL) {
			uint64_t got;

			frame_init(&f, code_insn(rows[i].insn));
			f.sstatus = (f.sstatus & ~SSTATUS_FS) | fs;
			f.x[A0] = memory;
			run(&f);
			got = f.sstatus & SSTATUS_FS;
			if (fs == 0) {
				test_is(f.cause, CAUSE_ILLEGAL, "FS off: %s is illegal",
					rows[i].name);
				test_either(f.tval, rows[i].insn, 0, "FS off: its stval");
				continue;
			}
			test_is(f.cause, CAUSE_BREAKPOINT, "FS %lu: %s works", fs >> 13,
				rows[i].name);
			if (rows[i].writes)
				test_is(f.sstatus & (SSTATUS_FS | SSTATUS_SD),
					SSTATUS_FS_DIRTY | SSTATUS_SD, "FS %lu: it makes FS dirty",
					fs >> 13);
			else /* hardware may call a mere read dirty too */
				test_either(got, fs, SSTATUS_FS_DIRTY, "FS %lu: FS stays",
					    fs >> 13);
		}
	}
}

int main(void)
{
	for (unsigned i = 0; i < COUNT(exits); i++)
		test_exit_kind(&exits[i]);
	test_page_touches();
	test_interrupts();
	test_fp_survives();
	test_fp_off();
	test_fcsr_alone();
	test_fs_tracking();
	return test_done();
}
