/*
 * The board's table, the clock and the test finisher.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/arch/cpu.h"
#include "hyp/dev/board.h"
#include "hyp/drv/host.h"
#include "hyp/mm/phys.h"
#include "hyp/vcpu/irq.h"
#include "tests/fake/fake.h"

#define SECOND UINT64_C(1000000000)

static struct board board;
static struct vcpu vcpu;
static struct vcpu *const vcpus[] = { &vcpu };
static uint8_t history[PORT_HISTORY];
static bool external;
static uint32_t host_rtc[2]; /* the registers of the host's clock */

void irq_set_external(struct vcpu *v, bool high)
{
	assert_ptr_equal(v, &vcpu);
	external = high;
}

static enum mmio_result put(unsigned id, uint64_t offset, unsigned width, uint64_t value)
{
	struct mmio m = { .offset = offset, .width = width, .is_store = true, .value = value };

	return board_access(&board, &board_devices[id], &m);
}

static uint32_t get(unsigned id, uint64_t offset)
{
	struct mmio m = { .offset = offset, .width = 4, .value = ~UINT64_C(0) };

	assert_int_equal(board_access(&board, &board_devices[id], &m), MMIO_OK);
	assert_true(m.value <= UINT32_MAX);
	return (uint32_t)m.value;
}

static void set_time(uint64_t seconds)
{
	fake.csr[CSR_TIME] = seconds * host.timebase;
}

/* The clock as a driver reads it: the low half first. */
static uint64_t clock_ns(void)
{
	uint64_t low = get(BOARD_RTC, 0);

	return (uint64_t)get(BOARD_RTC, 4) << 32 | low;
}

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(&board, 0, sizeof(board));
	memset(&host, 0, sizeof(host));
	host.timebase = 10000000;
	phys_offset = 0;
	board.uart.port.history = history;
	board_reset(&board, vcpus, 1);
	return 0;
}

static void test_places(void **state)
{
	static const struct {
		unsigned id;
		uint64_t base;
	} rows[] = { { BOARD_UART, 0x10000000 },
		     { BOARD_PLIC, 0x0c000000 },
		     { BOARD_RTC, 0x101000 },
		     { BOARD_FINISHER, 0x100000 },
		     { BOARD_VIRTIO, 0x10001000 } };
	static struct gstage gs;

	(void)state;
	gs.ram = gpa(0x80000000);
	gs.ram_bytes = MIB(64);
	assert_int_equal(board_map(&gs), OK);
	for (unsigned i = 0; i < BOARD_DEVICES; i++) {
		const struct gstage_device *d = gstage_device_at(&gs, gpa(rows[i].base));

		assert_non_null(d);
		assert_ptr_equal(d->board_device, &board_devices[rows[i].id]);
		assert_int_equal(board_devices[rows[i].id].base, rows[i].base);
	}
	assert_int_not_equal(board_map(&gs), OK); /* they are there already */
}

static void test_widths(void **state)
{
	static const unsigned takes[BOARD_DEVICES] = {
		[BOARD_UART] = 15, [BOARD_PLIC] = 4, [BOARD_RTC] = 12, [BOARD_FINISHER] = 6,
		[BOARD_VIRTIO] = 15
	};

	(void)state;
	for (unsigned id = 0; id < BOARD_DEVICES; id++)
		for (unsigned width = 1; width <= 8; width *= 2)
			assert_int_equal(put(id, 0, width, 0),
					 takes[id] & width ? MMIO_OK : MMIO_FAULT);
	assert_int_equal(put(BOARD_RTC, 2, 4, 0), MMIO_FAULT);
	assert_int_equal(put(BOARD_FINISHER, 1, 2, 0), MMIO_FAULT);
}

static void test_clock_follows_the_host(void **state)
{
	uint64_t start = UINT64_C(1700000000) * SECOND + 123;

	(void)state;
	host_rtc[0] = (uint32_t)start;
	host_rtc[1] = (uint32_t)(start >> 32);
	host.rtc = phys_address(host_rtc);
	set_time(5);
	board_reset(&board, vcpus, 1);
	assert_int_equal(clock_ns(), start);
	set_time(12);
	assert_int_equal(clock_ns(), start + 7 * SECOND);
}

static void test_clock_without_a_host_clock(void **state)
{
	(void)state;
	set_time(3);
	assert_int_equal(clock_ns(), 3 * SECOND);
	set_time(UINT64_C(1) << 35); /* no overflow on the way */
	assert_int_equal(clock_ns(), (UINT64_C(1) << 35) * SECOND);
	host.timebase = 0;
	assert_int_equal(clock_ns(), 0);
}

static void test_high_half_is_latched(void **state)
{
	(void)state;
	assert_int_equal(get(BOARD_RTC, 4), 0);
	set_time(100);
	get(BOARD_RTC, 0);
	set_time(10000);
	assert_int_equal(get(BOARD_RTC, 4), 100 * SECOND >> 32);
}

static void test_both_halves_at_once(void **state)
{
	struct mmio m = { .offset = 0, .width = 8 };
	uint64_t t = UINT64_C(1600000000) * SECOND;

	(void)state;
	assert_int_equal(put(BOARD_RTC, 0, 8, t), MMIO_OK);
	assert_int_equal(board_access(&board, &board_devices[BOARD_RTC], &m), MMIO_OK);
	assert_int_equal(m.value, t);
	assert_int_equal(put(BOARD_RTC, 0x20, 8, 0), MMIO_FAULT); /* half of it is outside */
}

static void test_clock_is_set_in_halves(void **state)
{
	uint64_t t = UINT64_C(1600000000) * SECOND;

	(void)state;
	set_time(9);
	put(BOARD_RTC, 4, 4, t >> 32);
	put(BOARD_RTC, 0, 4, (uint32_t)t);
	assert_int_equal(clock_ns(), t);
	set_time(10);
	assert_int_equal(clock_ns(), t + SECOND);
}

static void test_alarm(void **state)
{
	(void)state;
	put(BOARD_PLIC, BOARD_IRQ_RTC * 4, 4, 1);
	put(BOARD_PLIC, 0x2080, 4, 1 << BOARD_IRQ_RTC);
	set_time(10);
	/* For later: only remembered. */
	put(BOARD_RTC, 0x0c, 4, 11 * SECOND >> 32);
	put(BOARD_RTC, 0x08, 4, (uint32_t)(11 * SECOND));
	assert_int_equal(get(BOARD_RTC, 0x18), 1);
	assert_int_equal(get(BOARD_RTC, 0x08), (uint32_t)(11 * SECOND));
	assert_int_equal(get(BOARD_RTC, 0x0c), 11 * SECOND >> 32);
	put(BOARD_RTC, 0x14, 4, 0);
	assert_int_equal(get(BOARD_RTC, 0x18), 0);
	/* For a moment that has passed: at once, when enabled. */
	set_time(12);
	put(BOARD_RTC, 0x08, 4, (uint32_t)(11 * SECOND));
	assert_int_equal(get(BOARD_RTC, 0x18), 0);
	assert_false(external);
	put(BOARD_RTC, 0x10, 4, 0xffffffff);
	assert_int_equal(get(BOARD_RTC, 0x10), 1);
	assert_true(external);
	put(BOARD_RTC, 0x1c, 4, 0);
	assert_int_equal(get(BOARD_PLIC, 0x201004), BOARD_IRQ_RTC);
	put(BOARD_PLIC, 0x201004, 4, BOARD_IRQ_RTC);
	assert_false(external);
}

static void test_clock_ends_after_its_registers(void **state)
{
	struct mmio m = { .offset = 0x24, .width = 4 };

	(void)state;
	assert_int_equal(get(BOARD_RTC, 0x20), 0);
	assert_int_equal(board_access(&board, &board_devices[BOARD_RTC], &m), MMIO_FAULT);
}

static void test_finisher(void **state)
{
	static const struct {
		uint64_t value;
		unsigned width;
		enum mmio_result result;
		unsigned status;
		bool reset;
	} rows[] = {
		{ 0x5555, 4, MMIO_END, 0, false },     { 0x5555, 2, MMIO_END, 0, false },
		{ 0x3333, 4, MMIO_END, 1, false },     { 0x00073333, 4, MMIO_END, 7, false },
		{ 0x01003333, 4, MMIO_END, 1, false }, { 0xabcd3333, 4, MMIO_END, 0xcd, false },
		{ 0x7777, 4, MMIO_END, 0, true },      { 0, 4, MMIO_OK, 0, false },
		{ 0x5554, 4, MMIO_OK, 0, false },      { 0x55550000, 4, MMIO_OK, 0, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mmio m = { .width = rows[i].width,
				  .is_store = true,
				  .value = rows[i].value };
		enum mmio_result result = board_access(&board, &board_devices[BOARD_FINISHER], &m);

		assert_int_equal(result, rows[i].result);
		if (result != MMIO_END)
			continue;
		assert_int_equal(m.status, rows[i].status);
		assert_int_equal(m.reset, rows[i].reset);
	}
	assert_int_equal(put(BOARD_FINISHER, 4, 4, 0x5555), MMIO_OK);
	assert_int_equal(get(BOARD_FINISHER, 0), 0);
	assert_int_equal(get(BOARD_FINISHER, 0xffc), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_places, set_up),
		cmocka_unit_test_setup(test_widths, set_up),
		cmocka_unit_test_setup(test_clock_follows_the_host, set_up),
		cmocka_unit_test_setup(test_clock_without_a_host_clock, set_up),
		cmocka_unit_test_setup(test_high_half_is_latched, set_up),
		cmocka_unit_test_setup(test_both_halves_at_once, set_up),
		cmocka_unit_test_setup(test_clock_is_set_in_halves, set_up),
		cmocka_unit_test_setup(test_alarm, set_up),
		cmocka_unit_test_setup(test_clock_ends_after_its_registers, set_up),
		cmocka_unit_test_setup(test_finisher, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
