/*
 * Starting a crew of all harts, and keeping it together.
 * Invariant: nobody leaves crew_meet() before the last has come; a hart that is lost hangs the
 * test. Read next: churn.c.
 */
#include "tests/guest/crew.h"

#include "guests/lib/board.h"
#include "guests/lib/sbi.h"

static hart_fn *job;
static unsigned arrived, meetings;

static void member(uint64_t number)
{
	job(number);
	crew_meet();
}

void crew_run(hart_fn *fn)
{
	uint64_t number = 1;

	job = fn;
	for (unsigned hart = 0; hart < MAX_HARTS; hart++)
		if (hart != board.boot_hart && (board.harts >> hart & 1) != 0)
			hart_start(hart, member, number++);
	member(0);
	for (unsigned hart = 0; hart < MAX_HARTS; hart++)
		if (hart != board.boot_hart && (board.harts >> hart & 1) != 0)
			hart_await(hart, SBI_HSM_STOPPED);
}

void crew_meet(void)
{
	unsigned meeting = __atomic_load_n(&meetings, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == board.hart_count) {
		arrived = 0;
		__atomic_store_n(&meetings, meeting + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&meetings, __ATOMIC_ACQUIRE) == meeting)
		;
}

void crew_fence(void)
{
	sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, board.harts, 0, 0, UINT64_MAX, 0);
}

void crew_fence_range(uint64_t va, uint64_t bytes)
{
	sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_SFENCE_VMA, board.harts, 0, va, bytes, 0);
}
