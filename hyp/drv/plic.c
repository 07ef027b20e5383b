/*
 * The host's PLIC, as much of it as a few interrupt sources need.
 *
 * Invariant: every access is to the context of the hart that runs this.
 *
 * Source: riscv-non-isa/riscv-plic-spec, "Memory Map".
 */
#include "hyp/drv/plic.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/drv/io.h"

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

void plic_host_enable(unsigned source)
{
	hpa_t enable;

	if (!host.plic.v)
		return;
	enable = reg(ENABLE(own_context()) + source / 32 * 4);
	io_write32(reg(source * 4), 1);
	io_write32(enable, io_read32(enable) | 1u << source % 32);
	io_write32(reg(THRESHOLD(own_context())), 0);
}

unsigned plic_host_claim(void)
{
	return host.plic.v ? io_read32(reg(CLAIM(own_context()))) : 0;
}

void plic_host_complete(unsigned source)
{
	if (host.plic.v)
		io_write32(reg(CLAIM(own_context())), source);
}
