/*
 * hyp/vcpu/depriv*.c: what of the real hart follows from the state of a guest in U-mode, and what is
 * remembered of its patched code; see test_depriv.c for that state.
 */
#include "tests/unit/depriv.h"

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
	assert_int_equal(shadow.window_arrives, (uint64_t)(uintptr_t)trap_arrive);
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
	timer_host_begin();
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
