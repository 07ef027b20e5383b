/*
 * GUID partition tables: where a disk's partitions are, by label. Nothing in a table is trusted:
 * what has a wrong checksum, or says more than the disk has, is none.
 *
 * The reader asks for what it wants to see, a piece at a time: gpt_begin(), then gpt_next() with
 * each piece, until it wants no more. It waits for nothing and touches no device.
 *
 * Source: UEFI specification, "GUID Partition Table (GPT) Disk Layout".
 */
#ifndef HYP_DRV_GPT_H
#define HYP_DRV_GPT_H

#include <stdint.h>

#include "hyp/lib/err.h"

#define GPT_LABEL_MAX	   36
#define GPT_PARTITIONS_MAX 32   /* with a label in ASCII; later ones are passed over */
#define GPT_PIECE_MAX	   4096 /* bytes that are asked for at once */

struct gpt_partition {
	char label[GPT_LABEL_MAX + 1];
	uint64_t first, blocks;
};

struct gpt {
	unsigned n;
	struct gpt_partition partition[GPT_PARTITIONS_MAX];

	/* While it is read. */
	uint32_t block;		       /* bytes */
	uint64_t blocks;	       /* of the disk */
	uint64_t header;	       /* the block that was asked for */
	uint64_t table, first, last;   /* as the header says: where entries are, what they may use */
	uint32_t entry_bytes, entries; /* and how they are */
	uint32_t entries_crc;	       /* their checksum, as it should be */
	uint32_t crc, done;	       /* of the entries so far: checksum, bytes */
};

/* What is to be read next, from a multiple of the block's size; .bytes 0: nothing. */
struct gpt_read {
	uint64_t at;
	uint32_t bytes;
};

/* Begin to read the table of a disk of @blocks blocks of @block bytes, 512 to GPT_PIECE_MAX. */
struct gpt_read gpt_begin(struct gpt *g, uint32_t block, uint64_t blocks);

/* Look at what was asked for, which nobody else writes meanwhile. */
struct gpt_read gpt_next(struct gpt *g, const void *piece);

/**
 * The partition labelled @label into *@p. Returns OK; ERR_MISSING: there is none; ERR_OVERLAP: there
 * are several.
 */
MUST_USE enum err gpt_find(const struct gpt *g, const char *label, struct gpt_partition *p);

#endif
