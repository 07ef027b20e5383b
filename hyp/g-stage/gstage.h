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
 * the 2 MiB. Of those that VMs share, the first touch of any kind does.
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
	/* The hypervisor is about to write RAM at @at, in one page, for the guest; NULL: nobody
	 * minds. gs->lock isn't held. */
	void (*write)(struct gstage *gs, gpa_t at);
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

/**
 * A pointer to guest RAM at @at for @want, good up to the end of its 4 KiB page; RAM is touched
 * first if need be. NULL: not RAM, or no memory left.
 */
void *gstage_pointer(struct gstage *gs, gpa_t at, enum access want);

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
