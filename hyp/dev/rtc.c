/*
 * The guest's goldfish RTC: nanoseconds since 1970 in two 32-bit halves, and an alarm.
 *
 * Invariant: the interrupt line is high exactly while an interrupt is pending and enabled.
 *
 * Source: Android's goldfish virtual hardware; QEMU's behaviour where that is silent: a load from a
 * place without a register gives 0, a store does nothing, and 8 bytes are two registers in turn.
 */
#include "hyp/dev/board.h"
#include "hyp/drv/alarm.h"
#include "hyp/drv/goldfish.h"
#include "hyp/drv/host.h"

static uint64_t ns_since_reset(void)
{
	return host_ns(csr_read(CSR_TIME));
}

static uint64_t host_clock_ns(void)
{
	return host.rtc.v ? alarm_clock() : ns_since_reset();
}

static uint64_t now_ns(const struct rtc *r)
{
	return r->offset + ns_since_reset();
}

static uint64_t with_low(uint64_t v, uint64_t low)
{
	return v >> 32 << 32 | (uint32_t)low;
}

static uint64_t with_high(uint64_t v, uint64_t high)
{
	return high << 32 | (uint32_t)v;
}

void rtc_reset(struct board *b)
{
	lock_take(&b->rtc.lock);
	b->rtc.offset = host_clock_ns() - ns_since_reset();
	b->rtc.alarm = 0;
	b->rtc.latched = 0;
	b->rtc.is_irq_enabled = b->rtc.is_irq_pending = b->rtc.alarm_is_set = false;
	lock_release(&b->rtc.lock);
}

static void set_alarm(struct rtc *r)
{
	r->alarm_is_set = r->alarm > now_ns(r);
	r->is_irq_pending |= !r->alarm_is_set;
}

static uint32_t read_register(struct rtc *r, uint64_t reg)
{
	uint64_t now;

	switch (reg) {
	case GOLDFISH_TIME_LOW:
		now = now_ns(r);
		r->latched = (uint32_t)(now >> 32);
		return (uint32_t)now;
	case GOLDFISH_TIME_HIGH:
		return r->latched;
	case GOLDFISH_ALARM_LOW:
		return (uint32_t)r->alarm;
	case GOLDFISH_ALARM_HIGH:
		return (uint32_t)(r->alarm >> 32);
	case GOLDFISH_IRQ_ENABLED:
		return r->is_irq_enabled;
	case GOLDFISH_ALARM_STATUS:
		return r->alarm_is_set;
	default:
		return 0;
	}
}

static void write_register(struct rtc *r, uint64_t reg, uint64_t value)
{
	uint64_t now = now_ns(r);

	switch (reg) {
	case GOLDFISH_TIME_LOW:
		r->offset += with_low(now, value) - now;
		break;
	case GOLDFISH_TIME_HIGH:
		r->offset += with_high(now, value) - now;
		break;
	case GOLDFISH_ALARM_LOW:
		r->alarm = with_low(r->alarm, value);
		set_alarm(r);
		break;
	case GOLDFISH_ALARM_HIGH:
		r->alarm = with_high(r->alarm, value);
		break;
	case GOLDFISH_IRQ_ENABLED:
		r->is_irq_enabled = value & 1;
		break;
	case GOLDFISH_CLEAR_ALARM:
		r->alarm_is_set = false;
		break;
	case GOLDFISH_CLEAR_INTERRUPT:
		r->is_irq_pending = false;
		break;
	default:
		break;
	}
}

enum mmio_result rtc_access(struct board *b, struct mmio *m)
{
	struct rtc *r = &b->rtc;
	uint64_t loaded = 0;

	if (m->offset + m->width > GOLDFISH_BYTES)
		return MMIO_FAULT;
	lock_take(&r->lock);
	for (unsigned at = 0; at < m->width; at += 4) {
		if (m->is_store)
			write_register(r, m->offset + at, m->value >> 8 * at);
		else
			loaded |= (uint64_t)read_register(r, m->offset + at) << 8 * at;
	}
	plic_set_line(b, BOARD_IRQ_RTC, r->is_irq_pending && r->is_irq_enabled);
	lock_release(&r->lock);
	if (!m->is_store)
		m->value = loaded;
	return MMIO_OK;
}
