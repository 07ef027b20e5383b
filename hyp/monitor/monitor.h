/*
 * The operator's console: a line editor, a table of commands, answers for people or as JSON.
 *
 *   terminal (focus on the monitor's port) -> edit.c  -> command.c -> answers as text
 *   control port of the host's             -> one line each        -> answers as one line of JSON
 *
 * hyp/trap/ calls it when input has come. It runs on the hart that was interrupted, to the end of
 * a command, and waits for nothing; where another hart is in here already, that one does it all.
 *
 *   edit.c     keys to a line              command.c   a line to a call; completion
 *   control.c  bytes to a line             answer.c    what a command says, as text or JSON
 *   vms.c, vcpus.c, cost.c, tracing.c, machine.c   the commands, a table each
 */
#ifndef HYP_MONITOR_MONITOR_H
#define HYP_MONITOR_MONITOR_H

#include <stdint.h>

/* Once, before interrupts are looked at. */
void monitor_init(void);

/* Input has come for the monitor's port, or there is room again on it. */
void monitor_terminal(void);

/* Bytes have come on the control port, SERIAL_CONTROL of hyp/drv/serial.h, or it is open now, or
 * isn't any more, or what was sent is through. */
void monitor_control(void);

/* The moment, in units of `time`, at which monitor_tick() wants to be called: `top`, live, or 0 for
 * more input than is taken in one go; ~0: never. It may change in any of these calls. */
uint64_t monitor_deadline(void);
void monitor_tick(void);

#endif
