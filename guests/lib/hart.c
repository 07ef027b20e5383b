/*
 * Starting and stopping harts.
 * Invariant: a hart's area (stacks, struct hart) is used by that hart alone. Read next: start.S.
 */
#include "guests/lib/hart.h"

#include <stddef.h>

struct hart_area {
	uint8_t trap_stack[TRAP_STACK_BYTES];
	struct hart hart;
	uint8_t unused[HART_BYTES - sizeof(struct hart)];
	uint8_t stack[STACK_BYTES];
} __attribute__((aligned(16)));

_Static_assert(sizeof(struct hart_area) == AREA_BYTES, "start.S steps by AREA_BYTES");
_Static_assert(offsetof(struct hart, id) == HART_ID, "start.S writes it");
_Static_assert(offsetof(struct hart, resume) == HART_RESUME, "start.S uses it");

extern struct hart_area hart_areas[MAX_HARTS];
struct hart_area hart_areas[MAX_HARTS];

static struct {
	hart_fn *fn;
	uint64_t arg;
} jobs[MAX_HARTS];

struct sbi_ret hart_start(unsigned hart, hart_fn *fn, uint64_t arg)
{
	jobs[hart].fn = fn;
	jobs[hart].arg = arg;
	return sbi_call(SBI_EXT_HSM, SBI_HSM_HART_START, hart, (uint64_t)secondary_start, arg, 0,
			0);
}

void hart_await(unsigned hart, uint64_t state)
{
	while (sbi_hart_status(hart).value != state)
		;
}

_Noreturn void secondary_main(uint64_t hart)
{
	jobs[hart].fn(jobs[hart].arg);
	for (;;)
		sbi_call(SBI_EXT_HSM, SBI_HSM_HART_STOP, 0, 0, 0, 0, 0);
}
