/*
 * Stores to protected table pages, carried out for the guest. See shadow.h.
 *
 * Invariant: under the lock the store and its effect on the shadows are one.
 */
#include "hyp/shadow/table.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/phys.h"

static void store(void *at, uint64_t value, unsigned width)
{
	switch (width) {
	case 1:
		__atomic_store_n((uint8_t *)at, (uint8_t)value, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELAXED);
		break;
	default:
		__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELAXED);
		break;
	}
}

/* Nobody is promised to see a misaligned store as a whole ("Misaligned Atomicity Granule"). */
static void store_bytes(char *at, uint64_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		store(at + i, value >> 8 * i, 1);
}

static uint64_t low_bytes(uint64_t value, unsigned width)
{
	return width < 8 ? value & ((UINT64_C(1) << 8 * width) - 1) : value;
}

static COLD void tell(gpa_t to, uint64_t value, unsigned width)
{
	const struct trace_value values[] = { { TRACE_GPA, to.v },
					      { TRACE_VALUE, value },
					      { TRACE_BYTES, width } };

	trace_add(TRACE_PT_STORE, TRACE_NO_WHY, values, 3);
}

/* After the store: @value is what is there. The page beside a table's needn't be one. */
static void written(struct shadow_state *st, gpa_t to, uint64_t value, unsigned width)
{
	if (trace_wants(TRACE_PT_STORE) && shadow_gfn_of(st, to)->is_protected)
		tell(to, value, width);
	shadow_written(st, to, width);
}

void shadow_store(struct shadow *s, gpa_t to, uint64_t value, unsigned width)
{
	struct shadow_state *st = s->state;
	struct gstage_entry g;

	lock_take(&st->gs->lock);
	if (gstage_reach(st->gs, to, ACCESS_STORE, &g) == OK) {
		if (!(width & (width - 1)) && is_aligned(to.v, width))
			store(phys_pointer(g.to), value, width);
		else
			store_bytes(phys_pointer(g.to), value, width);
		written(st, to, low_bytes(value, width), width);
	}
	lock_release(&st->gs->lock);
}

/* "A" Extension: funct5. min and max compare as the width's type. */
static uint64_t amo_result(unsigned funct5, uint64_t old, uint64_t operand)
{
	switch (funct5) {
	case 0x00:
		return old + operand;
	case 0x01:
		return operand;
	case 0x04:
		return old ^ operand;
	case 0x08:
		return old | operand;
	case 0x0c:
		return old & operand;
	case 0x10:
		return (int64_t)old < (int64_t)operand ? old : operand;
	case 0x14:
		return (int64_t)old > (int64_t)operand ? old : operand;
	case 0x18:
		return old < operand ? old : operand;
	case 0x1c:
		return old > operand ? old : operand;
	default:
		return old;
	}
}

/* Words are worked on sign-extended: that keeps both orders. */
static uint64_t wide(uint64_t word)
{
	return (uint64_t)(int64_t)(int32_t)word;
}

static uint64_t amo_word(uint32_t *at, unsigned funct5, uint64_t operand)
{
	uint32_t old = __atomic_load_n(at, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(at, &old,
					    (uint32_t)amo_result(funct5, wide(old), operand), false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	return wide(old);
}

static uint64_t amo_double(uint64_t *at, unsigned funct5, uint64_t operand)
{
	uint64_t old = __atomic_load_n(at, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(at, &old, amo_result(funct5, old, operand), false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	return old;
}

uint64_t shadow_amo(struct shadow *s, gpa_t to, unsigned funct5, uint64_t value, unsigned width)
{
	struct shadow_state *st = s->state;
	struct gstage_entry g;
	uint64_t old = 0;

	if (width == 4)
		value = wide(value);
	lock_take(&st->gs->lock);
	if (gstage_reach(st->gs, to, ACCESS_STORE, &g) == OK) {
		old = width == 4 ? amo_word(phys_pointer(g.to), funct5, value)
				 : amo_double(phys_pointer(g.to), funct5, value);
		written(st, to, low_bytes(amo_result(funct5, old, value), width), width);
	}
	lock_release(&st->gs->lock);
	return old;
}
