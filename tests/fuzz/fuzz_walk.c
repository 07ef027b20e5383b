/*
 * The fuzzer chooses the guest's tables and accesses; vs-stage and g-stage must agree with the
 * oracle about each (tests/oracle/compare.c).
 */
#include <stddef.h>
#include <stdint.h>

#include "tests/oracle/compare.h"

#define QUERIES 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct coverage unused;
	struct bits b = { .data = data, .n = bytes };

	compare_world(&b, QUERIES, &unused);
	return 0;
}
