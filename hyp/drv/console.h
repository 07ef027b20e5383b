/*
 * The host's console: its 16550 UART, interrupt-driven both ways. Output that the UART can't take
 * at once waits in a ring; nothing here waits for the UART.
 *
 * No lock inside: hyp/drv/terminal.c is the one caller, but for console_init().
 */
#ifndef HYP_DRV_CONSOLE_H
#define HYP_DRV_CONSOLE_H

#include <stdint.h>

#define CONSOLE_RING 4096 /* bytes, a power of two */

/**
 * Take over the UART that host.uart names, as the firmware has set its speed, its receive interrupt
 * on. Without a UART output is dropped and no input comes.
 */
void console_init(void);

/* How many bytes console_put() takes now. */
unsigned console_room(void);

/* Send @byte; console_room() isn't 0. */
void console_put(uint8_t byte);

/* The next byte typed, or -1. */
int console_get(void);

/* The UART interrupted: move output on. */
void console_interrupt(void);

#endif
