/*
 * hyp/dev/virtio_blk.c: every request, good and bad, against a model of the disk; the layer's
 * memory.
 */
#include "tests/unit/virtio.h"

#include <stdlib.h>

#include "hyp/vcpu/irq.h"

#define SIZE	128
#define DISK	0
#define SECTORS (FILE_BYTES / 512 - 3) /* so that the last page is short */

#define HEADER	  BUFFERS
#define STATUS_AT (BUFFERS + 0x20)
#define DATA	  (BUFFERS + 0x1000)

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { S_OK, S_IOERR, S_UNSUPP };

static unsigned served; /* requests since the start */
static uint8_t *model;	/* what the disk should hold */
static uint64_t seed;

void irq_set_external(struct vcpu *v, bool high)
{
	(void)v;
	(void)high;
}

static void attach(bool readonly)
{
	struct virtio_disk disk = { .at = hpa(FILE_AT),
				    .bytes = SECTORS * 512,
				    .serial = "twenty characters ok",
				    .is_readonly = readonly };

	virtio_blk_attach(&board, DISK, &gs, &disk, &disk_pool);
	board_reset(&board, vcpus, 1);
	start(DISK, 0, SIZE);
	served = 0;
}

static int set_up(void **state)
{
	uint8_t *file;

	(void)state;
	virtio_board();
	board.uart.port.history = calloc(1, PORT_HISTORY);
	file = phys_pointer(hpa(FILE_AT));
	model = malloc(FILE_BYTES);
	seed = 5;
	for (unsigned i = 0; i < FILE_BYTES; i++)
		file[i] = model[i] = (uint8_t)random_next(&seed);
	attach(false);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(board.uart.port.history);
	free(model);
	return 0;
}

static void put_header(uint32_t type, uint64_t sector)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} h = { type, 0, sector };
	uint8_t junk = 0xee;

	guest_put(HEADER, &h, sizeof(h));
	guest_put(STATUS_AT, &junk, 1);
}

static unsigned used_bytes(void)
{
	return get32(USED + 8 + 8 * ((served - 1) % SIZE));
}

/* Offer what is chained from descriptor 0. Returns the status byte. */
static unsigned go(void)
{
	uint8_t status;

	offer(SIZE, served++, 0);
	while (put(DISK, NOTIFY, 0) == MMIO_AGAIN)
		continue;
	guest_get(STATUS_AT, &status, 1);
	return status;
}

/* A request with @bytes at DATA, @flags WRITE if the device writes them. */
static unsigned request(uint32_t type, uint64_t sector, uint32_t bytes, unsigned flags)
{
	put_header(type, sector);
	put_desc(DESC, 0, HEADER, 16, NEXT, 1);
	put_desc(DESC, 1, DATA, bytes, NEXT | flags, 2);
	put_desc(DESC, 2, STATUS_AT, 1, WRITE, 0);
	return go();
}

static unsigned clear_with(uint32_t flags, uint32_t type, uint64_t sector, uint32_t sectors)
{
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} range = { sector, sectors, flags };

	guest_put(DATA, &range, sizeof(range));
	return request(type, 0, sizeof(range), 0);
}

static unsigned clear(uint32_t type, uint64_t sector, uint32_t sectors)
{
	return clear_with(type == WRITE_ZEROES, type, sector, sectors);
}

static void check_read(uint64_t sector, uint32_t sectors)
{
	uint32_t bytes = sectors * 512;
	uint8_t *got = malloc(bytes + 1);

	assert_int_equal(request(IN, sector, bytes, WRITE), S_OK);
	assert_int_equal(used_bytes(), bytes + 1);
	guest_get(DATA, got, bytes);
	assert_memory_equal(got, model + sector * 512, bytes);
	free(got);
}

static void fill(uint64_t sector, uint32_t sectors)
{
	for (uint64_t i = sector * 512; i < (sector + sectors) * 512; i++)
		model[i] = (uint8_t)random_next(&seed);
	guest_put(DATA, model + sector * 512, sectors * 512);
}

static void configuration(void **state)
{
	uint64_t features = offered(DISK);
	(void)state;

	assert_int_equal(get(DISK, DEVICE_ID), 2);
	assert_int_equal(get(DISK, CONFIG), SECTORS);
	assert_int_equal(get(DISK, CONFIG + 4), 0);
	assert_int_equal(get_wide(DISK, CONFIG, 8), SECTORS);
	assert_int_equal(get_wide(DISK, CONFIG + 20, 2), 512);
	assert_int_equal(get_wide(DISK, CONFIG + 21, 1), 2);
	assert_int_equal(get(DISK, CONFIG + 12), 320);
	assert_int_equal(get(DISK, CONFIG + 64), 0);
	assert_int_equal(put(DISK, CONFIG, 1), MMIO_OK);
	assert_int_equal(get(DISK, CONFIG), SECTORS);
	assert_true(features & 1 << 9);
	assert_true(features & 1 << 13);
	assert_false(features & 1 << 5);
	attach(true);
	features = offered(DISK);
	assert_true(features & 1 << 5);
	assert_false(features & 1 << 13);
}

static void reads_and_writes(void **state)
{
	(void)state;
	check_read(0, 1);
	check_read(SECTORS - 1, 1);
	check_read(5, 100);
	check_read(0, 2000);
	fill(3, 2);
	assert_int_equal(request(OUT, 3, 1024, 0), S_OK);
	assert_int_equal(used_bytes(), 1);
	check_read(0, 16);
	fill(7, 60);
	assert_int_equal(request(OUT, 7, 60 * 512, 0), S_OK);
	check_read(0, 100);
	fill(SECTORS - 5, 5);
	assert_int_equal(request(OUT, SECTORS - 5, 5 * 512, 0), S_OK);
	check_read(SECTORS - 30, 30);
	assert_int_equal(request(FLUSH, 0, 0, 0), S_OK);
	assert_int_equal(request(IN, 9, 0, WRITE), S_OK);
}

static void out_of_range(void **state)
{
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t bytes;
		unsigned status;
	} rows[] = {
		{ IN, SECTORS, 512, S_IOERR },
		{ IN, SECTORS - 1, 1024, S_IOERR },
		{ IN, UINT64_MAX, 512, S_IOERR },
		{ IN, UINT64_MAX / 512 + 1, 512, S_IOERR },
		{ IN, (UINT64_MAX >> 9) - 1, 2048, S_IOERR },
		{ IN, 0, 511, S_IOERR },
		{ OUT, SECTORS, 512, S_IOERR },
		{ OUT, UINT64_MAX / 512 + 1, 512, S_IOERR },
		{ OUT, 0, 513, S_IOERR },
		{ OUT, 0, MIB(12), S_IOERR },
		{ 2, 0, 512, S_UNSUPP },
		{ 99, 0, 512, S_UNSUPP },
	};
	(void)state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(request(rows[i].type, rows[i].sector, rows[i].bytes,
					 rows[i].type == IN ? WRITE : 0),
				 rows[i].status);
	assert_int_equal(disk_pool.frames, 0);
	check_read(0, 8);
}

static void who_it_is(void **state)
{
	char id[21] = { 0 };
	(void)state;

	assert_int_equal(request(GET_ID, 0, 20, WRITE), S_OK);
	assert_int_equal(used_bytes(), 21);
	guest_get(DATA, id, 20);
	assert_string_equal(id, "twenty characters ok");
	assert_int_equal(request(GET_ID, 0, 6, WRITE), S_OK);
	assert_int_equal(request(GET_ID, 0, 600, WRITE), S_OK);
	assert_int_equal(used_bytes(), 20);
}

static void readonly(void **state)
{
	(void)state;
	attach(true);
	guest_put(DATA, "scribble", 8);
	assert_int_equal(request(OUT, 0, 512, 0), S_IOERR);
	assert_int_equal(clear(DISCARD, 0, 8), S_IOERR);
	assert_int_equal(clear(WRITE_ZEROES, 0, 8), S_IOERR);
	assert_int_equal(disk_pool.frames, 0);
	check_read(0, 16);
}

static void cleared(void **state)
{
	(void)state;
	fill(0, 64);
	assert_int_equal(request(OUT, 0, 64 * 512, 0), S_OK);
	assert_int_equal(clear(WRITE_ZEROES, 3, 30), S_OK);
	memset(model + 3 * 512, 0, 30 * 512);
	check_read(0, 70);
	assert_int_equal(clear(WRITE_ZEROES, SECTORS - 7, 7), S_OK);
	memset(model + (SECTORS - 7) * 512, 0, 7 * 512);
	check_read(SECTORS - 16, 16);
	/* Of a discard only whole pages go. */
	assert_int_equal(clear(DISCARD, 39, 18), S_OK);
	memset(model + 40 * 512, 0, 16 * 512);
	check_read(0, 70);
	fill(41, 1);
	assert_int_equal(request(OUT, 41, 512, 0), S_OK);
	check_read(0, 70);
	assert_int_equal(clear_with(1, DISCARD, 39, 18), S_UNSUPP);
	assert_int_equal(clear_with(2, WRITE_ZEROES, 60, 4), S_UNSUPP);
	assert_int_equal(clear_with(0, WRITE_ZEROES, 40, 4), S_OK);
	assert_int_equal(clear(DISCARD, SECTORS - 1, 2), S_IOERR);
	assert_int_equal(clear(DISCARD, UINT64_MAX, 2), S_IOERR);
	assert_int_equal(clear(WRITE_ZEROES, 0, UINT32_MAX), S_IOERR);
	assert_int_equal(request(DISCARD, 0, 17, 0), S_IOERR);
	assert_int_equal(request(DISCARD, 0, 16 * 9, 0), S_IOERR);
}

/* Written pages take memory; discarded ones give it back. */
static void memory(void **state)
{
	uint64_t written;
	(void)state;

	check_read(0, 1000);
	assert_int_equal(disk_pool.frames, 0);
	fill(0, 512);
	assert_int_equal(request(OUT, 0, 512 * 512, 0), S_OK);
	written = disk_pool.frames;
	assert_in_range(written, 64, 64 + 3);
	assert_int_equal(request(OUT, 0, 512 * 512, 0), S_OK);
	assert_int_equal(disk_pool.frames, written);
	assert_int_equal(clear(DISCARD, 0, 512), S_OK);
	assert_int_equal(disk_pool.frames, written - 64);
	/* A reset of the guest loses nothing of a disk. */
	memset(model, 0, 512 * 512);
	fill(8, 1);
	assert_int_equal(request(OUT, 8, 512, 0), S_OK);
	board_reset(&board, vcpus, 1);
	start(DISK, 0, SIZE);
	served = 0;
	check_read(0, 600);
}

static void without_memory(void **state)
{
	struct frame_pool other = { .owner = 3 };
	hpa_t at;
	bool zero;
	(void)state;

	check_read(0, 8); /* now all that the guest needs is there */
	fill(0, 8);
	while (frame_alloc_block(&other, &at, &zero) == OK)
		continue;
	while (frame_alloc(&disk_pool, &at) == OK)
		continue;
	assert_int_equal(request(OUT, 0, 4096, 0), S_IOERR);
	assert_int_equal(clear(DISCARD, 0, 8), S_IOERR);
	assert_int_equal(get(DISK, STATUS), 15);
	frame_free_all(&other);
	guest_put(DATA, model, 4096);
	assert_int_equal(request(OUT, 0, 4096, 0), S_OK);
	check_read(0, 64);
}

/* Any framing: header, data and status in pieces, the status behind the data in one part. */
static void framing(void **state)
{
	uint8_t got[1025];
	(void)state;

	put_header(IN, 6);
	put_desc(DESC, 0, HEADER, 5, NEXT, 9);
	put_desc(DESC, 9, HEADER + 5, 11, NEXT, 4);
	put_desc(DESC, 4, DATA, 300, NEXT | WRITE, 5);
	put_desc(DESC, 5, DATA + 300, 725, WRITE, 0);
	(void)go();
	guest_get(DATA, got, sizeof(got));
	assert_memory_equal(got, model + 6 * 512, 1024);
	assert_int_equal(got[1024], S_OK);
	assert_int_equal(used_bytes(), 1025);
}

/* As many as the configuration says; one more is refused. */
static void segments(void **state)
{
	unsigned most = get(DISK, CONFIG + 12);
	(void)state;

	start(DISK, 0, 4 * SIZE);
	served = 0;
	put_header(IN, 0);
	put_desc(DESC, 0, HEADER, 16, NEXT, 1);
	for (unsigned i = 1; i <= most + 1; i++)
		put_desc(DESC, i, DATA + 512 * i, 512, NEXT | WRITE, i + 1);
	put_desc(DESC, most + 1, STATUS_AT, 1, WRITE, 0);
	assert_int_equal(go(), S_OK);
	assert_int_equal(used_bytes(), 512 * most + 1);
	put_desc(DESC, most + 1, DATA, 512, NEXT | WRITE, most + 2);
	put_desc(DESC, most + 2, STATUS_AT, 1, WRITE, 0);
	assert_int_equal(go(), S_IOERR);
}

static void expect_reset_needed(void)
{
	(void)go();
	assert_int_equal(get(DISK, STATUS), 15 | NEEDS_RESET);
	start(DISK, 0, SIZE);
	served = 0;
}

static void no_request_at_all(void **state)
{
	(void)state;
	put_header(IN, 0);
	put_desc(DESC, 0, HEADER, 16, 0, 0); /* no status */
	expect_reset_needed();
	put_desc(DESC, 0, HEADER, 15, NEXT, 1); /* no header */
	put_desc(DESC, 1, STATUS_AT, 1, WRITE, 0);
	expect_reset_needed();
	put_desc(DESC, 0, STATUS_AT, 1, WRITE, 0);
	expect_reset_needed();
	put_desc(DESC, 0, HEADER, 16, NEXT, 1);
	put_desc(DESC, 1, STATUS_AT, 0, WRITE, 0);
	expect_reset_needed();
	check_read(0, 1);
}

/* Random requests against the model. */
static void at_random(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t r = random_next(&seed);
		uint32_t sectors = (uint32_t)(1 + (r >> 8) % 40);
		uint64_t sector = (r >> 16) % (SECTORS - sectors), page;

		switch (r % 8) {
		case 0:
		case 1:
			fill(sector, sectors);
			assert_int_equal(request(OUT, sector, sectors * 512, 0), S_OK);
			break;
		case 2:
			assert_int_equal(clear(WRITE_ZEROES, sector, sectors), S_OK);
			memset(model + sector * 512, 0, sectors * 512);
			break;
		case 3:
			page = sector / 8 * 8;
			assert_int_equal(clear(DISCARD, page, 8), S_OK);
			memset(model + page * 512, 0, 4096);
			break;
		default:
			check_read(sector, sectors);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(configuration, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_and_writes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(out_of_range, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(readonly, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cleared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(framing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(segments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_request_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(at_random, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
