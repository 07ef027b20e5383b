/*
 * Shadow tables: guest virtual to host physical without the H-extension.
 *
 *   gva --- guest's table page ---> gpa --- G-stage ---> hpa
 *   gva -------- shadow table (what satp points to) ---> hpa
 *
 * A shadow table mirrors one page of the guest's tables, entry by entry, for one role: what the
 * page's leaves allow depends on who asks. All its leaves have U, since the whole guest runs in
 * U-mode. An entry is filled when it is first used and taken back when the guest's entry changes;
 * when that is noticed is the policy's to say, and never later than the fence that the guest owes.
 *
 * One set of shadow tables a VM, for all its vcpus, under the lock of its G-stage. Every function
 * may be called from any hart. Those with a view are called by the hart its vcpu is loaded on.
 *
 * Source: privileged specification, "Supervisor Memory-Management Fence Instruction", for what may
 * be stale until when.
 */
#ifndef HYP_SHADOW_SHADOW_H
#define HYP_SHADOW_SHADOW_H

#include "hyp/arch/cause.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/vs-stage/walk.h"

/* When a change of the guest's tables is noticed. */
enum shadow_policy {
	SHADOW_TRAP,   /* at the store: table pages are write-protected, stores are emulated */
	SHADOW_UNSYNC, /* at the fence, while a table changes; then as by trap, until a leaf table's
			* next store */
	SHADOW_LAZY,   /* at the fence: nothing is protected, what is used is compared */
	SHADOW_CACHING, /* those above keep what they fill */
	SHADOW_NONE = SHADOW_CACHING, /* never: each instruction has its shadow made anew, step.c */
	SHADOW_POLICIES,
};
extern const char *const shadow_policy_names[SHADOW_POLICIES];

/* What a fault came to. */
enum shadow_what {
	SHADOW_RESUME, /* the access will work now */
	SHADOW_PAGE,   /* the guest's own page fault */
	SHADOW_ACCESS, /* neither RAM nor device, or a table outside RAM: an access fault */
	SHADOW_DEVICE, /* a load or store: .to lies in .device */
	SHADOW_STORE,  /* a store to a protected table page at .to: shadow_store() and the like */
	SHADOW_READ,   /* a load at .to from a page that is executed from a patched copy: load it
			* from the original by software, or shadow_unpatch() and retry */
	SHADOW_NOMEM,  /* the host has no memory left for a page the guest never touched */
};

struct shadow_answer {
	enum shadow_what what;
	gpa_t to;
	const struct gstage_device *device;
};

/* Counters of one VM. */
struct shadow_stats {
	uint64_t faults, fills, tables, evicted, roots;
	uint64_t references; /* entries of the guest's tables that were read to fill */
	uint64_t steps;	     /* instructions that had their shadow made anew: policy none */
	uint64_t foreseen;  /* of the fills, those by shadow_foresee() */
	uint64_t stores;    /* to table pages, emulated */
	uint64_t unshadows; /* table pages whose protection was lifted */
	uint64_t syncs;	    /* entries compared with the guest's */
	uint64_t changes;   /* and found to differ */
	uint64_t fences;    /* of the guest */
	uint64_t flushes;   /* of remote harts, for our own sake */
	uint64_t patched_pages, patched_sites, unpatched_pages;
};

struct shadow_state; /* hyp/shadow/table.h */
struct shadow_space;
struct shadow_table;

#define SHADOW_NO_MISS 1 /* nothing is executed at an odd address */

/* The last access that the guest's own leaf table didn't allow: the guest will mend that, and then
 * try again. */
struct shadow_miss {
	gva_t pc;	    /* of the instruction; SHADOW_NO_MISS where there was none */
	gva_t at;
	struct shadow_table *t;
	uint64_t links_seq; /* table.h: when .t was there */
	enum access want;
	struct regime r;
};

/* What one vcpu keeps. Zero-initialise, then set .vcpu and .state_page. Its own hart only. */
struct shadow_view {
	struct shadow_space *space; /* the one of .atp; NULL: to be looked up */
	const uint64_t *satps;	    /* of .space, by role; 0: no root yet */
	uint64_t atp;		    /* the guest's satp */
	unsigned vcpu;		    /* 0.. */
	gva_t pc;		    /* of the instruction that faulted, before shadow_fault() */
	hpa_t state_page;	    /* what patched code reaches at gva -4096; .v 0: none */
	struct shadow_miss miss;
};

struct shadow {
	struct shadow_stats stats; /* gstage->lock */
	enum shadow_policy policy;
	bool patch;
	_Atomic uint64_t code_seq;
	uint64_t links_seq; /* gstage->lock; goes up when anything but a leaf of 4 KiB comes, or a
			     * table goes; never down. Behind .code_seq: fast.S */
	struct shadow_state *state; /* NULL: none yet */
};

/* Whether nothing is protected. */
static inline bool shadow_is_lazy(const struct shadow *s)
{
	return s->policy >= SHADOW_LAZY;
}

/* Once, on the boot hart, before any vcpu is loaded: find out what its satp can hold. */
void shadow_probe(void);

/**
 * Begin with no shadow at all, for the VM that @gs is of. All memory comes from gs->pool and is
 * given back with it; a new begin forgets what an earlier one had.
 * Returns OK or ERR_NOMEM.
 */
MUST_USE enum err shadow_init(struct shadow *s, struct gstage *gs, enum shadow_policy policy,
			      bool patch);

/*
 * Where the hypervisor is while a guest runs. A host with Sv57 or Sv48 has addresses that a guest of
 * a narrower mode can't name: the hypervisor's map lies there in every shadow root, and a trap ends
 * in it at once. That is the way wherever it can be, since it costs nothing.
 *
 * On a host that has only Sv39, or was told to use that, it can't be: guests need Sv39 as well. There
 * a shadow root holds nothing of the hypervisor but two pages without U in a window, which moves out
 * of the guest's way; through it each exit changes satp, and each entry does again. Guests have the
 * host's own mode on such a host alone: Linux takes the widest that it is given, and would pay for
 * that in every exit.
 */

/**
 * Modes of satp that a guest can have on this host: whether value @mode of its MODE field may be
 * written. Bare always may.
 */
bool shadow_mode_works(uint64_t mode);

/* Whether guests on this host are entered and left through windows. Then satp isn't the backend's
 * to write, and stvec is shadow_window_load()'s and shadow_window_enter()'s. */
bool shadow_has_windows(void);

/* From now on this hart's guest is @vcpu; traps of ourselves go on at @bug. */
void shadow_window_load(const void *vcpu, uint64_t bug);

/* Then: traps of the guest go on at @at, with a0 = its vcpu, whose frame has t0 already and is to get
 * the guest's a0 from sscratch. */
void shadow_window_arrive(uint64_t at);

/* This hart's next entry is to regime @r of @w's vcpu, by what shadow_satp() has just answered. */
void shadow_window_enter(const struct shadow_view *w, const struct regime *r);

/* Whether a root's entry @e is its window's, and says nothing of what the guest has there. */
bool shadow_is_window(pte_t e);

/*
 * Who asks: one shadow each. MXR in user mode differs too; SUM there doesn't matter. In Bare mode
 * nobody's rights differ, but only the kernel executes patched copies.
 */
enum { ROLE_USER = 1, ROLE_SUM = 2, ROLE_MXR = 4, ROLES = 8 };
static inline unsigned shadow_role(const struct regime *r)
{
	unsigned role = r->user ? ROLE_USER : 0;

	if (r->atp >> ATP_MODE_SHIFT == ATP_MODE_BARE)
		return role;
	if (r->sum && !r->user)
		role |= ROLE_SUM;
	return r->mxr ? role | ROLE_MXR : role;
}

/* As shadow_satp(), where a root may have to be made. */
uint64_t shadow_find_satp(struct shadow *s, struct shadow_view *w, const struct regime *r);

/**
 * The value for the hardware's satp under which @w's vcpu runs in regime @r. Costs little where
 * nothing has changed since the last call. Never fails: older shadows make room.
 * What the hart remembers of another value is not to be used: the caller fences after the write
 * unless shadow_has_asids().
 */
static inline uint64_t shadow_satp(struct shadow *s, struct shadow_view *w, const struct regime *r)
{
	uint64_t satp;

	if (w->space && w->atp == r->atp && (satp = w->satps[shadow_role(r)]) != 0)
		return satp;
	return shadow_find_satp(s, w, r);
}

/* Whether the values of shadow_satp() differ in ASIDs. */
bool shadow_has_asids(void);

/**
 * An access of @w's vcpu in regime @r at @at faulted. Fills what is missing.
 */
struct shadow_answer shadow_fault(struct shadow *s, struct shadow_view *w, const struct regime *r,
				  gva_t at, enum access want);

/* See shadow_foresee(). */
void shadow_fill_miss(struct shadow *s, struct shadow_view *w);

/**
 * @w's vcpu goes on at @pc after an exception. Where that is the instruction whose access missed,
 * and the guest's entry now allows it as it is, the shadow is filled before there is a fault.
 */
static inline void shadow_foresee(struct shadow *s, struct shadow_view *w, gva_t pc)
{
	if (w->miss.pc.v == pc.v)
		shadow_fill_miss(s, w);
}

/**
 * Carry out a store of the low @width bytes (1..8) of @value to RAM at @to, within one page that may
 * be a protected table's, with its effect on the shadows. One of 1, 2, 4 or 8 that is aligned is
 * atomic. Nothing is stored where the host has no memory left, but RAM that gstage_touch() was
 * called for can always be stored to, as can a table page.
 */
void shadow_store(struct shadow *s, gpa_t to, uint64_t value, unsigned width);

/**
 * The same for an AMO (@funct5 as in the instruction; 4 or 8 bytes). Returns the old value,
 * sign-extended.
 */
uint64_t shadow_amo(struct shadow *s, gpa_t to, unsigned funct5, uint64_t value, unsigned width);

/**
 * Lift the protection of the table page at @to, until a fence of the guest at the earliest, so that
 * any instruction at all can store to it: for stores that aren't emulated.
 */
void shadow_unprotect(struct shadow *s, gpa_t to);

/**
 * A vcpu of the guest executed SFENCE.VMA, on itself or (RFENCE) on others. @at: a page, or NULL
 * for all; @asid: one, or NULL for all. The harts' own sfence.vma is the caller's, after it.
 */
void shadow_fence(struct shadow *s, const gva_t *at, const uint64_t *asid);

/*
 * What a vcpu knows of 2 MiB of addresses under one ASID: by which of the guest's entries the shadows
 * get there, and which tables have their leaves. A fence of one page there has nothing to do as long
 * as .links_seq is .seq, no leaf is in use for the page, and the entries on the way are what they
 * were. Of the fences that a kernel makes when it changes the rights of many pages most are so.
 *
 * hyp/trap/fast.S finds that out without taking gstage->lock. It sees the lock free, once, with the
 * stores that the fence is about before that and all it compares after it. Whoever held the lock
 * before then has let it go, and what he did is seen. Whoever takes it later finds those stores in
 * the guest's tables, and puts nothing older into a shadow. So what wasn't true when the lock was
 * free can only look true because it has become so: .links_seq never takes a value twice, and a
 * leaf that is out of use by now may stay out. Where a table has gone meanwhile, or a page of the
 * guest's tables that it gave back, the shadows were emptied first, and whatever the memory says then
 * is as good. Own hart only.
 */
#define ABSENCE_MAX 3
struct shadow_absence {
	uint64_t seq;		      /* 0: nothing is known */
	uint64_t asid, mega;	      /* mega: address >> 21 */
	const pte_t *up[ABSENCE_MAX]; /* all are used: where there are fewer, one is repeated */
	pte_t seen[ABSENCE_MAX];
	uint64_t leaves[ABSENCE_MAX]; /* where the hardware's entry for address 0 would be */
};

#define SHADOW_ALL_ASIDS UINT64_MAX
/**
 * The same for one page, @asid or SHADOW_ALL_ASIDS: what kernels do in long rows.
 * @known: what the next of the row may go by is put there; NULL: nobody asks.
 */
void shadow_fence_page(struct shadow *s, gva_t at, uint64_t asid, struct shadow_absence *known);

/**
 * Where the instruction at @pc is fetched from, as the hardware does it now: by the shadow.
 */
struct shadow_code {
	bool is_mapped;
	uint32_t bits; /* the guest's own 4 bytes at pc, or the 2 up to the end of the page */
	gpa_t at;      /* where they are */
	bool is_copy;	      /* what is executed is a patched copy of their page */
	uint64_t seq;	      /* shadow_code_seq() when that was so */
};
struct shadow_code shadow_code(struct shadow *s, struct shadow_view *w, const struct regime *r,
			       gva_t pc);

/**
 * What the hardware would find for @at in regime @r, for who wants to see it; nothing is made, or
 * synchronised, for that.
 */
struct shadow_seen {
	bool has_root; /* else nothing was entered under that satp in that role, or it is forgotten */
	bool is_leaf;
	bool is_protected; /* the guest's page is a table that is write-protected, */
	bool is_copy;	   /* or executed from a patched copy */
	bool is_state;	   /* .entry maps the vcpu's state page, and nothing of the guest's */
	bool is_old;	   /* on the way to it the guest's tables say something else by now */
	unsigned level;	   /* of .entry */
	pte_t entry;	   /* the last that is there; not valid: none */
};
struct shadow_seen shadow_look(struct shadow *s, const struct shadow_view *w,
			       const struct regime *r, gva_t at);

/*
 * Patched copies. A page whose privileged instructions keep trapping is executed from a private
 * copy, in which they are replaced by something cheaper; the guest reads its original, and where it
 * writes to it the copy goes. Only for S-mode without MXR, under which a page could be executed and
 * read through one mapping.
 */

/**
 * The 4-byte instruction @original at @at trapped. Once its page has trapped often enough it gets a
 * copy, in which @replacement stands for it: INSN_EBREAK, or a load or store on the vcpu's state page
 * where that can be had, see shadow_has_state_page(). Called by the hart that trapped.
 */
void shadow_patch(struct shadow *s, gpa_t at, uint32_t original, uint32_t replacement);

/*
 * The state page of a vcpu is mapped, for S-mode without MXR, at the last 4 KiB of the address
 * space, for loads and stores relative to x0 that stand in copies. It is given up, and all copies
 * made anew without it, where the guest maps that page, or is seen to touch it. What the guest could
 * see is an access there, by other code than that in copies and while the page is mapped, that should
 * have faulted and doesn't.
 */
bool shadow_has_state_page(const struct shadow *s);

/*
 * Policy none. shadow_stepped(): @w's vcpu trapped at a breakpoint, @w->pc; whether that isn't the
 * guest's own, but says that it has come to its next instruction, which is to be fetched.
 * shadow_step_whole(): the instruction reads or writes its own page, in a way that software can't.
 */
bool shadow_stepped(const struct shadow *s, const struct shadow_view *w, const struct regime *r);
void shadow_step_whole(struct shadow *s, const struct shadow_view *w);

/* Execute the page at @at from its original again, and never from a copy any more. */
void shadow_unpatch(struct shadow *s, gpa_t at);

/* Goes up when an address may have another instruction than before, as far as copies go; never
 * down, not by shadow_init() either. */
static inline uint64_t shadow_code_seq(const struct shadow *s)
{
	return atomic_load_explicit(&s->code_seq, memory_order_relaxed);
}

#endif
