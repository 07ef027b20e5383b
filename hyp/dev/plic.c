/*
 * The guest's PLIC.
 *
 *   line --> gateway --> pending --> (enabled, priority above threshold) --> the hart's SEIP
 *
 * Invariant: when the lock is free, each hart's external interrupt is raised exactly while its
 * S-mode context has something to claim; and a claimed source is not pending: its gateway is shut
 * until the completion, which looks at the line again.
 *
 * Next: hyp/vcpu/irq.c, where SEIP goes.
 */
#include "hyp/dev/board.h"
#include "hyp/vcpu/irq.h"

#define PRIORITY_MASK	  7
#define ENABLE		  0x2000
#define ENABLE_STRIDE	  0x80
#define CONTEXT_STRIDE	  0x1000
#define CONTEXT_THRESHOLD 0
#define CONTEXT_CLAIM	  4

static unsigned s_context(unsigned hart)
{
	return 2 * hart + 1;
}

static uint32_t bit(unsigned source)
{
	return 1u << source % 32;
}

/*
 * The source that @context would claim now, 0 if none: the highest priority above its threshold,
 * of equals the lowest number.
 */
static unsigned best_source(const struct plic *p, unsigned context)
{
	unsigned best = 0, most = p->threshold[context];

	for (unsigned w = 0; w < PLIC_WORDS; w++) {
		uint32_t bits = p->pending[w] & p->enable[context][w];

		for (unsigned s = w * 32; bits; s++, bits >>= 1) {
			if ((bits & 1) && p->priority[s] > most) {
				best = s;
				most = p->priority[s];
			}
		}
	}
	return best;
}

static void update_harts(struct plic *p)
{
	for (unsigned h = 0; h < p->vcpus_n; h++) {
		bool raise = best_source(p, s_context(h)) != 0;

		if (raise == p->is_raised[h])
			continue;
		p->is_raised[h] = raise;
		irq_set_external(p->vcpus[h], raise);
	}
}

void plic_reset(struct board *b, struct vcpu *const *vcpus, unsigned n)
{
	struct plic *p = &b->plic;

	lock_take(&p->lock);
	p->vcpus = vcpus;
	p->vcpus_n = n;
	shown_reset(&p->shown);
	for (unsigned s = 0; s < PLIC_SOURCES; s++)
		p->priority[s] = 0;
	for (unsigned w = 0; w < PLIC_WORDS; w++)
		p->level[w] = p->pending[w] = p->claimed[w] = 0;
	for (unsigned c = 0; c < PLIC_CONTEXTS; c++) {
		p->threshold[c] = 0;
		for (unsigned w = 0; w < PLIC_WORDS; w++)
			p->enable[c][w] = 0;
	}
	for (unsigned h = 0; h < n; h++) {
		p->is_raised[h] = false;
		irq_set_external(vcpus[h], false);
	}
	lock_release(&p->lock);
}

/* A request that went through the gateway stays pending though the line falls: only a claim ends
 * it. */
void plic_set_line(struct board *b, unsigned source, bool high)
{
	struct plic *p = &b->plic;
	unsigned w = source / 32;

	lock_take(&p->lock);
	if (high) {
		p->level[w] |= bit(source);
		p->pending[w] |= bit(source) & ~p->claimed[w];
		update_harts(p);
	} else {
		p->level[w] &= ~bit(source);
	}
	lock_release(&p->lock);
}

struct vcpu *plic_listener(struct board *b, unsigned source)
{
	struct plic *p = &b->plic;
	struct vcpu *v = NULL;

	lock_take(&p->lock);
	for (unsigned h = 0; h < p->vcpus_n && !v; h++)
		if (p->enable[s_context(h)][source / 32] & bit(source))
			v = p->vcpus[h];
	lock_release(&p->lock);
	return v;
}

static uint32_t claim(struct plic *p, unsigned context)
{
	unsigned source = best_source(p, context);

	if (source) {
		p->pending[source / 32] &= ~bit(source);
		p->claimed[source / 32] |= bit(source);
		update_harts(p);
	}
	return source;
}

/* Completing what the context hasn't enabled is ignored ("Interrupt Completion"). */
static void complete(struct plic *p, unsigned context, uint32_t source)
{
	unsigned w = source / 32;

	if (source >= PLIC_SOURCES || !(p->enable[context][w] & p->claimed[w] & bit(source)))
		return;
	p->claimed[w] &= ~bit(source);
	p->pending[w] |= p->level[w] & bit(source);
	update_harts(p);
}

static uint32_t read_context(struct plic *p, uint64_t at)
{
	unsigned context = (unsigned)(at / CONTEXT_STRIDE);

	switch (at % CONTEXT_STRIDE) {
	case CONTEXT_THRESHOLD:
		return p->threshold[context];
	case CONTEXT_CLAIM:
		return claim(p, context);
	default:
		return 0;
	}
}

static void write_context(struct plic *p, uint64_t at, uint32_t value)
{
	unsigned context = (unsigned)(at / CONTEXT_STRIDE);

	switch (at % CONTEXT_STRIDE) {
	case CONTEXT_THRESHOLD:
		p->threshold[context] = value & PRIORITY_MASK;
		update_harts(p);
		break;
	case CONTEXT_CLAIM:
		complete(p, context, value);
		break;
	default:
		break;
	}
}

/* The word of enable bits at @at, or NULL past the last source. */
static uint32_t *enable_word(struct plic *p, uint64_t at)
{
	uint64_t w = at % ENABLE_STRIDE / 4;

	return w < PLIC_WORDS ? &p->enable[at / ENABLE_STRIDE][w] : NULL;
}

static uint32_t read_enable(struct plic *p, uint64_t at)
{
	const uint32_t *word = enable_word(p, at);

	return word ? *word : 0;
}

static void write_enable(struct plic *p, uint64_t at, uint32_t value)
{
	uint32_t *word = enable_word(p, at);

	if (!word)
		return;
	/* There is no source 0. */
	*word = at % ENABLE_STRIDE ? value : value & ~1u;
	if (at < PAGE_SIZE)
		shown_store(&p->shown, at, *word);
	update_harts(p);
}

static uint32_t read_priority(struct plic *p, uint64_t at)
{
	return p->priority[at / 4];
}

static void write_priority(struct plic *p, uint64_t at, uint32_t value)
{
	p->priority[at / 4] = value & PRIORITY_MASK;
	update_harts(p);
}

static uint32_t read_pending(struct plic *p, uint64_t at)
{
	return p->pending[at / 4];
}

static void ignore(struct plic *p, uint64_t at, uint32_t value)
{
	(void)p;
	(void)at;
	(void)value;
}

/* Groups of registers, those used most first. A group has .bytes, and .per_hart more for each. */
static const struct group {
	uint64_t base, bytes, per_hart;
	uint32_t (*read)(struct plic *p, uint64_t at);
	void (*write)(struct plic *p, uint64_t at, uint32_t value);
} groups[] = {
	{ 0x200000, 0, 2 * CONTEXT_STRIDE, read_context, write_context },
	{ ENABLE, 0, 2 * ENABLE_STRIDE, read_enable, write_enable },
	{ 0x000000, PLIC_SOURCES * 4, 0, read_priority, write_priority },
	{ 0x001000, PLIC_WORDS * 4, 0, read_pending, ignore },
};

static const struct group *find_group(const struct plic *p, uint64_t at)
{
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const struct group *g = &groups[i];

		if (at - g->base < g->bytes + g->per_hart * p->vcpus_n)
			return g;
	}
	return NULL;
}

/* The first page of enable bits: Linux reads its own at each completion. */
static void show_enable(struct board *b)
{
	struct plic *p = &b->plic;

	shown_begin(&p->shown, &b->shown[VIRTIO_SLOTS]);
	for (uint64_t at = 0; at < PAGE_SIZE && at < 2 * ENABLE_STRIDE * p->vcpus_n; at += 4)
		shown_store(&p->shown, at, read_enable(p, at));
	shown_end(&p->shown, p->vcpus[0]->gstage, gpa(PLIC_BASE + ENABLE));
}

/* Where there is no register a load gives 0 and a store does nothing, as on QEMU. */
enum mmio_result plic_access(struct board *b, struct mmio *m)
{
	struct plic *p = &b->plic;
	const struct group *g = find_group(p, m->offset);

	if (!g) {
		m->value = m->is_store ? m->value : 0;
		return MMIO_OK;
	}
	lock_take(&p->lock);
	if (m->is_store)
		g->write(p, m->offset - g->base, (uint32_t)m->value);
	else
		m->value = g->read(p, m->offset - g->base);
	if (g->base == ENABLE && !m->is_store && shown_is_due(&p->shown))
		show_enable(b);
	lock_release(&p->lock);
	return MMIO_OK;
}
