/*
 * A driver for tests of virtio devices: a guest's RAM, rings in it, and what stands there.
 *
 * Layout of the guest's RAM: descriptors, available ring and used ring of one queue, each in a page
 * of its own, an indirect table, then pages for buffers.
 */
#ifndef TESTS_UNIT_VIRTIO_H
#define TESTS_UNIT_VIRTIO_H

#include "tests/unit/unit.h"

#include <string.h>

#include "hyp/dev/board.h"
#include "hyp/drv/host.h"
#include "hyp/mm/phys.h"

#define HOST_RAM   UINT64_C(0x40000000)
#define HOST_BYTES MIB(64)
#define FILE_AT	   HOST_RAM /* bytes of a bundle */
#define FILE_BYTES MIB(2)
#define RAM	   UINT64_C(0x80000000)
#define RAM_BYTES  MIB(16)

#define DESC	 RAM
#define AVAIL	 (RAM + 0x2000)
#define USED	 (RAM + 0x3000)
#define INDIRECT (RAM + 0x5000)
#define BUFFERS	 (RAM + 0x10000)

enum { NEXT = 1, WRITE = 2, INDIRECT_FLAG = 4 };

static struct gstage gs;
static struct frame_pool guest_pool, disk_pool;

static inline void virtio_machine(void)
{
	static const struct frame_range file = { FILE_AT, FILE_BYTES };

	fake_reset();
	fake_ram(HOST_RAM, HOST_BYTES);
	assert_int_equal(
		frame_add_ram((struct frame_range){ HOST_RAM, HOST_BYTES }, &file, 1, true), OK);
	memset(&host, 0, sizeof(host));
	host.harts = 1;
	guest_pool = (struct frame_pool){ .owner = 1 };
	disk_pool = (struct frame_pool){ .owner = 2 };
	assert_int_equal(
		gstage_init(&gs, &gstage_modes[GSTAGE_SV39X4], &guest_pool, gpa(RAM), RAM_BYTES),
		OK);
}

static inline void guest_put(uint64_t at, const void *from, uint64_t bytes)
{
	assert_int_equal(gstage_write(&gs, gpa(at), from, bytes), OK);
}

static inline void guest_get(uint64_t at, void *to, uint64_t bytes)
{
	assert_int_equal(gstage_read(&gs, gpa(at), to, bytes), OK);
}

static inline void put16(uint64_t at, uint16_t v)
{
	guest_put(at, &v, sizeof(v));
}

static inline uint16_t get16(uint64_t at)
{
	uint16_t v;

	guest_get(at, &v, sizeof(v));
	return v;
}

static inline uint32_t get32(uint64_t at)
{
	uint32_t v;

	guest_get(at, &v, sizeof(v));
	return v;
}

/* Entry @i of the table of descriptors at @table. */
static inline void put_desc(uint64_t table, unsigned i, uint64_t at, uint32_t bytes, unsigned flags,
			    unsigned next)
{
	struct {
		uint64_t at;
		uint32_t bytes;
		uint16_t flags, next;
	} d = { at, bytes, (uint16_t)flags, (uint16_t)next };

	guest_put(table + 16 * i, &d, sizeof(d));
}

/* Offer the chain from @head as the @n-th ever, of a queue of @size. */
static inline void offer(unsigned size, unsigned n, unsigned head)
{
	put16(AVAIL + 4 + 2 * (n % size), (uint16_t)head);
	put16(AVAIL + 2, (uint16_t)(n + 1));
}

/* --- the board --- */

static struct board board;
static struct vcpu vcpu;
static struct vcpu *const vcpus[] = { &vcpu };

enum reg {
	DEVICE_ID = 8,
	FEATURES = 0x10,
	FEATURES_SEL = 0x14,
	ACCEPTED = 0x20,
	ACCEPTED_SEL = 0x24,
	QUEUE_SEL = 0x30,
	QUEUE_MAX = 0x34,
	QUEUE_SIZE = 0x38,
	QUEUE_READY = 0x44,
	NOTIFY = 0x50,
	INTERRUPT = 0x60,
	ACK = 0x64,
	STATUS = 0x70,
	QUEUE_DESC = 0x80,
	QUEUE_AVAIL = 0x90,
	QUEUE_USED = 0xa0,
	QUEUE_RESET = 0xc0,
	CONFIG = 0x100,
};

enum {
	ACKNOWLEDGE = 1,
	DRIVER = 2,
	DRIVER_OK = 4,
	FEATURES_OK = 8,
	NEEDS_RESET = 64,
	FAILED = 128
};

static inline enum mmio_result put_wide(unsigned slot, unsigned at, unsigned width, uint64_t v)
{
	struct mmio m = {
		.offset = slot * 0x1000 + at, .width = width, .is_store = true, .value = v
	};

	return board_access(&board, &board_devices[BOARD_VIRTIO], &m);
}

static inline enum mmio_result put(unsigned slot, unsigned at, uint32_t v)
{
	return put_wide(slot, at, 4, v);
}

static inline uint64_t get_wide(unsigned slot, unsigned at, unsigned width)
{
	struct mmio m = { .offset = slot * 0x1000 + at, .width = width, .value = ~UINT64_C(0) };

	assert_int_equal(board_access(&board, &board_devices[BOARD_VIRTIO], &m), MMIO_OK);
	return m.value;
}

static inline uint32_t get(unsigned slot, unsigned at)
{
	return (uint32_t)get_wide(slot, at, 4);
}

/* The board with nothing on it but what is attached after this; then board_reset(). */
static inline void virtio_board(void)
{
	virtio_machine();
	memset(&board, 0, sizeof(board));
	memset(&vcpu, 0, sizeof(vcpu));
}

static inline uint64_t offered(unsigned slot)
{
	uint64_t low;

	put(slot, FEATURES_SEL, 0);
	low = get(slot, FEATURES);
	put(slot, FEATURES_SEL, 1);
	return low | (uint64_t)get(slot, FEATURES) << 32;
}

static inline void accept(unsigned slot, uint64_t features)
{
	put(slot, ACCEPTED_SEL, 0);
	put(slot, ACCEPTED, (uint32_t)features);
	put(slot, ACCEPTED_SEL, 1);
	put(slot, ACCEPTED, (uint32_t)(features >> 32));
}

static inline void set_queue(unsigned slot, unsigned size)
{
	put(slot, QUEUE_SEL, 0);
	put(slot, QUEUE_SIZE, size);
	put(slot, QUEUE_DESC, (uint32_t)DESC);
	put(slot, QUEUE_DESC + 4, DESC >> 32);
	put(slot, QUEUE_AVAIL, (uint32_t)AVAIL);
	put(slot, QUEUE_AVAIL + 4, AVAIL >> 32);
	put(slot, QUEUE_USED, (uint32_t)USED);
	put(slot, QUEUE_USED + 4, USED >> 32);
	put(slot, QUEUE_READY, 1);
}

/* Everything a driver does until DRIVER_OK, with one queue of @size and @features. */
static inline void start(unsigned slot, uint64_t features, unsigned size)
{
	put(slot, STATUS, 0);
	put(slot, STATUS, ACKNOWLEDGE | DRIVER);
	accept(slot, features | VIRTIO_F_VERSION_1);
	put(slot, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	set_queue(slot, size);
	put16(AVAIL, 0);
	put16(AVAIL + 2, 0);
	put16(USED + 2, 0);
	put(slot, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

#endif
