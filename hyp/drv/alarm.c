/*
 * The host's goldfish RTC. An alarm for a moment that has passed interrupts at once.
 */
#include "hyp/drv/alarm.h"

#include "hyp/drv/goldfish.h"
#include "hyp/drv/host.h"
#include "hyp/drv/io.h"
#include "hyp/drv/plic.h"
#include "hyp/lib/lock.h"

static struct lock clock_lock; /* a read of the clock: its two halves belong together */
static _Atomic uint32_t is_set; /* and hasn't interrupted yet */

static hpa_t reg(unsigned offset)
{
	return hpa(host.rtc.v + offset);
}

static bool is_there(void)
{
	return host.rtc.v && host.rtc_irq;
}

void alarm_init(void)
{
	if (!is_there())
		return;
	io_write32(reg(GOLDFISH_IRQ_ENABLED), 1);
	plic_host_enable(host.rtc_irq);
}

uint64_t alarm_clock(void)
{
	uint64_t low, high;

	lock_take(&clock_lock);
	low = io_read32(reg(GOLDFISH_TIME_LOW));
	high = io_read32(reg(GOLDFISH_TIME_HIGH));
	lock_release(&clock_lock);
	return high << 32 | low;
}

bool alarm_set(uint64_t ns)
{
	uint64_t at;

	if (!is_there())
		return false;
	if (atomic_exchange(&is_set, true))
		return true;
	at = alarm_clock() + ns;
	io_write32(reg(GOLDFISH_ALARM_HIGH), (uint32_t)(at >> 32));
	io_write32(reg(GOLDFISH_ALARM_LOW), (uint32_t)at);
	return true;
}

bool alarm_interrupt(unsigned source)
{
	if (!is_there() || source != host.rtc_irq)
		return false;
	io_write32(reg(GOLDFISH_CLEAR_INTERRUPT), 1);
	is_set = false;
	return true;
}
