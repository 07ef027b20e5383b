/*
 * Reading and writing the registers of the host's devices, through the hypervisor's own map. Each
 * access is one load or store of that width; a hart's accesses to a device stay in program order.
 */
#ifndef HYP_DRV_IO_H
#define HYP_DRV_IO_H

#include <stdint.h>

#include "hyp/mm/phys.h"

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
	return *(volatile uint32_t *)phys_pointer(at);
}

static inline void io_write32(hpa_t at, uint32_t value)
{
	*(volatile uint32_t *)phys_pointer(at) = value;
}

#endif
