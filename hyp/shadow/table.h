/*
 * Shadow tables as data: what is kept of each, the chains they hang in, and where memory for them
 * comes from. For hyp/shadow/ alone; everything here with gstage->lock held.
 *
 *   satp -> root -> (stems) -> top -> mirror -> mirror -> leaf
 *                                \-> direct -> leaf
 *   satp -> root that mirrors -> mirror -> leaf
 *
 * A root belongs to one vcpu, one guest satp and one role, and maps the hypervisor too. Where the
 * guest's mode is narrower than the host's by more than a level, stems lead from it to the two tops,
 * which mirror the guest's root page: one for the canonical addresses from 0 up, one for those
 * down from the end. Where it is as wide as the host's, the root itself mirrors the guest's root page
 * and maps, of the hypervisor, only a window (window.c). A mirror table has the guest's table page
 * behind it; a direct table takes the place of one leaf of the guest that is larger than what can be
 * mapped at once.
 *
 * Each entry in use hangs in one chain: a leaf in that of the guest memory it maps (the reverse
 * map), any other in that of the table it points to (its parents).
 */
#ifndef HYP_SHADOW_TABLE_H
#define HYP_SHADOW_TABLE_H

#include "hyp/lib/bits.h"
#include "hyp/shadow/shadow.h"

enum shadow_kind {
	SHADOW_ROOT,   /* roots and stems: belong to a space */
	SHADOW_TOP,    /* a root that mirrors: both */
	SHADOW_MIRROR, /* .guest is behind it */
	SHADOW_DIRECT, /* part of one large leaf of the guest, or of Bare mode */
	SHADOW_STATE,  /* leads to a state page, where the guest has no table */
};

enum { HALF_NONE, HALF_LOW, HALF_HIGH };

/* What tells one table from another; compared whole. */
struct shadow_key {
	uint64_t base; /* gpa of the guest's table page, or of the first byte mapped */
	uint8_t kind, level;
	uint8_t role;	/* of a mirror; of a direct table: whether it maps copies */
	uint8_t rights; /* of a direct table: PTE_R | PTE_W | PTE_X as the guest's leaf has them */
	uint8_t half;	/* of a top */
	uint8_t owner;	/* 0, or the only vcpu (number + 1) that uses it: it leads to its state page */
	uint16_t spare;
};

/* The name of an entry: table number and index; 0 is none. */
typedef uint32_t entry_id;

struct shadow_table {
	struct shadow_key key;
	pte_t *hw;	       /* what the hardware walks, 512 entries */
	pte_t *seen;	       /* the guest's entry that hw's was made from */
	entry_id *next, *prev; /* each entry's neighbours in its chain */
	pte_t *guest;    /* a mirror's page; the guest and its other harts write it any time */
	uint64_t valid[PT_ENTRIES / 64]; /* which entries are in use */
	entry_id parents;		 /* chain of the entries that point here */
	uint32_t number;		 /* 1.. */
	uint64_t touched;		 /* shadow_begin()'s count when it was last needed */
	uint64_t synced;		 /* .fence_seq when it and all below were last compared */
	uint32_t same;			 /* the next table of the same .base, or 0 */
	uint32_t older, newer;		 /* in order of making; or .newer in a list of free ones */
	uint64_t visited;		 /* sync.c: the round that looked at it last */
	uint32_t unsynced_next, unsynced_prev; /* sync.c */
	uint32_t quiet; /* comparisons since it was filled or found changed, sync.c */
	uint32_t stores;		 /* to its page since it was last used, sync.c */
	uint16_t window;		 /* of a root: the entry that is its window's, window.c */
	bool is_protected;		 /* the guest's page has no writable mapping */
	bool has_napot; /* some leaf is part of 64 KiB */
	uint8_t leads_to; /* what leaves there have been below it: a set of TO_* */
};

enum {
	TO_COPY = 1,  /* of a patched page */
	TO_LOCAL = 2, /* made from a guest leaf without G */
};

/* One 4 KiB page of guest RAM. */
struct shadow_gfn {
	entry_id maps;	      /* leaves of 4 KiB that map it */
	uint32_t tables;      /* tables whose .base it is */
	uint16_t is_protected; /* how many of those are protected; no W then */
	uint16_t drops;	      /* copies it has lost */
	uint16_t traps;	      /* of privileged instructions in it, until it gets a copy */
	uint16_t copy;	      /* number of its copy, or 0 */
};

/* 2 MiB (level 1) or 1 GiB (level 2) of it. */
struct shadow_region {
	entry_id maps;	  /* leaves of that size */
	uint32_t special; /* pages in it that must be mapped by themselves */
};

#define SPACES	     16 /* guest address spaces remembered, a vcpu */
#define SHADOW_VCPUS 8

/*
 * What the last fence of a page went by: kernels fence page after page of one leaf table. Good for as
 * long as no link changes (shadow->links_seq) and the entries on the way are what they were.
 */
#define MEMO_MAX 12
struct shadow_fence_memo {
	uint64_t seq, mega, asid; /* .seq 0: nothing; .mega: address >> 21; .asid: ~0 for all */
	unsigned ups, leaves;
	const pte_t *up[MEMO_MAX];
	pte_t up_seen[MEMO_MAX];
	struct shadow_table *leaf[MEMO_MAX];
};

struct shadow_space {
	bool used, dirty;
	uint8_t roles; /* bit n: .root[n] is there */
	uint64_t atp, last; /* last: when it was used */
	uint64_t satp[ROLES];
	struct shadow_table *root[ROLES];
};

/* What one vcpu's current instruction has, under policy none: step.c. */
#define STEP_USED 96
struct shadow_step {
	gva_t pc;
	uint64_t atp;
	uint8_t role;
	bool whole;	   /* it runs in its own page */
	uint16_t first[2]; /* where it stands in .pages, in parcels */
	hpa_t pages[2];
	unsigned used_n;
	struct {
		struct shadow_table *t;
		uint16_t index;
	} used[STEP_USED]; /* entries filled for it */
};

#define POINTERS     512u
#define TABLE_CHUNKS 16u
#define RESERVES_MAX 8
#define GFNS_A_BLOCK   (MEGAPAGE / sizeof(struct shadow_gfn))
#define GFN_BLOCKS     256

struct shadow_state {
	struct shadow *shadow;
	struct gstage *gs;
	struct shadow_gfn *gfns[GFN_BLOCKS]; /* by (gpa - ram) >> 12 */
	struct shadow_region *regions[2];    /* level 1, level 2: from RAM's start */
	uint64_t gfn_n;
	struct shadow_table **tables[TABLE_CHUNKS]; /* by number */
	uint32_t tables_n, tables_max; /* made so far, numbers 1.. */
	hpa_t reserve[RESERVES_MAX];   /* blocks, for when the host has no more memory */
	bool reserve_is_zero[RESERVES_MAX];
	unsigned reserves, reserve_used; /* blocks; tables taken from them */
	uint32_t oldest, newest;
	uint32_t free;	/* ready for use */
	uint32_t limbo; /* some hart may still walk them */
	uint64_t round;
	uint32_t unsynced;   /* mirrors that aren't protected, under trap and unsync */
	uint32_t to_protect; /* about how many of those are to be */
	uint32_t cold_after; /* .quiet of a table that is */
	uint32_t batch;	     /* how many are at once, where other harts must be told */
	uint64_t fence_seq; /* fences that global mappings must obey too */
	struct shadow_fence_memo memo;
	uint64_t clock;
	struct shadow_copy *copies; /* patch.c; [0] isn't used */
	bool state_allowed, state_used; /* state.c */
	bool forgetting;		/* space.c: what is dropped is no hart's current space */
	bool windowed;			/* shadow_has_windows() */
	entry_id state_maps;		/* leaves that map state pages */
	struct shadow_step *step; /* of the fault that is being served; NULL: another policy */
	struct shadow_step steps[SHADOW_VCPUS];
	struct shadow_view *views[SHADOW_VCPUS];
	struct shadow_space spaces[SHADOW_VCPUS][SPACES];
};

/* table.c */

struct shadow_table *shadow_table_of(const struct shadow_state *st, uint32_t number);
struct shadow_gfn *shadow_gfn_of(const struct shadow_state *st, gpa_t at);
struct shadow_region *shadow_region_of(const struct shadow_state *st, unsigned level, gpa_t at);

/* Which entry of a table at @level stands for virtual or guest physical @at. */
static inline unsigned shadow_index(unsigned level, uint64_t at)
{
	return (unsigned)(at >> (PAGE_SHIFT + PT_INDEX_BITS * level)) & (PT_ENTRIES - 1);
}

static inline bool entry_in_use(const struct shadow_table *t, unsigned index)
{
	return (t->valid[index / 64] >> index % 64 & 1) != 0;
}

/* Whether a page of the guest's tables is behind @t. */
static inline bool table_mirrors(const struct shadow_table *t)
{
	return t->key.kind == SHADOW_MIRROR || t->key.kind == SHADOW_TOP;
}

/* The table that entry @index of @t points to; NULL where it is a leaf. It is in use. */
struct shadow_table *shadow_child(const struct shadow_table *t, unsigned index);

/* Where in guest memory the leaf at @index begins. It is in use, or .seen is set. */
gpa_t shadow_leaf_base(const struct shadow_table *t, unsigned index);

/* Memory for the bookkeeping of all of RAM. Returns OK or ERR_NOMEM. */
MUST_USE enum err shadow_tables_init(struct shadow_state *st);

/* The table with @key, or NULL. Only for mirrors and direct tables. */
struct shadow_table *shadow_find(const struct shadow_state *st, const struct shadow_key *key);

/**
 * A new, empty table. Makes room by dropping the oldest where there is no other; those touched since
 * the last shadow_begin() are safe from that, as are roots.
 */
struct shadow_table *shadow_make(struct shadow_state *st, const struct shadow_key *key,
				 pte_t *guest);

/* Nothing that is made or touched from now on is dropped to make room, until the next call. */
void shadow_begin(struct shadow_state *st);

/* Let entry @index, made from the guest's @seen, point to @child. It was not in use. */
void shadow_link(struct shadow_state *st, struct shadow_table *t, unsigned index, pte_t seen,
		 struct shadow_table *child);

/* Let it map, by @leaf, the guest RAM that @seen (or a direct table's place) says; a copy of it, if
 * that has X alone; or the state page. It was not in use. */
void shadow_map(struct shadow_state *st, struct shadow_table *t, unsigned index, pte_t seen,
		pte_t leaf);

/* Take it back. It is in use. */
void shadow_clear(struct shadow_state *st, struct shadow_table *t, unsigned index);

/* Drop @t with all that hangs on it: it is no table any more. */
void shadow_drop(struct shadow_state *st, struct shadow_table *t);

/* Clear each leaf of 4 KiB, 2 MiB and 1 GiB that maps the page at @at, or only the writable ones. */
void shadow_unmap_page(struct shadow_state *st, gpa_t at, bool writable_only);

/* Clear each leaf that maps any RAM in [@at, @at + @bytes). */
void shadow_unmap_range(struct shadow_state *st, gpa_t at, uint64_t bytes);

/* Clear each leaf that maps a state page. */
void shadow_unmap_state(struct shadow_state *st);

/* The page at @at must (not) be mapped by itself: one more (less) reason. */
void shadow_set_special(struct shadow_state *st, gpa_t at, bool special);

/* No hart that runs the VM remembers a translation older than this call. */
void shadow_flush(struct shadow_state *st);
/* Nor instructions. */
void shadow_flush_code(struct shadow_state *st);

/* sync.c */

/* Before entry @index of @t points to @child too: compare it, and what hangs on it, with the guest's
 * tables. */
void shadow_verify(struct shadow_state *st, const struct shadow_table *t, unsigned index,
		   struct shadow_table *child);
/* All of @space's tables. */
void shadow_sync_space(struct shadow_state *st, struct shadow_space *space);
/* A new mirror: protect its page, now or later, if the policy says so. */
void shadow_protect(struct shadow_state *st, struct shadow_table *t);
/* Lift the protection, if any, from the page at @at, until a fence at the earliest. */
void shadow_lift(struct shadow_state *st, gpa_t at);
/* A store to the protected page at @at: whether its protection can go, by the policy or since it is
 * no table any more; then it has gone. */
bool shadow_may_lift(struct shadow_state *st, gpa_t at);
/* Before a protected mirror goes: its page needs it no more. */
void shadow_forget_protection(struct shadow_state *st, struct shadow_table *t);

/* The @width bytes at @to, in one page, were stored: one entry, or two, may have changed. */
void shadow_written(struct shadow_state *st, gpa_t to, unsigned width);

/* patch.c */

/* Memory for the bookkeeping. Returns OK or ERR_NOMEM. */
MUST_USE enum err shadow_copies_init(struct shadow_state *st);
/* The copy that is executed for the page at @at, or .v 0. */
hpa_t shadow_copy_of(const struct shadow_state *st, gpa_t at);
/* Execute the page at @at from its original again. */
void shadow_drop_copy(struct shadow_state *st, gpa_t at);
/* The page at @at was read where its copy is executed: whether the copy may stay. */
bool shadow_copy_read(struct shadow_state *st, gpa_t at);

/* Of all pages, and of none for having been bad. */
void shadow_drop_copies(struct shadow_state *st);

/* state.c */

/* Whether @at is where state pages are, for accesses of @role. */
bool shadow_is_state_page(unsigned role, gva_t at);
/* .owner of a table of @role that @w's vcpu's state page could hang under. */
uint8_t shadow_state_owner(const struct shadow_state *st, const struct shadow_view *w,
			   unsigned role);
/* Map it for @w's vcpu: entry @index of @t, made from the guest's @seen, which maps nothing, leads
 * there from now on. */
void shadow_map_state(struct shadow_state *st, const struct shadow_view *w, struct shadow_table *t,
		      unsigned index, pte_t seen);
/* The guest has the last page for itself. */
void shadow_give_up_state(struct shadow_state *st);
/* Whether leaf @hw of a table with @owner maps the state page. */
bool shadow_is_state_leaf(const struct shadow_state *st, const struct shadow_table *t, pte_t hw);

/* step.c */

/* Memory for it. Returns OK or ERR_NOMEM. */
MUST_USE enum err shadow_steps_init(struct shadow_state *st);
/* @w's vcpu faulted. Under policy none .step is set, and what isn't its instruction's taken back. */
void shadow_step_begin(struct shadow_state *st, const struct shadow_view *w,
		       const struct regime *r);
/* Entry @index of @t is in use now: a link to @child, or a leaf. @step: NULL: nobody asks. */
void shadow_step_note(struct shadow_step *step, struct shadow_table *t, unsigned index,
		      const struct shadow_table *child);
/* Whether @at is in a page that is executed from ours. */
bool shadow_step_has(const struct shadow_step *step, gva_t at);
/* The page to be executed at @at, for that at @original. */
hpa_t shadow_step_page(struct shadow_step *step, gva_t at, hpa_t original);

/* window.c; only where the host has windows */

/* Once, before other harts run. */
void shadow_windows_init(void);
/* The new @root has one. */
void shadow_window_open(struct shadow_table *root);
/* The guest, which is loaded here, can't do without @at: if the window is there it moves. */
void shadow_window_give_way(struct shadow_state *st, struct shadow_table *root, gva_t at);
extern const char trap_window[]; /* hyp/trap/window.S: the page of the stub */

/* discard.c: what struct gstage_fencing asks of who derives shadows */

gpa_t shadow_keeps(struct gstage *gs, gpa_t at, gpa_t end);
void shadow_forget(struct gstage *gs, gpa_t at, uint64_t bytes);

/* space.c */

/* Give up the roots of all spaces that no hart can be in: they are what eviction spares. */
void shadow_forget_idle(struct shadow_state *st);
/* The space of @w's satp, with a root for @r's role. */
struct shadow_space *shadow_space_of(struct shadow_state *st, struct shadow_view *w,
				     const struct regime *r);

/* shadow_code() under @root. */
struct shadow_code shadow_code_at(struct shadow_state *st, const struct shadow_table *root,
				  gva_t pc);

#endif
