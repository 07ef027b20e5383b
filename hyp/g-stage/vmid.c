/*
 * Giving out VMIDs. See vmid.h.
 *
 * Invariant: within a generation no identifier is given twice.
 */
#include "hyp/g-stage/vmid.h"

#include "hyp/lib/lock.h"

static struct lock vmid_lock;
static uint64_t count = 1;
static uint64_t next; /* the next identifier of this generation */
static uint64_t generation = 1;

void vmid_init(uint64_t n)
{
	count = n;
}

static void vmid_renew(struct vmid *v)
{
	if (next == count) {
		next = 0;
		generation++;
	}
	v->id = next++;
	v->generation = generation;
}

bool vmid_validate(struct vmid *v, uint64_t *flushed)
{
	bool flush;

	lock_take(&vmid_lock);
	if (v->generation != generation)
		vmid_renew(v);
	flush = *flushed != generation;
	*flushed = generation;
	lock_release(&vmid_lock);
	return flush;
}
