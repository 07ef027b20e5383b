/*
 * The fake disk. See blk.h. Invariant: it reads the rings as the specification has them, and what
 * breaks a rule there fails the test.
 */
#include "tests/fake/blk.h"

#include <stdlib.h>
#include <string.h>

#include "hyp/arch/csr.h"
#include "hyp/drv/blk.h"
#include "hyp/drv/host.h"
#include "hyp/drv/virtio_abi.h"
#include "hyp/mm/phys.h"
#include "tests/fake/fake.h"

struct fake_blk fake_blk;

#define PARTS_MAX 256

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void *at(uint64_t hpa_at)
{
	return phys_pointer(hpa(hpa_at));
}

static uint16_t *avail(void)
{
	return at(fake_blk.area[1]);
}

static uint16_t *used(void)
{
	return at(fake_blk.area[2]);
}

void fake_blk_say_used(uint32_t id, uint32_t bytes)
{
	uint32_t *entry = (uint32_t *)(used() + 2) + 2 * (fake_blk.used % fake_blk.num);

	entry[0] = id;
	entry[1] = bytes;
	used()[1] = ++fake_blk.used;
	fake_blk.irq |= 1;
}

/* What has come since it was last looked at. */
static void look(void)
{
	while (fake_blk.seen != avail()[1]) {
		must(fake_blk.waiting < FAKE_BLK_MAX);
		fake_blk.head[fake_blk.waiting++] = avail()[2 + fake_blk.seen++ % fake_blk.num];
	}
}

static uint8_t move(bool is_write, uint64_t sector, const struct virtio_desc *part, unsigned n)
{
	uint64_t where = sector * 512, end = fake_blk.sectors * 512;

	for (unsigned i = 0; i < n; i++) {
		must(!(part[i].flags & VIRTIO_DESC_WRITE) == is_write);
		if (where + part[i].bytes > end)
			return 1;
		if (is_write)
			memcpy(fake_blk.disk + where, at(part[i].at), part[i].bytes);
		else
			memcpy(at(part[i].at), fake_blk.disk + where, part[i].bytes);
		where += part[i].bytes;
	}
	must((where - sector * 512) % fake_blk.blk_size == 0);
	return 0;
}

static uint8_t clear(const struct virtio_desc *part, unsigned n, bool zeroes)
{
	struct blk_range r;

	must(n == 1 && part->bytes == sizeof(r));
	memcpy(&r, at(part->at), sizeof(r));
	if (r.sector + r.sectors > fake_blk.sectors || (!zeroes && r.flags))
		return 1;
	if (zeroes)
		memset(fake_blk.disk + r.sector * 512, 0, r.sectors * UINT64_C(512));
	return 0;
}

static uint8_t carry_out(const uint32_t *header, const struct virtio_desc *part, unsigned n)
{
	uint64_t sector;

	memcpy(&sector, header + 2, sizeof(sector));
	fake_blk.parts = n;
	switch (*header) {
	case BLK_IN:
		fake_blk.reads++;
		return move(false, sector, part, n);
	case BLK_OUT:
		fake_blk.writes++;
		fake_blk.since_flush++;
		return move(true, sector, part, n);
	case BLK_FLUSH:
		fake_blk.flushes++;
		fake_blk.since_flush = 0;
		return 0;
	case BLK_GET_ID:
		must(n == 1 && part->bytes == 20);
		strncpy(at(part->at), fake_blk.serial, 20);
		return 0;
	case BLK_DISCARD:
		fake_blk.discards++;
		return clear(part, n, false);
	case BLK_WRITE_ZEROES:
		fake_blk.zeroes++;
		return clear(part, n, true);
	default:
		return 2;
	}
}

static void do_head(uint16_t head)
{
	const struct virtio_desc *d = (struct virtio_desc *)at(fake_blk.area[0]) + head;
	struct virtio_desc *part = at(d->at);
	unsigned n = d->bytes / 16;

	must(head < fake_blk.num && d->flags == VIRTIO_DESC_INDIRECT && n >= 2 && n <= fake_blk.num);
	must(n - 2 <= fake_blk.seg_max && d->bytes % 16 == 0);
	for (unsigned i = 0; i + 1 < n; i++)
		must((part[i].flags & VIRTIO_DESC_NEXT) && part[i].next == i + 1);
	must(!(part[n - 1].flags & VIRTIO_DESC_NEXT) && part[n - 1].bytes == 1);
	must(part[0].bytes == 16 && !(part[0].flags & VIRTIO_DESC_WRITE));
	*(uint8_t *)at(part[n - 1].at) = carry_out(at(part[0].at), part + 1, n - 2);
	fake_blk_say_used(head, 1);
}

bool fake_blk_do(unsigned n)
{
	uint16_t head;

	if (n >= fake_blk.waiting)
		return false;
	head = fake_blk.head[n];
	memmove(&fake_blk.head[n], &fake_blk.head[n + 1],
		(--fake_blk.waiting - n) * sizeof(fake_blk.head[0]));
	do_head(head);
	return true;
}

void fake_blk_do_all(void)
{
	while (fake_blk_do(0))
		continue;
}

static uint32_t read_config(uint64_t where)
{
	const uint32_t config[16] = {
		[0] = (uint32_t)fake_blk.sectors, [1] = (uint32_t)(fake_blk.sectors >> 32),
		[3] = fake_blk.seg_max,		  [5] = fake_blk.blk_size,
		[9] = 1 << 20,			  [10] = 1,
		[11] = 8,			  [12] = 1 << 20,
		[13] = 1,
	};

	return where / 4 < 16 ? config[where / 4] : 0;
}

static uint32_t read(uint64_t reg)
{
	switch (reg) {
	case VIRTIO_REG_MAGIC:
		return VIRTIO_MAGIC;
	case VIRTIO_REG_VERSION:
		return 2;
	case VIRTIO_REG_DEVICE_ID:
		return 2;
	case VIRTIO_REG_DEVICE_FEATURES:
		return (uint32_t)(fake_blk.features >> 32 * fake_blk.features_sel);
	case VIRTIO_REG_QUEUE_NUM_MAX:
		return fake_blk.queue_max;
	case VIRTIO_REG_QUEUE_READY:
		return fake_blk.ready;
	case VIRTIO_REG_INTERRUPT_STATUS:
		return fake_blk.irq;
	case VIRTIO_REG_STATUS:
		return fake_blk.status;
	default:
		return reg >= VIRTIO_REG_CONFIG ? read_config(reg - VIRTIO_REG_CONFIG) : 0;
	}
}

static void forget(void)
{
	fake_blk.ready = fake_blk.irq = fake_blk.waiting = 0;
	fake_blk.accepted = 0;
	fake_blk.seen = fake_blk.used = 0;
	fake_blk.resets++;
}

static void write(uint64_t reg, uint32_t value)
{
	switch (reg) {
	case VIRTIO_REG_DEVICE_FEATURES_SEL:
		fake_blk.features_sel = value & 1;
		break;
	case VIRTIO_REG_DRIVER_FEATURES_SEL:
		fake_blk.accepted_sel = value & 1;
		break;
	case VIRTIO_REG_DRIVER_FEATURES:
		fake_blk.accepted |= (uint64_t)value << 32 * fake_blk.accepted_sel;
		must(!(fake_blk.accepted & ~fake_blk.features));
		break;
	case VIRTIO_REG_QUEUE_NUM:
		fake_blk.num = value;
		break;
	case VIRTIO_REG_QUEUE_READY:
		fake_blk.ready = value;
		break;
	case VIRTIO_REG_QUEUE_NOTIFY:
		must(value == 0 && fake_blk.ready && (fake_blk.status & 4));
		fake_blk.notified++;
		look();
		if (!fake_blk.is_asleep)
			fake_blk_do_all();
		break;
	case VIRTIO_REG_INTERRUPT_ACK:
		fake_blk.irq &= ~value;
		break;
	case VIRTIO_REG_STATUS:
		fake_blk.status = value;
		if (!value)
			forget();
		break;
	case VIRTIO_REG_QUEUE_DESC:
	case VIRTIO_REG_QUEUE_DRIVER:
	case VIRTIO_REG_QUEUE_DEVICE:
		fake_blk.area[(reg - VIRTIO_REG_QUEUE_DESC) / 16] = value;
		break;
	default:
		break;
	}
}

static bool io(uint64_t where, bool is_write, uint32_t *value)
{
	if (where - FAKE_BLK_REGS >= 0x1000)
		return false;
	if (is_write)
		write(where - FAKE_BLK_REGS, *value);
	else
		*value = read(where - FAKE_BLK_REGS);
	return true;
}

void fake_blk_reset(uint8_t *disk, uint64_t sectors)
{
	fake_blk = (struct fake_blk){ .disk = disk,
				      .sectors = sectors,
				      .features = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC |
						  VIRTIO_F_EVENT_IDX | 1 << 2 | 1 << 6 | 1 << 9 |
						  1 << 13 | 1 << 14,
				      .serial = "host-0",
				      .seg_max = 510,
				      .blk_size = 512,
				      .queue_max = 1024 };
	fake.io = io;
	host.virtio_n = 1;
	host.virtio[0].base = hpa(FAKE_BLK_REGS);
	host.virtio[0].irq = FAKE_BLK_IRQ;
	host.timebase = 10000000;
}
