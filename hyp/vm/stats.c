/*
 * Printing what was counted. The counting is one addition where the thing happens.
 */
#include "hyp/vm/stats.h"

#include "hyp/arch/csr.h"
#include "hyp/lib/log.h"
#include "hyp/vm/vm.h"

#define INTERRUPTS_FROM 32

/* What hyp/trap/fast.S counts by itself. */
static uint64_t fast_exits_of(const struct fast_path *f, unsigned row)
{
	switch (row) {
	case EXIT_ROW(CAUSE_BREAKPOINT, 0):
		return f->taken + f->fences;
	case EXIT_ROW(CAUSE_ECALL_U, 0):
		return f->calls;
	default:
		return 0;
	}
}

uint64_t stats_vcpu_exits(const struct vcpu *v, unsigned row)
{
	return v->exits[row] + fast_exits_of(&v->fast, row);
}

uint64_t stats_vm_exits(const struct vm *vm, unsigned row)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < vm->vcpus_n; i++)
		n += stats_vcpu_exits(vm->vcpus[i], row);
	return n;
}

const char *stats_exit_name(unsigned row)
{
	static const char *const names[EXIT_ROWS] = {
		[EXIT_ROW(CAUSE_FETCH_MISALIGNED, 0)] = "fetch-align",
		[EXIT_ROW(CAUSE_FETCH_ACCESS, 0)] = "fetch-access",
		[EXIT_ROW(CAUSE_ILLEGAL, 0)] = "illegal",
		[EXIT_ROW(CAUSE_BREAKPOINT, 0)] = "break",
		[EXIT_ROW(CAUSE_LOAD_MISALIGNED, 0)] = "load-align",
		[EXIT_ROW(CAUSE_LOAD_ACCESS, 0)] = "load-access",
		[EXIT_ROW(CAUSE_STORE_MISALIGNED, 0)] = "store-align",
		[EXIT_ROW(CAUSE_STORE_ACCESS, 0)] = "store-access",
		[EXIT_ROW(CAUSE_ECALL_U, 0)] = "ecall-u",
		[EXIT_ROW(CAUSE_ECALL_VS, 0)] = "ecall",
		[EXIT_ROW(CAUSE_FETCH_PAGE, 0)] = "fetch-page",
		[EXIT_ROW(CAUSE_LOAD_PAGE, 0)] = "load-page",
		[EXIT_ROW(CAUSE_STORE_PAGE, 0)] = "store-page",
		[EXIT_ROW(CAUSE_FETCH_GUEST_PAGE, 0)] = "fetch-gpage",
		[EXIT_ROW(CAUSE_LOAD_GUEST_PAGE, 0)] = "load-gpage",
		[EXIT_ROW(CAUSE_VIRTUAL, 0)] = "virtual",
		[EXIT_ROW(CAUSE_STORE_GUEST_PAGE, 0)] = "store-gpage",
		[EXIT_ROW(IRQ_SSI, 1)] = "kick",
		[EXIT_ROW(IRQ_STI, 1)] = "timer",
		[EXIT_ROW(IRQ_SEI, 1)] = "external",
	};

	return row < EXIT_ROWS && names[row] ? names[row] : "?";
}

static uint64_t fences_of(const struct vm *vm)
{
	uint64_t n = vm->shadow.stats.fences;

	for (unsigned i = 0; i < vm->vcpus_n; i++)
		n += vm->vcpus[i]->fast.fences;
	return n;
}

static void print_shadow(const struct vm *vm)
{
	const struct shadow_stats *s = &vm->shadow.stats;

	log_info("shadow faults %lu, fills %lu, foreseen %lu, tables %lu, roots %lu, "
		 "evicted %lu",
		 s->faults, s->fills, s->foreseen, s->tables, s->roots, s->evicted);
	log_info("shadow fences %lu, flushes %lu, syncs %lu, changes %lu, stores %lu, "
		 "unshadows %lu",
		 fences_of(vm), s->flushes, s->syncs, s->changes, s->stores, s->unshadows);
	log_info("shadow references %lu, steps %lu", s->references, s->steps);
	log_info("patched pages %lu, sites %lu, taken back %lu", s->patched_pages, s->patched_sites,
		 s->unpatched_pages);
}

void stats_print(const struct vm *vm)
{
	for (unsigned is_interrupt = 0; is_interrupt < 2; is_interrupt++)
		for (unsigned cause = 0; cause < EXIT_ROWS / 2; cause++) {
			uint64_t n = stats_vm_exits(vm, (unsigned)EXIT_ROW(cause, is_interrupt));

			if (n)
				log_info("exits cause %u %lu",
					 cause + is_interrupt * INTERRUPTS_FROM, n);
		}
	log_info("demand fills %lu, copies of bundle pages %lu, memory used %lu KiB",
		 vm->gstage.demand_fills, vm->gstage.cow_copies, vm->pool.frames * 4);
	if (vm->way->shares_table)
		print_shadow(vm);
}
