/*
 * What each SBI function answers to good and bad arguments, as one table; suspend, the debug
 * console and the legacy calls, whose effects need more than a row. Harts, fences and timers at
 * work are in harts.c and timer.c.
 *
 * Invariant: two answers are accepted only where the specification leaves the choice or OpenSBI
 * deviates, which the row says. Source: SBI specification 3.0, one chapter per extension.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "guests/lib/string.h"
#include "tests/guest/tap.h"

#define HOLE	    0x18000000ul
#define NO_HART	    4096ul /* no machine here has so many */
#define EXT_UNKNOWN 0x0abcdef0ul
#define EXT_VENDOR  0x09000123ul
#define SAME	    1	      /* "no second answer" */
#define SELF	    0xffffull /* stands for this hart's id */

static const struct row {
	const char *name;
	uint64_t ext, fid, a0, a1, a2, a3, a4;
	int64_t want, or_else;
} rows[] = {
	{ "unknown extension", EXT_UNKNOWN, 0, 0, 0, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SAME },
	{ "unknown extension, other function", EXT_UNKNOWN, 7, 1, 2, 3, 0, 0, SBI_ERR_NOT_SUPPORTED,
	  SAME },
	{ "vendor extension", EXT_VENDOR, 0, 0, 0, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SAME },
	{ "unassigned legacy number", 0x0f, 0, 0, 0, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SAME },

	{ "BASE: unknown function", SBI_EXT_BASE, 7, 0, 0, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SAME },
	{ "BASE: far unknown function", SBI_EXT_BASE, 0x7fffffff, 0, 0, 0, 0, 0,
	  SBI_ERR_NOT_SUPPORTED, SAME },
	{ "BASE: get_spec_version", SBI_EXT_BASE, SBI_BASE_GET_SPEC_VERSION, 0, 0, 0, 0, 0, 0,
	  SAME },
	{ "BASE: get_impl_id", SBI_EXT_BASE, SBI_BASE_GET_IMPL_ID, 0, 0, 0, 0, 0, 0, SAME },
	{ "BASE: get_impl_version", SBI_EXT_BASE, SBI_BASE_GET_IMPL_VERSION, 0, 0, 0, 0, 0, 0,
	  SAME },
	{ "BASE: get_mvendorid", SBI_EXT_BASE, SBI_BASE_GET_MVENDORID, 0, 0, 0, 0, 0, 0, SAME },
	{ "BASE: get_marchid", SBI_EXT_BASE, SBI_BASE_GET_MARCHID, 0, 0, 0, 0, 0, 0, SAME },
	{ "BASE: get_mimpid", SBI_EXT_BASE, SBI_BASE_GET_MIMPID, 0, 0, 0, 0, 0, 0, SAME },
	{ "BASE: probe_extension", SBI_EXT_BASE, SBI_BASE_PROBE_EXTENSION, SBI_EXT_BASE, 0, 0, 0, 0,
	  0, SAME },

	{ "TIME: unknown function", SBI_EXT_TIME, 1, 0, 0, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SAME },
	{ "TIME: set_timer never", SBI_EXT_TIME, SBI_TIME_SET_TIMER, ~0ul, 0, 0, 0, 0, 0, SAME },

	{ "IPI: unknown function", SBI_EXT_IPI, 1, 0, 0, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SAME },
	{ "IPI: empty mask", SBI_EXT_IPI, SBI_IPI_SEND_IPI, 0, 0, 0, 0, 0, 0, SAME },
	{ "IPI: self", SBI_EXT_IPI, SBI_IPI_SEND_IPI, 1, SELF, 0, 0, 0, 0, SAME },
	{ "IPI: all harts by base -1", SBI_EXT_IPI, SBI_IPI_SEND_IPI, 0, ~0ul, 0, 0, 0, 0, SAME },
	{ "IPI: base beyond all harts", SBI_EXT_IPI, SBI_IPI_SEND_IPI, 1, NO_HART, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SAME },
	/* OpenSBI ignores bits without a hart as long as the base is in range. */
	{ "IPI: mask with bits beyond all harts", SBI_EXT_IPI, SBI_IPI_SEND_IPI, 1ul << 63, 0, 0, 0,
	  0, SBI_ERR_INVALID_PARAM, 0 },
	{ "IPI: base just below -1", SBI_EXT_IPI, SBI_IPI_SEND_IPI, 1, ~1ul, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SAME },

	{ "RFENCE: unknown function", SBI_EXT_RFENCE, 7, 1, SELF, 0, 0, 0, SBI_ERR_NOT_SUPPORTED,
	  SAME },
	{ "RFENCE: fence_i", SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, 1, SELF, 0, 0, 0, 0, SAME },
	{ "RFENCE: fence_i, base -1", SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, 0, ~0ul, 0, 0, 0, 0,
	  SAME },
	{ "RFENCE: fence_i, bad base", SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, 1, NO_HART, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SAME },
	{ "RFENCE: fence_i, bad mask", SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, 1ul << 63, 0, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, 0 },
	{ "RFENCE: sfence_vma, one page", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, SELF, 0x1000,
	  0x1000, 0, 0, SAME },
	{ "RFENCE: sfence_vma, 1 GiB", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, SELF, 0, 1ul << 30,
	  0, 0, SAME },
	{ "RFENCE: sfence_vma, all by 0, 0", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, SELF, 0, 0,
	  0, 0, SAME },
	{ "RFENCE: sfence_vma, all by -1", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, SELF, 0, ~0ul,
	  0, 0, SAME },
	{ "RFENCE: sfence_vma, last page", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, SELF, -4096ul,
	  4096, 0, 0, SAME },
	{ "RFENCE: sfence_vma, unaligned", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, SELF, 0x1234,
	  0x11, 0, 0, SBI_ERR_INVALID_ADDRESS },
	{ "RFENCE: sfence_vma, bad base", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, 1, NO_HART, 0, 0,
	  0, SBI_ERR_INVALID_PARAM, SAME },
	{ "RFENCE: sfence_vma_asid", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA_ASID, 1, SELF, 0x1000,
	  0x1000, 5, 0, SAME },
	{ "RFENCE: sfence_vma_asid, all", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA_ASID, 1, SELF, 0,
	  ~0ul, 0, 0, SAME },
	{ "RFENCE: sfence_vma_asid, bad base", SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA_ASID, 1,
	  NO_HART, 0, 0, 0, SBI_ERR_INVALID_PARAM, SAME },

	{ "HSM: unknown function", SBI_EXT_HSM, 4, 0, 0, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SAME },
	{ "HSM: status of this hart", SBI_EXT_HSM, SBI_HSM_HART_GET_STATUS, SELF, 0, 0, 0, 0, 0,
	  SAME },
	{ "HSM: status of no hart", SBI_EXT_HSM, SBI_HSM_HART_GET_STATUS, NO_HART, 0, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SAME },
	{ "HSM: status of hart -1", SBI_EXT_HSM, SBI_HSM_HART_GET_STATUS, ~0ul, 0, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SAME },
	{ "HSM: start no hart", SBI_EXT_HSM, SBI_HSM_HART_START, NO_HART, 0x80200000, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SAME },
	{ "HSM: start this hart", SBI_EXT_HSM, SBI_HSM_HART_START, SELF, 0x80200000, 0, 0, 0,
	  SBI_ERR_ALREADY_AVAILABLE, SAME },
	{ "HSM: start this hart in a hole", SBI_EXT_HSM, SBI_HSM_HART_START, SELF, HOLE, 0, 0, 0,
	  SBI_ERR_ALREADY_AVAILABLE, SBI_ERR_INVALID_ADDRESS },
	{ "HSM: suspend, reserved type", SBI_EXT_HSM, SBI_HSM_HART_SUSPEND, 1, 0, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SAME },
	{ "HSM: suspend, platform type", SBI_EXT_HSM, SBI_HSM_HART_SUSPEND, 0x10000000, 0, 0, 0, 0,
	  SBI_ERR_NOT_SUPPORTED, SBI_ERR_INVALID_PARAM },
	{ "HSM: suspend, reserved non-retentive type", SBI_EXT_HSM, SBI_HSM_HART_SUSPEND,
	  0x80000001, 0x80200000, 0, 0, 0, SBI_ERR_INVALID_PARAM, SAME },
	{ "HSM: suspend, platform non-retentive type", SBI_EXT_HSM, SBI_HSM_HART_SUSPEND,
	  0x90000000, 0x80200000, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SBI_ERR_INVALID_PARAM },

	{ "SRST: unknown function", SBI_EXT_SRST, 1, 0, 0, 0, 0, 0, SBI_ERR_NOT_SUPPORTED, SAME },
	/* OpenSBI answers NOT_SUPPORTED to types and reasons it does not know. */
	{ "SRST: reserved type", SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, 3, 0, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SBI_ERR_NOT_SUPPORTED },
	{ "SRST: vendor type", SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, 0xf0000000, 0, 0, 0, 0,
	  SBI_ERR_INVALID_PARAM, SBI_ERR_NOT_SUPPORTED },
	{ "SRST: reserved reason", SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, SBI_SRST_SHUTDOWN, 2, 0, 0,
	  0, SBI_ERR_INVALID_PARAM, SBI_ERR_NOT_SUPPORTED },
	{ "SRST: vendor reason", SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, SBI_SRST_SHUTDOWN, 0xf0000000,
	  0, 0, 0, SBI_ERR_INVALID_PARAM, SBI_ERR_NOT_SUPPORTED },
};

/* The hypervisor's fences: there with H, not supported without. */
static const uint64_t hfences[] = {
	SBI_RFENCE_HFENCE_GVMA_VMID,
	SBI_RFENCE_HFENCE_GVMA,
	SBI_RFENCE_HFENCE_VVMA_ASID,
	SBI_RFENCE_HFENCE_VVMA,
};

static uint64_t resolve(uint64_t argument)
{
	return argument == SELF ? board.boot_hart : argument;
}

static void test_rows(void)
{
	for (unsigned i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];
		struct sbi_ret got = sbi_call(r->ext, r->fid, resolve(r->a0), resolve(r->a1), r->a2,
					      r->a3, r->a4);

		csr_clear(CSR_SIP, 1ul << IRQ_S_SOFT);
		if (r->or_else == SAME)
			test_is((uint64_t)got.error, (uint64_t)r->want, "%s", r->name);
		else
			test_either((uint64_t)got.error, (uint64_t)r->want, (uint64_t)r->or_else,
				    "%s", r->name);
	}
	for (unsigned i = 0; i < COUNT(hfences); i++)
		test_is((uint64_t)sbi_call(SBI_EXT_RFENCE, hfences[i], 1, board.boot_hart, 0, 0, 0)
				.error,
			board_has_isa("h") ? 0 : (uint64_t)SBI_ERR_NOT_SUPPORTED,
			"RFENCE: hypervisor function %lu", hfences[i]);
}

static void test_base_values(void)
{
	static const uint64_t present[] = {
		SBI_EXT_BASE,
		SBI_EXT_TIME,
		SBI_EXT_IPI,
		SBI_EXT_RFENCE,
		SBI_EXT_HSM,
		SBI_EXT_SRST,
		SBI_LEGACY_SET_TIMER,
		SBI_LEGACY_CONSOLE_PUTCHAR,
		SBI_LEGACY_CONSOLE_GETCHAR,
		SBI_LEGACY_CLEAR_IPI,
		SBI_LEGACY_SEND_IPI,
		SBI_LEGACY_REMOTE_FENCE_I,
		SBI_LEGACY_REMOTE_SFENCE_VMA,
		SBI_LEGACY_REMOTE_SFENCE_VMA_ASID,
		SBI_LEGACY_SHUTDOWN,
	};
	uint64_t version = sbi_call(SBI_EXT_BASE, SBI_BASE_GET_SPEC_VERSION, 0, 0, 0, 0, 0).value;

	test_is(version >> 31, 0, "BASE: bit 31 and up of the version are zero");
	test_ok(version >= SBI_SPEC_VERSION(0, 3) && version < SBI_SPEC_VERSION(16, 0),
		"BASE: a version from 0.3 on: %lu.%lu", version >> 24, version & 0xffffff);
	for (unsigned i = 0; i < COUNT(present); i++)
		test_ok(sbi_probe(present[i]) != 0, "BASE: extension %lx is there", present[i]);
	test_is(sbi_probe(EXT_UNKNOWN), 0, "BASE: an unknown extension is not");
	test_is(sbi_probe(0x0f), 0, "BASE: an unassigned legacy one is not");
	test_is(sbi_hart_status(board.boot_hart).value, SBI_HSM_STARTED, "HSM: I am started");
}

static void wake_soon(void)
{
	csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
	sbi_set_timer(csr_read(CSR_TIME) + 10000);
}

static void wake_done(void)
{
	csr_write(CSR_SIE, 0);
	sbi_set_timer(UINT64_MAX);
}

static void test_suspend_retentive(void)
{
	uint64_t start = csr_read(CSR_TIME);
	struct sbi_ret got;

	wake_soon();
	got = sbi_call(SBI_EXT_HSM, SBI_HSM_HART_SUSPEND, SBI_HSM_SUSPEND_RETENTIVE, 0, 0, 0, 0);
	wake_done();
	test_is((uint64_t)got.error, 0, "HSM: retentive suspend returns");
	test_ok(csr_read(CSR_TIME) - start >= 10000, "HSM: and not before the timer");
}

/*
 * Non-retentive suspend comes back at `resumed` like a started hart, a0 the hart, a1 the caller's
 * word, translation and interrupts off, all else unknown. What C needs is kept in memory.
 */
struct suspend_record {
	uint64_t hart, word, satp, sstatus, error;
};

uint64_t suspend_non_retentive(struct suspend_record *r, uint64_t word);
asm(".balign 4\n"
    "suspend_non_retentive:\n"
    "la t0, suspend_kept\n"
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11\n sd s\\n, 8*\\n(t0)\n .endr\n"
    "sd ra, 96(t0)\n sd sp, 104(t0)\n sd tp, 112(t0)\n sd a0, 120(t0)\n"
    "mv a2, a1\n la a1, resumed\n li a0, 0x80000000\n li a6, 3\n li a7, 0x48534D\n"
    "ecall\n" /* comes back here only if refused */
    "li t1, 1\n j 1f\n"
    ".balign 4\n resumed: li t1, 0\n"
    "1: la t0, suspend_kept\n ld t2, 120(t0)\n"
    "sd a0, 0(t2)\n sd a1, 8(t2)\n csrr a0, satp\n sd a0, 16(t2)\n"
    "csrr a0, sstatus\n sd a0, 24(t2)\n sd t1, 32(t2)\n"
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11\n ld s\\n, 8*\\n(t0)\n .endr\n"
    "ld ra, 96(t0)\n ld sp, 104(t0)\n ld tp, 112(t0)\n"
    "csrw sscratch, tp\n la a0, trap_entry\n csrw stvec, a0\n csrw sie, zero\n"
    "mv a0, t1\n ret\n");
extern uint64_t suspend_kept[16];
uint64_t suspend_kept[16];

static void test_suspend_non_retentive(void)
{
	uint64_t start = csr_read(CSR_TIME), refused;
	struct suspend_record r;

	wake_soon();
	refused = suspend_non_retentive(&r, 0x1234567);
	wake_done();
	test_is(refused, 0, "HSM: non-retentive suspend starts over");
	test_is(r.hart, board.boot_hart, "HSM: with a0 the hart");
	test_is(r.word, 0x1234567, "HSM: with a1 my word");
	test_is(r.satp, 0, "HSM: with translation off");
	test_is(r.sstatus & SSTATUS_SIE, 0, "HSM: with interrupts off");
	test_ok(csr_read(CSR_TIME) - start >= 10000, "HSM: and not before the timer");
}

static void test_dbcn(void)
{
	static const char text[] = "# written through DBCN\n";
	char *page = page_alloc();
	struct sbi_ret got;

	if (sbi_probe(SBI_EXT_DBCN) == 0) {
		got = sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE, 0, 0, 0, 0, 0);
		test_is((uint64_t)got.error, (uint64_t)SBI_ERR_NOT_SUPPORTED,
			"DBCN: not there, so not supported");
		test_skip("no DBCN");
		return;
	}
	got = sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE, sizeof(text) - 1, (uint64_t)text, 0, 0,
		       0);
	test_is((uint64_t)got.error, 0, "DBCN: write");
	test_ok(got.value > 0 && got.value <= sizeof(text) - 1, "DBCN: writes %lu bytes",
		got.value);
	page_alloc(); /* the neighbour */
	mem_copy(page + 4096 - 8, text, sizeof(text) - 1);
	got = sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE, sizeof(text) - 1,
		       (uint64_t)page + 4096 - 8, 0, 0, 0);
	test_is((uint64_t)got.error, 0, "DBCN: write over two pages");
	got = sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE, 0, (uint64_t)text, 0, 0, 0);
	test_is((uint64_t)got.error, 0, "DBCN: write of nothing");
	test_is(got.value, 0, "DBCN: writes nothing");
	got = sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_READ, 16, (uint64_t)page, 0, 0, 0);
	test_is((uint64_t)got.error, 0, "DBCN: read");
	test_is(got.value, 0, "DBCN: nothing was typed");
	got = sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE_BYTE, '\n', 0, 0, 0, 0);
	test_is((uint64_t)got.error, 0, "DBCN: write_byte");
	got = sbi_call(SBI_EXT_DBCN, 3, 0, 0, 0, 0, 0);
	test_is((uint64_t)got.error, (uint64_t)SBI_ERR_NOT_SUPPORTED, "DBCN: unknown function");
	got = sbi_call(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE, 8, (uint64_t)text, 1, 0, 0);
	/* OpenSBI 1.5 calls this a failure. */
	test_either((uint64_t)got.error, (uint64_t)SBI_ERR_INVALID_PARAM,
		    (uint64_t)(on_opensbi() ? SBI_ERR_FAILED : SBI_ERR_INVALID_PARAM),
		    "DBCN: write from above 64 bits");
	/* OpenSBI has no notion of holes: to it all memory that is not its own is the kernel's. */
	if (on_opensbi()) {
		test_skip("DBCN: addresses in holes on OpenSBI");
		return;
	}
	for (unsigned function = 0; function < 2; function++) {
		static const uint64_t bad[] = { HOLE, UART_BASE, 1ul << 55, ~0ul - 4,
						RAM_BASE - 4 };

		for (unsigned i = 0; i < COUNT(bad); i++) {
			got = sbi_call(SBI_EXT_DBCN, function, 16, bad[i], 0, 0, 0);
			test_is((uint64_t)got.error, (uint64_t)SBI_ERR_INVALID_PARAM,
				"DBCN: function %u at %lx", function, bad[i]);
		}
		got = sbi_call(SBI_EXT_DBCN, function, 16, board.ram_base + board.ram_bytes - 4, 0,
			       0, 0);
		test_is((uint64_t)got.error, (uint64_t)SBI_ERR_INVALID_PARAM,
			"DBCN: function %u over the end of RAM", function);
	}
}

static int64_t legacy(uint64_t ext, uint64_t a0)
{
	return sbi_call(ext, 0, a0, 0, 0, 0, 0).error;
}

static void test_legacy(void)
{
	static const uint64_t fences[] = {
		SBI_LEGACY_REMOTE_FENCE_I,
		SBI_LEGACY_REMOTE_SFENCE_VMA,
		SBI_LEGACY_REMOTE_SFENCE_VMA_ASID,
	};
	uint64_t mask = 1ul << board.boot_hart;

	test_is((uint64_t)legacy(SBI_LEGACY_SET_TIMER, ~0ul), 0, "legacy: set_timer");
	test_is((uint64_t)(legacy(SBI_LEGACY_CONSOLE_PUTCHAR, '#') |
			   legacy(SBI_LEGACY_CONSOLE_PUTCHAR, '\n')),
		0, "legacy: console_putchar");
	test_is((uint64_t)legacy(SBI_LEGACY_CONSOLE_GETCHAR, 0), ~0ul,
		"legacy: console_getchar without input");
	test_is((uint64_t)legacy(SBI_LEGACY_SEND_IPI, (uint64_t)&mask), 0, "legacy: send_ipi");
	/* OpenSBI raises it through a device, which takes a moment. */
	while ((csr_read(CSR_SIP) & 1ul << IRQ_S_SOFT) == 0)
		;
	test_ok(true, "legacy: send_ipi arrives");
	/* "a positive value if an IPI had been pending": OpenSBI 1.1 says 0 */
	test_either((uint64_t)legacy(SBI_LEGACY_CLEAR_IPI, 0), 1, 0, "legacy: clear_ipi");
	csr_clear(CSR_SIP, 1ul << IRQ_S_SOFT);
	test_is(csr_read(CSR_SIP) & 1ul << IRQ_S_SOFT, 0, "legacy: the IPI is cleared");
	for (unsigned i = 0; i < COUNT(fences); i++)
		test_is((uint64_t)legacy(fences[i], (uint64_t)&mask), 0, "legacy: fence %lx",
			fences[i]);
}

/* A call is one whatever stvec holds; here it leads nowhere, since nothing is mapped there. */
static void test_call_without_handler(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	uint64_t stvec = csr_read(CSR_STVEC);
	struct sbi_ret r;

	space_enter(&s);
	csr_write(CSR_STVEC, 0x3000000000ul);
	r = sbi_call(SBI_EXT_BASE, SBI_BASE_GET_SPEC_VERSION, 0, 0, 0, 0, 0);
	csr_write(CSR_STVEC, stvec);
	space_leave();
	test_is((uint64_t)r.error, SBI_SUCCESS, "a call while stvec leads nowhere");
}

int main(void)
{
	test_base_values();
	test_rows();
	test_suspend_retentive();
	test_suspend_non_retentive();
	test_dbcn();
	test_legacy();
	test_call_without_handler();
	return test_done();
}
