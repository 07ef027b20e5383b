/*
 * A virtual machine: memory, harts, board; from a description to its end.
 *
 *            vm_create     vm_start          vm_pause
 *   (bundle) ---------> STOPPED ----> RUNNING ------> PAUSED
 *            <---------    ^  ^        |  |  <------
 *            vm_destroy    |  '--------'  |  vm_resume
 *                          |    vm_end:  its own doing (shutdown, reset, a failure), or vm_stop,
 *                          |    vm_reset: the operator's; where it is to start again it does
 *                          '-- a start that failed gives everything back
 *
 * Whoever ends a VM notes why and asks all its vcpus to leave the guest; when the last one has, and
 * what the host's devices do with its memory is through, whoever sees that carries the end out. No
 * function here waits for that: what was asked for is under way when it
 * returns, and .state tells.
 *
 * One lock for all life cycles, vm_lock, inside; any hart may call.
 */
#ifndef HYP_VM_VM_H
#define HYP_VM_VM_H

#include "hyp/dev/board.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/vcpu/vcpu.h"
#include "hyp/vm/bundle.h"
#include "hyp/vm/choice.h"

#define VMS_MAX	    32
#define VM_RAM_BASE 0x80000000

enum vm_state { VM_STOPPED, VM_RUNNING, VM_PAUSED, VM_ENDING, VM_STATES };
extern const char *const vm_state_names[VM_STATES];

enum vm_end {
	VM_RUNS,
	VM_SHUTDOWN, /* the guest's own */
	VM_RESET,
	VM_FAILED,   /* Gnomon stopped it, or the guest said that it failed */
	VM_STOP,     /* the operator's: nothing the description says happens then */
	VM_RESTART,
};

struct vm {
	struct vm_config config;
	unsigned slot;		 /* in vms[] */
	uint64_t number;	 /* of all VMs ever created, from 1: tells two of one slot apart */
	struct frame_pool fixed; /* what lives as long as the VM */
	struct frame_pool pool;	 /* what a guest uses from start to end */
	struct gstage gstage;
	struct shadow shadow; /* where .way shares a table with the hypervisor */
	struct board board;
	const struct way *way; /* how it is run */
	struct isa isa;
	uint32_t sbi_masked; /* bit n: row n of the table in sbi/serve/ is hidden */
	unsigned vcpus_n;
	struct vcpu *vcpus[VCPUS_MAX];
	void *tree; /* its device tree, but for the seed */
	uint64_t tree_bytes;

	struct sched_group group;
	_Atomic uint32_t state;	 /* enum vm_state; .group.runs: whether it is VM_RUNNING */
	_Atomic uint32_t end;	 /* enum vm_end; whoever moves it from VM_RUNS sets .status */
	unsigned status;	 /* the last end's: 0, or a failure's code */
	_Atomic uint32_t parked; /* vcpus that have left the guest since .end was set */
	uint64_t left;		 /* when the last one of them had, in `time` */
	uint64_t starts;	 /* how often it was started */
};

/* By slot; NULL: free. Read under no lock: a VM that is destroyed stays readable until the next one
 * is created. */
extern struct vm *vms[VMS_MAX];

/* Where vm_create_named() looks, and what says when the machine ends. Once, first of all. */
void vm_use_bundle(const struct bundle *b);

/* The VM of that name, or NULL. */
struct vm *vm_find(const char *name);

/**
 * Make the VM that @config describes, stopped. What @config points to in the bundle must stay.
 * Returns OK with *@vm; ERR_NOMEM; ERR_FULL: VMS_MAX there are; ERR_OVERLAP: one of that name is
 * there; ERR_UNSUPPORTED: this machine can't run it so. Said on the log, but for the first three.
 */
MUST_USE enum err vm_create(const struct vm_config *config, struct vm **vm);

/**
 * Start @vm: its bundle's files and its device tree, with a new seed, into memory, vcpu 0 ready to
 * begin.
 * Returns OK; ERR_STATE: it isn't stopped; or what was said on the log, and @vm is as before.
 */
MUST_USE enum err vm_start(struct vm *vm);

/* No vcpu of @vm runs from soon on, until it is resumed; its clock goes on. ERR_STATE: it doesn't
 * run (isn't paused). */
MUST_USE enum err vm_pause(struct vm *vm);
MUST_USE enum err vm_resume(struct vm *vm);

/* The same as vm_pause() because of event @by of its trace, which is noted there if it is paused, before
 * anybody can let it go on. */
MUST_USE enum err vm_pause_for(struct vm *vm, uint64_t by);

/* What is traced of @vm has changed: its vcpus look. */
void vm_watch(struct vm *vm);

/**
 * Until the next event whose kind is in @kinds (1 << enum trace_kind), which pauses it, @vm goes on:
 * one that is paused or stopped from there. The event may come at once, from a vcpu that hasn't
 * noticed yet that it was paused: it waits until @vm runs. Its vcpus have a trace.
 * ERR_STATE: it is ending; or as vm_start().
 */
MUST_USE enum err vm_step(struct vm *vm, uint32_t kinds);

/* As if its power were cut; and, for vm_reset(), given again. ERR_STATE: it doesn't run. */
MUST_USE enum err vm_stop(struct vm *vm);
MUST_USE enum err vm_reset(struct vm *vm);

/**
 * Keep @vm from ending, or starting, while its memory and tables are looked at: until vm_release().
 * Returns whether it has any; false: it is stopped, and nothing is to be released.
 */
bool vm_hold(struct vm *vm);
void vm_release(void);

/* Give everything back. Returns OK; ERR_STATE: it isn't stopped. */
MUST_USE enum err vm_destroy(struct vm *vm);

/* vm_create() of the VM that the bundle has under that name; ERR_MISSING: none. */
MUST_USE enum err vm_create_named(const char *name, struct vm **vm);

/* End @vm, from one of its harts: the first reason counts. Returns at once. */
void vm_end(struct vm *vm, enum vm_end end, unsigned status);

/* @v has left the guest for good; vm_go_on_ending() is to follow. */
void vm_park(struct vcpu *v);

/**
 * Carry out the ends of VMs that all vcpus have left, and whose memory no device of the host's has any
 * more: the VM started anew, stopped, or the machine's end. To be called when a device has interrupted,
 * and now and then. Returns whether there are some whose devices are still at work.
 */
bool vm_go_on_ending(void);

#endif
