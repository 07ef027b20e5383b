/*
 * Pages with numbers, and how to find out which one an address leads to.
 * Invariant: word 0 of each stays what it is, unless a test says so. Read next: tables.c.
 */
#include "tests/guest/numbered.h"

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "tests/guest/ops.h"
#include "tests/guest/tap.h"

uint64_t *numbered[4];

void numbered_init(void)
{
	for (unsigned i = 0; i < COUNT(numbered); i++) {
		numbered[i] = page_alloc();
		*numbered[i] = i;
	}
}

uint64_t leaf(unsigned n)
{
	return pte_make((uint64_t)numbered[n], PTE_KERNEL);
}

uint64_t look(uint64_t va)
{
	return probe(op_load, va, 0).value;
}

bool faults(uint64_t va)
{
	struct trap t = probe(op_load, va, 0);

	return t.taken && t.cause == CAUSE_LOAD_PAGE && t.tval == va;
}
