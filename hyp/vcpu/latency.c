/*
 * Counting how long exits take. See latency.h.
 */
#include "hyp/vcpu/latency.h"

#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

#define FRAMES 2
_Static_assert(sizeof(struct latency) <= FRAMES * PAGE_SIZE, "its frames");

enum err latency_switch(struct vcpu *v, bool on, struct frame_pool *pool)
{
	struct latency *l = v->latency;
	hpa_t at;

	if (!l && on) {
		enum err e = frame_alloc_run(pool, FRAMES, &at);

		if (e)
			return e;
		l = phys_pointer(at);
		v->latency = l;
	}
	if (l)
		l->is_on = on;
	return OK;
}

static unsigned bucket_of(uint64_t ticks)
{
	unsigned n = 0;

	for (; ticks && n < LATENCY_BUCKETS - 1; ticks >>= 1)
		n++;
	return n;
}

/* What has no row ends the VM. */
void latency_leave(struct vcpu *v, uint64_t row, uint64_t now)
{
	struct latency *l = v->latency;

	if (!l || row >= EXIT_ROWS)
		return;
	l->row = (uint32_t)row;
	l->left = now;
}

void latency_enter(struct vcpu *v, uint64_t now)
{
	struct latency *l = v->latency;

	if (!l || !l->left)
		return;
	l->counts[l->row][bucket_of(now - l->left)]++;
	l->left = 0;
}

uint64_t latency_count(const struct vcpu *v, unsigned row, unsigned bucket)
{
	const struct latency *l = v->latency;

	return l ? l->counts[row][bucket] : 0;
}

void latency_reset(struct vcpu *v)
{
	struct latency *l = v->latency;

	if (l)
		memset(l->counts, 0, sizeof(l->counts));
}
