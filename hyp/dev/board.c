/*
 * The guest board as a table: one row per device.
 *
 * Invariant: a device's access function only ever sees an aligned access of a width it takes.
 *
 * Next: hyp/dev/uart.c, the device that guests use most.
 */
#include "hyp/dev/board.h"

const struct board_device board_devices[BOARD_DEVICES] = {
	[BOARD_UART] = { "serial", 0x10000000, 0x100, 1 + 2 + 4 + 8, uart_access },
	[BOARD_PLIC] = { "plic", PLIC_BASE, 0x600000, 4, plic_access },
	[BOARD_RTC] = { "rtc", 0x101000, 0x1000, 4 + 8, rtc_access },
	[BOARD_FINISHER] = { "test", 0x100000, 0x1000, 2 + 4, finisher_access },
	[BOARD_VIRTIO] = { "virtio_mmio", 0x10001000, VIRTIO_SLOTS * VIRTIO_SLOT_BYTES,
			   1 + 2 + 4 + 8, virtio_access },
};

void board_reset(struct board *b, struct vcpu *const *vcpus, unsigned n)
{
	plic_reset(b, vcpus, n); /* first: the others have lines into it */
	uart_reset(b);
	rtc_reset(b);
	virtio_reset(b);
}

enum err board_map(struct gstage *gs)
{
	for (unsigned id = 0; id < BOARD_DEVICES; id++) {
		const struct board_device *d = &board_devices[id];
		enum err e = gstage_add_device(gs, gpa(d->base), d->bytes, d);

		if (e != OK)
			return e;
	}
	return OK;
}
