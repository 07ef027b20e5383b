/*
 * A disk for a guest. What it is backed by is a row of functions:
 *   a file of the bundle, which nobody writes, below a layer of pages in memory that takes what the
 *     guest writes, where it may. The layer is private to the VM, and gone with it (_layer.c);
 *   a disk of the host's, or a part of one, whose device gets the guest's frames (_host.c).
 *
 * Source: virtio 1.3, "Block Device".
 */
#ifndef HYP_DEV_VIRTIO_BLK_H
#define HYP_DEV_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/arch/addr.h"
#include "hyp/dev/virtqueue.h"
#include "hyp/drv/blk.h"
#include "hyp/mm/frame.h"

#define VIRTIO_SECTOR	      BLK_SECTOR
#define VIRTIO_SERIAL_MAX     BLK_SERIAL_MAX
#define VIRTIO_DISK_BYTES_MAX GIB(512) /* of a file: what the layer's tables reach */

/* What is known of a disk before it is there. */
struct virtio_disk {
	/* Of a file; .bytes is a multiple of VIRTIO_SECTOR, at most VIRTIO_DISK_BYTES_MAX. */
	hpa_t at;
	uint64_t bytes;
	/* Or the serial number of a disk of the host's, and the label of a partition, or NULL: all. */
	const char *host, *partition;
	const char *serial; /* up to VIRTIO_SERIAL_MAX characters, ended by 0 */
	bool is_readonly;
};

/* struct virtio_blk_config, up to the last field that a feature of ours brings. */
struct virtio_blk_config {
	uint64_t capacity; /* sectors */
	uint32_t size_max, seg_max;
	uint8_t geometry[4];
	uint32_t blk_size;
	uint8_t physical_block_exp, alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback, unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap, unused1[3];
};

_Static_assert(sizeof(struct virtio_blk_config) == 64, "the specification's layout, and 4 bytes");

/* "Feature bits" */
#define VIRTIO_BLK_F_SIZE_MAX	  (UINT64_C(1) << 1)
#define VIRTIO_BLK_F_SEG_MAX	  (UINT64_C(1) << 2)
#define VIRTIO_BLK_F_RO		  (UINT64_C(1) << 5)
#define VIRTIO_BLK_F_BLK_SIZE	  (UINT64_C(1) << 6)
#define VIRTIO_BLK_F_FLUSH	  (UINT64_C(1) << 9)
#define VIRTIO_BLK_F_CONFIG_WCE	  (UINT64_C(1) << 11)
#define VIRTIO_BLK_F_MQ		  (UINT64_C(1) << 12)
#define VIRTIO_BLK_F_DISCARD	  (UINT64_C(1) << 13)
#define VIRTIO_BLK_F_WRITE_ZEROES (UINT64_C(1) << 14)

#define VIRTIO_BLK_SEGMENTS_MAX BLK_PARTS_MAX /* beside header and status */
#define VIRTIO_BLK_QUEUE_SIZE	VIRTQUEUE_SIZE_MAX /* so much is a chain of them */

struct virtio_device;
struct virtio_done;
struct virtio_blk_slot;

/* What a request works on, until virtio_blk_serve() returns. */
struct virtio_blk_request {
	struct virtio_device *device;
	struct virtio_blk *b;
	struct virtqueue *queue;
	const struct virtqueue_chain *chain;
	uint64_t at; /* in the disk, in bytes, as the header says it */
	struct virtqueue_cursor from, to;
	struct virtqueue_cursor last; /* the byte that gets the status */
	uint64_t to_bytes;	      /* that may be written, without the status */
	struct virtio_done *done;
};

/* The answer of a request that is under way: none yet. */
#define VIRTIO_BLK_LATER 0x100u

/* Each carries out what was found to be the disk's own and returns the status of the request, or
 * VIRTIO_BLK_LATER; @bytes is what it moves. */
struct virtio_blk_backing {
	uint64_t most; /* bytes of one request; what the driver is told allows no more */
	unsigned (*read)(struct virtio_blk_request *r, uint64_t bytes);
	unsigned (*write)(struct virtio_blk_request *r, uint64_t bytes);
	unsigned (*flush)(struct virtio_blk_request *r);
	/* [@at, @at + @bytes) reads as zeros; or, of what is given up, anything, if not @must.
	 * @unmap, where it @must: it need take no room any more. */
	unsigned (*clear)(struct virtio_blk_request *r, uint64_t at, uint64_t bytes, bool must,
			  bool unmap);
};

struct virtio_blk {
	struct virtio_disk disk;
	const struct virtio_blk_backing *backing;
	struct virtio_blk_config config;
	uint64_t bytes;
	struct frame_pool *pool;
	/* The layer: three levels of tables of 512 entries, one for each 4 KiB of the disk. */
	uint64_t layer;
	/* Of a disk of the host's: where, and what has nothing to carry now. */
	struct blk *host;
	struct blk_claim claim;
	struct virtio_blk_slot *idle;
};

/* As .serve of a kind. */
struct virtio_done virtio_blk_serve(struct virtio_device *d, struct virtqueue *q,
				    const struct virtqueue_chain *chain);

/* What is finished of @host's requests is answered, on whichever hart. */
void virtio_blk_finish(struct blk *host);

#endif
