/*
 * The host's disks (virtio-blk), any number of them, each with a name: its serial number.
 *
 * A request is memory of the caller's, in which the device finds all that it is about, and which
 * nobody touches from blk_submit() until blk_take() hands it back. Many can be under way; they are
 * finished in any order. Nothing here waits but blk_init().
 *
 * One lock a disk, inside; any hart may call. Source: virtio 1.3, "Block Device".
 */
#ifndef HYP_DRV_BLK_H
#define HYP_DRV_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/arch/addr.h"
#include "hyp/drv/gpt.h"
#include "hyp/drv/virtio_abi.h"
#include "hyp/lib/err.h"

#define BLK_SECTOR	 512
#define BLK_SERIAL_MAX	 20
#define BLK_REQUESTS_MAX 512 /* that a disk has under way */
#define BLK_PARTS_MAX	 320 /* of one request's data: pages of the largest that Linux makes by itself */

/* "Device Operation": the requests, and what becomes of them. */
enum blk_type {
	BLK_IN = 0,
	BLK_OUT = 1,
	BLK_FLUSH = 4,
	BLK_GET_ID = 8,
	BLK_DISCARD = 11,
	BLK_WRITE_ZEROES = 13,
};

enum blk_status { BLK_OK, BLK_IOERR, BLK_UNSUPP };

struct blk;
struct hart;

/* What is known of a disk; it doesn't change. */
struct blk_facts {
	char serial[BLK_SERIAL_MAX + 1];
	uint64_t sectors;
	uint32_t block; /* bytes that are read and written together: 512 to 4096 */
	uint32_t parts; /* of one request's data, at most BLK_PARTS_MAX */
	uint32_t discard_sectors, discard_alignment, zeroes_sectors; /* 0: it can't */
	bool is_readonly, can_flush;
};

/* A part of a discard or write-zeroes: the data of such a request. */
struct blk_range {
	uint64_t sector;
	uint32_t sectors, flags;
};

#define BLK_UNMAP 1u /* of .flags, write zeroes alone */

/* The first fields are what the device reads and writes; aligned to 16. */
struct blk_request {
	struct virtio_desc table[BLK_PARTS_MAX + 2];
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header;
	volatile uint8_t status;
	/* What it came to, once it was taken back: enum blk_status. */
	uint8_t result;
	uint16_t parts;	     /* descriptors in .table */
	uint16_t parts_max;  /* with the header's, and without the status's */
	uint16_t data_flags; /* of each part of the data */
};

/* Who uses a part of a disk. */
struct blk_claim {
	uint64_t first, sectors;
	bool writes;
	const char *owner;
	unsigned requests; /* how many he may have under way: blk_claim() says */
	struct blk_claim *next;
};

/* Look for disks among the host's devices, once, and read their names and partitions; say on the log
 * why one that is there isn't used. */
void blk_init(void);

/* The disk of that name, or NULL. */
struct blk *blk_find(const char *serial);

const struct blk_facts *blk_facts(const struct blk *b);

/* Its partitions. */
const struct gpt *blk_gpt(const struct blk *b);

/**
 * Claim what @c says, of what the disk has, before the first request there; @c stays until it is
 * given back. What one writes nobody else has.
 * Returns OK, with .requests, at least 1; ERR_OVERLAP: *@other has some of it; ERR_FULL: too many
 * use this disk.
 */
MUST_USE enum err blk_claim(struct blk *b, struct blk_claim *c, const struct blk_claim **other);
void blk_unclaim(struct blk *b, struct blk_claim *c);

/* Begin @r, about nothing yet. @sector: where, for those that are about a place. */
void blk_begin(const struct blk *b, struct blk_request *r, enum blk_type type, uint64_t sector);

/**
 * Add @bytes at @at to its data; the device writes them for IN and GET_ID, else it reads them.
 * Returns false where it has as many parts as it can have.
 */
static inline bool blk_add(struct blk_request *r, hpa_t at, uint32_t bytes)
{
	struct virtio_desc *last = &r->table[r->parts - 1];

	/* What lies behind the last part becomes one with it. */
	if (last->at + last->bytes == at.v && r->parts > 1 && bytes <= UINT32_MAX - last->bytes) {
		last->bytes += bytes;
		return true;
	}
	if (r->parts == r->parts_max)
		return false;
	last[1] = (struct virtio_desc){ at.v, bytes, r->data_flags, ++r->parts };
	return true;
}

/* Take the last @bytes of its data away again. */
void blk_cut(struct blk_request *r, uint64_t bytes);

/* Let the device carry @r out. Returns false where it doesn't any more; no more requests may be
 * under way than were claimed. */
MUST_USE bool blk_submit(struct blk *b, struct blk_request *r);

/* A request that is finished, with its .result; NULL: there is none now. */
struct blk_request *blk_take(struct blk *b);

/* The device doesn't answer: it is reset and used no more. All that is under way is finished. */
void blk_give_up(struct blk *b);

/* Interrupts are for @h, which is to be told of most of what is finished, from now on. */
void blk_follow(struct blk *b, const struct hart *h);

/* Interrupt @source came. Returns the disk whose it was, or NULL; blk_take() tells what is new. */
struct blk *blk_interrupt(unsigned source);

#endif
