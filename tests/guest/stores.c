/*
 * Stores of every kind to page tables of every level, aligned and not, over the edges of tables.
 *
 * Invariant: each change is followed by the fence that the spec asks for; then accesses must follow
 * the new table, and its words must be what was stored. Read next: store.S, the stores themselves;
 * tables.c, for tables in odd places.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "tests/guest/numbered.h"
#include "tests/guest/store.h"
#include "tests/guest/tap.h"

#define TEST_VA	 0x1000000000ul
#define OTHER_VA (TEST_VA + (1ul << 30)) /* under another entry of the root */
#define USER_RAM 0x2000000000ul		 /* all RAM once more, for U */

/* Two pages that are neighbours in memory, too. */
static uint64_t *two_pages(void)
{
	uint64_t *first = page_alloc(), *second = page_alloc();

	while (second != first + 512) {
		first = second;
		second = page_alloc();
	}
	return first;
}

/* --- every kind of store --- */

/* How a value gets into memory: what must stand there before, and what is stored to it. */
enum way { PLAIN, ADD, XOR, AND, OR, MIN, MAX, MINU, MAXU };

static const struct kind {
	const char *name;
	code_fn *fn;
	unsigned bytes;
	enum way way;
	const char *isa;
} kinds[] = {
	{ "sb", store_sb, 1, PLAIN, 0 },
	{ "sh", store_sh, 2, PLAIN, 0 },
	{ "sw", store_sw, 4, PLAIN, 0 },
	{ "sd", store_sd, 8, PLAIN, 0 },
	{ "c.sw", store_c_sw, 4, PLAIN, 0 },
	{ "c.sd", store_c_sd, 8, PLAIN, 0 },
	{ "c.swsp", store_c_swsp, 4, PLAIN, 0 },
	{ "c.sdsp", store_c_sdsp, 8, PLAIN, 0 },
	{ "amoswap.w", store_amoswap_w, 4, PLAIN, 0 },
	{ "amoadd.w", store_amoadd_w, 4, ADD, 0 },
	{ "amoxor.w", store_amoxor_w, 4, XOR, 0 },
	{ "amoand.w", store_amoand_w, 4, AND, 0 },
	{ "amoor.w", store_amoor_w, 4, OR, 0 },
	{ "amomin.w", store_amomin_w, 4, MIN, 0 },
	{ "amomax.w", store_amomax_w, 4, MAX, 0 },
	{ "amominu.w", store_amominu_w, 4, MINU, 0 },
	{ "amomaxu.w", store_amomaxu_w, 4, MAXU, 0 },
	{ "amoswap.d", store_amoswap_d, 8, PLAIN, 0 },
	{ "amoadd.d", store_amoadd_d, 8, ADD, 0 },
	{ "amoxor.d", store_amoxor_d, 8, XOR, 0 },
	{ "amoand.d", store_amoand_d, 8, AND, 0 },
	{ "amoor.d", store_amoor_d, 8, OR, 0 },
	{ "amomin.d", store_amomin_d, 8, MIN, 0 },
	{ "amomax.d", store_amomax_d, 8, MAX, 0 },
	{ "amominu.d", store_amominu_d, 8, MINU, 0 },
	{ "amomaxu.d", store_amomaxu_d, 8, MAXU, 0 },
	{ "lr.w, sc.w", store_sc_w, 4, PLAIN, 0 },
	{ "lr.d, sc.d", store_sc_d, 8, PLAIN, 0 },
	{ "fsw", store_fsw, 4, PLAIN, 0 },
	{ "fsd", store_fsd, 8, PLAIN, 0 },
	{ "c.fsd", store_c_fsd, 8, PLAIN, 0 },
	{ "c.fsdsp", store_c_fsdsp, 8, PLAIN, 0 },
	{ "vse64.v", store_vse64, 8, PLAIN, "v" },
	{ "vse8.v", store_vse8, 8, PLAIN, "v" },
	{ "vse16.v", store_vse16, 8, PLAIN, "v" },
	{ "vse32.v", store_vse32, 8, PLAIN, "v" },
	{ "vsse16.v", store_vsse16, 8, PLAIN, "v" },
	{ "vsse32.v backwards", store_vsse32, 8, PLAIN, "v" },
	{ "vsuxei64.v", store_vsuxei64, 8, PLAIN, "v" },
	{ "vsoxei8.v", store_vsoxei8, 8, PLAIN, "v" },
	{ "vsseg2e32.v", store_vsseg2e32, 8, PLAIN, "v" },
	{ "vsm.v", store_vsm, 8, PLAIN, "v" },
	{ "vs1r.v", store_vs1r, 8, PLAIN, "v" },
	{ "vse8.v masked", store_masked, 8, PLAIN, "v" },
	{ "vse8.v from vstart on", store_vstart, 8, PLAIN, "v" },
};

/* What must stand in memory, so that the store of operand() leaves @want there. */
static uint64_t before(enum way way)
{
	static const uint64_t words[] = {
		[AND] = ~0ul,
		[MIN] = 0x7fffffff7fffffff,
		[MINU] = ~0ul,
		[ADD] = 0x0123456789abcdec,
		[XOR] = 0xfedcba9876543210,
		[MAXU] = 0,
	};

	return words[way];
}

static uint64_t operand(const struct kind *k, uint64_t want)
{
	/* With 4 bytes each half is an operation of its own: no carry from one to the other. */
	switch (k->way) {
	case ADD:
		return want - (k->bytes == 4 ? before(ADD) & 0xffffffff : before(ADD));
	case XOR:
		return want ^ (k->bytes == 4 ? before(XOR) & 0xffffffff : before(XOR));
	case PLAIN:
	case AND:
	case OR:
	case MIN:
	case MAX:
	case MINU:
	case MAXU:
		break;
	}
	return want;
}

static void prepare_store(struct frame *f, code_fn *fn, bool user, uint64_t at, uint64_t value)
{
	uint64_t alias = user ? USER_RAM - RAM_BASE : 0;

	frame_init(f, (uint64_t)fn + alias);
	f->x[1] += alias;
	f->x[10] = at + alias;
	f->x[11] = value;
	f->sstatus |= SSTATUS_FS_DIRTY | (board_has_isa("v") ? SSTATUS_VS : 0);
	if (user)
		f->sstatus &= ~SSTATUS_SPP;
}

/* Run a store in S-mode, or in U-mode through USER_RAM. Returns whether it trapped. */
static bool store_by(code_fn *fn, bool user, uint64_t at, uint64_t value)
{
	struct frame f;

	prepare_store(&f, fn, user, at, value);
	run(&f);
	return !(f.cause == CAUSE_BREAKPOINT &&
		 f.pc == run_end_address() + (user ? USER_RAM - RAM_BASE : 0));
}

/* Bring @want to @at with stores of one kind, as many as its width needs. */
static bool store_word(const struct kind *k, bool user, uint64_t *at, uint64_t want)
{
	bool trapped = false;

	*at = before(k->way);
	if (k->bytes == 4 && (k->way == ADD || k->way == XOR))
		*at &= 0xffffffff;
	sfence_vma();
	look(TEST_VA);
	if (k->bytes == 8)
		return store_by(k->fn, user, (uint64_t)at, operand(k, want));
	for (unsigned i = 0; i < 8; i += k->bytes)
		trapped |= store_by(k->fn, user, (uint64_t)at + i,
				    i == 0 ? operand(k, want) : want >> (8 * i));
	return trapped;
}

/* The entry of TEST_VA at @level leads to page 1, then, after one store, to page 2. */
static void test_kind(const struct kind *k, unsigned level, bool user)
{
	struct space s = space_identity(SATP_MODE_SV39), t = space_identity(SATP_MODE_SV39);
	uint64_t *entry = space_entry(&s, TEST_VA, level), want, got;
	bool trapped, first;

	space_map(&s, TEST_VA, (uint64_t)numbered[1], 0, PTE_KERNEL);
	space_map(&s, USER_RAM, RAM_BASE, 2, PTE_USER);
	space_map(&t, TEST_VA, (uint64_t)numbered[2], 0, PTE_KERNEL);
	want = *space_entry(&t, TEST_VA, level);
	space_enter(&s);
	first = look(TEST_VA) == 1;
	trapped = store_word(k, user, entry, want);
	sfence_vma();
	got = look(TEST_VA);
	space_leave();
	test_ok(first && !trapped && got == 2 && *entry == want, "%s by %c to a level %u entry",
		k->name, user ? 'U' : 'S', level);
}

static void test_kinds(void)
{
	for (unsigned i = 0; i < COUNT(kinds); i++) {
		if (kinds[i].isa != 0 && !board_has_isa(kinds[i].isa)) {
			test_skip("%s: no %s", kinds[i].name, kinds[i].isa);
			continue;
		}
		for (unsigned level = 0; level < 3; level++)
			test_kind(&kinds[i], level, false);
		test_kind(&kinds[i], 0, true);
	}
}

/* --- stores that aren't aligned --- */

static const struct {
	const char *name;
	code_fn *fn;
	unsigned bytes;
} plain[] = {
	{ "sh", store_sh, 2 },	   { "sw", store_sw, 4 },	  { "sd", store_sd, 8 },
	{ "c.sw", store_c_sw, 4 }, { "c.sdsp", store_c_sdsp, 8 }, { "fsw", store_fsw, 4 },
	{ "fsd", store_fsd, 8 },   { "c.fsd", store_c_fsd, 8 },
};

/* What lies at @at, read with loads that fault nowhere. */
static uint64_t bytes_at(uint64_t at, unsigned count)
{
	uint64_t value = 0;

	while (count-- > 0)
		value = value << 8 | ((volatile uint8_t *)at)[count];
	return value;
}

/*
 * The bytes of two neighbouring entries change from those of pages 1 and 2 to those of 3 and 1,
 * piece by piece, each piece begun at an odd offset. @first: of the two entries; @va: what they
 * map.
 */
static unsigned rewrite_misaligned(unsigned i, uint64_t *first, uint64_t va[2])
{
	uint64_t new_words[4] = { 0, leaf(3), leaf(1), 0 };
	unsigned wrong = 0, bytes = plain[i].bytes;

	for (unsigned skew = 1; skew < 8; skew++) {
		uint64_t at = (uint64_t)first - skew, end = (uint64_t)first + 16;

		first[0] = leaf(1);
		first[1] = leaf(2);
		sfence_vma();
		wrong += look(va[0]) != 1 || look(va[1]) != 2;
		new_words[0] = first[-1];
		new_words[3] = first[2];
		for (; at < end; at += bytes)
			wrong += store_by(
				plain[i].fn, false, at,
				bytes_at((uint64_t)new_words + 8 + at - (uint64_t)first, bytes));
		sfence_vma();
		wrong += look(va[0]) != 3 || look(va[1]) != 1;
		wrong += first[0] != leaf(3) || first[1] != leaf(1);
		wrong += first[-1] != new_words[0] || first[2] != new_words[3];
	}
	return wrong;
}

static void test_misaligned(void)
{
	for (unsigned i = 0; i < COUNT(plain); i++) {
		struct space s = space_identity(SATP_MODE_SV39);
		uint64_t va[2] = { TEST_VA + 5 * 4096, TEST_VA + 6 * 4096 };
		uint64_t *first = space_entry(&s, va[0], 0);
		unsigned wrong;

		space_enter(&s);
		wrong = rewrite_misaligned(i, first, va);
		space_leave();
		test_is(wrong, 0, "misaligned %s within a table", plain[i].name);
	}
}

/* Two tables that are neighbours: a store may change the last entry of one, the first of the next.
 */
static void test_two_tables(void)
{
	for (unsigned i = 0; i < COUNT(plain); i++) {
		struct space s = space_identity(SATP_MODE_SV39);
		uint64_t *pair = two_pages();
		uint64_t va[2] = { TEST_VA + 511 * 4096, OTHER_VA };
		unsigned wrong;

		*space_entry(&s, TEST_VA, 1) = pte_make((uint64_t)pair, PTE_V);
		*space_entry(&s, OTHER_VA, 1) = pte_make((uint64_t)(pair + 512), PTE_V);
		space_enter(&s);
		wrong = rewrite_misaligned(i, &pair[511], va);
		space_leave();
		test_is(wrong, 0, "misaligned %s from one table into the next", plain[i].name);
	}
}

/* A table's neighbour is data: before it (the store ends in the table), or behind it. */
static void test_table_and_data(void)
{
	for (unsigned data_first = 0; data_first < 2; data_first++) {
		struct space s = space_identity(SATP_MODE_SV39);
		uint64_t *pair = two_pages(), *table = pair + (data_first ? 512 : 0);
		uint64_t va = TEST_VA + (data_first ? 0 : 511 * 4096);
		uint64_t *entry = data_first ? table : &table[511], word;
		unsigned wrong = 0;

		*space_entry(&s, TEST_VA, 1) = pte_make((uint64_t)table, PTE_V);
		space_enter(&s);
		for (unsigned n = 1; n < 4; n++) {
			/* The low half of an entry is all of it, while RAM is below 4 TiB. */
			*entry = leaf(n % 3 + 1);
			sfence_vma();
			wrong += look(va) != n % 3 + 1;
			if (data_first)
				wrong += store_by(store_sd, false, (uint64_t)entry - 4,
						  leaf(n) << 32 | n);
			else
				wrong += store_by(store_sw, false, (uint64_t)entry, leaf(n)) ||
					 store_by(store_sd, false, (uint64_t)entry + 4,
						  (uint64_t)n << 32);
			sfence_vma();
			word = data_first ? pair[511] >> 32 : pair[512] & 0xffffffff;
			wrong += look(va) != n || *entry != leaf(n) || word != n;
		}
		space_leave();
		test_is(wrong, 0, "a store over the edge %s",
			data_first ? "from data into a table" : "from a table into data");
	}
}

static void test_two_tables_by_vector(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *pair = two_pages();
	bool trapped;

	if (!board_has_isa("v")) {
		test_skip("a vector store over two tables: no v");
		return;
	}
	*space_entry(&s, TEST_VA, 1) = pte_make((uint64_t)pair, PTE_V);
	*space_entry(&s, OTHER_VA, 1) = pte_make((uint64_t)(pair + 512), PTE_V);
	space_enter(&s);
	look(TEST_VA + 511 * 4096);
	look(OTHER_VA);
	trapped = store_by(store_vse64_two, false, (uint64_t)&pair[511], leaf(3));
	sfence_vma();
	test_ok(!trapped && look(TEST_VA + 511 * 4096) == 3 && look(OTHER_VA) == 3,
		"a vector store over two tables");
	space_leave();
}

/* --- over the edge to a page that doesn't take it --- */

#define EDGE_VA (TEST_VA + (2ul << 30)) /* two pages, one of them a table */
#define CSR_VSTART 0x008

/* One of the two pages, the @refused-th, has @flags; the other one is a table. */
static void test_refused(unsigned refused, uint64_t flags, const char *name)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *table = page_alloc(), edge = EDGE_VA + 4096, word;
	uint64_t *entry = refused ? &table[511] : table;
	unsigned wrong = 0;

	space_map(&s, EDGE_VA, refused ? (uint64_t)table : (uint64_t)numbered[2], 0, PTE_KERNEL);
	space_map(&s, edge, refused ? (uint64_t)numbered[2] : (uint64_t)table, 0, PTE_KERNEL);
	*space_entry(&s, refused ? edge : EDGE_VA, 0) = pte_make((uint64_t)numbered[2], flags);
	*space_entry(&s, TEST_VA, 1) = pte_make((uint64_t)table, PTE_V);
	*entry = word = leaf(3);
	space_enter(&s);
	for (unsigned i = 0; i < COUNT(plain); i++)
		for (unsigned before = 1; before < plain[i].bytes; before++) {
			uint64_t at = edge - before;
			struct frame f;

			wrong += look(TEST_VA + (refused ? 511 * 4096 : 0)) != 3;
			prepare_store(&f, plain[i].fn, false, at, ~0ul);
			run(&f);
			wrong += f.cause != CAUSE_STORE_PAGE || f.tval != (refused ? edge : at);
			wrong += *entry != word;
		}
	space_leave();
	test_is(wrong, 0, "over the edge of a table, where the %s page is %s",
		refused ? "second" : "first", name);
}

/* Two elements, of which the second's page is mapped when it has faulted. */
static void test_vector_resumes(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t *table = page_alloc(), edge = EDGE_VA + 4096, vstart;
	struct frame f;
	bool faulted;

	if (!board_has_isa("v")) {
		test_skip("a vector store that faults in its middle: no v");
		return;
	}
	space_map(&s, EDGE_VA, (uint64_t)table, 0, PTE_KERNEL);
	space_map(&s, edge, 0, 0, 0);
	*space_entry(&s, TEST_VA, 1) = pte_make((uint64_t)table, PTE_V);
	table[511] = leaf(3);
	space_enter(&s);
	look(TEST_VA + 511 * 4096);
	prepare_store(&f, store_vse64_two, false, edge - 8, leaf(1));
	run(&f);
	faulted = f.cause == CAUSE_STORE_PAGE && f.tval == edge && table[511] == leaf(1);
	csr_set(CSR_SSTATUS, SSTATUS_VS);
	vstart = csr_read(CSR_VSTART);
	space_map(&s, edge, (uint64_t)numbered[2], 0, PTE_KERNEL);
	sfence_vma();
	run(&f);
	test_ok(faulted && vstart == 1 && run_returned(&f) && *numbered[2] == leaf(1) &&
			look(TEST_VA + 511 * 4096) == 1,
		"a vector store that faults in its middle, and goes on there");
	*numbered[2] = 2;
	space_leave();
}

int main(void)
{
	numbered_init();
	test_kinds();
	test_misaligned();
	test_two_tables();
	test_table_and_data();
	test_two_tables_by_vector();
	test_refused(1, 0, "not mapped");
	test_refused(1, PTE_KERNEL & ~(PTE_W | PTE_D), "read-only");
	test_refused(0, 0, "not mapped");
	test_refused(0, PTE_KERNEL & ~(PTE_W | PTE_D), "read-only");
	test_vector_resumes();
	return test_done();
}
