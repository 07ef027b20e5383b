/*
 * faults: meet every exception once, and read what scause, sepc and stval say about it.
 *
 * Invariant: the expected values are the privileged spec's; where it leaves a choice (stval may be
 * 0 for illegal instructions and breakpoints) the table says so. Read next: guests/lib/trap.c, then
 * guests/pagewalk/.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "guests/lib/trap.h"

#define HOLE	 0x18000000ul	/* nothing is there on the virt board */
#define UNMAPPED 0x1000000000ul /* a virtual address without a translation */

#define LD	     0x00053503u /* ld a0, 0(a0) */
#define SD	     0x00b53023u /* sd a1, 0(a0) */
#define LR_D	     0x1005352fu /* lr.d a0, (a0) */
#define AMOADD_D     0x00b5352fu /* amoadd.d a0, a1, (a0) */
#define EBREAK	     0x00100073u
#define ECALL	     0x00000073u
#define CSRR_MHARTID 0xf1402573u /* csrr a0, mhartid: not for S-mode */
#define JALR	     0x00050067u /* jr a0 */

enum tval { ZERO, ADDRESS, BITS_OR_ZERO, PC_OR_ZERO };

static const struct {
	const char *name;
	const char *how;
	uint32_t insn;
	uint64_t address; /* in a0 */
	bool paging;
	bool user;
	uint64_t cause;
	enum tval tval;
} faults[] = {
	{ "instruction access fault", "jump into a hole", JALR, HOLE, false, false,
	  CAUSE_FETCH_ACCESS, ADDRESS },
	{ "illegal instruction", "read an M-mode CSR", CSRR_MHARTID, 0, false, false, CAUSE_ILLEGAL,
	  BITS_OR_ZERO },
	{ "breakpoint", "ebreak", EBREAK, 0, false, false, CAUSE_BREAKPOINT, PC_OR_ZERO },
	{ "load address misaligned", "lr.d at an odd address", LR_D, RAM_BASE + 0x200001, false,
	  false, CAUSE_LOAD_MISALIGNED, ADDRESS },
	{ "load access fault", "ld from a hole", LD, HOLE, false, false, CAUSE_LOAD_ACCESS,
	  ADDRESS },
	{ "store address misaligned", "amoadd.d at an odd address", AMOADD_D, RAM_BASE + 0x200001,
	  false, false, CAUSE_STORE_MISALIGNED, ADDRESS },
	{ "store access fault", "sd to a hole", SD, HOLE, false, false, CAUSE_STORE_ACCESS,
	  ADDRESS },
	{ "ecall from U-mode", "ecall", ECALL, 0, false, true, CAUSE_ECALL_U, ZERO },
	{ "instruction page fault", "jump to an unmapped page", JALR, UNMAPPED, true, false,
	  CAUSE_FETCH_PAGE, ADDRESS },
	{ "load page fault", "ld from an unmapped page", LD, UNMAPPED, true, false, CAUSE_LOAD_PAGE,
	  ADDRESS },
	{ "store page fault", "sd to an unmapped page", SD, UNMAPPED, true, false, CAUSE_STORE_PAGE,
	  ADDRESS },
};

static bool tval_ok(unsigned i, const struct frame *f)
{
	switch (faults[i].tval) {
	case ADDRESS:
		return f->tval == faults[i].address;
	case BITS_OR_ZERO:
		return f->tval == 0 || f->tval == faults[i].insn;
	case PC_OR_ZERO:
		return f->tval == 0 || f->tval == f->pc;
	case ZERO:
		return f->tval == 0;
	}
	return false;
}

/* QEMU with one hart splits an AMO into a load and a store, and the load complains. */
static bool amo_seen_as_load(unsigned i, const struct frame *f)
{
	return faults[i].insn == AMOADD_D && f->cause == CAUSE_LOAD_MISALIGNED;
}

static bool cause_ok(unsigned i, const struct frame *f)
{
	return f->cause == faults[i].cause || amo_seen_as_load(i, f);
}

static const char *tval_name(unsigned i, const struct frame *f)
{
	if (f->tval == 0)
		return "0";
	return faults[i].tval == ADDRESS	? "the address"
	       : faults[i].tval == BITS_OR_ZERO ? "the instruction"
						: "its own address";
}

static bool meet(unsigned i, struct space *space)
{
	uint64_t code = code_insn(faults[i].insn);
	bool fetch = faults[i].insn == JALR;
	struct frame f;
	bool ok;

	frame_init(&f, code);
	f.x[10] = faults[i].address;
	if (faults[i].user)
		f.sstatus &= ~SSTATUS_SPP;
	if (faults[i].paging)
		space_enter(space);
	run(&f);
	if (faults[i].paging)
		space_leave();
	ok = cause_ok(i, &f) && f.pc == (fetch ? faults[i].address : code) && tval_ok(i, &f);
	print("%-28s%-27sscause %2lu, sepc %s, stval %s%s%s\n", faults[i].how, faults[i].name,
	      f.cause, fetch ? "the target " : "at the spot", tval_name(i, &f),
	      amo_seen_as_load(i, &f) ? " (QEMU's way; 6 by the book)" : "", ok ? "" : "  WRONG");
	return ok;
}

int main(void)
{
	struct space space = space_identity(SATP_MODE_SV39);
	int wrong = 0;

	print("What I do                   is called                  and I read\n");
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		wrong |= !meet(i, &space);
	print("Not to be had here: instruction address misaligned (code may lie at any even\n"
	      "address), and ecall from S-mode, which the SBI answers itself.\n");
	print(wrong ? "That is not what the specification says!\n"
		    : "Eleven exceptions, all as the specification says.\n");
	return wrong;
}
