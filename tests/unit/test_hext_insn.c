/*
 * hyp/vcpu/hext_insn.c: what traps from a guest in VS-mode only while it is watched.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/vcpu/vcpu.h"

#define SV39 (UINT64_C(8) << ATP_MODE_SHIFT)

static struct vcpu v;
static struct isa isa;

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(&v, 0, sizeof(v));
	isa = (struct isa){ .has_svinval = true };
	v.isa = &isa;
	v.frame.pc = 0x1000;
	v.frame.x[5] = 0x123456;
	v.frame.x[6] = 0xabc0007;
	return 0;
}

/* R-type SYSTEM instruction. */
static uint32_t system(uint32_t funct7, unsigned rs2, unsigned rs1)
{
	return funct7 << 25 | rs2 << 20 | rs1 << 15 | 0x73;
}

static uint32_t satp(unsigned funct3, unsigned rd, unsigned rs1)
{
	return (uint32_t)CSR_SATP << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x73;
}

/* Each as narrow as it is: SFENCE.VMA and SINVAL.VMA, with and without address and ASID. */
static void fences(void **state)
{
	static const enum fake_fence_kind kinds[] = { FAKE_VVMA_ALL, FAKE_VVMA_PAGE, FAKE_VVMA_ASID,
						      FAKE_VVMA_PAGE_ASID };
	(void)state;

	for (unsigned i = 0; i < 8; i++) {
		uint32_t bits = system(i < 4 ? 0x09 : 0x0b, i & 2 ? 6 : 0, i & 1 ? 5 : 0);
		const struct fake_fences *f = &fake.fence[kinds[i % 4]];

		assert_true(hext_execute(&v, bits));
		assert_int_equal(f->n, i / 4 + 1);
		assert_int_equal(f->at, i & 1 ? 0x123456 : 0);
		assert_int_equal(f->id, i & 2 ? 7 : 0);
		assert_int_equal(v.frame.pc, 0x1000 + 4 * (i + 1));
	}
	isa.has_svinval = false;
	assert_false(hext_execute(&v, system(0x0b, 0, 0)));
	assert_true(hext_execute(&v, system(0x09, 0, 0)));
}

static void satp_accesses(void **state)
{
	(void)state;
	fake.csr[CSR_VSATP] = SV39 | 0x80200;
	assert_true(hext_execute(&v, satp(1, 7, 0))); /* csrrw t2, satp, x0 */
	assert_int_equal(v.frame.x[7], SV39 | 0x80200);
	assert_int_equal(fake.csr[CSR_VSATP], 0);
	v.frame.x[5] = SV39 | 0xf0;
	assert_true(hext_execute(&v, satp(1, 0, 5)));
	assert_int_equal(v.frame.x[0], 0);
	assert_true(hext_execute(&v, satp(6, 8, 3))); /* csrrsi */
	assert_int_equal(fake.csr[CSR_VSATP], SV39 | 0xf3);
	assert_true(hext_execute(&v, satp(3, 8, 5))); /* csrrc */
	assert_int_equal(v.frame.x[8], SV39 | 0xf3);
	assert_int_equal(fake.csr[CSR_VSATP], 3);
	assert_true(hext_execute(&v, satp(2, 8, 0)));
	assert_int_equal(v.frame.x[8], 3);
	assert_int_equal(v.frame.pc, 0x1000 + 4 * 5);
}

/* What isn't one of them is the guest's fault; nothing changes. */
static void others(void **state)
{
	static const uint32_t bits[] = { 0x10500073, 0x10200073, 0x00000073, 0x14002573, 0x62000073,
					 0x22000073, 0x120000f3, 0x0,	     0xffffffff };
	(void)state;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		assert_false(hext_execute(&v, bits[i]));
	assert_int_equal(v.frame.pc, 0x1000);
}

/* Each is told, if it is asked for and takes effect. */
static void told(void **state)
{
	static struct trace t;
	struct trace_event e;
	uint64_t lost;
	(void)state;

	trace_init(&t);
	this_hart()->trace = &t;
	t.kinds = 1u << TRACE_FENCE | 1u << TRACE_SATP;
	v.frame.x[5] = SV39 | 0xf0;
	hext_execute(&v, satp(1, 0, 5));
	hext_execute(&v, satp(2, 8, 0)); /* only read */
	hext_execute(&v, system(0x09, 6, 0));
	assert_true(trace_read(&t, &e, &lost));
	assert_int_equal(e.kind, TRACE_SATP);
	assert_int_equal(e.value[TRACE_ATP], SV39 | 0xf0);
	assert_true(trace_read(&t, &e, &lost));
	assert_int_equal(e.kind, TRACE_FENCE);
	assert_int_equal(e.has, 1u << TRACE_ASID);
	assert_int_equal(e.value[TRACE_ASID], 7);
	assert_false(trace_read(&t, &e, &lost));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(fences, set_up),
		cmocka_unit_test_setup(satp_accesses, set_up),
		cmocka_unit_test_setup(others, set_up),
		cmocka_unit_test_setup(told, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
