/*
 * Privileged instructions that are executed very often, so that a hypervisor with a faster way for
 * hot ones takes it: the result is right each time, and what an instruction lets happen happens at
 * once.
 *
 * Invariant: code under test lies in a page of its own, written by this file; with interrupts off
 * nothing but the test changes the CSRs. Read next: csr.c, what each CSR holds; patch.c, what
 * becomes of the page.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/sbi.h"
#include "tests/guest/hotcode.h"
#include "tests/guest/insn.h"
#include "tests/guest/tap.h"

#define PAGE_VA 0x1000400000ul
#define IRQS	0x222ul

#define CLEAR 3u /* the index of csrrw a0, x0 */

/* Offsets of the forms are 10 apart, so that every other instruction straddles a word. */
#define SLOT 10u

static volatile unsigned irqs;
static volatile uint64_t irq_pc;

/* --- every form of every CSR --- */

/* rd and rs1 as in the instruction; with I, rs1 only says whether the immediate is 0. */
static const struct form {
	const char *name;
	uint32_t op, rd, rs1;
} forms[] = {
	{ "csrrw a0, a1", RW, A0, A1 },	   { "csrrw a0, a0", RW, A0, A0 },
	{ "csrrw x0, a1", RW, 0, A1 },	   { "csrrw a0, x0", RW, A0, 0 },
	{ "csrrs a0, a1", RS, A0, A1 },	   { "csrrs a0, a0", RS, A0, A0 },
	{ "csrrs x0, a1", RS, 0, A1 },	   { "csrrs a0, x0", RS, A0, 0 },
	{ "csrrs x0, x0", RS, 0, 0 },	   { "csrrc a0, a1", RC, A0, A1 },
	{ "csrrc a0, a0", RC, A0, A0 },	   { "csrrc x0, a1", RC, 0, A1 },
	{ "csrrc a0, x0", RC, A0, 0 },	   { "csrrwi a0, i", I | RW, A0, 1 },
	{ "csrrwi x0, i", I | RW, 0, 1 },  { "csrrwi a0, 0", I | RW, A0, 0 },
	{ "csrrsi a0, i", I | RS, A0, 1 }, { "csrrsi x0, i", I | RS, 0, 1 },
	{ "csrrsi a0, 0", I | RS, A0, 0 }, { "csrrci a0, i", I | RC, A0, 1 },
	{ "csrrci x0, i", I | RC, 0, 1 },  { "csrrci a0, 0", I | RC, A0, 0 },
};

/* @bits: those that hold whatever is written to them, given that no others are written. */
static const struct csr_row {
	const char *name;
	uint32_t csr;
	uint64_t bits;
	const char *isa;
} csrs[] = {
	{ "sscratch", CSR_SSCRATCH, ~0ul, 0 },
	{ "sepc", CSR_SEPC, ~1ul, 0 },
	{ "stval", CSR_STVAL, ~0ul, 0 },
	{ "scause", CSR_SCAUSE, 7, 0 },
	{ "stvec", CSR_STVEC, 0x3ffffc, 0 },
	{ "scounteren", CSR_SCOUNTEREN, 7, 0 },
	{ "senvcfg", CSR_SENVCFG, 1, 0 },
	{ "sie", CSR_SIE, IRQS, 0 },
	{ "sip", CSR_SIP, SSIP, 0 },
	{ "stimecmp", CSR_STIMECMP, ~0ul, "sstc" },
	{ "sstatus", CSR_SSTATUS,
	  SSTATUS_SIE | SSTATUS_SPIE | SSTATUS_SPP | SSTATUS_FS | SSTATUS_SUM | SSTATUS_MXR, 0 },
};

static const uint64_t operands[] = {
	0, ~0ul, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x0123456789abcdef, 0xfedcba9876543210,
};

/* What the form writes, if it writes at all. */
static uint64_t written(uint32_t op, uint64_t old, uint64_t operand)
{
	switch (op & 3) {
	case RS:
		return old | operand;
	case RC:
		return old & ~operand;
	default:
		return operand;
	}
}

/* SD follows FS, VS and XS. */
static uint64_t without_sd(uint32_t csr, uint64_t value)
{
	return csr == CSR_SSTATUS ? value & ~SSTATUS_SD : value;
}

static bool sd_is_right(uint64_t sstatus)
{
	bool dirty = (sstatus & SSTATUS_FS) == SSTATUS_FS || (sstatus & SSTATUS_VS) == SSTATUS_VS;

	return ((sstatus & SSTATUS_SD) != 0) == dirty;
}

/* @get reads the CSR with its own plain csrr; the two share nothing but the CSR. */
static void run_form(const struct csr_row *row, const struct form *f, code_fn *fn, code_fn *get)
{
	uint64_t fixed = without_sd(row->csr, get(0, 0)) & ~row->bits;

	for (unsigned n = 0; n < HOT; n++) {
		uint64_t old = get(0, 0), operand = operands[n % COUNT(operands)] & row->bits;
		uint64_t got = fn(operand, operand), now = get(0, 0), want;

		if ((f->op & I) != 0)
			operand = f->rs1 != 0 ? row->bits & 31 : 0;
		else if (f->rs1 == 0)
			operand = 0;
		want = (written(f->op, old, operand) & row->bits) | fixed;
		note(f->rd == 0 || got == old, f->name);
		note(without_sd(row->csr, now) == without_sd(row->csr, want), f->name);
		note(row->csr != CSR_SSTATUS || sd_is_right(now), "sstatus.SD");
	}
}

static code_fn *put_form(uint8_t *at, const struct csr_row *row, const struct form *f)
{
	uint32_t rs1 = f->rs1;

	if ((f->op & I) != 0 && rs1 != 0)
		rs1 = (uint32_t)row->bits & 31;
	return put_function(at, insn_csr(f->op, f->rd, row->csr, rs1));
}

/* All forms of one CSR; the kit's own value is back before anything can trap. */
static void test_csr(const struct csr_row *row, uint8_t *at)
{
	code_fn *get = put_function(at, insn_csr(RS, A0, row->csr, 0)), *fns[COUNT(forms)];
	uint64_t sie = csr_read(CSR_SIE), first;

	for (unsigned i = 0; i < COUNT(forms); i++)
		fns[i] = put_form(at + SLOT * (i + 1), row, &forms[i]);
	fence_i();
	csr_write(CSR_SIE, 0);
	first = get(0, 0);
	fns[CLEAR](0, 0);
	for (unsigned i = 0; i < COUNT(forms); i++)
		run_form(row, &forms[i], fns[i], get);
	put_function(at, insn_csr(RW, 0, row->csr, A0));
	fence_i();
	get(first, 0);
	csr_write(CSR_SIE, sie);
	report(row->name);
}

static void test_csrs(void)
{
	uint8_t *at = code;

	for (unsigned i = 0; i < COUNT(csrs); i++) {
		if (csrs[i].isa != 0 && !board_has_isa(csrs[i].isa)) {
			test_skip("%s: no %s", csrs[i].name, csrs[i].isa);
			continue;
		}
		test_csr(&csrs[i], at);
		at += SLOT * (COUNT(forms) + 1);
	}
}

/* Different for each. Without the bits that QEMU 7.2 takes for their neighbours in a VS-mode sie.
 */
static uint64_t pattern(unsigned x)
{
	return ~0ul / 31 * x & ~(IRQS << 1);
}

/* Each register as rd and as rs1, hot; all others stay as they are. */
static void test_registers(void)
{
	uint64_t sie = csr_read(CSR_SIE);
	uint8_t *at = page_alloc();
	struct frame f;

	for (uint32_t r = 1; r < 32; r++) {
		uint8_t *read = at + r * 16, *write = read + 8;

		put(read, insn_csr(RS, r, CSR_SIE, 0), 4);
		put(read + 4, INSN_EBREAK, 4);
		put(write, insn_csr(RW, 0, CSR_SIE, r), 4);
		put(write + 4, INSN_EBREAK, 4);
		fence_i();
		for (unsigned n = 0; n < 2 * HOT; n++) {
			uint64_t want = (n * 0x22) & IRQS;

			frame_init(&f, (uint64_t)((n & 1) != 0 ? write : read));
			csr_write(CSR_SIE, want);
			for (unsigned x = 1; x < 32; x++)
				f.x[x] = pattern(x);
			run(&f);
			note(f.cause == CAUSE_BREAKPOINT, "a trap");
			if ((n & 1) != 0)
				want = f.x[r] & IRQS;
			note(csr_read(CSR_SIE) == want, "sie");
			for (unsigned x = 1; x < 32; x++)
				note(f.x[x] == (x == r && (n & 1) == 0 ? want : pattern(x)),
				     "a register");
		}
	}
	csr_write(CSR_SIE, sie);
	report("each register, read into and written from");
}

/* --- interrupts, fences, waiting --- */

static void count_irq(struct frame *f)
{
	irqs++;
	irq_pc = f->pc;
	csr_clear(CSR_SIP, SSIP);
	f->sstatus &= ~SSTATUS_SPIE;
}

/* What enables a pending interrupt takes it before the next instruction. */
static void test_interrupt(uint32_t insn, const char *name, uint64_t sstatus, uint64_t sie,
			   uint64_t sip, uint64_t a0)
{
	code_fn *fn = put_function(code, insn);

	fence_i();
	for (unsigned n = 0; n < HOT; n++) {
		unsigned before = irqs;

		csr_clear(CSR_SSTATUS, SSTATUS_SIE);
		csr_write(CSR_SIE, sie);
		csr_set(CSR_SIP, sip);
		csr_set(CSR_SSTATUS, sstatus);
		fn(a0, a0);
		note(irqs == before + 1, "not one interrupt");
		note(irq_pc == (uint64_t)code + 4, "not at the next instruction");
		csr_clear(CSR_SSTATUS, SSTATUS_SIE);
		csr_write(CSR_SIE, 0);
		csr_clear(CSR_SIP, SSIP);
	}
	report(name);
}

static void test_interrupts(void)
{
	uint64_t on = csr_read(CSR_SSTATUS) | SSTATUS_SIE;

	irq_handler(IRQ_S_SOFT, count_irq);
	test_interrupt(insn_csr(I | RS, 0, CSR_SSTATUS, 2), "csrsi sstatus lets in what is pending",
		       0, SSIP, SSIP, 0);
	test_interrupt(insn_csr(RS, 0, CSR_SSTATUS, A0), "csrs sstatus lets in what is pending", 0,
		       SSIP, SSIP, SSTATUS_SIE);
	test_interrupt(insn_csr(RW, 0, CSR_SSTATUS, A0), "csrw sstatus lets in what is pending", 0,
		       SSIP, SSIP, on);
	test_interrupt(insn_csr(RW, A0, CSR_SSTATUS, A1), "csrrw sstatus lets in what is pending",
		       0, SSIP, SSIP, on);
	test_interrupt(insn_csr(RS, 0, CSR_SIE, A0), "csrs sie lets in what is pending",
		       SSTATUS_SIE, 0, SSIP, SSIP);
	test_interrupt(insn_csr(RW, 0, CSR_SIE, A0), "csrw sie lets in what is pending",
		       SSTATUS_SIE, 0, SSIP, SSIP);
	test_interrupt(insn_csr(I | RS, 0, CSR_SIP, 2), "csrsi sip is an interrupt", SSTATUS_SIE,
		       SSIP, 0, 0);
	test_interrupt(insn_csr(RS, 0, CSR_SIP, A0), "csrs sip is an interrupt", SSTATUS_SIE, SSIP,
		       0, SSIP);
}

/* sret from a hot place: to S and U, with SIE from SPIE, SPP cleared. */
static void test_sret(void)
{
	struct frame f;

	put(code + 64, INSN_SRET, 4);
	put(code + 72, INSN_EBREAK, 4);
	fence_i();
	for (unsigned n = 0; n < HOT; n++) {
		bool user = (n & 1) != 0, spie = (n & 2) != 0;
		uint64_t want = user ? 0 : SSTATUS_SPP;

		csr_write(CSR_SEPC, (uint64_t)code + 72);
		frame_init(&f, (uint64_t)code + 56);
		put(code + 56, insn_csr(RW, 0, CSR_SEPC, A0), 4);
		put(code + 60, insn_csr(RW, 0, CSR_SSTATUS, A1), 4);
		fence_i();
		f.x[A0] = (uint64_t)code + 72;
		f.x[A1] = (f.sstatus & ~(SSTATUS_SPP | SSTATUS_SPIE)) | want |
			  (spie ? SSTATUS_SPIE : 0);
		run(&f);
		note(f.cause == CAUSE_BREAKPOINT && f.pc == (uint64_t)code + 72, "not there");
		note((f.sstatus & SSTATUS_SPP) == want, "SPP");
		note(((f.sstatus & SSTATUS_SPIE) != 0) == spie, "SPIE");
	}
	report("sret");
}

static void test_fences(void)
{
	static const struct {
		const char *name;
		uint32_t rs1, rs2;
	} rows[] = {
		{ "sfence.vma", 0, 0 },
		{ "sfence.vma a0", A0, 0 },
		{ "sfence.vma x0, a1", 0, A1 },
		{ "sfence.vma a0, a1", A0, A1 },
	};
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *page[2] = { page_alloc(), page_alloc() };

	page[1][0] = 1;
	space_map(&s, PAGE_VA, (uint64_t)page[0], 0, PTE_KERNEL);
	for (unsigned i = 0; i < COUNT(rows); i++) {
		code_fn *fn =
			put_function(code, INSN_SFENCE_VMA | rows[i].rs1 << 15 | rows[i].rs2 << 20);

		fence_i();
		space_enter(&s);
		for (unsigned n = 0; n < HOT; n++) {
			*space_entry(&s, PAGE_VA, 0) = pte_make((uint64_t)page[n & 1], PTE_KERNEL);
			fn(PAGE_VA, 0);
			note(*(volatile uint64_t *)PAGE_VA == (n & 1), "stale");
		}
		space_leave();
		report(rows[i].name);
	}
}

/* Two spaces in turn, by one csrrw: it gives the old satp back, and the new one holds at once. */
static void test_satp(void)
{
	struct space s[2] = { space_identity(SATP_MODE_SV39), space_identity(SATP_MODE_SV39) };
	uint64_t *page[2] = { page_alloc(), page_alloc() }, satp[2];
	code_fn *fn = put_function(code, insn_csr(RW, A0, CSR_SATP, A1));

	fence_i();
	page[1][0] = 1;
	for (unsigned i = 0; i < 2; i++) {
		space_map(&s[i], PAGE_VA, (uint64_t)page[i], 0, PTE_KERNEL);
		satp[i] = space_satp(&s[i], i + 1);
	}
	csr_write(CSR_SATP, satp[1]);
	sfence_vma();
	for (unsigned n = 0; n < HOT; n++) {
		note(fn(0, satp[n & 1]) == satp[~n & 1], "the old satp");
		note(*(volatile uint64_t *)PAGE_VA == (n & 1), "another space");
	}
	space_leave();
	report("satp");
}

static void count_tick(struct frame *f)
{
	(void)f;
	irqs++;
	sbi_set_timer(UINT64_MAX);
}

static void test_wfi(void)
{
	code_fn *fn = put_function(code, INSN_WFI);
	uint64_t start = csr_read(CSR_TIME);

	fence_i();
	csr_write(CSR_SIE, SSIP);
	csr_set(CSR_SIP, SSIP);
	for (unsigned n = 0; n < HOT; n++)
		fn(0, 0);
	csr_clear(CSR_SIP, SSIP);
	test_ok(csr_read(CSR_TIME) - start < board.timebase,
		"wfi doesn't wait for what is pending");
	irq_handler(IRQ_S_TIMER, count_tick);
	csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
	irqs = 0;
	for (unsigned n = 0; n < 20; n++) {
		uint64_t until = csr_read(CSR_TIME) + 2000;

		sbi_set_timer(until);
		while (csr_read(CSR_TIME) < until)
			fn(0, 0);
		csr_set(CSR_SSTATUS, SSTATUS_SIE);
		while (irqs == n)
			;
		csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	}
	csr_write(CSR_SIE, 0);
	test_is(irqs, 20, "wfi waits for the timer, 20 times");
}

static void test_counters(void)
{
	static const uint32_t numbers[] = { CSR_CYCLE, CSR_TIME, CSR_INSTRET };

	for (unsigned i = 0; i < COUNT(numbers); i++) {
		code_fn *fn = put_function(code, insn_csr(RS, A0, numbers[i], 0));
		uint64_t last = 0, first;

		fence_i();
		first = fn(0, 0);
		for (unsigned n = 0; n < 10 * HOT; n++) {
			uint64_t now = fn(0, 0);

			note(now >= last, "it went back");
			last = now;
		}
		note(last > first, "it stood still");
	}
	report("counters");
}

int main(void)
{
	hotcode_init();
	test_csrs();
	test_registers();
	test_interrupts();
	test_sret();
	test_fences();
	test_satp();
	test_wfi();
	test_counters();
	return test_done();
}
