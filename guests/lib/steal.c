/*
 * Steal time, in memory shared with the SBI. Chapter "Steal-time Accounting Extension".
 *
 * Invariant: a value is believed only if the sequence was even, and the same, before and after.
 * Read next: guests/hog/, which uses it.
 */
#include "guests/lib/steal.h"

#include "guests/lib/hart.h"
#include "guests/lib/sbi.h"

static uint8_t shared[MAX_HARTS][SBI_STA_BYTES] __attribute__((aligned(SBI_STA_BYTES)));

static uint8_t *mine(void)
{
	return shared[hart_self()->id];
}

bool steal_begin(void)
{
	return sbi_probe(SBI_EXT_STA) != 0 &&
	       sbi_call(SBI_EXT_STA, SBI_STA_SET_SHMEM, (uint64_t)mine(), 0, 0, 0, 0).error ==
		       SBI_SUCCESS;
}

uint64_t steal_ns(void)
{
	const uint32_t *sequence = (const uint32_t *)(mine() + SBI_STA_SEQUENCE);
	const uint64_t *steal = (const uint64_t *)(mine() + SBI_STA_STEAL);
	uint32_t before;
	uint64_t ns;

	do {
		before = __atomic_load_n(sequence, __ATOMIC_ACQUIRE);
		ns = __atomic_load_n(steal, __ATOMIC_ACQUIRE);
	} while ((before & 1) != 0 || __atomic_load_n(sequence, __ATOMIC_RELAXED) != before);
	return ns;
}
