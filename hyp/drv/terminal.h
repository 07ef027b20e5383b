/*
 * Who hears and speaks on the host's console: one port for each guest, one for the monitor.
 *
 *   guest's UART -> port -> history -+-> the console, while the port has the focus, or a line at a
 *                           (always) |   time in the view of all guests
 *                                    '-> its own serial port of the host's, if it has one
 *
 * Input goes to the port with the focus. One escape key, Ctrl-], is Gnomon's own: see the README.
 * A port that nobody listens to never holds its guest up: what it says goes to its history alone.
 *
 * One lock inside; any hart may call.
 */
#ifndef HYP_DRV_TERMINAL_H
#define HYP_DRV_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/drv/typed.h"

#define PORT_HISTORY 16384 /* bytes, a power of two */

struct port {
	const char *label; /* what lines are labelled with: the VM's name */
	void *owner;	   /* for whoever opened it: the VM; NULL: the monitor */
	uint8_t *history;  /* PORT_HISTORY bytes, the opener's */

	/* terminal.c's */
	struct port *next;
	uint64_t said, shown, sent; /* bytes ever said; of them, on the console, to .serial */
	struct typed typed;
	uint64_t dropped;	  /* bytes typed that there was no room for, not told of yet */
	bool is_short;		  /* a byte was refused and its owner not told of room since */
	bool has_input, has_room; /* its next event */
	struct serial *serial;	  /* the host's port "gnomon.console.LABEL", or NULL */
};

/* What happened that a port's owner must know: port_get() has bytes, port_put() takes them again.
 */
struct port_event {
	struct port *port;
	bool input, room;
};

/**
 * Open @p: zero but for .label, .owner and .history. The first one to be opened gets the focus, and
 * the first guest's takes it over from the monitor.
 */
void port_open(struct port *p);

/**
 * Close it; the focus goes on to the next. Its history is its opener's again. Not from within the
 * handling of an event of @p's own: it waits until another hart is through with that.
 */
void port_close(struct port *p);

/* Send @byte. Returns false, and sends nothing, while whoever listens can't take it. */
bool port_put(struct port *p, uint8_t byte);

/* The next byte typed for @p, or -1. */
int port_get(struct port *p);

/* Show all guests; the first one, or the one with the focus, keeps the keys. */
void terminal_focus_all(void);

/* A line of Gnomon's own, between those of guests; the log keeps it too. */
void terminal_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * The host's console, a serial port or the alarm interrupted: take what came, send what waits.
 */
void terminal_interrupt(void);

/**
 * The machine is about to end: send on what waits, as long as the host takes it at once.
 */
void terminal_flush(void);

/**
 * Take one event out of those that came. Returns false where there is none. The port of the event
 * stays until the next call. For the one hart that takes interrupts of devices.
 */
bool terminal_next_event(struct port_event *e);

#endif
