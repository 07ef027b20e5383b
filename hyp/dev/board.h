/*
 * The guest board: QEMU's `virt` as S-mode software sees it above the firmware, one per VM.
 *
 * board_access() is the one way in for a guest's load or store; the rest is how the host's side
 * (console input, timers) reaches a device. Every device has a lock of its own; any hart may call.
 */
#ifndef HYP_DEV_BOARD_H
#define HYP_DEV_BOARD_H

#include "hyp/dev/finisher.h"
#include "hyp/dev/mmio.h"
#include "hyp/dev/plic.h"
#include "hyp/dev/rtc.h"
#include "hyp/dev/shown.h"
#include "hyp/dev/uart.h"
#include "hyp/dev/virtio.h"
#include "hyp/dev/virtio_console.h"
#include "hyp/g-stage/gstage.h"

#define BOARD_SHOWN (VIRTIO_SLOTS + 1)

struct board {
	struct uart uart;
	struct plic plic;
	struct rtc rtc;
	struct virtio_device virtio[VIRTIO_SLOTS];
	struct virtio_console console; /* what the device of that kind is about, if there is one */
	bool virtio_is_legacy; /* version 1; for all of them, and set before any is attached */
	struct shown_page shown[BOARD_SHOWN]; /* by virtio slot; and the PLIC's enable bits */
};

/* A row of the board's table. */
struct board_device {
	const char *name;
	uint64_t base, bytes; /* as the device tree has them; not every byte is a register */
	uint64_t widths;      /* a sum of the widths that work: 1 + 2 + 4 + 8 */
	enum mmio_result (*access)(struct board *b, struct mmio *m);
};

enum { BOARD_UART, BOARD_PLIC, BOARD_RTC, BOARD_FINISHER, BOARD_VIRTIO, BOARD_DEVICES };
extern const struct board_device board_devices[BOARD_DEVICES];

/* Interrupt lines of the PLIC, as on QEMU's virt. */
enum { BOARD_IRQ_VIRTIO = 1, BOARD_IRQ_UART = 10, BOARD_IRQ_RTC = 11 }; /* VIRTIO: slot 0's */

/**
 * All devices as after reset. @vcpus, @n: the VM's harts, by guest hart id; none of them runs.
 * The console's input is the board's from now on.
 */
void board_reset(struct board *b, struct vcpu *const *vcpus, unsigned n);

/**
 * Tell @gs where the devices are. Returns OK or gstage_add_device()'s errors.
 */
MUST_USE enum err board_map(struct gstage *gs);

/**
 * Carry out @m on device @d, a row of board_devices. A width that the device doesn't take, or a
 * place that isn't aligned to it, is MMIO_FAULT.
 */
static inline enum mmio_result board_access(struct board *b, const struct board_device *d,
					    struct mmio *m)
{
	if (!(d->widths & m->width) || !is_aligned(m->offset, m->width))
		return MMIO_FAULT;
	return d->access(b, m);
}

#endif
