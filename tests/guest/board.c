/*
 * The devices: 16550 registers, FIFO, loopback and interrupt conditions; the PLIC; UART to PLIC to
 * hart end to end; the RTC; the finisher's harmless side.
 *
 * Invariant: nothing is printed while the UART is in loopback or interrupts from it are on. The
 * expected values are the 16550's data sheet and the PLIC specification, as QEMU has them.
 */
#include "guests/lib/board.h"

#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "tests/guest/insn.h"
#include "tests/guest/tap.h"

#define IER_RX	    0x01
#define IER_THRE    0x02
#define FCR_ENABLE  0x01
#define FCR_CLEAR   0x06
#define IIR_NONE    0x01
#define IIR_THRE    0x02
#define IIR_RX	    0x04
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS   0xc0
#define LCR_DLAB    0x80
#define MCR_LOOP    0x10
#define MCR_OUT2    0x08

#define CONTEXT		 (2ul * board.boot_hart + 1) /* S-mode of this hart */
#define PLIC_PRIORITY(n) (PLIC_BASE + 4ul * (n))
#define PLIC_PENDING	 (PLIC_BASE + 0x1000)
#define PLIC_ENABLE	 (PLIC_BASE + 0x2000 + 0x80 * CONTEXT)
#define PLIC_THRESHOLD	 (PLIC_BASE + 0x200000 + 0x1000 * CONTEXT)
#define PLIC_CLAIM	 (PLIC_THRESHOLD + 4)
#define SEIP		 (1ul << IRQ_S_EXT)

static uint8_t uart_get(uint64_t reg)
{
	return mmio_read8(UART_BASE + reg);
}

static void uart_set(uint64_t reg, unsigned value)
{
	mmio_write8(UART_BASE + reg, (uint8_t)value);
}

static void test_uart_registers(void)
{
	static const uint8_t patterns[] = { 0x00, 0x55, 0xaa, 0xff };
	uint8_t lcr = uart_get(UART_LCR), mcr = uart_get(UART_MCR), dll, dlm, got[2], ier;

	for (unsigned i = 0; i < COUNT(patterns); i++) {
		uart_set(UART_SCR, patterns[i]);
		test_is(uart_get(UART_SCR), patterns[i], "UART: scratch holds %x", patterns[i]);
	}
	uart_set(UART_LCR, lcr | LCR_DLAB);
	dll = uart_get(UART_DLL);
	dlm = uart_get(UART_DLM);
	uart_set(UART_DLL, 0x34);
	uart_set(UART_DLM, 0x12);
	got[0] = uart_get(UART_DLL);
	got[1] = uart_get(UART_DLM);
	uart_set(UART_LCR, lcr);
	ier = uart_get(UART_IER);
	uart_set(UART_LCR, lcr | LCR_DLAB);
	uart_set(UART_DLL, dll);
	uart_set(UART_DLM, dlm);
	uart_set(UART_LCR, lcr);
	test_is(got[0] | (unsigned)got[1] << 8, 0x1234, "UART: divisor latch");
	test_is(ier, 0, "UART: without DLAB the same address is IER");
	uart_set(UART_LCR, 0x1b);
	got[0] = uart_get(UART_LCR);
	uart_set(UART_LCR, lcr);
	test_is(got[0], 0x1b, "UART: LCR holds a line setting");
	uart_set(UART_IER, 0xff);
	uart_get(UART_IIR);
	got[0] = uart_get(UART_IER);
	uart_set(UART_IER, 0);
	test_is(got[0], 0x0f, "UART: IER has four bits");
	uart_set(UART_MCR, MCR_OUT2 | 0x03);
	got[0] = uart_get(UART_MCR);
	uart_set(UART_MCR, mcr);
	test_is(got[0], MCR_OUT2 | 0x03, "UART: MCR holds OUT2, RTS, DTR");
	test_is(uart_get(UART_LSR) & 0x7f, 0x60, "UART: LSR says empty, both ways");
}

static void test_uart_iir(void)
{
	uint8_t with, without, thre, after;

	uart_set(UART_FCR, FCR_ENABLE);
	with = uart_get(UART_IIR);
	uart_set(UART_FCR, 0);
	without = uart_get(UART_IIR);
	test_is(with, IIR_FIFOS | IIR_NONE, "UART: IIR with FIFOs on, nothing to report");
	test_is(without, IIR_NONE, "UART: IIR with FIFOs off");
	uart_set(UART_IER, IER_THRE);
	thre = uart_get(UART_IIR);
	after = uart_get(UART_IIR);
	uart_set(UART_IER, 0);
	test_is(thre, IIR_THRE, "UART: THRE is reported when it is asked for");
	test_is(after, IIR_NONE, "UART: reading IIR takes THRE back");
}

/* In loopback what is sent is received, and the modem lines are wired back. */
static void test_uart_loopback(void)
{
	uint8_t mcr = uart_get(UART_MCR), status, lines, iir, got[16];
	unsigned wrong = 0;

	uart_set(UART_FCR, FCR_ENABLE | FCR_CLEAR);
	uart_set(UART_MCR, MCR_LOOP | 0x0f);
	lines = uart_get(UART_MSR);
	uart_set(UART_THR, 'A');
	status = uart_get(UART_LSR);
	uart_set(UART_IER, IER_RX);
	/* One byte stays below the trigger level only by FCR; level 1 reports it at once. */
	iir = uart_get(UART_IIR);
	uart_set(UART_IER, 0);
	got[0] = uart_get(UART_RBR);
	wrong += got[0] != 'A';
	wrong += (uart_get(UART_LSR) & UART_LSR_DR) != 0;
	uart_set(UART_MCR, mcr);
	test_is(lines & 0xf0, 0xf0, "UART: loopback wires the modem lines back");
	test_is(status & UART_LSR_DR, UART_LSR_DR, "UART: loopback receives");
	/* Either is what a 16550 says of one byte, by how long it has waited there. */
	test_either(iir, IIR_FIFOS | IIR_RX, IIR_FIFOS | IIR_TIMEOUT, "UART: IIR says received");
	test_is(wrong, 0, "UART: loopback gives back the byte, once");

	uart_set(UART_MCR, MCR_LOOP);
	for (unsigned i = 0; i < 16; i++)
		uart_set(UART_THR, 'a' + i);
	for (unsigned i = 0; i < 16; i++)
		got[i] = uart_get(UART_RBR);
	status = uart_get(UART_LSR);
	uart_set(UART_THR, 'x');
	uart_set(UART_FCR, FCR_ENABLE | FCR_CLEAR);
	lines = uart_get(UART_LSR);
	uart_set(UART_MCR, mcr);
	wrong = 0;
	for (unsigned i = 0; i < 16; i++)
		wrong += got[i] != 'a' + i;
	test_is(wrong, 0, "UART: 16 bytes through the FIFO, in order");
	test_is(status & UART_LSR_DR, 0, "UART: and no more");
	test_is(lines & UART_LSR_DR, 0, "UART: FCR clears the FIFO");
	uart_set(UART_FCR, 0);
}

static void test_plic_registers(void)
{
	mmio_write32(PLIC_PRIORITY(UART_IRQ), 7);
	test_is(mmio_read32(PLIC_PRIORITY(UART_IRQ)), 7, "PLIC: priority 7");
	mmio_write32(PLIC_PRIORITY(UART_IRQ), 1);
	test_is(mmio_read32(PLIC_PRIORITY(UART_IRQ)), 1, "PLIC: priority 1");
	mmio_write32(PLIC_THRESHOLD, 3);
	test_is(mmio_read32(PLIC_THRESHOLD), 3, "PLIC: threshold");
	mmio_write32(PLIC_THRESHOLD, 0);
	mmio_write32(PLIC_ENABLE, 1u << UART_IRQ | 1u << 1);
	test_is(mmio_read32(PLIC_ENABLE), 1u << UART_IRQ | 1u << 1, "PLIC: enable bits");
	mmio_write32(PLIC_ENABLE, 0);
	test_is(mmio_read32(PLIC_ENABLE), 0, "PLIC: enable bits cleared");
	/* What the UART asked for before stays pending until it is claimed, as a gateway does. */
	mmio_write32(PLIC_ENABLE, 1u << UART_IRQ);
	mmio_write32(PLIC_CLAIM, mmio_read32(PLIC_CLAIM));
	mmio_write32(PLIC_ENABLE, 0);
	test_is(mmio_read32(PLIC_PENDING), 0, "PLIC: nothing is pending");
	test_is(mmio_read32(PLIC_CLAIM), 0, "PLIC: nothing to claim");
}

static bool external_pending(void)
{
	return irq_is_pending(IRQ_S_EXT);
}

/* Line up: the UART's THRE condition is the level on source 10. Seen without taking interrupts. */
static void test_plic_gateway(void)
{
	struct {
		bool pending;
		uint32_t claim;
	} off, low, masked, first, second, again;

	mmio_write32(PLIC_PRIORITY(UART_IRQ), 2);
	mmio_write32(PLIC_THRESHOLD, 0);
	mmio_write32(PLIC_ENABLE, 0);
	uart_set(UART_IER, IER_THRE);
	off.pending = external_pending();
	off.claim = mmio_read32(PLIC_PENDING);
	mmio_write32(PLIC_ENABLE, 1u << UART_IRQ);
	mmio_write32(PLIC_THRESHOLD, 2);
	low.pending = external_pending();
	mmio_write32(PLIC_THRESHOLD, 1);
	first.pending = external_pending();
	mmio_write32(PLIC_PRIORITY(UART_IRQ), 0);
	masked.pending = external_pending();
	mmio_write32(PLIC_PRIORITY(UART_IRQ), 2);
	first.claim = mmio_read32(PLIC_CLAIM);
	second.pending = external_pending();
	second.claim = mmio_read32(PLIC_CLAIM);
	mmio_write32(PLIC_CLAIM, UART_IRQ); /* complete; the line is still up */
	again.pending = external_pending();
	again.claim = mmio_read32(PLIC_CLAIM);
	uart_set(UART_IER, 0);
	mmio_write32(PLIC_CLAIM, UART_IRQ);
	mmio_write32(PLIC_ENABLE, 0);
	mmio_write32(PLIC_THRESHOLD, 0);
	test_is(off.pending, false, "PLIC: not enabled: no interrupt");
	test_is(off.claim, 1u << UART_IRQ, "PLIC: not enabled: pending all the same");
	test_is(low.pending, false, "PLIC: priority at the threshold: no interrupt");
	test_is(first.pending, true, "PLIC: above the threshold: interrupt");
	test_is(masked.pending, false, "PLIC: priority 0: no interrupt");
	test_is(first.claim, UART_IRQ, "PLIC: claim gives the source");
	test_is(second.pending, false, "PLIC: claimed: no interrupt");
	test_is(second.claim, 0, "PLIC: claimed: nothing else to claim");
	/* By the specification the gateway asks again; QEMU's PLIC sees rising lines only. */
	test_is(again.claim, again.pending ? UART_IRQ : 0,
		"PLIC: completed with the line up: what is pending can be claimed");
	test_is(external_pending(), false, "PLIC: line down and completed: no interrupt");
	test_is(mmio_read32(PLIC_CLAIM), 0, "PLIC: nothing left to claim");
}

static volatile unsigned served;
static volatile uint32_t claimed, seen_iir;

static void external(struct frame *f)
{
	(void)f;
	claimed = mmio_read32(PLIC_CLAIM);
	seen_iir = uart_get(UART_IIR);
	served = served + 1;
	if (served == 3)
		uart_set(UART_IER, 0);
	else
		uart_set(UART_SCR, served);
	mmio_write32(PLIC_CLAIM, claimed);
}

/* THRE through the PLIC into the handler, three times: asked for, and after each byte sent. */
static void test_uart_interrupts(void)
{
	irq_handler(IRQ_S_EXT, external);
	mmio_write32(PLIC_PRIORITY(UART_IRQ), 1);
	mmio_write32(PLIC_THRESHOLD, 0);
	mmio_write32(PLIC_ENABLE, 1u << UART_IRQ);
	csr_write(CSR_SIE, SEIP);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	uart_set(UART_IER, IER_THRE);
	while (served < 1)
		;
	uart_set(UART_THR, '#');
	while (served < 2)
		;
	uart_set(UART_THR, '\n');
	while (served < 3)
		;
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	csr_write(CSR_SIE, 0);
	mmio_write32(PLIC_ENABLE, 0);
	test_is(claimed, UART_IRQ, "UART interrupt: claimed as source 10");
	test_is(seen_iir & 0x0f, IIR_THRE, "UART interrupt: IIR says THRE");
	test_is(served, 3, "UART interrupt: one when asked for, one for each byte sent");
	test_is(external_pending(), false, "UART interrupt: gone afterwards");
}

static uint64_t rtc_read(void)
{
	uint64_t low = mmio_read32(RTC_BASE + RTC_TIME_LOW);

	return (uint64_t)mmio_read32(RTC_BASE + RTC_TIME_HIGH) << 32 | low;
}

/* Both clocks count the same seconds, but for what the host's is being corrected by: 10 %. */
static void test_rtc(void)
{
	uint64_t ns = 1000000000 / board.timebase;
	uint64_t before = csr_read(CSR_TIME), first = rtc_read(), start = csr_read(CSR_TIME);
	uint64_t previous = first, now, end, after;
	unsigned backwards = 0;

	do {
		end = csr_read(CSR_TIME);
		now = rtc_read();
		backwards += now < previous;
		previous = now;
	} while (end - start < board.timebase / 50);
	after = csr_read(CSR_TIME);
	test_is(backwards, 0, "RTC: never goes back in 20 ms");
	test_ok(now - first >= (end - start) * ns / 10 * 9 &&
			now - first <= (after - before) * ns / 10 * 11,
		"RTC: advances in nanoseconds");
	test_ok(first > 1577836800ul * 1000000000, "RTC: it is after 2019");
}

static void test_finisher(void)
{
	test_is(mmio_read32(FINISHER_BASE), 0, "finisher: reads as zero");
	mmio_write32(FINISHER_BASE, 0);
	mmio_write32(FINISHER_BASE, 0x1234);
	mmio_write32(FINISHER_BASE + 8, FINISHER_PASS);
	test_ok(true, "finisher: other values and offsets do nothing");
}

int main(void)
{
	test_uart_registers();
	test_uart_iir();
	test_uart_loopback();
	test_plic_registers();
	test_plic_gateway();
	test_uart_interrupts();
	test_rtc();
	test_finisher();
	return test_done();
}
