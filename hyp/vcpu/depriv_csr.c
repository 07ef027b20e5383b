/*
 * The supervisor CSRs of a guest in U-mode: a row each. See depriv.h.
 *
 * Invariant: what a write leaves in the state page is a value the register can hold (WARL), so that
 * whoever uses it needs no check.
 *
 * Source: privileged specification, "Supervisor CSRs" and what it says of each register's fields.
 */
#include <stddef.h>

#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/vcpu/depriv.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vcpu/vcpu.h"

/* A row without legal bits that isn't special is no register. */
struct csr_row {
	uint16_t offset; /* in the state page */
	bool is_special; /* one of the functions is there */
	uint64_t legal;	 /* the bits that can be written, where no function does it */
	uint64_t (*read)(struct vcpu *v);
	void (*write)(struct vcpu *v, uint64_t value);
	bool (*exists)(const struct isa *isa);
};

#define AT(field)      .offset = offsetof(struct state_page, field)
#define SPECIAL(field) AT(field), .is_special = true
#define ALL	       (~UINT64_C(0))
#define IRQS	       (IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_STI) | IRQ_BIT(IRQ_SEI))

static bool has_sstc(const struct isa *isa)
{
	return isa->has_sstc;
}

static bool has_stateen(const struct isa *isa)
{
	return isa->host_has_stateen && (isa->hstateen0 & HSTATEEN0_SE0);
}

/* Reserved modes are not written. */
static void write_stvec(struct vcpu *v, uint64_t value)
{
	if ((value & STVEC_MODE) > STVEC_VECTORED)
		return;
	v->depriv.state->stvec = value;
	v->depriv.stale = true; /* depriv_site.h */
}

/* "If satp is written with an unsupported MODE, the entire write has no effect". */
static void write_satp(struct vcpu *v, uint64_t value)
{
	if (!shadow_mode_works(value >> ATP_MODE_SHIFT))
		return;
	v->depriv.state->satp = value;
	v->depriv.stale = true;
	if (trace_wants(TRACE_SATP))
		trace_add(TRACE_SATP, TRACE_NO_WHY, &(struct trace_value){ TRACE_ATP, value }, 1);
}

/* What these two hold, the hart's own hold: it is asked. Before the guest runs they are derived. */
static void write_scounteren(struct vcpu *v, uint64_t value)
{
	csr_write(CSR_SCOUNTEREN, value);
	v->depriv.counters = csr_read(CSR_SCOUNTEREN);
	v->depriv.state->scounteren = v->depriv.counters;
	v->depriv.stale = v->depriv.enables_stale = true;
}

static void write_senvcfg(struct vcpu *v, uint64_t value)
{
	csr_write(CSR_SENVCFG, value);
	v->depriv.envcfg = csr_read(CSR_SENVCFG);
	v->depriv.state->senvcfg = v->depriv.envcfg;
	v->depriv.stale = v->depriv.enables_stale = true;
}

static void write_stimecmp(struct vcpu *v, uint64_t value)
{
	timer_set(v, value);
}

#define CSR_FIRST CSR_SSTATUS
#define CSR_LAST  CSR_SATP
#define ROW(csr)  [(csr)-CSR_FIRST]

/* Where sstateen0 can be seen, all the state it is about is withheld from guests: it reads 0. */
static const struct csr_row rows[CSR_LAST - CSR_FIRST + 1] = {
	ROW(CSR_SSTATUS) = { SPECIAL(sstatus), .write = depriv_write_sstatus },
	ROW(CSR_SIE) = { AT(sie), .legal = IRQS },
	ROW(CSR_STVEC) = { SPECIAL(stvec), .write = write_stvec },
	ROW(CSR_SCOUNTEREN) = { SPECIAL(scounteren), .write = write_scounteren },
	ROW(CSR_SENVCFG) = { SPECIAL(senvcfg), .write = write_senvcfg },
	ROW(CSR_SSTATEEN0) = { SPECIAL(sstateen0), .legal = 0, .exists = has_stateen },
	ROW(CSR_SSCRATCH) = { AT(sscratch), .legal = ALL },
	ROW(CSR_SEPC) = { AT(sepc), .legal = ALL - 1 },
	ROW(CSR_SCAUSE) = { AT(scause), .legal = ALL },
	ROW(CSR_STVAL) = { AT(stval), .legal = ALL },
	ROW(CSR_SIP) = { SPECIAL(sip), .legal = IRQ_BIT(IRQ_SSI), .read = depriv_sip },
	ROW(CSR_STIMECMP) = { SPECIAL(stimecmp), .write = write_stimecmp, .exists = has_sstc },
	ROW(CSR_SATP) = { SPECIAL(satp), .write = write_satp },
};

/* funct3: bit 2 tells the immediate forms, bits 1..0 what is done with the operand. */
enum { CSRRW = 1, CSRRS, CSRRC };
#define FUNCT3_IMMEDIATE 4

/*
 * "CSRRS and CSRRC: if rs1=x0, then the instruction will not write to the CSR at all", whatever
 * rs1's value is; CSRRWs always write.
 */
static inline bool does_write(uint32_t bits)
{
	return (bits >> 12 & 3) == CSRRW || (bits >> 15 & 31);
}

static inline uint64_t value_to_write(uint32_t bits, uint64_t operand, uint64_t old)
{
	unsigned what = bits >> 12 & 3;

	if (what == CSRRS)
		return old | operand;
	return what == CSRRC ? old & ~operand : operand;
}

/* What has functions of its own. */
static bool access_special(struct vcpu *v, uint32_t bits, uint64_t operand,
			   const struct csr_row *row, uint64_t *old)
{
	uint64_t *word = (uint64_t *)((char *)v->depriv.state + row->offset);

	if (row->exists && !row->exists(v->isa))
		return false;
	*old = row->read ? row->read(v) : *word;
	if (does_write(bits)) {
		uint64_t value = value_to_write(bits, operand, *old);

		if (row->write)
			row->write(v, value);
		else
			*word = (*word & ~row->legal) | (value & row->legal);
	}
	return true;
}

/*
 * Reads have no side effects here, so CSRRW with rd=x0 needs no care. Counters and other registers
 * that can be read in U-mode trap only where they are off: they are not there.
 */
bool depriv_csr_access(struct vcpu *v, uint32_t bits, uint64_t operand, uint64_t *old)
{
	unsigned number = (bits >> 20) - CSR_FIRST;
	const struct csr_row *row;
	uint64_t *word;

	if (number > CSR_LAST - CSR_FIRST)
		return false;
	row = &rows[number];
	if (row->is_special)
		return access_special(v, bits, operand, row, old);
	if (!row->legal)
		return false;
	word = (uint64_t *)((char *)v->depriv.state + row->offset);
	*old = *word;
	if (does_write(bits))
		*word = (*old & ~row->legal) |
			(value_to_write(bits, operand, *old) & row->legal);
	return true;
}

bool depriv_csr(struct vcpu *v, uint32_t bits)
{
	unsigned rd = bits >> 7 & 31, rs1 = bits >> 15 & 31;
	bool is_immediate = (bits >> 12 & FUNCT3_IMMEDIATE) != 0;
	uint64_t old;

	if (!depriv_csr_access(v, bits, is_immediate ? rs1 : v->frame.x[rs1], &old))
		return false;
	if (rd)
		v->frame.x[rd] = old;
	v->frame.pc += 4;
	return true;
}

/* What is just memory: for reads all that no function makes up, for writes what keeps every bit. */
int depriv_csr_offset(unsigned number, bool writes)
{
	const struct csr_row *row;

	if (number < CSR_FIRST || number > CSR_LAST)
		return -1;
	row = &rows[number - CSR_FIRST];
	if (!row->is_special && !row->legal)
		return -1;
	if (row->exists || row->read || (writes && row->legal != ALL))
		return -1;
	return row->offset;
}

uint64_t depriv_csr_legal(unsigned number)
{
	if (number < CSR_FIRST || number > CSR_LAST || number == CSR_SIE)
		return 0;
	return rows[number - CSR_FIRST].is_special ? 0 : rows[number - CSR_FIRST].legal;
}
