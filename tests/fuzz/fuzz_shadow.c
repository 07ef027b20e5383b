/*
 * The fuzzer chooses the guest's tables, edits, fences and accesses; shadows must agree with the
 * oracle about each, and their state must be sound after it (tests/oracle/shadow.c).
 */
#include <stddef.h>
#include <stdint.h>

#include "tests/oracle/shadow.h"

#define STEPS 60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct shadow_coverage unused;
	struct bits b = { .data = data, .n = bytes };

	shadow_world(&b, STEPS, &unused);
	return 0;
}
