/*
 * Vector stores, element by element. See stores.h.
 *
 * Any order of the elements, and of the fields of a segment, is one that the specification allows
 * for precise traps: what is before vstart is done, the rest is done or will be done again.
 *
 * Source: unprivileged specification, "V", "Vector Loads and Stores" and "Vector Start Index CSR".
 */
#include "hyp/mmu/stores.h"

#include "hyp/arch/cpu.h"
#include "hyp/lib/string.h"
#include "hyp/vcpu/fp.h"

#define REGISTERS  32

enum { UNIT_STRIDE, INDEXED_UNORDERED, STRIDED, INDEXED_ORDERED }; /* mop */
enum { WHOLE_REGISTERS = 8, MASK = 11 };			    /* sumop */

/* The elements that an instruction stores. */
struct elements {
	const struct fp_state *registers;
	uint64_t register_bytes;
	uint64_t count;
	unsigned log_width, log_index; /* bytes, as logarithms */
	unsigned data, index;	       /* first registers */
	unsigned fields, spread;       /* registers from one field to the next */
	uint64_t base, stride;
	bool indexed, masked;
};

static unsigned field(uint32_t bits, unsigned from, unsigned count)
{
	return bits >> from & ((1u << count) - 1);
}

/* Of STORE-FP, by bits 14..12: the logarithm of EEW in bytes, plus 1; 0: not a vector store. */
static const uint8_t widths[8] = { [0] = 1, [5] = 2, [6] = 3, [7] = 4 };

bool is_vector_store(uint32_t bits)
{
	return (bits & 0x7f) == 0x27 && widths[field(bits, 12, 3)] && !field(bits, 28, 1);
}

/* Registers of one field: LMUL, whose logarithm has 3 bits with a sign, times EEW over SEW. */
static unsigned spread_of(uint64_t vtype, unsigned log_width)
{
	int log = (int)(vtype & 3) - (int)(vtype & 4) + (int)log_width - (int)(vtype >> 3 & 7);

	return log > 0 ? 1u << log : 1;
}

/* "Unit-stride": what else lies in a row in memory. */
static void special_unit_stride(struct elements *e, unsigned sumop)
{
	if (sumop == WHOLE_REGISTERS) {
		e->count = e->fields * e->register_bytes;
		e->fields = 1;
		e->stride = 1;
	} else if (sumop == MASK) {
		e->count = (e->count + 7) / 8;
	}
}

/* All that is read is in the registers: an instruction that isn't legal may say otherwise. */
static bool is_inside(const struct elements *e)
{
	uint64_t all = REGISTERS * e->register_bytes;
	uint64_t last_field = (e->data + (e->fields - 1) * e->spread) * e->register_bytes;

	return e->log_width <= 3 && last_field + (e->count << e->log_width) <= all &&
	       (!e->indexed ||
		e->index * e->register_bytes + (e->count << e->log_index) <= all) &&
	       (!e->masked || e->count <= 8 * e->register_bytes);
}

static struct elements elements_of(const struct vcpu *v, uint32_t bits, const struct fp_state *f)
{
	unsigned mop = field(bits, 26, 2), log = widths[field(bits, 12, 3)] - 1u;
	struct elements e = {
		.registers = f,
		.register_bytes = csr_read(CSR_VLENB),
		.count = f->vl,
		.log_width = log,
		.log_index = log,
		.data = field(bits, 7, 5),
		.index = field(bits, 20, 5),
		.fields = field(bits, 29, 3) + 1,
		.base = v->frame.x[field(bits, 15, 5)],
		.indexed = mop == INDEXED_UNORDERED || mop == INDEXED_ORDERED,
		.masked = !field(bits, 25, 1),
	};

	if (e.indexed)
		e.log_width = f->vtype >> 3 & 7;
	e.spread = spread_of(f->vtype, e.log_width);
	e.stride = mop == STRIDED ? v->frame.x[e.index] : (uint64_t)e.fields << e.log_width;
	if (mop == UNIT_STRIDE)
		special_unit_stride(&e, e.index);
	return e;
}

/* @i-th element of 1 << @log_width bytes, counted from the first of register @n. */
static uint64_t element(const struct elements *e, unsigned n, uint64_t i, unsigned log_width)
{
	const char *bytes = (const char *)e->registers->v + n * e->register_bytes;
	uint64_t value = 0;

	memcpy(&value, bytes + (i << log_width), 1u << log_width);
	return value;
}

static bool is_active(const struct elements *e, uint64_t i)
{
	return !e->masked || (element(e, 0, i / 8, 0) >> i % 8 & 1);
}

static bool store_segment(struct vcpu *v, const struct elements *e, uint64_t i,
			  enum mmu_what *why)
{
	uint64_t at = e->base + (e->indexed ? element(e, e->index, i, e->log_index) : i * e->stride);

	for (unsigned n = 0; n < e->fields; n++)
		if (!store_at(v, gva(at + ((uint64_t)n << e->log_width)),
			      element(e, e->data + n * e->spread, i, e->log_width),
			      1u << e->log_width, why))
			return false;
	return true;
}

bool store_vector(struct vcpu *v, uint32_t bits, enum mmu_what *why)
{
	const struct fp_state *f = fp_read_vector(v);
	struct elements e = elements_of(v, bits, f);
	uint64_t i = f->vstart;
	bool done = is_inside(&e);

	*why = MMU_RESUME;
	for (; done && i < e.count; i++) {
		if (is_active(&e, i))
			done = store_segment(v, &e, i, why);
		if (!done)
			break;
	}
	v_register_write_vstart(done ? 0 : i);
	if (done)
		v->frame.pc += 4;
	return done;
}
