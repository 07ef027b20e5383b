/*
 * A VM's life. See vm.h.
 *
 * Invariant: while .end is VM_RUNS no hart but those of its vcpus touches them; from then until
 * the last hart has parked nothing is changed; then who carries the end out changes everything.
 */
#include "hyp/vm/vm.h"

#include "hyp/arch/cpu.h"
#include "hyp/dev/virtio_net.h"
#include "hyp/drv/host.h"
#include "hyp/drv/terminal.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/phys.h"
#include "hyp/mmu/mmu.h"
#include "hyp/sched/sched.h"
#include "hyp/vm/devices.h"
#include "hyp/vm/devicetree.h"
#include "hyp/vm/extensions.h"
#include "hyp/vm/memory.h"
#include "hyp/vm/stats.h"
#include "sbi/call/call.h"

struct vm *vms[VMS_MAX];
const char *const vm_state_names[VM_STATES] = {
	[VM_STOPPED] = "stopped",
	[VM_RUNNING] = "running",
	[VM_PAUSED] = "paused",
	[VM_ENDING] = "ending",
};

#define DRAIN_SECONDS 120 /* until a device of the host's isn't waited for: an fsync takes long */

static struct lock vm_lock;
static _Atomic uint32_t left_vms; /* by slot: those whose vcpus have all left, to be ended */
_Static_assert(VMS_MAX <= 32, "a bit for each");
static const struct bundle *bundle;
static uint64_t created;       /* VMs, ever */
static unsigned first_failure; /* status of the first VM that failed: the machine's, in the end */

void vm_use_bundle(const struct bundle *b)
{
	bundle = b;
}

struct vm *vm_find(const char *name)
{
	for (unsigned i = 0; i < VMS_MAX; i++)
		if (vms[i] && strcmp(vms[i]->config.name, name) == 0)
			return vms[i];
	return NULL;
}

static enum err prepare_start(struct vm *vm)
{
	enum err e = vm_populate(vm);

	if (e) {
		vm_drop_memory(vm);
		return e;
	}
	vm->parked = 0;
	vm->status = EXIT_OK;
	vm->starts++;
	atomic_store(&vm->end, VM_RUNS);
	return OK;
}

static void begin(struct vm *vm)
{
	atomic_store(&vm->state, VM_RUNNING);
	atomic_store(&vm->group.runs, true);
	atomic_store(&vm->vcpus[0]->state, VCPU_STARTING);
	vcpu_kick(vm->vcpus[0], VCPU_REQ_STATE);
}

static enum err start_stopped(struct vm *vm)
{
	enum err e = ERR_STATE;

	if (atomic_load(&vm->state) == VM_STOPPED)
		e = prepare_start(vm);
	if (!e)
		begin(vm);
	return e;
}

/* What it costs since @since is the guest's, or one that ends in a loop would take it from others.
 */
static enum err start_again(struct vm *vm, uint64_t since)
{
	enum err e = prepare_start(vm);

	if (e)
		return e;
	sched_charge(vm->vcpus[0], since);
	begin(vm);
	return OK;
}

/* What the operator asks for: nothing of it is about a VM that another hart is just ending, or
 * starting anew. */
static enum err with_lock(struct vm *vm, enum err (*act)(struct vm *vm))
{
	enum err e;

	lock_take(&vm_lock);
	e = act(vm);
	lock_release(&vm_lock);
	return e;
}

bool vm_hold(struct vm *vm)
{
	lock_take(&vm_lock);
	if (atomic_load(&vm->state) != VM_STOPPED)
		return true;
	lock_release(&vm_lock);
	return false;
}

void vm_release(void)
{
	lock_release(&vm_lock);
}

enum err vm_start(struct vm *vm)
{
	return with_lock(vm, start_stopped);
}

/* --- creating and destroying --- */

static unsigned frames_for(size_t bytes)
{
	unsigned frames = 1;

	while (frames * PAGE_SIZE < bytes)
		frames *= 2;
	return frames;
}

static enum err init_vcpu(struct vm *vm, unsigned id)
{
	hpa_t at, fp;
	struct vcpu *v;
	enum err e;

	if ((e = frame_alloc_run(&vm->fixed, frames_for(sizeof(*v)), &at)) ||
	    (e = frame_alloc_run(&vm->fixed, frames_for(fp_state_bytes(vm->isa.has_v)), &fp)))
		return e;
	v = phys_pointer(at);
	v->vm = vm;
	v->backend = vm->way->backend;
	mmu_init_vcpu(v);
	v->gstage = &vm->gstage;
	v->shadow = &vm->shadow;
	v->view.vcpu = id;
	v->isa = &vm->isa;
	v->hart = this_hart();
	v->id = id;
	v->fp = phys_pointer(fp);
	vm->vcpus[id] = v;
	return v->backend->init(v, &vm->fixed);
}

static enum err init_vcpus(struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		enum err e = init_vcpu(vm, i);

		if (e)
			return e;
	}
	vm->vcpus_n = vm->config.vcpus;
	return OK;
}

/* Written once, since that takes longer than the rest of a start. */
static enum err write_tree(struct vm *vm)
{
	const struct vm_config *c = &vm->config;
	hpa_t at;
	enum err e = frame_alloc_run(&vm->fixed, DEVICETREE_ROOM / PAGE_SIZE, &at);

	if (e)
		return e;
	vm->tree = phys_pointer(at);
	e = devicetree_write(vm, vm_initrd_at(c), c->initrd.bytes, vm->tree, &vm->tree_bytes);
	return e ? vm_refuse(vm, e, "device tree") : OK;
}

/* What a window on the terminal needs; NULL where there is to be none. */
static enum err new_history(struct frame_pool *pool, bool wanted, uint8_t **history)
{
	hpa_t at;
	enum err e = wanted ? frame_alloc_run(pool, frames_for(PORT_HISTORY), &at) : OK;

	*history = wanted && !e ? phys_pointer(at) : NULL;
	return e;
}

/* Everything that lives as long as the VM is in frames of its own pool. */
static enum err make(const struct vm_config *config, unsigned slot, struct vm **made)
{
	struct frame_pool fixed = { .owner = (uint16_t)(1 + 2 * slot) };
	bool has_hvc = config->choices.word[CHOICE_CONSOLE] == CONSOLE_ON;
	uint8_t *history, *hvc_history;
	struct vm *vm;
	hpa_t at;
	enum err e;

	if ((e = frame_alloc_run(&fixed, frames_for(sizeof(*vm)), &at)) ||
	    (e = new_history(&fixed, true, &history)) ||
	    (e = new_history(&fixed, has_hvc, &hvc_history))) {
		frame_free_all(&fixed);
		return e;
	}
	vm = phys_pointer(at);
	*vm = (struct vm){ .config = *config,
			   .slot = slot,
			   .number = ++created,
			   .fixed = fixed,
			   .pool = { .owner = (uint16_t)(2 + 2 * slot) } };
	vm->way = way_choose(&config->choices, host.isa);
	if (!vm->way)
		e = vm_refuse(vm, ERR_UNSUPPORTED,
			      "backend=hext: no H-extension; auto and depriv do without");
	else if (!extensions_mask(config->sbi_mask, config->sbi_mask_bytes, &vm->sbi_masked))
		e = vm_refuse(vm, ERR_FORMAT, "sbi-mask");
	if (!e) {
		isa_init(&vm->isa, host.isa, config->isa_mask, config->isa_mask_bytes,
			 way_can(vm->way));
		e = init_vcpus(vm);
	}
	if (!e)
		e = write_tree(vm);
	if (!e)
		e = devices_attach(vm);
	if (e) {
		virtio_detach(&vm->board);
		fixed = vm->fixed;
		frame_free_all(&fixed);
		return e;
	}
	uart_attach(&vm->board, vm->config.name, vm, history);
	if (vm_has_console(config))
		devices_attach_console(vm, hvc_history);
	*made = vm;
	return OK;
}

static void publish(struct vm *vm)
{
	uint64_t affinity = vm->config.affinity ? vm->config.affinity : UINT64_MAX;

	vm->group.weight = vm->config.weight;
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		sched_add(vm->vcpus[i], &vm->group, affinity);
	vms[vm->slot] = vm;
}

static enum err create_locked(const struct vm_config *config, struct vm **vm)
{
	unsigned slot = 0;
	enum err e;

	if (vm_find(config->name))
		return ERR_OVERLAP;
	while (slot < VMS_MAX && vms[slot])
		slot++;
	if (slot == VMS_MAX)
		return ERR_FULL;
	e = make(config, slot, vm);
	if (!e)
		publish(*vm);
	return e;
}

enum err vm_create(const struct vm_config *config, struct vm **vm)
{
	enum err e;

	lock_take(&vm_lock);
	e = create_locked(config, vm);
	lock_release(&vm_lock);
	return e;
}

enum err vm_create_named(const char *name, struct vm **vm)
{
	struct vm_config config;

	for (unsigned i = 0; i < bundle->vms; i++)
		if (bundle_read(bundle, i, host.harts, &config) == OK &&
		    strcmp(config.name, name) == 0)
			return vm_create(&config, vm);
	return ERR_MISSING;
}

/* Nothing of it is in anybody's hands: it was parked, and its port is closed. */
static enum err destroy_stopped(struct vm *vm)
{
	struct frame_pool fixed;

	if (atomic_load(&vm->state) != VM_STOPPED)
		return ERR_STATE;
	uart_detach(&vm->board);
	virtio_detach(&vm->board);
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		sched_remove(vm->vcpus[i]);
	vms[vm->slot] = NULL;
	fixed = vm->fixed; /* which holds *vm */
	frame_free_all(&fixed);
	return OK;
}

enum err vm_destroy(struct vm *vm)
{
	return with_lock(vm, destroy_stopped);
}

/* --- pausing --- */

static enum err change_state(struct vm *vm, enum vm_state from, enum vm_state to)
{
	if (atomic_load(&vm->state) != from)
		return ERR_STATE;
	atomic_store(&vm->state, to);
	atomic_store(&vm->group.runs, to == VM_RUNNING);
	return OK;
}

static enum err pause_locked(struct vm *vm)
{
	enum err e = change_state(vm, VM_RUNNING, VM_PAUSED);

	for (unsigned i = 0; !e && i < vm->vcpus_n; i++)
		vcpu_kick(vm->vcpus[i], VCPU_REQ_STATE);
	return e;
}

static enum err resume_locked(struct vm *vm)
{
	enum err e = change_state(vm, VM_PAUSED, VM_RUNNING);

	for (unsigned i = 0; !e && i < vm->vcpus_n; i++)
		vcpu_wake(vm->vcpus[i]);
	return e;
}

enum err vm_pause(struct vm *vm)
{
	return with_lock(vm, pause_locked);
}

enum err vm_pause_for(struct vm *vm, uint64_t by)
{
	enum err e;

	lock_take(&vm_lock);
	e = pause_locked(vm);
	if (atomic_load(&vm->state) == VM_PAUSED)
		trace_stopped(atomic_load(&vm->vcpus[0]->trace), by);
	lock_release(&vm_lock);
	return e;
}

enum err vm_resume(struct vm *vm)
{
	return with_lock(vm, resume_locked);
}

void vm_watch(struct vm *vm)
{
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		vcpu_kick(vm->vcpus[i], VCPU_REQ_WATCH);
}

static enum err go_on(struct vm *vm)
{
	switch (atomic_load(&vm->state)) {
	case VM_STOPPED:
		return start_stopped(vm);
	case VM_PAUSED:
		return resume_locked(vm);
	case VM_RUNNING:
		return OK;
	default:
		return ERR_STATE;
	}
}

enum err vm_step(struct vm *vm, uint32_t kinds)
{
	struct trace *t = atomic_load(&vm->vcpus[0]->trace);
	enum err e;

	lock_take(&vm_lock);
	trace_step(t, kinds);
	vm_watch(vm);
	e = go_on(vm);
	if (e)
		trace_end(t);
	lock_release(&vm_lock);
	return e;
}

/* --- ending --- */

static void ask_for_end(struct vm *vm, enum vm_end end, unsigned status)
{
	if (atomic_load(&vm->end) != VM_RUNS)
		return;
	atomic_store(&vm->end, end);
	vm->status = status;
	atomic_store(&vm->state, VM_ENDING);
	atomic_store(&vm->group.runs, false);
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		vcpu_kick(vm->vcpus[i], VCPU_REQ_PARK);
}

void vm_end(struct vm *vm, enum vm_end end, unsigned status)
{
	lock_take(&vm_lock);
	ask_for_end(vm, end, status);
	lock_release(&vm_lock);
}

/* What the operator says goes before the guest's own reason, or one that resets itself again and
 * again could hardly be stopped. Under the lock an end isn't half carried out. */
static enum err end_by_operator(struct vm *vm, enum vm_end end)
{
	if (atomic_load(&vm->state) == VM_STOPPED)
		return ERR_STATE;
	ask_for_end(vm, end, EXIT_OK);
	atomic_store(&vm->end, end);
	return OK;
}

static enum err stop_locked(struct vm *vm)
{
	return end_by_operator(vm, VM_STOP);
}

static enum err reset_locked(struct vm *vm)
{
	return end_by_operator(vm, VM_RESTART);
}

enum err vm_stop(struct vm *vm)
{
	return with_lock(vm, stop_locked);
}

enum err vm_reset(struct vm *vm)
{
	return with_lock(vm, reset_locked);
}

/* Whether the VM is to start again after its end. */
static bool starts_again(const struct vm *vm)
{
	const unsigned *word = vm->config.choices.word;

	switch ((enum vm_end)vm->end) {
	case VM_RESET:
		return word[CHOICE_ON_RESET] == THEN_RESTART;
	case VM_SHUTDOWN:
		return word[CHOICE_ON_SHUTDOWN] == THEN_RESTART;
	case VM_FAILED:
		return word[CHOICE_ON_FAILURE] == THEN_RESTART;
	case VM_RESTART:
		return true;
	case VM_STOP:
	case VM_RUNS:
	default:
		return false;
	}
}

static bool all_have_ended(void)
{
	for (unsigned i = 0; i < VMS_MAX; i++)
		if (vms[i] && atomic_load(&vms[i]->state) != VM_STOPPED)
			return false;
	return true;
}

static void note_end(const struct vm *vm)
{
	if (!first_failure)
		first_failure = vm->status;
	if (host_has_option("stats"))
		stats_print(vm);
}

/* Of one VM alone the end of the machine says it all. */
static void tell_end(const struct vm *vm, bool goes_on)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VMS_MAX; i++)
		n += vms[i] != NULL;
	if (n == 1 && !goes_on)
		return;
	if (vm->status)
		terminal_say("%s: ended with status %u", vm->config.name, vm->status);
	else
		terminal_say("%s: ended", vm->config.name);
}

/* The machine ends with the last VM, unless the operator wants it to go on. */
static void end_locked(struct vm *vm)
{
	bool again = starts_again(vm), goes_on;
	uint64_t since = csr_read(CSR_TIME);

	if (!again)
		note_end(vm);
	vm_drop_memory(vm);
	atomic_store(&vm->state, VM_STOPPED);
	if (again && start_again(vm, since) == OK)
		return;
	if (again) {
		vm->status = EXIT_BAD_INPUT;
		note_end(vm);
	}
	trace_end(atomic_load(&vm->vcpus[0]->trace));
	goes_on = !all_have_ended() || bundle->never_ends;
	tell_end(vm, goes_on);
	if (goes_on)
		return;
	terminal_flush();
	machine_exit(first_failure);
}

/* Noted before it is looked at: who answers for a device meanwhile sees it. */
void vm_park(struct vcpu *v)
{
	struct vm *vm = v->vm;

	if (atomic_fetch_add(&vm->parked, 1) + 1 < vm->vcpus_n)
		return;
	vm->left = csr_read(CSR_TIME);
	atomic_fetch_or(&left_vms, 1u << vm->slot);
}

static void go_on_ending(struct vm *vm)
{
	bool late = csr_read(CSR_TIME) - vm->left > DRAIN_SECONDS * host.timebase;

	if (!virtio_drain(&vm->board, late))
		return;
	atomic_fetch_and(&left_vms, ~(1u << vm->slot));
	end_locked(vm);
}

bool vm_go_on_ending(void)
{
	if (!atomic_load(&left_vms))
		return false;
	lock_take(&vm_lock);
	for (uint32_t left = atomic_load(&left_vms); left; left &= left - 1)
		go_on_ending(vms[bit_lowest(left)]);
	lock_release(&vm_lock);
	return atomic_load(&left_vms) != 0;
}
