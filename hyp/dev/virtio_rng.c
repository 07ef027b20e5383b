/*
 * The entropy device: each buffer is filled with random bytes ("Entropy Device"). It has no state.
 */
#include "hyp/dev/virtio.h"

#include "hyp/lib/random.h"

#define BYTES_MAX 4096 /* of one buffer; a driver that wants more asks again */
#define COST	  16   /* of a byte, in bytes copied */

static struct virtio_done serve(struct virtio_device *d, struct virtqueue *q,
				const struct virtqueue_chain *chain)
{
	struct virtqueue_cursor to = virtqueue_writable(q, chain);
	uint64_t left = virtqueue_left(&to);
	struct virtio_done done = { 0 };
	uint8_t bytes[256];

	(void)d;
	if (left > BYTES_MAX)
		left = BYTES_MAX;
	while (done.written < left) {
		uint64_t n = left - done.written;

		if (n > sizeof(bytes))
			n = sizeof(bytes);
		random_bytes(bytes, n);
		if (!virtqueue_give(&to, bytes, n))
			break;
		done.written += (uint32_t)n;
	}
	done.cost = left * COST;
	return done;
}

static const struct virtio_kind kind = {
	.id = 4, .queue_size = VIRTIO_QUEUE_SIZE, .name = "rng", .serve = serve
};

void virtio_rng_attach(struct board *b, unsigned slot, struct gstage *gs)
{
	virtio_attach(b, slot, &kind, 1, gs, 0, NULL, 0);
}
