/*
 * hyp/dev/virtio_blk_host.c and hyp/drv/blk.c: a guest's disk that is one of the host's, over a fake
 * device: where bytes go, when the guest is answered, and what a device that lies does.
 */
#include "tests/unit/virtio.h"

#include <stdlib.h>

#include "hyp/vcpu/irq.h"
#include "tests/fake/blk.h"
#include "tests/fake/eager.h"

#define SIZE	128
#define DISK	0
#define SECTORS 4096
#define F_FLUSH (1 << 9)
#define F_WCE	(1 << 11)

#define HEADER(i)    (BUFFERS + 64 * (i))
#define STATUS_AT(i) (HEADER(i) + 32)
#define DATA	     (BUFFERS + 0x10000)
#define ROOM	     0x4000 /* of one request's data */

enum { S_OK, S_IOERR, S_UNSUPP, S_NONE = 0xee };

static uint8_t *disk;
static unsigned offered_n;
static struct virtio_disk config;
static uint64_t seed;

void irq_set_external(struct vcpu *v, bool high)
{
	(void)v;
	(void)high;
}

static enum err attach(unsigned slot, const char *owner, unsigned vcpus_n)
{
	return virtio_blk_attach_host(&board, slot, &gs, &config, &disk_pool, owner, vcpus_n);
}

static void begin(uint64_t features)
{
	start(DISK, features, SIZE);
	offered_n = 0;
}

static int set_up(void **state)
{
	(void)state;
	virtio_board();
	memset(&eager, 0, sizeof(eager));
	board.uart.port.history = calloc(1, PORT_HISTORY);
	disk = malloc(SECTORS * 512);
	seed = 3;
	for (unsigned i = 0; i < SECTORS * 512; i++)
		disk[i] = (uint8_t)random_next(&seed);
	fake_blk_reset(disk, SECTORS);
	blk_init();
	config = (struct virtio_disk){ .host = "host-0", .serial = "its own" };
	assert_int_equal(attach(DISK, "a", 2), OK);
	board_reset(&board, vcpus, 1);
	begin(F_FLUSH);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(board.uart.port.history);
	free(disk);
	return 0;
}

/* The interrupt of the host's device, if there is one. */
static void interrupt(void)
{
	while (fake_blk.irq)
		virtio_blk_finish(blk_interrupt(FAKE_BLK_IRQ));
}

/* Offer request @i, of three descriptors, with its data at @data; unanswered. */
static enum mmio_result request_at(unsigned i, uint32_t type, uint64_t sector, uint64_t data,
				   uint32_t bytes)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} h = { type, 0, sector };
	uint8_t none = S_NONE;
	unsigned flags = type == BLK_IN || type == BLK_GET_ID ? WRITE : 0;

	guest_put(HEADER(i), &h, sizeof(h));
	guest_put(STATUS_AT(i), &none, 1);
	put_desc(DESC, 3 * i, HEADER(i), 16, NEXT, 3 * i + 1);
	put_desc(DESC, 3 * i + 1, data, bytes, NEXT | flags, 3 * i + 2);
	put_desc(DESC, 3 * i + 2, STATUS_AT(i), 1, WRITE, 0);
	offer(SIZE, offered_n++, 3 * i);
	return put(DISK, NOTIFY, 0);
}

static enum mmio_result request(unsigned i, uint32_t type, uint64_t sector, uint32_t bytes)
{
	return request_at(i, type, sector, DATA + ROOM * i, bytes);
}

static unsigned status_of(unsigned i)
{
	uint8_t status;

	guest_get(STATUS_AT(i), &status, 1);
	return status;
}

static unsigned go(uint32_t type, uint64_t sector, uint32_t bytes)
{
	assert_int_equal(request(0, type, sector, bytes), MMIO_OK);
	interrupt();
	return status_of(0);
}

static void check_data(unsigned i, uint64_t sector, uint32_t bytes)
{
	uint8_t *got = malloc(bytes);

	guest_get(DATA + ROOM * i, got, bytes);
	assert_memory_equal(got, disk + sector * 512, bytes);
	free(got);
}

static void what_it_is(void **state)
{
	uint64_t features = offered(DISK);
	char id[21] = { 0 };
	(void)state;

	assert_int_equal(get(DISK, CONFIG), SECTORS);
	assert_int_equal(get(DISK, CONFIG + 12), 320);
	assert_int_equal(get_wide(DISK, CONFIG + 34, 2), 2); /* queues */
	assert_true(features & F_FLUSH && features & F_WCE && features & 1 << 12);
	assert_false(features & VIRTIO_F_IN_ORDER);
	assert_int_equal(go(BLK_GET_ID, 0, 20), S_OK);
	guest_get(DATA, id, 20);
	assert_string_equal(id, "its own");
	assert_string_equal(blk_facts(blk_find("host-0"))->serial, "host-0");
	assert_null(blk_find("host-1"));
}

static void reads_and_writes(void **state)
{
	uint8_t bytes[1024];
	(void)state;

	assert_int_equal(go(BLK_IN, 5, 4096), S_OK);
	assert_int_equal(get32(USED + 8), 4097);
	assert_int_equal(fake_blk.parts, 1);
	check_data(0, 5, 4096);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random_next(&seed);
	guest_put(DATA, bytes, sizeof(bytes));
	assert_int_equal(go(BLK_OUT, SECTORS - 2, sizeof(bytes)), S_OK);
	assert_memory_equal(disk + (SECTORS - 2) * 512, bytes, sizeof(bytes));
	assert_int_equal(go(BLK_FLUSH, 0, 0), S_OK);
	assert_int_equal(fake_blk.flushes, 1);
	assert_int_equal(go(BLK_IN, SECTORS - 1, 1024), S_IOERR);
	assert_int_equal(go(BLK_IN, UINT64_MAX / 512, 512), S_IOERR);
	assert_int_equal(go(BLK_OUT, 0, 513), S_IOERR);
	assert_int_equal(go(99, 0, 512), S_UNSUPP);
	assert_int_equal(virtio_under_way(&board.virtio[DISK]), 0);
}

static void clears(void **state)
{
	struct blk_range range = { 8, 8, BLK_UNMAP };
	(void)state;

	guest_put(DATA, &range, sizeof(range));
	assert_int_equal(go(BLK_WRITE_ZEROES, 0, 16), S_OK);
	for (unsigned i = 0; i < 8 * 512; i++)
		assert_int_equal(disk[8 * 512 + i], 0);
	range.flags = 0;
	guest_put(DATA, &range, sizeof(range));
	assert_int_equal(go(BLK_DISCARD, 0, 16), S_OK);
	assert_int_equal(fake_blk.discards, 1);
	range.sector = SECTORS - 7;
	guest_put(DATA, &range, sizeof(range));
	assert_int_equal(go(BLK_DISCARD, 0, 16), S_IOERR);
	assert_int_equal(go(BLK_WRITE_ZEROES, 0, 32), S_IOERR);
}

/* Answered in the order in which the host is through, each when it is. */
static void any_order(void **state)
{
	(void)state;
	fake_blk.is_asleep = true;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(request(i, BLK_IN, 8 * i, 512), MMIO_OK);
	assert_int_equal(virtio_under_way(&board.virtio[DISK]), 3);
	interrupt();
	assert_int_equal(get16(USED + 2), 0);
	fake_blk_do(1);
	interrupt();
	assert_int_equal(get16(USED + 2), 1);
	assert_int_equal(get32(USED + 4), 3);
	assert_int_equal(status_of(1), S_OK);
	assert_int_equal(status_of(0), S_NONE);
	fake_blk_do(1);
	fake_blk_do(0);
	interrupt();
	assert_int_equal(get32(USED + 12), 6);
	assert_int_equal(get32(USED + 20), 0);
	for (unsigned i = 0; i < 3; i++)
		check_data(i, 8 * i, 512);
	assert_int_equal(board.virtio[DISK].stats.later, 3);
	assert_int_equal(board.virtio[DISK].stats.bytes_out, 3 * 513);
}

/* A driver that doesn't ask for flushes finds all durable that is answered. */
static void write_through(void **state)
{
	(void)state;
	begin(0);
	fake_blk.is_asleep = true;
	assert_int_equal(request(0, BLK_OUT, 0, 512), MMIO_OK);
	fake_blk_do(0);
	interrupt();
	assert_int_equal(status_of(0), S_NONE);
	assert_int_equal(fake_blk.flushes, 0);
	fake_blk_do(0);
	interrupt();
	assert_int_equal(status_of(0), S_OK);
	assert_int_equal(fake_blk.flushes, 1);
	fake_blk.is_asleep = false;
	begin(F_FLUSH | F_WCE);
	assert_int_equal(go(BLK_OUT, 0, 512), S_OK);
	assert_int_equal(fake_blk.since_flush, 1);
	assert_int_equal(put_wide(DISK, CONFIG + 32, 1, 0), MMIO_OK);
	assert_int_equal(get_wide(DISK, CONFIG + 32, 1), 0);
	assert_int_equal(go(BLK_OUT, 0, 512), S_OK);
	assert_int_equal(fake_blk.since_flush, 0);
	begin(F_FLUSH);
	assert_int_equal(get_wide(DISK, CONFIG + 32, 1), 1);
}

/* More than fit: the rest stays in the ring, and is served as room comes. */
static void full(void **state)
{
	unsigned most = board.virtio[DISK].blk.claim.requests;
	(void)state;

	assert_int_equal(most, 64);
	fake_blk.is_asleep = true;
	assert_int_equal(request(0, BLK_IN, 0, 512), MMIO_OK);
	for (unsigned i = 1; i < 100; i++) {
		offer(SIZE, offered_n++, 0);
		assert_int_equal(put(DISK, NOTIFY, 0), MMIO_OK);
	}
	assert_int_equal(fake_blk.waiting, most);
	for (unsigned i = 0; i < 100; i++) {
		assert_true(fake_blk_do(fake_blk.waiting - 1));
		interrupt();
		assert_int_equal(get16(USED + 2), i + 1);
	}
	assert_int_equal(virtio_under_way(&board.virtio[DISK]), 0);
}

/* All that the host can have under way is finished by one interrupt: none may follow. */
static void all_at_once(void **state)
{
	unsigned n = 0;
	(void)state;

	virtio_detach(&board);
	config.is_readonly = true;
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++)
		assert_int_equal(attach(i, "b", 1), OK);
	board_reset(&board, vcpus, 1);
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++)
		start(i, F_FLUSH, SIZE); /* all of them look at the same rings */
	fake_blk.is_asleep = true;
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(request(0, BLK_IN, 0, 512), MMIO_OK);
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
		assert_int_equal(put(i, NOTIFY, 0), MMIO_OK);
		n += virtio_under_way(&board.virtio[i]);
	}
	assert_in_range(n, 400, 512);
	for (unsigned i = 0; i < n; i++)
		assert_true(fake_blk_do(0));
	interrupt();
	for (unsigned i = 0; i < VIRTIO_SLOTS; i++)
		n -= (unsigned)board.virtio[i].stats.later;
	assert_int_equal(n, 0);
}

/* A driver that adds what needs no host, as fast as it is answered, keeps no hart for long that
 * only brings the host's answer. */
static void endless(void **state)
{
	uint64_t before;
	(void)state;

	fake_blk.is_asleep = true;
	(void)request(0, BLK_IN, 0, 512);
	(void)request(1, 99, 0, 512);
	for (unsigned i = 1; i < board.virtio[DISK].blk.claim.requests; i++)
		offer(SIZE, offered_n++, 0);
	assert_int_equal(put(DISK, NOTIFY, 0), MMIO_OK);
	for (unsigned i = 0; i < SIZE; i++)
		put16(AVAIL + 4 + 2 * i, 3);
	eager.at = AVAIL + 2;
	eager.idx = (uint16_t)offered_n;
	eager.more = SIZE;
	before = board.virtio[DISK].stats.chains;
	fake_blk_do(0);
	interrupt();
	assert_in_range(board.virtio[DISK].stats.chains - before, SIZE, 20 * SIZE);
	assert_int_equal(status_of(1), S_UNSUPP);
}

/* A reset waits for what is under way, and nothing begins meanwhile. */
static void reset_in_the_middle(void **state)
{
	(void)state;
	fake_blk.is_asleep = true;
	for (unsigned i = 0; i < 2; i++)
		(void)request(i, BLK_IN, 0, 512);
	assert_int_equal(put(DISK, STATUS, 0), MMIO_AGAIN);
	assert_int_equal(request(2, BLK_IN, 0, 512), MMIO_OK);
	assert_int_equal(fake_blk.waiting, 2);
	fake_blk_do(0);
	interrupt();
	assert_int_equal(put(DISK, STATUS, 0), MMIO_AGAIN);
	assert_int_not_equal(get(DISK, STATUS), 0);
	fake_blk_do(0);
	interrupt();
	assert_int_equal(put(DISK, STATUS, 0), MMIO_OK);
	assert_int_equal(get(DISK, STATUS), 0);
	assert_int_equal(get(DISK, INTERRUPT), 0);
	begin(F_FLUSH | VIRTIO_F_RING_RESET);
	(void)request(0, BLK_IN, 0, 512);
	assert_int_equal(put(DISK, QUEUE_RESET, 1), MMIO_AGAIN);
	assert_int_equal(put(DISK, QUEUE_READY, 0), MMIO_AGAIN);
	fake_blk_do(0);
	interrupt();
	assert_int_equal(put(DISK, QUEUE_RESET, 1), MMIO_OK);
	assert_int_equal(get(DISK, QUEUE_READY), 0);
	fake_blk.is_asleep = false;
	begin(F_FLUSH);
	assert_int_equal(go(BLK_IN, 7, 512), S_OK);
}

/* The end of a VM: what the host has under way is not lost; a host that does nothing is reset. */
static void drained(void **state)
{
	unsigned resets;

	(void)state;

	fake_blk.is_asleep = true;
	(void)request(0, BLK_IN, 0, 512);
	fake_blk_do(0);
	(void)request(1, BLK_IN, 0, 512);
	fake_blk_do(0);
	assert_true(virtio_drain(&board, false));
	assert_int_equal(status_of(1), S_OK);
	board_reset(&board, vcpus, 1);
	begin(F_FLUSH);
	(void)request(0, BLK_IN, 0, 512);
	resets = fake_blk.resets;
	assert_false(virtio_drain(&board, false)); /* it might just be slow */
	assert_int_equal(fake_blk.resets, resets);
	assert_int_equal(virtio_under_way(&board.virtio[DISK]), 1);
	assert_int_equal(request(1, BLK_IN, 0, 512), MMIO_OK); /* but no more begins */
	assert_int_equal(virtio_under_way(&board.virtio[DISK]), 1);
	assert_true(virtio_drain(&board, true));
	assert_int_equal(fake_blk.resets, resets + 1);
	assert_int_equal(virtio_under_way(&board.virtio[DISK]), 0);
	assert_int_equal(status_of(0), S_IOERR);
	board_reset(&board, vcpus, 1);
	begin(F_FLUSH);
	assert_int_equal(go(BLK_IN, 0, 512), S_IOERR);
}

/* A device that says what isn't so. */
static void hostile_host(void **state)
{
	(void)state;
	fake_blk.is_asleep = true;
	(void)request(0, BLK_IN, 0, 512);
	fake_blk_say_used(7, 1);
	fake_blk_say_used(UINT32_MAX, 1);
	fake_blk_say_used(255, UINT32_MAX);
	interrupt();
	assert_int_equal(virtio_under_way(&board.virtio[DISK]), 1);
	fake_blk_say_used(fake_blk.head[0], UINT32_MAX);
	fake_blk_say_used(fake_blk.head[0], UINT32_MAX);
	interrupt();
	assert_int_equal(virtio_under_way(&board.virtio[DISK]), 0);
	assert_int_equal(status_of(0), S_IOERR); /* it wrote no status */
	assert_int_equal(get16(USED + 2), 1);
	fake_blk.status |= NEEDS_RESET;
	fake_blk.irq |= 2;
	interrupt();
	assert_int_equal(fake_blk.status, 0);
	(void)request(0, BLK_IN, 0, 512);
	assert_int_equal(status_of(0), S_IOERR);
}

/* What has more parts than the host takes goes in pieces of whole blocks, and is answered once. */
static void pieces(void **state)
{
	uint8_t got[8 * 512], none = S_NONE;
	(void)state;

	tear_down(NULL);
	virtio_board();
	board.uart.port.history = calloc(1, PORT_HISTORY);
	disk = calloc(SECTORS, 512);
	for (unsigned i = 0; i < SECTORS * 512; i++)
		disk[i] = (uint8_t)random_next(&seed);
	fake_blk_reset(disk, SECTORS);
	fake_blk.seg_max = 6;
	blk_init();
	assert_int_equal(attach(DISK, "a", 1), OK);
	board_reset(&board, vcpus, 1);
	begin(F_FLUSH);
	(void)request(0, BLK_IN, 16, 512);
	interrupt();
	guest_put(STATUS_AT(0), &none, 1);
	put_desc(DESC, 0, HEADER(0), 16, NEXT, 1);
	for (unsigned i = 0; i < 32; i++)
		put_desc(DESC, 1 + i, DATA + 256 * i, 128, NEXT | WRITE, 2 + i);
	put_desc(DESC, 33, STATUS_AT(0), 1, WRITE, 0);
	fake_blk.reads = 0;
	offer(SIZE, offered_n++, 0);
	(void)put(DISK, NOTIFY, 0);
	interrupt();
	assert_int_equal(status_of(0), S_OK);
	assert_int_equal(fake_blk.reads, 8);
	assert_int_equal(get32(USED + 4 + 8 + 4), 4097);
	for (unsigned i = 0; i < 32; i++)
		guest_get(DATA + 256 * i, got + 128 * i, 128);
	assert_memory_equal(got, disk + 16 * 512, sizeof(got));
	assert_int_equal(board.virtio[DISK].blk.claim.requests, 64);
}

/* 1 MiB in pages that lie apart is one request, of the host's too. */
static void one_request(void **state)
{
	enum { PAGES = 256, FIRST = 8 };
	uint8_t page[PAGE_SIZE], none = S_NONE;
	(void)state;

	assert_int_equal(go(BLK_IN, FIRST, 512), S_OK);
	start(DISK, 0, 512);
	guest_put(STATUS_AT(0), &none, 1);
	put_desc(DESC, 0, HEADER(0), 16, NEXT, 1);
	for (unsigned i = 0; i < PAGES; i++)
		put_desc(DESC, 1 + i, RAM + MIB(14) - 2 * PAGE_SIZE * i, PAGE_SIZE, NEXT | WRITE, 2 + i);
	put_desc(DESC, 1 + PAGES, STATUS_AT(0), 1, WRITE, 0);
	fake_blk.reads = 0;
	offer(512, 0, 0);
	(void)put(DISK, NOTIFY, 0);
	interrupt();
	assert_int_equal(status_of(0), S_OK);
	assert_int_equal(fake_blk.reads, 1);
	assert_int_equal(fake_blk.parts, PAGES);
	for (unsigned i = 0; i < PAGES; i++) {
		guest_get(RAM + MIB(14) - 2 * PAGE_SIZE * i, page, sizeof(page));
		assert_memory_equal(page, disk + 512 * FIRST + PAGE_SIZE * i, sizeof(page));
	}
}

#define LARGE MIB(24)

/* Drivers aren't told that there is a largest request, so there is none; the host gets 16 MiB at
 * once. */
static void large(void **state)
{
	uint8_t *got = malloc(LARGE / 3);
	(void)state;

	tear_down(NULL);
	virtio_board();
	board.uart.port.history = calloc(1, PORT_HISTORY);
	disk = calloc(1, LARGE);
	for (unsigned i = 0; i < LARGE; i += 512)
		disk[i] = (uint8_t)random_next(&seed);
	fake_blk_reset(disk, LARGE / 512);
	blk_init();
	assert_int_equal(attach(DISK, "a", 1), OK);
	board_reset(&board, vcpus, 1);
	begin(F_FLUSH);
	(void)request(0, BLK_IN, 0, 512);
	for (unsigned i = 1; i < 4; i++)
		put_desc(DESC, i, RAM + MIB(4), LARGE / 3, NEXT | WRITE, i + 1);
	put_desc(DESC, 4, STATUS_AT(0), 1, WRITE, 0);
	fake_blk.reads = 0;
	offer(SIZE, offered_n++, 0);
	(void)put(DISK, NOTIFY, 0);
	interrupt();
	assert_int_equal(status_of(0), S_OK);
	assert_int_equal(fake_blk.reads, 2);
	assert_int_equal(get32(USED + 4 + 8 + 4), LARGE + 1);
	guest_get(RAM + MIB(4), got, LARGE / 3);
	assert_memory_equal(got, disk + LARGE / 3 * 2, LARGE / 3);
	free(got);
}

/* --- with a balloon beside it --- */

#define BALLOON	      1
#define BALLOON_RINGS (RAM + MIB(1))
#define PFNS	      (BALLOON_RINGS + 0x3000)
#define GIVEN	      (RAM + MIB(4))

static void begin_balloon(void)
{
	virtio_balloon_attach(&board, BALLOON, &gs, RAM_BYTES);
	board_reset(&board, vcpus, 1);
	put(BALLOON, STATUS, ACKNOWLEDGE | DRIVER);
	accept(BALLOON, VIRTIO_F_VERSION_1);
	put(BALLOON, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	put(BALLOON, QUEUE_DESC, (uint32_t)BALLOON_RINGS);
	put(BALLOON, QUEUE_AVAIL, (uint32_t)BALLOON_RINGS + 0x1000);
	put(BALLOON, QUEUE_USED, (uint32_t)BALLOON_RINGS + 0x2000);
	put(BALLOON, QUEUE_READY, 1);
	put(BALLOON, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/* Put the 2 MiB at GIVEN into the balloon, by its first queue's @n-th chain. */
static void give_back(unsigned n)
{
	for (unsigned i = 0; i < MEGAPAGE / PAGE_SIZE; i++) {
		uint32_t pfn = (uint32_t)(GIVEN / PAGE_SIZE) + i;

		guest_put(PFNS + sizeof(pfn) * i, &pfn, sizeof(pfn));
	}
	put_desc(BALLOON_RINGS, 0, PFNS, MEGAPAGE / PAGE_SIZE * 4, 0, 0);
	put16(BALLOON_RINGS + 0x1002, (uint16_t)(n + 1));
	while (put(BALLOON, NOTIFY, 0) == MMIO_AGAIN)
		continue;
	assert_int_equal(board.virtio[BALLOON].balloon.inflated, (n + 1) * MEGAPAGE);
}

/* Whether the block at @at is among those that anybody could have now; *@zero: as zero. */
static bool is_free(hpa_t at, bool *zero)
{
	struct frame_pool other = { .owner = 3 };
	bool found = false, is_zero;
	hpa_t got;

	while (frame_alloc_block(&other, &got, &is_zero) == OK) {
		if (got.v == at.v) {
			found = true;
			*zero = is_zero;
		}
	}
	frame_free_all(&other);
	return found;
}

/* What the host's disk just reads or writes the guest may give back, and take again: nobody has it
 * before the disk is through. */
static void given_back_meanwhile(void **state)
{
	static const struct {
		enum blk_type type;
		bool device_gives_up;
	} rows[] = { { BLK_IN, false }, { BLK_OUT, false }, { BLK_IN, true } };
	uint8_t old[4096], new[4096], got[4096];
	(void)state;

	begin_balloon();
	begin(F_FLUSH);
	fake_blk.is_asleep = true;
	memset(new, 0x5a, sizeof(new));
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool zero = true;
		hpa_t block;

		memset(old, (int)(0x11 + i), sizeof(old));
		guest_put(GIVEN, old, sizeof(old));
		block = gstage_lookup(&gs, gpa(GIVEN)).to;
		assert_int_equal(request_at(i, rows[i].type, 8, GIVEN, sizeof(old)), MMIO_OK);
		give_back(i);
		assert_false(pte_is_valid(gstage_lookup(&gs, gpa(GIVEN)).pte));
		assert_false(is_free(block, &zero));
		guest_put(GIVEN, new, sizeof(new));
		assert_int_not_equal(gstage_lookup(&gs, gpa(GIVEN)).to.v, block.v);
		assert_false(is_free(block, &zero));
		if (rows[i].device_gives_up)
			assert_true(virtio_drain(&board, true));
		else
			assert_true(fake_blk_do(0));
		assert_false(!rows[i].device_gives_up && is_free(block, &zero));
		interrupt();
		assert_int_equal(status_of(i), rows[i].device_gives_up ? S_IOERR : S_OK);
		guest_get(GIVEN, got, sizeof(got));
		assert_memory_equal(got, new, sizeof(new));
		if (rows[i].type == BLK_OUT)
			assert_memory_equal(disk + 8 * 512, old, sizeof(old));
		assert_true(is_free(block, &zero));
		assert_false(zero);
	}
	assert_int_equal(gs.pins[0] + gs.pins[1] + gs.waits, 0);
}

static void owners(void **state)
{
	(void)state;
	assert_int_equal(attach(1, "b", 1), ERR_OVERLAP);
	assert_non_null(strstr(fake.text, "b: the host's disk host-0: VM a has it"));
	config.is_readonly = true;
	assert_int_equal(attach(1, "b", 1), ERR_OVERLAP);
	virtio_detach(&board);
	board.virtio[DISK].kind = NULL;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(attach(i, "b", 1), OK);
	assert_true(offered(2) & 1 << 5);
	config.is_readonly = false;
	assert_int_equal(attach(3, "b", 1), ERR_OVERLAP);
	virtio_detach(&board);
	config.host = "nowhere";
	assert_int_equal(attach(1, "b", 1), ERR_MISSING);
	config.host = "host-0";
	config.partition = "none";
	assert_int_equal(attach(1, "b", 1), ERR_MISSING);
	assert_non_null(strstr(fake.text, "partition none"));
}

static void without_memory(void **state)
{
	struct frame_pool other = { .owner = 3 };
	hpa_t at;
	bool zero;
	(void)state;

	virtio_detach(&board);
	while (frame_alloc_block(&other, &at, &zero) == OK)
		continue;
	while (frame_alloc(&disk_pool, &at) == OK)
		continue;
	assert_int_equal(attach(1, "b", 1), ERR_NOMEM);
	frame_free_all(&disk_pool); /* as who asked for it does */
	frame_free_all(&other);
	assert_int_equal(attach(1, "b", 1), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_and_writes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(clears, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(write_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(endless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reset_in_the_middle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(drained, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(given_back_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
