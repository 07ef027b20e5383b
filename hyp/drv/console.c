/*
 * The host's console: a driver of its 16550, and the ring of output that waits for it.
 *
 * Invariant: while the ring holds bytes the UART's transmit interrupt is on, so they leave without
 * anybody asking; and no byte overtakes those in the ring.
 *
 * Who else sends here: the firmware, which hyp/lib/log.c uses. Next: hyp/drv/terminal.c.
 */
#include "hyp/drv/console.h"

#include "hyp/drv/host.h"
#include "hyp/drv/io.h"
#include "hyp/drv/ns16550.h"

static struct {
	uint8_t ier; /* what the UART's register holds */
	/* Bytes ever put into and taken from the ring; their difference is what it holds. */
	uint32_t in, out;
	uint8_t ring[CONSOLE_RING];
} console;

static uint8_t uart_read(unsigned reg)
{
	return io_read8(hpa(host.uart.v + reg));
}

static void uart_write(unsigned reg, uint8_t value)
{
	io_write8(hpa(host.uart.v + reg), value);
}

static void enable_interrupt(uint8_t bit, bool on)
{
	uint8_t ier = (uint8_t)(on ? console.ier | bit : console.ier & ~bit);

	if (ier == console.ier)
		return;
	console.ier = ier;
	uart_write(NS_IER, ier);
}

/* Fill the UART from the ring. An empty transmitter takes a whole FIFO without being asked again.
 */
static void move_output(void)
{
	while (console.in != console.out && (uart_read(NS_LSR) & NS_LSR_THRE))
		for (unsigned i = 0; i < NS_FIFO && console.in != console.out; i++)
			uart_write(NS_DATA, console.ring[console.out++ % CONSOLE_RING]);
	enable_interrupt(NS_IER_THRE, console.in != console.out);
}

/* The divisor is the firmware's: QEMU's and every real board's firmware has printed before. */
void console_init(void)
{
	if (!host.uart.v)
		return;
	uart_write(NS_LCR, 0x03); /* 8 bits, no parity, one stop bit; DLAB off */
	uart_write(NS_FCR, NS_FCR_FIFO | NS_FCR_TRIGGER_8);
	console.ier = NS_IER_RX;
	uart_write(NS_IER, NS_IER_RX);
}

unsigned console_room(void)
{
	if (!host.uart.v)
		return CONSOLE_RING;
	if (console.in != console.out)
		move_output();
	return CONSOLE_RING - (console.in - console.out);
}

void console_put(uint8_t byte)
{
	if (!host.uart.v)
		return;
	if (console.in == console.out && (uart_read(NS_LSR) & NS_LSR_THRE)) {
		uart_write(NS_DATA, byte);
		return;
	}
	console.ring[console.in++ % CONSOLE_RING] = byte;
	enable_interrupt(NS_IER_THRE, true);
}

int console_get(void)
{
	if (!host.uart.v)
		return -1;
	return uart_read(NS_LSR) & NS_LSR_DATA ? uart_read(NS_DATA) : -1;
}

void console_interrupt(void)
{
	if (host.uart.v)
		move_output();
}
