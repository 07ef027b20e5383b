/*
 * A page of privileged instructions that are executed very often, so that a hypervisor which
 * rewrites hot ones where they run does so: its bytes read as they were written, what is written
 * over them runs, and who may do what to the page stays as its entry says.
 *
 * Invariant: code under test lies in pages of its own, written by this file, with a copy in `kept`.
 * Read next: hot.c, the results of such instructions.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/paging.h"
#include "guests/lib/sbi.h"
#include "guests/lib/string.h"
#include "tests/guest/crew.h"
#include "tests/guest/hotcode.h"
#include "tests/guest/insn.h"
#include "tests/guest/ops.h"
#include "tests/guest/store.h"
#include "tests/guest/tap.h"

#define CODE_VA	 0x1000000000ul
#define ALIAS_VA 0x1000400000ul

static uint8_t kept[EDGE]; /* what was written to the page */

static uint32_t li_a0(uint32_t value)
{
	return value << 20 | A0 << 7 | 0x13;
}

/* --- the page as data --- */

static void keep(void)
{
	mem_copy(kept, code, EDGE);
}

/* Whether every load of @bytes from the page at @va, in sstatus @with, gives what was kept. */
static bool reads_as_kept(uint64_t va, uint32_t opcode, uint32_t width, unsigned bytes,
			  uint64_t with)
{
	uint32_t load = insn_load(opcode, width, A0, A0, 0);
	const uint32_t move = 0xe2050553; /* fmv.x.d a0, fa0 */
	uint32_t *at = page_alloc();
	bool good = true;

	at[0] = load;
	at[1] = opcode == OP_LOAD_FP ? move : 0x13;
	at[2] = INSN_EBREAK;
	fence_i();
	for (unsigned i = 0; i < EDGE; i += bytes * 5) {
		uint64_t want = 0;
		struct frame f;

		frame_init(&f, (uint64_t)at);
		f.sstatus |= SSTATUS_FS_DIRTY | with;
		f.x[A0] = va + i;
		run(&f);
		mem_copy(&want, &kept[i], bytes);
		good &= f.pc == (uint64_t)&at[2] &&
			(bytes == 8 || ((f.x[A0] ^ want) & ((1ul << 8 * bytes) - 1)) == 0) &&
			(bytes < 8 || f.x[A0] == want);
	}
	return good;
}

static const struct {
	const char *name;
	uint32_t opcode, width;
	unsigned bytes;
} loads[] = {
	{ "lb", OP_LOAD, WIDTH_B, 1 },	   { "lbu", OP_LOAD, WIDTH_BU, 1 },
	{ "lh", OP_LOAD, WIDTH_H, 2 },	   { "lhu", OP_LOAD, WIDTH_HU, 2 },
	{ "lw", OP_LOAD, WIDTH_W, 4 },	   { "lwu", OP_LOAD, WIDTH_WU, 4 },
	{ "ld", OP_LOAD, WIDTH_D, 8 },	   { "flw", OP_LOAD_FP, WIDTH_W, 4 },
	{ "fld", OP_LOAD_FP, WIDTH_D, 8 },
};

/* Bytes 0 to 5 of the page become @insn and a return, and it is executed often. */
static unsigned heat(uint32_t insn, uint64_t argument, uint64_t want)
{
	code_fn *fn = put_function(code, insn);
	unsigned wrong = 0;

	fence_i();
	for (unsigned n = 0; n < HOT; n++)
		wrong += fn(argument, argument) != want;
	return wrong;
}

static void test_reads(void)
{
	for (unsigned i = 0; i < COUNT(loads); i++) {
		heat(insn_csr(RS, A0, CSR_SIE, 0), 0, csr_read(CSR_SIE));
		keep();
		test_ok(reads_as_kept((uint64_t)code, loads[i].opcode, loads[i].width,
				      loads[i].bytes, 0),
			"a hot page reads as it was written: %s", loads[i].name);
	}
	heat(insn_csr(RS, A0, CSR_SIE, 0), 0, csr_read(CSR_SIE));
	keep();
	for (unsigned i = 0; i < EDGE; i += 8) {
		uint64_t want;

		mem_copy(&want, &kept[i], 8);
		note(probe_insn(insn_amo(AMO_LR, WIDTH_D, A0, A0, 0), (uint64_t)code + i, 0)
				     .value == want,
		     "a word");
	}
	report("a hot page reads as it was written: lr.d");
	for (unsigned i = 0; i < EDGE; i += 8) {
		uint64_t want;

		mem_copy(&want, &kept[i], 8);
		note(probe(op_amoadd, (uint64_t)code + i, 0).value == want, "a word");
	}
	report("a hot page reads as it was written: amoadd.d of 0");
	test_is(heat(insn_csr(RS, A0, CSR_SIE, 0), 0, csr_read(CSR_SIE)), 0,
		"and runs as before after all that");
}

/* --- code that changes --- */

static void test_overwritten(void)
{
	static const struct {
		const char *name;
		code_fn *fn;
		unsigned bytes;
	} stores[] = {
		{ "sb", store_sb, 1 },		 { "sh", store_sh, 2 },
		{ "sw", store_sw, 4 },		 { "amoswap.w", store_amoswap_w, 4 },
		{ "lr.w, sc.w", store_sc_w, 4 }, { "fsw", store_fsw, 4 },
	};
	uint64_t sie = csr_read(CSR_SIE);

	for (unsigned i = 0; i < COUNT(stores); i++) {
		unsigned wrong = 0;

		for (uint32_t n = 0; n < 10; n++) {
			wrong += heat(insn_csr(RS, A0, CSR_SIE, 0), 0, sie);
			for (unsigned b = 0; b < 4; b += stores[i].bytes) {
				struct frame f;

				frame_init(&f, (uint64_t)stores[i].fn);
				f.sstatus |= SSTATUS_FS_DIRTY;
				f.x[A0] = (uint64_t)code + b;
				f.x[A1] = li_a0(n) >> 8 * b;
				run(&f);
				wrong += !run_returned(&f);
			}
			fence_i();
			wrong += ((code_fn *)(uint64_t)code)(0, 0) != n;
		}
		test_is(wrong, 0, "a hot instruction overwritten by %s", stores[i].name);
	}
}

/* One page at two addresses: hot at both, written through one, read through the other. */
static void test_two_addresses(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t sie = csr_read(CSR_SIE);
	code_fn *first = (code_fn *)CODE_VA, *second = (code_fn *)ALIAS_VA;
	unsigned wrong = 0;

	space_map(&s, CODE_VA, (uint64_t)code, 0, PTE_KERNEL & ~PTE_W);
	space_map(&s, ALIAS_VA, (uint64_t)code, 0, PTE_KERNEL);
	space_enter(&s);
	for (uint32_t n = 0; n < 10; n++) {
		put_function(code, insn_csr(RS, A0, CSR_SIE, 0));
		fence_i();
		for (unsigned i = 0; i < HOT; i++)
			wrong += first(0, 0) != sie || second(0, 0) != sie;
		wrong += *(volatile uint32_t *)CODE_VA != insn_csr(RS, A0, CSR_SIE, 0);
		*(volatile uint32_t *)ALIAS_VA = li_a0(n);
		fence_i();
		wrong += first(0, 0) != n || second(0, 0) != n;
	}
	space_leave();
	test_is(wrong, 0, "a hot page at two addresses, written through one");
}

/* The instruction's halves lie on two pages; either half is written. */
static void test_over_two_pages(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint8_t *second = page_alloc(), *first = (page_alloc(), page_alloc());
	code_fn *fn = (code_fn *)(CODE_VA + EDGE - 2);
	uint32_t insns[2] = { insn_csr(RS, A0, CSR_SIE, 0), insn_csr(RS, A0, CSR_SCOUNTEREN, 0) };
	uint64_t want[2] = { csr_read(CSR_SIE), csr_read(CSR_SCOUNTEREN) };
	unsigned wrong = 0;

	space_map(&s, CODE_VA, (uint64_t)first, 0, PTE_KERNEL);
	space_map(&s, CODE_VA + EDGE, (uint64_t)second, 0, PTE_KERNEL);
	put(second + 2, INSN_C_RET, 2);
	space_enter(&s);
	for (unsigned n = 0; n < 20; n++) {
		put(first + EDGE - 2, insns[n & 1], 2);
		put(second, insns[n & 1] >> 16, 2);
		fence_i();
		for (unsigned i = 0; i < HOT; i++)
			wrong += fn(0, 0) != want[n & 1];
	}
	/* csrr's low half says rd, csrrs and part of rs1; the high half is the CSR's number. */
	put(second, insns[0] >> 16, 2);
	fence_i();
	wrong += fn(0, 0) != want[0];
	space_leave();
	test_is(wrong, 0, "a hot instruction on two pages");
}

static volatile uint32_t posted;
static unsigned posted_wrong[MAX_HARTS];

/* Member 0 writes, all execute, 20 times. */
static void execute_posted(uint64_t who)
{
	code_fn *fn = (code_fn *)(uint64_t)code;

	for (uint32_t n = 0; n < 20; n++) {
		uint64_t sie = csr_read(CSR_SIE);

		if (who == 0) {
			put_function(code, insn_csr(RS, A0, CSR_SIE, 0));
			sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, board.harts, 0, 0, 0, 0);
		}
		crew_meet();
		for (unsigned i = 0; i < HOT; i++)
			posted_wrong[who] += fn(0, 0) != sie;
		crew_meet();
		if (who == 0) {
			*(volatile uint32_t *)code = li_a0(n);
			sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, board.harts, 0, 0, 0, 0);
		}
		crew_meet();
		posted_wrong[who] += fn(0, 0) != n;
		crew_meet();
	}
}

static void test_other_harts(void)
{
	unsigned wrong = 0;

	if (board.hart_count < 2) {
		test_skip("a hot page written by another hart: one hart");
		return;
	}
	crew_run(execute_posted);
	for (unsigned i = 0; i < MAX_HARTS; i++)
		wrong += posted_wrong[i];
	test_is(wrong, 0, "a hot page written by one hart, executed by all");
}

/* --- who may do what to a hot page --- */

static void run_at(struct frame *f, uint64_t pc, bool user, uint64_t a0)
{
	frame_init(f, pc);
	if (user)
		f->sstatus &= ~SSTATUS_SPP;
	f->x[A0] = a0;
	run(f);
}

static void test_user(uint32_t insn, const char *name)
{
	struct space s = space_identity(SATP_MODE_SV39);
	unsigned wrong = 0;
	struct frame f;

	space_map(&s, ALIAS_VA, (uint64_t)code, 0, PTE_USER);
	put(code, insn, 4);
	put(code + 4, INSN_EBREAK, 4);
	fence_i();
	for (unsigned bare = 0; bare < 2; bare++) {
		if (bare == 0)
			space_enter(&s);
		for (unsigned n = 0; n < HOT; n++) {
			run_at(&f, (uint64_t)code, false, csr_read(CSR_SIE));
			wrong += f.cause != CAUSE_BREAKPOINT || f.pc != (uint64_t)code + 4;
			if (n % 8 != 0)
				continue;
			run_at(&f, bare ? (uint64_t)code : ALIAS_VA, true, 0);
			wrong += f.cause != CAUSE_ILLEGAL ||
				 f.pc != (bare ? (uint64_t)code : ALIAS_VA) ||
				 (f.tval != 0 && f.tval != insn);
		}
		space_leave();
	}
	test_is(wrong, 0, "%s is illegal in U-mode, hot in S-mode", name);
}

static void test_execute_only(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t sie = csr_read(CSR_SIE), *entry;
	code_fn *fn = (code_fn *)CODE_VA;

	put_function(code, insn_csr(RS, A0, CSR_SIE, 0));
	fence_i();
	keep();
	space_map(&s, CODE_VA, (uint64_t)code, 0, PTE_V | PTE_X | PTE_A);
	entry = space_entry(&s, CODE_VA, 0);
	space_enter(&s);
	for (unsigned n = 0; n < HOT; n++)
		note(fn(0, 0) == sie, "a result");
	report("a hot page that can only be executed");
	test_traps(probe(op_load, CODE_VA + 8, 0), CAUSE_LOAD_PAGE, CODE_VA + 8,
		   "it can't be read");
	test_ok(reads_as_kept(CODE_VA, OP_LOAD, WIDTH_W, 4, SSTATUS_MXR),
		"it can with MXR, as it was written");
	test_traps(probe(op_store, CODE_VA + 8, 0), CAUSE_STORE_PAGE, CODE_VA + 8,
		   "it can't be written");
	for (unsigned n = 0; n < HOT; n++)
		note(fn(0, 0) == sie, "a result");
	report("it still runs");
	*entry = pte_make((uint64_t)code, PTE_V | PTE_R | PTE_A);
	sfence_vma();
	test_traps(probe(op_fetch, CODE_VA, 0), CAUSE_FETCH_PAGE, CODE_VA,
		   "without X it doesn't run");
	test_is(*(volatile uint32_t *)CODE_VA, insn_csr(RS, A0, CSR_SIE, 0), "and can be read");
	space_leave();
}

/* The two pages that an instruction can name without a register, while the code is hot. */
static void test_edges_mapped(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	volatile uint64_t *edges[2] = { (volatile uint64_t *)-EDGE, (volatile uint64_t *)0 };
	uint64_t *pages[2] = { page_alloc(), page_alloc() }, sie = csr_read(CSR_SIE);
	code_fn *fn = put_function(code, insn_csr(RS, A0, CSR_SIE, 0));

	fence_i();
	/* The UART's gigabyte gives way to the first page. */
	*space_entry(&s, 0, 2) = 0;
	for (unsigned i = 0; i < 2; i++)
		space_map(&s, (uint64_t)edges[i], (uint64_t)pages[i], 0, PTE_KERNEL);
	space_enter(&s);
	for (uint64_t n = 0; n < HOT; n++) {
		for (unsigned i = 0; i < 2; i++) {
			uint64_t word = n * 3 % 512, was = pages[i][word] + 1;

			probe(op_store, (uint64_t)(edges[i] + word), was);
			note(fn(0, 0) == sie, "a result");
			note(probe(op_load, (uint64_t)(edges[i] + word), 0).value == was, "a load");
			note(pages[i][word] == was, "a store");
		}
	}
	space_leave();
	report("the first and the last page, mapped, are memory while code is hot");
}

static void test_edges_unmapped(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	code_fn *fn = put_function(code, insn_csr(RS, A0, CSR_SIE, 0));
	uint64_t sie = csr_read(CSR_SIE);

	fence_i();
	*space_entry(&s, 0, 2) = 0;
	space_enter(&s);
	for (uint64_t at = 0; at < EDGE; at += 64) {
		struct trap low = probe(op_load, at, 0), high = probe(op_load, at - EDGE, 0);

		note(fn(0, 0) == sie, "a result");
		note(low.taken && low.cause == CAUSE_LOAD_PAGE, "the first page was read");
		note(high.taken && high.cause == CAUSE_LOAD_PAGE, "the last page was read");
		low = probe(op_store, at, 0);
		high = probe(op_store, at - EDGE, 0);
		note(low.taken && low.cause == CAUSE_STORE_PAGE, "the first page was written");
		note(high.taken && high.cause == CAUSE_STORE_PAGE, "the last page was written");
	}
	space_leave();
	report("the first and the last page, unmapped, fault while code is hot");
}

int main(void)
{
	hotcode_init();
	test_reads();
	test_overwritten();
	test_two_addresses();
	test_over_two_pages();
	test_other_harts();
	test_user(insn_csr(RS, A0, CSR_SIE, 0), "csrr");
	test_user(insn_csr(RW, 0, CSR_SIE, A0), "csrw");
	test_user(insn_csr(I | RC, 0, CSR_SSTATUS, 2), "csrci");
	test_user(INSN_SFENCE_VMA, "sfence.vma");
	test_execute_only();
	test_edges_mapped();
	test_edges_unmapped();
	return test_done();
}
