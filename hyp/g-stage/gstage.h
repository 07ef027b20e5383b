/*
 * The G-stage of one VM: guest physical to host physical.
 *
 * Two things are kept. What lives where: RAM, with the bundle pages that lie in it, devices, and
 * holes between; that never changes while the VM runs. And the table, in the hardware's format,
 * that is filled as the guest touches memory: with hgatp the hardware walks it, without the
 * H-extension it is plain data that hyp/shadow/ reads.
 *
 * RAM is demand-zero. A bundle's pages that are this VM's alone are mapped in place, without W, at
 * start; the first write (or a touch beside them in the same 2 MiB) gives the guest its own copy of
 * the 2 MiB. Of those that VMs share, the first touch of any kind does. What the guest says it
 * doesn't need is taken back (discard.c).
 *
 * One lock inside; every function may be called from any hart. Shadows of the table are kept under
 * the same lock.
 *
 * Source: privileged specification, "Two-Stage Address Translation".
 */
#ifndef HYP_G_STAGE_GSTAGE_H
#define HYP_G_STAGE_GSTAGE_H

#include <stdatomic.h>

#include "hyp/arch/cause.h"
#include "hyp/arch/pte.h"
#include "hyp/g-stage/vmid.h"
#include "hyp/lib/err.h"
#include "hyp/lib/lock.h"
#include "hyp/mm/frame.h"

#define GSTAGE_DEVICES_MAX  16
#define GSTAGE_BACKINGS_MAX 16
#define GSTAGE_EPOCHS	    2 /* that may have pins, discard.c */

/* The modes of hgatp, narrowest first. */
enum { GSTAGE_SV39X4, GSTAGE_SV48X4, GSTAGE_SV57X4, GSTAGE_MODES };
extern const struct pt_mode gstage_modes[GSTAGE_MODES];

struct board_device;

/* A device's registers, and what hyp/dev/ calls it; that isn't looked at here. */
struct gstage_device {
	gpa_t at;
	uint64_t bytes;
	const struct board_device *board_device;
};

/* Bytes of the bundle that a guest finds in its RAM: kernel, initrd. Any alignment. */
struct gstage_backing {
	gpa_t at;
	uint64_t bytes;
	hpa_t from;
};

struct gstage;

/* How harts learn that a leaf was replaced: they walk the table themselves, or shadows of it. */
struct gstage_fencing {
	/* Returns when no hart holds a translation of [@at, @at + @bytes) older than the table's
	 * stores before this call, nor stale instructions from there. gs->lock is held. */
	void (*fence)(struct gstage *gs, gpa_t at, uint64_t bytes);
	/* The same about all addresses. */
	void (*flush)(struct gstage *gs);
	/* For these NULL: nobody minds. gs->lock is held, and .flush follows the last two. */
	/* The hypervisor or a device writes, or is about to write, RAM in [@at, @at + @bytes). */
	void (*write)(struct gstage *gs, gpa_t at, uint64_t bytes);
	/* The first page in [@at, @end) that must stay where it is, or @end. */
	gpa_t (*keeps)(struct gstage *gs, gpa_t at, gpa_t end);
	/* What was derived from the leaves of [@at, @at + @bytes), and from the guest's own tables
	 * there, isn't true any more: both are being taken back. */
	void (*forget)(struct gstage *gs, gpa_t at, uint64_t bytes);
};
extern const struct gstage_fencing gstage_by_hgatp;

struct gstage {
	const struct pt_mode *mode;
	const struct gstage_fencing *fencing; /* gstage_by_hgatp until somebody derives shadows */
	void *shadows;			      /* theirs */
	hpa_t root;
	struct frame_pool *pool; /* pays for the guest's memory and for the tables */
	struct vmid vmid;	 /* hyp/g-stage/vmid.h */
	_Atomic uint64_t harts;	 /* bit n: host hart n may hold translations of this VM */
	struct lock lock;	 /* the table and everything below it */

	gpa_t ram;
	uint64_t ram_bytes;
	struct gstage_device devices[GSTAGE_DEVICES_MAX];
	unsigned devices_n;
	struct gstage_backing backings[GSTAGE_BACKINGS_MAX];
	unsigned backings_n;
	uint64_t cow_copies, demand_fills; /* statistics */
	uint64_t discarded;		   /* pages taken back, ever */

	/* discard.c: pins by epoch; frames that wait for them, by epoch (with the lock), and all. */
	_Atomic uint64_t epoch;
	_Atomic uint32_t pins[GSTAGE_EPOCHS];
	uint64_t waiting[GSTAGE_EPOCHS];
	_Atomic uint64_t waits;
};

/* Which modes hgatp holds on this hart: probed once, on the boot hart, before a VM is run by H.
 * Where it isn't, tables are plain data, and every mode works. */
void gstage_probe(void);
bool gstage_mode_works(const struct pt_mode *m);
/* The narrowest working mode that reaches every address below @end, or NULL. */
const struct pt_mode *gstage_mode_for(gpa_t end);

/**
 * Begin an empty G-stage for RAM [@ram, @ram + @bytes), both multiples of 4 KiB, paid by @pool.
 * Returns OK; ERR_RANGE where @mode can't address it; ERR_NOMEM.
 */
MUST_USE enum err gstage_init(struct gstage *gs, const struct pt_mode *mode,
			      struct frame_pool *pool, gpa_t ram, uint64_t bytes);

/* Returns OK; ERR_OVERLAP with RAM or another device; ERR_FULL. */
MUST_USE enum err gstage_add_device(struct gstage *gs, gpa_t at, uint64_t bytes,
				    const struct board_device *device);

/**
 * Where harts walk the table themselves: loads of the guest's in the page at @at, a device's, find the
 * memory @from, which stays while the table does. All other accesses fault as before. It isn't RAM:
 * the hypervisor's own accesses don't find it, nor does anything below that asks for RAM.
 * Returns OK; ERR_NOMEM: loads fault as before, too; ERR_UNSUPPORTED: the table is plain data.
 */
MUST_USE enum err gstage_show(struct gstage *gs, gpa_t at, hpa_t from);

/**
 * Let the guest find @bytes of the bundle at @at, and map those pages that are whole, unless the
 * bytes are @shared with other VMs.
 * The bundle's bytes stay where they are for as long as the VM lives. Nothing here writes them, but
 * QEMU up to 10.0 does: it sets A and D of a guest's table entry that lies in such a page, though
 * the page has no W. So what another VM reads too is never mapped.
 * Returns OK; ERR_RANGE outside RAM; ERR_OVERLAP with another backing; ERR_FULL; ERR_NOMEM.
 */
MUST_USE enum err gstage_add_backing(struct gstage *gs, gpa_t at, uint64_t bytes, hpa_t from,
				     bool shared);

/* Whether RAM lies at @at. */
static inline bool gstage_is_ram(const struct gstage *gs, gpa_t at)
{
	return at.v - gs->ram.v < gs->ram_bytes;
}

/* The device that has registers at @at, or NULL. */
static inline const struct gstage_device *gstage_device_at(const struct gstage *gs, gpa_t at)
{
	for (const struct gstage_device *d = gs->devices; d < gs->devices + gs->devices_n; d++)
		if (at.v - d->at.v < d->bytes)
			return d;
	return NULL;
}

/**
 * Make RAM at @at ready for @want, as a guest page fault or the hypervisor's own access needs it.
 * Remote harts are fenced where a translation was replaced.
 * Returns OK with *@changed telling whether the table had to change (false: the access was allowed
 * already, so the fault was spurious or about something else); ERR_RANGE: not RAM; ERR_NOMEM.
 */
MUST_USE enum err gstage_touch(struct gstage *gs, gpa_t at, enum access want, bool *changed);

/* How one address is translated now; level and entry as the table has them. */
struct gstage_entry {
	hpa_t to;	/* valid leaf only */
	pte_t pte;	/* the last entry read; !pte_is_valid: nothing mapped */
	unsigned level; /* of that entry */
};
struct gstage_entry gstage_lookup(struct gstage *gs, gpa_t at);

/**
 * gstage_touch() and gstage_lookup() in one, for who holds gs->lock because he derives something
 * from the table. Returns OK with *@e; ERR_RANGE: not RAM; ERR_NOMEM.
 */
MUST_USE enum err gstage_reach(struct gstage *gs, gpa_t at, enum access want,
			       struct gstage_entry *e);

/* Bytes of guest RAM, of any alignment. */
struct gstage_span {
	gpa_t at;
	uint64_t bytes;
};

/**
 * The guest doesn't need the whole pages in @spans, @n of them, any more: their memory is given back,
 * and their contents are lost; the next touch finds zeros there, or the bundle's bytes. What lies
 * outside RAM, or has no memory of its own, is passed over, and so may be a page or two that can't be
 * had, or all of them while much waits for pins. A block of 2 MiB is free for everybody when all of it was given back.
 * Returns the bytes that were taken back.
 */
uint64_t gstage_discard(struct gstage *gs, const struct gstage_span *spans, unsigned n);

/**
 * From here to gstage_unpin() of what this returns, what gstage_pointer() and gstage_run() find stays
 * memory of this VM, whatever the guest gives back meanwhile. Any hart, as often as one likes, and
 * for as long as a disk takes; none may be left when the VM's memory is given back. gstage_unpin():
 * gs->lock isn't held.
 */
unsigned gstage_pin(struct gstage *gs);
void gstage_unpin(struct gstage *gs, unsigned pin);

/**
 * A pointer to guest RAM at @at for @want, good up to the end of its 4 KiB page, and until the pin
 * that is held; RAM is touched first if need be. NULL: not RAM, or no memory left.
 */
void *gstage_pointer(struct gstage *gs, gpa_t at, enum access want);

/* RAM that lies together in the host's memory, too: a page, of whatever size. .bytes 0: none. */
struct gstage_page {
	gpa_t at;
	hpa_t to;
	uint64_t bytes;
};

/* The page at @at, ready for @want. Returns false, with nothing changed: not RAM, or no memory left. */
MUST_USE bool gstage_find_page(struct gstage *gs, gpa_t at, enum access want,
			       struct gstage_page *page);

/**
 * Where up to @bytes of RAM at @at lie, ready for @want, into *@to. Returns how many lie together
 * there, up to the end of the page, of whatever size; 0: not RAM, or no memory left. @last: none, or
 * the page that was found by the call before for the same @want, under the same pin; neighbours are
 * found without a look at the table. What lies there stays this VM's until that pin is released; but
 * what is reached for reading may be a file's, not the guest's own, and the guest's elsewhere after its
 * next store.
 */
static inline uint64_t gstage_run(struct gstage *gs, gpa_t at, uint64_t bytes, enum access want,
				  struct gstage_page *last, hpa_t *to)
{
	uint64_t offset;

	if (at.v - last->at.v >= last->bytes && !gstage_find_page(gs, at, want, last))
		return 0;
	offset = at.v - last->at.v;
	*to = hpa(last->to.v + offset);
	return bytes < last->bytes - offset ? bytes : last->bytes - offset;
}

/**
 * Somebody but this hart, a device, writes RAM: @bytes from @offset in *@span on, and in those behind
 * it. Called before it begins, and when it is through.
 */
void gstage_written(struct gstage *gs, const struct gstage_span *span, uint64_t offset,
		    uint64_t bytes);

/* The 8 bytes of RAM at @at, for who looks on: nothing is touched. false: nothing is mapped there, or
 * it isn't aligned. */
bool gstage_peek(struct gstage *gs, gpa_t at, uint64_t *v);

/**
 * Copy between the guest's RAM and the hypervisor. Returns OK, or ERR_RANGE/ERR_NOMEM with a part
 * possibly copied.
 */
MUST_USE enum err gstage_read(struct gstage *gs, gpa_t at, void *to, uint64_t bytes);
MUST_USE enum err gstage_write(struct gstage *gs, gpa_t at, const void *from, uint64_t bytes);

/**
 * The same for 16 bits that another hart reads or writes at the same time: one access, ordered
 * against all others of this hart. ERR_RANGE also where @at isn't aligned.
 */
MUST_USE enum err gstage_read16(struct gstage *gs, gpa_t at, uint16_t *v);
MUST_USE enum err gstage_write16(struct gstage *gs, gpa_t at, uint16_t v);

/* Value of hgatp that selects this G-stage with the VMID it holds now. */
uint64_t gstage_hgatp(const struct gstage *gs);

/**
 * Before this hart enters the guest: a valid VMID, hgatp set, stale translations fenced.
 * @hart: this hart's bit number in .harts. @flushed: this hart's own record for vmid_validate().
 */
void gstage_enter(struct gstage *gs, unsigned hart, uint64_t *flushed);

/* The harts but this one that may hold translations of the VM: for host_next_hart(). */
static inline uint64_t gstage_other_harts(const struct gstage *gs)
{
	return atomic_load(&gs->harts) & ~(UINT64_C(1) << this_hart()->index);
}

/* HFENCE.GVMA for one page of the VM that is loaded on this hart, on this hart alone. */
void gstage_fence_local(gpa_t at);

#endif
