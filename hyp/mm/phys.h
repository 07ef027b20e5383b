/*
 * From host physical addresses to pointers and back: the hypervisor's own map is all of physical
 * memory at one fixed distance, the image itself included. See hyp/mm/map.h for where that is.
 */
#ifndef HYP_MM_PHYS_H
#define HYP_MM_PHYS_H

#include "hyp/arch/addr.h"

/* Virtual minus physical; set once by start-up before any of this is used. */
extern uint64_t phys_offset;

static inline void *phys_pointer(hpa_t at)
{
	return (void *)(at.v + phys_offset);
}

static inline hpa_t phys_address(const void *p)
{
	return hpa((uint64_t)(uintptr_t)p - phys_offset);
}

#endif
