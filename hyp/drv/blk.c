/*
 * Driver of the host's virtio-blk devices. See blk.h.
 *
 * A request takes one descriptor, which leads to its table: header, data, status. So the number of
 * a chain is a place in .under_way, and the queue is full only where more were submitted than
 * claims allow.
 *
 * Invariant: a request is in .under_way exactly while the device may touch its memory, or is dead.
 *
 * Next: hyp/drv/virtio.c; hyp/dev/virtio_blk_host.c, who uses it; gpt.c.
 */
#include "hyp/drv/blk.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/drv/plic.h"
#include "hyp/drv/virtio.h"
#include "hyp/lib/lock.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"
#include "hyp/mm/frame.h"
#include "hyp/mm/phys.h"

#define QUEUE_LEAST	16
#define QUEUE_FRAMES	4 /* of VIRTQ_MAX descriptors */
#define REQUEST_FRAMES	2
#define SHARE		4  /* a claim gets this part of the room that is left, */
#define REQUESTS_MAX	64 /* at most */
#define REQUESTS_LEAST	4
#define START_SECONDS	5 /* until a disk that doesn't answer is left alone */
#define SECTORS_MAX	(UINT64_C(1) << 50)

_Static_assert(VIRTQ_BYTES(VIRTQ_MAX) <= QUEUE_FRAMES * PAGE_SIZE, "a queue's memory");
_Static_assert(VIRTQ_MAX == BLK_REQUESTS_MAX, "one chain each");
_Static_assert(sizeof(struct blk_request) <= REQUEST_FRAMES * PAGE_SIZE, "a request's memory");

/* "Feature bits" */
#define F_SEG_MAX      (UINT64_C(1) << 2)
#define F_RO	       (UINT64_C(1) << 5)
#define F_BLK_SIZE     (UINT64_C(1) << 6)
#define F_FLUSH	       (UINT64_C(1) << 9)
#define F_DISCARD      (UINT64_C(1) << 13)
#define F_WRITE_ZEROES (UINT64_C(1) << 14)
#define FEATURES                                                                                   \
	(F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | F_DISCARD | F_WRITE_ZEROES |                    \
	 VIRTIO_F_INDIRECT_DESC)

/* "Device configuration layout" */
enum {
	CONFIG_CAPACITY = 0,
	CONFIG_SEG_MAX = 12,
	CONFIG_BLK_SIZE = 20,
	CONFIG_DISCARD_SECTORS = 36,
	CONFIG_DISCARD_ALIGNMENT = 44,
	CONFIG_ZEROES_SECTORS = 48,
};

struct blk {
	struct lock lock;
	struct virtio virtio;
	bool is_dead;
	struct blk_facts facts;
	struct blk_claim *claims;
	unsigned claimed; /* requests */
	struct virtq queue;
	struct blk_request *under_way[VIRTQ_MAX]; /* by chain */
	struct gpt gpt;
};

static struct blk disks[HOST_VIRTIO_MAX];
static unsigned disks_n;
static struct frame_pool pool;

struct blk *blk_find(const char *serial)
{
	for (struct blk *b = disks; b < disks + disks_n; b++)
		if (strcmp(b->facts.serial, serial) == 0)
			return b;
	return NULL;
}

const struct blk_facts *blk_facts(const struct blk *b)
{
	return &b->facts;
}

const struct gpt *blk_gpt(const struct blk *b)
{
	return &b->gpt;
}

/* --- claims --- */

static const struct blk_claim *other_claim(const struct blk *b, const struct blk_claim *c)
{
	for (const struct blk_claim *o = b->claims; o; o = o->next)
		if ((c->writes || o->writes) && c->first < o->first + o->sectors &&
		    o->first < c->first + c->sectors)
			return o;
	return NULL;
}

/* The more there are, the less is left for the next. */
static unsigned share(unsigned left)
{
	unsigned n = left / SHARE;

	n = n < REQUESTS_MAX ? n : REQUESTS_MAX;
	n = n > REQUESTS_LEAST ? n : REQUESTS_LEAST;
	return n < left ? n : left;
}

enum err blk_claim(struct blk *b, struct blk_claim *c, const struct blk_claim **other)
{
	enum err e = OK;

	lock_take(&b->lock);
	*other = other_claim(b, c);
	c->requests = share(b->queue.size - b->claimed);
	if (*other)
		e = ERR_OVERLAP;
	else if (!c->requests)
		e = ERR_FULL;
	if (!e) {
		b->claimed += c->requests;
		c->next = b->claims;
		b->claims = c;
	}
	lock_release(&b->lock);
	return e;
}

void blk_unclaim(struct blk *b, struct blk_claim *c)
{
	lock_take(&b->lock);
	for (struct blk_claim **at = &b->claims; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			b->claimed -= c->requests;
			break;
		}
	lock_release(&b->lock);
}

/* --- making requests --- */

static void put_desc(struct blk_request *r, hpa_t at, uint32_t bytes, unsigned flags)
{
	unsigned i = r->parts++;

	r->table[i] = (struct virtio_desc){ at.v, bytes, (uint16_t)flags, (uint16_t)(i + 1) };
}

void blk_begin(const struct blk *b, struct blk_request *r, enum blk_type type, uint64_t sector)
{
	bool is_written = type == BLK_IN || type == BLK_GET_ID;

	r->header.type = (uint32_t)type;
	r->header.reserved = 0;
	r->header.sector = sector;
	r->parts = 0;
	r->parts_max = (uint16_t)(b->facts.parts + 1);
	r->data_flags = VIRTIO_DESC_NEXT | (is_written ? VIRTIO_DESC_WRITE : 0);
	put_desc(r, phys_address(&r->header), sizeof(r->header), VIRTIO_DESC_NEXT);
}

void blk_cut(struct blk_request *r, uint64_t bytes)
{
	while (bytes) {
		struct virtio_desc *last = &r->table[r->parts - 1];

		if (last->bytes > bytes) {
			last->bytes -= (uint32_t)bytes;
			return;
		}
		bytes -= last->bytes;
		r->parts--;
	}
}

/* --- carrying them out --- */

static bool submit(struct blk *b, struct blk_request *r)
{
	int id = b->is_dead ? -1
			    : virtq_add_table(&b->queue, phys_address(r->table),
					      r->parts * (uint32_t)sizeof(r->table[0]));

	if (id < 0)
		return false;
	b->under_way[id] = r;
	return true;
}

bool blk_submit(struct blk *b, struct blk_request *r)
{
	bool good;

	r->status = BLK_IOERR; /* the device says otherwise, or nothing */
	put_desc(r, phys_address((const void *)&r->status), 1, VIRTIO_DESC_WRITE);
	lock_take(&b->lock);
	good = submit(b, r);
	lock_release(&b->lock);
	if (good)
		virtq_notify(&b->queue); /* takes long: the device begins its work meanwhile */
	return good;
}

/* Of a device that is dead all are finished, badly. */
static struct blk_request *take_dead(struct blk *b)
{
	for (unsigned i = 0; i < VIRTQ_MAX; i++) {
		struct blk_request *r = b->under_way[i];

		b->under_way[i] = NULL;
		if (r) {
			r->result = BLK_IOERR;
			return r;
		}
	}
	return NULL;
}

static struct blk_request *take(struct blk *b)
{
	struct blk_request *r;
	uint32_t bytes;
	unsigned id;

	if (b->is_dead)
		return take_dead(b);
	if (!virtq_take(&b->queue, &id, &bytes))
		return NULL;
	r = b->under_way[id];
	b->under_way[id] = NULL;
	r->result = r->status;
	if (r->result > BLK_UNSUPP)
		r->result = BLK_IOERR;
	return r;
}

struct blk_request *blk_take(struct blk *b)
{
	struct blk_request *r;

	lock_take(&b->lock);
	r = take(b);
	lock_release(&b->lock);
	return r;
}

/* A device that is reset has forgotten its queues, and touches nothing any more. */
void blk_give_up(struct blk *b)
{
	lock_take(&b->lock);
	if (!b->is_dead) {
		log_error("the host's disk %s isn't used any more: it doesn't answer",
			  b->facts.serial);
		virtio_give_up(&b->virtio);
		b->is_dead = true;
	}
	lock_release(&b->lock);
}

void blk_follow(struct blk *b, const struct hart *h)
{
	plic_host_move(b->virtio.irq, h->index);
}

struct blk *blk_interrupt(unsigned source)
{
	struct blk *b = disks;

	while (b < disks + disks_n && b->virtio.irq != source)
		b++;
	if (b == disks + disks_n)
		return NULL;
	if (virtio_interrupt(&b->virtio))
		blk_give_up(b);
	return b;
}

/* --- start-up --- */

/* Carry @r out and wait for it, while nobody else uses the disk. */
static bool wait_for(struct blk *b, struct blk_request *r)
{
	uint64_t since = csr_read(CSR_TIME);

	if (!blk_submit(b, r))
		return false;
	while (!blk_take(b)) {
		if (csr_read(CSR_TIME) - since > START_SECONDS * host.timebase)
			blk_give_up(b);
		cpu_relax();
	}
	return r->result == BLK_OK;
}

static bool move(struct blk *b, struct blk_request *r, enum blk_type type, uint64_t sector,
		 void *data, uint32_t bytes)
{
	blk_begin(b, r, type, sector);
	return blk_add(r, phys_address(data), bytes) && wait_for(b, r);
}

/* It is shown on terminals: an odd byte ends it. */
static void read_serial(struct blk *b, struct blk_request *r, char *page)
{
	unsigned n = 0;

	memset(page, 0, BLK_SERIAL_MAX);
	if (!move(b, r, BLK_GET_ID, 0, page, BLK_SERIAL_MAX))
		return;
	for (; n < BLK_SERIAL_MAX && page[n] > ' ' && page[n] < 0x7f; n++)
		b->facts.serial[n] = page[n];
	b->facts.serial[n] = 0;
}

static void read_partitions(struct blk *b, struct blk_request *r, char *page)
{
	struct gpt_read next = gpt_begin(&b->gpt, b->facts.block,
					 b->facts.sectors * BLK_SECTOR / b->facts.block);

	while (next.bytes) {
		if (!move(b, r, BLK_IN, next.at / BLK_SECTOR, page, next.bytes))
			memset(page, 0, next.bytes);
		next = gpt_next(&b->gpt, page);
	}
}

static uint64_t config64(const struct virtio *d, unsigned at)
{
	return (uint64_t)virtio_config(d, at + 4) << 32 | virtio_config(d, at);
}

static bool is_block(uint32_t bytes)
{
	return bytes >= BLK_SECTOR && bytes <= PAGE_SIZE && !(bytes & (bytes - 1));
}

static enum err read_facts(struct blk *b, uint64_t features)
{
	struct blk_facts *f = &b->facts;
	const struct virtio *d = &b->virtio;

	f->sectors = config64(d, CONFIG_CAPACITY);
	f->block = features & F_BLK_SIZE ? virtio_config(d, CONFIG_BLK_SIZE) : BLK_SECTOR;
	f->parts = features & F_SEG_MAX ? virtio_config(d, CONFIG_SEG_MAX) : 1;
	if (f->parts > b->queue.size - 2u)
		f->parts = b->queue.size - 2u;
	if (f->parts > BLK_PARTS_MAX)
		f->parts = BLK_PARTS_MAX;
	f->is_readonly = features & F_RO;
	f->can_flush = features & F_FLUSH;
	if (!f->is_readonly && (features & F_DISCARD)) {
		f->discard_sectors = virtio_config(d, CONFIG_DISCARD_SECTORS);
		f->discard_alignment = virtio_config(d, CONFIG_DISCARD_ALIGNMENT);
	}
	if (!f->is_readonly && (features & F_WRITE_ZEROES))
		f->zeroes_sectors = virtio_config(d, CONFIG_ZEROES_SECTORS);
	if (!f->parts || !is_block(f->block) || !f->sectors || f->sectors > SECTORS_MAX ||
	    f->sectors * BLK_SECTOR % f->block)
		return ERR_RANGE;
	return OK;
}

/* The largest queue it has: a chain may not be longer than that, in a table or not. */
static enum err make_queue(struct blk *b)
{
	unsigned size = VIRTQ_MAX;
	hpa_t at;
	enum err e = frame_alloc_run(&pool, QUEUE_FRAMES, &at);

	if (e)
		return e;
	while ((e = virtq_init(&b->queue, &b->virtio, 0, size, at)) && size > QUEUE_LEAST)
		size /= 2;
	return e;
}

static enum err begin(struct blk *b)
{
	uint64_t features;
	enum err e = virtio_begin(&b->virtio, FEATURES, &features);

	if (!e && !(features & VIRTIO_F_INDIRECT_DESC))
		e = ERR_UNSUPPORTED;
	if (!e)
		e = make_queue(b);
	if (!e)
		e = read_facts(b, features);
	return e;
}

/* What is asked at start-up is in frames that are given back: the device is through with them. */
static void ask(struct blk *b)
{
	hpa_t request, page;

	if (frame_alloc_run(&pool, REQUEST_FRAMES, &request))
		return;
	if (frame_alloc(&pool, &page) == OK) {
		read_serial(b, phys_pointer(request), phys_pointer(page));
		read_partitions(b, phys_pointer(request), phys_pointer(page));
		frame_free(&pool, page, 1);
	}
	frame_free(&pool, request, REQUEST_FRAMES);
}

void blk_init(void)
{
	disks_n = 0;
	pool = (struct frame_pool){ 0 };
	for (unsigned i = 0; i < host.virtio_n; i++) {
		struct blk *b = &disks[disks_n];
		enum err e;

		*b = (struct blk){ .virtio = virtio_look(i) };
		if (b->virtio.kind != VIRTIO_BLOCK)
			continue;
		e = begin(b);
		if (e) {
			log_error("a disk of the host's isn't used: %s", err_name(e));
			virtio_give_up(&b->virtio);
			continue;
		}
		virtio_ready(&b->virtio);
		ask(b);
		plic_host_enable(b->virtio.irq);
		disks_n++;
	}
}
