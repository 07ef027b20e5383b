/*
 * The two ways to run a vcpu, as a table of what differs. Which one is chosen when its VM is made
 * and stays; whoever has a vcpu goes through the table, or through the functions of vcpu.h, irq.h
 * and timer.h that do.
 *
 *   hext    VS-mode; the guest's CSRs are the hart's VS registers: hext.c
 *   depriv  U-mode; the guest's CSRs are in memory, each access to one traps: depriv.c
 *
 * How a fault is handled differs too: hyp/mmu/mmu.h; and what a trap's cause leads to: run.c and
 * depriv.c of hyp/trap/.
 */
#ifndef HYP_VCPU_BACKEND_H
#define HYP_VCPU_BACKEND_H

#include "hyp/arch/cause.h"
#include "hyp/mm/frame.h"
#include "hyp/vs-stage/walk.h"

struct vcpu;

/* Row of the tables that stand further down in the house. */
enum backend_kind { KIND_HEXT, KIND_DEPRIV, BACKENDS };

/* All but .init, .reset_csrs, .saved_regime and .deadline: own hart; all but .load, too: the vcpu is loaded there. */
struct backend {
	const char *name;
	enum backend_kind kind;
	void (*entry)(void); /* for stvec: vcpu_watch() */

	/* Once, when the VM is made: memory for @v from @pool. Returns OK or ERR_NOMEM. */
	enum err (*init)(struct vcpu *v, struct frame_pool *pool);
	void (*reset_csrs)(struct vcpu *v);
	void (*load)(struct vcpu *v);
	void (*unload)(struct vcpu *v);
	/* Let what hart->trace wants to see trap; NULL: it does anyway. */
	void (*watch)(const struct vcpu *v);
	/* S-mode, translation off, interrupts off; the general registers are set already. */
	void (*begin)(struct vcpu *v);
	/* The last thing before @v is entered, after whatever was done to it. */
	void (*prepare)(struct vcpu *v);
	void (*inject)(struct vcpu *v, enum cause cause, uint64_t tval);
	struct regime (*regime)(const struct vcpu *v);
	/* The same of one that isn't loaded. */
	struct regime (*saved_regime)(const struct vcpu *v);
	/* Note in the guest's sstatus that an f register was written for it. */
	void (*float_is_dirty)(struct vcpu *v);

	/* irq.h and timer.h say what these do. */
	void (*irq_sync)(struct vcpu *v);
	bool (*irq_is_pending)(struct vcpu *v);
	bool (*irq_clear_software)(struct vcpu *v);
	void (*timer_set)(struct vcpu *v, uint64_t when);
	void (*timer_fired)(struct vcpu *v);
	/* At what `time` its timer will end a wait for an interrupt; @v isn't loaded anywhere. */
	uint64_t (*deadline)(const struct vcpu *v);
};

/* hyp/trap/entry.S: for stvec. */
void trap_entry(void);
void trap_entry_depriv(void);
void trap_entry_timed(void);
/* The same where there are windows: for shadow_window_load(). */
void trap_arrive(void);
void trap_arrive_timed(void);
void trap_from_hypervisor(void);

/**
 * hext: carry out instruction @bits at frame.pc, which trapped as virtual in S-mode since @v is
 * watched. Returns false, with nothing changed, where it isn't one of those.
 */
bool hext_execute(struct vcpu *v, uint32_t bits);

extern const struct backend backend_hext, backend_depriv;

#endif
