/*
 * The host's console: its 16550 UART, interrupt-driven both ways. Output that the UART can't take
 * at once waits in a ring; nothing here waits for the UART.
 *
 * One lock inside; any hart may call.
 */
#ifndef HYP_DRV_CONSOLE_H
#define HYP_DRV_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Take over the UART that host.uart names, as the firmware has set its speed. Its receive interrupt
 * stays off until console_listen(). Without a UART output is dropped and no input comes.
 */
void console_init(void);

/* Send @byte. Returns false, and sends nothing, if the ring is full. */
bool console_put(uint8_t byte);

/* Whether console_put() would succeed now. */
bool console_has_room(void);

/* The next byte typed, or -1. Reads the UART directly: call while the guest can take a byte. */
int console_get(void);

/* Switch the UART's receive interrupt: off while no guest can take a byte. */
void console_listen(bool on);

/**
 * The UART interrupted: move output on. Returns whether there is room again for a byte that
 * console_put() refused since this last returned true: tell those who wait to send.
 */
bool console_interrupt(void);

#endif
