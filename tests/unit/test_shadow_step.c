/*
 * hyp/shadow/step.c: what policy none keeps for an instruction, and that the next one finds
 * nothing.
 */
#include "tests/unit/shadow.h"

#include "hyp/mm/phys.h"

#define CODE	 MIB(4)
#define DATA	 KIB(8)
#define C_EBREAK 0x9002
#define LOAD	 0x00053503u

static struct regime r;

static int set_up(void **state)
{
	static const uint32_t code[] = { LOAD, LOAD };
	static const uint16_t low = LOAD & 0xffff, high = LOAD >> 16;

	(void)state;
	r = kernel(ATP_MODE_SV39);
	begin(host_mode, SHADOW_NONE);
	map_small(0, pte_make(RAM + CODE, RWX));
	put(TABLE(2), 1, pte_make(RAM + CODE + PAGE_SIZE, RWX));
	put(TABLE(2), 2, pte_make(RAM + CODE + MIB(1), RWX));
	assert_int_equal(gstage_write(&gs, gpa(RAM + CODE + 0x100), code, sizeof(code)), OK);
	assert_int_equal(gstage_write(&gs, gpa(RAM + CODE + 0xffe), &low, 2), OK);
	assert_int_equal(gstage_write(&gs, gpa(RAM + CODE + 0x1000), &high, 2), OK);
	return 0;
}

static enum shadow_what fault(uint64_t pc, uint64_t at, enum access want)
{
	view.pc = gva(pc);
	return shadow_fault(&shadow, &view, &r, gva(at), want).what;
}

static const uint16_t *executed(uint64_t at)
{
	struct fake_walk w = fake_walk(shadow_satp(&shadow, &view, &r), gva(at), ACCESS_FETCH);

	assert_true(w.allowed);
	return phys_pointer(hpa(align_down(w.to.v, PAGE_SIZE)));
}

static void one_instruction_stands_there(void **state)
{
	const uint16_t *page;

	(void)state;
	assert_int_equal(fault(0x100, 0x100, ACCESS_FETCH), SHADOW_RESUME);
	page = executed(0x100);
	for (unsigned n = 0; n < PAGE_SIZE / 2; n++)
		assert_int_equal(page[n], n == 0x80   ? LOAD & 0xffff
					  : n == 0x81 ? LOAD >> 16
						      : C_EBREAK);
	assert_false(is_there(&r, 0x100, ACCESS_LOAD));
	assert_int_equal(fault(0x104, 0x104, ACCESS_FETCH), SHADOW_RESUME);
	assert_int_equal(page[0x80], C_EBREAK);
	assert_int_equal(page[0x82], LOAD & 0xffff);
}

static void it_has_what_it_faulted_for(void **state)
{
	unsigned flushes;

	(void)state;
	assert_int_equal(fault(0x100, 0x100, ACCESS_FETCH), SHADOW_RESUME);
	assert_int_equal(fault(0x100, DATA, ACCESS_LOAD), SHADOW_RESUME);
	assert_true(is_there(&r, 0x100, ACCESS_FETCH));
	assert_true(is_there(&r, DATA, ACCESS_LOAD));
	assert_false(is_there(&r, DATA, ACCESS_FETCH));
	flushes = fake.fence[FAKE_SFENCE_ALL].n;
	assert_int_equal(fault(0x104, 0x104, ACCESS_FETCH), SHADOW_RESUME);
	assert_true(fake.fence[FAKE_SFENCE_ALL].n > flushes);
	assert_false(is_there(&r, DATA, ACCESS_LOAD));
	assert_int_equal(shadow.stats.steps, 2);
}

static void it_may_end_in_the_next_page(void **state)
{
	(void)state;
	assert_int_equal(fault(0xffe, 0xffe, ACCESS_FETCH), SHADOW_RESUME);
	assert_int_equal(fault(0xffe, 0x1000, ACCESS_FETCH), SHADOW_RESUME);
	assert_int_equal(executed(0xffe)[0x7ff], LOAD & 0xffff);
	assert_int_equal(executed(0x1000)[0], LOAD >> 16);
	assert_int_equal(executed(0x1000)[1], C_EBREAK);
}

static void its_own_page_is_softwares(void **state)
{
	(void)state;
	assert_int_equal(fault(0x100, 0x100, ACCESS_FETCH), SHADOW_RESUME);
	assert_int_equal(fault(0x100, 0x200, ACCESS_LOAD), SHADOW_READ);
	assert_int_equal(fault(0x100, 0x200, ACCESS_STORE), SHADOW_STORE);
	shadow_step_whole(&shadow, &view);
	assert_int_equal(fault(0x100, 0x100, ACCESS_FETCH), SHADOW_RESUME);
	assert_true(is_there(&r, 0x200, ACCESS_LOAD));
	assert_int_equal(executed(0x100)[0x82], LOAD & 0xffff);
}

/* Of two pages each is its own: else fetch and access would take turns for ever. */
static void so_are_both_of_two(void **state)
{
	(void)state;
	assert_int_equal(fault(0xffe, 0xffe, ACCESS_FETCH), SHADOW_RESUME);
	assert_int_equal(fault(0xffe, 0x1000, ACCESS_FETCH), SHADOW_RESUME);
	assert_int_equal(fault(0xffe, 0x1100, ACCESS_LOAD), SHADOW_READ);
	assert_int_equal(fault(0xffe, 0x1100, ACCESS_STORE), SHADOW_STORE);
	assert_int_equal(fault(0xffe, 0x200, ACCESS_LOAD), SHADOW_READ);
	assert_true(is_there(&r, 0x1000, ACCESS_FETCH));
	shadow_step_whole(&shadow, &view);
	assert_int_equal(fault(0xffe, 0x1000, ACCESS_FETCH), SHADOW_RESUME);
	assert_true(is_there(&r, 0x1100, ACCESS_LOAD));
}

static void a_breakpoint_is_the_next_one(void **state)
{
	struct regime other = r;

	(void)state;
	assert_int_equal(fault(0x100, 0x100, ACCESS_FETCH), SHADOW_RESUME);
	assert_false(shadow_stepped(&shadow, &view, &r));
	other.user = true;
	assert_true(shadow_stepped(&shadow, &view, &other));
	view.pc = gva(0x104);
	assert_true(shadow_stepped(&shadow, &view, &r));
}

static void each_vcpu_has_its_own(void **state)
{
	struct shadow_view second = { .vcpu = 1, .pc = gva(0x104) };

	(void)state;
	assert_int_equal(fault(0x100, 0x100, ACCESS_FETCH), SHADOW_RESUME);
	assert_int_equal(shadow_fault(&shadow, &second, &r, gva(0x104), ACCESS_FETCH).what,
			 SHADOW_RESUME);
	assert_int_equal(executed(0x100)[0x80], LOAD & 0xffff);
	assert_int_equal(executed(0x100)[0x82], C_EBREAK);
}

/* However many pages one instruction asks for, what it is told is right. */
static void many_pages_of_one(void **state)
{
	(void)state;
	for (unsigned i = 3; i < 512; i++)
		put(TABLE(2), i, pte_make(RAM + CODE + MIB(1) + i * PAGE_SIZE, RWX));
	for (unsigned i = 3; i < 512; i++) {
		assert_int_equal(fault(0x100, i * PAGE_SIZE, ACCESS_LOAD), SHADOW_RESUME);
		assert_true(is_there(&r, i * PAGE_SIZE, ACCESS_LOAD));
	}
	assert_int_equal(fault(0x104, 0x104, ACCESS_FETCH), SHADOW_RESUME);
	for (unsigned i = 3; i < 512; i++)
		assert_false(is_there(&r, i * PAGE_SIZE, ACCESS_LOAD));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_instruction_stands_there, set_up),
		cmocka_unit_test_setup(it_has_what_it_faulted_for, set_up),
		cmocka_unit_test_setup(it_may_end_in_the_next_page, set_up),
		cmocka_unit_test_setup(its_own_page_is_softwares, set_up),
		cmocka_unit_test_setup(so_are_both_of_two, set_up),
		cmocka_unit_test_setup(a_breakpoint_is_the_next_one, set_up),
		cmocka_unit_test_setup(each_vcpu_has_its_own, set_up),
		cmocka_unit_test_setup(many_pages_of_one, set_up),
	};

	return RUN_ON_BOTH_HOSTS(tests);
}
