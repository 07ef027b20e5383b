/*
 * The guest of `make bench` that shares its hart with others. With one hart of its own it does
 * nothing but wait, a moment at a time: two such guests switch for ever. With two, hart 0 wakes
 * hart 1, which sleeps while hart 0 runs. With three, it waits for long: QEMU, where it counts
 * instructions, hears nothing from outside while all is asleep for good.
 *
 * Invariant: nothing is between the marks but what is measured.
 * Read next: tests/bench/many.py, which counts.
 */
#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "tests/bench/mark.h"

#define ROUNDS	    200
#define PAUSE_TICKS 20 /* longer than it takes to sleep, shorter than the other's turn with it */

static volatile unsigned woken, asleep;

static inline uint64_t now(void)
{
	return csr_read(CSR_TIME);
}

static void set_timer(uint64_t when)
{
	if (board_has_isa("sstc"))
		csr_write(CSR_STIMECMP, when);
	else
		sbi_call(SBI_EXT_TIME, SBI_TIME_SET_TIMER, when, 0, 0, 0, 0);
}

/* Interrupts are seen to be pending, and never taken: sstatus.SIE is 0. */
static _Noreturn void wait_for_ever(uint64_t pause)
{
	csr_write(CSR_SIE, 1ul << IRQ_S_TIMER);
	for (;;) {
		set_timer(now() + pause);
		wfi();
	}
}

static void sleeper(uint64_t arg)
{
	(void)arg;
	csr_write(CSR_SIE, 1ul << IRQ_S_SOFT);
	while (woken < ROUNDS) {
		asleep = woken + 1;
		wfi();
		mark(MARK_ITEM_END);
		csr_clear(CSR_SIP, 1ul << IRQ_S_SOFT);
		woken++;
	}
}

/* A while passes after hart 1 has said that it goes to sleep, or it might not have yet. */
static void wake_it(void)
{
	uint64_t until;

	while (asleep <= woken)
		;
	for (until = now() + 100; now() < until;)
		;
	mark(MARK_ITEM);
	sbi_call(SBI_EXT_IPI, SBI_IPI_SEND_IPI, 2, 0, 0, 0, 0);
}

int main(void)
{
	if (board.hart_count == 1)
		wait_for_ever(PAUSE_TICKS);
	if (board.hart_count == 3)
		wait_for_ever(board.timebase / 10);
	hart_start(1, sleeper, 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		wake_it();
		while (woken <= i)
			;
	}
	print("many: done\n");
	return 0;
}
