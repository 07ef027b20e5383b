/*
 * One guest hart.
 *
 * A vcpu's state is in a hart's registers while it is loaded (hart->vcpu points to it) and in
 * struct vcpu otherwise; what of its CSRs is ever in the hart's is its backend's to say. The
 * general registers are in .frame whenever the hypervisor runs.
 */
#ifndef HYP_VCPU_VCPU_H
#define HYP_VCPU_VCPU_H

#include <stdatomic.h>

#include "hyp/arch/addr.h"
#include "hyp/arch/cause.h"
#include "hyp/arch/hart.h"
#include "hyp/arch/insn.h"
#include "hyp/shadow/shadow.h"
#include "hyp/vcpu/backend.h"
#include "hyp/vcpu/csr.h"
#include "hyp/vcpu/depriv.h"
#include "hyp/vcpu/fp.h"
#include "hyp/vcpu/isa.h"
#include "hyp/vs-stage/walk.h"

struct vm;
struct latency;
struct trace;
struct mmu;
struct sbi_extension;

#define VCPUS_MAX 8

/* Registers x0..x31 of the guest, x[0] stays 0. hyp/trap/entry.S knows the offsets. */
struct frame {
	uint64_t x[32];
	uint64_t pc;
	uint64_t host_sp, host_tp; /* of the hart it is loaded on */
};

enum { X_A0 = 10, X_A1, X_A2, X_A3, X_A4, X_A5, X_A6, X_A7 };

/* The states of the SBI's HSM extension that last. */
enum vcpu_state {
	VCPU_STOPPED,
	VCPU_CLAIMED,  /* somebody is filling .start */
	VCPU_STARTING, /* .start is filled; its hart will begin there */
	VCPU_STARTED,
	VCPU_SUSPENDED,
};

/* Where a hart begins, in S-mode: HSM's hart_start, a non-retentive suspend, the VM's own start. */
struct vcpu_start {
	uint64_t pc, a0, a1;
};
/* .pc of a retentive suspend: odd, so no instruction is there; go on where it was. */
#define VCPU_START_HERE 1

/* What other harts may ask of a vcpu; its hart looks before each entry. */
enum vcpu_request {
	VCPU_REQ_IRQ = 1 << 0,	 /* an interrupt changed: irq.h */
	VCPU_REQ_PARK = 1 << 1,	 /* its VM is coming to its end: leave the guest for good */
	VCPU_REQ_STATE = 1 << 2, /* .state is not STARTED any more, or is to become so */
	VCPU_REQ_SCHED = 1 << 3, /* by its own hart: choose anew who runs, or what to wait for */
	VCPU_REQ_WATCH = 1 << 4, /* how it is watched has changed: vcpu_watch() */
};

/* Another hart wants to know the regime that the guest runs in. */
enum vcpu_asked { VCPU_NOT_ASKED, VCPU_ASKED, VCPU_TOLD };

/* hyp/sched/'s own; it says what they mean. */
struct sched_group;
struct vcpu_sched {
	struct sched_group *group; /* its VM's */
	uint8_t place;		   /* enum sched_place */
	bool is_ready;
	struct vcpu *next, *prev; /* in the list of its place, in order of .key */
	uint64_t key;
	uint64_t affinity; /* bit n: it may run on hart n */
	uint64_t vtime, since;
	uint64_t ran, waited, switches;
};

/* The memory fault that is being handled: what the trap told, and what hyp/mmu/ made of it. */
struct fault {
	gva_t at;	    /* stval */
	enum access access; /* by the cause */
	uint64_t htval, htinst;

	enum cause cause; /* MMU_INJECT */
	uint64_t tval;
	gpa_t to; /* MMU_EMULATE */
	const struct gstage_device *device;
};

/* Where a cause is counted: scause turned left by one bit, exceptions and interrupts in turn. */
#define EXIT_ROW(cause, is_interrupt) ((uint64_t)(cause) << 1 | (is_interrupt))
#define EXIT_ROWS		      64

struct vcpu {
	struct frame frame;    /* first: entry.S takes a vcpu's address for its frame's */
	struct fast_path fast; /* second: fast.S */

	/* Any hart. */
	struct hart *_Atomic hart; /* the host hart it is loaded on, or will be, or was last */
	_Atomic uint32_t requests; /* set of enum vcpu_request */
	_Atomic uint32_t is_woken; /* it is in some hart's .woken, next by .woken_next */
	struct vcpu *woken_next;
	_Atomic uint32_t state;	       /* enum vcpu_state */
	_Atomic uint32_t irq_software; /* 1: to be set in hvip once */
	_Atomic uint32_t irq_external; /* 1 or 0: what hvip's bit is to follow */
	_Atomic uint32_t parked; /* 1: has left the guest since its VM's end was asked for; vm.c */

	_Atomic uint32_t asked; /* enum vcpu_asked: for .told, by vcpu_ask_regime() */
	struct regime told;

	/* Fixed while the VM lives. */
	struct vm *vm;
	const struct backend *backend;
	const struct mmu *mmu; /* hyp/mmu/mmu.h: what goes with the backend */
	struct gstage *gstage;
	struct shadow *shadow; /* depriv: the VM's */
	const struct isa *isa;
	unsigned id; /* the guest's hart id */
	struct fp_state *fp;

	/* Its own hart only; .start belongs to whoever moved .state from STOPPED to STARTING. */
	struct vcpu_start start;
	struct vcpu_csrs csr;	 /* hext */
	struct shadow_view view; /* depriv */
	bool waiting;		 /* in a WFI that hardware doesn't do: until an interrupt pends */
	struct hart *fp_on;	 /* fp.c */
	uint64_t timer;		 /* hext.c: when, ~0 for never; not used where the guest has Sstc */
	struct fault fault;
	struct insn_memo memo;			/* trap/emulate.c: what was decoded ... */
	struct insn transformed;		/* ... from memory, and from htinst */
	const struct sbi_extension *sbi_recent; /* sbi/serve/serve.c */
	gpa_t steal;	     /* sbi/serve/sta.c: where it is told; .v 0: nowhere */
	uint64_t steal_told; /* in units of `time` */
	uint32_t steal_sequence;
	struct vcpu_sched sched;
	uint64_t exits[EXIT_ROWS];
	struct latency *_Atomic latency; /* NULL: never timed; latency.h */
	struct trace *_Atomic trace;	 /* its VM's; NULL: never traced; hyp/lib/trace.h */
	struct depriv depriv; /* depriv; last, since it is large: the rest is to be near */
};

/**
 * Make @v what a hart is at reset. @v isn't loaded anywhere.
 */
void vcpu_reset(struct vcpu *v);

/**
 * Its CSRs alone as at reset. @v isn't loaded anywhere.
 */
void vcpu_reset_csrs(struct vcpu *v);

/**
 * Put @v's state into this hart's registers; nothing else may be loaded.
 */
void vcpu_load(struct vcpu *v);

/**
 * Let @v, which is being loaded here or is, enter the hypervisor by the vector that goes with how
 * it is run and whether its exits are timed or traced; and let what is traced trap.
 */
void vcpu_watch(const struct vcpu *v);

/**
 * Bring the state of the vcpu that is loaded on this hart home into its struct.
 */
void vcpu_unload(void);

/**
 * Go on at @s: S-mode, translation off, interrupts off. @v is loaded on this hart.
 */
void vcpu_begin(struct vcpu *v, struct vcpu_start s);

/**
 * Give the guest exception @cause with @tval, as its hart would have: sepc, scause, stval, sstatus,
 * and the pc at stvec. @v is loaded on this hart.
 */
static inline void vcpu_inject(struct vcpu *v, enum cause cause, uint64_t tval)
{
	v->backend->inject(v, cause, tval);
}

/* What selects the translation of an access that the guest makes now. @v is loaded here. */
static inline struct regime vcpu_regime(const struct vcpu *v)
{
	return v->backend->regime(v);
}

/**
 * The same of any vcpu, from any hart: where it is loaded on another one, that is asked, and tells
 * when it leaves the guest. Returns false where it didn't within a second, because
 * it waits for what this hart has.
 */
bool vcpu_ask_regime(struct vcpu *v, struct regime *r);

/* Tell it, if somebody asked. @v is loaded on this hart. */
static inline void vcpu_tell_regime(struct vcpu *v)
{
	if (atomic_load(&v->asked) != VCPU_ASKED)
		return;
	v->told = vcpu_regime(v);
	atomic_store(&v->asked, VCPU_TOLD);
}

/**
 * Ask for @bits of enum vcpu_request. Any hart; the vcpu's hart looks before the guest runs on.
 * Where it is loaded nowhere, the hart it was on last is told that it is to run.
 */
void vcpu_kick(struct vcpu *v, uint32_t bits);

/* Whether @v is in its hart's registers now. Any hart; what is not so when this returns may be so
 * later, but then the hart remembers no translation of before. */
static inline bool vcpu_is_loaded(const struct vcpu *v)
{
	const struct hart *h = atomic_load(&v->hart);

	return __atomic_load_n(&h->vcpu, __ATOMIC_SEQ_CST) == v;
}

/* Let the hart it was on last look at @v, which is loaded nowhere. Any hart. */
void vcpu_wake(struct vcpu *v);

/* Take those that this, or another, hart was told to look at, linked by .woken_next. */
struct vcpu *vcpu_take_woken(struct hart *h);

#endif
