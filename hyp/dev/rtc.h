/*
 * The guest's clock: goldfish RTC as on QEMU's virt. It starts with the time of the host's own
 * goldfish RTC if the host has one, else at 1970, and runs with `time`.
 *
 * Reading and setting the time works. An alarm set for a moment that has passed interrupts at once,
 * as it should; one for a later moment never does.
 */
#ifndef HYP_DEV_RTC_H
#define HYP_DEV_RTC_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/dev/mmio.h"
#include "hyp/lib/lock.h"

struct rtc {
	struct lock lock;
	uint64_t offset;  /* ns to add to the time since the host's reset */
	uint64_t alarm;	  /* ns since 1970 */
	uint32_t latched; /* TIME_HIGH as of the last read of TIME_LOW */
	bool is_irq_enabled, is_irq_pending;
	bool alarm_is_set; /* for a moment to come */
};

struct board;

void rtc_reset(struct board *b);

/* The board's row for it: see board_access(). */
enum mmio_result rtc_access(struct board *b, struct mmio *m);

#endif
