/*
 * A disk and an entropy device behind virtio-mmio: what a good driver gets, and that a bad one,
 * with loops, jumps, addresses outside RAM and resets in the middle, harms nobody: after a reset
 * the device works as before.
 *
 * Run with a disk whose 64-bit word n is n * PATTERN, 64 KiB or more, serial "gnomon-test"; without
 * one all is skipped. Nothing here waits without a limit.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/hart.h"
#include "guests/lib/string.h"
#include "tests/guest/tap.h"
#include "tests/guest/vdrv.h"

#define PATTERN 0x9e3779b97f4a7c15ul
#define SERIAL	"gnomon-test"

#define MAGIC	   0x74726976
#define ID_BLOCK   2
#define ID_ENTROPY 4

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2, S_NONE = 0xee };

#define UNMAP 1 /* of a range's flags */

#define F_DISCARD      (1ul << 13)
#define F_WRITE_ZEROES (1ul << 14)

#define SIZE 64

/* Of the one queue that is used at a time. */
static struct {
	VDRV_RINGS(SIZE);
} rings;
static struct desc table[SIZE] __attribute__((aligned(4096)));

static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header[SIZE];
static volatile uint8_t status[SIZE];
static uint64_t data[SIZE][512] __attribute__((aligned(4096)));

static unsigned slot;
static uint64_t features; /* agreed on */
static uint32_t version;  /* of the transport */

static bool queue_is_ready(void)
{
	return vdrv_get(slot, version == 1 ? R_QUEUE_PFN : R_QUEUE_READY) != 0;
}

/* Reset the device and start it with @wanted, as far as it has that. */
static void start(uint64_t wanted)
{
	features = vdrv_begin(slot, wanted);
	vdrv_set_queue(slot, 0, &rings, SIZE);
	vdrv_go(slot);
}

static void offer(unsigned head)
{
	vdrv_offer(&rings, SIZE, head);
}

/* Notify and wait until all that was offered is used, or the device gives up. */
static bool settle(void)
{
	vdrv_set(slot, R_NOTIFY, 0);
	return vdrv_settle(slot, &rings, SIZE);
}

/* Make request @i of three descriptors, without offering it. */
static void prepare(unsigned i, uint32_t type, uint64_t sector, uint32_t bytes)
{
	unsigned flags = type == IN || type == GET_ID ? WRITE : 0;

	header[i].type = type;
	header[i].reserved = 0;
	header[i].sector = sector;
	status[i] = S_NONE;
	rings.desc[3 * i] = (struct desc){ (uint64_t)&header[i], 16, NEXT, (uint16_t)(3 * i + 1) };
	rings.desc[3 * i + 1] = (struct desc){ (uint64_t)data[i], bytes, (uint16_t)(NEXT | flags),
					       (uint16_t)(3 * i + 2) };
	rings.desc[3 * i + 2] = (struct desc){ (uint64_t)&status[i], 1, WRITE, 0 };
	if (!bytes)
		rings.desc[3 * i].next = (uint16_t)(3 * i + 2);
}

/* One request by itself. Returns its status. */
static unsigned request(uint32_t type, uint64_t sector, uint32_t bytes)
{
	prepare(0, type, sector, bytes);
	offer(0);
	return settle() ? status[0] : S_NONE;
}

/* How many words of @bytes of data[@i] are not the pattern's of @sector. */
static unsigned wrong_words(unsigned i, uint64_t sector, uint32_t bytes)
{
	unsigned wrong = 0;

	for (unsigned k = 0; k < bytes / 8; k++)
		wrong += data[i][k] != (sector * 64 + k) * PATTERN;
	return wrong;
}

/* It reads, as after the first start. */
static bool works(void)
{
	start(F_INDIRECT);
	mem_set(data, 0, sizeof(data[0]));
	return request(IN, 40, 1024) == S_OK && wrong_words(0, 40, 1024) == 0;
}

static void test_places(void)
{
	unsigned magic = 0, alike = 0;

	for (unsigned n = 0; n < VDRV_SLOTS; n++) {
		magic += vdrv_get(n, R_MAGIC) == MAGIC;
		alike += vdrv_get(n, R_VERSION) == version;
	}
	test_is(magic, VDRV_SLOTS, "eight places");
	test_is(alike, VDRV_SLOTS, "all of version %u", version);
	test_is(vdrv_get(slot, R_CONFIG + 4), 0, "capacity, high");
	test_ok(vdrv_get(slot, R_CONFIG) >= 128, "capacity, low");
	test_is(vdrv_offered(slot) >> 32 & 1, version == 2, "it offers VERSION_1, if it has that");
}

static void test_status(void)
{
	start(0);
	test_is(vdrv_get(slot, R_STATUS), version == 1 ? 7 : 15, "status after the start");
	test_ok(queue_is_ready(), "the queue is ready");
	vdrv_set(slot, R_STATUS, 0);
	test_is(vdrv_get(slot, R_STATUS), 0, "status after a reset");
	test_ok(!queue_is_ready(), "the queue isn't ready any more");
	test_is(vdrv_get(slot, R_INTERRUPT), 0, "no interrupt after a reset");
	vdrv_set(slot, R_QUEUE_SEL, 1000);
	test_is(vdrv_get(slot, R_QUEUE_MAX), 0, "no queue 1000");
	vdrv_set(slot, R_QUEUE_SEL, 0);
	test_ok(vdrv_get(slot, R_QUEUE_MAX) >= SIZE, "a queue of %u", SIZE);
}

/* Registers are true however often they are read; so they are in all that follows. */
static void test_often(void)
{
	uint32_t most, half[2];
	unsigned wrong = 0;

	start(0);
	most = vdrv_get(slot, R_QUEUE_MAX);
	for (unsigned i = 0; i < 2; i++) {
		vdrv_set(slot, R_FEATURES_SEL, i);
		half[i] = vdrv_get(slot, R_FEATURES);
	}
	for (unsigned n = 0; n < 1000; n++) {
		vdrv_set(slot, R_FEATURES_SEL, n & 1);
		wrong += vdrv_get(slot, R_FEATURES) != half[n & 1];
		vdrv_set(slot, R_QUEUE_SEL, n % 3 ? 1000 : 0);
		wrong += vdrv_get(slot, R_QUEUE_MAX) != (n % 3 ? 0 : most);
		vdrv_set(slot, R_STATUS, n & 1 ? ACKNOWLEDGE : 0);
		wrong += vdrv_get(slot, R_STATUS) != (n & 1);
	}
	test_is(wrong, 0, "registers that are read often");
	test_is(vdrv_get(slot, R_MAGIC), MAGIC, "the first one still");
	test_is(vdrv_get(slot, R_CONFIG + 4), 0, "the configuration, too");
}

static void test_requests(void)
{
	start(0);
	test_is(request(IN, 0, 4096), S_OK, "read");
	test_is(wrong_words(0, 0, 4096), 0, "read: the file's words");
	test_is(rings.used.entry[0].bytes, 4097, "read: how many bytes were written");
	test_is(request(IN, 127, 512), S_OK, "read a sector");
	test_is(wrong_words(0, 127, 512), 0, "read a sector: the file's words");
	for (uint64_t k = 0; k < 128; k++)
		data[0][k] = ~k;
	test_is(request(OUT, 3, 1024), S_OK, "write");
	test_is(request(IN, 2, 2048), S_OK, "read what was written");
	test_is(data[0][63], (2 * 64 + 63) * PATTERN, "the word before");
	test_is(data[0][64], ~0ul, "the first");
	test_is(data[0][191], ~127ul, "the last");
	test_is(data[0][192], 5 * 64 * PATTERN, "the word behind");
	test_is(request(FLUSH, 0, 0), S_OK, "flush");
	mem_set(data, 0, 32);
	test_is(request(GET_ID, 0, 20), S_OK, "who it is");
	test_ok(str_equal((const char *)data[0], SERIAL), "the serial number");
	test_is(request(IN, 1ul << 40, 512), S_IOERR, "read past the end");
	test_is(request(OUT, vdrv_get(slot, R_CONFIG), 512), S_IOERR, "write past the end");
	test_is(request(IN, ~0ul, 512), S_IOERR, "read of the last sector there could be");
	test_is(request(99, 0, 512), S_UNSUPP, "no request at all");
}

static void put_range(uint64_t sector, uint32_t sectors, uint32_t flags)
{
	data[0][0] = sector;
	data[0][1] = sectors | (uint64_t)flags << 32;
}

static void test_clearing(void)
{
	unsigned nonzero = 0;

	start(F_DISCARD | F_WRITE_ZEROES);
	if (!(features & F_WRITE_ZEROES)) {
		test_skip("no WRITE_ZEROES");
		return;
	}
	put_range(70, 20, UNMAP);
	test_is(request(WRITE_ZEROES, 0, 16), S_OK, "write zeroes");
	test_is(request(IN, 70, 4096), S_OK, "read them");
	for (unsigned k = 0; k < 512; k++)
		nonzero += data[0][k] != 0;
	test_is(nonzero, 0, "they are zeroes");
	test_is(request(IN, 69, 512), S_OK, "read the sector before");
	test_is(wrong_words(0, 69, 512), 0, "it is as it was");
	put_range(vdrv_get(slot, R_CONFIG), 8, 0);
	test_is(request(WRITE_ZEROES, 0, 16), S_IOERR, "write zeroes past the end");
	put_range(72, 8, 0);
	test_is(request(DISCARD, 0, 16), S_OK, "discard");
	put_range(72, 8, UNMAP);
	test_is(request(DISCARD, 0, 16), S_UNSUPP, "discard with a flag that isn't its");
	put_range(69, 1, 2);
	test_is(request(WRITE_ZEROES, 0, 16), S_UNSUPP, "write zeroes with a flag that nobody knows");
	test_is(request(IN, 69, 512), S_OK, "read that sector");
	test_is(wrong_words(0, 69, 512), 0, "it is as it was, too");
}

/* Many requests for one notification, each of an indirect table. */
static void test_many(void)
{
	unsigned wrong = 0;

	start(F_INDIRECT);
	for (unsigned i = 0; i < 16; i++) {
		prepare(i, IN, 8 + i, 512);
		offer(3 * i);
	}
	test_ok(settle(), "sixteen reads at once");
	for (unsigned i = 0; i < 16; i++)
		wrong += status[i] != S_OK || wrong_words(i, 8 + i, 512);
	test_is(wrong, 0, "sixteen reads: all right");
	start(F_INDIRECT);
	prepare(0, IN, 33, 512);
	for (unsigned i = 0; i < 3; i++)
		table[i] = rings.desc[i];
	rings.desc[0] = (struct desc){ (uint64_t)table, 48, INDIRECT, 0 };
	offer(0);
	test_ok(settle() && status[0] == S_OK && !wrong_words(0, 33, 512), "an indirect table");
}

#define CONTEXT	       (2ul * board.boot_hart + 1)
#define PLIC_ENABLE    (PLIC_BASE + 0x2000 + 0x80 * CONTEXT)
#define PLIC_CLAIM     (PLIC_BASE + 0x200004 + 0x1000 * CONTEXT)
#define PLIC_THRESHOLD (PLIC_BASE + 0x200000 + 0x1000 * CONTEXT)

/* InterruptStatus, once it says something: another hart may have put the buffer into the ring, and come
 * to the interrupt after that. */
static uint32_t interrupts(void)
{
	uint64_t end = csr_read(CSR_TIME) + board.timebase / 2;
	uint32_t why;

	do
		why = vdrv_get(slot, R_INTERRUPT);
	while (!why && csr_read(CSR_TIME) < end);
	return why;
}

static void test_interrupts(void)
{
	uint32_t source = 1 + slot;

	mmio_write32(PLIC_BASE + 4 * source, 1);
	mmio_write32(PLIC_THRESHOLD, 0);
	mmio_write32(PLIC_ENABLE, 1u << source);
	start(F_EVENT_IDX);
	(void)request(IN, 0, 512);
	test_is(interrupts(), 1, "a used buffer interrupts");
	test_is(mmio_read32(PLIC_CLAIM), source, "by the place's line");
	vdrv_set(slot, R_ACK, 1);
	test_is(vdrv_get(slot, R_INTERRUPT), 0, "acknowledged");
	mmio_write32(PLIC_CLAIM, source);
	test_is(mmio_read32(PLIC_CLAIM), 0, "completed, and none left");
	if (!(features & F_EVENT_IDX)) {
		test_skip("no EVENT_IDX");
	} else {
		rings.avail.used_event = 2; /* the third */
		(void)request(IN, 0, 512);
		test_is(vdrv_get(slot, R_INTERRUPT), 0, "EVENT_IDX: none for the second");
		(void)request(IN, 0, 512);
		test_is(interrupts(), 1, "EVENT_IDX: one for the third");
	}
	start(0);
	rings.avail.flags = 1;
	(void)request(IN, 0, 512);
	test_is(vdrv_get(slot, R_INTERRUPT), 0, "NO_INTERRUPT");
	mmio_write32(PLIC_ENABLE, 0);
}

/* Each makes a queue that no driver should, from a good request that stands at descriptor 0. */
static void loop(void)
{
	rings.desc[1].flags |= NEXT;
	rings.desc[1].next = 0;
}

static void loop_of_one(void)
{
	rings.desc[1].next = 1;
}

static void next_outside(void)
{
	rings.desc[0].next = SIZE;
}

static void next_far_outside(void)
{
	rings.desc[0].next = 0xffff;
}

static void head_outside(void)
{
	rings.avail.id[0] = SIZE;
}

static void index_jumps(void)
{
	rings.avail.n = (uint16_t)(rings.avail.n + SIZE + 5);
}

static void written_first(void)
{
	rings.desc[0].flags |= WRITE;
}

static void no_status(void)
{
	rings.desc[1].flags = WRITE;
}

static void no_header(void)
{
	rings.desc[0].bytes = 3;
}

static void nested_table(void)
{
	table[0] = (struct desc){ (uint64_t)table, 16, INDIRECT, 0 };
	rings.desc[0] = (struct desc){ (uint64_t)table, 16, INDIRECT, 0 };
}

static void odd_table(void)
{
	rings.desc[0] = (struct desc){ (uint64_t)table, 23, INDIRECT, 0 };
}

static void looping_table(void)
{
	for (unsigned i = 0; i < SIZE; i++)
		table[i] = (struct desc){ (uint64_t)data, 8, NEXT, (uint16_t)((i + 1) % SIZE) };
	rings.desc[0] = (struct desc){ (uint64_t)table, sizeof(table), INDIRECT, 0 };
}

static void outside_ram(void)
{
	rings.desc[1].at = board.ram_base + board.ram_bytes;
}

static void over_the_end(void)
{
	rings.desc[1].at = board.ram_base + board.ram_bytes - 512;
	rings.desc[1].bytes = 4096;
}

static void wrapping(void)
{
	rings.desc[1].at = ~0ul - 255;
	rings.desc[1].bytes = 512;
}

static void huge(void)
{
	rings.desc[1].bytes = 0xfffffe00;
}

static const struct {
	const char *name;
	void (*spoil)(void);
	bool qemu_does; /* QEMU carries it out, somehow */
} bad[] = {
	{ "a loop", loop, false },
	{ "a loop of one", loop_of_one, false },
	{ "next outside the table", next_outside, false },
	{ "next far outside", next_far_outside, false },
	{ "a head outside the table", head_outside, false },
	{ "an index that jumps", index_jumps, true },
	{ "to be written before to be read", written_first, false },
	{ "no status", no_status, false },
	{ "no header", no_header, false },
	{ "a table in a table", nested_table, false },
	{ "a table of one and a half", odd_table, false },
	{ "a table that loops", looping_table, false },
	{ "data outside RAM", outside_ram, true },
	{ "data over the end of RAM", over_the_end, true },
	{ "data that wraps", wrapping, true },
	{ "4 GiB of data", huge, false },
};

/* It fails, or nothing comes of it; and after a reset the device works. */
static void test_bad(void)
{
	for (unsigned i = 0; i < COUNT(bad); i++) {
		start(F_INDIRECT);
		prepare(0, IN, 0, 512);
		offer(0);
		bad[i].spoil();
		vdrv_barrier();
		(void)settle();
		if (!bad[i].qemu_does || !on_opensbi())
			test_ok(status[0] != S_OK, "%s: isn't done", bad[i].name);
		test_ok(works(), "%s: works after a reset", bad[i].name);
	}
}

/* Addresses of rings that aren't RAM. */
static void test_bad_rings(void)
{
	static const uint64_t at[] = { 0, 0x10000000, 0x70000000, ~0xffful, 1ul << 40 };

	for (unsigned i = 0; i < COUNT(at); i++) {
		start(0);
		vdrv_set(slot, version == 1 ? R_QUEUE_PFN : R_QUEUE_READY, 0);
		vdrv_set_address(slot, R_DESC, at[i]);
		vdrv_set_address(slot, R_USED, at[i]);
		if (version == 1)
			vdrv_set(slot, R_QUEUE_PFN, (uint32_t)(at[i] / 4096));
		else
			vdrv_set(slot, R_QUEUE_READY, 1);
		prepare(0, IN, 0, 512);
		offer(0);
		vdrv_set(slot, R_NOTIFY, 0);
		test_ok(works(), "rings at %lx: works after a reset", at[i]);
	}
}

static void test_reset_in_the_middle(void)
{
	for (unsigned k = 0; k < 50; k++) {
		start(F_INDIRECT);
		for (unsigned i = 0; i < 16; i++) {
			prepare(i, IN, 8 * i, 4096);
			offer(3 * i);
		}
		vdrv_set(slot, R_NOTIFY, 0);
	}
	test_ok(works(), "works after resets in the middle of requests");
}

static volatile bool stop;

/* On another hart: whatever comes to mind. */
static void meddle(uint64_t seed)
{
	static const uint16_t regs[] = { R_STATUS,    R_QUEUE_READY, R_QUEUE_SIZE, R_NOTIFY,
					 R_QUEUE_SEL, R_DESC,	     R_USED,	   R_ACK };

	while (!stop) {
		seed = seed * 6364136223846793005ul + 1442695040888963407ul;
		vdrv_set(slot, regs[seed >> 60 & 7], (uint32_t)(seed >> 32) & 7);
		rings.desc[seed >> 50 & 63].next = (uint16_t)(seed >> 20);
		rings.desc[seed >> 50 & 63].flags = (uint16_t)(seed >> 40 & 7);
	}
}

/* Every address that may stand in a ring here is of our own data. */
static void test_meddling(void)
{
	unsigned other = board.boot_hart == 0;

	if (on_opensbi() || !(board.harts >> other & 1)) {
		test_skip("one hart, or a QEMU, which aborts");
		return;
	}
	start(F_INDIRECT);
	hart_start(other, meddle, 3);
	for (unsigned k = 0; k < 2000; k++) {
		unsigned i = k % 16;

		if (i == 0)
			start(F_INDIRECT);
		prepare(i, IN, i, 512);
		offer(3 * i);
		vdrv_set(slot, R_NOTIFY, 0);
	}
	stop = true;
	hart_await(other, SBI_HSM_STOPPED);
	test_ok(works(), "works after another hart meddled with everything");
}

static void test_entropy(void)
{
	uint64_t first;

	slot = vdrv_find(0, ID_ENTROPY);
	if (slot == VDRV_SLOTS) {
		test_skip("no entropy device");
		return;
	}
	start(0);
	mem_set(data, 0, sizeof(data[0]));
	rings.desc[0] = (struct desc){ (uint64_t)data[0], 64, WRITE, 0 };
	offer(0);
	test_ok(settle(), "entropy: a buffer comes back");
	test_ok(rings.used.entry[0].bytes > 0 && rings.used.entry[0].bytes <= 64,
		"entropy: not empty");
	first = data[0][0];
	test_is(data[0][8], 0, "entropy: nothing behind the buffer");
	offer(0);
	test_ok(settle() && data[0][0] != first, "entropy: other bytes the next time");
	rings.desc[0].next = 0;
	rings.desc[0].flags = WRITE | NEXT;
	offer(0);
	(void)settle();
	start(0);
	rings.desc[0] = (struct desc){ (uint64_t)data[0], 8, WRITE, 0 };
	offer(0);
	test_ok(settle(), "entropy: works after a loop and a reset");
}

int main(void)
{
	slot = vdrv_find(0, ID_BLOCK);
	if (slot == VDRV_SLOTS) {
		test_skip("no disk");
		return test_done();
	}
	version = vdrv_get(slot, R_VERSION);
	test_places();
	test_status();
	test_often();
	test_requests();
	test_clearing();
	test_many();
	test_interrupts();
	test_bad();
	test_bad_rings();
	test_reset_in_the_middle();
	test_meddling();
	test_entropy();
	return test_done();
}
