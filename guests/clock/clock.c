/*
 * clock: a line each second, for ever or for seconds=N of its command line, and how late it is. In
 * between it sleeps, so beside a busy guest it shows how promptly a vcpu is woken.
 *
 * Invariant: what it waits for are whole seconds since its start; to be late once doesn't make it
 * later the next time. Read next: guests/ticks/ for interrupts that are taken.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"

/* Sleep until @time; returns by how many us that was missed. Interrupts are off: wfi wakes alone.
 */
static uint64_t sleep_until(uint64_t time)
{
	uint64_t now;

	sbi_set_timer(time);
	while ((now = csr_read(CSR_TIME)) < time)
		wfi();
	return (now - time) * 1000000 / board.timebase;
}

int main(void)
{
	uint64_t seconds = board_number("seconds", UINT64_MAX), from = csr_read(CSR_TIME);
	uint64_t worst = 0;

	print("I wake up each second.\n");
	csr_set(CSR_SIE, 1ul << IRQ_S_TIMER);
	for (uint64_t second = 1; second <= seconds; second++) {
		uint64_t late = sleep_until(from + second * board.timebase);

		worst = late > worst ? late : worst;
		print("%lu s, %lu us late, at worst %lu.\n", second, late, worst);
	}
	print("Time is up.\n");
	return 0;
}
