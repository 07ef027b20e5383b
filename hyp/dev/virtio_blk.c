/*
 * Disks: what a request is, and whether it can be one of this disk. See virtio_blk.h.
 *
 * Invariant: what is backed is asked only for whole sectors that were found to be the disk's.
 *
 * Next: virtio_blk_layer.c, virtio_blk_host.c.
 */
#include "hyp/dev/board.h"

#include "hyp/lib/string.h"

/* What a request begins with. */
struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

/* Whether @r may move @bytes. */
static bool is_good(const struct virtio_blk_request *r, uint64_t bytes)
{
	return bytes <= r->b->backing->most && bytes % VIRTIO_SECTOR == 0 &&
	       range_holds(0, r->b->bytes, r->at, bytes);
}

static unsigned read(struct virtio_blk_request *r)
{
	return is_good(r, r->to_bytes) ? r->b->backing->read(r, r->to_bytes) : BLK_IOERR;
}

static unsigned write(struct virtio_blk_request *r)
{
	uint64_t bytes = virtqueue_left(&r->from);

	return is_good(r, bytes) ? r->b->backing->write(r, bytes) : BLK_IOERR;
}

static unsigned flush(struct virtio_blk_request *r)
{
	return r->b->backing->flush(r);
}

static unsigned get_id(struct virtio_blk_request *r)
{
	char id[VIRTIO_SERIAL_MAX] = { 0 };
	uint64_t n = r->to_bytes < sizeof(id) ? r->to_bytes : sizeof(id);

	memcpy(id, r->b->disk.serial, strnlen(r->b->disk.serial, sizeof(id)));
	if (!virtqueue_give(&r->to, id, n))
		return BLK_IOERR;
	r->done->written = (uint32_t)n;
	return BLK_OK;
}

/* Flags that mean nothing here are told of ("Device Operation"). */
static unsigned clear_range(struct virtio_blk_request *r, uint32_t most, bool must)
{
	struct blk_range range;
	uint64_t bytes;

	if (!virtqueue_take(&r->from, &range, sizeof(range)))
		return BLK_IOERR;
	if (range.flags & ~(must ? BLK_UNMAP : 0))
		return BLK_UNSUPP;
	bytes = (uint64_t)range.sectors * VIRTIO_SECTOR;
	if (range.sectors > most || range.sector > UINT64_MAX / VIRTIO_SECTOR ||
	    !range_holds(0, r->b->bytes, range.sector * VIRTIO_SECTOR, bytes))
		return BLK_IOERR;
	return r->b->backing->clear(r, range.sector * VIRTIO_SECTOR, bytes, must,
				    range.flags & BLK_UNMAP);
}

static unsigned clear_ranges(struct virtio_blk_request *r, uint32_t ranges, uint32_t most, bool must)
{
	uint64_t n = virtqueue_left(&r->from) / sizeof(struct blk_range);
	unsigned status = BLK_OK;

	if (n > ranges || virtqueue_left(&r->from) % sizeof(struct blk_range))
		return BLK_IOERR;
	for (uint64_t i = 0; i < n && status == BLK_OK; i++)
		status = clear_range(r, most, must);
	return status;
}

static unsigned discard(struct virtio_blk_request *r)
{
	const struct virtio_blk_config *c = &r->b->config;

	return clear_ranges(r, c->max_discard_seg, c->max_discard_sectors, false);
}

static unsigned write_zeroes(struct virtio_blk_request *r)
{
	const struct virtio_blk_config *c = &r->b->config;

	return clear_ranges(r, c->max_write_zeroes_seg, c->max_write_zeroes_sectors, true);
}

static const struct row {
	enum blk_type type;
	bool changes;	 /* the disk */
	uint64_t offered; /* it is there only if this is; 0: always */
	unsigned (*carry_out)(struct virtio_blk_request *r);
} rows[] = {
	{ BLK_IN, false, 0, read },
	{ BLK_OUT, true, 0, write },
	{ BLK_FLUSH, false, 0, flush },
	{ BLK_GET_ID, false, 0, get_id },
	{ BLK_DISCARD, true, VIRTIO_BLK_F_DISCARD, discard },
	{ BLK_WRITE_ZEROES, true, VIRTIO_BLK_F_WRITE_ZEROES, write_zeroes },
};

static unsigned carry_out(struct virtio_blk_request *r, const struct header *h)
{
	for (const struct row *row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
		if ((uint32_t)row->type != h->type)
			continue;
		if (row->changes && r->b->disk.is_readonly)
			return BLK_IOERR;
		if (row->offered & ~r->device->offered)
			return BLK_UNSUPP;
		if (h->sector > UINT64_MAX / VIRTIO_SECTOR)
			return BLK_IOERR;
		return row->carry_out(r);
	}
	return BLK_UNSUPP;
}

/* A request has a header to read, and a byte to write, the last one: the status. */
struct virtio_done virtio_blk_serve(struct virtio_device *d, struct virtqueue *q,
				    const struct virtqueue_chain *chain)
{
	struct virtio_done done = { .is_bad = true };
	struct virtio_blk_request r = { .device = d,
					.b = &d->blk,
					.queue = q,
					.chain = chain,
					.from = virtqueue_readable(q, chain),
					.to = virtqueue_writable(q, chain),
					.last = virtqueue_last(q, chain),
					.done = &done };
	uint64_t writable = virtqueue_left(&r.to);
	struct header header;
	unsigned answer;
	uint8_t status;

	if (!writable || !virtqueue_take(&r.from, &header, sizeof(header)))
		return done;
	r.to_bytes = writable - 1;
	r.at = header.sector * VIRTIO_SECTOR;
	answer = chain->parts > VIRTIO_BLK_SEGMENTS_MAX + 2 ? BLK_IOERR : carry_out(&r, &header);
	done.is_later = answer == VIRTIO_BLK_LATER;
	status = (uint8_t)answer;
	if (!done.is_later && !virtqueue_give(&r.last, &status, 1))
		return done;
	done.is_bad = false;
	if (done.written == r.to_bytes)
		done.written++;
	return done;
}
