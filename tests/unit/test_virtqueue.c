/*
 * hyp/dev/virtqueue.c: chains of every legal form; each rule that a hostile driver can break.
 */
#include "tests/unit/virtio.h"

#define SIZE 8

static struct virtqueue q;
static struct virtqueue_chain chain;

static int set_up(void **state)
{
	(void)state;
	virtio_machine();
	virtqueue_reset(&q, &gs, SIZE);
	q.desc = DESC;
	q.avail = AVAIL;
	q.used = USED;
	q.has_indirect = true;
	assert_true(virtqueue_begin(&q));
	return 0;
}

static void expect_chain(unsigned head, unsigned readable, unsigned parts)
{
	assert_int_equal(virtqueue_pop(&q, &chain), VIRTQUEUE_CHAIN);
	assert_int_equal(chain.head, head);
	assert_int_equal(chain.readable, readable);
	assert_int_equal(chain.parts, parts);
}

/* What was offered last breaks a rule; nothing is looked at after that. */
static void expect_broken(void)
{
	assert_int_equal(virtqueue_pop(&q, &chain), VIRTQUEUE_BROKEN);
	assert_true(q.is_broken);
	assert_int_equal(virtqueue_pop(&q, &chain), VIRTQUEUE_EMPTY);
	assert_false(virtqueue_arm(&q));
	assert_true(virtqueue_begin(&q));
}

static void where_rings_may_be(void **state)
{
	static const struct {
		uint64_t desc, avail, used;
		bool good;
	} rows[] = {
		{ DESC, AVAIL, USED, true },
		{ DESC + 8, AVAIL, USED, false },
		{ DESC, AVAIL + 1, USED, false },
		{ DESC, AVAIL, USED + 2, false },
		{ RAM - 16, AVAIL, USED, false },
		{ RAM + RAM_BYTES - 16 * SIZE, AVAIL, USED, true },
		{ RAM + RAM_BYTES - 16 * SIZE + 16, AVAIL, USED, false },
		{ DESC, RAM + RAM_BYTES - 2 * SIZE - 6, USED, true },
		{ DESC, RAM + RAM_BYTES - 2 * SIZE - 4, USED, false },
		{ DESC, AVAIL, RAM + RAM_BYTES - 8 * SIZE - 8, true },
		{ DESC, AVAIL, RAM + RAM_BYTES - 8 * SIZE - 4, false },
		{ UINT64_MAX - 15, AVAIL, USED, false },
		{ DESC, UINT64_MAX - 1, USED, false },
		{ DESC, AVAIL, 0, false },
	};
	(void)state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		virtqueue_reset(&q, &gs, SIZE);
		q.desc = rows[i].desc;
		q.avail = rows[i].avail;
		q.used = rows[i].used;
		assert_int_equal(virtqueue_begin(&q), rows[i].good);
		assert_int_equal(q.is_ready, rows[i].good);
	}
}

static void empty(void **state)
{
	(void)state;
	assert_int_equal(virtqueue_pop(&q, &chain), VIRTQUEUE_EMPTY);
	assert_false(virtqueue_publish(&q));
	assert_false(virtqueue_arm(&q));
	q.is_ready = false;
	offer(SIZE, 0, 0);
	assert_int_equal(virtqueue_pop(&q, &chain), VIRTQUEUE_EMPTY);
}

static void chains(void **state)
{
	(void)state;
	put_desc(DESC, 5, BUFFERS, 16, NEXT, 2);
	put_desc(DESC, 2, BUFFERS + 0x100, 0, NEXT, 7);
	put_desc(DESC, 7, BUFFERS + 0x200, 512, WRITE | NEXT, 0);
	put_desc(DESC, 0, BUFFERS + 0x800, 1, WRITE, 99);
	offer(SIZE, 0, 5);
	expect_chain(5, 2, 4);
	assert_int_equal(chain.part[3].at.v, BUFFERS + 0x800);
	assert_int_equal(chain.part[3].bytes, 1);
	assert_int_equal(virtqueue_pop(&q, &chain), VIRTQUEUE_EMPTY);
}

/* The longest: as many as there are entries; one more has come by a loop. */
static void long_chains(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SIZE; i++)
		put_desc(DESC, i, BUFFERS, 1, i + 1 < SIZE ? NEXT : 0, i + 1);
	offer(SIZE, 0, 0);
	expect_chain(0, SIZE, SIZE);
	put_desc(DESC, SIZE - 1, BUFFERS, 1, NEXT, 0);
	offer(SIZE, 1, 0);
	expect_broken();
	put_desc(DESC, 3, BUFFERS, 1, NEXT, 3);
	offer(SIZE, 0, 3);
	expect_broken();
}

static void indirect(void **state)
{
	(void)state;
	put_desc(DESC, 1, BUFFERS, 16, NEXT, 4);
	put_desc(DESC, 4, INDIRECT, 48, INDIRECT_FLAG | WRITE, 77);
	put_desc(INDIRECT, 0, BUFFERS + 32, 8, NEXT, 2);
	put_desc(INDIRECT, 2, BUFFERS + 64, 8, WRITE, 0);
	offer(SIZE, 0, 1);
	expect_chain(1, 2, 3);
	q.has_indirect = false;
	offer(SIZE, 1, 1);
	expect_broken();
}

static void bad_indirect(void **state)
{
	static const struct {
		uint64_t at;
		uint32_t bytes;
		unsigned flags, inner;
	} rows[] = {
		{ INDIRECT, 0, 0, 0 },
		{ INDIRECT, 17, 0, 0 },
		{ INDIRECT, 16, NEXT, 0 },
		{ INDIRECT, 16, 0, INDIRECT_FLAG },
		{ INDIRECT, 16, 0, NEXT }, /* next is outside the table */
		{ RAM + RAM_BYTES - 16, 32, 0, 0 },
		{ 0x1000, 16, 0, 0 },
		{ UINT64_MAX - 15, 32, 0, 0 },
		{ RAM, UINT32_MAX - 15, 0, 0 },
	};
	(void)state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_desc(DESC, 0, rows[i].at, rows[i].bytes, INDIRECT_FLAG | rows[i].flags, 1);
		put_desc(INDIRECT, 0, BUFFERS, 16, rows[i].inner, 1);
		offer(SIZE, 0, 0);
		expect_broken();
	}
	/* A table longer than the queue, whose chain goes on and on. */
	for (unsigned i = 0; i < 64; i++)
		put_desc(INDIRECT, i, BUFFERS, 1, NEXT, i + 1);
	put_desc(DESC, 0, INDIRECT, 64 * 16, INDIRECT_FLAG, 0);
	offer(SIZE, 0, 0);
	expect_broken();
}

static void bad_chains(void **state)
{
	static const struct {
		uint64_t at;
		uint32_t bytes;
		unsigned flags, next;
	} rows[] = {
		{ RAM - 1, 1, 0, 0 },	       { RAM + RAM_BYTES - 1, 2, 0, 0 },
		{ UINT64_MAX, 2, WRITE, 0 },   { 0x10000000, 1, WRITE, 0 },
		{ BUFFERS, UINT32_MAX, 0, 0 }, { BUFFERS, 1, NEXT, SIZE },
		{ BUFFERS, 1, NEXT, 65535 },   { BUFFERS, 1, NEXT | WRITE, 1 },
	};
	(void)state;

	put_desc(DESC, 1, BUFFERS, 1, 0, 0); /* to be read, after what is written */
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_desc(DESC, 0, rows[i].at, rows[i].bytes, rows[i].flags, rows[i].next);
		offer(SIZE, 0, 0);
		expect_broken();
	}
	offer(SIZE, 0, SIZE);
	expect_broken();
}

/* More chains than entries, or an index that goes back. */
static void indices_that_jump(void **state)
{
	(void)state;
	put_desc(DESC, 0, BUFFERS, 1, 0, 0);
	put16(AVAIL + 2, SIZE + 1);
	expect_broken();
	put16(AVAIL + 2, 2);
	expect_chain(0, 1, 1);
	expect_chain(0, 1, 1);
	put16(AVAIL + 2, 1);
	expect_broken();
	put16(AVAIL + 2, 0xffff);
	expect_broken();
	put16(AVAIL + 2, 0xffff);
	assert_true(virtqueue_arm(&q));
	expect_broken();
}

static void many(void **state)
{
	(void)state;
	put_desc(DESC, 3, BUFFERS, 4, WRITE, 0);
	for (unsigned n = 0; n < 70000; n++) {
		unsigned slot = n % SIZE;

		offer(SIZE, n, 3);
		expect_chain(3, 0, 1);
		virtqueue_push(&q, chain.head, n);
		assert_int_equal(get16(USED + 2), n & 0xffff);
		assert_true(virtqueue_publish(&q));
		assert_int_equal(get16(USED + 2), (n + 1) & 0xffff);
		assert_int_equal(get32(USED + 4 + 8 * slot), 3);
		assert_int_equal(get32(USED + 8 + 8 * slot), n);
	}
}

static void interrupts(void **state)
{
	(void)state;
	put16(AVAIL, 1);
	virtqueue_push(&q, 0, 0);
	assert_false(virtqueue_publish(&q));
	put16(AVAIL, 0);
	assert_false(virtqueue_publish(&q)); /* nothing new */
	virtqueue_push(&q, 0, 0);
	assert_true(virtqueue_publish(&q));

	q.has_event_idx = true;
	put16(AVAIL, 1); /* not looked at then */
	put16(AVAIL + 4 + 2 * SIZE, 3);
	virtqueue_push(&q, 0, 0);
	assert_false(virtqueue_publish(&q));
	virtqueue_push(&q, 0, 0);
	assert_true(virtqueue_publish(&q));
	virtqueue_push(&q, 0, 0);
	assert_false(virtqueue_publish(&q));
}

static void notifications(void **state)
{
	(void)state;
	q.has_event_idx = true;
	put_desc(DESC, 0, BUFFERS, 1, 0, 0);
	offer(SIZE, 0, 0);
	expect_chain(0, 1, 1);
	assert_false(virtqueue_arm(&q));
	assert_int_equal(get16(USED + 4 + 8 * SIZE), 1);
	offer(SIZE, 1, 0);
	assert_true(virtqueue_arm(&q));
}

static void bytes_of_chains(void **state)
{
	struct virtqueue_cursor c;
	char text[16] = { 0 };
	(void)state;

	guest_put(BUFFERS + 0xffc, "abcdefgh", 8); /* over two pages */
	put_desc(DESC, 0, BUFFERS + 0xffc, 5, NEXT, 1);
	put_desc(DESC, 1, BUFFERS, 0, NEXT, 2);
	put_desc(DESC, 2, BUFFERS + 0x1001, 3, NEXT, 3);
	put_desc(DESC, 3, BUFFERS + 0x2000, 2, WRITE | NEXT, 4);
	put_desc(DESC, 4, BUFFERS + 0x2fff, 3, WRITE, 0);
	offer(SIZE, 0, 0);
	expect_chain(0, 3, 5);

	c = virtqueue_readable(&q, &chain);
	assert_int_equal(virtqueue_left(&c), 8);
	assert_true(virtqueue_take(&c, text, 1));
	virtqueue_skip(&c, 2);
	assert_int_equal(virtqueue_left(&c), 5);
	assert_true(virtqueue_take(&c, text + 1, 5));
	assert_string_equal(text, "adefgh");
	assert_false(virtqueue_take(&c, text, 1));

	c = virtqueue_writable(&q, &chain);
	assert_int_equal(virtqueue_left(&c), 5);
	assert_true(virtqueue_give(&c, "VWXYZ", 5));
	assert_int_equal(virtqueue_left(&c), 0);
	assert_false(virtqueue_give(&c, "!", 1));
	guest_get(BUFFERS + 0x2000, text, 3);
	guest_get(BUFFERS + 0x2fff, text + 3, 4);
	assert_memory_equal(text, "VW\0XYZ", 7);
}

/* All of a chain's readable bytes, at most @most of them at once, where they lie in the host's memory. */
static void collect(uint64_t most, char *to)
{
	struct virtqueue_cursor c = virtqueue_readable(&q, &chain);
	unsigned pin = gstage_pin(&gs);
	uint64_t n;
	hpa_t at;

	while ((n = virtqueue_run(&c, most, ACCESS_LOAD, &at))) {
		assert_in_range(n, 1, most);
		memcpy(to, phys_pointer(at), n);
		to += n;
	}
	assert_int_equal(virtqueue_left(&c), 0);
	*to = 0;
	gstage_unpin(&gs, pin);
}

/* Parts that are empty, whole, cut and far apart: always the same bytes. */
static void runs_of_chains(void **state)
{
	char text[32];
	(void)state;

	guest_put(BUFFERS + 0xffd, "abcdefgh", 8);
	guest_put(BUFFERS + MIB(4) - 2, "ijkl", 4); /* over two blocks of 2 MiB */
	put_desc(DESC, 0, BUFFERS, 0, NEXT, 1);
	put_desc(DESC, 1, BUFFERS + 0xffd, 5, NEXT, 2);
	put_desc(DESC, 2, BUFFERS + 0x1002, 3, NEXT, 3);
	put_desc(DESC, 3, BUFFERS, 0, NEXT, 4);
	put_desc(DESC, 4, BUFFERS + MIB(4) - 2, 4, NEXT, 5);
	put_desc(DESC, 5, BUFFERS, 0, NEXT, 6);
	put_desc(DESC, 6, BUFFERS + 0xffd, 1, NEXT, 7);
	put_desc(DESC, 7, BUFFERS, 0, 0, 0);
	offer(SIZE, 0, 0);
	expect_chain(0, 8, 8);
	for (uint64_t most = 1; most <= 16; most++) {
		collect(most, text);
		assert_string_equal(text, "abcdefghijkla");
	}
}

static void last_byte(void **state)
{
	struct virtqueue_cursor c;
	char byte;
	(void)state;

	put_desc(DESC, 0, BUFFERS, 4, NEXT, 1);
	put_desc(DESC, 1, BUFFERS + 0x100, 5, NEXT | WRITE, 2);
	put_desc(DESC, 2, BUFFERS, 0, WRITE, 0);
	offer(SIZE, 0, 0);
	expect_chain(0, 1, 3);
	c = virtqueue_last(&q, &chain);
	assert_int_equal(virtqueue_left(&c), 1);
	assert_true(virtqueue_give(&c, "!", 1));
	guest_get(BUFFERS + 0x104, &byte, 1);
	assert_int_equal(byte, '!');
	put_desc(DESC, 0, BUFFERS, 4, NEXT, 1);
	put_desc(DESC, 1, BUFFERS, 0, WRITE, 0);
	offer(SIZE, 1, 0);
	expect_chain(0, 1, 2);
	c = virtqueue_last(&q, &chain);
	assert_int_equal(virtqueue_left(&c), 0);
	assert_false(virtqueue_give(&c, "!", 1));
}

/* A chain that isn't through yet comes again, and nothing else has happened. */
static void put_back(void **state)
{
	(void)state;
	put_desc(DESC, 0, BUFFERS, 10, 0, 0);
	put_desc(DESC, 1, BUFFERS, 11, 0, 0);
	offer(SIZE, 0, 0);
	offer(SIZE, 1, 1);
	for (unsigned i = 0; i < 3 * SIZE; i++) {
		expect_chain(0, 1, 1);
		virtqueue_put_back(&q);
	}
	expect_chain(0, 1, 1);
	expect_chain(1, 1, 1);
	virtqueue_put_back(&q);
	assert_true(virtqueue_arm(&q));
	assert_int_equal(get16(USED + 2), 0);
	q.taken = 7;
	virtqueue_reset(&q, &gs, SIZE);
	assert_int_equal(q.taken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(where_rings_may_be, set_up),
		cmocka_unit_test_setup(empty, set_up),
		cmocka_unit_test_setup(chains, set_up),
		cmocka_unit_test_setup(long_chains, set_up),
		cmocka_unit_test_setup(indirect, set_up),
		cmocka_unit_test_setup(bad_indirect, set_up),
		cmocka_unit_test_setup(bad_chains, set_up),
		cmocka_unit_test_setup(indices_that_jump, set_up),
		cmocka_unit_test_setup(many, set_up),
		cmocka_unit_test_setup(interrupts, set_up),
		cmocka_unit_test_setup(notifications, set_up),
		cmocka_unit_test_setup(put_back, set_up),
		cmocka_unit_test_setup(bytes_of_chains, set_up),
		cmocka_unit_test_setup(runs_of_chains, set_up),
		cmocka_unit_test_setup(last_byte, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
