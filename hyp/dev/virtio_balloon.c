/*
 * The balloon. See virtio_balloon.h.
 *
 * What goes into it is given back at once (hyp/g-stage/discard.c); what comes out is found again as
 * RAM that was never touched, so that nothing needs be remembered of either. A driver that inflates
 * pages which it goes on using has lost what was in them, and nobody else anything.
 *
 * Invariant: what one chain makes us do is bounded; the rest of it isn't looked at, and stays the
 * guest's.
 */
#include "hyp/dev/virtio_balloon.h"

#include "hyp/arch/cpu.h"
#include "hyp/dev/board.h"
#include "hyp/drv/host.h"
#include "hyp/lib/string.h"

/* "Feature bits". Pages come back zeroed, whether the guest says when or not: there is nothing to
 * tell first (MUST_TELL_HOST). What lies in the bundle isn't zero then (PAGE_POISON). */
#define F_STATS_VQ	 (UINT64_C(1) << 1)
#define F_DEFLATE_ON_OOM (UINT64_C(1) << 2)
#define F_REPORTING	 (UINT64_C(1) << 5)

/* Queues have fixed numbers; but Linux leaves out those of features that it, or we, don't have, so
 * that its last one has the number of the hints, which we don't have. */
enum { INFLATE, DEFLATE, STATS, HINTS, REPORTING, QUEUES };

#define PFNS_MAX     1024     /* of a chain; Linux has 256 in one */
#define PFNS_AT_ONCE 128
#define REPORT_MAX   MIB(256) /* bytes of a chain; Linux tells of up to 128 MiB in one */

/* What takes as long as copying so many bytes, for a page by itself, and for each 64 bytes of more. */
#define COST_OF_PFN	 2048
#define REPORT_PER_COST 64

/* --- what the guest gives --- */

/* Pages side by side are one span. Returns how many there are. */
static unsigned spans_of(const uint32_t *pfn, unsigned n, struct gstage_span *span)
{
	unsigned spans = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t at = (uint64_t)pfn[i] * VIRTIO_BALLOON_PAGE;
		struct gstage_span *last = &span[spans - (spans > 0)];

		if (spans && last->at.v + last->bytes == at)
			last->bytes += VIRTIO_BALLOON_PAGE;
		else if (spans && at + VIRTIO_BALLOON_PAGE == last->at.v)
			*last = (struct gstage_span){ gpa(at),
						      last->bytes + VIRTIO_BALLOON_PAGE };
		else
			span[spans++] = (struct gstage_span){ gpa(at), VIRTIO_BALLOON_PAGE };
	}
	return spans;
}

static struct virtio_done inflate(struct virtio_device *d, struct virtqueue *q,
				  const struct virtqueue_chain *chain)
{
	struct virtqueue_cursor from = virtqueue_readable(q, chain);
	uint64_t left = virtqueue_left(&from) / sizeof(uint32_t);
	struct virtio_done done = { 0 };

	if (left > PFNS_MAX)
		left = PFNS_MAX;
	done.cost = left * COST_OF_PFN;
	while (left) {
		uint32_t pfn[PFNS_AT_ONCE];
		struct gstage_span span[PFNS_AT_ONCE];
		unsigned n = left < PFNS_AT_ONCE ? (unsigned)left : PFNS_AT_ONCE;

		if (!virtqueue_take(&from, pfn, n * sizeof(*pfn)))
			break;
		d->balloon.inflated += gstage_discard(d->gs, span, spans_of(pfn, n, span));
		left -= n;
	}
	return done;
}

/* The buffers are the free pages themselves. The guest has them again when it gets the chain back. */
static struct virtio_done report(struct virtio_device *d, const struct virtqueue_chain *chain)
{
	struct gstage_span span[VIRTIO_QUEUE_SIZE];
	struct virtio_done done = { 0 };
	uint64_t left = REPORT_MAX;

	for (unsigned i = 0; i < chain->parts; i++) {
		uint64_t bytes = chain->part[i].bytes < left ? chain->part[i].bytes : left;

		span[i] = (struct gstage_span){ chain->part[i].at, bytes };
		left -= bytes;
	}
	d->balloon.reported += gstage_discard(d->gs, span, chain->parts);
	done.cost = (REPORT_MAX - left) / REPORT_PER_COST;
	return done;
}

static struct virtio_done serve(struct virtio_device *d, struct virtqueue *q,
				const struct virtqueue_chain *chain)
{
	switch (q - d->queue) {
	case INFLATE:
		return inflate(d, q, chain);
	case HINTS:
	case REPORTING:
		return report(d, chain);
	case DEFLATE:
	default:
		return (struct virtio_done){ 0 };
	}
}

/* --- statistics --- */

/* "Memory Statistics Tags", by number; those from 10 on are Linux's. */
static const struct {
	const char *name;
	uint64_t unit; /* in which it is shown */
} stats[VIRTIO_BALLOON_STATS] = {
	{ "swapin", KIB(1) }, { "swapout", KIB(1) }, { "majflt", 1 },	  { "minflt", 1 },
	{ "free", KIB(1) },   { "total", KIB(1) },   { "avail", KIB(1) }, { "caches", KIB(1) },
	{ "huge", 1 },	      { "nohuge", 1 },	     { "oom", 1 },	  { "stalls", 1 },
	{ "kscan", KIB(1) },  { "dscan", KIB(1) },   { "kfreed", KIB(1) }, { "dfreed", KIB(1) },
};

#define TAGS_MAX (2 * VIRTIO_BALLOON_STATS) /* that are looked at */

struct tagged {
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));

static void read_stats(struct virtio_balloon *b, const struct virtqueue *q,
		       const struct virtqueue_chain *chain)
{
	struct virtqueue_cursor from = virtqueue_readable(q, chain);
	struct tagged t;

	b->known = 0;
	b->stats_at = csr_read(CSR_TIME);
	for (unsigned i = 0; i < TAGS_MAX && virtqueue_take(&from, &t, sizeof(t)); i++) {
		if (t.tag >= VIRTIO_BALLOON_STATS)
			continue;
		b->stat[t.tag] = t.value;
		b->known |= 1u << t.tag;
	}
}

/* The driver has one buffer, which waits here; one that has more gets the one before back. */
static void take_stats(struct virtio_device *d, struct virtqueue *q)
{
	struct virtqueue_chain chain;

	for (unsigned n = 0; n < q->size; n++) {
		uint16_t popped = q->popped;

		if (virtqueue_pop(q, &chain) != VIRTQUEUE_CHAIN)
			break;
		if (popped != q->pushed)
			virtqueue_push(q, d->balloon.buffer, 0);
		virtio_count(d, &chain, 0);
		read_stats(&d->balloon, q, &chain);
		d->balloon.buffer = chain.head;
	}
	(void)virtqueue_arm(q);
	virtio_publish(d, q);
}

/* Linux offers its first buffer before DRIVER_OK, when nobody listens; what that says is of then. */
static void take_first_stats(struct virtio_device *d, struct virtqueue *q)
{
	take_stats(d, q);
	d->balloon.known = 0;
}

static void ask_for_stats(struct virtio_device *d)
{
	struct virtqueue *q = &d->queue[STATS];

	if (!virtio_is_live(d) || !q->is_ready)
		return;
	if (q->popped == q->pushed && !d->balloon.known)
		take_first_stats(d, q);
	if (q->popped == q->pushed)
		return;
	virtqueue_push(q, d->balloon.buffer, 0);
	virtio_publish(d, q);
}

/* --- what it shows --- */

/* What the driver says it has given may be more than there is. */
static uint64_t without(const struct virtio_balloon *b, uint32_t pages)
{
	uint64_t bytes = (uint64_t)pages * VIRTIO_BALLOON_PAGE;

	return bytes < b->memory ? b->memory - bytes : 0;
}

/* Sizes in KiB; of statistics what the driver has told, and how old that is. New ones come for the
 * next time. */
static unsigned counters(struct virtio_device *d, struct virtio_counter *to)
{
	const struct virtio_balloon *b = &d->balloon;
	unsigned n = 0;

	to[n++] = (struct virtio_counter){ "target", without(b, b->config.num_pages) / KIB(1) };
	to[n++] = (struct virtio_counter){ "actual", without(b, b->config.actual) / KIB(1) };
	to[n++] = (struct virtio_counter){ "inflated", b->inflated / KIB(1) };
	to[n++] = (struct virtio_counter){ "reported", b->reported / KIB(1) };
	if (b->known)
		to[n++] = (struct virtio_counter){
			"age_ms", host_ns(csr_read(CSR_TIME) - b->stats_at) / 1000000
		};
	for (unsigned i = 0; i < VIRTIO_BALLOON_STATS; i++)
		if (b->known >> i & 1)
			to[n++] = (struct virtio_counter){ stats[i].name,
							   b->stat[i] / stats[i].unit };
	ask_for_stats(d);
	return n;
}

/* --- the device --- */

static void configure(struct virtio_device *d, uint64_t at, uint64_t width, uint32_t v)
{
	if (at >= offsetof(struct virtio_balloon_config, actual))
		memcpy((char *)&d->balloon.config + at, &v, width);
}

/* What the operator wants outlasts it. */
static void reset(struct virtio_device *d)
{
	d->balloon.config.actual = 0;
	d->balloon.known = 0;
}

static const struct virtio_kind kind = {
	.id = 5,
	.queue_size = VIRTIO_QUEUE_SIZE,
	.name = "balloon",
	.serve = serve,
	.inputs = 1u << STATS,
	.refill = take_stats,
	.configure = configure,
	.reset = reset,
	.counters = counters,
};

void virtio_balloon_attach(struct board *b, unsigned slot, struct gstage *gs, uint64_t memory)
{
	struct virtio_balloon *balloon = &b->virtio[slot].balloon;

	balloon->memory = memory;
	virtio_attach(b, slot, &kind, QUEUES, gs, F_STATS_VQ | F_DEFLATE_ON_OOM | F_REPORTING,
		      &balloon->config, sizeof(balloon->config));
}

static struct virtio_device *balloon_of(struct board *b)
{
	for (struct virtio_device *d = b->virtio; d < b->virtio + VIRTIO_SLOTS; d++)
		if (d->kind == &kind)
			return d;
	return NULL;
}

bool virtio_balloon_set_target(struct board *b, uint64_t bytes)
{
	struct virtio_device *d = balloon_of(b);
	uint64_t given;

	if (!d)
		return false;
	given = bytes < d->balloon.memory ? d->balloon.memory - bytes : 0;
	lock_take(&d->lock);
	d->balloon.config.num_pages = (uint32_t)(given / VIRTIO_BALLOON_PAGE);
	virtio_changed(d);
	lock_release(&d->lock);
	return true;
}

bool virtio_balloon_size(struct board *b, struct virtio_balloon_size *size)
{
	struct virtio_device *d = balloon_of(b);

	if (!d)
		return false;
	lock_take(&d->lock);
	size->target = without(&d->balloon, d->balloon.config.num_pages);
	size->actual = without(&d->balloon, d->balloon.config.actual);
	lock_release(&d->lock);
	return true;
}
