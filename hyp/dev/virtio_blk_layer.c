/*
 * A disk that is a file of the bundle below a layer of memory. See virtio_blk.h.
 *
 * An entry of the layer is 0, the file's page is right; ZEROS, all zeros, without a frame; or the
 * address of the frame that has the page. Bytes move once: between the guest's page and the frame
 * or file.
 *
 * Invariant: no entry past the disk's last page is ever made.
 */
#include "hyp/dev/board.h"

#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

#define REQUEST_MAX   MIB(16) /* it is carried out in one go */
#define SEGMENT_MAX   KIB(32) /* what drivers are told, which allows less */
#define RANGES_MAX    8	      /* of one discard or write-zeroes */
#define RANGE_SECTORS (MIB(8) / VIRTIO_SECTOR)
#define COST	      64 /* of an entry, in bytes copied */

#define ZEROS	   1
#define LEVEL_BITS 9 /* of a page's number that one level takes */
#define TOP	   (2 * LEVEL_BITS)
#define ENTRIES	   (PAGE_SIZE / sizeof(uint64_t))

_Static_assert(ENTRIES == 1u << LEVEL_BITS, "a table is a frame");
_Static_assert(VIRTIO_DISK_BYTES_MAX == PAGE_SIZE << (TOP + LEVEL_BITS), "what three levels reach");

/* The entry of @page. NULL: there is none yet, and it wasn't to be made, or no memory is left. */
static uint64_t *entry(struct virtio_blk *b, uint64_t page, bool make)
{
	uint64_t *at = &b->layer;

	for (unsigned shift = TOP;; shift -= LEVEL_BITS) {
		hpa_t table;

		if (!*at && (!make || frame_alloc(b->pool, &table)))
			return NULL;
		if (!*at)
			*at = table.v;
		at = (uint64_t *)phys_pointer(hpa(*at)) + (page >> shift) % ENTRIES;
		if (!shift)
			return at;
	}
}

static const char *file_page(const struct virtio_blk *b, uint64_t page)
{
	return phys_pointer(hpa(b->disk.at.v + page * PAGE_SIZE));
}

/* Bytes of the disk in @page: the last one may be short. */
static uint64_t page_bytes(const struct virtio_blk *b, uint64_t page)
{
	uint64_t left = b->bytes - page * PAGE_SIZE;

	return left < PAGE_SIZE ? left : PAGE_SIZE;
}

static const char *page_to_read(struct virtio_blk *b, uint64_t page)
{
	static const char zeros[PAGE_SIZE];
	const uint64_t *e = entry(b, page, false);

	if (!e || !*e)
		return file_page(b, page);
	return *e == ZEROS ? zeros : phys_pointer(hpa(*e));
}

/* A frame for @page, which has what the page had, or, where all of it is to be written, @anything.
 * NULL: no memory. */
static char *page_to_write(struct virtio_blk *b, uint64_t page, bool anything)
{
	uint64_t *e = entry(b, page, true);
	hpa_t frame;

	if (!e)
		return NULL;
	if (*e > ZEROS)
		return phys_pointer(hpa(*e));
	if (frame_alloc(b->pool, &frame))
		return NULL;
	if (!*e && !anything)
		memcpy(phys_pointer(frame), file_page(b, page), page_bytes(b, page));
	*e = frame.v;
	return phys_pointer(frame);
}

static bool drop_page(struct virtio_blk *b, uint64_t page)
{
	uint64_t *e = entry(b, page, true);

	if (!e)
		return false;
	if (*e > ZEROS)
		frame_free(b->pool, hpa(*e), 1);
	*e = ZEROS;
	return true;
}

/* The part of [@at, @at + @bytes) that is in the page of @at. */
static uint64_t part_of_page(uint64_t at, uint64_t bytes)
{
	uint64_t room = PAGE_SIZE - at % PAGE_SIZE;

	return bytes < room ? bytes : room;
}

static unsigned read(struct virtio_blk_request *r, uint64_t bytes)
{
	for (uint64_t at = r->at, end = at + bytes; at < end;) {
		uint64_t n = part_of_page(at, end - at);

		if (!virtqueue_give(&r->to, page_to_read(r->b, at / PAGE_SIZE) + at % PAGE_SIZE, n))
			return BLK_IOERR;
		at += n;
	}
	r->done->cost = bytes;
	r->done->written = (uint32_t)bytes;
	return BLK_OK;
}

static unsigned write(struct virtio_blk_request *r, uint64_t bytes)
{
	for (uint64_t at = r->at, end = at + bytes; at < end;) {
		uint64_t n = part_of_page(at, end - at), page = at / PAGE_SIZE;
		char *to = page_to_write(r->b, page, n == page_bytes(r->b, page));

		if (!to || !virtqueue_take(&r->from, to + at % PAGE_SIZE, n))
			return BLK_IOERR;
		at += n;
	}
	r->done->cost = bytes;
	return BLK_OK;
}

/* All is written when the driver hears of it, and is lost with the VM whatever it does. */
static unsigned flush(struct virtio_blk_request *r)
{
	(void)r;
	return BLK_OK;
}

/* What isn't a whole page is cleared only where it @must be. */
static unsigned clear(struct virtio_blk_request *r, uint64_t at, uint64_t bytes, bool must,
		      bool unmap)
{
	struct virtio_blk *b = r->b;

	(void)unmap;
	r->done->cost += bytes / PAGE_SIZE * COST;
	for (uint64_t end = at + bytes; at < end;) {
		uint64_t n = part_of_page(at, end - at), page = at / PAGE_SIZE;
		char *to;

		if (n == page_bytes(b, page)) {
			if (!drop_page(b, page))
				return BLK_IOERR;
		} else if (must) {
			to = page_to_write(b, page, false);
			if (!to)
				return BLK_IOERR;
			memset(to + at % PAGE_SIZE, 0, n);
		}
		at += n;
	}
	return BLK_OK;
}

static const struct virtio_blk_backing layer = { REQUEST_MAX, read, write, flush, clear };

static const struct virtio_kind kind = {
	.id = 2, .queue_size = VIRTIO_BLK_QUEUE_SIZE, .name = "blk", .serve = virtio_blk_serve
};

static void describe(struct virtio_blk_config *c, uint64_t bytes)
{
	*c = (struct virtio_blk_config){
		.capacity = bytes / VIRTIO_SECTOR,
		.size_max = (uint32_t)SEGMENT_MAX,
		.seg_max = VIRTIO_BLK_SEGMENTS_MAX,
		.blk_size = VIRTIO_SECTOR,
		.num_queues = 1,
		.max_discard_sectors = (uint32_t)RANGE_SECTORS,
		.max_discard_seg = RANGES_MAX,
		.discard_sector_alignment = (uint32_t)(PAGE_SIZE / VIRTIO_SECTOR),
		.max_write_zeroes_sectors = (uint32_t)RANGE_SECTORS,
		.max_write_zeroes_seg = RANGES_MAX,
		.write_zeroes_may_unmap = 1,
	};
}

void virtio_blk_attach(struct board *b, unsigned slot, struct gstage *gs,
		       const struct virtio_disk *disk, struct frame_pool *pool)
{
	struct virtio_blk *blk = &b->virtio[slot].blk;
	uint64_t features = VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE |
			    VIRTIO_BLK_F_FLUSH;

	*blk = (struct virtio_blk){
		.disk = *disk, .backing = &layer, .bytes = disk->bytes, .pool = pool
	};
	describe(&blk->config, disk->bytes);
	features |= disk->is_readonly ? VIRTIO_BLK_F_RO
				      : VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
	virtio_attach(b, slot, &kind, 1, gs, features, &blk->config, sizeof(blk->config));
}
