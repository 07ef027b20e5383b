/*
 * Every combination of a leaf's V, R, W, X, U, A, D bits, met by S and U, SUM and MXR, fetch, load,
 * store and AMO: 128 entries, 32 accesses each.
 *
 * Invariant: expected() is the privileged spec's "Virtual Address Translation Process", steps 3 to
 * 9, written down independently of any hypervisor code. Where A or D is missing, either the
 * hardware sets it or it faults; which one is found out once and must then be so throughout. One
 * deviation of QEMU is accepted likewise: emulating a single hart, it performs an AMO as a load,
 * then a store. So A is set even where the store is forbidden, which the spec allows as
 * speculation; the load's own fault is called 13 by QEMU 7.2, rightly 15 by QEMU 10.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "tests/guest/insn.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define PAGE_VA	 0x1000000000ul
#define USER_RAM 0x2000000000ul /* all RAM once more, for U */

enum access { FETCH, LOAD, STORE, AMO, ACCESS_COUNT };

struct context {
	bool user;
	bool sum;
	bool mxr;
	enum access access;
};

struct result {
	uint64_t cause; /* 0: no trap */
	uint64_t pte;	/* the entry afterwards */
};

static const char *const access_names[] = { "fetch", "load", "store", "amo" };
static const uint64_t page_fault[] = {
	[FETCH] = CAUSE_FETCH_PAGE,
	[LOAD] = CAUSE_LOAD_PAGE,
	[STORE] = CAUSE_STORE_PAGE,
	[AMO] = CAUSE_STORE_PAGE,
};
static code_fn *const access_code[] = {
	[FETCH] = op_fetch,
	[LOAD] = op_load,
	[STORE] = op_store,
	[AMO] = op_amoadd,
};

static uint64_t *entry;
static uint64_t page;
static bool hardware_sets_ad;
static bool amo_is_load_then_store;
static uint64_t amo_load_fault;

static bool permitted(uint64_t pte, struct context c)
{
	if ((pte & PTE_V) == 0 || ((pte & PTE_R) == 0 && (pte & PTE_W) != 0))
		return false;
	if (c.user != ((pte & PTE_U) != 0) && (c.user || c.access == FETCH || !c.sum))
		return false;
	switch (c.access) {
	case FETCH:
		return (pte & PTE_X) != 0;
	case LOAD:
		return (pte & PTE_R) != 0 || (c.mxr && (pte & PTE_X) != 0);
	case STORE:
	case AMO:
		return (pte & PTE_W) != 0;
	case ACCESS_COUNT:
		break;
	}
	return false;
}

static struct result expected_one(uint64_t pte, struct context c)
{
	bool writes = c.access == STORE || c.access == AMO;
	uint64_t needs = PTE_A | (writes ? PTE_D : 0);

	if (!permitted(pte, c) || ((pte & needs) != needs && !hardware_sets_ad))
		return (struct result){ page_fault[c.access], pte };
	return (struct result){ 0, pte | needs };
}

static struct result expected(uint64_t pte, struct context c)
{
	if (c.access == AMO && amo_is_load_then_store) {
		struct result load, store;

		c.access = LOAD;
		load = expected_one(pte, c);
		c.access = STORE;
		store = expected_one(load.pte, c);
		if (load.cause != 0)
			return (struct result){ amo_load_fault, load.pte };
		return store;
	}
	return expected_one(pte, c);
}

static struct result observed(uint64_t pte, struct context c, struct frame *f)
{
	uint64_t alias = c.user ? USER_RAM - RAM_BASE : 0;

	*entry = pte;
	sfence_vma();
	frame_init(f, (uint64_t)access_code[c.access] + alias);
	f->x[1] += alias;
	f->x[10] = PAGE_VA;
	f->x[11] = 0;
	f->sstatus &= ~(SSTATUS_SUM | SSTATUS_MXR);
	f->sstatus |= (c.sum ? SSTATUS_SUM : 0) | (c.mxr ? SSTATUS_MXR : 0);
	if (c.user)
		f->sstatus &= ~SSTATUS_SPP;
	if (c.access != FETCH)
		*(volatile uint64_t *)page = INSN_C_RET;
	run(f);
	*(volatile uint64_t *)page = INSN_C_RET;
	return (struct result){ run_returned(f) ? 0 : f->cause, *entry };
}

static bool trap_exact(const struct frame *f, struct context c)
{
	uint64_t alias = c.user ? USER_RAM - RAM_BASE : 0;
	uint64_t pc = c.access == FETCH ? PAGE_VA : (uint64_t)access_code[c.access] + alias;

	return run_returned(f) ||
	       (f->tval == PAGE_VA && f->pc == pc && ((f->sstatus & SSTATUS_SPP) == 0) == c.user);
}

static struct context context_number(unsigned i)
{
	return (struct context){
		.user = (i & 1) != 0,
		.sum = (i & 2) != 0,
		.mxr = (i & 4) != 0,
		.access = (enum access)(i >> 3),
	};
}

static void test_entry(uint64_t flags)
{
	uint64_t pte = pte_make(page, flags);
	unsigned wrong = 0;
	struct frame f;

	for (unsigned i = 0; i < 8 * ACCESS_COUNT; i++) {
		struct context c = context_number(i);
		struct result want = expected(pte, c), got = observed(pte, c, &f);

		if (got.cause == want.cause && got.pte == want.pte && trap_exact(&f, c))
			continue;
		wrong++;
		print("# %s by %c SUM=%d MXR=%d: got cause %lu pte %lx stval %lx, want %lu pte "
		      "%lx\n",
		      access_names[c.access], c.user ? 'U' : 'S', c.sum, c.mxr, got.cause, got.pte,
		      f.tval, want.cause, want.pte);
	}
	test_is(wrong, 0, "entry %c%c%c%c%c%c%c", flags & PTE_D ? 'd' : '-',
		flags & PTE_A ? 'a' : '-', flags & PTE_U ? 'u' : '-', flags & PTE_X ? 'x' : '-',
		flags & PTE_W ? 'w' : '-', flags & PTE_R ? 'r' : '-', flags & PTE_V ? 'v' : '-');
}

int main(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	struct frame f;

	page = (uint64_t)page_alloc();
	*(uint64_t *)page = INSN_C_RET;
	fence_i();
	space_map(&s, USER_RAM, RAM_BASE, 2, PTE_USER);
	entry = space_entry(&s, PAGE_VA, 0);
	space_enter(&s);
	hardware_sets_ad =
		observed(pte_make(page, PTE_V | PTE_R), context_number(8 * LOAD), &f).cause == 0;
	amo_load_fault = observed(0, context_number(8 * AMO), &f).cause;
	amo_is_load_then_store =
		amo_load_fault == CAUSE_LOAD_PAGE ||
		(observed(pte_make(page, PTE_V | PTE_R), context_number(8 * AMO), &f).pte & PTE_A);
	print("# A and D are set by %s\n", hardware_sets_ad ? "hardware" : "software");
	for (uint64_t i = 0; i < 128; i++)
		test_entry((i & 31) | (i & 32 ? PTE_A : 0) | (i & 64 ? PTE_D : 0));
	space_leave();
	return test_done();
}
