/*
 * Every hart stores, AMOs and LR/SCs into the same untouched pages of the kernel's own image at
 * once: a hypervisor that maps those pages copy-on-write must lose no write and bring in nothing
 * else.
 *
 * Invariant: hart n alone writes word FIRST + n of a page; COMMON is everybody's. Read next: ram.c,
 * the same pages touched by one hart.
 */
#include "guests/lib/board.h"
#include "guests/lib/hart.h"
#include "tests/guest/tap.h"

#define PAGE_WORDS 512
#define WORDS	   (3 * (2ul << 20) / 8)
#define FIRST	   8
#define COMMON	   100
#define PRISTINE   0x5afeul

/* On 2 MiB pages of their own, so that nothing else has touched those before. */
static uint64_t image[WORDS]
	__attribute__((aligned(2 << 20), section(".data.hostile"))) = { [0] = PRISTINE,
									[WORDS - 1] = PRISTINE };
static volatile bool go;
static uint64_t done;

static void add_with_lr_sc(uint64_t *word, uint64_t n)
{
	uint64_t old, failed;

	do {
		asm volatile("lr.d	%0, (%2)\n"
			     "add	%0, %0, %3\n"
			     "sc.d	%1, %0, (%2)"
			     : "=&r"(old), "=&r"(failed)
			     : "r"(word), "r"(n)
			     : "memory");
	} while (failed);
}

static void write_word(uint64_t *word, uint64_t n, uint64_t way)
{
	if (way == 0)
		*(volatile uint64_t *)word = n;
	else if (way == 1)
		__atomic_fetch_add(word, n, __ATOMIC_RELAXED);
	else
		add_with_lr_sc(word, n);
}

static void write_all(uint64_t id)
{
	while (!go)
		;
	for (uint64_t page = 0; page < WORDS; page += PAGE_WORDS) {
		write_word(&image[page + FIRST + id], page + id + 1, id % 3);
		__atomic_fetch_add(&image[page + COMMON], 1, __ATOMIC_RELAXED);
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_RELEASE);
}

static uint64_t expected(uint64_t i)
{
	uint64_t at = i % PAGE_WORDS, id = at - FIRST;

	if (id < MAX_HARTS && (board.harts >> id & 1))
		return i - at + id + 1;
	if (at == COMMON)
		return board.hart_count;
	return i == 0 || i == WORDS - 1 ? PRISTINE : 0;
}

int main(void)
{
	uint64_t wrong = 0;

	for (unsigned hart = 0; hart < MAX_HARTS; hart++)
		if (hart != board.boot_hart && (board.harts >> hart & 1))
			hart_start(hart, write_all, hart);
	go = true;
	write_all(board.boot_hart);
	while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) != board.hart_count)
		;
	for (uint64_t i = 0; i < WORDS; i++)
		wrong += *(volatile uint64_t *)&image[i] != expected(i);
	test_is(wrong, 0, "%u harts wrote all pages at once: words that are wrong",
		board.hart_count);
	return test_done();
}
