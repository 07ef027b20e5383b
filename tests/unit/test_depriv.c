/*
 * hyp/vcpu/depriv*.c: the supervisor CSRs of a guest in U-mode, its privileged instructions, its
 * traps, and what of the real hart follows from them.
 *
 * Invariant: no row is derived from the code under test; each is the privileged specification's.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "hyp/arch/cpu.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vcpu/vcpu.h"
#include "sbi/abi.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define PC	  0x80201000u
#define ALL	  (~UINT64_C(0))
#define TRAP_BITS (SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE)
#define IRQS	  (IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_STI) | IRQ_BIT(IRQ_SEI))

#define INSN_SRET	     0x10200073
#define INSN_WFI	     0x10500073
#define INSN_SFENCE_VMA	     0x12000073 /* x0, x0 */
#define INSN_SINVAL_VMA	     0x16000073
#define INSN_SFENCE_W_INVAL  0x18000073
#define INSN_SFENCE_INVAL_IR 0x18100073

/* hyp/shadow/, as far as it is called: what it was asked last. */
static struct {
	unsigned fences, satps;
	bool windowed;
	unsigned window_loads, window_entries;
	bool all_pages, all_asids;
	uint64_t at, asid;
	struct regime regime;
} shadow;

void shadow_fence(struct shadow *s, const gva_t *at, const uint64_t *asid)
{
	(void)s;
	shadow.fences++;
	shadow.all_pages = !at;
	shadow.all_asids = !asid;
	shadow.at = at ? at->v : 0;
	shadow.asid = asid ? *asid : 0;
}

void shadow_fence_page(struct shadow *s, gva_t at, uint64_t asid)
{
	shadow_fence(s, &at, asid == SHADOW_ALL_ASIDS ? NULL : &asid);
}

bool shadow_mode_works(uint64_t mode)
{
	return mode == ATP_MODE_BARE || mode == ATP_MODE_SV39;
}

bool shadow_has_asids(void)
{
	return false;
}

bool shadow_has_state_page(const struct shadow *s)
{
	(void)s;
	return false;
}

bool shadow_has_windows(void)
{
	return shadow.windowed;
}

/* One root for each of U, S and S with SUM. */
uint64_t shadow_find_satp(struct shadow *s, struct shadow_view *w, const struct regime *r)
{
	(void)s;
	(void)w;
	shadow.satps++;
	shadow.regime = *r;
	return 0x1000 + (r->user ? 1 : r->sum ? 2 : 3);
}

static struct vcpu v;
static struct isa isa;
static struct shadow own_shadow;
static struct fp_state fp;
static uint64_t page[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));

void shadow_window_load(const void *vcpu, uint64_t arrive, uint64_t bug)
{
	assert_ptr_equal(vcpu, &v);
	assert_int_equal(arrive, (uint64_t)(uintptr_t)trap_arrive);
	assert_int_equal(bug, (uint64_t)(uintptr_t)trap_from_hypervisor);
	shadow.window_loads++;
}

bool shadow_is_window(pte_t e)
{
	(void)e;
	return false;
}

void shadow_window_enter(const struct shadow_view *w, const struct regime *r)
{
	assert_ptr_equal(w, &v.view);
	assert_memory_equal(r, &v.depriv.regime, sizeof(*r));
	shadow.window_entries++;
}

static struct state_page *csrs(void)
{
	return v.depriv.state;
}

/* A guest's hart that was just started. */
static int setup(void **state)
{
	(void)state;
	fake_reset();
	memset(&v, 0, sizeof(v));
	memset(&shadow, 0, sizeof(shadow));
	isa = (struct isa){ .has_f = true,
			    .has_sstc = true,
			    .hcounteren = COUNTEREN_CY | COUNTEREN_TM | COUNTEREN_IR };
	v.backend = &backend_depriv;
	v.isa = &isa;
	v.shadow = &own_shadow;
	v.fp = &fp;
	v.hart = fake.hart;
	v.depriv.state = (struct state_page *)((char *)page + STATE_PAGE_OFFSET);
	vcpu_reset_csrs(&v);
	vcpu_load(&v);
	vcpu_begin(&v, (struct vcpu_start){ PC, 0, 0 });
	return 0;
}

static uint32_t csr_insn(unsigned funct3, unsigned rd, unsigned csr, unsigned rs1)
{
	return 0x73 | rd << 7 | funct3 << 12 | rs1 << 15 | csr << 20;
}

enum { RW = 1, RS, RC, RWI = 5, RSI, RCI };

/* By csrrw from x5, then csrrs to x6. */
static uint64_t hold(unsigned csr, uint64_t value)
{
	v.frame.x[5] = value;
	assert_true(depriv_execute(&v, csr_insn(RW, 0, csr, 5)));
	assert_true(depriv_execute(&v, csr_insn(RS, 6, csr, 0)));
	return v.frame.x[6];
}

static void csrs_hold_their_legal_bits(void **state)
{
	static const struct {
		unsigned csr;
		uint64_t ones, zeros;
	} rows[] = {
		{ CSR_SSTATUS,
		  SSTATUS_SIE | SSTATUS_SPIE | SSTATUS_SPP | SSTATUS_FS | SSTATUS_SUM |
			  SSTATUS_MXR | SSTATUS_UXL_64 | SSTATUS_SD,
		  SSTATUS_UXL_64 },
		{ CSR_SIE, IRQS, 0 },
		{ CSR_SIP, IRQ_BIT(IRQ_SSI), 0 },
		{ CSR_SSCRATCH, ALL, 0 },
		{ CSR_SEPC, ALL - 1, 0 },
		{ CSR_SCAUSE, ALL, 0 },
		{ CSR_STVAL, ALL, 0 },
		{ CSR_STIMECMP, ALL, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		assert_int_equal(hold(rows[i].csr, ALL), rows[i].ones);
		assert_int_equal(hold(rows[i].csr, 0), rows[i].zeros);
	}
}

static void reserved_values_are_not_written(void **state)
{
	uint64_t good = (uint64_t)ATP_MODE_SV39 << ATP_MODE_SHIFT | 0x1234;

	(void)state;
	assert_int_equal(hold(CSR_STVEC, 0x1000), 0x1000);
	assert_int_equal(hold(CSR_STVEC, 0x2001), 0x2001);
	assert_int_equal(hold(CSR_STVEC, 0x3002), 0x2001);
	assert_int_equal(hold(CSR_STVEC, 0x3003), 0x2001);
	assert_int_equal(hold(CSR_SATP, good), good);
	for (uint64_t mode = 1; mode < 16; mode++)
		if (mode != ATP_MODE_SV39)
			assert_int_equal(hold(CSR_SATP, mode << ATP_MODE_SHIFT | 1), good);
	assert_int_equal(hold(CSR_SATP, 0), 0);
}

static void sstatus_follows_the_isa(void **state)
{
	(void)state;
	isa.has_f = false;
	backend_depriv.reset_csrs(&v);
	assert_int_equal(hold(CSR_SSTATUS, ALL) & (SSTATUS_FS | SSTATUS_VS | SSTATUS_SD), 0);
	isa.has_v = true;
	backend_depriv.reset_csrs(&v);
	assert_int_equal(hold(CSR_SSTATUS, SSTATUS_VS_CLEAN) & (SSTATUS_VS | SSTATUS_SD),
			 SSTATUS_VS_CLEAN);
	assert_int_equal(hold(CSR_SSTATUS, SSTATUS_VS) & (SSTATUS_VS | SSTATUS_SD),
			 SSTATUS_VS | SSTATUS_SD);
}

static bool is_there(unsigned csr)
{
	static const uint16_t there[] = { CSR_SSTATUS, CSR_SIE,	     CSR_STVEC,	   CSR_SCOUNTEREN,
					  CSR_SENVCFG, CSR_SSCRATCH, CSR_SEPC,	   CSR_SCAUSE,
					  CSR_STVAL,   CSR_SIP,	     CSR_STIMECMP, CSR_SATP };

	for (unsigned i = 0; i < COUNT(there); i++)
		if (there[i] == csr)
			return true;
	return false;
}

/* Everything else is illegal, and everything is in U. An illegal instruction changes nothing. */
static void no_other_csrs(void **state)
{
	(void)state;
	for (unsigned csr = 0; csr < 4096; csr++) {
		v.depriv.user = false;
		assert_int_equal(depriv_execute(&v, csr_insn(RS, 6, csr, 0)), is_there(csr));
		v.depriv.user = true;
		v.frame.pc = PC;
		v.frame.x[6] = 77;
		assert_false(depriv_execute(&v, csr_insn(RS, 6, csr, 0)));
		assert_int_equal(v.frame.x[6], 77);
		assert_int_equal(v.frame.pc, PC);
	}
}

static void csrs_of_hidden_extensions(void **state)
{
	(void)state;
	isa.has_sstc = false;
	assert_false(depriv_execute(&v, csr_insn(RS, 6, CSR_STIMECMP, 0)));
	isa.host_has_stateen = true;
	assert_false(depriv_execute(&v, csr_insn(RS, 6, CSR_SSTATEEN0, 0)));
	isa.hstateen0 = HSTATEEN0_SE0;
	assert_int_equal(hold(CSR_SSTATEEN0, ALL), 0);
}

static void forms_of_csr_instructions(void **state)
{
	static const struct {
		unsigned funct3;
		uint64_t after; /* of 0xf0, with 0x3c in x5, or 20 as the immediate */
	} rows[] = { { RW, 0x3c }, { RS, 0xfc },  { RC, 0xc0 },
		     { RWI, 20 },  { RSI, 0xf4 }, { RCI, 0xe0 } };

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		unsigned operand = rows[i].funct3 >= RWI ? 20 : 5;

		csrs()->sscratch = 0xf0;
		v.frame.x[5] = 0x3c;
		v.frame.pc = PC;
		assert_true(depriv_execute(&v, csr_insn(rows[i].funct3, 7, CSR_SSCRATCH, operand)));
		assert_int_equal(v.frame.x[7], 0xf0);
		assert_int_equal(csrs()->sscratch, rows[i].after);
		assert_int_equal(v.frame.pc, PC + 4);
	}
	/* Source and destination are one register; x0 stays 0. */
	csrs()->sscratch = 0xf0;
	v.frame.x[5] = 0x3c;
	assert_true(depriv_execute(&v, csr_insn(RW, 5, CSR_SSCRATCH, 5)));
	assert_int_equal(v.frame.x[5], 0xf0);
	assert_int_equal(csrs()->sscratch, 0x3c);
	assert_true(depriv_execute(&v, csr_insn(RS, 0, CSR_SSCRATCH, 5)));
	assert_int_equal(v.frame.x[0], 0);
	assert_int_equal(csrs()->sscratch, 0xfc);
	/* funct3 4 is no CSR instruction. */
	assert_false(depriv_execute(&v, csr_insn(4, 6, CSR_SSCRATCH, 5)));
}

/* A write of stimecmp is seen below: it sets the host's timer. x0 and 0 as operands don't write. */
static void forms_that_do_not_write(void **state)
{
	unsigned before;

	(void)state;
	hold(CSR_STIMECMP, 5000);
	before = fake_sbi_count(SBI_EXT_TIME, SBI_TIME_SET_TIMER);
	assert_true(depriv_execute(&v, csr_insn(RS, 6, CSR_STIMECMP, 0)));
	assert_true(depriv_execute(&v, csr_insn(RC, 6, CSR_STIMECMP, 0)));
	assert_true(depriv_execute(&v, csr_insn(RSI, 6, CSR_STIMECMP, 0)));
	assert_true(depriv_execute(&v, csr_insn(RCI, 6, CSR_STIMECMP, 0)));
	assert_int_equal(fake_sbi_count(SBI_EXT_TIME, SBI_TIME_SET_TIMER), before);
	v.frame.x[5] = 0;
	assert_true(depriv_execute(&v, csr_insn(RS, 6, CSR_STIMECMP, 5)));
	assert_int_equal(fake_sbi_count(SBI_EXT_TIME, SBI_TIME_SET_TIMER), before + 1);
	assert_int_equal(csrs()->stimecmp, 5000);
	assert_true(depriv_execute(&v, csr_insn(RWI, 6, CSR_STIMECMP, 0)));
	assert_int_equal(csrs()->stimecmp, 0);
}

static void sret_unstacks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		bool to_user = i & 1, enabled = i & 2, now = i & 4;

		setup(NULL);
		csrs()->sstatus = SSTATUS_UXL_64 | SSTATUS_SUM | (to_user ? 0 : SSTATUS_SPP) |
				  (enabled ? SSTATUS_SPIE : 0) | (now ? SSTATUS_SIE : 0);
		csrs()->sepc = 0x12346;
		assert_true(depriv_execute(&v, INSN_SRET));
		assert_int_equal(v.frame.pc, 0x12346);
		assert_int_equal(v.depriv.user, to_user);
		assert_int_equal(csrs()->sstatus, SSTATUS_UXL_64 | SSTATUS_SUM | SSTATUS_SPIE |
							  (enabled ? SSTATUS_SIE : 0));
	}
}

static void exceptions_stack(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		bool user = i & 1, enabled = i & 2, stacked = i & 4;

		v.depriv.user = user;
		v.frame.pc = 0x1002;
		csrs()->stvec = 0x80000101; /* vectored: not for exceptions */
		csrs()->sstatus = (enabled ? SSTATUS_SIE : 0) |
				  (stacked ? SSTATUS_SPIE | SSTATUS_SPP : 0) | SSTATUS_MXR;
		vcpu_inject(&v, CAUSE_LOAD_PAGE, 0xdead);
		assert_int_equal(csrs()->sstatus & TRAP_BITS,
				 (user ? 0 : SSTATUS_SPP) | (enabled ? SSTATUS_SPIE : 0));
		assert_true((csrs()->sstatus & SSTATUS_MXR) != 0);
		assert_int_equal(csrs()->sepc, 0x1002);
		assert_int_equal(csrs()->scause, CAUSE_LOAD_PAGE);
		assert_int_equal(csrs()->stval, 0xdead);
		assert_int_equal(v.frame.pc, 0x80000100);
		assert_false(v.depriv.user);
	}
}

static void interrupts_come_when_enabled(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		bool user = i & 1, global = i & 2, own = i & 4;

		setup(NULL);
		v.depriv.user = user;
		csrs()->stvec = 0x1000;
		csrs()->stval = 9;
		csrs()->sstatus |= global ? SSTATUS_SIE : 0;
		csrs()->sie = own ? IRQ_BIT(IRQ_SSI) : IRQ_BIT(IRQ_SEI);
		csrs()->sip = IRQ_BIT(IRQ_SSI);
		depriv_prepare(&v);
		assert_int_equal(v.frame.pc, own && (user || global) ? 0x1000 : PC);
		if (v.frame.pc == PC)
			continue;
		assert_int_equal(csrs()->scause, CAUSE_INTERRUPT | IRQ_SSI);
		assert_int_equal(csrs()->sepc, PC);
		assert_int_equal(csrs()->stval, 0);
	}
}

static void interrupts_come_by_priority(void **state)
{
	static const struct {
		uint64_t pending;
		unsigned first;
	} rows[] = {
		{ IRQS, IRQ_SEI },
		{ IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_STI), IRQ_SSI },
		{ IRQ_BIT(IRQ_SEI) | IRQ_BIT(IRQ_STI), IRQ_SEI },
		{ IRQ_BIT(IRQ_STI), IRQ_STI },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		v.depriv.user = true;
		csrs()->stvec = 0x80000001;
		csrs()->sie = IRQS;
		csrs()->sip = rows[i].pending;
		depriv_prepare(&v);
		assert_int_equal(csrs()->scause, CAUSE_INTERRUPT | rows[i].first);
		assert_int_equal(v.frame.pc, 0x80000000 + 4 * rows[i].first);
	}
}

static void raised_interrupts_show_in_sip(void **state)
{
	(void)state;
	irq_raise_software(&v);
	irq_set_external(&v, true);
	irq_sync(&v);
	assert_int_equal(csrs()->sip, IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_SEI));
	assert_false(irq_is_pending(&v));
	csrs()->sie = IRQ_BIT(IRQ_SEI);
	assert_true(irq_is_pending(&v));
	irq_set_external(&v, false);
	irq_sync(&v);
	assert_int_equal(csrs()->sip, IRQ_BIT(IRQ_SSI));
	assert_true(irq_clear_software(&v));
	assert_false(irq_clear_software(&v));
	assert_int_equal(csrs()->sip, 0);
}

static void timer_is_pending_from_its_moment_on(void **state)
{
	(void)state;
	fake.csr[CSR_TIME] = 1000;
	timer_set(&v, 2000);
	assert_int_equal(depriv_sip(&v) & IRQ_BIT(IRQ_STI), 0);
	fake.csr[CSR_TIME] = 2000;
	assert_true((depriv_sip(&v) & IRQ_BIT(IRQ_STI)) != 0);
	timer_set(&v, 3000);
	assert_int_equal(csrs()->sip & IRQ_BIT(IRQ_STI), 0);
	timer_fired(&v);
	assert_true((csrs()->sip & IRQ_BIT(IRQ_STI)) != 0);
	timer_set(&v, 1999);
	assert_true((csrs()->sip & IRQ_BIT(IRQ_STI)) != 0);
}

static void wfi_waits_for_what_is_enabled(void **state)
{
	(void)state;
	v.frame.pc = PC;
	assert_true(depriv_execute(&v, INSN_WFI));
	assert_true(v.waiting);
	assert_int_equal(v.frame.pc, PC + 4);
	csrs()->sip = csrs()->sie = IRQ_BIT(IRQ_SSI);
	assert_true(depriv_execute(&v, INSN_WFI));
	assert_false(v.waiting);
}

static void fences_by_their_operands(void **state)
{
	(void)state;
	v.frame.x[5] = 0x12345678;
	v.frame.x[6] = 0x70003;
	assert_true(depriv_execute(&v, INSN_SFENCE_VMA));
	assert_true(shadow.all_pages && shadow.all_asids);
	assert_true(depriv_execute(&v, INSN_SFENCE_VMA | 5 << 15));
	assert_true(!shadow.all_pages && shadow.all_asids);
	assert_int_equal(shadow.at, 0x12345000);
	assert_true(depriv_execute(&v, INSN_SFENCE_VMA | 6 << 20));
	assert_true(shadow.all_pages && !shadow.all_asids);
	assert_int_equal(shadow.asid, 3);
	assert_true(depriv_execute(&v, INSN_SFENCE_VMA | 5 << 15 | 6 << 20));
	assert_true(!shadow.all_pages && !shadow.all_asids);
	assert_int_equal(shadow.fences, 4);
	assert_false(depriv_execute(&v, INSN_SFENCE_VMA | 1 << 7)); /* rd isn't x0 */
}

static void svinval_is_there_where_it_is_shown(void **state)
{
	static const uint32_t insns[] = { INSN_SINVAL_VMA, INSN_SFENCE_W_INVAL,
					  INSN_SFENCE_INVAL_IR };

	(void)state;
	for (unsigned i = 0; i < COUNT(insns); i++) {
		isa.has_svinval = false;
		assert_false(depriv_execute(&v, insns[i]));
		isa.has_svinval = true;
		assert_true(depriv_execute(&v, insns[i]));
	}
	assert_int_equal(shadow.fences, 1);
}

static void illegal_in_u(void **state)
{
	static const uint32_t insns[] = { INSN_SRET, INSN_WFI, INSN_SFENCE_VMA,
					  0x30200073 /* mret */ };

	(void)state;
	isa.has_svinval = true;
	assert_false(depriv_execute(&v, 0x30200073));
	v.depriv.user = true;
	for (unsigned i = 0; i < COUNT(insns); i++)
		assert_false(depriv_execute(&v, insns[i]));
	assert_false(v.waiting);
}

/* FS and VS: off for the kernel until dirty, the guest's own for U. */
static void units_are_turned_on_by_use(void **state)
{
	static const struct {
		const char *name;
		uint32_t insn;
		uint64_t units;
	} rows[] = {
		{ "fld", 0x00053507, SSTATUS_FS },
		{ "fsw", 0x00a52027, SSTATUS_FS },
		{ "fmadd.d", 0x02a57543, SSTATUS_FS },
		{ "fadd.d", 0x02a57553, SSTATUS_FS },
		{ "frcsr", 0x00302573, SSTATUS_FS },
		{ "fsflags", 0x00151073, SSTATUS_FS },
		{ "c.fld", 0x2108, SSTATUS_FS },
		{ "c.fsdsp", 0xa02a, SSTATUS_FS },
		{ "vle8.v", 0x02050007, SSTATUS_VS },
		{ "vse64.v", 0x02057027, SSTATUS_VS },
		{ "vsetvli", 0x0c057557, SSTATUS_FS | SSTATUS_VS },
		{ "vaesdf.vv", 0xa220a0f7, SSTATUS_VS },
		{ "csrr vl", 0xc2002573, SSTATUS_VS },
		{ "csrw vstart", 0x00851073, SSTATUS_VS },
		{ "ld", 0x00053503, 0 },
		{ "all ones", 0xffffffff, 0 },
		{ "c.lw", 0x4108, 0 },
		{ "mret", 0x30200073, 0 },
	};
	uint64_t both = SSTATUS_FS | SSTATUS_VS;

	(void)state;
	for (unsigned i = 0; i < COUNT(rows); i++) {
		setup(NULL);
		isa.has_v = true;
		backend_depriv.reset_csrs(&v);
		assert_false(depriv_execute(&v, rows[i].insn)); /* off */
		hold(CSR_SSTATUS, SSTATUS_FS_INIT | SSTATUS_VS_CLEAN);
		depriv_prepare(&v);
		assert_int_equal(fake.csr[CSR_SSTATUS] & both, 0);
		v.frame.pc = PC;
		assert_int_equal(depriv_execute(&v, rows[i].insn), rows[i].units != 0);
		assert_int_equal(v.frame.pc, PC);
		depriv_prepare(&v);
		assert_int_equal(fake.csr[CSR_SSTATUS] & both, rows[i].units);
		assert_int_equal(csrs()->sstatus & rows[i].units, rows[i].units);
		assert_false(depriv_execute(&v, rows[i].insn)); /* on, and yet it trapped */
	}
}

/* Then all that is said of vectors is illegal, at once, and leaves FS as it was. */
static void vectors_that_are_off_or_not_there(void **state)
{
	static const uint32_t insns[] = {
		0x02050007 /* vle8.v */,  0x02057027 /* vse64.v */,
		0x0c057557 /* vsetvli */, 0xa220a0f7 /* vaesdf.vv */,
		0xc2002573 /* csrr vl */, 0x00851073 /* csrw vstart */,
	};

	(void)state;
	for (unsigned i = 0; i < 2 * COUNT(insns); i++) {
		uint64_t before;

		setup(NULL);
		isa.has_v = i % 2;
		backend_depriv.reset_csrs(&v);
		before = hold(CSR_SSTATUS, SSTATUS_FS_INIT | (isa.has_v ? 0 : SSTATUS_VS_CLEAN));
		assert_int_equal(before & SSTATUS_VS, 0);
		if (!isa.has_v) /* by way of the state page, as patched code could */
			before = csrs()->sstatus |= SSTATUS_VS_CLEAN;
		v.frame.pc = PC;
		depriv_prepare(&v);
		assert_false(depriv_execute(&v, insns[i / 2]));
		assert_int_equal(csrs()->sstatus, before);
		assert_int_equal(v.frame.pc, PC);
	}
}

static void units_of_a_process_are_its_own(void **state)
{
	(void)state;
	hold(CSR_SSTATUS, SSTATUS_FS_INIT);
	depriv_sret(&v);
	depriv_prepare(&v);
	assert_int_equal(fake.csr[CSR_SSTATUS] & SSTATUS_FS, SSTATUS_FS_INIT);
	fake.csr[CSR_SSTATUS] |= SSTATUS_FS; /* it used FP */
	depriv_note_units(&v);
	assert_int_equal(csrs()->sstatus & (SSTATUS_FS | SSTATUS_SD), SSTATUS_FS | SSTATUS_SD);
	vcpu_inject(&v, CAUSE_ECALL_U, 0);
	hold(CSR_SSTATUS, SSTATUS_FS_CLEAN);
	depriv_prepare(&v);
	assert_int_equal(fake.csr[CSR_SSTATUS] & SSTATUS_FS, 0);
	assert_int_equal(csrs()->sstatus & SSTATUS_FS, SSTATUS_FS_CLEAN);
}

/* The guest may call clean what its memory hasn't seen: nothing of it is lost when it leaves. */
static void units_are_saved_whatever_fs_says(void **state)
{
	(void)state;
	hold(CSR_SSTATUS, SSTATUS_FS_CLEAN);
	depriv_prepare(&v);
	fake.f[3] = 0x1234;
	vcpu_unload();
	assert_int_equal(fp.f[3], 0x1234);
}

static void root_follows_the_regime(void **state)
{
	(void)state;
	depriv_prepare(&v);
	assert_int_equal(fake.csr[CSR_SATP], 0x1003);
	assert_int_equal(shadow.satps, 1);
	depriv_prepare(&v);
	hold(CSR_SSCRATCH, 5);
	hold(CSR_SSTATUS, SSTATUS_SIE | SSTATUS_SPIE);
	depriv_prepare(&v);
	assert_int_equal(shadow.satps, 1);
	hold(CSR_SSTATUS, SSTATUS_SUM | SSTATUS_MXR);
	depriv_prepare(&v);
	assert_int_equal(fake.csr[CSR_SATP], 0x1002);
	assert_true(shadow.regime.sum && shadow.regime.mxr && !shadow.regime.user);
	depriv_sret(&v);
	depriv_prepare(&v);
	assert_int_equal(fake.csr[CSR_SATP], 0x1001);
	assert_true(shadow.regime.user);
}

/* Real SUM and MXR stay off: they are part of what the shadow allows. */
static void controls_follow_the_privilege(void **state)
{
	(void)state;
	fake.csr[CSR_SATP] = 0;
	isa.henvcfg = HENVCFG_CBIE | HENVCFG_CBCFE | HENVCFG_STCE;
	hold(CSR_SCOUNTEREN, COUNTEREN_TM);
	hold(CSR_SENVCFG, SENVCFG_CBIE | HENVCFG_CBZE | HENVCFG_FIOM);
	depriv_prepare(&v);
	assert_int_equal(fake.csr[CSR_SCOUNTEREN], isa.hcounteren);
	assert_int_equal(fake.csr[CSR_SENVCFG], HENVCFG_CBIE | HENVCFG_CBCFE);
	depriv_sret(&v);
	depriv_prepare(&v);
	assert_int_equal(fake.csr[CSR_SCOUNTEREN], COUNTEREN_TM);
	assert_int_equal(fake.csr[CSR_SENVCFG], HENVCFG_CBIE | HENVCFG_FIOM);
	assert_int_equal(fake.csr[CSR_SSTATUS] & (SSTATUS_SUM | SSTATUS_MXR), 0);
}

/* Then satp is the host's all the while: where the guest's goes is for the window to know. */
static void windows_have_the_guests_table(void **state)
{
	(void)state;
	fake_reset();
	memset(&shadow, 0, sizeof(shadow));
	shadow.windowed = true;
	fake.csr[CSR_SATP] = 0xabc;
	fake.csr[CSR_STVEC] = 0x1000;
	vcpu_load(&v);
	assert_int_equal(shadow.window_loads, 1);
	depriv_prepare(&v);
	assert_int_equal(shadow.window_entries, 1);
	depriv_prepare(&v);
	assert_int_equal(shadow.window_entries, 1);
	depriv_sret(&v);
	depriv_prepare(&v);
	assert_int_equal(shadow.window_entries, 2);
	assert_int_equal(fake.csr[CSR_SATP], 0xabc);
	assert_int_equal(fake.csr[CSR_STVEC], 0x1000);
	vcpu_unload();
	assert_int_equal(fake.csr[CSR_SATP], 0xabc);
}

/* @bits, as the original of an EBREAK at @pc, which was fetched when the VM's code was as @seq says. */
static void note_site(uint64_t pc, uint64_t seq, uint32_t bits)
{
	v.frame.pc = pc;
	v.depriv.code = (struct shadow_code){ .is_copy = true, .seq = seq };
	depriv_site_note(&v, bits);
}

static uint32_t recall_site(uint64_t pc)
{
	v.frame.pc = pc;
	return depriv_site_recall(&v);
}

/* A patched place is believed under the code it was fetched from, and in its address space. */
static void sites_are_those_of_the_code_they_were_fetched_from(void **state)
{
	static struct depriv_site sites[DEPRIV_SITES];

	(void)state;
	memset(sites, 0, sizeof(sites));
	depriv_site_init(&v, sites);
	own_shadow.code_seq = 7;
	v.depriv.stale = true;
	depriv_prepare(&v);
	note_site(PC, 7, INSN_SRET);
	assert_int_equal(recall_site(PC), INSN_SRET);
	assert_int_equal(recall_site(PC + 4), 0);
	assert_int_equal(recall_site(PC + 4 * DEPRIV_SITES), 0);
	own_shadow.code_seq = 8;
	assert_int_equal(recall_site(PC), 0);
	/* Between the fetch and the note another hart changed the code. */
	note_site(PC, 7, INSN_WFI);
	assert_int_equal(recall_site(PC), 0);
	note_site(PC, 8, INSN_WFI);
	assert_int_equal(recall_site(PC), INSN_WFI);
	/* In U nothing is, and under another root neither. */
	v.depriv.user = v.depriv.stale = true;
	depriv_prepare(&v);
	assert_int_equal(recall_site(PC), 0);
	v.depriv.user = false;
	v.depriv.stale = true;
	hold(CSR_SSTATUS, SSTATUS_SUM);
	depriv_prepare(&v);
	assert_int_equal(recall_site(PC), 0);
	hold(CSR_SSTATUS, 0);
	depriv_prepare(&v);
	assert_int_equal(recall_site(PC), INSN_WFI);
	/* Nor is it noted where the tag isn't what the tables say, or the tag says nothing of it. */
	v.fast.tag ^= 0x1000;
	v.depriv.stale = false;
	note_site(PC + 8, 8, INSN_SRET);
	assert_true(v.depriv.stale);
	depriv_prepare(&v);
	assert_int_equal(recall_site(PC + 8), 0);
	note_site(PC | UINT64_C(1) << 63, 8, INSN_SRET);
	assert_int_equal(recall_site(PC | UINT64_C(1) << 63), 0);
}

static void unloading_brings_back_the_hosts_table(void **state)
{
	(void)state;
	fake_reset();
	fake.csr[CSR_SATP] = 0xabc;
	vcpu_load(&v);
	depriv_prepare(&v);
	assert_int_not_equal(fake.csr[CSR_SATP], 0xabc);
	vcpu_unload();
	assert_int_equal(fake.csr[CSR_SATP], 0xabc);
	assert_int_equal(fake.csr[CSR_SIE] & IRQ_BIT(IRQ_STI), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(csrs_hold_their_legal_bits, setup),
		cmocka_unit_test_setup(reserved_values_are_not_written, setup),
		cmocka_unit_test_setup(sstatus_follows_the_isa, setup),
		cmocka_unit_test_setup(no_other_csrs, setup),
		cmocka_unit_test_setup(csrs_of_hidden_extensions, setup),
		cmocka_unit_test_setup(forms_of_csr_instructions, setup),
		cmocka_unit_test_setup(forms_that_do_not_write, setup),
		cmocka_unit_test_setup(sret_unstacks, setup),
		cmocka_unit_test_setup(exceptions_stack, setup),
		cmocka_unit_test_setup(interrupts_come_when_enabled, setup),
		cmocka_unit_test_setup(interrupts_come_by_priority, setup),
		cmocka_unit_test_setup(raised_interrupts_show_in_sip, setup),
		cmocka_unit_test_setup(timer_is_pending_from_its_moment_on, setup),
		cmocka_unit_test_setup(wfi_waits_for_what_is_enabled, setup),
		cmocka_unit_test_setup(fences_by_their_operands, setup),
		cmocka_unit_test_setup(svinval_is_there_where_it_is_shown, setup),
		cmocka_unit_test_setup(illegal_in_u, setup),
		cmocka_unit_test_setup(units_are_turned_on_by_use, setup),
		cmocka_unit_test_setup(vectors_that_are_off_or_not_there, setup),
		cmocka_unit_test_setup(units_of_a_process_are_its_own, setup),
		cmocka_unit_test_setup(units_are_saved_whatever_fs_says, setup),
		cmocka_unit_test_setup(root_follows_the_regime, setup),
		cmocka_unit_test_setup(controls_follow_the_privilege, setup),
		cmocka_unit_test_setup(windows_have_the_guests_table, setup),
		cmocka_unit_test_setup(sites_are_those_of_the_code_they_were_fetched_from, setup),
		cmocka_unit_test_setup(unloading_brings_back_the_hosts_table, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
