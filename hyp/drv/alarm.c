/*
 * The alarm of a goldfish RTC. An alarm for a moment that has passed interrupts at once.
 *
 * Source: QEMU's "hw/rtc/goldfish_rtc.c", and Android's description of the device.
 */
#include "hyp/drv/alarm.h"

#include "hyp/drv/host.h"
#include "hyp/drv/io.h"
#include "hyp/drv/plic.h"

enum {
	TIME_LOW = 0x00, /* reading it holds TIME_HIGH */
	TIME_HIGH = 0x04,
	ALARM_LOW = 0x08, /* writing it sets the alarm */
	ALARM_HIGH = 0x0c,
	IRQ_ENABLED = 0x10,
	CLEAR_INTERRUPT = 0x1c,
};

static _Atomic bool is_set; /* and hasn't interrupted yet */

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
	io_write32(reg(IRQ_ENABLED), 1);
	plic_host_enable(host.rtc_irq);
}

bool alarm_set(uint64_t ns)
{
	uint64_t at;

	if (!is_there())
		return false;
	if (is_set)
		return true;
	is_set = true;
	at = io_read32(reg(TIME_LOW));
	at |= (uint64_t)io_read32(reg(TIME_HIGH)) << 32;
	at += ns;
	io_write32(reg(ALARM_HIGH), (uint32_t)(at >> 32));
	io_write32(reg(ALARM_LOW), (uint32_t)at);
	return true;
}

bool alarm_interrupt(unsigned source)
{
	if (!is_there() || source != host.rtc_irq)
		return false;
	io_write32(reg(CLEAR_INTERRUPT), 1);
	is_set = false;
	return true;
}
