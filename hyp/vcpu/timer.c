/*
 * The host's timer: stimecmp where the hart has Sstc, else the firmware's. See timer.h.
 *
 * Invariant: the interrupt is enabled exactly while somebody waits for it. While nobody does, stimecmp
 * is in the past: the interrupt is pending and off. That costs nothing, and keeps QEMU 7.2 from
 * losing a guest's: on every entry to a guest it looks for something pending, without its lock where
 * vstimecmp is concerned, and withdraws an interrupt that vstimecmp raises at that very moment,
 * unless something else is pending too.
 */
#include "hyp/vcpu/timer.h"

#include "hyp/arch/cpu.h"
#include "sbi/call/call.h"

static bool by_csr;

void timer_host_init(bool has_sstc)
{
	by_csr = has_sstc;
}

static void program(const struct hart *h)
{
	uint64_t when = h->timer[0];

	for (unsigned i = 1; i < TIMERS; i++)
		if (h->timer[i] < when)
			when = h->timer[i];
	if (when == TIMER_NEVER)
		csr_clear(CSR_SIE, IRQ_BIT(IRQ_STI));
	if (by_csr)
		csr_write(CSR_STIMECMP, when == TIMER_NEVER ? 0 : when);
	else
		sbi_set_timer(when);
	if (when != TIMER_NEVER)
		csr_set(CSR_SIE, IRQ_BIT(IRQ_STI));
}

void timer_host_begin(void)
{
	struct hart *h = this_hart();

	for (unsigned i = 0; i < TIMERS; i++)
		h->timer[i] = TIMER_NEVER;
	program(h);
}

void timer_host_set(unsigned whose, uint64_t when)
{
	struct hart *h = this_hart();

	if (h->timer[whose] == when)
		return;
	h->timer[whose] = when;
	program(h);
}

bool timer_host_came(unsigned whose, uint64_t now)
{
	if (this_hart()->timer[whose] > now)
		return false;
	timer_host_set(whose, TIMER_NEVER);
	return true;
}
