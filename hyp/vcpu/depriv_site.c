/*
 * Remembering patched places. See depriv_site.h.
 *
 * Invariant: an entry is believed only under the tag and the state of all copies that it was
 * noted under.
 */
#include "hyp/vcpu/depriv_site.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/insn.h"
#include "hyp/mm/map.h"
#include "hyp/mm/phys.h"
#include "hyp/vcpu/vcpu.h"

/* hyp/trap/fast.S, entry.S */
extern const char fast_set[], fast_set_immediate[], fast_clear[], fast_clear_immediate[],
	fast_word[], fast_call[], fast_fence_page[], fast_read[], fast_write[], trap_slow[];
#define FAST_ROW 8

static uint64_t address_of(const char *place)
{
	return (uint64_t)(uintptr_t)place;
}

/* Places under two tags lie apart. 2^64 over the golden ratio spreads the bits they differ in. */
static uint64_t mix_of(uint64_t tag)
{
	return tag * UINT64_C(0x9e3779b97f4a7c15) >> 32;
}

static struct depriv_site *place_of(struct vcpu *v)
{
	return &v->fast.sites[((v->frame.pc >> 2) ^ v->fast.mix) % DEPRIV_SITES];
}

/* A root's own entry may be its window's: that is the same in all address spaces. */
static COLD uint64_t without_window(uint64_t tag)
{
	return shadow_is_window(tag) ? FAST_UNMAPPED : tag;
}

static inline uint64_t tag_of(const struct vcpu *v, uint64_t satp)
{
	uint64_t at = v->depriv.state->stvec, table = (satp & ATP_PPN_MASK) << PAGE_SHIFT;
	unsigned shift = v->fast.shift;
	pte_t e = table;

	for (unsigned left = v->fast.tables; left; left--, shift -= PT_INDEX_BITS) {
		e = ((const pte_t *)phys_pointer(hpa(table)))[at >> shift & (PT_ENTRIES - 1)];
		if (!pte_is_valid(e))
			return FAST_UNMAPPED;
		table = pte_address(e);
	}
	return e;
}

/* The tables are read without their lock: if one went meanwhile its memory may be another's. */
static inline uint64_t tag_now(const struct vcpu *v, uint64_t satp)
{
	uint64_t seq = __atomic_load_n(&v->shadow->links_seq, __ATOMIC_ACQUIRE);
	uint64_t tag = tag_of(v, satp);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&v->shadow->links_seq, __ATOMIC_RELAXED) != seq)
		return FAST_UNMAPPED;
	return v->depriv.windowed ? without_window(tag) : tag;
}

void depriv_site_enter(struct vcpu *v, uint64_t satp)
{
	uint64_t tag = tag_now(v, satp);

	v->fast.root = satp;
	v->fast.tag = tag;
	v->fast.mix = mix_of(tag);
}

void depriv_site_mode(struct vcpu *v, const struct pt_mode *mode)
{
	v->fast.tables = mode ? map_mode()->levels - mode->levels + 1u : 0;
	v->fast.region = mode ? pt_address_bits(mode) - PT_INDEX_BITS : 63;
	v->fast.shift = v->fast.region + PT_INDEX_BITS * (v->fast.tables - 1);
}

void depriv_site_init(struct vcpu *v, void *sites)
{
	v->fast.sites = sites;
	v->fast.read = address_of(fast_read);
	v->fast.write = address_of(fast_write);
	v->fast.tag = FAST_NEVER;
	depriv_site_mode(v, NULL);
}

uint32_t depriv_site_recall(struct vcpu *v)
{
	const struct depriv_site *s = place_of(v);

	if (s->pc == v->frame.pc && s->tag == v->fast.tag &&
	    s->seq == shadow_code_seq(v->shadow))
		return (uint32_t)s->bits;
	return 0;
}

/*
 * The functions that fast_call calls: the values of rs1 and rs2 in, rd's out. Of the frame they may
 * use .pc alone. What they leave to be done before the guest runs is done here.
 */
typedef uint64_t site_function(struct vcpu *v, const struct depriv_site *s, uint64_t rs1,
			       uint64_t rs2);

static uint64_t site_csr(struct vcpu *v, const struct depriv_site *s, uint64_t rs1, uint64_t rs2)
{
	uint64_t old = 0;

	(void)rs2;
	depriv_csr_access(v, (uint32_t)s->bits, rs1, &old);
	v->frame.pc += 4;
	depriv_prepare(v);
	return old;
}

/* The same for sstatus alone, which kernels change more often than all others together. */
static uint64_t site_sstatus(struct vcpu *v, const struct depriv_site *s, uint64_t rs1,
			     uint64_t rs2)
{
	unsigned what = s->bits >> 12 & 3;
	uint64_t old = v->depriv.state->sstatus;

	(void)rs2;
	if (what == 2)
		rs1 |= old;
	else if (what == 3)
		rs1 = old & ~rs1;
	depriv_write_sstatus(v, rs1);
	v->frame.pc += 4;
	depriv_prepare(v);
	return old;
}

static uint64_t site_csr_immediate(struct vcpu *v, const struct depriv_site *s, uint64_t rs1,
				   uint64_t rs2)
{
	return site_csr(v, s, s->bits >> 15 & 31, rs1 + rs2);
}

static uint64_t site_sret(struct vcpu *v, const struct depriv_site *s, uint64_t rs1, uint64_t rs2)
{
	(void)s;
	(void)rs1;
	(void)rs2;
	depriv_sret(v);
	depriv_prepare(v);
	return 0;
}

static uint64_t site_fence(struct vcpu *v, const struct depriv_site *s, uint64_t rs1, uint64_t rs2)
{
	depriv_fence(v, (uint32_t)s->bits, rs1, rs2);
	v->frame.pc += 4;
	return 0;
}

/* Of one page, in one address space, where fast.S can't tell that there is nothing to do. */
static uint64_t site_fence_page(struct vcpu *v, const struct depriv_site *s, uint64_t rs1,
				uint64_t rs2)
{
	(void)s;
	shadow_fence_page(v->shadow, gva(rs1), rs2 & SATP_ASID_MASK, &v->fast.absence);
	sfence_all();
	v->frame.pc += 4;
	return 0;
}

/* What is known to be an instruction that depriv_execute() carries out. WFI waits: not here. */
static site_function *function_of(uint32_t bits)
{
	if ((bits >> 12 & 7) - 1 < 3 && bits >> 20 == CSR_SSTATUS)
		return site_sstatus;
	if (bits >> 12 & 3)
		return bits >> 12 & 4 ? site_csr_immediate : site_csr;
	if (bits == 0x10200073)
		return site_sret;
	if ((bits & 0xfe007fff) != 0x12000073)
		return NULL;
	return bits >> 15 & 31 && bits >> 20 & 31 ? site_fence_page : site_fence;
}

/* sstatus.SIE set and cleared, by funct3, "Zicsr": 1..3 by register, 5..7 by immediate. */
static const char *const of_sstatus[8] = {
	[2] = fast_set,
	[3] = fast_clear,
	[6] = fast_set_immediate,
	[7] = fast_clear_immediate,
};

static void choose_handler(struct depriv_site *s, uint32_t bits)
{
	unsigned csr = bits >> 20, funct3 = bits >> 12 & 7, rs1 = bits >> 15 & 31;
	site_function *function = function_of(bits);

	s->handler = address_of(function ? fast_call : trap_slow);
	if (!function)
		return;
	s->call = (uint64_t)(uintptr_t)function;
	s->read = (uint16_t)(FAST_ROW * rs1);
	s->read2 = (uint16_t)(FAST_ROW * (bits >> 20 & 31));
	s->write = (uint16_t)(FAST_ROW * (bits >> 7 & 31));
	s->operand = rs1;
	if (function == site_fence_page) {
		s->handler = address_of(fast_fence_page);
	} else if (csr == CSR_SSTATUS && of_sstatus[funct3]) {
		s->handler = address_of(of_sstatus[funct3]);
	} else if (funct3 == 1 && depriv_csr_legal(csr)) {
		s->handler = address_of(fast_word);
		s->operand = depriv_csr_legal(csr);
		s->offset = (uint16_t)depriv_csr_offset(csr, false);
	}
}

uint64_t depriv_user_ecall(struct vcpu *v)
{
	depriv_note_units(v);
	depriv_inject(v, CAUSE_ECALL_U, 0);
	depriv_prepare(v);
	return 0;
}

static void note(struct vcpu *v, struct depriv_site *s)
{
	choose_handler(s, (uint32_t)s->bits);
	*place_of(v) = *s;
}

void depriv_site_note(struct vcpu *v, uint32_t bits)
{
	struct depriv_site s = { .pc = v->frame.pc,
				 .tag = v->fast.tag,
				 .seq = v->depriv.code.seq,
				 .bits = bits };

	/* The tables may have changed since the tag was read: it is read again, next time. */
	if (s.tag != tag_now(v, v->fast.root))
		v->depriv.stale = true;
	else if (s.tag != FAST_UNMAPPED &&
		 (s.pc ^ v->depriv.state->stvec) >> v->fast.region == 0)
		note(v, &s);
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
