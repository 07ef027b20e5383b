/*
 * The serial port's receiver: ns16550, through the PLIC.
 *
 * Invariant: interrupts stay off. wfi wakes when one that sie lets through is pending, taken or not
 * (chapter "Supervisor-Level ISA", "Wait for Interrupt"), and then it is claimed right here.
 */
#include "guests/lib/serial.h"

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/print.h"

/* On the virt board hart n has PLIC contexts 2n for M-mode and 2n + 1 for S-mode. */
static uint64_t context(void)
{
	return 2 * hart_self()->id + 1;
}

static uint64_t plic_claim(void)
{
	return PLIC_BASE + 0x200004 + 0x1000 * context();
}

void serial_begin(void)
{
	mmio_write32(PLIC_BASE + 4 * UART_IRQ, 1);
	mmio_write32(PLIC_BASE + 0x2000 + 0x80 * context(), 1u << UART_IRQ);
	mmio_write32(PLIC_BASE + 0x200000 + 0x1000 * context(), 0);
	mmio_write8(UART_BASE + UART_IER, UART_IER_RX);
	csr_set(CSR_SIE, 1ul << IRQ_S_EXT);
}

char serial_read(void)
{
	while ((mmio_read8(UART_BASE + UART_LSR) & UART_LSR_DR) == 0) {
		wfi();
		mmio_write32(plic_claim(), mmio_read32(plic_claim()));
	}
	return (char)mmio_read8(UART_BASE + UART_RBR);
}

static void take_back(size_t *n)
{
	if (*n == 0)
		return;
	(*n)--;
	print("\b \b");
}

void serial_line(char *to, size_t bytes)
{
	size_t n = 0;

	for (;;) {
		char c = serial_read();

		if (c == '\r' || c == '\n')
			break;
		if (c == '\b' || c == 0x7f) {
			take_back(&n);
		} else if (c >= ' ' && n + 1 < bytes) {
			to[n++] = c;
			put_char(c);
		}
	}
	to[n] = '\0';
	print("\n");
}
