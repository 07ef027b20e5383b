/*
 * The drivers of the host's console and PLIC, over a 16550 and a PLIC of the test's own. Registers
 * with effects can't be played by memory, so these take the place of hyp/drv/io.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/arch/addr.h"
#include "tests/fake/fake.h"

#define HYP_DRV_IO_H
static uint8_t io_read8(hpa_t at);
static void io_write8(hpa_t at, uint8_t value);
static uint32_t io_read32(hpa_t at);
static void io_write32(hpa_t at, uint32_t value);

#include "hyp/drv/console.c"
#include "hyp/drv/plic.c"

#define UART UINT64_C(0x10000000)
#define PLIC UINT64_C(0x0c000000)

/* A UART that takes 16 bytes whenever it is empty, and is emptied by the test. */
static struct {
	uint8_t reg[8];
	bool is_slow; /* what it takes stays until drain() */
	unsigned in_fifo;
	char sent[3 * CONSOLE_RING];
	unsigned sent_n;
	const char *typed;
} uart;

static uint32_t plic_words[0x600000 / 4];

static uint8_t io_read8(hpa_t at)
{
	switch (at.v - UART) {
	case NS_DATA:
		return (uint8_t)*uart.typed++;
	case NS_LSR:
		return (uint8_t)((uart.in_fifo ? 0 : NS_LSR_THRE | NS_LSR_TEMT) |
				 (*uart.typed ? NS_LSR_DATA : 0));
	default:
		fail_msg("register %u is read", (unsigned)(at.v - UART));
		return 0;
	}
}

static void io_write8(hpa_t at, uint8_t value)
{
	uint64_t reg = at.v - UART;

	assert_true(reg < NS_REGISTERS);
	uart.reg[reg] = value;
	if (reg != NS_DATA)
		return;
	assert_true(uart.in_fifo < NS_FIFO);
	uart.in_fifo += uart.is_slow;
	uart.sent[uart.sent_n++] = (char)value;
}

static uint32_t io_read32(hpa_t at)
{
	return plic_words[(at.v - PLIC) / 4];
}

static unsigned completed; /* how often, where the source was enabled for that context */

static void io_write32(hpa_t at, uint32_t value)
{
	uint64_t context = (at.v - PLIC - 0x200000) / 0x1000;

	plic_words[(at.v - PLIC) / 4] = value;
	if (at.v >= PLIC + 0x200000 && at.v % 0x1000 == 4)
		completed += plic_words[(0x2000 + 0x80 * context) / 4 + value / 32] >> value % 32 & 1;
}

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(&uart, 0, sizeof(uart));
	memset(&console, 0, sizeof(console));
	memset(&host, 0, sizeof(host));
	memset(plic_words, 0, sizeof(plic_words));
	uart.typed = "";
	host.uart = hpa(UART);
	host.plic = hpa(PLIC);
	console_init();
	return 0;
}

static bool send_interrupt_is_on(void)
{
	return (uart.reg[NS_IER] & NS_IER_THRE) != 0;
}

static uint8_t nth(unsigned i)
{
	return (uint8_t)('!' + i % 89);
}

static void check_sent(unsigned n)
{
	assert_int_equal(uart.sent_n, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal((uint8_t)uart.sent[i], nth(i));
}

static void test_init(void **state)
{
	(void)state;
	assert_int_equal(uart.reg[NS_IER], NS_IER_RX);
	assert_int_equal(uart.reg[NS_LCR], 3);
	assert_true(uart.reg[NS_FCR] & NS_FCR_FIFO);
	/* What was typed before is not thrown away. */
	assert_false(uart.reg[NS_FCR] & NS_FCR_RX_RESET);
}

static void test_fast_uart_needs_no_interrupt(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		console_put(nth(i));
	check_sent(1000);
	assert_false(send_interrupt_is_on());
	assert_int_equal(console_room(), CONSOLE_RING);
}

static unsigned fill(void)
{
	unsigned n = 0;

	while (console_room())
		console_put(nth(n++));
	return n;
}

/* One byte in the UART, a ring full, then no room; interrupts bring it all out in order. */
static void test_slow_uart(void **state)
{
	unsigned n;

	(void)state;
	uart.is_slow = true;
	n = fill();
	assert_int_equal(n, CONSOLE_RING + 1);
	assert_true(send_interrupt_is_on());
	console_interrupt(); /* the UART is still busy */
	assert_int_equal(console_room(), 0);
	uart.in_fifo = 0;
	console_interrupt();
	assert_int_equal(uart.in_fifo, NS_FIFO);
	assert_int_equal(console_room(), NS_FIFO);
	console_put(nth(n++));
	while (uart.sent_n < n) {
		assert_true(send_interrupt_is_on());
		uart.in_fifo = 0;
		console_interrupt();
	}
	assert_false(send_interrupt_is_on());
	check_sent(n);
}

/* Where nobody hears the interrupt, sending and asking for room still move output on. */
static void test_without_interrupts(void **state)
{
	unsigned n;

	(void)state;
	uart.is_slow = true;
	n = fill();
	uart.in_fifo = 0;
	assert_int_equal(console_room(), NS_FIFO);
	uart.is_slow = false;
	uart.in_fifo = 0;
	assert_int_equal(console_room(), CONSOLE_RING);
	console_put(nth(n++));
	check_sent(n);
}

static void test_input(void **state)
{
	(void)state;
	assert_int_equal(console_get(), -1);
	uart.typed = "a\xff";
	assert_int_equal(console_get(), 'a');
	assert_int_equal(console_get(), 0xff);
	assert_int_equal(console_get(), -1);
}

static void test_both_interrupts(void **state)
{
	(void)state;
	uart.is_slow = true;
	console_put('x');
	console_put('y');
	assert_int_equal(uart.reg[NS_IER], NS_IER_RX | NS_IER_THRE);
	uart.in_fifo = 0;
	console_interrupt();
	assert_int_equal(uart.reg[NS_IER], NS_IER_RX);
}

static void test_no_uart(void **state)
{
	(void)state;
	host.uart = hpa(0);
	console_init();
	assert_int_equal(console_room(), CONSOLE_RING);
	console_put('x');
	assert_int_equal(console_get(), -1);
	console_interrupt();
	assert_int_equal(uart.sent_n, 0);
}

static void test_plic(void **state)
{
	(void)state;
	host.plic_context[2] = 5;
	fake.hart = &fake.harts[2];
	plic_words[0x205000 / 4] = 3;
	plic_words[(0x2000 + 5 * 0x80 + 4) / 4] = 1;
	plic_host_enable(42);
	assert_int_equal(plic_words[42], 1);
	assert_int_equal(plic_words[(0x2000 + 5 * 0x80 + 4) / 4], 1 << 10 | 1);
	assert_int_equal(plic_words[0x205000 / 4], 0);
	plic_words[0x205004 / 4] = 42;
	assert_int_equal(plic_host_claim(), 42);
	plic_host_complete(42);
	assert_int_equal(plic_words[0x205004 / 4], 42);
	assert_int_equal(completed, 1);
	host.plic_context[1] = 3;
	plic_host_move(42, 1); /* after it was claimed again */
	plic_host_complete(42);
	assert_int_equal(plic_words[0x205004 / 4], 42);
	assert_int_equal(completed, 2);
	assert_int_equal(plic_words[(0x2000 + 5 * 0x80 + 4) / 4], 1);
	assert_int_equal(plic_words[(0x2000 + 3 * 0x80 + 4) / 4], 1 << 10);
	plic_host_complete(UINT32_MAX);
	host.plic = hpa(0);
	plic_host_enable(42);
	assert_int_equal(plic_host_claim(), 0);
	plic_host_complete(42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_init, set_up),
		cmocka_unit_test_setup(test_fast_uart_needs_no_interrupt, set_up),
		cmocka_unit_test_setup(test_slow_uart, set_up),
		cmocka_unit_test_setup(test_without_interrupts, set_up),
		cmocka_unit_test_setup(test_input, set_up),
		cmocka_unit_test_setup(test_both_interrupts, set_up),
		cmocka_unit_test_setup(test_no_uart, set_up),
		cmocka_unit_test_setup(test_plic, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
