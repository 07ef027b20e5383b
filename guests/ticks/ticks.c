/*
 * ticks: ten timer interrupts, first through SBI TIME, then through stimecmp where there is Sstc.
 * Invariant: a tick is never early: the clock has reached what was asked for.
 * Read next: guests/lib/trap.c for the way an interrupt comes here, then guests/harts/.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "guests/lib/trap.h"

#define TICKS 10

static void stimecmp_set(uint64_t time)
{
	csr_write(CSR_STIMECMP, time);
}

static void (*set_timer)(uint64_t time);
static uint64_t deadline;
static uint64_t period;
static volatile unsigned count;
static bool early;

static void tick(struct frame *f)
{
	(void)f;
	if (csr_read(CSR_TIME) < deadline)
		early = true;
	count++;
	deadline += period;
	set_timer(count < TICKS ? deadline : UINT64_MAX);
}

static int run_ticks(const char *name, void (*setter)(uint64_t))
{
	unsigned seen = 0;

	print("Ten ticks through %s:", name);
	set_timer = setter;
	count = 0;
	period = board.timebase / 1000;
	deadline = csr_read(CSR_TIME) + period;
	set_timer(deadline);
	csr_set(CSR_SIE, 1ul << IRQ_S_TIMER);
	while (seen < TICKS) {
		/* wfi with interrupts off wakes too, so no tick slips in before it. */
		csr_clear(CSR_SSTATUS, SSTATUS_SIE);
		if (count == seen)
			wfi();
		csr_set(CSR_SSTATUS, SSTATUS_SIE);
		if (count > seen)
			print(" %u", ++seen);
	}
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	print(early ? ", but some came early!\n" : ", none of them early.\n");
	return early ? 1 : 0;
}

int main(void)
{
	int status;

	print("The clock ticks %lu times a second; I ask for an interrupt every millisecond.\n",
	      board.timebase);
	irq_handler(IRQ_S_TIMER, tick);
	status = run_ticks("SBI TIME", sbi_set_timer);
	if (board_has_isa("sstc"))
		status |= run_ticks("stimecmp (Sstc)", stimecmp_set);
	print("Time is up.\n");
	return status;
}
