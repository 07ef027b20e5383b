/*
 * The guest's PLIC, with two harts, over an irq_set_external() of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/dev/board.h"
#include "hyp/vcpu/irq.h"
#include "tests/fake/fake.h"

#define S0 1 /* S-mode context of hart 0 */
#define S1 3

static struct board board;
static struct vcpu vcpus[2];
static struct vcpu *const harts[] = { &vcpus[0], &vcpus[1] };
static bool external[2];
static unsigned calls;

void irq_set_external(struct vcpu *v, bool high)
{
	assert_in_range(v - vcpus, 0, 1);
	external[v - vcpus] = high;
	calls++;
}

static uint32_t get(uint64_t offset)
{
	struct mmio m = { .offset = offset, .width = 4, .value = ~UINT64_C(0) };

	assert_int_equal(board_access(&board, &board_devices[BOARD_PLIC], &m), MMIO_OK);
	assert_true(m.value <= UINT32_MAX);
	return (uint32_t)m.value;
}

static void put(uint64_t offset, uint32_t value)
{
	struct mmio m = { .offset = offset, .width = 4, .is_store = true, .value = value };

	assert_int_equal(board_access(&board, &board_devices[BOARD_PLIC], &m), MMIO_OK);
}

static uint64_t enable(unsigned context, unsigned word)
{
	return 0x2000 + 0x80 * context + 4 * word;
}

static uint64_t threshold(unsigned context)
{
	return 0x200000 + 0x1000 * context;
}

static uint64_t claim(unsigned context)
{
	return threshold(context) + 4;
}

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(&board, 0, sizeof(board));
	external[0] = external[1] = true;
	plic_reset(&board, harts, 2);
	assert_false(external[0] || external[1]);
	calls = 0;
	return 0;
}

static void test_masks(void **state)
{
	(void)state;
	put(10 * 4, 0xffffffff);
	assert_int_equal(get(10 * 4), 7);
	put(95 * 4, 9);
	assert_int_equal(get(95 * 4), 1);
	put(threshold(S0), 0xff);
	assert_int_equal(get(threshold(S0)), 7);
	for (unsigned w = 0; w < 3; w++) {
		put(enable(S1, w), 0xffffffff);
		assert_int_equal(get(enable(S1, w)), w ? 0xffffffff : 0xfffffffe);
		assert_int_equal(get(enable(S0, w)), 0);
	}
	put(0x1000, 0xffffffff);
	assert_int_equal(get(0x1000), 0); /* pending is read-only */
	assert_int_equal(calls, 0);
}

/* Every word of the whole range: no fault, and nothing but registers holds anything. */
static void test_no_register(void **state)
{
	static const uint64_t none[] = {
		96 * 4,	  0xffc,    0x100c,   0x1ffc,	0x200c,	  0x2200,
		0x1ffffc, 0x200008, 0x200ffc, 0x204000, 0x204004, 0x5ffffc
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		put(none[i], 0xffffffff);
		assert_int_equal(get(none[i]), 0);
	}
	for (uint64_t at = 0; at < board_devices[BOARD_PLIC].bytes; at += 4) {
		put(at, 1);
		get(at);
	}
}

static void test_widths(void **state)
{
	(void)state;
	for (unsigned width = 1; width <= 8; width *= 2) {
		struct mmio m = { .offset = 40, .width = width };

		assert_int_equal(board_access(&board, &board_devices[BOARD_PLIC], &m),
				 width == 4 ? MMIO_OK : MMIO_FAULT);
	}
}

static void test_one_interrupt(void **state)
{
	(void)state;
	put(10 * 4, 1);
	put(enable(S0, 0), 1 << 10);
	plic_set_line(&board, 10, true);
	assert_true(external[0]);
	assert_false(external[1]);
	assert_int_equal(get(0x1000), 1 << 10);
	assert_int_equal(get(claim(S1)), 0);
	assert_int_equal(get(claim(S0)), 10);
	assert_false(external[0]);
	assert_int_equal(get(0x1000), 0);
	assert_int_equal(get(claim(S0)), 0);
	plic_set_line(&board, 10, false);
	put(claim(S0), 10);
	assert_false(external[0]);
	assert_int_equal(calls, 2);
}

static void test_level_asks_again(void **state)
{
	(void)state;
	put(10 * 4, 1);
	put(enable(S0, 0), 1 << 10);
	plic_set_line(&board, 10, true);
	assert_int_equal(get(claim(S0)), 10);
	/* While claimed the gateway is shut; the completion looks at the line. */
	plic_set_line(&board, 10, false);
	plic_set_line(&board, 10, true);
	assert_false(external[0]);
	put(claim(S0), 10);
	assert_true(external[0]);
	assert_int_equal(get(claim(S0)), 10);
	plic_set_line(&board, 10, false);
	put(claim(S0), 10);
	assert_false(external[0]);
	/* A request stays, though the line falls before the claim. */
	plic_set_line(&board, 10, true);
	plic_set_line(&board, 10, false);
	assert_true(external[0]);
	assert_int_equal(get(claim(S0)), 10);
}

static void test_priorities(void **state)
{
	static const unsigned expected[] = { 95, 33, 2, 40, 0 };
	static const struct {
		unsigned source, priority;
	} rows[] = { { 2, 3 }, { 33, 5 }, { 40, 3 }, { 95, 7 }, { 7, 0 }, { 8, 1 } };

	(void)state;
	for (unsigned w = 0; w < 3; w++)
		put(enable(S1, w), 0xffffffff);
	put(threshold(S1), 1);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(4 * rows[i].source, rows[i].priority);
		plic_set_line(&board, rows[i].source, true);
	}
	/* Priority 0 never comes, nor what isn't above the threshold. */
	for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_int_equal(external[1], expected[i] != 0);
		assert_int_equal(get(claim(S1)), expected[i]);
	}
	put(threshold(S1), 0);
	assert_true(external[1]);
	assert_int_equal(get(claim(S1)), 8);
	assert_int_equal(get(claim(S1)), 0);
}

static void test_completion_is_checked(void **state)
{
	static const uint32_t wrong[] = { 0, 9, 11, 96, 10 + 96, 0xffffffff };

	(void)state;
	put(10 * 4, 1);
	put(enable(S0, 0), 1 << 10);
	plic_set_line(&board, 10, true);
	assert_int_equal(get(claim(S0)), 10);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		put(claim(S0), wrong[i]);
	put(claim(S1), 10); /* not enabled there */
	put(enable(S0, 0), 0);
	put(claim(S0), 10); /* no longer enabled */
	put(enable(S0, 0), 1 << 10);
	assert_false(external[0]);
	put(claim(S0), 10);
	assert_true(external[0]);
}

static void test_settings_take_effect_at_once(void **state)
{
	(void)state;
	plic_set_line(&board, 10, true);
	put(enable(S0, 0), 1 << 10);
	assert_false(external[0]);
	put(10 * 4, 2);
	assert_true(external[0]);
	put(threshold(S0), 2);
	assert_false(external[0]);
	put(threshold(S0), 1);
	assert_true(external[0]);
	put(enable(S0, 0), 0);
	assert_false(external[0]);
}

static void test_two_harts_one_claim(void **state)
{
	(void)state;
	put(10 * 4, 1);
	put(enable(S0, 0), 1 << 10);
	put(enable(S1, 0), 1 << 10);
	plic_set_line(&board, 10, true);
	assert_true(external[0] && external[1]);
	assert_int_equal(get(claim(S1)), 10);
	assert_false(external[0] || external[1]);
	assert_int_equal(get(claim(S0)), 0);
}

/* The M-mode contexts hold what is written; no hart hears of them. */
static void test_m_contexts(void **state)
{
	(void)state;
	put(10 * 4, 1);
	put(enable(0, 0), 1 << 10);
	assert_int_equal(get(enable(0, 0)), 1 << 10);
	plic_set_line(&board, 10, true);
	assert_false(external[0] || external[1]);
	assert_int_equal(calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_masks, set_up),
		cmocka_unit_test_setup(test_no_register, set_up),
		cmocka_unit_test_setup(test_widths, set_up),
		cmocka_unit_test_setup(test_one_interrupt, set_up),
		cmocka_unit_test_setup(test_level_asks_again, set_up),
		cmocka_unit_test_setup(test_priorities, set_up),
		cmocka_unit_test_setup(test_completion_is_checked, set_up),
		cmocka_unit_test_setup(test_settings_take_effect_at_once, set_up),
		cmocka_unit_test_setup(test_two_harts_one_claim, set_up),
		cmocka_unit_test_setup(test_m_contexts, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
