/*
 * The guest's 16550A: registers by two tables, one row each.
 *
 * Invariant: when the lock is free, the line to the PLIC is high exactly while interrupt_id() names
 * an interrupt; bytes wait in .tx only after the port refused one; and while more may wait at the
 * port than the receiver had room for, some later access of the guest's looks for it.
 *
 * Source: PC16550D data sheet; QEMU's behaviour where software relies on it.
 * Next: hyp/drv/terminal.c, the other end.
 */
#include "hyp/dev/board.h"

static uint8_t fifo_pop(struct uart_fifo *f)
{
	uint8_t byte;

	if (!f->n)
		return 0;
	byte = f->byte[f->head];
	f->head = (f->head + 1) % NS_FIFO;
	f->n--;
	return byte;
}

static void fifo_push(struct uart_fifo *f, uint8_t byte)
{
	f->byte[(f->head + f->n++) % NS_FIFO] = byte;
}

/* Without FCR's FIFO bit each direction has the one holding register of a 16450. */
static unsigned fifo_size(const struct uart *u)
{
	return u->fcr & NS_FCR_FIFO ? NS_FIFO : 1;
}

static unsigned rx_trigger(const struct uart *u)
{
	static const uint8_t bytes[] = { 1, 4, 8, 14 };

	return u->fcr & NS_FCR_FIFO ? bytes[u->fcr >> NS_FCR_TRIGGER_AT] : 1;
}

/* IIR's id of the most urgent interrupt. The modem lines never change, so neither do they ask. */
static uint8_t interrupt_id(const struct uart *u)
{
	if ((u->ier & NS_IER_LINE) && u->has_overrun)
		return NS_IIR_LINE;
	if ((u->ier & NS_IER_RX) && u->rx.n)
		return u->rx.n >= rx_trigger(u) ? NS_IIR_RX : NS_IIR_TIMEOUT;
	if ((u->ier & NS_IER_THRE) && u->thre_pending)
		return NS_IIR_THRE;
	return NS_IIR_NONE;
}

static void update_line(struct board *b)
{
	bool line = interrupt_id(&b->uart) != NS_IIR_NONE;

	if (line == b->uart.line)
		return;
	b->uart.line = line;
	plic_set_line(b, BOARD_IRQ_UART, line);
}

static bool can_take_input(const struct uart *u)
{
	return !(u->mcr & NS_MCR_LOOP) && u->rx.n < fifo_size(u);
}

static void take_input(struct uart *u)
{
	int byte;

	while (can_take_input(u) && (byte = port_get(&u->port)) >= 0)
		fifo_push(&u->rx, (uint8_t)byte);
	u->is_listening = can_take_input(u);
}

/* Room has come in an unexpected way; fetch what waited for it. */
static void resume_input(struct uart *u)
{
	if (!u->is_listening)
		take_input(u);
}

static uint8_t take_received(struct board *b)
{
	uint8_t byte = fifo_pop(&b->uart.rx);

	if (!b->uart.rx.n)
		resume_input(&b->uart);
	update_line(b);
	return byte;
}

/* What loopback sends comes in. An overrun costs the new byte, or the only one without FIFOs. */
static void receive_own(struct uart *u, uint8_t byte)
{
	if (u->rx.n == fifo_size(u)) {
		u->has_overrun = true;
		if (u->fcr & NS_FCR_FIFO)
			return;
		fifo_pop(&u->rx);
	}
	fifo_push(&u->rx, byte);
}

/* Send what waits, as far as the port takes it. */
static void send_waiting(struct uart *u)
{
	if (!u->tx.n)
		return;
	while (u->tx.n && port_put(&u->port, u->tx.byte[u->tx.head]))
		fifo_pop(&u->tx);
	u->thre_pending = !u->tx.n;
}

/* Send @byte, or let it wait. A guest that sends without asking for THRE loses the oldest byte. */
static void send(struct uart *u, uint8_t byte)
{
	send_waiting(u);
	if (!u->tx.n && port_put(&u->port, byte))
		return;
	if (u->tx.n == fifo_size(u))
		fifo_pop(&u->tx);
	fifo_push(&u->tx, byte);
}

static uint8_t read_data(struct board *b)
{
	return b->uart.lcr & NS_LCR_DLAB ? b->uart.dll : take_received(b);
}

static void write_data(struct board *b, uint8_t value)
{
	struct uart *u = &b->uart;

	if (u->lcr & NS_LCR_DLAB) {
		u->dll = value;
		return;
	}
	if (u->mcr & NS_MCR_LOOP)
		receive_own(u, value);
	else
		send(u, value);
	u->thre_pending = !u->tx.n;
	update_line(b);
}

static uint8_t read_ier(struct board *b)
{
	return b->uart.lcr & NS_LCR_DLAB ? b->uart.dlm : b->uart.ier;
}

/* Enabling the THRE interrupt while the transmitter is empty raises it: drivers start that way. */
static void write_ier(struct board *b, uint8_t value)
{
	struct uart *u = &b->uart;
	uint8_t changed = (uint8_t)(u->ier ^ value);

	if (u->lcr & NS_LCR_DLAB) {
		u->dlm = value;
		return;
	}
	u->ier = value & (NS_IER_RX | NS_IER_THRE | NS_IER_LINE | NS_IER_MODEM);
	if (changed & NS_IER_THRE)
		u->thre_pending = (value & NS_IER_THRE) && !u->tx.n;
	update_line(b);
}

static uint8_t read_iir(struct board *b)
{
	uint8_t id = interrupt_id(&b->uart);

	if (id == NS_IIR_THRE) {
		b->uart.thre_pending = false;
		update_line(b);
	}
	return b->uart.fcr & NS_FCR_FIFO ? id | NS_IIR_FIFO : id;
}

static void write_fcr(struct board *b, uint8_t value)
{
	struct uart *u = &b->uart;

	if ((value ^ u->fcr) & NS_FCR_FIFO)
		value |= NS_FCR_RX_RESET | NS_FCR_TX_RESET;
	u->fcr = value & (NS_FCR_FIFO | NS_FCR_DMA | NS_FCR_TRIGGER);
	if (value & NS_FCR_RX_RESET) {
		u->rx.n = 0;
		resume_input(u);
	}
	if (value & NS_FCR_TX_RESET) {
		u->tx.n = 0;
		u->thre_pending = true;
	}
	update_line(b);
}

static uint8_t read_lcr(struct board *b)
{
	return b->uart.lcr;
}

static void write_lcr(struct board *b, uint8_t value)
{
	b->uart.lcr = value;
}

static uint8_t read_mcr(struct board *b)
{
	return b->uart.mcr;
}

static void write_mcr(struct board *b, uint8_t value)
{
	b->uart.mcr = value & NS_MCR_MASK;
	resume_input(&b->uart);
	update_line(b);
}

/* LSR with something to do: bytes that wait to be sent, an overrun to report. */
static COLD uint8_t read_busy_lsr(struct board *b)
{
	struct uart *u = &b->uart;
	uint8_t lsr = u->has_overrun ? NS_LSR_OVERRUN : 0;

	send_waiting(u);
	u->has_overrun = false;
	update_line(b);
	lsr |= u->tx.n ? 0 : NS_LSR_THRE | NS_LSR_TEMT;
	return u->rx.n ? lsr | NS_LSR_DATA : lsr;
}

/* Drivers ask for it before every byte. */
static uint8_t read_lsr(struct board *b)
{
	const struct uart *u = &b->uart;

	if (u->tx.n || u->has_overrun)
		return read_busy_lsr(b);
	return u->rx.n ? NS_LSR_THRE | NS_LSR_TEMT | NS_LSR_DATA : NS_LSR_THRE | NS_LSR_TEMT;
}

/* Loopback joins the modem outputs to the inputs; otherwise somebody is always there. */
static uint8_t read_msr(struct board *b)
{
	static const struct {
		uint8_t out, in;
	} wire[] = {
		{ NS_MCR_DTR, NS_MSR_DSR },
		{ NS_MCR_RTS, NS_MSR_CTS },
		{ NS_MCR_OUT1, NS_MSR_RI },
		{ NS_MCR_OUT2, NS_MSR_DCD },
	};
	uint8_t msr = 0;

	if (!(b->uart.mcr & NS_MCR_LOOP))
		return NS_MSR_DCD | NS_MSR_DSR | NS_MSR_CTS;
	for (unsigned i = 0; i < sizeof(wire) / sizeof(wire[0]); i++)
		if (b->uart.mcr & wire[i].out)
			msr |= wire[i].in;
	return msr;
}

static uint8_t read_scr(struct board *b)
{
	return b->uart.scr;
}

static void write_scr(struct board *b, uint8_t value)
{
	b->uart.scr = value;
}

static void ignore(struct board *b, uint8_t value)
{
	(void)b;
	(void)value;
}

static uint8_t (*const readers[NS_REGISTERS])(struct board *b) = {
	[NS_DATA] = read_data, [NS_IER] = read_ier, [NS_IIR] = read_iir, [NS_LCR] = read_lcr,
	[NS_MCR] = read_mcr,   [NS_LSR] = read_lsr, [NS_MSR] = read_msr, [NS_SCR] = read_scr,
};

static void (*const writers[NS_REGISTERS])(struct board *b, uint8_t value) = {
	[NS_DATA] = write_data, [NS_IER] = write_ier, [NS_FCR] = write_fcr, [NS_LCR] = write_lcr,
	[NS_MCR] = write_mcr,	[NS_LSR] = ignore,    [NS_MSR] = ignore,    [NS_SCR] = write_scr,
};

/* Of a wider access only the byte at its address counts, as on QEMU. */
enum mmio_result uart_access(struct board *b, struct mmio *m)
{
	if (m->offset >= NS_REGISTERS)
		return MMIO_FAULT;
	lock_take(&b->uart.lock);
	if (m->is_store)
		writers[m->offset](b, (uint8_t)m->value);
	else
		m->value = readers[m->offset](b);
	lock_release(&b->uart.lock);
	return MMIO_OK;
}

void uart_attach(struct board *b, const char *label, void *owner, uint8_t *history)
{
	b->uart.port = (struct port){ .label = label, .owner = owner, .history = history };
	port_open(&b->uart.port);
}

void uart_detach(struct board *b)
{
	port_close(&b->uart.port);
}

void uart_port_event(struct board *b, struct port_event e)
{
	lock_take(&b->uart.lock);
	if (e.room)
		send_waiting(&b->uart);
	if (e.input)
		take_input(&b->uart);
	update_line(b);
	lock_release(&b->uart.lock);
}

int uart_take(struct board *b)
{
	int byte;

	lock_take(&b->uart.lock);
	byte = b->uart.rx.n ? take_received(b) : -1;
	lock_release(&b->uart.lock);
	return byte;
}

/* What was typed before comes in after: a reset of the guest is none of the line. */
void uart_reset(struct board *b)
{
	struct uart *u = &b->uart;

	lock_take(&u->lock);
	u->ier = u->fcr = u->lcr = u->scr = u->dlm = 0;
	u->mcr = NS_MCR_OUT2;
	u->dll = 12; /* 9600 baud */
	u->has_overrun = u->thre_pending = false;
	u->rx.n = u->tx.n = 0;
	take_input(u);
	update_line(b);
	lock_release(&u->lock);
}
