/*
 * Registers, rings and the start of a device behind virtio-mmio.
 * Invariant: nothing here waits without a limit, whatever the device does.
 */
#include "tests/guest/vdrv.h"

#include <stddef.h>

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/string.h"

#define SLOT(n) (0x10001000ul + 0x1000ul * (n))
#define PAGE	4096
#define LARGEST 128

/* Of an available or a used ring, the part that doesn't depend on its size. */
struct ring {
	uint16_t flags, n, id[];
};

struct largest {
	VDRV_RINGS(LARGEST);
};
_Static_assert(offsetof(struct largest, used) == PAGE, "where used_ring() looks");

static volatile struct ring *avail_ring(void *rings, unsigned size)
{
	return (volatile struct ring *)((struct desc *)rings + size);
}

static volatile struct ring *used_ring(void *rings)
{
	return (volatile struct ring *)((uint8_t *)rings + PAGE);
}

unsigned vdrv_find(unsigned from, uint32_t id)
{
	while (from < VDRV_SLOTS && vdrv_get(from, R_ID) != id)
		from++;
	return from;
}

uint32_t vdrv_get(unsigned slot, unsigned reg)
{
	return mmio_read32(SLOT(slot) + reg);
}

uint8_t vdrv_get_byte(unsigned slot, unsigned reg)
{
	return mmio_read8(SLOT(slot) + reg);
}

void vdrv_set(unsigned slot, unsigned reg, uint32_t value)
{
	mmio_write32(SLOT(slot) + reg, value);
}

void vdrv_set_address(unsigned slot, unsigned reg, uint64_t at)
{
	vdrv_set(slot, reg, (uint32_t)at);
	vdrv_set(slot, reg + 4, (uint32_t)(at >> 32));
}

static bool is_legacy(unsigned slot)
{
	return vdrv_get(slot, R_VERSION) == 1;
}

uint64_t vdrv_offered(unsigned slot)
{
	uint64_t low;

	vdrv_set(slot, R_FEATURES_SEL, 0);
	low = vdrv_get(slot, R_FEATURES);
	vdrv_set(slot, R_FEATURES_SEL, 1);
	return low | (uint64_t)vdrv_get(slot, R_FEATURES) << 32;
}

uint64_t vdrv_begin(unsigned slot, uint64_t wanted)
{
	uint64_t features;

	vdrv_set(slot, R_PAGE_BYTES, PAGE); /* before the reset, as Linux does */
	vdrv_set(slot, R_STATUS, 0);
	vdrv_set(slot, R_STATUS, ACKNOWLEDGE);
	vdrv_set(slot, R_STATUS, ACKNOWLEDGE | DRIVER);
	features = vdrv_offered(slot) & (wanted | F_VERSION_1);
	vdrv_set(slot, R_ACCEPTED_SEL, 0);
	vdrv_set(slot, R_ACCEPTED, (uint32_t)features);
	vdrv_set(slot, R_ACCEPTED_SEL, 1);
	vdrv_set(slot, R_ACCEPTED, (uint32_t)(features >> 32));
	if (!is_legacy(slot))
		vdrv_set(slot, R_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	return features;
}

void vdrv_set_queue(unsigned slot, unsigned queue, void *rings, unsigned size)
{
	mem_set(rings, 0, PAGE + size * 8 + 6);
	vdrv_set(slot, R_QUEUE_SEL, queue);
	vdrv_set(slot, R_QUEUE_SIZE, size);
	if (is_legacy(slot)) {
		vdrv_set(slot, R_QUEUE_ALIGN, PAGE);
		vdrv_set(slot, R_QUEUE_PFN, (uint32_t)((uint64_t)rings / PAGE));
		return;
	}
	vdrv_set_address(slot, R_DESC, (uint64_t)rings);
	vdrv_set_address(slot, R_AVAIL, (uint64_t)avail_ring(rings, size));
	vdrv_set_address(slot, R_USED, (uint64_t)used_ring(rings));
	vdrv_set(slot, R_QUEUE_READY, 1);
}

void vdrv_go(unsigned slot)
{
	unsigned ok = is_legacy(slot) ? 0 : FEATURES_OK;

	vdrv_set(slot, R_STATUS, ACKNOWLEDGE | DRIVER | ok | DRIVER_OK);
}

void vdrv_barrier(void)
{
	asm volatile("fence iorw, iorw" : : : "memory");
}

void vdrv_offer(void *rings, unsigned size, unsigned head)
{
	volatile struct ring *avail = avail_ring(rings, size);

	avail->id[avail->n % size] = (uint16_t)head;
	vdrv_barrier();
	avail->n = (uint16_t)(avail->n + 1);
	vdrv_barrier();
}

bool vdrv_settle(unsigned slot, void *rings, unsigned size)
{
	volatile struct ring *avail = avail_ring(rings, size), *used = used_ring(rings);
	uint64_t end = csr_read(CSR_TIME) + board.timebase / 2;

	while (used->n != avail->n && !(vdrv_get(slot, R_STATUS) & NEEDS_RESET) &&
	       csr_read(CSR_TIME) < end)
		continue;
	vdrv_barrier();
	return used->n == avail->n;
}
