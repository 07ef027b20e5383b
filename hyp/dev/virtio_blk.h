/*
 * A disk for a guest: a file of the bundle, which nobody writes, below a layer of pages in memory
 * that takes what the guest writes, where it may. The layer is private to the VM, and gone with it.
 *
 * Source: virtio 1.3, "Block Device".
 */
#ifndef HYP_DEV_VIRTIO_BLK_H
#define HYP_DEV_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/arch/addr.h"
#include "hyp/mm/frame.h"

#define VIRTIO_SECTOR	      512
#define VIRTIO_SERIAL_MAX     20
#define VIRTIO_DISK_BYTES_MAX GIB(512) /* what the layer's tables reach */

/* What is known of a disk before it is there. */
struct virtio_disk {
	hpa_t at;
	uint64_t bytes;	    /* a multiple of VIRTIO_SECTOR, at most VIRTIO_DISK_BYTES_MAX */
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

struct virtio_blk {
	struct virtio_disk disk;
	struct virtio_blk_config config;
	/* The layer: three levels of tables of 512 entries, one for each 4 KiB of the disk. */
	uint64_t layer;
	struct frame_pool *pool;
};

#endif
