/*
 * A balloon behind virtio-mmio: pages that are given come back as zeros and nothing beside them does;
 * and that a driver which names what isn't its own, its own rings, or pages that another hart is
 * writing, harms nobody else.
 *
 * Without a balloon all is skipped. Nothing here waits without a limit. With seed=N on its command line
 * what it writes is its own among several guests that do the same.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/string.h"
#include "tests/guest/tap.h"
#include "tests/guest/vdrv.h"

#define ID_BALLOON 5
#define BLOCK	   0x200000ul
#define PAGE	   4096ul
#define PATTERN	   0x5851f42d4c957f2dul

enum { INFLATE, DEFLATE, STATS, REPORTING, QUEUES };
enum { NUM_PAGES = R_CONFIG, ACTUAL = R_CONFIG + 4 };

#define F_STATS	    2u
#define F_ON_OOM    4u
#define F_REPORTING 32u

#define SIZE 64

/* Of each queue, in pages of their own. */
static struct {
	VDRV_RINGS(SIZE);
} rings[QUEUES];

static uint32_t pfn[1024] __attribute__((aligned(4096)));
static unsigned slot;
static uint64_t given; /* eight blocks that nothing else uses */
static uint64_t pattern;

static volatile uint64_t *word(uint64_t at)
{
	return (volatile uint64_t *)at;
}

static void start(void)
{
	(void)vdrv_begin(slot, F_STATS | F_ON_OOM | F_REPORTING);
	for (unsigned q = 0; q < QUEUES; q++)
		vdrv_set_queue(slot, q, &rings[q], SIZE);
	vdrv_go(slot);
}

static void offer(unsigned q)
{
	vdrv_offer(&rings[q], SIZE, 0);
	vdrv_set(slot, R_NOTIFY, q);
}

static bool settle(unsigned q)
{
	return vdrv_settle(slot, &rings[q], SIZE);
}

/* One buffer. Returns whether it came back. */
static bool send(unsigned q, uint64_t at, uint64_t bytes, unsigned flags)
{
	rings[q].desc[0] = (struct desc){ at, (uint32_t)bytes, (uint16_t)flags, 0 };
	offer(q);
	return settle(q);
}

/* @n pages from @at on, each @step pages from the last. */
static bool inflate(uint64_t at, unsigned n, unsigned step)
{
	for (unsigned i = 0; i < n; i++)
		pfn[i] = (uint32_t)(at / PAGE) + i * step;
	return send(INFLATE, (uint64_t)pfn, n * 4, 0);
}

/* Each word is its address, scrambled. */
static void fill(uint64_t at, uint64_t bytes)
{
	for (uint64_t i = at; i < at + bytes; i += 64)
		*word(i) = i * pattern;
}

/* How many of those are neither that nor, where @or_zero, 0. */
static unsigned wrong(uint64_t at, uint64_t bytes, bool or_zero)
{
	unsigned n = 0;

	for (uint64_t i = at; i < at + bytes; i += 64) {
		uint64_t v = *word(i); /* read once: another hart may write it now */

		n += v != i * pattern && !(or_zero && !v);
	}
	return n;
}

static unsigned nonzero(uint64_t at, uint64_t bytes)
{
	unsigned n = 0;

	for (uint64_t i = at; i < at + bytes; i += 8)
		n += *word(i) != 0;
	return n;
}

static bool works(void)
{
	start();
	fill(given, 2 * PAGE);
	return inflate(given, 1, 1) && nonzero(given, PAGE) == 0 &&
	       wrong(given + PAGE, PAGE, false) == 0;
}

static void test_device(void)
{
	vdrv_set(slot, R_FEATURES_SEL, 0);
	test_is(vdrv_get(slot, R_FEATURES) & (F_STATS | F_ON_OOM | F_REPORTING),
		F_STATS | F_ON_OOM | F_REPORTING, "it offers what Linux wants");
	start();
	test_is(vdrv_get(slot, R_STATUS), 15, "status after the start");
	test_is(vdrv_get(slot, NUM_PAGES), 0, "nothing is asked for");
	vdrv_set(slot, ACTUAL, 12345);
	test_is(vdrv_get(slot, ACTUAL), 12345, "the driver says how much it has given");
	vdrv_set(slot, NUM_PAGES, 7);
	test_is(vdrv_get(slot, NUM_PAGES), 0, "but not how much it shall");
	vdrv_set(slot, ACTUAL, 0);
}

static void test_pages(void)
{
	start();
	fill(given, 2 * BLOCK);
	test_ok(inflate(given + BLOCK, 16, 2), "every other page of sixteen comes back");
	test_is(vdrv_get(slot, R_INTERRUPT) & 1, 1, "with an interrupt");
	vdrv_set(slot, R_ACK, 3);
	for (unsigned i = 0; i < 32; i++)
		test_is(i % 2 ? wrong(given + BLOCK + i * PAGE, PAGE, false) :
				nonzero(given + BLOCK + i * PAGE, PAGE),
			0, "page %u is %s", i, i % 2 ? "as it was" : "zero");
	test_is(wrong(given, BLOCK, false), 0, "the block before is as it was");
	test_is(wrong(given + BLOCK + 32 * PAGE, BLOCK - 32 * PAGE, false), 0,
		"and so is the rest of this one");
	fill(given + BLOCK, BLOCK);
	test_is(wrong(given + BLOCK, BLOCK, false), 0, "all can be written again");
	test_ok(inflate(given + BLOCK, 512, 1), "a whole block");
	test_is(nonzero(given + BLOCK, BLOCK), 0, "is zero");
	test_ok(inflate(given + BLOCK + 511 * PAGE, 512, -1u), "from its end, what was given");
	test_is(nonzero(given + BLOCK, BLOCK), 0, "is zero still");
	test_ok(send(DEFLATE, (uint64_t)pfn, 2048, 0), "it is told what comes out again");
	test_is(wrong(given, BLOCK, false), 0, "nothing else has changed");
}

static void test_reports(void)
{
	start();
	fill(given, 4 * BLOCK);
	test_ok(send(REPORTING, given + BLOCK, 2 * BLOCK, WRITE), "free pages are told of");
	test_is(nonzero(given + BLOCK, 2 * BLOCK), 0, "they are zero then");
	test_is(wrong(given, BLOCK, false) + wrong(given + 3 * BLOCK, BLOCK, false), 0,
		"what lies beside them isn't");
	fill(given + BLOCK, BLOCK);
	test_is(wrong(given + BLOCK, BLOCK, false), 0, "they can be written again");
}

static void test_statistics(void)
{
	static const struct {
		uint16_t tag;
		uint64_t value;
	} __attribute__((packed)) some[] = { { 4, 1234 }, { 5, 5678 }, { 999, 1 } };
	uint64_t end = csr_read(CSR_TIME) + board.timebase / 100;

	start();
	rings[STATS].desc[0] = (struct desc){ (uint64_t)some, sizeof(some), 0, 0 };
	offer(STATS);
	while (csr_read(CSR_TIME) < end)
		continue;
	test_is(rings[STATS].used.n, 0, "the buffer with statistics is kept");
	test_ok(works(), "works after a reset with that buffer out");
}

static void test_bad_numbers(void)
{
	static const uint32_t bad[] = { 0, 1, 0x10001, 0x10000, 0x7ffff, 0xffffffff, 0x80000000 };

	start();
	fill(given, BLOCK);
	mem_copy(pfn, bad, sizeof(bad));
	test_ok(send(INFLATE, (uint64_t)pfn, sizeof(bad), 0), "pages that aren't RAM come back");
	pfn[0] = pfn[1] = pfn[2] = pfn[3] = (uint32_t)(given / PAGE) + 3;
	test_ok(send(INFLATE, (uint64_t)pfn, 16, 0), "a page four times");
	test_is(nonzero(given + 3 * PAGE, PAGE), 0, "is zero");
	test_is(wrong(given, 3 * PAGE, false) + wrong(given + 4 * PAGE, BLOCK - 4 * PAGE, false), 0,
		"and all others are as they were");
	test_ok(send(INFLATE, (uint64_t)pfn, 7, 0), "a number and three quarters");
	for (unsigned i = 0; i < SIZE; i++)
		rings[INFLATE].desc[i] = (struct desc){ (uint64_t)pfn, 16,
							(uint16_t)(i < SIZE - 1 ? NEXT : 0),
							(uint16_t)(i + 1) };
	offer(INFLATE);
	test_ok(settle(INFLATE), "a chain as long as the queue");
	test_ok(works(), "works after all that");
}

/* QEMU may abort, and need not notice. */
static void test_own_rings(void)
{
	if (on_opensbi()) {
		test_skip("it is QEMU that would be asked");
		return;
	}
	start();
	(void)inflate((uint64_t)rings, sizeof(rings) / PAGE, 1);
	(void)inflate((uint64_t)rings, sizeof(rings) / PAGE, 1);
	test_ok(works(), "works after a reset, its rings having been given away");
	(void)inflate((uint64_t)pfn / PAGE * PAGE, 1, 1);
	test_ok(works(), "the same with the buffer itself");
	for (unsigned i = 0; i < SIZE; i++)
		rings[INFLATE].desc[i] = (struct desc){ given, (uint32_t)(8 * BLOCK),
							(uint16_t)(i < SIZE - 1 ? NEXT : 0),
							(uint16_t)(i + 1) };
	offer(INFLATE);
	test_ok(settle(INFLATE), "a chain of 256 million numbers");
	for (unsigned i = 0; i < SIZE; i++)
		rings[REPORTING].desc[i] = (struct desc){ given, (uint32_t)(8 * BLOCK),
							  (uint16_t)(WRITE | (i < SIZE - 1 ? NEXT : 0)),
							  (uint16_t)(i + 1) };
	offer(REPORTING);
	test_ok(settle(REPORTING), "a report of 1 GiB, all of it the same");
	offer(INFLATE);
	test_ok(works(), "works after a reset in the middle");
}

static volatile bool stop;

/* Write all of it again and again; what is read is one's own, or zero. */
static void scribble(uint64_t unused)
{
	static volatile unsigned bad;

	(void)unused;
	while (!stop) {
		fill(given, 2 * BLOCK);
		bad += wrong(given, 2 * BLOCK, true);
	}
	*word(given + 7 * BLOCK) = bad;
}

static void test_another_hart(void)
{
	unsigned other = board.boot_hart == 0, bad = 0;
	uint64_t seed = 1;

	if (!(board.harts >> other & 1)) {
		test_skip("one hart");
		return;
	}
	start();
	*word(given + 7 * BLOCK) = 1;
	hart_start(other, scribble, 0);
	for (unsigned k = 0; k < 300; k++) {
		seed = seed * 6364136223846793005ul + 1442695040888963407ul;
		if (k % 3)
			bad += !inflate(given + (seed >> 40 & 511) * PAGE, 1 + (seed >> 50 & 63), 3);
		else
			bad += !send(REPORTING, given + (seed >> 60 & 1) * BLOCK, BLOCK, WRITE);
	}
	test_is(bad, 0, "pages are given while another hart writes them");
	bad = wrong(given, 2 * BLOCK, true);
	stop = true;
	hart_await(other, SBI_HSM_STOPPED);
	test_is(bad, 0, "what is read of them is one's own, or zero");
	test_is(*word(given + 7 * BLOCK), 0, "and so it is for that hart");
	fill(given, 2 * BLOCK);
	test_is(wrong(given, 2 * BLOCK, false), 0, "afterwards they are like any other");
}

int main(void)
{
	slot = vdrv_find(0, ID_BALLOON);
	if (slot == VDRV_SLOTS || vdrv_get(slot, R_VERSION) != 2) {
		test_skip("no balloon");
		return test_done();
	}
	pattern = PATTERN * (2 * board_number("seed", 0) + 1);
	given = (board_heap() + 2 * BLOCK) & ~(BLOCK - 1);
	test_device();
	test_pages();
	test_reports();
	test_statistics();
	test_bad_numbers();
	test_own_rings();
	test_another_hart();
	return test_done();
}
