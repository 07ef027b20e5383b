/*
 * Registers of the host's devices, where the sources run on the host: those that a test plays, by
 * fake.io; else they are memory, as hyp/drv/io.h has it.
 *
 * Found first by -Itests/fake.
 */
#ifndef HYP_DRV_IO_H
#define HYP_DRV_IO_H

#include <stdint.h>

#include "hyp/mm/phys.h"
#include "tests/fake/fake.h"

static inline uint8_t io_read8(hpa_t at)
{
	return *(volatile uint8_t *)phys_pointer(at);
}

static inline void io_write8(hpa_t at, uint8_t value)
{
	*(volatile uint8_t *)phys_pointer(at) = value;
}

static inline uint32_t io_read32(hpa_t at)
{
	uint32_t value = 0;

	if (fake.io && fake.io(at.v, false, &value))
		return value;
	return *(volatile uint32_t *)phys_pointer(at);
}

static inline void io_write32(hpa_t at, uint32_t value)
{
	if (!fake.io || !fake.io(at.v, true, &value))
		*(volatile uint32_t *)phys_pointer(at) = value;
}

#endif
