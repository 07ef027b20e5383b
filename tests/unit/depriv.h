/*
 * What the tests of hyp/vcpu/depriv*.c begin with: a guest's hart that was just started, over a fake
 * of hyp/shadow/.
 */
#ifndef TESTS_UNIT_DEPRIV_H
#define TESTS_UNIT_DEPRIV_H

#include "tests/unit/unit.h"

#include <string.h>

#include "hyp/arch/cpu.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/timer.h"
#include "hyp/vcpu/vcpu.h"
#include "sbi/abi.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define PC	  0x80201000u
#define ALL	  (~UINT64_C(0))
#define TRAP_BITS (SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE)
#define IRQS	  (IRQ_BIT(IRQ_SSI) | IRQ_BIT(IRQ_STI) | IRQ_BIT(IRQ_SEI))

#define INSN_SRET	     0x10200073
#define INSN_SFENCE_VMA	     0x12000073 /* x0, x0 */
#define INSN_SINVAL_VMA	     0x16000073
#define INSN_SFENCE_W_INVAL  0x18000073
#define INSN_SFENCE_INVAL_IR 0x18100073

/* hyp/shadow/, as far as it is called: what it was asked last. */
static struct {
	unsigned fences, satps;
	bool windowed;
	unsigned window_loads, window_entries;
	uint64_t window_arrives;
	bool all_pages, all_asids;
	uint64_t at, asid;
	struct regime regime;
} shadow;

void shadow_fence(struct shadow *s, const gva_t *at, const uint64_t *asid)
{
	(void)s;
	shadow.fences++;
	shadow.all_pages = !at;
	shadow.all_asids = !asid;
	shadow.at = at ? at->v : 0;
	shadow.asid = asid ? *asid : 0;
}

void shadow_fence_page(struct shadow *s, gva_t at, uint64_t asid, struct shadow_absence *known)
{
	(void)known;
	shadow_fence(s, &at, asid == SHADOW_ALL_ASIDS ? NULL : &asid);
}

bool shadow_mode_works(uint64_t mode)
{
	return mode == ATP_MODE_BARE || mode == ATP_MODE_SV39;
}

bool shadow_has_asids(void)
{
	return false;
}

bool shadow_has_state_page(const struct shadow *s)
{
	(void)s;
	return false;
}

bool shadow_has_windows(void)
{
	return shadow.windowed;
}

/* One root for each of U, S and S with SUM. */
uint64_t shadow_find_satp(struct shadow *s, struct shadow_view *w, const struct regime *r)
{
	(void)s;
	(void)w;
	shadow.satps++;
	shadow.regime = *r;
	return 0x1000 + (r->user ? 1 : r->sum ? 2 : 3);
}

void shadow_fill_miss(struct shadow *s, struct shadow_view *w)
{
	(void)s;
	w->miss.pc = gva(SHADOW_NO_MISS);
}

static struct vcpu v;
static struct isa isa;
static struct shadow own_shadow;
static struct gstage own_gstage;
static struct fp_state fp;
static uint64_t page[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));

void shadow_window_arrive(uint64_t at)
{
	shadow.window_arrives = at;
}

void shadow_window_load(const void *vcpu, uint64_t bug)
{
	assert_ptr_equal(vcpu, &v);
	assert_int_equal(bug, (uint64_t)(uintptr_t)trap_from_hypervisor);
	shadow.window_loads++;
}

bool shadow_is_window(pte_t e)
{
	(void)e;
	return false;
}

void shadow_window_enter(const struct shadow_view *w, const struct regime *r)
{
	assert_ptr_equal(w, &v.view);
	assert_memory_equal(r, &v.depriv.regime, sizeof(*r));
	shadow.window_entries++;
}

static inline struct state_page *csrs(void)
{
	return v.depriv.state;
}

/* A guest's hart that was just started. */
static inline int setup(void **state)
{
	(void)state;
	fake_reset();
	timer_host_begin();
	memset(&v, 0, sizeof(v));
	memset(&shadow, 0, sizeof(shadow));
	isa = (struct isa){ .has_f = true,
			    .has_sstc = true,
			    .hcounteren = COUNTEREN_CY | COUNTEREN_TM | COUNTEREN_IR };
	v.backend = &backend_depriv;
	v.isa = &isa;
	v.shadow = &own_shadow;
	v.gstage = &own_gstage;
	v.fp = &fp;
	v.hart = fake.hart;
	v.depriv.state = (struct state_page *)((char *)page + STATE_PAGE_OFFSET);
	vcpu_reset_csrs(&v);
	vcpu_load(&v);
	vcpu_begin(&v, (struct vcpu_start){ PC, 0, 0 });
	return 0;
}

static inline uint32_t csr_insn(unsigned funct3, unsigned rd, unsigned csr, unsigned rs1)
{
	return 0x73 | rd << 7 | funct3 << 12 | rs1 << 15 | csr << 20;
}

enum { RW = 1, RS, RC, RWI = 5, RSI, RCI };

/* By csrrw from x5, then csrrs to x6. */
static inline uint64_t hold(unsigned csr, uint64_t value)
{
	v.frame.x[5] = value;
	assert_true(depriv_execute(&v, csr_insn(RW, 0, csr, 5)));
	assert_true(depriv_execute(&v, csr_insn(RS, 6, csr, 0)));
	return v.frame.x[6];
}

#endif
