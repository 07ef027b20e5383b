/*
 * Lab 5's checks: the machine makes each access under each combination of flags, privilege, SUM and
 * MXR, and its answer is compared with the student's.
 */
#include "guests/labs/5-sum-mxr/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"
#include "guests/lib/print.h"
#include "guests/lib/trap.h"

#define LD     0x00053503u /* ld a0, 0(a0) */
#define SD     0x00b53023u /* sd a1, 0(a0) */
#define JR     0x00050067u /* jr a0 */
#define EBREAK 0x00100073u

#define DATA   0x0000001000000000ul /* the page under test */
#define CODE   0x0000001000001000ul /* the kit's code, for U-mode */
#define SECRET 0x0000001000002000ul /* of the user */
#define BYTES  200

static struct space space;
static uint8_t *secret, *page;
static uint8_t copy[BYTES];

static void prepare(void)
{
	space = space_identity(SATP_MODE_SV39);
	secret = page_alloc();
	page = page_alloc();
	for (unsigned i = 0; i < BYTES; i++)
		secret[i] = (uint8_t)lab_random();
	*(uint32_t *)page = EBREAK;
	space_map(&space, SECRET, (uint64_t)secret, 0, PTE_V | PTE_R | PTE_U | PTE_A | PTE_D);
	space_map(&space, CODE, code_insn(LD) & ~4095ul, 0, PTE_V | PTE_X | PTE_U | PTE_A);
	space_enter(&space);
}

static bool is_copied(uint64_t sstatus)
{
	uint64_t before = csr_read(CSR_SSTATUS);
	bool same = true;

	csr_write(CSR_SSTATUS, before | sstatus);
	LAB_CALL(copy_from_user, copy, SECRET, BYTES, 0);
	csr_write(CSR_SSTATUS, before);
	for (unsigned i = 0; i < BYTES; i++)
		same = same && copy[i] == secret[i];
	return same;
}

static bool copies(void)
{
	prepare();
	return is_copied(0);
}

/* What sstatus the student's function leaves: its frame is made here, to look at it. */
static bool leaves_as_was(void *fn, uint64_t a0, uint64_t a1, uint64_t a2)
{
	static const uint64_t bits = SSTATUS_SUM | SSTATUS_MXR;
	static const uint64_t before[] = { 0, SSTATUS_SUM, SSTATUS_MXR, bits };

	for (unsigned i = 0; i < 4; i++) {
		struct frame f;

		frame_init(&f, (uint64_t)fn);
		f.sstatus = (f.sstatus & ~bits) | before[i];
		f.x[10] = a0;
		f.x[11] = a1;
		f.x[12] = a2;
		run(&f);
		if (!run_returned(&f) || (f.sstatus & bits) != before[i])
			return false;
	}
	return true;
}

static bool copy_is_tidy(void)
{
	return leaves_as_was((void *)copy_from_user, (uint64_t)copy, SECRET, BYTES);
}

static bool reads_code(void)
{
	uint32_t insn = (uint32_t)lab_random();

	*(uint32_t *)(page + 64) = insn;
	space_map(&space, DATA, (uint64_t)page, 0, PTE_V | PTE_X | PTE_U | PTE_A);
	sfence_vma();
	return (uint32_t)LAB_CALL(read_code, DATA + 64, 0, 0, 0) == insn &&
	       leaves_as_was((void *)read_code, DATA + 64, 0, 0);
}

/* What the machine says of that access. */
static bool allows(enum access access, bool user, uint64_t sstatus)
{
	static const uint32_t insns[] = { [FETCH] = JR, [LOAD] = LD, [STORE] = SD };
	uint64_t code = code_insn(insns[access]);
	struct frame f;

	frame_init(&f, user ? CODE + (code & 4095) : code);
	f.sstatus |= sstatus;
	if (user)
		f.sstatus &= ~SSTATUS_SPP;
	f.x[10] = DATA;
	f.x[11] = EBREAK;
	run(&f);
	return f.cause == CAUSE_BREAKPOINT;
}

static bool agree(uint64_t flags, enum access access, bool user, uint64_t sstatus)
{
	static const char *const names[] = { "fetch", "load", "store" };
	bool machine = allows(access, user, sstatus);
	bool yours = LAB_CALL(may, flags | PTE_V | PTE_A | PTE_D, access, user, sstatus) != 0;

	if (machine == yours)
		return true;
	print("     a %s in %c-mode, SUM %u, MXR %u, of a page with %c%c%c%c: you say %s\n",
	      names[access], user ? 'U' : 'S', (sstatus & SSTATUS_SUM) != 0,
	      (sstatus & SSTATUS_MXR) != 0, (flags & PTE_R) != 0 ? 'R' : '-',
	      (flags & PTE_W) != 0 ? 'W' : '-', (flags & PTE_X) != 0 ? 'X' : '-',
	      (flags & PTE_U) != 0 ? 'U' : '-', yours ? "yes" : "no");
	return false;
}

static bool all_agree(void)
{
	for (uint64_t n = 0; n < 128; n++) {
		uint64_t flags = (n & 15) << 1;
		uint64_t sstatus =
			((n & 16) != 0 ? SSTATUS_SUM : 0) | ((n & 32) != 0 ? SSTATUS_MXR : 0);

		/* None is a pointer, W without R is reserved. */
		if ((flags & PTE_RWX) == 0 || (flags & (PTE_R | PTE_W)) == PTE_W)
			continue;
		space_map(&space, DATA, (uint64_t)page, 0, flags | PTE_V | PTE_A | PTE_D);
		sfence_vma();
		for (unsigned access = FETCH; access <= STORE; access++)
			if (!agree(flags, (enum access)access, (n & 64) != 0, sstatus))
				return false;
	}
	return true;
}

int main(void)
{
	static const struct step steps[] = {
		{ "copy_from_user() copies what the user has",
		  "S-mode may touch a page with U only while sstatus.SUM is set", copies },
		{ "and leaves SUM and MXR as they were",
		  "as they were, not off: csr_set() returns what was there", copy_is_tidy },
		{ "read_code() reads a page that can only be executed",
		  "MXR: make executable readable; and it is a user's page", reads_code },
		{ "may() says what the machine does",
		  "three questions: whose page is it, is the access of that kind allowed there, "
		  "what do SUM and MXR add",
		  all_agree },
	};

	return lab_steps(5, steps, sizeof(steps) / sizeof(steps[0]));
}
