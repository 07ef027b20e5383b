/*
 * Points in a guest's run that count.c sees from outside: hints that do nothing, in any mode.
 * Bare QEMU, hext and depriv run them alike, since a hint never traps.
 */
#ifndef TESTS_BENCH_MARK_H
#define TESTS_BENCH_MARK_H

enum mark {
	MARK_INIT = 1,	   /* Linux has started its first program */
	MARK_END = 2,	   /* all figures are taken */
	MARK_ITEM = 3,	   /* one figure's operations begin */
	MARK_ITEM_END = 4, /* and are done; the next figure that is printed is theirs */
};

/** @n: a constant. Inlined always, since the number is part of the instruction. */
static inline __attribute__((always_inline)) void mark(enum mark n)
{
	__asm__ volatile("slti x0, x0, %0" : : "i"(n) : "memory");
}

#endif
