/*
 * The guest's serial port, over a port of the test's own. What each test expects was read in
 * the data sheet, or is what QEMU's 16550 does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hyp/dev/board.h"
#include "tests/fake/fake.h"

/* The host's side. */
static struct {
	char sent[256];
	unsigned sent_n, room; /* how many more bytes are taken */
	const char *typed;
	bool line;
	unsigned line_changes;
	unsigned looks; /* how often input was asked for */
} side;

static struct board board;

void port_open(struct port *p)
{
	assert_ptr_equal(p, &board.uart.port);
	assert_string_equal(p->label, "linux");
	assert_ptr_equal(p->owner, &side);
}

void port_close(struct port *p)
{
	assert_ptr_equal(p, &board.uart.port);
}

bool port_put(struct port *p, uint8_t byte)
{
	assert_ptr_equal(p, &board.uart.port);
	if (!side.room)
		return false;
	side.room--;
	side.sent[side.sent_n++] = (char)byte;
	return true;
}

int port_get(struct port *p)
{
	assert_ptr_equal(p, &board.uart.port);
	side.looks++;
	return *side.typed ? (uint8_t)*side.typed++ : -1;
}

void plic_set_line(struct board *b, unsigned source, bool high)
{
	(void)b;
	assert_int_equal(source, BOARD_IRQ_UART);
	assert_int_not_equal(high, side.line);
	side.line = high;
	side.line_changes++;
}

struct vcpu *plic_listener(struct board *b, unsigned source)
{
	(void)b;
	(void)source;
	return NULL;
}

void plic_reset(struct board *b, struct vcpu *const *vcpus, unsigned n)
{
	(void)b;
	(void)vcpus;
	(void)n;
}

enum mmio_result plic_access(struct board *b, struct mmio *m)
{
	(void)b;
	(void)m;
	return MMIO_FAULT;
}

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(&side, 0, sizeof(side));
	memset(&board, 0, sizeof(board));
	side.room = 200;
	side.typed = "";
	uart_attach(&board, "linux", &side, NULL);
	uart_reset(&board);
	return 0;
}

static uint8_t get(unsigned reg)
{
	struct mmio m = { .offset = reg, .width = 1, .value = 0x5555 };

	assert_int_equal(board_access(&board, &board_devices[BOARD_UART], &m), MMIO_OK);
	assert_true(m.value <= 0xff);
	return (uint8_t)m.value;
}

static void put(unsigned reg, uint8_t value)
{
	struct mmio m = { .offset = reg, .width = 1, .is_store = true, .value = value };

	assert_int_equal(board_access(&board, &board_devices[BOARD_UART], &m), MMIO_OK);
}

static void type(const char *text)
{
	side.typed = text;
	uart_port_event(&board, (struct port_event){ .input = true });
}

static void has_room(void)
{
	uart_port_event(&board, (struct port_event){ .room = true });
}

static void test_reset_values(void **state)
{
	static const uint8_t expected[NS_REGISTERS] = {
		[NS_DATA] = 0,	 [NS_IER] = 0,	  [NS_IIR] = 1,	   [NS_LCR] = 0,
		[NS_MCR] = 0x08, [NS_LSR] = 0x60, [NS_MSR] = 0xb0, [NS_SCR] = 0,
	};

	(void)state;
	for (unsigned r = 0; r < NS_REGISTERS; r++)
		assert_int_equal(get(r), expected[r]);
	assert_false(side.line);
}

static void test_which_bits_stick(void **state)
{
	static const struct {
		unsigned reg;
		uint8_t mask;
	} rows[] = { { NS_IER, 0x0f }, { NS_LCR, 0xff }, { NS_SCR, 0xff } };

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* LCR last: 0xff there would set DLAB. */
		put(rows[i].reg, 0x7f);
		assert_int_equal(get(rows[i].reg), rows[i].mask & 0x7f);
		put(rows[i].reg, 0);
		assert_int_equal(get(rows[i].reg), 0);
	}
	put(NS_MCR, 0xff);
	assert_int_equal(get(NS_MCR), 0x1f);
	put(NS_LSR, 0);
	put(NS_MSR, 0);
	assert_int_equal(get(NS_LSR), 0x60);
}

static void test_divisor_latch(void **state)
{
	(void)state;
	put(NS_LCR, 0x83);
	assert_int_equal(get(NS_DATA), 12);
	put(NS_DATA, 0x34);
	put(NS_IER, 0x12);
	assert_int_equal(get(NS_DATA), 0x34);
	assert_int_equal(get(NS_IER), 0x12);
	put(NS_LCR, 0x03);
	assert_int_equal(get(NS_IER), 0);
	assert_int_equal(side.sent_n, 0);
}

static void test_widths_and_places(void **state)
{
	struct mmio m = { .offset = NS_LSR, .width = 1 };

	(void)state;
	put(NS_SCR, 0xa5);
	/* Of a wider access the byte at its address counts. */
	m = (struct mmio){ .offset = 4, .width = 4 };
	assert_int_equal(board_access(&board, &board_devices[BOARD_UART], &m), MMIO_OK);
	assert_int_equal(m.value, 0x08);
	m = (struct mmio){ .offset = 0, .width = 8, .is_store = true, .value = 0x1122334455667741 };
	assert_int_equal(board_access(&board, &board_devices[BOARD_UART], &m), MMIO_OK);
	assert_string_equal(side.sent, "A");
	assert_int_equal(get(NS_SCR), 0xa5);
	/* Not aligned; past the last register. */
	m = (struct mmio){ .offset = 5, .width = 2 };
	assert_int_equal(board_access(&board, &board_devices[BOARD_UART], &m), MMIO_FAULT);
	m = (struct mmio){ .offset = 8, .width = 1 };
	assert_int_equal(board_access(&board, &board_devices[BOARD_UART], &m), MMIO_FAULT);
}

static void test_fifo_bits_in_iir(void **state)
{
	(void)state;
	put(NS_FCR, NS_FCR_FIFO);
	assert_int_equal(get(NS_IIR), 0xc1);
	put(NS_FCR, 0);
	assert_int_equal(get(NS_IIR), 0x01);
}

static void test_thre_interrupt(void **state)
{
	(void)state;
	/* Enabling it with an empty transmitter raises it; reading IIR takes it back. */
	put(NS_IER, NS_IER_THRE);
	assert_true(side.line);
	assert_int_equal(get(NS_IIR), NS_IIR_THRE);
	assert_false(side.line);
	assert_int_equal(get(NS_IIR), NS_IIR_NONE);
	/* Enabling what is enabled doesn't; disabling and enabling does. */
	put(NS_IER, NS_IER_THRE);
	assert_false(side.line);
	put(NS_IER, 0);
	put(NS_IER, NS_IER_THRE);
	assert_true(side.line);
	get(NS_IIR);
	/* A byte sent at once leaves the transmitter empty again. */
	put(NS_DATA, 'x');
	assert_true(side.line);
	assert_int_equal(get(NS_IIR), NS_IIR_THRE);
	assert_int_equal(side.line_changes, 6);
}

static void test_full_console_holds_thre_down(void **state)
{
	(void)state;
	put(NS_FCR, NS_FCR_FIFO);
	put(NS_IER, NS_IER_THRE);
	get(NS_IIR);
	side.room = 2;
	/* A driver that saw THRE may send a whole FIFO. */
	for (char c = 'a'; c < 'a' + 16; c++)
		put(NS_DATA, (uint8_t)c);
	assert_int_equal(get(NS_LSR), 0);
	assert_int_equal(get(NS_IIR), 0xc0 | NS_IIR_NONE);
	assert_false(side.line);
	side.room = 5;
	has_room();
	assert_int_equal(get(NS_LSR), 0);
	assert_false(side.line);
	side.room = 100;
	has_room();
	assert_true(side.line);
	assert_int_equal(get(NS_LSR), 0x60);
	assert_int_equal(get(NS_IIR), 0xc0 | NS_IIR_THRE);
	assert_string_equal(side.sent, "abcdefghijklmnop");
	/* Nothing waits: nobody asked for another interrupt. */
	has_room();
	assert_false(side.line);
}

static void test_polling_sends_on(void **state)
{
	(void)state;
	side.room = 0;
	put(NS_DATA, 'a');
	assert_int_equal(get(NS_LSR), 0);
	side.room = 9;
	assert_int_equal(get(NS_LSR), 0x60);
	assert_string_equal(side.sent, "a");
}

static void test_transmit_overrun_loses_the_oldest(void **state)
{
	(void)state;
	put(NS_FCR, NS_FCR_FIFO);
	side.room = 0;
	for (char c = 'a'; c < 'a' + 18; c++)
		put(NS_DATA, (uint8_t)c);
	side.room = 100;
	has_room();
	assert_string_equal(side.sent, "cdefghijklmnopqr");
}

static void test_transmit_reset(void **state)
{
	(void)state;
	put(NS_FCR, NS_FCR_FIFO);
	put(NS_IER, NS_IER_THRE);
	get(NS_IIR);
	side.room = 0;
	put(NS_DATA, 'a');
	assert_int_equal(get(NS_LSR), 0);
	put(NS_FCR, NS_FCR_FIFO | NS_FCR_TX_RESET);
	assert_int_equal(get(NS_LSR), 0x60);
	assert_true(side.line);
	side.room = 9;
	has_room();
	assert_string_equal(side.sent, "");
}

static void test_receive_without_fifo(void **state)
{
	(void)state;
	type("abc");
	assert_false(side.line);
	put(NS_IER, NS_IER_RX);
	assert_true(side.line);
	assert_int_equal(get(NS_IIR), NS_IIR_RX);
	assert_int_equal(get(NS_LSR), 0x61);
	assert_int_equal(get(NS_DATA), 'a');
	/* Reading fetched the next one. */
	assert_true(side.line);
	assert_int_equal(get(NS_DATA), 'b');
	assert_int_equal(get(NS_DATA), 'c');
	assert_false(side.line);
	assert_int_equal(get(NS_LSR), 0x60);
}

static void test_receive_trigger_and_timeout(void **state)
{
	static const uint8_t triggers[] = { 1, 4, 8, 14 };
	static const char text[] = "0123456789abcd";

	(void)state;
	put(NS_IER, NS_IER_RX);
	for (unsigned i = 0; i < 4; i++) {
		put(NS_FCR, (uint8_t)(i << 6 | NS_FCR_FIFO | NS_FCR_RX_RESET));
		for (unsigned n = 1; n <= 14; n++) {
			type(text + 14 - n);
			assert_true(side.line);
			assert_int_equal(get(NS_IIR),
					 0xc0 | (n >= triggers[i] ? NS_IIR_RX : NS_IIR_TIMEOUT));
			for (unsigned k = 0; k < n; k++)
				assert_int_equal(get(NS_DATA), text[14 - n + k]);
			assert_false(side.line);
		}
	}
}

static void test_paste_loses_nothing(void **state)
{
	char text[1001], got[1001];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		text[i] = (char)('!' + i % 90);
	text[1000] = 0;
	put(NS_FCR, NS_FCR_FIFO);
	type(text);
	while (get(NS_LSR) & NS_LSR_DATA)
		got[n++] = (char)get(NS_DATA);
	got[n] = 0;
	assert_string_equal(got, text);
}

/* A driver that polls doesn't go and look for input each time: it is told. */
static void test_polling_is_cheap(void **state)
{
	unsigned looks = side.looks;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		get(NS_LSR);
		get(NS_DATA);
	}
	assert_int_equal(side.looks, looks);
	type("x");
	assert_int_equal(get(NS_DATA), 'x');
}

/* The SBI's way to the same bytes. */
static void test_take(void **state)
{
	(void)state;
	assert_int_equal(uart_take(&board), -1);
	put(NS_IER, NS_IER_RX);
	type("a\xff");
	assert_true(side.line);
	assert_int_equal(uart_take(&board), 'a');
	assert_int_equal(uart_take(&board), 0xff);
	assert_int_equal(uart_take(&board), -1);
	assert_false(side.line);
}

static void test_receive_reset_and_mode_change(void **state)
{
	(void)state;
	put(NS_FCR, NS_FCR_FIFO);
	type("abc");
	put(NS_FCR, NS_FCR_FIFO | NS_FCR_RX_RESET);
	assert_int_equal(get(NS_LSR), 0x60);
	type("abc");
	put(NS_FCR, 0); /* FIFOs off: both are emptied */
	assert_int_equal(get(NS_LSR), 0x60);
	/* What waited for room comes at once. */
	type("0123");
	put(NS_FCR, NS_FCR_FIFO);
	assert_int_equal(get(NS_DATA), '1');
	assert_int_equal(get(NS_DATA), '2');
}

static void test_priority_of_interrupts(void **state)
{
	(void)state;
	put(NS_MCR, NS_MCR_LOOP);
	put(NS_IER, NS_IER_RX | NS_IER_THRE | NS_IER_LINE);
	put(NS_DATA, 'a');
	put(NS_DATA, 'b'); /* overrun; without FIFOs the new byte replaces the old */
	assert_int_equal(get(NS_IIR), NS_IIR_LINE);
	assert_int_equal(get(NS_LSR), 0x63);
	assert_int_equal(get(NS_LSR), 0x61);
	assert_int_equal(get(NS_IIR), NS_IIR_RX);
	assert_int_equal(get(NS_DATA), 'b');
	assert_int_equal(get(NS_IIR), NS_IIR_THRE);
	assert_int_equal(get(NS_IIR), NS_IIR_NONE);
	assert_false(side.line);
}

static void test_loopback(void **state)
{
	static const uint8_t msr[] = { 0x20, 0x10, 0x40, 0x80 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		put(NS_MCR, (uint8_t)(NS_MCR_LOOP | 1u << i));
		assert_int_equal(get(NS_MSR), msr[i]);
	}
	put(NS_FCR, NS_FCR_FIFO);
	for (char c = 'a'; c < 'a' + 17; c++)
		put(NS_DATA, (uint8_t)c);
	assert_string_equal(side.sent, "");
	assert_int_equal(get(NS_LSR), 0x63);
	for (char c = 'a'; c < 'a' + 16; c++)
		assert_int_equal(get(NS_DATA), c);
	assert_int_equal(get(NS_LSR), 0x60);
	/* Nothing comes in from outside until it is left. */
	type("x");
	assert_int_equal(get(NS_LSR), 0x60);
	put(NS_MCR, NS_MCR_OUT2);
	assert_int_equal(get(NS_DATA), 'x');
	assert_int_equal(get(NS_MSR), 0xb0);
}

static void test_reset_lowers_the_line(void **state)
{
	(void)state;
	put(NS_FCR, NS_FCR_FIFO);
	put(NS_IER, NS_IER_RX);
	type("0123456789abcdefgh");
	assert_true(side.line);
	uart_reset(&board);
	assert_false(side.line);
	assert_int_equal(get(NS_IIR), NS_IIR_NONE);
	/* What had reached the receiver is gone, what was on its way comes. */
	assert_int_equal(get(NS_LSR), 0x61);
	assert_int_equal(get(NS_DATA), 'g');
	assert_int_equal(get(NS_DATA), 'h');
	assert_int_equal(get(NS_LSR), 0x60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reset_values, set_up),
		cmocka_unit_test_setup(test_which_bits_stick, set_up),
		cmocka_unit_test_setup(test_divisor_latch, set_up),
		cmocka_unit_test_setup(test_widths_and_places, set_up),
		cmocka_unit_test_setup(test_fifo_bits_in_iir, set_up),
		cmocka_unit_test_setup(test_thre_interrupt, set_up),
		cmocka_unit_test_setup(test_full_console_holds_thre_down, set_up),
		cmocka_unit_test_setup(test_polling_sends_on, set_up),
		cmocka_unit_test_setup(test_transmit_overrun_loses_the_oldest, set_up),
		cmocka_unit_test_setup(test_transmit_reset, set_up),
		cmocka_unit_test_setup(test_receive_without_fifo, set_up),
		cmocka_unit_test_setup(test_receive_trigger_and_timeout, set_up),
		cmocka_unit_test_setup(test_paste_loses_nothing, set_up),
		cmocka_unit_test_setup(test_polling_is_cheap, set_up),
		cmocka_unit_test_setup(test_take, set_up),
		cmocka_unit_test_setup(test_receive_reset_and_mode_change, set_up),
		cmocka_unit_test_setup(test_priority_of_interrupts, set_up),
		cmocka_unit_test_setup(test_loopback, set_up),
		cmocka_unit_test_setup(test_reset_lowers_the_line, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
