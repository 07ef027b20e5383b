/*
 * Exceptions that the guest handles itself: exact sepc, scause, stval and sstatus, from S and from
 * U.
 *
 * Invariant: each row's answer is the privileged spec's; where it leaves a choice (stval of illegal
 * instructions and breakpoints may be 0, QEMU 7.2 gives 0 for ebreak) both are accepted and nothing
 * else. Page faults are in perms.c and paging.c, access faults in mmio.c.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "tests/guest/insn.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define HLV_D	    0x6c054573u /* hlv.d a0, (a0) */
#define HFENCE_VVMA 0x22000073u
#define HFENCE_GVMA 0x62000073u

/* What stval may hold. */
enum tval { ZERO, BITS_OR_ZERO, PC_OR_ZERO, ANYTHING };
enum modes { S_ONLY = 1, U_ONLY = 2, BOTH = 3 };

static const struct {
	const char *name;
	uint32_t insn;
	enum modes modes;
	uint64_t cause;
	enum tval tval;
	const char *unless_isa; /* with this extension it means something */
} rows[] = {
	{ "all zeros", 0x0000, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "all ones", 0xffffffff, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "c.lui with zero immediate", 0x6501, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "c.addi4spn with zero immediate", 0x0008, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "reserved load width", 0x00057503, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "reserved AMO", 0xf8b5352f, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "ebreak", INSN_EBREAK, BOTH, CAUSE_BREAKPOINT, PC_OR_ZERO, 0 },
	{ "c.ebreak", INSN_C_EBREAK, BOTH, CAUSE_BREAKPOINT, PC_OR_ZERO, 0 },
	{ "ecall", INSN_ECALL, U_ONLY, CAUSE_ECALL_U, ZERO, 0 },
	/* QEMU 10 leaves the bits of an earlier instruction there. */
	{ "mret", INSN_MRET, BOTH, CAUSE_ILLEGAL, ANYTHING, 0 },
	{ "sret", INSN_SRET, U_ONLY, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "wfi", INSN_WFI, U_ONLY, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "sfence.vma", INSN_SFENCE_VMA, U_ONLY, CAUSE_ILLEGAL, BITS_OR_ZERO, 0 },
	{ "hlv.d", HLV_D, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, "h" },
	{ "hfence.vvma", HFENCE_VVMA, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, "h" },
	{ "hfence.gvma", HFENCE_GVMA, BOTH, CAUSE_ILLEGAL, BITS_OR_ZERO, "h" },
};

static bool tval_allowed(enum tval rule, const struct trap *t, uint32_t insn)
{
	switch (rule) {
	case ZERO:
		return t->tval == 0;
	case BITS_OR_ZERO:
		return t->tval == 0 || t->tval == insn;
	case PC_OR_ZERO:
		return t->tval == 0 || t->tval == t->epc;
	case ANYTHING:
		return true;
	}
	return false;
}

static void test_row(unsigned i, bool user)
{
	uint32_t insn = rows[i].insn;
	uint64_t code = code_insn(insn);
	char mode = user ? 'U' : 'S';
	struct trap t = user ? probe_insn_user(insn, RAM_BASE, 0) : probe_insn(insn, RAM_BASE, 0);

	test_is(t.taken ? t.cause : 99, rows[i].cause, "%s in %c: scause", rows[i].name, mode);
	test_is(t.epc, code, "%s in %c: sepc", rows[i].name, mode);
	/* By one name whichever it is: bare and guest are compared by the names that passed. */
	print("# stval %lx\n", t.tval);
	test_ok(tval_allowed(rows[i].tval, &t, insn), "%s in %c: stval", rows[i].name, mode);
}

/* What a trap does to sstatus: SPP says where from, SPIE is the old SIE, SIE is off. */
static void test_stacking(void)
{
	for (unsigned i = 0; i < 4; i++) {
		bool user = (i & 1) != 0, enabled = (i & 2) != 0;
		struct frame f;

		frame_init(&f, code_insn(INSN_EBREAK));
		f.sstatus = (f.sstatus & ~(SSTATUS_SPP | SSTATUS_SPIE)) | (user ? 0 : SSTATUS_SPP) |
			    (enabled ? SSTATUS_SPIE : 0);
		run(&f);
		test_is(f.sstatus & (SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE),
			(user ? 0 : SSTATUS_SPP) | (enabled ? SSTATUS_SPIE : 0),
			"trap from %c with SIE=%u: SPP, SPIE, SIE", user ? 'U' : 'S', enabled);
	}
}

/* sret to U clears SPP: a second trap without return must say where it came from, not the first. */
static void test_sret(void)
{
	uint64_t after;

	/* sret to the next instruction in S with SPIE=1: SPP becomes 0, SPIE 1, SIE what SPIE was.
	 */
	csr_clear(CSR_SSTATUS, SSTATUS_SPIE);
	csr_set(CSR_SSTATUS, SSTATUS_SPP);
	asm volatile("la t0, 1f; csrw sepc, t0; sret; 1: csrr %0, sstatus"
		     : "=r"(after)
		     :
		     : "t0", "memory");
	test_is(after & (SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE), SSTATUS_SPIE,
		"sret with SPIE=0: SPP, SPIE, SIE");
	csr_set(CSR_SSTATUS, SSTATUS_SPP | SSTATUS_SPIE);
	asm volatile("la t0, 1f; csrw sepc, t0; sret; 1: csrr %0, sstatus"
		     : "=r"(after)
		     :
		     : "t0", "memory");
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	test_is(after & (SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE), SSTATUS_SPIE | SSTATUS_SIE,
		"sret with SPIE=1: SPP, SPIE, SIE");
}

/* The virt board's cores do misaligned loads and stores in RAM; so must what runs on them. */
static void test_misaligned(void)
{
	static const struct {
		const char *name;
		uint32_t width;
		unsigned bytes;
	} widths[] = { { "h", WIDTH_H, 2 }, { "w", WIDTH_W, 4 }, { "d", WIDTH_D, 8 } };
	uint8_t *page = page_alloc();

	for (unsigned i = 0; i < 64; i++)
		page[i] = (uint8_t)(i * 7 + 1);
	for (unsigned w = 0; w < COUNT(widths); w++) {
		for (unsigned offset = 1; offset < 8; offset++) {
			uint64_t want = 0, stored = 0, shift = 64 - 8 * widths[w].bytes;
			uint64_t at = (uint64_t)page + offset;

			for (unsigned b = widths[w].bytes; b-- > 0;)
				want = want << 8 | page[offset + b];
			want = (uint64_t)((int64_t)(want << shift) >> shift);
			test_returns(
				probe_insn(insn_load(OP_LOAD, widths[w].width, 10, 10, 0), at, 0),
				want, "l%s at offset %u", widths[w].name, offset);
			probe_insn(insn_store(OP_STORE, widths[w].width, 11, 10, 0), at + 32, want);
			for (unsigned b = widths[w].bytes; b-- > 0;)
				stored = stored << 8 | page[offset + 32 + b];
			test_is((uint64_t)((int64_t)(stored << shift) >> shift), want,
				"s%s at offset %u", widths[w].name, offset);
		}
	}
}

/*
 * Misaligned atomics: address misaligned or access fault, by the spec; QEMU with a single hart sees
 * the load of an AMO first and says so.
 */
static void test_misaligned_atomics(void)
{
	uint64_t at = (uint64_t)page_alloc() + 1;
	struct trap t = probe_insn(insn_amo(AMO_LR, WIDTH_D, 10, 10, 0), at, 0);

	test_either(t.cause, CAUSE_LOAD_MISALIGNED, CAUSE_LOAD_ACCESS, "misaligned lr.d: scause");
	test_is(t.tval, at, "misaligned lr.d: stval");
	t = probe_insn(insn_amo(AMO_ADD, WIDTH_W, 10, 10, 11), at, 0);
	if (!t.taken) {
		/* Within 16 bytes the core may do it (Zama16b), and a guest need not be told. */
		test_skip("misaligned amoadd.w: this core does it");
		return;
	}
	print("# scause %lu\n", t.cause);
	test_ok(t.cause == CAUSE_STORE_MISALIGNED || t.cause == CAUSE_STORE_ACCESS ||
			t.cause == CAUSE_LOAD_MISALIGNED,
		"misaligned amoadd.w: scause");
	test_is(t.tval, at, "misaligned amoadd.w: stval");
}

/* A page fault from U with translation on: the way a kernel serves its processes. */
static void test_user_page_fault(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t code = (uint64_t)page_alloc(), va = 0x1000000000;
	struct frame f;

	*(uint32_t *)code = insn_load(OP_LOAD, WIDTH_D, 10, 10, 0);
	fence_i();
	space_map(&s, va, code, 0, PTE_USER);
	space_enter(&s);
	for (unsigned i = 0; i < 3; i++) {
		frame_init(&f, va);
		f.sstatus &= ~SSTATUS_SPP;
		f.x[10] = va + 4096 + 8 * i;
		run(&f);
		test_is(f.cause, CAUSE_LOAD_PAGE, "page fault %u from U: scause", i);
		test_is(f.tval, va + 4096 + 8 * i, "page fault %u from U: stval", i);
		test_is(f.pc, va, "page fault %u from U: sepc", i);
	}
	space_leave();
}

int main(void)
{
	for (unsigned i = 0; i < COUNT(rows); i++) {
		if (rows[i].unless_isa != 0 && board_has_isa(rows[i].unless_isa)) {
			test_skip("%s: this core has extension %s", rows[i].name,
				  rows[i].unless_isa);
			continue;
		}
		if ((rows[i].modes & S_ONLY) != 0)
			test_row(i, false);
		if ((rows[i].modes & U_ONLY) != 0)
			test_row(i, true);
	}
	test_stacking();
	test_sret();
	test_misaligned();
	test_misaligned_atomics();
	test_user_page_fault();
	return test_done();
}
