/*
 * Reading GUID partition tables. See gpt.h.
 *
 * The first block but one has the header; where that is none, the last block has a copy. The
 * entries are looked at as they come, and forgotten again where their checksum is wrong in the end.
 *
 * Invariant: a partition that is listed lies in what its header allows, and that on the disk.
 */
#include "hyp/drv/gpt.h"

#include "hyp/arch/addr.h"
#include "hyp/lib/string.h"

#define HEADER_AT     1 /* block */
#define HEADER_BYTES  92
#define ENTRY_BYTES   128
#define ENTRIES_BYTES KIB(128) /* of all entries */
#define CRC_POLY      0xedb88320u

struct header {
	char signature[8];
	uint32_t revision, bytes, crc, reserved;
	uint64_t self, other, first, last;
	uint8_t disk[16];
	uint64_t table;
	uint32_t entries, entry_bytes, entries_crc, unused;
};

struct entry {
	uint8_t type[16], id[16];
	uint64_t first, last, attributes;
	uint16_t label[GPT_LABEL_MAX];
};

_Static_assert(sizeof(struct header) == HEADER_BYTES + 4, "the specification's layout, aligned");
_Static_assert(sizeof(struct entry) == ENTRY_BYTES, "the specification's layout");

/* CRC-32 as in Ethernet; begin with 0. */
static uint32_t crc_of(uint32_t crc, const void *data, uint32_t bytes)
{
	const uint8_t *at = data;

	crc = ~crc;
	for (uint32_t i = 0; i < bytes; i++) {
		crc ^= at[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC_POLY : 0);
	}
	return ~crc;
}

static struct gpt_read nothing(struct gpt *g)
{
	g->block = 0;
	return (struct gpt_read){ 0, 0 };
}

static struct gpt_read header_at(struct gpt *g, uint64_t block)
{
	g->header = block;
	g->table = 0;
	g->n = 0;
	return (struct gpt_read){ block * g->block, g->block };
}

struct gpt_read gpt_begin(struct gpt *g, uint32_t block, uint64_t blocks)
{
	*g = (struct gpt){ .block = block, .blocks = blocks };
	return blocks > HEADER_AT + 1 ? header_at(g, HEADER_AT) : nothing(g);
}

/* The first header was none: there may be the other one. */
static struct gpt_read bad(struct gpt *g)
{
	g->n = 0;
	return g->header == HEADER_AT ? header_at(g, g->blocks - 1) : nothing(g);
}

/* Up to a piece of what is left of the entries. */
static struct gpt_read more(const struct gpt *g)
{
	uint32_t left = (uint32_t)align_up((uint64_t)g->entries * g->entry_bytes - g->done, g->block);

	return (struct gpt_read){ g->table * g->block + g->done,
				  left < GPT_PIECE_MAX ? left : GPT_PIECE_MAX };
}

static bool header_is_good(const struct gpt *g, const struct header *h, const void *piece)
{
	struct header zeroed = *h;
	uint32_t crc;

	if (memcmp(h->signature, "EFI PART", sizeof(h->signature)) != 0 || h->bytes < HEADER_BYTES ||
	    h->bytes > g->block || h->self != g->header)
		return false;
	zeroed.crc = 0;
	crc = crc_of(0, &zeroed, HEADER_BYTES);
	return h->crc == crc_of(crc, (const char *)piece + HEADER_BYTES, h->bytes - HEADER_BYTES);
}

static struct gpt_read take_header(struct gpt *g, const void *piece)
{
	struct header h;

	memcpy(&h, piece, sizeof(h));
	if (!header_is_good(g, &h, piece) || h.first > h.last || h.last >= g->blocks ||
	    h.entry_bytes < ENTRY_BYTES || h.entry_bytes > GPT_PIECE_MAX ||
	    (h.entry_bytes & (h.entry_bytes - 1)) || !h.entries ||
	    h.entries > ENTRIES_BYTES / h.entry_bytes || h.table <= HEADER_AT ||
	    !range_holds(0, g->blocks, h.table,
			 align_up((uint64_t)h.entries * h.entry_bytes, g->block) / g->block))
		return bad(g);
	g->table = h.table;
	g->first = h.first;
	g->last = h.last;
	g->entry_bytes = h.entry_bytes;
	g->entries = h.entries;
	g->entries_crc = h.entries_crc;
	g->crc = g->done = 0;
	return more(g);
}

/* An empty label, or one with other than printable ASCII, names nothing. */
static bool read_label(const struct entry *e, char *label)
{
	unsigned n = 0;

	for (; n < GPT_LABEL_MAX && e->label[n]; n++) {
		if (e->label[n] < ' ' || e->label[n] > '~')
			return false;
		label[n] = (char)e->label[n];
	}
	label[n] = 0;
	return n > 0;
}

static void take_entry(struct gpt *g, const void *at)
{
	static const uint8_t unused[sizeof(((struct entry *)0)->type)];
	struct gpt_partition *p = &g->partition[g->n];
	struct entry e;

	memcpy(&e, at, sizeof(e));
	if (g->n == GPT_PARTITIONS_MAX || memcmp(e.type, unused, sizeof(unused)) == 0 ||
	    e.first < g->first || e.last > g->last || e.first > e.last || !read_label(&e, p->label))
		return;
	p->first = e.first;
	p->blocks = e.last - e.first + 1;
	g->n++;
}

/* Entries don't lie across pieces: both are powers of two, or the piece is the last. */
static struct gpt_read take_entries(struct gpt *g, const char *piece)
{
	uint32_t left = g->entries * g->entry_bytes - g->done;
	uint32_t bytes = left < GPT_PIECE_MAX ? left : GPT_PIECE_MAX;

	g->crc = crc_of(g->crc, piece, bytes);
	for (uint32_t at = 0; at < bytes; at += g->entry_bytes)
		take_entry(g, piece + at);
	g->done += bytes;
	if (bytes < left)
		return more(g);
	return g->crc == g->entries_crc ? nothing(g) : bad(g);
}

struct gpt_read gpt_next(struct gpt *g, const void *piece)
{
	return g->table ? take_entries(g, piece) : take_header(g, piece);
}

enum err gpt_find(const struct gpt *g, const char *label, struct gpt_partition *p)
{
	unsigned found = 0;

	for (unsigned i = 0; i < g->n; i++)
		if (strcmp(g->partition[i].label, label) == 0) {
			*p = g->partition[i];
			found++;
		}
	if (found > 1)
		return ERR_OVERLAP;
	return found ? OK : ERR_MISSING;
}
