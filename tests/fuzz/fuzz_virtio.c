/*
 * Any driver at all: register accesses and stores to the guest's memory, in any order. What may not
 * come of it: a crash, a notification that never ends, a line that doesn't say what InterruptStatus
 * says, a byte of the disk's file changed, a byte outside the guest's memory touched.
 *
 * An input is a list of steps of 8 bytes: what, where, and with what.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/dev/board.h"
#include "hyp/drv/host.h"
#include "hyp/lib/random.h"
#include "hyp/mm/phys.h"
#include "hyp/vcpu/irq.h"
#include "tests/fake/fake.h"

#define HOST_RAM   UINT64_C(0x40000000)
#define HOST_BYTES MIB(12)
#define FILE_AT	   HOST_RAM
#define FILE_BYTES MIB(2)
#define RAM	   UINT64_C(0x80000000)
#define RAM_BYTES  MIB(2)
#define SECTORS	   77
#define TABLES_MAX 8	/* frames of the G-stage's */
#define AGAIN_MAX  4096 /* a ring of the most expensive requests takes fewer */

enum { DESC = 0, AVAIL = 0x1000, USED = 0x2000, TABLE = 0x3000, DATA = 0x4000, BYTES = 0x8000 };
enum { DISK = 0, READONLY = 1, BALLOON = 2, RNG = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct step {
	uint8_t what, slot;
	uint16_t at;
	uint32_t value;
};

static struct board board;
static struct vcpu vcpu;
static struct vcpu *const vcpus[] = { &vcpu };
static struct gstage gs;
static struct frame_pool guest_pool, disk_pool;
static unsigned pin;
static bool pin_held;

void irq_set_external(struct vcpu *v, bool high)
{
	(void)v;
	(void)high;
}

static const uint8_t slots[] = { DISK, READONLY, RNG, DISK, BALLOON, 3, BALLOON, READONLY };

static enum mmio_result store(unsigned slot, unsigned at, unsigned width, uint64_t value)
{
	struct mmio m = {
		.offset = slot * 0x1000 + at, .width = width, .is_store = true, .value = value
	};

	return board_access(&board, &board_devices[BOARD_VIRTIO], &m);
}

static void load(unsigned slot, unsigned at, unsigned width)
{
	struct mmio m = { .offset = slot * 0x1000 + at, .width = width };

	(void)board_access(&board, &board_devices[BOARD_VIRTIO], &m);
}

static void put(uint64_t at, const void *from, uint64_t bytes)
{
	if (gstage_write(&gs, gpa(RAM + at), from, bytes))
		abort();
}

/* Of the balloon's queues one, the others have one. */
static unsigned queue_of(unsigned slot, uint32_t value)
{
	return slot == BALLOON ? (value >> 20) % 5 : 0;
}

/* As a good driver would, up to DRIVER_OK: most of an input would be needed to find that. */
static void start(unsigned slot, uint32_t value)
{
	const uint32_t at[][2] = {
		{ 0x70, 0 },
		{ 0x70, 3 },
		{ 0x24, 0 },
		{ 0x20, value & (slot == BALLOON ? 0x30000026 : 0x30000000) },
		{ 0x24, 1 },
		{ 0x20, 1 | (value & 0x100) },
		{ 0x70, 11 },
		{ 0x30, queue_of(slot, value) },
		{ 0x38, 1u << value % 8 },
		{ 0x80, (uint32_t)RAM + DESC },
		{ 0x84, 0 },
		{ 0x90, (uint32_t)RAM + AVAIL },
		{ 0x94, 0 },
		{ 0xa0, (uint32_t)RAM + USED },
		{ 0xa4, 0 },
		{ 0x28, 0x1000 },
		{ 0x40, (uint32_t)(RAM >> 12) },
		{ 0x44, 1 },
		{ 0x70, 15 },
	};

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		(void)store(slot, at[i][0], 4, at[i][1]);
}

static void notify(unsigned slot, uint32_t queue)
{
	unsigned n = 0;

	while (store(slot, 0x50, 4, queue) == MMIO_AGAIN)
		if (++n == AGAIN_MAX)
			abort();
}

/* A descriptor whose place, length and links are likely to mean something. */
static void put_desc(const struct step *s)
{
	struct {
		uint64_t at;
		uint32_t bytes;
		uint16_t flags, next;
	} d = { RAM + s->value % BYTES, s->at % 1100, s->slot & 7, s->value >> 24 & 15 };

	if ((s->value & 0xf00000) == 0)
		d.at = RAM + RAM_BYTES - s->value % 64;
	if ((s->value & 0xf00000) == 0x100000)
		d.at = RAM + TABLE;
	put((s->value >> 28 & 1 ? TABLE : DESC) + 16 * (s->at >> 11 & 15), &d, sizeof(d));
}

static void put_header(const struct step *s)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} h = { s->slot & 15, 0, s->value % (SECTORS + 8) };

	put(s->at % BYTES & ~7u, &h, sizeof(h));
}

/* An entry and an index of the available ring, wherever the last set-up put it. */
static void offer(unsigned slot, const struct step *s)
{
	unsigned queue = queue_of(slot, s->value);
	const struct virtqueue *q = &board.virtio[slot].queue[queue];
	uint64_t avail = q->is_ready ? q->avail - RAM : AVAIL;
	uint16_t head = s->value & 15, n = (uint16_t)(q->popped + s->value / 16 % 4);

	put(avail + 4 + 2 * (q->popped % q->size), &head, 2);
	put(avail + 2, s->value >> 16 ? &n : (const uint16_t *)&s->at, 2);
	notify(slot, queue);
}

/* Pages by number, most of them the guest's. */
static void put_pages(const struct step *s)
{
	uint32_t pfn[8];

	for (unsigned i = 0; i < 8; i++)
		pfn[i] = (uint32_t)(RAM >> 12) + (s->value >> 4 * i & 15) * 35;
	pfn[s->slot % 8] = s->value;
	put(s->at % BYTES & ~7u, pfn, sizeof(pfn));
}

/* What the operator does meanwhile; and somebody holds a pointer to a page, for as long as it takes. */
static void look(const struct step *s)
{
	struct virtio_device *d = &board.virtio[BALLOON];
	struct virtio_counter counters[VIRTIO_COUNTERS_MAX];

	if (pin_held)
		gstage_unpin(&gs, pin);
	else
		pin = gstage_pin(&gs);
	pin_held = !pin_held;
	(void)virtio_balloon_set_target(&board, s->value);
	if (d->kind->counters(d, counters) > VIRTIO_COUNTERS_MAX)
		abort();
}

static void take(const struct step *s)
{
	unsigned slot = slots[s->slot % 8];

	switch (s->what % 12) {
	case 0:
		(void)store(slot, s->at % 0x1000 & ~3u, 4, s->value);
		break;
	case 1:
		load(slot, s->at % 0x1000 & ~7u, 1u << s->value % 4);
		break;
	case 2:
		start(slot, s->value);
		break;
	case 3:
		notify(slot, s->value % 6);
		break;
	case 4:
		put(s->at % BYTES, &s->value, 4);
		break;
	case 5:
		put_desc(s);
		break;
	case 6:
		put_header(s);
		break;
	case 7:
		offer(slot, s);
		break;
	case 8:
		(void)store(slot, s->at % 0x1000 & ~7u, 8, s->value * UINT64_C(0x100000001));
		break;
	case 9:
		put_pages(s);
		break;
	case 10:
		look(s);
		break;
	default:
		if (s->value % 64 == 0)
			board_reset(&board, vcpus, 1);
	}
}

static void check(void)
{
	const uint64_t *file = phys_pointer(hpa(FILE_AT));

	for (unsigned slot = 0; slot < VIRTIO_SLOTS; slot++) {
		bool high = board.plic.level[0] >> (1 + slot) & 1;

		if (high != (board.virtio[slot].interrupts != 0))
			abort();
	}
	if (pin_held)
		gstage_unpin(&gs, pin);
	if (gs.waits || gs.pins[0] || gs.pins[1] ||
	    guest_pool.frames > RAM_BYTES / PAGE_SIZE + TABLES_MAX)
		abort();
	for (unsigned i = 0; i < (SECTORS + 8) * 64; i++)
		if (file[i] != i * UINT64_C(0x9e3779b97f4a7c15))
			abort();
}

static void set_up(bool legacy)
{
	static const struct frame_range reserved = { FILE_AT, FILE_BYTES };
	static uint8_t history[PORT_HISTORY];
	struct virtio_disk disk = { .at = hpa(FILE_AT), .bytes = SECTORS * 512, .serial = "fuzz" };
	uint64_t *file;

	fake_reset();
	fake_ram(HOST_RAM, HOST_BYTES);
	if (frame_add_ram((struct frame_range){ HOST_RAM, HOST_BYTES }, &reserved, 1, true))
		abort();
	file = phys_pointer(hpa(FILE_AT));
	for (unsigned i = 0; i < (SECTORS + 8) * 64; i++)
		file[i] = i * UINT64_C(0x9e3779b97f4a7c15);
	memset(&host, 0, sizeof(host));
	host.harts = 1;
	memset(&board, 0, sizeof(board));
	guest_pool = (struct frame_pool){ .owner = 1 };
	disk_pool = (struct frame_pool){ .owner = 2 };
	if (gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &guest_pool, gpa(RAM), RAM_BYTES))
		abort();
	board.virtio_is_legacy = legacy;
	virtio_blk_attach(&board, DISK, &gs, &disk, &disk_pool);
	disk.is_readonly = true;
	virtio_blk_attach(&board, READONLY, &gs, &disk, &disk_pool);
	virtio_balloon_attach(&board, BALLOON, &gs, RAM_BYTES);
	virtio_rng_attach(&board, RNG, &gs);
	pin_held = false;
	board.uart.port.history = history;
	board_reset(&board, vcpus, 1);
	random_seed("s", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct step s;

	/* The byte behind the steps says which version. */
	set_up(bytes % sizeof(s) && data[bytes - 1] & 1);
	for (size_t at = 0; at + sizeof(s) <= bytes && at < 200 * sizeof(s); at += sizeof(s)) {
		memcpy(&s, data + at, sizeof(s));
		take(&s);
	}
	check();
	return 0;
}
