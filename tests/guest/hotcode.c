/*
 * The page of hot code, and one line for very many checks.
 * Invariant: the page is RAM of its own, so what is in it is this suite's code alone.
 * Read next: hot.c, patch.c.
 */
#include "tests/guest/hotcode.h"

#include "guests/lib/board.h"
#include "guests/lib/print.h"
#include "guests/lib/string.h"
#include "tests/guest/insn.h"
#include "tests/guest/tap.h"

uint8_t *code;
static const char *trouble; /* the first thing that went wrong since the last report */

void hotcode_init(void)
{
	code = page_alloc();
}

void put(uint8_t *at, uint32_t insn, unsigned bytes)
{
	mem_copy(at, &insn, bytes);
}

code_fn *put_function(uint8_t *at, uint32_t insn)
{
	put(at, insn, 4);
	put(at + 4, INSN_C_RET, 2);
	return (code_fn *)(uint64_t)at;
}

void note(bool good, const char *what)
{
	if (!good && trouble == 0)
		trouble = what;
}

void report(const char *name)
{
	if (trouble != 0)
		print("# %s\n", trouble);
	test_ok(trouble == 0, "%s", name);
	trouble = 0;
}
