/*
 * Remembering patched places. See depriv_site.h.
 *
 * Invariant: an entry is believed only under the satp and the state of all copies that it was
 * noted under.
 */
#include "hyp/vcpu/depriv_site.h"

#include "hyp/arch/insn.h"
#include "hyp/vcpu/vcpu.h"

/* hyp/trap/fast.S */
extern const char fast_set[], fast_set_immediate[], fast_clear[], fast_clear_immediate[],
	fast_word[], fast_read[], fast_write[];
#define FAST_ROW 8

/* Two processes use the same addresses of their kernel in turns: their places lie apart. */
static uint64_t mix_of(uint64_t satp)
{
	return (satp ^ satp >> 6) % DEPRIV_SITES;
}

static struct depriv_site *place_of(struct vcpu *v)
{
	uint64_t mix = mix_of(v->depriv.state->satp);

	return &v->depriv.sites[((v->frame.pc >> 2) ^ mix) % DEPRIV_SITES];
}

void depriv_site_enter(struct vcpu *v)
{
	uint64_t satp = v->depriv.state->satp;

	v->fast.tag = v->depriv.user ? FAST_NEVER : satp;
	v->fast.mix = mix_of(satp);
}

uint32_t depriv_site_recall(struct vcpu *v)
{
	const struct depriv_site *s = place_of(v);

	if (s->pc == v->frame.pc && s->satp == v->depriv.state->satp &&
	    s->seq == shadow_code_seq(v->shadow))
		return s->bits;
	return 0;
}

static uint64_t address_of(const char *place)
{
	return (uint64_t)(uintptr_t)place;
}

/*
 * What fast.S can do: sstatus.SIE set and cleared, and words of the state page written of which
 * nothing is derived. By funct3, "Zicsr": 1..3 by register, 5..7 by immediate.
 */
static void choose_handler(struct depriv_site *s)
{
	static const char *const of_sstatus[8] = {
		[2] = fast_set,
		[3] = fast_clear,
		[6] = fast_set_immediate,
		[7] = fast_clear_immediate,
	};
	unsigned csr = s->bits >> 20, funct3 = s->bits >> 12 & 7, rs1 = s->bits >> 15 & 31;
	int offset = depriv_csr_offset(csr, false);

	if (!insn_is_system(s->bits))
		return;
	s->operand = rs1;
	s->read = address_of(fast_read) + FAST_ROW * rs1;
	s->write = address_of(fast_write) + FAST_ROW * (s->bits >> 7 & 31);
	if (csr == CSR_SSTATUS && of_sstatus[funct3])
		s->handler = address_of(of_sstatus[funct3]);
	if (funct3 == 1 && depriv_csr_legal(csr) && offset >= 0) {
		s->operand = depriv_csr_legal(csr);
		s->offset = (uint32_t)offset;
		s->handler = address_of(fast_word);
	}
}

void depriv_site_note(struct vcpu *v, uint32_t bits)
{
	struct depriv_site s = { .pc = v->frame.pc,
				 .satp = v->depriv.state->satp,
				 .seq = shadow_code_seq(v->shadow),
				 .bits = bits };

	choose_handler(&s);
	*place_of(v) = s;
}

/*
 * S-mode's own: FP and vector instructions come to depriv_execute() too, and may be let through.
 * STVEC's number, with the low half of an EBREAK before it, would be WFI: see hyp/shadow/patch.c.
 */
static bool is_supervisor(uint32_t bits)
{
	unsigned csr = bits >> 20;
	bool is_csr = (bits >> 12 & 7) != 0;

	return insn_is_system(bits) &&
	       (!is_csr || (csr >= 0x100 && csr <= 0x1ff && csr != CSR_STVEC));
}

/* ld rd, @offset(x0) and sd rs2, @offset(x0), @offset within the last half page. */
static uint32_t load_of(int offset, unsigned rd)
{
	return (uint32_t)(offset - STATE_PAGE_OFFSET) << 20 | 3u << 12 | rd << 7 | 0x03;
}

static uint32_t store_of(int offset, unsigned rs2)
{
	uint32_t immediate = (uint32_t)(offset - STATE_PAGE_OFFSET);

	return immediate >> 5 << 25 | rs2 << 20 | 3u << 12 | (immediate & 31) << 7 | 0x23;
}

/* CSRRS and CSRRC of nothing, and CSRRW that nobody wants the old value of. 0: not one of those. */
static uint32_t memory_access(uint32_t bits)
{
	unsigned rd = bits >> 7 & 31, operand = bits >> 15 & 31, funct3 = bits >> 12 & 7;
	bool is_write = (funct3 & 3) == 1, is_immediate = (funct3 & 4) != 0;
	int offset = depriv_csr_offset(bits >> 20, is_write);

	if (offset < 0 || funct3 == 0)
		return 0;
	if (!is_write)
		return operand ? 0 : load_of(offset, rd);
	return rd || (is_immediate && operand) ? 0 : store_of(offset, operand);
}

uint32_t depriv_replacement(const struct vcpu *v, uint32_t bits)
{
	uint32_t access;

	if (!is_supervisor(bits))
		return 0;
	access = shadow_has_state_page(v->shadow) ? memory_access(bits) : 0;
	return access ? access : INSN_EBREAK;
}
