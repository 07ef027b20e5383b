/*
 * hog: computes, for ever or for seconds=N of its command line, and says each second what share of
 * its hart it got. Two of them on one hart show the scheduler at work; one shows a neighbour's.
 *
 * Invariant: it never waits, so time that it didn't get was stolen, and SBI STA knows how much.
 * Read next: guests/lib/steal.c, then guests/clock/, which suffers beside it.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/print.h"
#include "guests/lib/steal.h"

#define ROUND 1000 /* steps of work between two looks at the clock */

/* Some work that nobody can leave out: a linear congruential generator. */
static uint64_t work(uint64_t x)
{
	for (unsigned i = 0; i < ROUND; i++)
		x = x * 6364136223846793005ul + 1442695040888963407ul;
	asm volatile("" : : "r"(x));
	return x;
}

/* Work until @end; returns how many thousand steps it were. */
static uint64_t work_until(uint64_t end)
{
	static uint64_t x;
	uint64_t rounds = 0;

	for (; csr_read(CSR_TIME) < end; rounds++)
		x = work(x);
	return rounds;
}

int main(void)
{
	uint64_t seconds = board_number("seconds", UINT64_MAX), from = csr_read(CSR_TIME);
	bool told = steal_begin();
	uint64_t stolen = told ? steal_ns() / 1000 : 0;

	print("I compute %s.\n", seconds == UINT64_MAX ? "for ever" : "for some seconds");
	for (uint64_t second = 1; second <= seconds; second++) {
		uint64_t rounds = work_until(from + board.timebase), now = csr_read(CSR_TIME);
		uint64_t us = (now - from) * 1000000 / board.timebase;

		print("%lu s: %lu thousand steps", second, rounds);
		if (told) {
			uint64_t us_stolen = steal_ns() / 1000 - stolen;

			print(", %lu ms stolen: I got %lu %% of a hart", us_stolen / 1000,
			      us_stolen < us ? (us - us_stolen) * 100 / us : 0);
			stolen += us_stolen;
		}
		print(".\n");
		from = now;
	}
	print("That is enough.\n");
	return 0;
}
