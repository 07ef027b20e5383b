/*
 * Counting and printing of test results.
 * Invariant: each test prints one line that starts with "ok" or "not ok"; only the boot hart tests.
 */
#include "tests/guest/tap.h"

#include "guests/lib/print.h"
#include "guests/lib/sbi.h"

#define IMPL_OPENSBI 1

static unsigned passed, failed, skipped;

static void begin_line(bool pass, const char *name, va_list args)
{
	if (pass)
		passed++;
	else
		failed++;
	print("%s %u - ", pass ? "ok" : "not ok", passed + failed + skipped);
	print_va(name, args);
}

void test_ok(bool pass, const char *name, ...)
{
	va_list args;

	va_start(args, name);
	begin_line(pass, name, args);
	va_end(args);
	print("\n");
}

void test_is(uint64_t got, uint64_t want, const char *name, ...)
{
	va_list args;

	va_start(args, name);
	begin_line(got == want, name, args);
	va_end(args);
	if (got != want)
		print(": got %lx want %lx", got, want);
	print("\n");
}

void test_either(uint64_t got, uint64_t want, uint64_t or_else, const char *name, ...)
{
	bool pass = got == want || got == or_else;
	va_list args;

	va_start(args, name);
	begin_line(pass, name, args);
	va_end(args);
	if (!pass)
		print(": got %lx want %lx or %lx", got, want, or_else);
	print("\n");
}

static void print_got(struct trap got)
{
	if (got.taken)
		print(": got cause %lu stval %lx at %lx", got.cause, got.tval, got.epc);
	else
		print(": got no trap but %lx", got.value);
}

void test_traps(struct trap got, uint64_t cause, uint64_t tval, const char *name, ...)
{
	bool pass = got.taken && got.cause == cause && got.tval == tval;
	va_list args;

	va_start(args, name);
	begin_line(pass, name, args);
	va_end(args);
	if (!pass) {
		print_got(got);
		print(" want cause %lu stval %lx", cause, tval);
	}
	print("\n");
}

void test_returns(struct trap got, uint64_t value, const char *name, ...)
{
	bool pass = !got.taken && got.value == value;
	va_list args;

	va_start(args, name);
	begin_line(pass, name, args);
	va_end(args);
	if (!pass) {
		print_got(got);
		print(" want %lx", value);
	}
	print("\n");
}

void test_skip(const char *why, ...)
{
	va_list args;

	va_start(args, why);
	skipped++;
	print("ok %u - # SKIP ", passed + failed + skipped);
	print_va(why, args);
	va_end(args);
	print("\n");
}

bool on_opensbi(void)
{
	return sbi_call(SBI_EXT_BASE, SBI_BASE_GET_IMPL_ID, 0, 0, 0, 0, 0).value == IMPL_OPENSBI;
}

int test_done(void)
{
	print("1..%u\n%u passed, %u failed, %u skipped\n", passed + failed + skipped, passed,
	      failed, skipped);
	return failed == 0 ? 0 : 1;
}
