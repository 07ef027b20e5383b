/*
 * Consoles and named ports for a guest: one virtio device with up to five of them.
 *
 *   port 0       a console, hvc0 in Linux: a window of its own on the host's terminal
 *                (hyp/drv/terminal.h), labelled "VM/hvc0"
 *   ports 1..4   channels of bytes with a name, /dev/virtio-ports/NAME in Linux: each to the host's
 *                serial port "gnomon.port.VM/NAME" (hyp/drv/serial.h)
 *
 * What the guest sends waits in its ring until the host's end takes it, and what comes for it waits
 * at the host's end until there is a buffer for it. Where nobody listens at the host's end of a
 * port what is sent there is lost, as on QEMU; a window always takes it.
 *
 * The device's lock; any hart may call. Source: virtio 1.3, "Console Device".
 */
#ifndef HYP_DEV_VIRTIO_CONSOLE_H
#define HYP_DEV_VIRTIO_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/drv/serial.h"
#include "hyp/drv/terminal.h"

#define VIRTIO_CONSOLE_NAMED 4 /* beside port 0 */
#define VIRTIO_CONSOLE_PORTS (1 + VIRTIO_CONSOLE_NAMED)
#define VIRTIO_CONSOLE_LABEL "/hvc0" /* behind the VM's name */

struct board;
struct gstage;
struct virtio_device;

/* What there is to be. All that it points to must stay. */
struct virtio_console_plan {
	const char *vm;	  /* its name */
	void *owner;	  /* see struct port */
	uint8_t *history; /* likewise; NULL: no port 0 */
	const char *const *named;
	unsigned named_n;
};

/* struct virtio_console_config */
struct virtio_console_config {
	uint16_t columns, rows;
	uint32_t ports, emergency_write;
};

struct virtio_console_port {
	bool is_there;
	const char *name;      /* NULL: the console's */
	struct serial *serial; /* the host's end of a named one; NULL: there is none (yet) */
	uint64_t in, out;      /* bytes from the guest that went on; that came for it */
	/* Since the last reset. */
	unsigned owes;	 /* messages that the driver is to get */
	bool is_ready;	 /* the driver knows it */
	bool is_open;	 /* at the guest's end */
	bool told_open;	 /* what the guest knows of the host's end */
	bool was_closed; /* the host's end was, since the guest was told */
};

struct virtio_console {
	struct virtio_device *device; /* NULL: there is none */
	const char *vm;
	struct virtio_console_config config;
	struct virtio_console_port port[VIRTIO_CONSOLE_PORTS];
	bool is_behind; /* more was there to do than is done at once */

	char label[SERIAL_NAME];
	struct port window;
	struct serial_listener listener;
	unsigned generation; /* of the host's serial ports, at the last look */
};

/**
 * As virtio_attach(), for one device of a board: joined to the host's ends from now to
 * virtio_detach(), or this device's part of it, which may be called where it wasn't attached.
 */
void virtio_console_attach(struct board *b, unsigned slot, struct gstage *gs,
			   const struct virtio_console_plan *plan);
void virtio_console_detach(struct board *b);

/* The host's serial ports interrupted, or the alarm: it was the device's turn. */
void virtio_console_turn(struct board *b);

/* Its window has input, or room again. */
void virtio_console_window_event(struct board *b);

#endif
