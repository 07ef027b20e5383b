/*
 * Lab 9's checks: the rest of a hypervisor, in HS-mode on bare QEMU, and a guest of a few lines of
 * assembly that says in registers what it found.
 */
#include "guests/labs/9-hypervisor/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"
#include "guests/lib/print.h"
#include "guests/lib/string.h"
#include "guests/lib/trap.h"

#define CSR_VSATP      0x280
#define CSR_HEDELEG    0x602
#define CSR_HTVAL      0x643
#define CAUSE_ECALL_VS 10

#define GUEST_CODE 0x0000000000010000ul /* where our firmware's memory isn't */
#define GUEST_DATA 0x0000000090000000ul
#define GUEST_HIGH 0x000000ff40000000ul /* 40 bits; QEMU 7.2 has no place at bit 40 */
#define GUEST_ROM  0x0000000000400000ul
#define NOTHING	   0x0000000020000000ul
#define PAGES	   8u
#define FAULTS_MAX 64u

/*
 * The guest: a word into each of eight pages, then their sum; a word to and from the page at a2;
 * the word in the page at a3; and, if a4 isn't 0, a store there.
 */
asm(".text\n"
    ".balign 4\n"
    "guest_begin:\n"
    "	mv t0, a0\n li t1, 8\n li t3, 4096\n mv t4, a1\n"
    "1:	sd t4, 0(t0)\n add t0, t0, t3\n add t4, t4, a1\n addi t1, t1, -1\n bnez t1, 1b\n"
    "	mv t0, a0\n li t1, 8\n li a5, 0\n"
    "2:	ld t4, 0(t0)\n add a5, a5, t4\n add t0, t0, t3\n addi t1, t1, -1\n bnez t1, 2b\n"
    "	sd a5, 8(a2)\n ld a6, 8(a2)\n ld a7, 0(a3)\n"
    "	beqz a4, 3f\n sd a1, 0(a4)\n"
    "3:	ecall\n"
    "guest_end:\n");
extern const char guest_begin[], guest_end[];

static uint64_t *root, *code, *data[PAGES], *high, *rom;
static uint64_t seed, htval;
static unsigned faults;
static bool gave_up;

uint64_t *given_page(void)
{
	return page_alloc();
}

uint64_t given_host_page(uint64_t gpa)
{
	gpa &= ~4095ul;
	if (gpa - GUEST_DATA < PAGES * 4096ul)
		return (uint64_t)data[(gpa - GUEST_DATA) >> 12];
	return gpa == GUEST_CODE   ? (uint64_t)code
	       : gpa == GUEST_HIGH ? (uint64_t)high
	       : gpa == GUEST_ROM  ? (uint64_t)rom
				   : 0;
}

bool given_is_writable(uint64_t gpa)
{
	return (gpa & ~4095ul) != GUEST_CODE && (gpa & ~4095ul) != GUEST_ROM;
}

/* All entries of the table are forgotten (HFENCE.GVMA), as after each change. */
static void hfence_gvma(void)
{
	asm volatile(".word 0x62000073" : : : "memory");
}

static void prepare(void)
{
	root = page_alloc();
	while ((uint64_t)root % 16384 != 0)
		root = page_alloc();
	for (unsigned i = 0; i < 3; i++)
		page_alloc();
	code = page_alloc();
	high = page_alloc();
	rom = page_alloc();
	for (unsigned i = PAGES; i-- > 0;)
		data[i] = page_alloc();
	mem_copy(code, guest_begin, (size_t)(guest_end - guest_begin));
	*rom = lab_random();
	seed = lab_random() >> 8;
	fence_i();
}

/* Into the guest, and out again at its first exception. */
static void enter(struct frame *f)
{
	uint64_t before = csr_read(CSR_HSTATUS);
	uint64_t guest = LAB_CALL(hstatus_of_guest, before, 0, 0, 0);

	hfence_gvma();
	csr_write(CSR_HSTATUS, guest);
	run(f);
	htval = csr_read(CSR_HTVAL);
	/* What runs next is ours. */
	csr_write(CSR_HSTATUS, before);
}

static bool is_guest_page_fault(uint64_t cause)
{
	return cause == CAUSE_FETCH_GUEST_PAGE || cause == CAUSE_LOAD_GUEST_PAGE ||
	       cause == CAUSE_STORE_GUEST_PAGE;
}

/* Run the guest until something else than a served fault comes. */
static struct frame run_guest(uint64_t store_to)
{
	struct frame f;

	frame_init(&f, GUEST_CODE);
	f.x[10] = GUEST_DATA;
	f.x[11] = seed;
	f.x[12] = GUEST_HIGH;
	f.x[13] = GUEST_ROM;
	f.x[14] = store_to;
	csr_write(CSR_VSATP, 0);
	csr_write(CSR_HEDELEG, 0);
	csr_write(CSR_HGATP, LAB_CALL(hgatp_of, root, 0, 0, 0));
	gave_up = false;
	for (faults = 0; faults < FAULTS_MAX; faults++) {
		enter(&f);
		if (!is_guest_page_fault(f.cause))
			return f;
		if (LAB_CALL(g_fault, root, f.cause, htval, 0) == 0) {
			gave_up = true;
			return f;
		}
	}
	print("     the guest faults again and again at guest physical %lx, scause %lu\n",
	      htval << 2, f.cause);
	return f;
}

/* The leaf for @gpa in the student's table; 0: there is none. */
static uint64_t leaf_of(uint64_t gpa)
{
	const uint64_t *table = root;

	for (unsigned level = 3; level-- > 0;) {
		uint64_t e = table[gpa >> (12 + 9 * level) & (level == 2 ? 2047 : 511)];

		if ((e & PTE_V) == 0 || (e & PTE_RWX) != 0)
			return level == 0 ? e : 0;
		table = (const uint64_t *)pte_address(e);
		if ((uint64_t)table < RAM_BASE)
			return 0;
	}
	return 0;
}

static bool maps(void)
{
	uint64_t leaf;

	prepare();
	LAB_CALL(g_map, root, GUEST_CODE, code, PTE_R | PTE_X);
	LAB_CALL(g_map, root, GUEST_HIGH, high, PTE_RWX);
	leaf = leaf_of(GUEST_CODE);
	return pte_address(leaf) == (uint64_t)code && (leaf & PTE_RWX) == (PTE_R | PTE_X) &&
	       pte_address(leaf_of(GUEST_HIGH)) == (uint64_t)high;
}

static bool enters(void)
{
	struct frame f;
	bool first_data;

	csr_write(CSR_HGATP, LAB_CALL(hgatp_of, root, 0, 0, 0));
	csr_write(CSR_VSATP, 0);
	csr_write(CSR_HEDELEG, 0);
	frame_init(&f, GUEST_CODE);
	f.x[10] = GUEST_DATA;
	enter(&f);
	first_data = f.cause == CAUSE_STORE_GUEST_PAGE && htval << 2 == GUEST_DATA;
	if (!first_data)
		print("     it came back with scause %lu, sepc %lx\n", f.cause, f.pc);
	return first_data;
}

static bool runs(void)
{
	struct frame f;
	uint64_t sum = 0;

	for (unsigned i = 0; i < PAGES; i++)
		sum += seed * (i + 1);
	f = run_guest(0);
	if (f.cause != CAUSE_ECALL_VS || f.x[15] != sum || f.x[16] != sum)
		return false;
	for (unsigned i = 0; i < PAGES; i++)
		if (*data[i] != seed * (i + 1))
			return false;
	return high[1] == sum && f.x[17] == *rom && faults == PAGES + 1;
}

static bool runs_again(void)
{
	struct frame f = run_guest(0);

	return f.cause == CAUSE_ECALL_VS && faults == 0;
}

static bool protects(void)
{
	uint64_t word = *rom;
	struct frame f = run_guest(GUEST_ROM);

	return gave_up && f.cause == CAUSE_STORE_GUEST_PAGE && *rom == word;
}

static bool stops_in_holes(void)
{
	struct frame f = run_guest(NOTHING);

	return gave_up && f.cause == CAUSE_STORE_GUEST_PAGE && leaf_of(NOTHING) == 0;
}

int main(void)
{
	static const struct step steps[] = {
		{ "g_map() puts leaves into an Sv39x4 table",
		  "as lab 1, but the root has 2048 entries: bits 40-30 choose in it", maps },
		{ "the guest executes its first instructions, and faults at its data",
		  "hgatp: mode 8 in bits 63-60, the root's page number; hstatus: SPV, and SPVP "
		  "since it is a kernel; and each G-stage leaf needs U, for the guest is U-mode to "
		  "it",
		  enters },
		{ "each page of the guest's is mapped at its first touch, and it runs to its end",
		  "the address is htval << 2; map the page that it lies in", runs },
		{ "and the second time without a fault", "what is mapped stays mapped",
		  runs_again },
		{ "a store to what isn't writable is refused",
		  "map it without W; when the store faults, give up", protects },
		{ "so is an access to nothing", "given_host_page() says 0", stops_in_holes },
	};

	return lab_steps(9, steps, sizeof(steps) / sizeof(steps[0]));
}
