/*
 * The privileged instructions of a guest in U-mode. See depriv.h.
 *
 * Source: privileged specification, "Supervisor Instructions", "Svinval"; unprivileged
 * specification, the listings of the major opcodes.
 */
#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/vcpu/depriv.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/vcpu.h"

#define OPCODE_SYSTEM 0x73

static uint32_t field(uint32_t bits, unsigned from, unsigned count)
{
	return bits >> from & ((1u << count) - 1);
}

/* Each ends with frame.pc where the guest goes on. */
static void do_sret(struct vcpu *v, uint32_t bits)
{
	(void)bits;
	depriv_sret(v);
}

static void do_wfi(struct vcpu *v, uint32_t bits)
{
	(void)bits;
	v->frame.pc += 4;
	v->waiting = !irq_is_pending(v);
}

static COLD void tell_fence(const gva_t *at, const uint64_t *asid)
{
	struct trace_value values[2];
	unsigned n = 0;

	if (at)
		values[n++] = (struct trace_value){ TRACE_AT, at->v };
	if (asid)
		values[n++] = (struct trace_value){ TRACE_ASID, *asid };
	trace_add(TRACE_FENCE, TRACE_NO_WHY, values, n);
}

/* "rs1=x0": all addresses, "rs2=x0": all address spaces. */
void depriv_fence(struct vcpu *v, uint32_t bits, uint64_t at, uint64_t asid)
{
	gva_t page = gva(align_down(at, PAGE_SIZE));

	asid &= SATP_ASID_MASK;
	if (trace_wants(TRACE_FENCE))
		tell_fence(field(bits, 15, 5) ? &page : NULL, field(bits, 20, 5) ? &asid : NULL);
	shadow_fence(v->shadow, field(bits, 15, 5) ? &page : NULL,
		     field(bits, 20, 5) ? &asid : NULL);
	sfence_all();
}

static void do_sfence(struct vcpu *v, uint32_t bits)
{
	depriv_fence(v, bits, v->frame.x[field(bits, 15, 5)], v->frame.x[field(bits, 20, 5)]);
	v->frame.pc += 4;
}

/* The orderings around SINVAL.VMA, which is as strong here as SFENCE.VMA. */
static void do_nothing(struct vcpu *v, uint32_t bits)
{
	(void)bits;
	v->frame.pc += 4;
}

static const struct privileged {
	uint32_t mask, match;
	bool svinval; /* there with that extension alone */
	void (*execute)(struct vcpu *v, uint32_t bits);
} privileged[] = {
	{ 0xffffffff, 0x10200073, false, do_sret },
	{ 0xfe007fff, 0x12000073, false, do_sfence }, /* sfence.vma */
	{ 0xffffffff, 0x10500073, false, do_wfi },
	{ 0xfe007fff, 0x16000073, true, do_sfence },  /* sinval.vma */
	{ 0xffffffff, 0x18000073, true, do_nothing }, /* sfence.w.inval */
	{ 0xffffffff, 0x18100073, true, do_nothing }, /* sfence.inval.ir */
};

static bool execute_privileged(struct vcpu *v, uint32_t bits)
{
	for (unsigned i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++) {
		const struct privileged *p = &privileged[i];

		if ((bits & p->mask) != p->match)
			continue;
		if (p->svinval && !v->isa->has_svinval)
			return false;
		p->execute(v, bits);
		return true;
	}
	return false;
}

/* Major opcodes, bits 6..2 of a 32-bit instruction, that need FS or VS on. */
static const uint64_t units_of_opcode[32] = {
	[0x10] = SSTATUS_FS, /* fmadd, fmsub, fnmsub, fnmadd */
	[0x11] = SSTATUS_FS,
	[0x12] = SSTATUS_FS,
	[0x13] = SSTATUS_FS,
	[0x14] = SSTATUS_FS,		  /* OP-FP */
	[0x15] = SSTATUS_FS | SSTATUS_VS, /* OP-V */
	[0x1d] = SSTATUS_VS,		  /* OP-VE */
};

/* LOAD-FP and STORE-FP, by width: the vector loads and stores are among them. */
static const uint64_t units_of_width[8] = {
	SSTATUS_VS, SSTATUS_FS, SSTATUS_FS, SSTATUS_FS,
	SSTATUS_FS, SSTATUS_VS, SSTATUS_VS, SSTATUS_VS,
};

static uint64_t units_of_csr(unsigned number)
{
	static const struct {
		uint16_t first, last;
		uint64_t units;
	} ranges[] = {
		{ CSR_FFLAGS, CSR_FCSR, SSTATUS_FS }, /* fflags, frm, fcsr */
		{ CSR_VSTART, CSR_VCSR, SSTATUS_VS }, /* vstart, vxsat, vxrm, vcsr */
		{ CSR_VL, CSR_VLENB, SSTATUS_VS },    /* vl, vtype, vlenb */
	};

	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (number >= ranges[i].first && number <= ranges[i].last)
			return ranges[i].units;
	return 0;
}

/* c.fld, c.fsd and their stack-pointer forms: quadrants 0 and 2, funct3 1 and 5. */
static uint64_t units_of_compressed(uint32_t bits)
{
	return !(bits & 1) && (field(bits, 13, 3) & 3) == 1 ? SSTATUS_FS : 0;
}

/* What of FS and VS must be on for @bits, at least if it is a legal instruction. */
static uint64_t units_of(uint32_t bits)
{
	unsigned opcode = field(bits, 2, 5), funct3 = field(bits, 12, 3);

	if ((bits & 3) != 3)
		return units_of_compressed(bits);
	if (opcode == 0x01 || opcode == 0x09) /* LOAD-FP, STORE-FP */
		return units_of_width[funct3];
	if ((bits & 0x7f) == OPCODE_SYSTEM && (funct3 & 3))
		return units_of_csr(field(bits, 20, 12));
	return units_of_opcode[opcode];
}

/*
 * FS and VS are off for a kernel that has them initial or clean (depriv.c): they become dirty, and
 * the instruction gets another try. The specification allows to be told dirty too early.
 */
static COLD bool turn_on_units(struct vcpu *v, uint32_t bits)
{
	uint64_t needed = units_of(bits), sstatus = v->depriv.state->sstatus, more = 0;
	uint64_t there = sstatus & v->depriv.own_units;

	/* Vectors of FP numbers need both: without VS they are illegal, and FS stays as it is. */
	if ((needed & SSTATUS_VS) && !(there & SSTATUS_VS))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t unit = i ? SSTATUS_VS : SSTATUS_FS;

		if ((needed & there & unit) && !(v->depriv.units & unit))
			more |= unit;
	}
	if (more) {
		depriv_write_sstatus(v, sstatus | more);
		v->depriv.units_stale = true;
	}
	return more != 0;
}

bool depriv_execute(struct vcpu *v, uint32_t bits)
{
	unsigned funct3 = field(bits, 12, 3);

	if (v->depriv.user)
		return false;
	if ((bits & 0x7f) == OPCODE_SYSTEM && funct3 == 0)
		return execute_privileged(v, bits);
	if ((bits & 0x7f) == OPCODE_SYSTEM && (funct3 & 3) && depriv_csr(v, bits))
		return true;
	return turn_on_units(v, bits);
}
