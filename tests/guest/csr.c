/*
 * Supervisor CSRs: which bits can be written, what reads back, who may access what; vectored traps.
 *
 * Invariant: registers that the kit needs (sstatus, stvec, sscratch, satp) are put back before the
 * next trap can come. Source: privileged spec, chapter "Supervisor-Level ISA", WARL and WLRL
 * fields.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/sbi.h"
#include "tests/guest/insn.h"
#include "tests/guest/tap.h"

#define SSTATUS_WRITABLE                                                                           \
	(SSTATUS_SIE | SSTATUS_SPIE | SSTATUS_SPP | SSTATUS_FS | SSTATUS_SUM | SSTATUS_MXR)
/* May be there or read as zero: UBE, vector and accelerator state, SPELP and SDT of later specs. */
#define SSTATUS_OPTIONAL (SSTATUS_UBE | SSTATUS_VS | 3ul << 15 | 1ul << 23 | 1ul << 24)
#define SIP_SUPERVISOR	 (1ul << IRQ_S_SOFT | 1ul << IRQ_S_TIMER | 1ul << IRQ_S_EXT)
#define SIP_LCOF	 (1ul << 13) /* Sscofpmf */
#define SENVCFG_KNOWN	 (1ul | 3ul << 2 | 3ul << 4 | 1ul << 6 | 1ul << 7 | 3ul << 32)

static void test_sstatus(void)
{
	uint64_t old = csr_read(CSR_SSTATUS), ones, zeros;

	csr_write(CSR_SIE, 0);
	csr_write(CSR_SSTATUS, ~0ul);
	ones = csr_read(CSR_SSTATUS);
	csr_write(CSR_SSTATUS, 0);
	zeros = csr_read(CSR_SSTATUS);
	csr_write(CSR_SSTATUS, old);
	test_is(ones & SSTATUS_WRITABLE, SSTATUS_WRITABLE,
		"sstatus: SIE SPIE SPP FS SUM MXR stick");
	test_is(ones & ~(SSTATUS_WRITABLE | SSTATUS_OPTIONAL | SSTATUS_UXL), SSTATUS_SD,
		"sstatus: the rest reads as zero, but for SD");
	test_is(zeros & ~SSTATUS_UXL, 0, "sstatus: zeros stick, SD included");
	test_ok((ones & SSTATUS_UXL) != 0 && (zeros & SSTATUS_UXL) != 0,
		"sstatus: UXL never holds the reserved 0");
	test_is(old & SSTATUS_UXL, SSTATUS_UXL_64, "sstatus: UXL is 64 at start");
}

/* Write, read back; sscratch belongs to the kit, so it is put back at once. */
static uint64_t hold_sscratch(uint64_t value)
{
	uint64_t kept = csr_read(CSR_SSCRATCH), got;

	csr_write(CSR_SSCRATCH, value);
	got = csr_read(CSR_SSCRATCH);
	csr_write(CSR_SSCRATCH, kept);
	return got;
}

static uint64_t hold_sepc(uint64_t value)
{
	csr_write(CSR_SEPC, value);
	return csr_read(CSR_SEPC);
}

static uint64_t hold_stval(uint64_t value)
{
	csr_write(CSR_STVAL, value);
	return csr_read(CSR_STVAL);
}

static uint64_t hold_scause(uint64_t value)
{
	csr_write(CSR_SCAUSE, value);
	return csr_read(CSR_SCAUSE);
}

static void test_plain_registers(void)
{
	static const struct {
		const char *name;
		uint64_t (*hold)(uint64_t value);
		uint64_t ignored;
	} rows[] = {
		{ "sscratch", hold_sscratch, 0 },
		{ "sepc", hold_sepc, 1 }, /* bit 0 is always zero; QEMU 7.2 keeps it */
		{ "stval", hold_stval, 0 },
	};
	static const uint64_t patterns[] = {
		0, 0x80200000, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0xffffffc000000000, ~0ul,
	};

	for (unsigned i = 0; i < COUNT(rows); i++)
		for (unsigned p = 0; p < COUNT(patterns); p++)
			test_is(rows[i].hold(patterns[p]) & ~rows[i].ignored,
				patterns[p] & ~rows[i].ignored, "%s holds %lx", rows[i].name,
				patterns[p]);
}

/* scause is WLRL: it must hold every cause that can occur. */
static void test_scause(void)
{
	static const uint64_t causes[] = {
		0,
		1,
		2,
		3,
		4,
		5,
		6,
		7,
		8,
		9,
		12,
		13,
		15,
		CAUSE_INTERRUPT | IRQ_S_SOFT,
		CAUSE_INTERRUPT | IRQ_S_TIMER,
		CAUSE_INTERRUPT | IRQ_S_EXT,
	};

	for (unsigned i = 0; i < COUNT(causes); i++)
		test_is(hold_scause(causes[i]), causes[i], "scause holds %lx", causes[i]);
}

static void test_stvec(void)
{
	uint64_t old = csr_read(CSR_STVEC);

	for (uint64_t mode = 0; mode < 4; mode++) {
		uint64_t got;

		csr_write(CSR_STVEC, 0x80201000 | mode);
		got = csr_read(CSR_STVEC);
		csr_write(CSR_STVEC, old);
		if (mode < 2)
			test_is(got, 0x80201000 | mode, "stvec holds mode %lu", mode);
		else
			test_ok((got & 3) < 2, "stvec doesn't hold reserved mode %lu", mode);
	}
}

static void test_satp(void)
{
	struct space s = space_identity(SATP_MODE_SV39);

	space_enter(&s);
	for (uint64_t mode = 1; mode < 16; mode++) {
		uint64_t got;

		if (mode >= SATP_MODE_SV39 && mode <= SATP_MODE_SV57)
			continue;
		csr_write(CSR_SATP, mode << SATP_MODE_SHIFT | 1);
		got = csr_read(CSR_SATP);
		test_is(got, space_satp(&s, 0), "satp ignores reserved mode %lu altogether", mode);
	}
	space_leave();
	test_is(csr_read(CSR_SATP), 0, "satp holds Bare");
}

static void test_interrupt_registers(void)
{
	uint64_t got;

	csr_write(CSR_SIE, ~0ul);
	got = csr_read(CSR_SIE);
	csr_write(CSR_SIE, 0);
	test_is(got & SIP_SUPERVISOR, SIP_SUPERVISOR, "sie: SSIE STIE SEIE stick");
	test_is(got & ~(SIP_SUPERVISOR | SIP_LCOF), 0, "sie: nothing else sticks");
	test_is(csr_read(CSR_SIE), 0, "sie: zeros stick");

	test_is(csr_read(CSR_SIP) & SIP_SUPERVISOR, 0, "sip: nothing is pending");
	csr_write(CSR_SIP, ~0ul);
	got = csr_read(CSR_SIP);
	test_is(got & ~SIP_LCOF, 1ul << IRQ_S_SOFT, "sip: of all bits only SSIP can be set");
	csr_write(CSR_SIP, 0);
	test_is(csr_read(CSR_SIP), 0, "sip: SSIP can be cleared");
}

static void test_senvcfg(void)
{
	struct trap t = probe_insn(insn_csr(CSR_OP_RS, 10, CSR_SENVCFG, 0), 0, 0);
	uint64_t got;

	test_ok(!t.taken, "senvcfg exists");
	if (t.taken)
		return;
	probe_insn(insn_csr(CSR_OP_RW, 0, CSR_SENVCFG, 10), ~0ul, 0);
	got = probe_insn(insn_csr(CSR_OP_RS, 10, CSR_SENVCFG, 0), 0, 0).value;
	probe_insn(insn_csr(CSR_OP_RW, 0, CSR_SENVCFG, 10), 0, 0);
	test_is(got & ~SENVCFG_KNOWN, 0, "senvcfg: reserved bits read as zero");
	test_is(probe_insn(insn_csr(CSR_OP_RS, 10, CSR_SENVCFG, 0), 0, 0).value, 0,
		"senvcfg: zeros stick");
}

/*
 * U-mode counters are S-mode's to give. A guest whose scounteren bit is 0 gets an illegal
 * instruction; OpenSBI emulates rdtime for U-mode all the same, so that one may succeed on it.
 */
static void test_counters(void)
{
	static const char *const names[] = { "cycle", "time", "instret" };
	uint64_t old = csr_read(CSR_SCOUNTEREN);

	for (uint32_t i = 0; i < COUNT(names); i++) {
		uint32_t read = insn_csr(CSR_OP_RS, 10, CSR_CYCLE + i, 0);
		struct trap first = probe_insn(read, 0, 0), second = probe_insn(read, 0, 0), t;

		test_ok(!first.taken && !second.taken && second.value >= first.value,
			"%s in S: doesn't go back", names[i]);
		csr_write(CSR_SCOUNTEREN, 1ul << i);
		test_is(csr_read(CSR_SCOUNTEREN), 1ul << i, "scounteren: holds the bit of %s",
			names[i]);
		first = probe_insn(read, 0, 0);
		t = probe_insn_user(read, 0, 0);
		test_ok(!t.taken && t.value >= first.value, "%s in U: allowed", names[i]);
		csr_write(CSR_SCOUNTEREN, 7 & ~(1ul << i));
		t = probe_insn_user(read, 0, 0);
		test_ok((t.taken && t.cause == CAUSE_ILLEGAL && (t.tval == 0 || t.tval == read)) ||
				(!t.taken && CSR_CYCLE + i == CSR_TIME && on_opensbi()),
			"%s in U: forbidden", names[i]);
		test_ok(!probe_insn(read, 0, 0).taken, "%s in S: allowed whatever scounteren says",
			names[i]);
	}
	csr_write(CSR_SCOUNTEREN, old);
}

static void test_time_advances(void)
{
	uint64_t start = csr_read(CSR_TIME), cycle = csr_read(CSR_CYCLE);
	uint64_t instret = csr_read(CSR_INSTRET);

	while (csr_read(CSR_TIME) - start < 1000)
		;
	test_ok(csr_read(CSR_CYCLE) > cycle, "cycle advances");
	test_ok(csr_read(CSR_INSTRET) > instret, "instret advances");
}

/* Accesses that are illegal by number, by privilege or by being writes. */
static void test_illegal_accesses(void)
{
	static const struct {
		const char *name;
		uint32_t insn;
		bool user;
		const char *unless_isa;
	} rows[] = {
		{ "write cycle", 0xc0051073, false, 0 },
		{ "write time", 0xc0151073, false, 0 },
		{ "set bits of instret", 0xc0256573, false, 0 },
		{ "read mstatus", 0x30002573, false, 0 },
		{ "write mtvec", 0x30551073, false, 0 },
		{ "read mhartid", 0xf1402573, false, 0 },
		{ "read pmpcfg0", 0x3a002573, false, 0 },
		{ "read medeleg", 0x30202573, false, 0 },
		{ "read a CSR that isn't there (5c0)", 0x5c002573, false, 0 },
		{ "read a CSR that isn't there (1ff)", 0x1ff02573, false, 0 },
		{ "read dcsr", 0x7b002573, false, 0 },
		{ "read hstatus", 0x60002573, false, "h" },
		{ "read hgatp", 0x68002573, false, "h" },
		{ "read hvip", 0x64502573, false, "h" },
		{ "write vsatp", 0x28051073, false, "h" },
		{ "read vsstatus", 0x20002573, false, "h" },
		{ "read vstimecmp", 0x24d02573, false, "h" },
		{ "read stimecmp", 0x14d02573, false, "sstc" },
		{ "read vstart", 0x00802573, false, "v" },
		{ "read vlenb", 0xc2202573, false, "v" },
		{ "read sstatus in U", 0x10002573, true, 0 },
		{ "write satp in U", 0x18051073, true, 0 },
		{ "read satp in U", 0x18002573, true, 0 },
		{ "write sscratch in U", 0x14051073, true, 0 },
		{ "read sip in U", 0x14402573, true, 0 },
		{ "read stimecmp in U", 0x14d02573, true, 0 },
		{ "read mhartid in U", 0xf1402573, true, 0 },
	};

	for (unsigned i = 0; i < COUNT(rows); i++) {
		struct trap t;

		if (rows[i].unless_isa != 0 && board_has_isa(rows[i].unless_isa)) {
			test_skip("%s: this core has it", rows[i].name);
			continue;
		}
		t = rows[i].user ? probe_insn_user(rows[i].insn, 0, 0)
				 : probe_insn(rows[i].insn, 0, 0);
		test_is(t.taken ? t.cause : 99, CAUSE_ILLEGAL, "%s: scause", rows[i].name);
		test_either(t.tval, rows[i].insn, 0, "%s: stval", rows[i].name);
	}
}

/* Reading a read-only CSR with the instruction forms that don't write is no write. */
static void test_read_forms(void)
{
	test_ok(!probe_insn(insn_csr(CSR_OP_RS, 10, CSR_TIME, 0), 0, 0).taken, "csrrs time, x0");
	test_ok(!probe_insn(insn_csr(CSR_OP_RC, 10, CSR_TIME, 0), 0, 0).taken, "csrrc time, x0");
	test_ok(!probe_insn(insn_csr(CSR_OP_RS, 0, CSR_TIME, 0), 0, 0).taken, "csrrs x0, time, x0");
	test_ok(probe_insn(insn_csr(CSR_OP_RWI, 0, CSR_TIME, 0), 0, 0).taken, "csrrwi time is not");
}

static void test_stimecmp(void)
{
	static const uint64_t values[] = { ~0ul, 1ul << 62, 0x7fffffffffffffff };

	if (!board_has_isa("sstc")) {
		test_skip("no Sstc");
		return;
	}
	for (unsigned i = 0; i < COUNT(values); i++) {
		csr_write(CSR_STIMECMP, values[i]);
		test_is(csr_read(CSR_STIMECMP), values[i], "stimecmp holds %lx", values[i]);
	}
	csr_write(CSR_STIMECMP, ~0ul);
}

/*
 * Vectored mode: interrupt n arrives at BASE + 4n, exceptions at BASE. Each entry leads to a stub
 * that knows its number; `arrived` notes it, turns interrupts off and goes on behind an exception's
 * ebreak. No register is changed, for an interrupt comes anywhere.
 */
asm(".balign 256\n"
    "vectors: .option push\n .option norvc\n"
    ".altmacro\n"
    ".macro vector_entry n\n j vector_stub_\\n\n .endm\n"
    ".macro vector_stub n\n vector_stub_\\n: addi sp, sp, -16\n sd t0, 0(sp)\n li t0, \\n\n"
    " j arrived\n .endm\n"
    ".set i, 0\n .rept 16\n vector_entry %i\n .set i, i + 1\n .endr\n"
    ".set i, 0\n .rept 16\n vector_stub %i\n .set i, i + 1\n .endr\n"
    ".noaltmacro\n"
    ".option pop\n"
    "arrived: sd t1, 8(sp)\n"
    "la t1, vector_seen\n sd t0, 0(t1)\n"
    "csrw sie, zero\n"
    "csrr t0, scause\n bltz t0, 1f\n"
    "csrr t0, sepc\n addi t0, t0, 4\n csrw sepc, t0\n"
    "1: ld t0, 0(sp)\n ld t1, 8(sp)\n addi sp, sp, 16\n sret\n");
extern char vectors[];
extern volatile uint64_t vector_seen;
volatile uint64_t vector_seen;

static uint64_t arrives_at(void (*cause)(void))
{
	uint64_t old = csr_read(CSR_STVEC);

	vector_seen = 99;
	csr_write(CSR_STVEC, (uint64_t)vectors | 1);
	csr_write(CSR_SIE, SIP_SUPERVISOR);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	cause();
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	csr_write(CSR_SIE, 0);
	csr_write(CSR_STVEC, old);
	csr_clear(CSR_SIP, 1ul << IRQ_S_SOFT);
	sbi_set_timer(UINT64_MAX);
	return vector_seen;
}

static void cause_ebreak(void)
{
	asm volatile(".option push\n .option norvc\n ebreak\n .option pop" : : : "memory");
}

static void cause_soft(void)
{
	asm volatile("csrsi sip, 2\n nop\n" : : : "memory");
}

/* Timer in the past: the interrupt comes at once, but "at once" is for the timer to define. */
static void cause_timer(void)
{
	sbi_set_timer(0);
	while (vector_seen == 99)
		;
}

static void test_vectored(void)
{
	test_is(arrives_at(cause_ebreak), 0, "vectored: ebreak arrives at 0");
	test_is(arrives_at(cause_soft), IRQ_S_SOFT, "vectored: software interrupt");
	test_is(arrives_at(cause_timer), IRQ_S_TIMER, "vectored: timer interrupt");
}

int main(void)
{
	test_sstatus();
	test_plain_registers();
	test_scause();
	test_stvec();
	test_satp();
	test_interrupt_registers();
	test_senvcfg();
	test_counters();
	test_time_advances();
	test_illegal_accesses();
	test_read_forms();
	test_stimecmp();
	test_vectored();
	return test_done();
}
