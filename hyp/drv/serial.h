/*
 * The host's virtio-serial ports: channels of bytes to a file, socket or pty of the host's, each
 * with a name. A port is known some time after start-up, when the device has told its name.
 *
 *   "gnomon.console.NAME"  the console of the VM of that name (hyp/drv/terminal.c)
 *   "gnomon.control"       the monitor's, for programs (hyp/monitor/)
 *   "gnomon.port.VM/NAME"  a VM's own port of that name (hyp/dev/virtio_console.c)
 *
 * One lock inside; any hart may call. Source: virtio 1.3, "Console Device".
 */
#ifndef HYP_DRV_SERIAL_H
#define HYP_DRV_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_CONSOLE "gnomon.console."
#define SERIAL_CONTROL "gnomon.control"
#define SERIAL_PORT    "gnomon.port."
#define SERIAL_NAME    80 /* bytes with the ending 0; a longer name is cut */

struct serial;

/* Look for the device among the host's, once; say on the log why one that is there isn't used. */
void serial_init(void);

/* The port of that name, or NULL. What it returned stays readable, but may lose its name. */
struct serial *serial_find(const char *name);

/* Counts up whenever serial_find() may find something else. */
unsigned serial_generation(void);

/* Whether somebody at the host's end listens. */
bool serial_is_open(struct serial *s);

/**
 * Send up to @n bytes. Returns how many were taken: 0 while what was sent last is under way or
 * there is no port any more. With nobody at the other end they are lost.
 */
size_t serial_write(struct serial *s, const void *from, size_t n);

/* Fetch up to @n bytes that came. Returns how many. */
size_t serial_read(struct serial *s, void *to, size_t n);

/**
 * The same without a copy, for who uses @s alone: where to put bytes, *@n at most, that
 * serial_send() then sends; NULL where serial_write() would take none. And where the bytes are that
 * came, *@n of them, the first of which serial_pass() then drops.
 */
void *serial_room(struct serial *s, size_t *n);
void serial_send(struct serial *s, size_t n);
const void *serial_input(struct serial *s, size_t *n);
void serial_pass(struct serial *s, size_t n);

/* Whether somebody at the host's end left since this was last asked; who came then may be back. */
bool serial_take_closed(struct serial *s);

/* Whether serial_read() would return bytes. */
bool serial_has_input(struct serial *s);

/**
 * Whether something new happened on @s since this was last asked: bytes came, what was sent is
 * through, or somebody came or left at the host's end.
 */
bool serial_take_event(struct serial *s);

/* Who is to look at ports of its own when the host's interrupt. */
struct serial_listener {
	void *owner;
	/* serial.c's */
	struct serial_listener *next;
	unsigned round;
};

/**
 * Begin and end to listen. Not to be ended from within the handling of the listener's own turn: it
 * waits until another hart is through with that.
 */
void serial_listen(struct serial_listener *l);
void serial_ignore(struct serial_listener *l);

/**
 * The .owner of the next listener whose turn it is, which stays until the next call; NULL: all have
 * had one, and the next call begins anew. For the one hart that takes interrupts of devices.
 */
void *serial_next_owner(void);

/* Interrupt @source came. Returns whether it was the device's, and then what came is known. */
bool serial_interrupt(unsigned source);

/* The same without an interrupt, where none will be looked at any more. */
void serial_poll(void);

#endif
