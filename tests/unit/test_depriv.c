/*
 * hyp/vcpu/depriv*.c: the supervisor CSRs of a guest in U-mode, its privileged instructions and
 * its traps; test_depriv_hart.c: what of the real hart follows from them.
 *
 * Invariant: no row is derived from the code under test; each is the privileged specification's.
 */
#include "tests/unit/depriv.h"

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

/* A write of stimecmp can be told: it takes a pending interrupt back. x0 and 0 as operands don't
 * write. */
static void forms_that_do_not_write(void **state)
{
	(void)state;
	hold(CSR_STIMECMP, 5000);
	csrs()->sip |= IRQ_BIT(IRQ_STI);
	assert_true(depriv_execute(&v, csr_insn(RS, 6, CSR_STIMECMP, 0)));
	assert_true(depriv_execute(&v, csr_insn(RC, 6, CSR_STIMECMP, 0)));
	assert_true(depriv_execute(&v, csr_insn(RSI, 6, CSR_STIMECMP, 0)));
	assert_true(depriv_execute(&v, csr_insn(RCI, 6, CSR_STIMECMP, 0)));
	assert_true((csrs()->sip & IRQ_BIT(IRQ_STI)) != 0);
	v.frame.x[5] = 0;
	assert_true(depriv_execute(&v, csr_insn(RS, 6, CSR_STIMECMP, 5)));
	assert_false(csrs()->sip & IRQ_BIT(IRQ_STI));
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
