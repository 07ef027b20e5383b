/*
 * The host's PLIC, as much of it as a few interrupt sources need.
 *
 * Invariant: with the lock free, a source is enabled for one hart, so that only one wakes up for it.
 *
 * Source: riscv-non-isa/riscv-plic-spec, "Memory Map".
 */
#include "hyp/drv/plic.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/drv/io.h"
#include "hyp/lib/lock.h"

#define ENABLE(context)	   (0x2000u + 0x80u * (context))
#define THRESHOLD(context) (0x200000u + 0x1000u * (context))
#define CLAIM(context)	   (THRESHOLD(context) + 4)

static hpa_t reg(uint64_t offset)
{
	return hpa(host.plic.v + offset);
}

static unsigned own_context(void)
{
	return host.plic_context[this_hart()->index];
}

#define SOURCES 1024

static struct lock enable_lock;
static uint8_t home[SOURCES]; /* of each source: index of the hart that it is enabled for */

_Static_assert(HOST_HARTS_MAX <= UINT8_MAX, "its index fits");

/* With the lock. */
static void set_enable(unsigned context, unsigned source, bool is_on)
{
	hpa_t enable = reg(ENABLE(context) + source / 32 * 4);
	uint32_t bit = 1u << source % 32;

	io_write32(enable, is_on ? io_read32(enable) | bit : io_read32(enable) & ~bit);
}

static void set_home(unsigned source, unsigned hart)
{
	set_enable(host.plic_context[hart], source, true);
	home[source] = (uint8_t)hart;
}

void plic_host_enable(unsigned source)
{
	if (!host.plic.v || source >= SOURCES)
		return;
	io_write32(reg(source * 4), 1);
	lock_take(&enable_lock);
	set_home(source, this_hart()->index);
	lock_release(&enable_lock);
	io_write32(reg(THRESHOLD(own_context())), 0);
}

/* Enabled for both for a moment: whoever comes second finds nothing to claim. */
void plic_host_move(unsigned source, unsigned to)
{
	unsigned from;

	if (!host.plic.v || source >= SOURCES)
		return;
	lock_take(&enable_lock);
	from = home[source];
	if (from != to) {
		io_write32(reg(THRESHOLD(host.plic_context[to])), 0);
		set_home(source, to);
		set_enable(host.plic_context[from], source, false);
	}
	lock_release(&enable_lock);
}

unsigned plic_host_claim(void)
{
	return host.plic.v ? io_read32(reg(CLAIM(own_context()))) : 0;
}

/* What isn't enabled for this hart isn't completed, and never comes again ("Interrupt Completion"); it
 * may have been moved since it was claimed. */
static void complete(unsigned source)
{
	bool is_away = home[source] != this_hart()->index;

	if (is_away)
		set_enable(own_context(), source, true);
	io_write32(reg(CLAIM(own_context())), source);
	if (is_away)
		set_enable(own_context(), source, false);
}

void plic_host_complete(unsigned source)
{
	if (!host.plic.v || source >= SOURCES)
		return;
	lock_take(&enable_lock);
	complete(source);
	lock_release(&enable_lock);
}
