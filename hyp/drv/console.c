/*
 * The host's console: a driver of its 16550, and the ring of output that waits for it.
 *
 * Invariant: while the ring holds bytes the UART's transmit interrupt is on, so they leave without
 * anybody asking; and no byte overtakes those in the ring.
 *
 * Who else sends and receives here: hyp/dev/uart.c, and the firmware, which hyp/lib/log.c uses.
 */
#include "hyp/drv/console.h"

#include "hyp/drv/host.h"
#include "hyp/drv/io.h"
#include "hyp/drv/ns16550.h"
#include "hyp/lib/lock.h"

#define RING 4096 /* a power of two */

static struct {
	struct lock lock;
	uint8_t ier;   /* what the UART's register holds */
	bool is_short; /* a byte was refused and nobody told of room since */
	/* Bytes ever put into and taken from the ring; their difference is what it holds. */
	uint32_t in, out;
	uint8_t ring[RING];
} console;

static uint8_t uart_read(unsigned reg)
{
	return io_read8(hpa(host.uart.v + reg));
}

static void uart_write(unsigned reg, uint8_t value)
{
	io_write8(hpa(host.uart.v + reg), value);
}

static bool ring_is_full(void)
{
	return console.in - console.out == RING;
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
			uart_write(NS_DATA, console.ring[console.out++ % RING]);
	enable_interrupt(NS_IER_THRE, console.in != console.out);
}

/* The divisor is the firmware's: QEMU's and every real board's firmware has printed before. */
void console_init(void)
{
	if (!host.uart.v)
		return;
	uart_write(NS_LCR, 0x03); /* 8 bits, no parity, one stop bit; DLAB off */
	uart_write(NS_FCR, NS_FCR_FIFO | NS_FCR_TRIGGER_8);
	uart_write(NS_IER, 0);
}

static bool put_locked(uint8_t byte)
{
	if (console.in != console.out)
		move_output();
	if (console.in == console.out && (uart_read(NS_LSR) & NS_LSR_THRE)) {
		uart_write(NS_DATA, byte);
		return true;
	}
	if (ring_is_full()) {
		console.is_short = true;
		return false;
	}
	console.ring[console.in++ % RING] = byte;
	enable_interrupt(NS_IER_THRE, true);
	return true;
}

bool console_put(uint8_t byte)
{
	bool sent;

	if (!host.uart.v)
		return true;
	lock_take(&console.lock);
	sent = put_locked(byte);
	lock_release(&console.lock);
	return sent;
}

bool console_has_room(void)
{
	bool room;

	if (!host.uart.v)
		return true;
	lock_take(&console.lock);
	if (ring_is_full())
		move_output();
	room = !ring_is_full();
	lock_release(&console.lock);
	return room;
}

int console_get(void)
{
	int byte;

	if (!host.uart.v)
		return -1;
	lock_take(&console.lock);
	byte = uart_read(NS_LSR) & NS_LSR_DATA ? uart_read(NS_DATA) : -1;
	lock_release(&console.lock);
	return byte;
}

void console_listen(bool on)
{
	if (!host.uart.v)
		return;
	lock_take(&console.lock);
	enable_interrupt(NS_IER_RX, on);
	lock_release(&console.lock);
}

bool console_interrupt(void)
{
	bool tell;

	if (!host.uart.v)
		return false;
	lock_take(&console.lock);
	move_output();
	tell = console.is_short && !ring_is_full();
	if (tell)
		console.is_short = false;
	lock_release(&console.lock);
	return tell;
}
