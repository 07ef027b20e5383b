/*
 * Split rings in guest memory. See virtqueue.h.
 *
 * Invariant: no index that the guest wrote is used before it was compared with the queue's size,
 * and no address before it was found in RAM; whatever is compared is a copy that the guest can't
 * reach. RAM's addresses don't change while a VM runs, so what was in RAM once stays there.
 *
 * Next: virtio.c, who sets queues up and tells devices of them.
 */
#include "hyp/dev/virtqueue.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/virtio_abi.h"
#include "hyp/mm/phys.h"

#define AVAIL_NO_INTERRUPT 1u

/* An entry of the used ring. */
struct used_entry {
	uint32_t head, bytes;
};

/* Both rings begin with flags and idx, each 16 bits. */
enum { RING_FLAGS = 0, RING_IDX = 2, RING_ENTRIES = 4 };

static gpa_t avail_at(const struct virtqueue *q, uint64_t offset)
{
	return gpa(q->avail + offset);
}

static gpa_t used_at(const struct virtqueue *q, uint64_t offset)
{
	return gpa(q->used + offset);
}

/* used_event lies behind the available ring's entries, avail_event behind the used ring's. */
static gpa_t used_event_at(const struct virtqueue *q)
{
	return avail_at(q, RING_ENTRIES + 2u * q->size);
}

static gpa_t avail_event_at(const struct virtqueue *q)
{
	return used_at(q, RING_ENTRIES + sizeof(struct used_entry) * q->size);
}

static bool in_ram(const struct gstage *gs, uint64_t at, uint64_t bytes)
{
	return range_holds(gs->ram.v, gs->ram_bytes, at, bytes);
}

void virtqueue_reset(struct virtqueue *q, struct gstage *gs, uint16_t size)
{
	*q = (struct virtqueue){ .gs = gs, .size = size };
}

bool virtqueue_begin(struct virtqueue *q)
{
	uint64_t n = q->size;

	if (!is_aligned(q->desc, 16) || !is_aligned(q->avail, 2) || !is_aligned(q->used, 4) ||
	    !in_ram(q->gs, q->desc, sizeof(struct virtio_desc) * n) ||
	    !in_ram(q->gs, q->avail, RING_ENTRIES + 2 * n + 2) ||
	    !in_ram(q->gs, q->used, RING_ENTRIES + sizeof(struct used_entry) * n + 2))
		return false;
	q->popped = q->seen = q->pushed = q->published = 0;
	q->is_broken = false;
	q->is_ready = true;
	return true;
}

static enum virtqueue_state broken(struct virtqueue *q)
{
	q->is_broken = true;
	return VIRTQUEUE_BROKEN;
}

/* --- taking chains --- */

/* How many chains wait, by an avail.idx that is read only when all that it told of are taken. More
 * than there are entries can't be. */
static enum virtqueue_state look(struct virtqueue *q)
{
	uint16_t idx;

	if (q->popped != q->seen)
		return VIRTQUEUE_CHAIN;
	if (gstage_read16(q->gs, avail_at(q, RING_IDX), &idx) ||
	    (uint16_t)(idx - q->popped) > q->size)
		return VIRTQUEUE_BROKEN;
	q->seen = idx;
	return q->popped == q->seen ? VIRTQUEUE_EMPTY : VIRTQUEUE_CHAIN;
}

#define DESCS_AT_ONCE 32 /* of an indirect table: its descriptors are mostly used in order */

/* A table of descriptors: the queue's own, or an indirect one. */
struct table {
	uint64_t at;
	uint32_t n;
	bool is_indirect;
	uint32_t first, there; /* which of them were copied to .copy */
	struct virtio_desc copy[DESCS_AT_ONCE];
};

static void begin_table(struct table *t, uint64_t at, uint32_t n, bool is_indirect)
{
	t->at = at;
	t->n = n;
	t->is_indirect = is_indirect;
	t->first = t->there = 0;
}

/* Those from @i on. */
static bool copy_descs(const struct virtqueue *q, struct table *t, uint32_t i)
{
	uint32_t n = t->is_indirect ? DESCS_AT_ONCE : 1;

	if (n > t->n - i)
		n = t->n - i;
	t->first = i;
	t->there = n;
	return gstage_read(q->gs, gpa(t->at + sizeof(t->copy[0]) * i), t->copy,
			   sizeof(t->copy[0]) * n) == OK;
}

/* Descriptor @i, ours to look at; NULL: there is none. */
static const struct virtio_desc *find_desc(const struct virtqueue *q, struct table *t, uint32_t i)
{
	if (i >= t->n)
		return NULL;
	if (i - t->first >= t->there && !copy_descs(q, t, i))
		return NULL;
	return &t->copy[i - t->first];
}

/* Only the last descriptor of the queue's own table leads to another table. */
static bool enter_indirect(const struct virtqueue *q, const struct virtio_desc *d, struct table *t)
{
	if (!q->has_indirect || t->is_indirect || (d->flags & VIRTIO_DESC_NEXT) || !d->bytes ||
	    d->bytes % sizeof(*d) || !in_ram(q->gs, d->at, d->bytes))
		return false;
	begin_table(t, d->at, d->bytes / (uint32_t)sizeof(*d), true);
	return true;
}

static bool add_part(const struct virtqueue *q, const struct virtio_desc *d, struct virtqueue_chain *c)
{
	bool is_written = d->flags & VIRTIO_DESC_WRITE;

	if (c->parts == q->size || !in_ram(q->gs, d->at, d->bytes) ||
	    (!is_written && c->readable < c->parts))
		return false;
	c->part[c->parts++] = (struct gstage_span){ gpa(d->at), d->bytes };
	c->readable += !is_written;
	return true;
}

/* Ends, since each step but the one into the indirect table adds a part. */
static bool walk(const struct virtqueue *q, struct virtqueue_chain *c)
{
	const struct virtio_desc *d;
	uint32_t i = c->head;
	struct table t;

	begin_table(&t, q->desc, q->size, false);
	for (;;) {
		d = find_desc(q, &t, i);
		if (!d)
			return false;
		if (d->flags & VIRTIO_DESC_INDIRECT) {
			if (!enter_indirect(q, d, &t))
				return false;
			i = 0;
			continue;
		}
		if (!add_part(q, d, c))
			return false;
		if (!(d->flags & VIRTIO_DESC_NEXT))
			return true;
		i = d->next;
	}
}

enum virtqueue_state virtqueue_pop(struct virtqueue *q, struct virtqueue_chain *chain)
{
	enum virtqueue_state state;
	uint64_t slot = q->popped % q->size;

	if (!q->is_ready || q->is_broken || q->is_ending)
		return VIRTQUEUE_EMPTY;
	state = look(q);
	if (state == VIRTQUEUE_BROKEN)
		return broken(q);
	if (state == VIRTQUEUE_EMPTY)
		return state;
	chain->parts = chain->readable = 0;
	if (gstage_read16(q->gs, avail_at(q, RING_ENTRIES + 2 * slot), &chain->head) ||
	    !walk(q, chain))
		return broken(q);
	q->popped++;
	return VIRTQUEUE_CHAIN;
}

void virtqueue_put_back(struct virtqueue *q)
{
	q->popped--;
}

/* --- giving them back --- */

void virtqueue_push(struct virtqueue *q, uint16_t head, uint32_t bytes)
{
	struct used_entry entry = { head, bytes };
	uint64_t slot = q->pushed % q->size;

	if (gstage_write(q->gs, used_at(q, RING_ENTRIES + sizeof(entry) * slot), &entry,
			 sizeof(entry)))
		q->is_broken = true;
	q->pushed++;
}

void virtqueue_undo(struct virtqueue *q, uint16_t popped, uint16_t pushed)
{
	q->popped = (uint16_t)(q->popped - popped);
	q->pushed = (uint16_t)(q->pushed - pushed);
}

/* Whether @event is among the counts that led from @before to @after. */
static bool passed(uint16_t event, uint16_t before, uint16_t after)
{
	return (uint16_t)(after - event - 1) < (uint16_t)(after - before);
}

bool virtqueue_publish(struct virtqueue *q)
{
	uint16_t before = q->published, word;

	if (q->is_broken || before == q->pushed)
		return false;
	fence_all(); /* the entries before the index that covers them */
	q->is_broken = gstage_write16(q->gs, used_at(q, RING_IDX), q->pushed) != OK;
	q->published = q->pushed;
	fence_all(); /* the index before we look whether anybody waits for it */
	q->is_broken |=
		gstage_read16(q->gs, q->has_event_idx ? used_event_at(q) : avail_at(q, RING_FLAGS),
			      &word) != OK;
	if (q->is_broken)
		return false;
	return q->has_event_idx ? passed(word, before, q->published) : !(word & AVAIL_NO_INTERRUPT);
}

bool virtqueue_arm(struct virtqueue *q)
{
	if (!q->is_ready || q->is_broken || q->is_ending)
		return false;
	if (q->has_event_idx && gstage_write16(q->gs, avail_event_at(q), q->popped)) {
		q->is_broken = true;
		return false;
	}
	fence_all(); /* what we wait for before we look whether it has come */
	return look(q) != VIRTQUEUE_EMPTY;
}

/* --- the bytes of a chain --- */

struct virtqueue_cursor virtqueue_readable(const struct virtqueue *q,
					   const struct virtqueue_chain *chain)
{
	return (struct virtqueue_cursor){ .chain = chain, .gs = q->gs, .end = chain->readable };
}

struct virtqueue_cursor virtqueue_writable(const struct virtqueue *q,
					   const struct virtqueue_chain *chain)
{
	return (struct virtqueue_cursor){
		.chain = chain, .gs = q->gs, .part = chain->readable, .end = chain->parts
	};
}

struct virtqueue_cursor virtqueue_last(const struct virtqueue *q, const struct virtqueue_chain *chain)
{
	struct virtqueue_cursor c = virtqueue_writable(q, chain);

	for (unsigned i = c.end; i > c.part; i--)
		if (chain->part[i - 1].bytes) {
			c.part = i - 1;
			c.offset = chain->part[c.part].bytes - 1;
			break;
		}
	return c;
}

uint64_t virtqueue_left(const struct virtqueue_cursor *c)
{
	uint64_t bytes = 0;

	for (unsigned i = c->part; i < c->end; i++)
		bytes += c->chain->part[i].bytes;
	return bytes - c->offset;
}

/* What is left of the part that the next byte is in, at most @bytes. */
static uint64_t piece(struct virtqueue_cursor *c, uint64_t bytes, gpa_t *at)
{
	const struct gstage_span *p = &c->chain->part[c->part];

	for (; c->part < c->end && c->offset == p->bytes; p++) {
		c->part++;
		c->offset = 0;
	}
	if (c->part == c->end)
		return 0;
	*at = gpa(p->at.v + c->offset);
	return bytes < p->bytes - c->offset ? bytes : p->bytes - c->offset;
}

/* @bytes of that part; behind its last byte is the next one. */
static void pass(struct virtqueue_cursor *c, uint64_t bytes)
{
	c->offset += bytes;
	if (c->part < c->end && c->offset == c->chain->part[c->part].bytes) {
		c->part++;
		c->offset = 0;
	}
}

static uint64_t next_piece(struct virtqueue_cursor *c, uint64_t bytes, gpa_t *at)
{
	uint64_t n = piece(c, bytes, at);

	pass(c, n);
	return n;
}

uint64_t virtqueue_part_run(struct virtqueue_cursor *c, uint64_t most, enum access want, hpa_t *to)
{
	gpa_t at;
	uint64_t n = piece(c, most, &at), run = n ? gstage_run(c->gs, at, n, want, &c->last, to) : 0;

	pass(c, run);
	return run;
}

const void *virtqueue_next(struct virtqueue_cursor *c, uint64_t most, uint64_t *n)
{
	hpa_t at;

	*n = virtqueue_run(c, most, ACCESS_LOAD, &at);
	return *n ? phys_pointer(at) : NULL;
}

bool virtqueue_take(struct virtqueue_cursor *c, void *to, uint64_t bytes)
{
	char *t = to;

	while (bytes) {
		gpa_t at;
		uint64_t n = next_piece(c, bytes, &at);

		if (!n || gstage_read(c->gs, at, t, n))
			return false;
		t += n;
		bytes -= n;
	}
	return true;
}

bool virtqueue_give(struct virtqueue_cursor *c, const void *from, uint64_t bytes)
{
	const char *f = from;

	while (bytes) {
		gpa_t at;
		uint64_t n = next_piece(c, bytes, &at);

		if (!n || gstage_write(c->gs, at, f, n))
			return false;
		f += n;
		bytes -= n;
	}
	return true;
}

void virtqueue_skip(struct virtqueue_cursor *c, uint64_t bytes)
{
	unsigned part = c->part;
	uint64_t in = c->offset + bytes; /* from the beginning of @part */

	while (part < c->end && in >= c->chain->part[part].bytes)
		in -= c->chain->part[part++].bytes;
	c->part = part;
	c->offset = part < c->end ? in : 0;
}
