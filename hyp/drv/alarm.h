/*
 * One alarm, for what has to happen a little later whatever the guests do: the host's goldfish RTC
 * interrupts like any device, and leaves the harts' timers to the scheduler.
 *
 * Any hart may set it: whoever is first does.
 */
#ifndef HYP_DRV_ALARM_H
#define HYP_DRV_ALARM_H

#include <stdbool.h>
#include <stdint.h>

/* Once, at start-up, on the hart that looks at interrupts of devices. */
void alarm_init(void);

/* What the host's clock says, which is there (host.rtc): ns since 1970. Any hart. */
uint64_t alarm_clock(void);

/* Interrupt in @ns nanoseconds, or when was asked for before. false: the host has no such clock. */
bool alarm_set(uint64_t ns);

/* Interrupt @source came. Returns whether it was the alarm's. */
bool alarm_interrupt(unsigned source);

#endif
