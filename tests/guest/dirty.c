/*
 * Look whether all free RAM reads as zero, then leave a mark in each of its words and stop the hart.
 * The harness resets the machine under it: what comes up again must have fresh RAM once more.
 *
 * Invariant: nothing below board_heap() and nothing in the device tree is touched. Read next:
 * tests/system/test_reset.py.
 */
#include "guests/lib/board.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"

#define MARK 0x6469727479212121ul

static bool in_tree(uint64_t at)
{
	return at + 8 > board.dtb && at < board.dtb + board.dtb_bytes;
}

int main(void)
{
	uint64_t end = board.ram_base + board.ram_bytes, words = 0;

	for (uint64_t at = board_heap(); at < end; at += 8) {
		volatile uint64_t *word = (volatile uint64_t *)at;

		if (in_tree(at))
			continue;
		words += *word != 0;
		*word = MARK;
	}
	print("%lu words of RAM were not zero; now none is\n", words);
	sbi_call(SBI_EXT_HSM, SBI_HSM_HART_STOP, 0, 0, 0, 0, 0);
	return 2;
}
