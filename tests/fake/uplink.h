/*
 * A network device of the host's: packets that it brings and takes. To be included once, before
 * hyp/drv/.
 */
#ifndef TESTS_FAKE_UPLINK_H
#define TESTS_FAKE_UPLINK_H

#include "tests/fake/hostdev.h"

static uint32_t io_read32(hpa_t at)
{
	return dev_read(at.v);
}

static void io_write32(hpa_t at, uint32_t value)
{
	dev_write(at.v, value);
}

/* Deliver @n bytes, with the header in front, in as many buffers as that takes. Returns false where
 * the driver has none left. */
static inline bool uplink_brings(const void *from, uint32_t n)
{
	const uint8_t *f = from;

	while (n) {
		uint32_t part;
		uint16_t id;

		if (!dev_next(0, &id))
			return false;
		part = dev_desc(0)[id].bytes < n ? dev_desc(0)[id].bytes : n;
		memcpy(phys_pointer(hpa(dev_desc(0)[id].at)), f, part);
		dev_used(0, id, part);
		f += part;
		n -= part;
	}
	return true;
}

/* What the driver sends next, into @to. Returns how many bytes, with the header; 0: nothing. */
static inline uint32_t uplink_takes(void *to, uint32_t room)
{
	uint16_t head, at;
	uint8_t *t = to;
	uint32_t n = 0;

	if (!dev_next(1, &head))
		return 0;
	for (at = head;; at = dev_desc(1)[at].next) {
		const struct virtio_desc *d = &dev_desc(1)[at];

		if (n + d->bytes > room)
			abort();
		memcpy(t + n, phys_pointer(hpa(d->at)), d->bytes);
		n += d->bytes;
		if (!(d->flags & VIRTIO_DESC_NEXT))
			break;
	}
	dev_used(1, head, 0);
	return n;
}

#endif
