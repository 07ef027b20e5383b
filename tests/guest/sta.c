/*
 * The steal-time extension: what set_shmem answers, and what is written to the memory it is given.
 * How much is stolen is for those to see who know who else runs: tests/system/test_many.py.
 *
 * Invariant: with STA absent, as below OpenSBI 1.1, one test is made and the others are skipped.
 * Source: SBI specification, chapter "Steal-time Accounting Extension".
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/sbi.h"
#include "guests/lib/string.h"
#include "tests/guest/tap.h"

#define HOLE	0x18000000ul
#define PATTERN 0xa5

static struct {
	uint8_t before[SBI_STA_BYTES];
	struct shared {
		uint32_t sequence, flags;
		uint64_t steal;
		uint8_t preempted, pad[47];
	} shared;
	uint8_t after[SBI_STA_BYTES];
} memory __attribute__((aligned(SBI_STA_BYTES)));

_Static_assert(sizeof(struct shared) == SBI_STA_BYTES, "as the specification has it");

static int64_t set_shmem(uint64_t low, uint64_t high, uint64_t flags)
{
	return sbi_call(SBI_EXT_STA, SBI_STA_SET_SHMEM, low, high, flags, 0, 0).error;
}

static int64_t disable(void)
{
	return set_shmem(SBI_SHMEM_DISABLE, SBI_SHMEM_DISABLE, 0);
}

/* Whether nobody wrote to @from, which was filled with PATTERN. */
static bool is_untouched(const void *from)
{
	for (unsigned n = 0; n < SBI_STA_BYTES; n++)
		if (((const volatile uint8_t *)from)[n] != PATTERN)
			return false;
	return true;
}

static void refusals(void)
{
	uint64_t good = (uint64_t)&memory.shared, end = board.ram_base + board.ram_bytes;
	const struct {
		const char *name;
		uint64_t low, high, flags;
		int64_t want;
	} rows[] = {
		{ "flags", good, 0, 1, SBI_ERR_INVALID_PARAM },
		{ "the highest flag", good, 0, 1ul << 63, SBI_ERR_INVALID_PARAM },
		{ "not aligned by a byte", good + 1, 0, 0, SBI_ERR_INVALID_PARAM },
		{ "not aligned by half", good + 32, 0, 0, SBI_ERR_INVALID_PARAM },
		{ "a high half", good, 1, 0, SBI_ERR_INVALID_ADDRESS },
		{ "the disabling high half alone", good, SBI_SHMEM_DISABLE, 0,
		  SBI_ERR_INVALID_ADDRESS },
		{ "the disabling low half alone", SBI_SHMEM_DISABLE, 0, 0, SBI_ERR_INVALID_PARAM },
		{ "address 0", 0, 0, 0, SBI_ERR_INVALID_ADDRESS },
		{ "a hole", HOLE, 0, 0, SBI_ERR_INVALID_ADDRESS },
		{ "a device", UART_BASE, 0, 0, SBI_ERR_INVALID_ADDRESS },
		{ "just below RAM", board.ram_base - 64, 0, 0, SBI_ERR_INVALID_ADDRESS },
		{ "just beyond RAM", end, 0, 0, SBI_ERR_INVALID_ADDRESS },
		{ "the last of all addresses", ~63ul, 0, 0, SBI_ERR_INVALID_ADDRESS },
		{ "beyond what an entry holds", 1ul << 57, 0, 0, SBI_ERR_INVALID_ADDRESS },
	};

	mem_set(&memory, PATTERN, sizeof(memory));
	for (unsigned n = 0; n < COUNT(rows); n++) {
		test_is((uint64_t)set_shmem(rows[n].low, rows[n].high, rows[n].flags),
			(uint64_t)rows[n].want, "set_shmem: %s", rows[n].name);
		test_ok(is_untouched(&memory.shared), "set_shmem: %s: nothing is written",
			rows[n].name);
	}
}

/* Leave the hart for a while: whatever there is to tell is told then. */
static void be_away(void)
{
	sbi_set_timer(csr_read(CSR_TIME) + board.timebase / 100);
	csr_set(CSR_SIE, 1ul << IRQ_S_TIMER);
	wfi();
	csr_clear(CSR_SIE, 1ul << IRQ_S_TIMER);
	sbi_set_timer(UINT64_MAX);
}

static void sharing(void)
{
	volatile struct shared *s = &memory.shared;
	uint64_t steal;

	mem_set(&memory, PATTERN, sizeof(memory));
	test_is((uint64_t)set_shmem((uint64_t)s, 0, 0), 0, "set_shmem");
	test_ok(s->sequence % 2 == 0, "the sequence is even");
	test_is(s->flags, 0, "no flags");
	test_is(s->preempted, 0, "not preempted, to itself");
	test_ok(is_untouched(memory.before) && is_untouched(memory.after),
		"what lies around is untouched");
	steal = s->steal;
	be_away();
	test_ok(s->steal >= steal, "the account never goes back");
	test_ok(s->sequence % 2 == 0, "the sequence is even again");
	test_ok(is_untouched(memory.before) && is_untouched(memory.after),
		"what lies around stays untouched");
}

static void moving(void)
{
	uint64_t end = board.ram_base + board.ram_bytes;
	volatile struct shared *last = (volatile struct shared *)end - 1;

	mem_set((void *)last, PATTERN, sizeof(*last));
	test_is((uint64_t)set_shmem((uint64_t)last, 0, 0), 0, "the last bytes of RAM will do");
	test_ok(last->sequence % 2 == 0 && last->flags == 0, "they are written");
	mem_set(&memory, PATTERN, sizeof(memory));
	be_away();
	test_ok(is_untouched(&memory.shared), "the place before isn't written any more");
	test_is((uint64_t)set_shmem(HOLE, 0, 0), (uint64_t)SBI_ERR_INVALID_ADDRESS,
		"a bad place, while there is a good one");
}

static void ending(void)
{
	test_is((uint64_t)disable(), 0, "disable");
	mem_set(&memory, PATTERN, sizeof(memory));
	be_away();
	test_ok(is_untouched(&memory.shared), "nothing is written any more");
	test_is((uint64_t)disable(), 0, "disable what is disabled");
	test_is((uint64_t)set_shmem((uint64_t)&memory.shared, 0, 0), 0, "and on again");
	test_ok(memory.shared.flags == 0, "it is written again");
	disable();
}

int main(void)
{
	test_is((uint64_t)sbi_call(SBI_EXT_STA, 1, 0, 0, 0, 0, 0).error,
		(uint64_t)SBI_ERR_NOT_SUPPORTED, "an unknown function");
	if (sbi_probe(SBI_EXT_STA) == 0) {
		test_skip("no STA");
		return test_done();
	}
	refusals();
	sharing();
	moving();
	ending();
	return test_done();
}
