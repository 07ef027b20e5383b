/*
 * Ways out: loads, stores, AMOs and jumps to addresses all over the 64-bit space, and table entries
 * that point to memory all over the physical one. What the guest has not mapped faults, whoever
 * else lives there.
 *
 * Invariant: nothing is mapped but RAM, for S at its own address and for U once more, so the
 * right answer to every other address is known: a page fault, or with translation off an access
 * fault. A hypervisor that shares an address space with its guest shows here if it can be seen.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

#define GIB	 (1ul << 30)
#define USER_RAM 0x2000000000ul
#define TEST_VA	 0x1000000000ul
#define SHOWN	 5 /* wrong answers that are printed, of each test */
#define SPREAD	 900
#define EDGE	 4096ul

static const struct {
	const char *name;
	code_fn *fn;
	uint64_t page_fault, access_fault;
	uint64_t as_load; /* what QEMU 7.2 with one hart says of an AMO's load */
} accesses[] = {
	{ "load", op_load, CAUSE_LOAD_PAGE, CAUSE_LOAD_ACCESS, 0 },
	{ "store", op_store, CAUSE_STORE_PAGE, CAUSE_STORE_ACCESS, 0 },
	{ "fetch", op_fetch, CAUSE_FETCH_PAGE, CAUSE_FETCH_ACCESS, 0 },
	{ "amo", op_amoadd, CAUSE_STORE_PAGE, CAUSE_STORE_ACCESS, CAUSE_LOAD_PAGE },
};

static const struct context {
	const char *name;
	bool user;
	uint64_t sstatus;
} contexts[] = {
	{ "U", true, 0 },
	{ "U with MXR", true, SSTATUS_MXR },
	{ "S", false, 0 },
	{ "S with SUM", false, SSTATUS_SUM },
	{ "S with SUM and MXR", false, SSTATUS_SUM | SSTATUS_MXR },
};

static const struct mode {
	uint64_t number;
	const char *name;
	unsigned va_bits;
} modes[] = {
	{ SATP_MODE_BARE, "Bare", 56 },
	{ SATP_MODE_SV39, "Sv39", 39 },
	{ SATP_MODE_SV48, "Sv48", 48 },
	{ SATP_MODE_SV57, "Sv57", 57 },
};

/* Where hypervisors like to live. */
static const uint64_t known[] = {
	0xffffffc000000000, 0xffffffc080000000, 0xffffffc080200000, 0xffffffff80000000,
	0xffffffff80200000, 0xff00000000000000, 0xff00000080000000, 0xff00000080200000,
	0xffff800000000000, 0xffff800080000000, 0xffff800080200000, 0xffffffffc0000000,
	0xffffffffffe00000,
};

static uint64_t targets[SPREAD];
static unsigned target_count;

/* Besides RAM, a bare machine answers for devices and PCI's windows, where others may not. */
static bool is_somewhere(uint64_t pa)
{
	return pa < 4 * GIB || (pa >= 16 * GIB && pa < 32 * GIB);
}

static bool is_mapped(uint64_t va, const struct mode *m)
{
	if (m->number == SATP_MODE_BARE)
		return is_somewhere(va);
	return va - RAM_BASE < GIB || va - USER_RAM < GIB;
}

static bool is_edge(uint64_t va)
{
	return va + EDGE < 2 * EDGE;
}

static void add_target(uint64_t va, const struct mode *m)
{
	va &= ~7ul;
	if (target_count < SPREAD && !is_mapped(va, m) && !is_edge(va))
		targets[target_count++] = va;
}

/* The first and the last page, which an instruction can name without a register. */
static void collect_edges(const struct mode *m)
{
	target_count = 0;
	for (uint64_t at = 0; at < EDGE; at += 248) {
		targets[target_count++] = -EDGE + at;
		if (m->number != SATP_MODE_BARE)
			targets[target_count++] = at;
	}
}

/* Around each power of two from both ends, evenly over the space, and over the mode's root. */
static void collect_targets(const struct mode *m)
{
	target_count = 0;
	for (unsigned i = 0; i < COUNT(known); i++)
		add_target(known[i], m);
	for (unsigned bit = 12; bit < 64; bit++) {
		uint64_t at = 1ul << bit;

		add_target(at, m);
		add_target(at - 8, m);
		add_target(-at, m);
		add_target(-at - 8, m);
		add_target(-at + 0x200000, m);
		add_target(at | RAM_BASE | 0x200000, m);
		add_target(-at ^ (RAM_BASE | 0x200000), m);
	}
	for (uint64_t i = 0; i < 64; i += 3)
		add_target(i << 58 | i << 40 | i << 21, m);
	for (uint64_t i = 1; i < 512; i += 15)
		add_target((uint64_t)((int64_t)(i << 55) >> (64 - m->va_bits)), m);
}

static struct trap attempt(unsigned access, const struct context *c, bool translated, uint64_t va)
{
	uint64_t alias = c->user && translated ? USER_RAM - RAM_BASE : 0;
	struct frame f;

	frame_init(&f, (uint64_t)accesses[access].fn + alias);
	f.x[1] += alias;
	f.x[10] = va;
	f.sstatus = (f.sstatus & ~(SSTATUS_SUM | SSTATUS_MXR)) | c->sstatus;
	if (c->user)
		f.sstatus &= ~SSTATUS_SPP;
	run(&f);
	return (struct trap){ !run_returned(&f), f.cause, f.pc, f.tval, f.x[10] };
}

/* The first wrong answers of a test, printed after it: meanwhile no device is mapped. */
static struct wrong_answer {
	uint64_t at;
	struct trap got;
} shown[SHOWN];

static void show(unsigned wrong, unsigned access)
{
	for (unsigned i = 0; i < wrong && i < SHOWN; i++)
		print("# %s at %lx: cause %lu stval %lx value %lx\n", accesses[access].name,
		      shown[i].at, shown[i].got.taken ? shown[i].got.cause : 99,
		      shown[i].got.tval, shown[i].got.value);
}

/* How many targets don't fault as they should. */
static unsigned wrong_answers(unsigned access, const struct context *c, const struct mode *m)
{
	bool translated = m->number != SATP_MODE_BARE;
	unsigned wrong = 0;

	for (unsigned i = 0; i < target_count; i++) {
		struct trap t = attempt(access, c, translated, targets[i]);
		uint64_t want =
			translated ? accesses[access].page_fault : accesses[access].access_fault;
		uint64_t or_else = accesses[access].as_load == 0 ? want
				   : translated			 ? CAUSE_LOAD_PAGE
								 : CAUSE_LOAD_ACCESS;

		if (t.taken && (t.cause == want || t.cause == or_else) && t.tval == targets[i])
			continue;
		if (wrong < SHOWN)
			shown[wrong] = (struct wrong_answer){ targets[i], t };
		wrong++;
	}
	return wrong;
}

static void test_targets(const struct mode *m, const char *where)
{
	struct space s;

	for (unsigned c = 0; c < COUNT(contexts); c++)
		for (unsigned a = 0; a < COUNT(accesses); a++) {
			unsigned wrong;

			if (m->number != SATP_MODE_BARE) {
				s = space_new(m->number);
				space_map(&s, RAM_BASE, RAM_BASE, 2, PTE_KERNEL);
				space_map(&s, USER_RAM, RAM_BASE, 2, PTE_USER);
				space_enter(&s);
			}
			wrong = wrong_answers(a, &contexts[c], m);
			space_leave();
			show(wrong, a);
			test_is(wrong, 0, "%s: %s by %s %s", m->name, accesses[a].name,
				contexts[c].name, where);
		}
}

static void test_mode(const struct mode *m)
{
	if (m->number != SATP_MODE_BARE && !satp_mode_works(m->number)) {
		test_skip("no %s", m->name);
		return;
	}
	collect_targets(m);
	test_targets(m, "where nothing is mapped");
	collect_edges(m);
	test_targets(m, "to the first and the last page");
}

/* Physical addresses that aren't this machine's, though a host may have memory there. */
static unsigned collect_physical(uint64_t out[], unsigned max)
{
	uint64_t end = board.ram_base + board.ram_bytes;
	unsigned count = 0;

	for (uint64_t step = 0; step < 512 && count < max; step += 8)
		out[count++] = end + (step << 21);
	for (unsigned bit = 32; bit < 56 && count < max; bit++)
		if (!is_somewhere(1ul << bit)) {
			out[count++] = 1ul << bit;
			out[count++] = 1ul << bit | 0x80200000;
		}
	return count;
}

/* @level 0: a leaf to @pa; else a table of that level at @pa, reached by a pointer. */
static struct trap through_entry(unsigned level, uint64_t pa, unsigned access,
				 const struct context *c)
{
	static struct space s;
	uint64_t *entry;
	struct trap t;

	if (s.root == 0)
		s = space_new(SATP_MODE_SV39);
	space_map(&s, RAM_BASE, RAM_BASE, 2, PTE_KERNEL);
	space_map(&s, USER_RAM, RAM_BASE, 2, PTE_USER);
	entry = space_entry(&s, TEST_VA, level);
	*entry = level > 0 ? pte_make(pa, PTE_V) : pte_make(pa, c->user ? PTE_USER : PTE_KERNEL);
	space_enter(&s);
	t = attempt(access, c, true, TEST_VA);
	space_leave();
	return t;
}

/*
 * An access fault of the access's kind; QEMU calls it a page fault where it is the table that isn't
 * there (paging.c).
 */
static void test_entries(unsigned level)
{
	static uint64_t physical[128];
	unsigned count = collect_physical(physical, COUNT(physical) - 2), wrong = 0;

	for (unsigned i = 0; i < count; i++)
		for (unsigned a = 0; a < COUNT(accesses); a++)
			for (unsigned c = 0; c < COUNT(contexts); c += 2) {
				struct trap t = through_entry(level, physical[i], a, &contexts[c]);
				bool good = t.cause == accesses[a].access_fault ||
					    (a == 3 && t.cause == CAUSE_LOAD_ACCESS) ||
					    (level > 0 && t.cause == accesses[a].page_fault) ||
					    (level > 0 && a == 3 && t.cause == CAUSE_LOAD_PAGE);

				if (t.taken && good && t.tval == TEST_VA)
					continue;
				if (wrong++ < SHOWN)
					print("# %s of %lx: cause %lu stval %lx value %lx\n",
					      accesses[a].name, physical[i], t.cause, t.tval,
					      t.value);
			}
	if (level == 0)
		test_is(wrong, 0, "leaf entries to memory that isn't there");
	else
		test_is(wrong, 0, "pointers to level %u tables that aren't there", level - 1);
}

int main(void)
{
	for (unsigned i = 0; i < COUNT(modes); i++)
		test_mode(&modes[i]);
	for (unsigned level = 0; level < 3; level++)
		test_entries(level);
	return test_done();
}
