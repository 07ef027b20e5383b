/*
 * Any driver at all: register accesses and stores to the guest's memory, in any order. What may not
 * come of it: a crash, a notification that never ends, a line that doesn't say what InterruptStatus
 * says, a byte of the disk's file changed, a byte outside the guest's memory touched, a request
 * that the host's disk was given still under way when all is drained, more sent to a serial port of
 * the host's than it takes, or, once everything there is open and idle and the guest has notified,
 * a chain that waits.
 *
 * One of the disks is the host's, which answers when and in what order the input says, and says
 * more than is so.
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
#include "tests/fake/blk.h"
#include "tests/fake/fake.h"

#define SERIAL_TAKES 64
#define SERIAL_OUT   SERIAL_TAKES
#include "tests/fake/serials.h"

#define HOST_RAM   UINT64_C(0x40000000)
#define HOST_BYTES MIB(12)
#define FILE_AT	   HOST_RAM
#define FILE_BYTES MIB(2)
#define RAM	   UINT64_C(0x80000000)
#define RAM_BYTES  MIB(2)
#define SECTORS	   77
#define TABLES_MAX 8	/* frames of the G-stage's */
#define AGAIN_MAX  4096 /* a ring of the most expensive requests takes fewer */

enum { DESC = 0, AVAIL = 0x2000, USED = 0x3000, TABLE = 0x5000, HEADER = 0x7ff0, BYTES = 0x8000 };
enum { DISK = 0, READONLY = 1, CONSOLE = 2, HOST = 3, BALLOON = 4, RNG = 7 };

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

static const uint8_t slots[] = { DISK, CONSOLE, RNG,	   HOST,    CONSOLE, 5,	     HOST, READONLY,
				 DISK, BALLOON, CONSOLE, BALLOON, HOST,	   BALLOON, HOST, CONSOLE };

/* --- the host's ends of consoles and ports --- */

static const char *const names[] = { "gnomon.port.fuzz/a", "gnomon.port.fuzz/b" };
static unsigned window_room, window_input;

void port_open(struct port *p)
{
	(void)p;
}

void port_close(struct port *p)
{
	(void)p;
}

bool port_put(struct port *p, uint8_t byte)
{
	p->history[p->said++ % PORT_HISTORY] = byte;
	return window_room == UINT32_MAX || (window_room && window_room--);
}

int port_get(struct port *p)
{
	return p == &board.console.window && window_input ? (int)window_input-- & 255 : -1;
}

/* The host does something. */
static void happen(const struct step *s)
{
	struct serial *serial = &serials[s->slot & 1];

	serial->event = true;
	if (s->value & 1) {
		serial->is_busy = false;
		serial->out_n = 0;
	}
	if (s->value & 2)
		serial->is_open = s->value >> 8 & 1;
	serial->was_closed |= !serial->is_open;
	if ((s->value & 4) && !serial_has_input(serial)) {
		serial->in_n = sizeof(serial->in);
		serial->in_at = serial->in_n - (s->value >> 16 & 31);
	}
	if (s->value & 8)
		window_room = s->at % 100;
	if (s->value & 16)
		window_input = s->at / 256;
	alarms = 0;
	virtio_console_turn(&board);
	if (s->value & 32)
		virtio_console_window_event(&board);
}

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

static void interrupt(void)
{
	for (unsigned n = 0; fake_blk.irq; n++) {
		virtio_blk_finish(blk_interrupt(FAKE_BLK_IRQ));
		if (n > 2 * FAKE_BLK_MAX)
			abort();
	}
}

/* What the host's disk does; .at: which of those that wait, .value: what it says. */
static void host_step(const struct step *s)
{
	if (s->value % 8)
		(void)fake_blk_do(s->at % 8);
	else if (fake_blk.ready)
		fake_blk_say_used(s->value / 8, s->at);
	if (s->value % 64 == 8) {
		fake_blk.irq |= 2;
		fake_blk.status |= 0x40;
	}
	if (s->slot & 1)
		interrupt();
}

/* A store that may have to wait for the host's disk. */
static void store_again(unsigned slot, unsigned at, uint64_t value)
{
	for (unsigned n = 0; store(slot, at, 4, value) == MMIO_AGAIN; n++) {
		(void)fake_blk_do(0);
		interrupt();
		if (n == AGAIN_MAX)
			abort();
	}
}

/* The others of a device with many: rings of their own, if they are small, for one table. */
static void start_queue(unsigned slot, uint32_t queue, uint32_t value)
{
	const uint32_t at[][2] = {
		{ 0x30, queue },
		{ 0x38, 1u << value % 8 },
		{ 0x80, (uint32_t)RAM + DESC },
		{ 0x90, (uint32_t)RAM + AVAIL + 0x100 * queue },
		{ 0xa0, (uint32_t)RAM + USED + 0x100 * queue },
		{ 0x40, (uint32_t)(RAM >> 12) + queue % 4 },
		{ 0x44, 1 },
	};

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		(void)store(slot, at[i][0], 4, at[i][1]);
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
		{ 0x20, value & (slot == BALLOON ? 0x30000026 : 0x30000a00) },
		{ 0x24, 1 },
		{ 0x20, 1 | (value & 0x100) },
		{ 0x70, 11 },
		{ 0x30, queue_of(slot, value) },
		{ 0x38, 1u << value % 10 },
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
		store_again(slot, at[i][0], at[i][1]);
	for (uint32_t queue = 1; slot == CONSOLE && queue < 12; queue++)
		start_queue(slot, queue, value);
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
	} d = { RAM + s->value % BYTES, s->at % 1100u, s->slot & 7, s->value >> 24 & 15 };

	if ((s->value & 0xf00000) == 0)
		d.at = RAM + RAM_BYTES - s->value % 64;
	if ((s->value & 0xf00000) == 0x100000)
		d.at = RAM + TABLE;
	put((s->value >> 28 & 1 ? TABLE : DESC) + 16 * (s->at >> 11 & 15u), &d, sizeof(d));
}

/* A request of the disk's that is as long as a chain can be, or nearly; in a table of its own or not. */
static void put_long(const struct step *s)
{
	static const unsigned lengths[] = { 2, 3, 6, 7, 321, 322, 323, 511, 512, 513 };
	unsigned n = lengths[s->value % 10], flags = s->at & 1 ? 1 : 3, part = s->at >> 1 & 512;
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} h = { s->at & 1, 0, s->value >> 8 & 3 };
	struct desc {
		uint64_t at;
		uint32_t bytes;
		uint16_t flags, next;
	} d[513], table = { RAM + TABLE, 16 * n, 4, 0 };

	put(HEADER, &h, sizeof(h));
	d[0] = (struct desc){ RAM + HEADER, 16, 1, 1 };
	for (unsigned i = 1; i < n; i++)
		d[i] = (struct desc){ RAM + MIB(1) + 1024 * i, i < 76 ? part : i & s->at >> 2 & 1,
				      (uint16_t)flags, (uint16_t)(i + 1) };
	d[n - 1].flags = 2;
	d[n - 1].bytes = s->value >> 16 & 1 ? 1 : 512;
	put(s->slot & 1 ? TABLE : DESC, d, 16 * n);
	if (s->slot & 1)
		put(DESC, &table, sizeof(table));
}

static void put_header(const struct step *s)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} h = { s->slot & 15, 0, s->value % (SECTORS + 8) };

	put(s->at % BYTES & ~7u, &h, sizeof(h));
}

/* A message to the console's device. */
static void put_message(const struct step *s)
{
	const struct {
		uint32_t port;
		uint16_t event, value;
	} m = { s->value % 6, s->value >> 8 & 7, s->value >> 16 & 1 };

	put(s->at % BYTES & ~7u, &m, sizeof(m));
}

/* An entry and an index of the available ring, wherever the last set-up put it. */
static void offer(unsigned slot, const struct step *s)
{
	unsigned queue = slot == CONSOLE ? s->slot / 16 % 12 : queue_of(slot, s->value);
	const struct virtqueue *q = &board.virtio[slot].queue[queue];
	uint64_t avail = q->is_ready ? q->avail - RAM : AVAIL;
	uint16_t head = s->value & 15, n = (uint16_t)(q->popped + s->value / 16 % 4);

	put(avail + 4 + 2 * (q->size ? (uint64_t)q->popped % q->size : 0), &head, 2);
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
	struct virtio_device *d = &board.virtio[slots[s->slot % sizeof(slots)]];
	struct virtio_counter counters[VIRTIO_COUNTERS_MAX];

	if (pin_held)
		gstage_unpin(&gs, pin);
	else
		pin = gstage_pin(&gs);
	pin_held = !pin_held;
	(void)virtio_balloon_set_target(&board, s->value);
	if (d->kind && d->kind->counters && d->kind->counters(d, counters) > VIRTIO_COUNTERS_MAX)
		abort();
}

static void take(const struct step *s)
{
	unsigned slot = slots[s->slot % sizeof(slots)];

	switch (s->what % 16) {
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
		notify(slot, s->value % 13);
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
		host_step(s);
		break;
	case 10:
		happen(s);
		break;
	case 11:
		put_message(s);
		break;
	case 12:
		put_pages(s);
		break;
	case 13:
		look(s);
		break;
	case 14:
		put_long(s);
		break;
	default:
		if (s->value % 64 == 0 && virtio_drain(&board, s->value & 64))
			board_reset(&board, vcpus, 1);
	}
}

/* With all ends open and idle the guest's output doesn't wait, however it came to that. */
static void check_console(void)
{
	struct virtio_device *d = &board.virtio[CONSOLE];
	unsigned n = 0;

	window_room = UINT32_MAX;
	do {
		if (++n > AGAIN_MAX)
			abort();
		for (unsigned i = 0; i < 2; i++)
			serials[i] = (struct serial){ .name = names[i], .is_open = true,
						      .event = true };
		alarms = 0;
		virtio_console_turn(&board);
	} while (alarms || serials[0].is_busy || serials[1].is_busy);
	for (unsigned queue = 1; queue < 12; queue += 2) {
		struct virtqueue *q = &d->queue[queue];

		if (queue == 3)
			continue;
		if (virtio_is_live(d) && q->is_ready && !q->is_broken && q->popped != q->seen)
			abort();
	}
}

static void check(void)
{
	const uint64_t *file = phys_pointer(hpa(FILE_AT));

	if (!virtio_drain(&board, true) || virtio_under_way(&board.virtio[HOST]))
		abort();
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

static void attach_console(void)
{
	static uint8_t history[PORT_HISTORY];
	static const char *const named[] = { "a", "b", "none" };
	const struct virtio_console_plan plan = {
		.vm = "fuzz", .owner = &board, .history = history, .named = named, .named_n = 3
	};

	for (unsigned i = 0; i < 2; i++)
		serials[i] = (struct serial){ .name = names[i] };
	window_room = window_input = 0;
	alarms = 0;
	generation++;
	virtio_console_attach(&board, CONSOLE, &gs, &plan);
}

static void set_up(bool legacy)
{
	static const struct frame_range reserved = { FILE_AT, FILE_BYTES };
	static uint8_t history[PORT_HISTORY], host_disk[SECTORS * 512];
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
	fake_blk_reset(host_disk, SECTORS);
	fake_blk.seg_max = 5;
	blk_init();
	fake_blk.is_asleep = true;
	disk = (struct virtio_disk){ .host = "host-0", .serial = "" };
	if (virtio_blk_attach_host(&board, HOST, &gs, &disk, &disk_pool, "fuzz", 2))
		abort();
	virtio_balloon_attach(&board, BALLOON, &gs, RAM_BYTES);
	virtio_rng_attach(&board, RNG, &gs);
	attach_console();
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
	check_console();
	check();
	return 0;
}
