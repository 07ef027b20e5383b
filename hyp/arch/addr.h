/*
 * The kinds of address. Each is a type of its own, so that the compiler refuses to mix them.
 *
 *   gva --- VS-stage: the guest's table ---> gpa --- G-stage: the hypervisor's table ---> hpa
 *
 * The conversions happen in three places only: hyp/vs-stage/walk.c, hyp/g-stage/table.c and
 * hyp/mm/phys.h. A plain C pointer is an address in the hypervisor's own map.
 */
#ifndef HYP_ARCH_ADDR_H
#define HYP_ARCH_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function off the hot path: kept out of line, so that its caller needs no stack for it. */
#define COLD __attribute__((noinline, cold))

typedef struct {
	uint64_t v;
} gva_t; /* guest virtual */

typedef struct {
	uint64_t v;
} gpa_t; /* guest physical */

typedef struct {
	uint64_t v;
} hpa_t; /* host physical */

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define PAGE_SHIFT 12
#define PAGE_SIZE  KIB(4)
#define MEGAPAGE   MIB(2)
#define GIGAPAGE   GIB(1)

static inline gva_t gva(uint64_t v)
{
	return (gva_t){ v };
}

static inline gpa_t gpa(uint64_t v)
{
	return (gpa_t){ v };
}

static inline hpa_t hpa(uint64_t v)
{
	return (hpa_t){ v };
}

/* @align is a power of two. */
static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return align_down(v + align - 1, align);
}

static inline bool is_aligned(uint64_t v, uint64_t align)
{
	return (v & (align - 1)) == 0;
}

/* Whether [at, at + bytes) lies in [base, base + size); no sum can wrap. */
static inline bool range_holds(uint64_t base, uint64_t size, uint64_t at, uint64_t bytes)
{
	return at >= base && at - base <= size && bytes <= size - (at - base);
}

#endif
