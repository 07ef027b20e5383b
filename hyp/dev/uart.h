/*
 * The guest's serial port: a 16550A as on QEMU's virt (ns16550a, one register a byte), joined to
 * a port of the host's console (hyp/drv/terminal.h).
 *
 * It differs from QEMU's in one thing: bytes below the receiver's trigger level raise the
 * character timeout at once, not after four character times.
 */
#ifndef HYP_DEV_UART_H
#define HYP_DEV_UART_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/dev/mmio.h"
#include "hyp/drv/ns16550.h"
#include "hyp/drv/terminal.h"
#include "hyp/lib/lock.h"

struct uart_fifo {
	uint8_t byte[NS_FIFO];
	unsigned head, n; /* the oldest byte, and how many */
};

struct uart {
	struct lock lock;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	bool has_overrun;  /* LSR's, until that is read */
	bool thre_pending; /* the "transmitter empty" interrupt, until IIR is read or THR written */
	bool line;	   /* what the PLIC was last told */
	bool is_listening; /* the receiver has room, and took all there was */
	struct uart_fifo rx;
	struct uart_fifo tx; /* what the port hasn't taken; empty: THRE and TEMT */
	struct port port;
};

struct board;

void uart_reset(struct board *b);

/* The board's row for it: see board_access(). */
enum mmio_result uart_access(struct board *b, struct mmio *m);

/**
 * Join the serial port to a port of the console, from now to uart_detach(): see struct port for the
 * operands, all of which must stay.
 */
void uart_attach(struct board *b, const char *label, void *owner, uint8_t *history);
void uart_detach(struct board *b);

/**
 * The port has input: take as much as the receiver has room for; the rest is fetched as the guest
 * reads. It has room again: send on.
 */
void uart_port_event(struct board *b, struct port_event e);

/**
 * The byte that reading RBR would give, taken out of the receiver, or -1: for the SBI's consoles.
 */
int uart_take(struct board *b);

#endif
