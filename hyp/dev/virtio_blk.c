/*
 * Disks. See virtio_blk.h.
 *
 * An entry of the layer is 0, the file's page is right; ZEROS, all zeros, without a frame; or the
 * address of the frame that has the page. Bytes move once: between the guest's page and the frame
 * or file.
 *
 * Invariant: a request touches only sectors that were found to be the disk's, and no entry past
 * its last page is ever made.
 */
#include "hyp/dev/board.h"

#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

#define SEGMENTS_MAX  (VIRTQUEUE_SIZE_MAX - 2) /* beside header and status */
#define SEGMENT_MAX   KIB(32)		       /* what drivers are told; nothing depends on it */
#define REQUEST_MAX   MIB(16)		       /* bytes of one request */
#define RANGES_MAX    8			       /* of one discard or write-zeroes */
#define RANGE_SECTORS (MIB(8) / VIRTIO_SECTOR)
#define COST	      64 /* of an entry, in bytes copied */

#define ZEROS	   1
#define LEVEL_BITS 9 /* of a page's number that one level takes */
#define TOP	   (2 * LEVEL_BITS)
#define ENTRIES	   (PAGE_SIZE / sizeof(uint64_t))

_Static_assert(ENTRIES == 1u << LEVEL_BITS, "a table is a frame");
_Static_assert(VIRTIO_DISK_BYTES_MAX == PAGE_SIZE << (TOP + LEVEL_BITS), "what three levels reach");

/* "Feature bits" */
#define F_SIZE_MAX     (UINT64_C(1) << 1)
#define F_SEG_MAX      (UINT64_C(1) << 2)
#define F_RO	       (UINT64_C(1) << 5)
#define F_BLK_SIZE     (UINT64_C(1) << 6)
#define F_FLUSH	       (UINT64_C(1) << 9)
#define F_DISCARD      (UINT64_C(1) << 13)
#define F_WRITE_ZEROES (UINT64_C(1) << 14)

enum status { STATUS_OK, STATUS_IOERR, STATUS_UNSUPP };

/* What a request begins with. */
struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

/* A part of a discard or write-zeroes. */
struct range {
	uint64_t sector;
	uint32_t sectors, flags;
};

/* --- the layer --- */

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
	uint64_t left = b->disk.bytes - page * PAGE_SIZE;

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

/* --- requests --- */

/* What a request works on. */
struct request {
	struct virtio_blk *b;
	uint64_t at; /* in the disk, in bytes, as the header says it */
	struct virtqueue_cursor from, to;
	uint64_t to_bytes; /* that may be written, without the status */
	struct virtio_done *done;
};

/* The part of [@at, @at + @bytes) that is in the page of @at. */
static uint64_t part_of_page(uint64_t at, uint64_t bytes)
{
	uint64_t room = PAGE_SIZE - at % PAGE_SIZE;

	return bytes < room ? bytes : room;
}

/* Whether @r may move @bytes. */
static bool is_good(const struct request *r, uint64_t bytes)
{
	return bytes <= REQUEST_MAX && bytes % VIRTIO_SECTOR == 0 &&
	       range_holds(0, r->b->disk.bytes, r->at, bytes);
}

static enum status read(struct request *r)
{
	uint64_t bytes = r->to_bytes;

	if (!is_good(r, bytes))
		return STATUS_IOERR;
	for (uint64_t at = r->at, end = at + bytes; at < end;) {
		uint64_t n = part_of_page(at, end - at);

		if (!virtqueue_give(&r->to, page_to_read(r->b, at / PAGE_SIZE) + at % PAGE_SIZE, n))
			return STATUS_IOERR;
		at += n;
	}
	r->done->cost = bytes;
	r->done->written = (uint32_t)bytes;
	return STATUS_OK;
}

static enum status write(struct request *r)
{
	uint64_t bytes = virtqueue_left(&r->from);

	if (!is_good(r, bytes))
		return STATUS_IOERR;
	for (uint64_t at = r->at, end = at + bytes; at < end;) {
		uint64_t n = part_of_page(at, end - at), page = at / PAGE_SIZE;
		char *to = page_to_write(r->b, page, n == page_bytes(r->b, page));

		if (!to || !virtqueue_take(&r->from, to + at % PAGE_SIZE, n))
			return STATUS_IOERR;
		at += n;
	}
	r->done->cost = bytes;
	return STATUS_OK;
}

/* All is written when the driver hears of it, and is lost with the VM whatever it does. */
static enum status flush(struct request *r)
{
	(void)r;
	return STATUS_OK;
}

static enum status get_id(struct request *r)
{
	char id[VIRTIO_SERIAL_MAX] = { 0 };
	uint64_t n = r->to_bytes < sizeof(id) ? r->to_bytes : sizeof(id);

	memcpy(id, r->b->disk.serial, strnlen(r->b->disk.serial, sizeof(id)));
	if (!virtqueue_give(&r->to, id, n))
		return STATUS_IOERR;
	r->done->written = (uint32_t)n;
	return STATUS_OK;
}

/* [@at, @at + @bytes) reads as zeros; what isn't a whole page only where it @must. */
static bool clear(struct virtio_blk *b, uint64_t at, uint64_t bytes, bool must)
{
	for (uint64_t end = at + bytes; at < end;) {
		uint64_t n = part_of_page(at, end - at), page = at / PAGE_SIZE;
		char *to;

		if (n == page_bytes(b, page)) {
			if (!drop_page(b, page))
				return false;
		} else if (must) {
			to = page_to_write(b, page, false);
			if (!to)
				return false;
			memset(to + at % PAGE_SIZE, 0, n);
		}
		at += n;
	}
	return true;
}

static enum status clear_range(struct request *r, bool must)
{
	uint64_t at, bytes;
	struct range range;

	if (!virtqueue_take(&r->from, &range, sizeof(range)))
		return STATUS_IOERR;
	at = range.sector * VIRTIO_SECTOR;
	bytes = (uint64_t)range.sectors * VIRTIO_SECTOR;
	if (range.sectors > RANGE_SECTORS || range.sector > UINT64_MAX / VIRTIO_SECTOR ||
	    !range_holds(0, r->b->disk.bytes, at, bytes))
		return STATUS_IOERR;
	r->done->cost += bytes / PAGE_SIZE * COST;
	return clear(r->b, at, bytes, must) ? STATUS_OK : STATUS_IOERR;
}

static enum status clear_ranges(struct request *r, bool must)
{
	uint64_t n = virtqueue_left(&r->from) / sizeof(struct range);
	enum status status = STATUS_OK;

	if (n > RANGES_MAX || virtqueue_left(&r->from) % sizeof(struct range))
		return STATUS_IOERR;
	for (uint64_t i = 0; i < n && status == STATUS_OK; i++)
		status = clear_range(r, must);
	return status;
}

static enum status discard(struct request *r)
{
	return clear_ranges(r, false);
}

static enum status write_zeroes(struct request *r)
{
	return clear_ranges(r, true);
}

static const struct row {
	uint32_t type;
	bool changes; /* the disk */
	enum status (*carry_out)(struct request *r);
} rows[] = {
	{ 0, false, read },   { 1, true, write },    { 4, false, flush },
	{ 8, false, get_id }, { 11, true, discard }, { 13, true, write_zeroes },
};

static enum status carry_out(struct request *r, const struct header *h)
{
	for (const struct row *row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
		if (row->type != h->type)
			continue;
		if (row->changes && r->b->disk.is_readonly)
			return STATUS_IOERR;
		if (h->sector > UINT64_MAX / VIRTIO_SECTOR)
			return STATUS_IOERR;
		return row->carry_out(r);
	}
	return STATUS_UNSUPP;
}

/* A request has a header to read, and a byte to write, the last one: the status. */
static struct virtio_done serve(struct virtio_device *d, struct virtqueue *q,
				const struct virtqueue_chain *chain)
{
	struct virtio_done done = { .is_bad = true };
	struct request r = { .b = &d->blk,
			     .from = virtqueue_readable(q, chain),
			     .to = virtqueue_writable(q, chain),
			     .done = &done };
	struct virtqueue_cursor last = r.to;
	uint64_t writable = virtqueue_left(&r.to);
	struct header header;
	uint8_t status;

	if (!writable || !virtqueue_take(&r.from, &header, sizeof(header)))
		return done;
	r.to_bytes = writable - 1;
	r.at = header.sector * VIRTIO_SECTOR;
	status = (uint8_t)carry_out(&r, &header);
	virtqueue_skip(&last, r.to_bytes);
	if (!virtqueue_give(&last, &status, 1))
		return done;
	done.is_bad = false;
	if (done.written == r.to_bytes)
		done.written++;
	return done;
}

static const struct virtio_kind kind = { .id = 2, .name = "blk", .serve = serve };

static void describe(struct virtio_blk_config *c, uint64_t bytes)
{
	*c = (struct virtio_blk_config){
		.capacity = bytes / VIRTIO_SECTOR,
		.size_max = (uint32_t)SEGMENT_MAX,
		.seg_max = SEGMENTS_MAX,
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
	uint64_t features = F_SIZE_MAX | F_SEG_MAX | F_BLK_SIZE | F_FLUSH;

	*blk = (struct virtio_blk){ .disk = *disk, .pool = pool };
	describe(&blk->config, disk->bytes);
	features |= disk->is_readonly ? F_RO : F_DISCARD | F_WRITE_ZEROES;
	virtio_attach(b, slot, &kind, 1, gs, features, &blk->config, sizeof(blk->config));
}
