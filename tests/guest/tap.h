/*
 * Test results as text: "ok 12 - name" or "not ok 12 - name: got X want Y", a plan line at the end
 * and "N passed, N failed, N skipped".
 */
#ifndef TESTS_GUEST_TAP_H
#define TESTS_GUEST_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/trap.h"

/** A test that is its own explanation. */
void test_ok(bool pass, const char *name, ...) __attribute__((format(printf, 2, 3)));

/** @got shall be @want. */
void test_is(uint64_t got, uint64_t want, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

/** @got shall be one of two answers that the spec, or a documented deviation, allows. */
void test_either(uint64_t got, uint64_t want, uint64_t or_else, const char *name, ...)
	__attribute__((format(printf, 4, 5)));

/** The probe shall have trapped with this cause and stval. */
void test_traps(struct trap got, uint64_t cause, uint64_t tval, const char *name, ...)
	__attribute__((format(printf, 4, 5)));

/** The probe shall have returned @value. */
void test_returns(struct trap got, uint64_t value, const char *name, ...)
	__attribute__((format(printf, 3, 4)));

/** A test that can't be made here, and why. */
void test_skip(const char *why, ...) __attribute__((format(printf, 1, 2)));

/** Whether OpenSBI itself is below: for what QEMU can't bear, and OpenSBI's own deviations. */
bool on_opensbi(void);

/** Plan line and sum; returns what main() shall return. */
int test_done(void);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
