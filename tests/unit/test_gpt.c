/*
 * hyp/drv/gpt.c: tables good and bad, by a reader that gives what is asked for.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "hyp/drv/gpt.h"

#define BLOCK  512
#define BLOCKS 2048
#define FIRST  34
#define LAST   (BLOCKS - 34)

static uint8_t disk[BLOCKS * BLOCK];
static struct gpt gpt;
static uint64_t seed;

/* Polynomial division, bit by bit from the other end than the reader's. */
static uint32_t crc_of(const uint8_t *data, uint64_t bytes)
{
	uint32_t crc = UINT32_MAX, out = 0;

	for (uint64_t i = 0; i < bytes * 8; i++) {
		uint32_t bit = data[i / 8] >> i % 8 & 1;

		crc = crc << 1 ^ (crc >> 31 ^ bit ? 0x04c11db7 : 0);
	}
	for (unsigned i = 0; i < 32; i++)
		out |= (~crc >> i & 1) << (31 - i);
	return out;
}

static void put(uint64_t at, unsigned bytes, uint64_t v)
{
	memcpy(disk + at, &v, bytes);
}

static void put_crcs(uint64_t header, uint64_t table)
{
	uint32_t bytes, entries, size;

	memcpy(&entries, disk + header * BLOCK + 80, 4);
	memcpy(&size, disk + header * BLOCK + 84, 4);
	memcpy(&bytes, disk + header * BLOCK + 12, 4);
	if (entries * (uint64_t)size <= 1 << 17)
		put(header * BLOCK + 88, 4, crc_of(disk + table * BLOCK, entries * size));
	put(header * BLOCK + 16, 4, 0);
	if (bytes <= BLOCK)
		put(header * BLOCK + 16, 4, crc_of(disk + header * BLOCK, bytes));
}

static void put_entry(uint64_t table, unsigned i, const char *label, uint64_t first, uint64_t last)
{
	uint64_t at = table * BLOCK + 128 * i;

	disk[at] = 1;
	put(at + 32, 8, first);
	put(at + 40, 8, last);
	for (unsigned k = 0; label[k]; k++)
		put(at + 56 + 2 * k, 2, (uint8_t)label[k]);
}

static void put_header(uint64_t header, uint64_t table)
{
	uint64_t at = header * BLOCK;

	memcpy(disk + at, "EFI PART", 8);
	put(at + 12, 4, 92);
	put(at + 24, 8, header);
	put(at + 40, 8, FIRST);
	put(at + 48, 8, LAST);
	put(at + 72, 8, table);
	put(at + 80, 4, 128);
	put(at + 84, 4, 128);
	put_entry(table, 0, "root", 40, 99);
	put_entry(table, 5, "home of 36 characters, which is most", 100, LAST);
	put_entry(table, 127, "twice", 40, 40);
	put_entry(table, 126, "twice", 41, 41);
	put_crcs(header, table);
}

static int set_up(void **state)
{
	(void)state;
	memset(disk, 0, sizeof(disk));
	put_header(1, 2);
	put_header(BLOCKS - 1, BLOCKS - 33);
	return 0;
}

static void read_table(void)
{
	struct gpt_read r = gpt_begin(&gpt, BLOCK, BLOCKS);

	for (unsigned n = 0; r.bytes; n++) {
		uint8_t *piece = malloc(r.bytes); /* so that a byte too far is noticed */

		assert_true(n < 100 && r.bytes <= GPT_PIECE_MAX && r.at % BLOCK == 0);
		assert_true(r.bytes % BLOCK == 0 && r.at + r.bytes <= sizeof(disk));
		memcpy(piece, disk + r.at, r.bytes);
		r = gpt_next(&gpt, piece);
		free(piece);
	}
}

static void good(void **state)
{
	struct gpt_partition p;
	(void)state;

	read_table();
	assert_int_equal(gpt.n, 4);
	assert_int_equal(gpt_find(&gpt, "root", &p), OK);
	assert_int_equal(p.first, 40);
	assert_int_equal(p.blocks, 60);
	assert_int_equal(gpt_find(&gpt, "home of 36 characters, which is most", &p), OK);
	assert_int_equal(p.blocks, LAST - 99);
	assert_int_equal(gpt_find(&gpt, "roo", &p), ERR_MISSING);
	assert_int_equal(gpt_find(&gpt, "", &p), ERR_MISSING);
	assert_int_equal(gpt_find(&gpt, "twice", &p), ERR_OVERLAP);
}

static void the_other_one(void **state)
{
	(void)state;
	disk[BLOCK + 30] ^= 1;
	read_table();
	assert_int_equal(gpt.n, 4);
	set_up(NULL);
	disk[2 * BLOCK + 56] ^= 1; /* an entry */
	read_table();
	assert_int_equal(gpt.n, 4);
	disk[(BLOCKS - 33) * BLOCK + 56] ^= 1;
	read_table();
	assert_int_equal(gpt.n, 0);
	memset(disk, 0, sizeof(disk));
	read_table();
	assert_int_equal(gpt.n, 0);
}

/* Right checksums, wrong words. */
static void lies(void **state)
{
	static const struct {
		unsigned at, bytes;
		uint64_t v;
	} rows[] = {
		{ 0, 1, 'e' },	     { 12, 4, 91 },	       { 12, 4, 513 },
		{ 12, 4, ~0u },	     { 24, 8, 2 },	       { 40, 8, LAST + 1 },
		{ 48, 8, BLOCKS },   { 48, 8, ~UINT64_C(0) },  { 72, 8, 1 },
		{ 72, 8, 0 },	     { 72, 8, BLOCKS - 31 },   { 72, 8, ~UINT64_C(0) },
		{ 80, 4, 0 },	     { 80, 4, 1025 },	       { 80, 4, ~0u },
		{ 84, 4, 64 },	     { 84, 4, 192 },	       { 84, 4, 1u << 31 },
	};
	(void)state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_up(NULL);
		memset(disk + (BLOCKS - 1) * BLOCK, 0, BLOCK);
		put(BLOCK + rows[i].at, rows[i].bytes, rows[i].v);
		put_crcs(1, 2);
		read_table();
		assert_int_equal(gpt.n, 0);
	}
}

static void bad_entries(void **state)
{
	(void)state;
	put_entry(2, 1, "before", FIRST - 1, 50);
	put_entry(2, 2, "behind", 50, LAST + 1);
	put_entry(2, 3, "backwards", 60, 50);
	put_entry(2, 4, "\xe9", 60, 70);
	put_entry(2, 6, "", 60, 70);
	put_entry(2, 7, "far", 60, ~UINT64_C(0));
	put_crcs(1, 2);
	read_table();
	assert_int_equal(gpt.n, 4);
	for (unsigned i = 0; i < 128; i++)
		put_entry(2, i, "many", 60, 70);
	put_crcs(1, 2);
	read_table();
	assert_int_equal(gpt.n, GPT_PARTITIONS_MAX);
}

static void small_disks(void **state)
{
	(void)state;
	for (uint64_t blocks = 0; blocks < 3; blocks++)
		assert_int_equal(gpt_begin(&gpt, BLOCK, blocks).bytes, 0);
}

/* Any bytes: what is listed lies on the disk. */
static void noise(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		set_up(NULL);
		for (unsigned k = 0; k < 4; k++)
			put(BLOCK + random_next(&seed) % 92, 1, random_next(&seed) % 256);
		for (unsigned k = 0; k < 8; k++)
			put(2 * BLOCK + random_next(&seed) % 1024, 8, random_next(&seed) % BLOCKS);
		put_crcs(1, 2);
		read_table();
		for (unsigned k = 0; k < gpt.n; k++)
			assert_true(gpt.partition[k].blocks &&
				    gpt.partition[k].first + gpt.partition[k].blocks <= BLOCKS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good, set_up),
		cmocka_unit_test_setup(the_other_one, set_up),
		cmocka_unit_test_setup(lies, set_up),
		cmocka_unit_test_setup(bad_entries, set_up),
		cmocka_unit_test_setup(small_disks, set_up),
		cmocka_unit_test_setup(noise, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
