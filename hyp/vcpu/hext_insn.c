/*
 * What a guest in VS-mode does by itself, unless it is watched: fences and satp. See hext_watch().
 *
 * Source: privileged specification, "Hypervisor Status Register (hstatus)", VTVM: "an attempt in
 * VS-mode to execute SFENCE.VMA or SINVAL.VMA or to access CSR satp raises a virtual-instruction
 * exception". QEMU 7.2 doesn't do so for satp.
 */
#include "hyp/arch/cpu.h"
#include "hyp/lib/trace.h"
#include "hyp/vcpu/vcpu.h"

#define SFENCE_MASK 0xfe007fff
#define SFENCE_VMA  0x12000073
#define SINVAL_VMA  0x16000073

static COLD void tell_fence(const uint64_t *at, const uint64_t *asid)
{
	struct trace_value values[2];
	unsigned n = 0;

	if (at)
		values[n++] = (struct trace_value){ TRACE_AT, *at };
	if (asid)
		values[n++] = (struct trace_value){ TRACE_ASID, *asid };
	trace_add(TRACE_FENCE, TRACE_NO_WHY, values, n);
}

/* Our HFENCE.VVMA, for its VMID, as narrow as it is. */
static void fence(const uint64_t *at, const uint64_t *asid)
{
	if (at && asid)
		hfence_vvma_page_asid(gva(*at), *asid);
	else if (at)
		hfence_vvma_page(gva(*at));
	else if (asid)
		hfence_vvma_asid(*asid);
	else
		hfence_vvma_all();
}

static void do_fence(struct vcpu *v, uint32_t bits)
{
	unsigned rs1 = bits >> 15 & 31, rs2 = bits >> 20 & 31;
	uint64_t at = v->frame.x[rs1], asid = v->frame.x[rs2] & SATP_ASID_MASK;
	const uint64_t *at_or_all = rs1 ? &at : NULL, *asid_or_all = rs2 ? &asid : NULL;

	fence(at_or_all, asid_or_all);
	if (trace_wants(TRACE_FENCE))
		tell_fence(at_or_all, asid_or_all);
}

/* "If satp is written with an unsupported MODE, the entire write has no effect", whereas vsatp's
 * fields may be taken one by one while V is 0. */
static void write_satp(uint64_t value)
{
	uint64_t before = csr_swap(CSR_VSATP, value);

	if (csr_read(CSR_VSATP) >> ATP_MODE_SHIFT != value >> ATP_MODE_SHIFT)
		csr_write(CSR_VSATP, before);
	else if (trace_wants(TRACE_SATP))
		trace_add(TRACE_SATP, TRACE_NO_WHY, &(struct trace_value){ TRACE_ATP, value }, 1);
}

/* "CSRRS and CSRRC: if rs1=x0, then the instruction will not write to the CSR at all". */
static void do_satp(struct vcpu *v, uint32_t bits)
{
	unsigned rd = bits >> 7 & 31, rs1 = bits >> 15 & 31, what = bits >> 12 & 3;
	uint64_t old = csr_read(CSR_VSATP), operand = bits >> 12 & 4 ? rs1 : v->frame.x[rs1];

	if (what == 1)
		write_satp(operand);
	else if (rs1)
		write_satp(what == 2 ? old | operand : old & ~operand);
	if (rd)
		v->frame.x[rd] = old;
}

bool hext_execute(struct vcpu *v, uint32_t bits)
{
	bool is_csr = (bits & 0x7f) == 0x73 && (bits >> 12 & 3);

	if (is_csr && bits >> 20 == CSR_SATP)
		do_satp(v, bits);
	else if ((bits & SFENCE_MASK) == SFENCE_VMA ||
		 ((bits & SFENCE_MASK) == SINVAL_VMA && v->isa->has_svinval))
		do_fence(v, bits);
	else
		return false;
	v->frame.pc += 4;
	return true;
}
