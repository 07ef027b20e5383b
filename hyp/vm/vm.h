/*
 * A virtual machine: memory, harts, board; from a description to its end.
 *
 * Its harts run on host harts of their own. Whoever ends it (a guest's call, or what can't be
 * emulated) notes why and asks every hart to leave the guest; the last one to do so carries the
 * end out: a reset begins the VM again from its bundle, anything else ends the machine.
 */
#ifndef HYP_VM_VM_H
#define HYP_VM_VM_H

#include "hyp/dev/board.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/vcpu/vcpu.h"
#include "hyp/vm/bundle.h"
#include "hyp/vm/choice.h"

enum vm_end {
	VM_RUNS,
	VM_SHUTDOWN, /* with .status, an enum exit_status or a guest's own code */
	VM_RESET,
};

struct vm {
	struct vm_config config;
	struct frame_pool pool;
	struct gstage gstage;
	struct shadow shadow; /* where .way shares a table with the hypervisor */
	struct board board;
	const struct way *way; /* how it is run */
	struct isa isa;
	uint32_t sbi_masked; /* bit n: row n of the table in sbi/serve/ is hidden */
	unsigned vcpus_n;
	struct vcpu vcpus[VCPUS_MAX];

	_Atomic uint32_t end; /* enum vm_end; whoever moves it from VM_RUNS sets .status */
	unsigned status;
	_Atomic uint32_t parked; /* harts that have left the guest since .end was set */
};

/**
 * Make the VM that @config describes, to be run @way; its vcpu n runs on @harts[n]. Nothing runs
 * yet.
 * @isa_mask and the like stay in the bundle, which must stay where it is.
 * Returns the VM, or NULL: refused, and said why on the log.
 */
struct vm *vm_create(const struct vm_config *config, const struct way *way, struct hart *harts,
		     unsigned harts_n);

/**
 * Put the bundle's files and a new device tree into a VM that owns no memory yet, and make vcpu 0
 * ready to begin. Returns OK, or an error that was said on the log.
 */
MUST_USE enum err vm_start(struct vm *vm);

/* End @vm, from any of its harts: the first reason counts. Returns at once. */
void vm_end(struct vm *vm, enum vm_end end, unsigned status);

/**
 * The calling hart, which ran @v, has left the guest for good. The last hart of the VM carries the
 * end out: it returns with the VM started anew, or doesn't return.
 */
void vm_park(struct vcpu *v);

/* The VM that console input goes to, or NULL. */
struct vm *vm_at_console(void);

#endif
