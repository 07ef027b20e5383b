/*
 * hyp/dev/virtio_balloon.c: what a guest gives, what it tells, what the operator asks for; and drivers
 * that don't mean well.
 */
#include "tests/unit/virtio.h"

#include <stdlib.h>

#include "hyp/vcpu/irq.h"

#define SLOT 3
#define SIZE 16

enum { INFLATE, DEFLATE, STATS, HINTS, REPORTING };
enum { NUM_PAGES = CONFIG, ACTUAL = CONFIG + 4 };

/* Rings of queue @q; buffers. */
#define RINGS(q)   (RAM + MIB(1) + (q) * 0x4000)
#define BUFFER	   (RAM + MIB(2))
#define GIVEN	   (RAM + MIB(4)) /* what is given back; up to the end of RAM */
#define GIVEN_PAGE ((uint32_t)(GIVEN >> 12))

static unsigned offers[5];

void irq_set_external(struct vcpu *v, bool high)
{
	(void)v;
	(void)high;
}

static void begin_queue(unsigned queue)
{
	const uint64_t rings[3] = { RINGS(queue), RINGS(queue) + 0x1000, RINGS(queue) + 0x2000 };

	put(SLOT, QUEUE_SEL, queue);
	put(SLOT, QUEUE_SIZE, SIZE);
	for (unsigned i = 0; i < 3; i++) {
		put(SLOT, QUEUE_DESC + 0x10 * i, (uint32_t)rings[i]);
		put(SLOT, QUEUE_DESC + 0x10 * i + 4, (uint32_t)(rings[i] >> 32));
	}
	put16(rings[1] + 2, 0);
	put16(rings[2] + 2, 0);
	put(SLOT, QUEUE_READY, 1);
	offers[queue] = 0;
}

static void begin_driver(void)
{
	put(SLOT, STATUS, 0);
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER);
	accept(SLOT, offered(SLOT) & ~VIRTIO_F_EVENT_IDX);
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	for (unsigned q = INFLATE; q <= REPORTING; q++)
		begin_queue(q);
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static int set_up(void **state)
{
	(void)state;
	virtio_board();
	host.timebase = 10000000;
	virtio_balloon_attach(&board, SLOT, &gs, RAM_BYTES);
	board.uart.port.history = calloc(1, PORT_HISTORY);
	board_reset(&board, vcpus, 1);
	begin_driver();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(board.uart.port.history);
	return 0;
}

static void fill_given(uint8_t with)
{
	static uint8_t some[KIB(64)];

	memset(some, with, sizeof(some));
	for (uint64_t at = GIVEN; at < RAM + RAM_BYTES; at += sizeof(some))
		guest_put(at, some, sizeof(some));
}

static bool is_there(uint32_t page)
{
	return pte_is_valid(gstage_lookup(&gs, gpa((uint64_t)page << 12)).pte);
}

/* Put descriptor 0 of @queue into its available ring. */
static void offer_on(unsigned queue)
{
	uint64_t avail = RINGS(queue) + 0x1000;

	put16(avail + 4 + 2 * (offers[queue]++ % SIZE), 0);
	put16(avail + 2, (uint16_t)offers[queue]);
}

static unsigned used_on(unsigned queue)
{
	return get16(RINGS(queue) + 0x2002);
}

/* As a driver notifies, until it is through. */
static void notify(unsigned queue)
{
	for (unsigned i = 0; put(SLOT, NOTIFY, queue) == MMIO_AGAIN; i++)
		assert_true(i < 10000);
}

/* One buffer of @bytes from @from. */
static void send(unsigned queue, const void *from, uint32_t bytes)
{
	guest_put(BUFFER, from, bytes);
	put_desc(RINGS(queue), 0, BUFFER, bytes, 0, 0);
	offer_on(queue);
	notify(queue);
}

static uint64_t counter(const char *name)
{
	struct virtio_device *d = &board.virtio[SLOT];
	struct virtio_counter c[VIRTIO_COUNTERS_MAX];
	unsigned n = d->kind->counters(d, c);

	assert_true(n <= VIRTIO_COUNTERS_MAX);
	for (unsigned i = 0; i < n; i++)
		if (strcmp(c[i].name, name) == 0)
			return c[i].n;
	return UINT64_MAX;
}

static void what_it_is(void **state)
{
	(void)state;
	assert_int_equal(get(SLOT, DEVICE_ID), 5);
	assert_int_equal(offered(SLOT) & 0xff, 1 << 1 | 1 << 2 | 1 << 5);
	assert_int_equal(get(SLOT, NUM_PAGES), 0);
	assert_int_equal(get(SLOT, ACTUAL), 0);
	assert_int_equal(get(SLOT, ACTUAL + 4), 0);
}

static void pages_come_back(void **state)
{
	uint32_t pfn[256];
	uint64_t frames, free;
	(void)state;

	fill_given(1);
	put16(BUFFER, 0);
	frames = guest_pool.frames;
	free = frame_free_bytes();
	for (unsigned half = 0; half < 2; half++) {
		for (unsigned i = 0; i < 256; i++)
			pfn[i] = GIVEN_PAGE + half * 256 + (half ? 255 - i : i);
		send(INFLATE, pfn, sizeof(pfn));
	}
	assert_int_equal(used_on(INFLATE), 2);
	assert_int_equal(guest_pool.frames, frames - 512);
	assert_int_equal(frame_free_bytes(), free + MIB(2));
	assert_int_equal(counter("inflated"), 2048);
	assert_false(is_there(GIVEN_PAGE) || is_there(GIVEN_PAGE + 511));
	assert_true(is_there(GIVEN_PAGE + 512));
	send(DEFLATE, pfn, sizeof(pfn));
	assert_int_equal(used_on(DEFLATE), 1);
	assert_int_equal(get32(GIVEN), 0);
	assert_int_equal(get32(GIVEN + MIB(2)), 0x01010101);
}

/* By word and byte; what the driver must not write stays. */
static void configuration(void **state)
{
	(void)state;
	put(SLOT, ACTUAL, 0x12345678);
	assert_int_equal(get(SLOT, ACTUAL), 0x12345678);
	put_wide(SLOT, ACTUAL + 1, 1, 0xff);
	assert_int_equal(get(SLOT, ACTUAL), 0x1234ff78);
	put_wide(SLOT, ACTUAL + 2, 2, 0xabcd);
	assert_int_equal(get(SLOT, ACTUAL), 0xabcdff78);
	put(SLOT, NUM_PAGES, 99);
	put_wide(SLOT, NUM_PAGES + 3, 1, 99);
	assert_int_equal(get(SLOT, NUM_PAGES), 0);
	assert_int_equal(put(SLOT, ACTUAL + 4, 1), MMIO_OK);
	assert_int_equal(counter("actual"), 0); /* more than there is */
	put(SLOT, ACTUAL, 256);
	assert_int_equal(counter("actual"), RAM_BYTES / KIB(1) - 1024);
}

static void target(void **state)
{
	struct virtio_balloon_size size;
	struct board other = { .virtio_is_legacy = false };
	(void)state;

	put(SLOT, ACK, 3);
	assert_true(virtio_balloon_set_target(&board, MIB(12)));
	assert_int_equal(get(SLOT, INTERRUPT), 2);
	assert_int_equal(get(SLOT, NUM_PAGES), MIB(4) >> 12);
	put(SLOT, ACTUAL, 512);
	assert_true(virtio_balloon_size(&board, &size));
	assert_int_equal(size.target, MIB(12));
	assert_int_equal(size.actual, MIB(14));
	begin_driver(); /* what the operator wants stays */
	assert_int_equal(get(SLOT, NUM_PAGES), MIB(4) >> 12);
	assert_int_equal(get(SLOT, ACTUAL), 0);
	assert_true(virtio_balloon_set_target(&board, UINT64_MAX));
	assert_int_equal(get(SLOT, NUM_PAGES), 0);
	assert_true(virtio_balloon_set_target(&board, 0));
	assert_int_equal(get(SLOT, NUM_PAGES), RAM_BYTES >> 12);
	assert_false(virtio_balloon_set_target(&other, 0));
	assert_false(virtio_balloon_size(&other, &size));
}

struct stat {
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));

/* The driver's buffer stays, until somebody looks: then it comes back, and has been filled anew by the
 * next time. */
static void statistics(void **state)
{
	static const struct stat some[] = { { 4, MIB(3) }, { 5, MIB(16) }, { 200, 1 }, { 2, 77 } };
	static const struct stat later[] = { { 4, MIB(2) } };
	(void)state;

	assert_int_equal(counter("free"), UINT64_MAX);
	fake.csr[CSR_TIME] = 50000;
	send(STATS, some, sizeof(some));
	assert_int_equal(used_on(STATS), 0);
	fake.csr[CSR_TIME] = 80000;
	assert_int_equal(counter("free"), 3072);
	assert_int_equal(used_on(STATS), 1);
	assert_int_equal(counter("majflt"), 77);
	assert_int_equal(counter("age_ms"), 3);
	assert_int_equal(used_on(STATS), 1);
	send(STATS, later, sizeof(later));
	assert_int_equal(used_on(STATS), 1);
	assert_int_equal(counter("free"), 2048);
	assert_int_equal(counter("majflt"), UINT64_MAX);
	assert_int_equal(used_on(STATS), 2);
}

/* Linux notifies of its first buffer before DRIVER_OK. */
static void statistics_from_before_ok(void **state)
{
	static const struct stat some[] = { { 4, MIB(3) } };
	(void)state;

	put(SLOT, STATUS, 0);
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER);
	accept(SLOT, offered(SLOT) & ~VIRTIO_F_EVENT_IDX);
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	begin_queue(STATS);
	send(STATS, some, sizeof(some));
	put(SLOT, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_int_equal(counter("free"), UINT64_MAX);
	assert_int_equal(used_on(STATS), 1);
	send(STATS, some, sizeof(some));
	assert_int_equal(counter("free"), 3072);
}

/* More buffers than one; none that is a number of statistics long; the queue taken away. */
static void odd_statistics(void **state)
{
	static const struct stat some[] = { { 4, MIB(3) } };
	(void)state;

	send(STATS, some, sizeof(some) - 1);
	send(STATS, some, sizeof(some));
	assert_int_equal(used_on(STATS), 1);
	assert_int_equal(counter("free"), 3072);
	assert_int_equal(used_on(STATS), 2);
	send(STATS, some, sizeof(some));
	put(SLOT, QUEUE_SEL, STATS);
	put(SLOT, QUEUE_RESET, 1);
	begin_queue(STATS);
	assert_int_equal(counter("free"), 3072);
	assert_int_equal(used_on(STATS), 0);
	send(STATS, some, sizeof(some));
	begin_driver();
	assert_int_equal(counter("free"), UINT64_MAX);
	assert_int_equal(used_on(STATS), 0);
	assert_int_equal(get(SLOT, STATUS) & NEEDS_RESET, 0);
}

/* By either number: see virtio_balloon.c. */
static void free_pages(void **state)
{
	uint64_t free;
	(void)state;

	for (unsigned queue = HINTS; queue <= REPORTING; queue++) {
		fill_given(2);
		free = frame_free_bytes();
		put_desc(RINGS(queue), 0, GIVEN, MIB(4), WRITE | NEXT, 1);
		put_desc(RINGS(queue), 1, GIVEN + MIB(6), KIB(16), WRITE, 0);
		offer_on(queue);
		notify(queue);
		assert_int_equal(used_on(queue), 1);
		assert_int_equal(frame_free_bytes(), free + MIB(4));
		assert_int_equal(get32(GIVEN + MIB(1)), 0);
		assert_int_equal(get32(GIVEN + MIB(6)), 0);
		assert_int_equal(get32(GIVEN + MIB(6) + KIB(16)), 0x02020202);
	}
	assert_int_equal(counter("reported"), 2 * (4096 + 16));
}

/* Nothing but the guest's own memory is there to lose. */
static void hostile_numbers(void **state)
{
	static const uint32_t pfn[] = { 0, 1, UINT32_MAX, (uint32_t)(RAM >> 12) - 1,
					(uint32_t)((RAM + RAM_BYTES) >> 12), 0x80000000,
					GIVEN_PAGE, GIVEN_PAGE, GIVEN_PAGE + 2, GIVEN_PAGE + 1,
					GIVEN_PAGE };
	(void)state;

	fill_given(3);
	send(INFLATE, pfn, sizeof(pfn));
	assert_int_equal(used_on(INFLATE), 1);
	assert_int_equal(counter("inflated"), 12);
	assert_int_equal(get32(GIVEN), 0);
	assert_int_equal(get32(GIVEN + 3 * PAGE_SIZE), 0x03030303);
	send(INFLATE, pfn, 3); /* not even one */
	assert_int_equal(used_on(INFLATE), 2);
}

/* Its rings go while they are used: it finds zeros there, and the device needs a reset. */
static void own_rings(void **state)
{
	uint32_t pfn[4 * 5];
	(void)state;

	for (unsigned i = 0; i < 20; i++)
		pfn[i] = (uint32_t)(RINGS(0) >> 12) + i;
	send(INFLATE, pfn, sizeof(pfn));
	assert_int_equal(get(SLOT, STATUS) & NEEDS_RESET, NEEDS_RESET);
	begin_driver();
	send(INFLATE, pfn, 0);
	assert_int_equal(used_on(INFLATE), 1);
}

/* What a chain can make us do is bounded, though each of its parts names all of RAM. */
static void huge_chains(void **state)
{
	(void)state;

	fill_given(4);
	for (unsigned i = 0; i < SIZE; i++)
		put_desc(RINGS(INFLATE), i, RAM, (uint32_t)RAM_BYTES, i < SIZE - 1 ? NEXT : 0, i + 1);
	offer_on(INFLATE);
	notify(INFLATE);
	assert_int_equal(used_on(INFLATE), 1);
	for (unsigned i = 0; i < SIZE; i++)
		put_desc(RINGS(REPORTING), i, RAM, (uint32_t)RAM_BYTES,
			 WRITE | (i < SIZE - 1 ? NEXT : 0), i + 1);
	offer_on(REPORTING);
	notify(REPORTING); /* rings and all are gone */
	assert_true(guest_pool.frames < 2048);
	begin_driver();
	assert_int_equal(get(SLOT, STATUS) & NEEDS_RESET, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pages_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(configuration, set_up, tear_down),
		cmocka_unit_test_setup_teardown(target, set_up, tear_down),
		cmocka_unit_test_setup_teardown(statistics, set_up, tear_down),
		cmocka_unit_test_setup_teardown(statistics_from_before_ok, set_up, tear_down),
		cmocka_unit_test_setup_teardown(odd_statistics, set_up, tear_down),
		cmocka_unit_test_setup_teardown(free_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(own_rings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(huge_chains, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
