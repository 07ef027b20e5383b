/*
 * The last page of the address space as part of a large one that is in use before any code is hot:
 * whatever a hypervisor keeps there for patched code (patch.c), it is the guest's.
 *
 * Invariant: one test a run, since a hypervisor that was taught that the page is in use may never
 * do it again.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "tests/guest/hotcode.h"
#include "tests/guest/insn.h"
#include "tests/guest/tap.h"

#define LARGE 0x200000ul
#define WORDS (EDGE / 8)

/* A piece of the heap that nothing else has used. */
static uint64_t *large_page(void)
{
	return (uint64_t *)((board_heap() + 3 * LARGE) & ~(LARGE - 1));
}

int main(void)
{
	struct space s = space_identity(SATP_MODE_SV39);
	volatile uint64_t *last = (volatile uint64_t *)-EDGE;
	uint64_t *large = large_page(), *end = large + LARGE / 8 - WORDS;
	uint64_t sie = csr_read(CSR_SIE);
	code_fn *fn;

	hotcode_init();
	fn = put_function(code, insn_csr(RS, A0, CSR_SIE, 0));
	fence_i();
	space_map(&s, -LARGE, (uint64_t)large, 1, PTE_KERNEL);
	for (uint64_t n = 0; n < WORDS; n++)
		end[n] = ~n;
	space_enter(&s);
	for (uint64_t n = 0; n < HOT; n++) {
		note(last[-8] == 0, "the page before");
		note(fn(0, 0) == sie, "a result");
		note(last[n] == ~n, "a load");
		last[n] = n;
		note(end[n] == n, "a store");
	}
	space_leave();
	report("the last page, part of a large one, is memory while code is hot");
	return test_done();
}
