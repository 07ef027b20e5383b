/*
 * A VM's life. See vm.h.
 *
 * Invariant: while .end is VM_RUNS no hart but those of its vcpus touches them; from then until
 * the last hart has parked nothing is changed; then that hart alone changes everything.
 */
#include "hyp/vm/vm.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"
#include "hyp/mmu/mmu.h"
#include "hyp/vm/devicetree.h"
#include "hyp/vm/kernel.h"
#include "hyp/vm/stats.h"
#include "sbi/call/call.h"

#define RAM_BASE 0x80000000

/* Where things lie in guest memory: the kernel says; tree and initrd go to the top. */
struct layout {
	struct kernel_layout kernel;
	gpa_t tree, initrd;
};

static struct frame_pool own_pool; /* the hypervisor's own memory */
static struct vm *console_vm;

struct vm *vm_at_console(void)
{
	return console_vm;
}

static enum err refuse(const struct vm *vm, enum err e, const char *what)
{
	log_error("%s: %s: %s", vm->config.name, what, err_name(e));
	return e;
}

static enum err too_small(const struct vm *vm, const struct layout *l)
{
	const struct vm_config *c = &vm->config;

	log_error(
		"%s: memory of %lu KiB is too small: the kernel needs %lu KiB, the initrd %lu KiB, "
		"the device tree 2048 KiB",
		c->name, c->memory / KIB(1), (l->kernel.end.v - RAM_BASE) / KIB(1),
		c->initrd.bytes / KIB(1));
	return ERR_RANGE;
}

static enum err below_ram(const struct vm *vm, const struct layout *l)
{
	log_error("%s: the kernel wants to lie at %lx, RAM begins at %x", vm->config.name,
		  l->kernel.lowest.v, RAM_BASE);
	return ERR_RANGE;
}

/* Each on a 2 MiB boundary, so that the bundle's initrd can be mapped in large pages. */
static enum err plan(const struct vm *vm, struct layout *l)
{
	const struct vm_config *c = &vm->config;
	uint64_t top = RAM_BASE + c->memory, initrd = align_up(c->initrd.bytes, MEGAPAGE);
	enum err e =
		kernel_read(phys_pointer(c->kernel.at), c->kernel.bytes, gpa(RAM_BASE), &l->kernel);

	if (e)
		return refuse(vm, e, "kernel (not a RISC-V Linux Image, ELF file or flat image)");
	if (l->kernel.lowest.v < RAM_BASE)
		return below_ram(vm, l);
	l->tree = gpa(align_down(top - MEGAPAGE, MEGAPAGE));
	if (l->kernel.end.v > l->tree.v || l->tree.v - l->kernel.end.v < initrd)
		return too_small(vm, l);
	l->initrd = gpa(l->tree.v - initrd);
	return OK;
}

static enum err place_files(struct vm *vm, const struct layout *l)
{
	const struct vm_file *initrd = &vm->config.initrd;

	for (unsigned i = 0; i < l->kernel.pieces; i++) {
		const struct kernel_piece *p = &l->kernel.piece[i];
		hpa_t from = hpa(vm->config.kernel.at.v + p->offset);
		enum err e = gstage_add_backing(&vm->gstage, p->at, p->bytes, from);

		if (e)
			return refuse(vm, e, "kernel");
	}
	if (initrd->bytes) {
		enum err e = gstage_add_backing(&vm->gstage, l->initrd, initrd->bytes, initrd->at);

		if (e)
			return refuse(vm, e, "initrd");
	}
	return OK;
}

static enum err place_tree(struct vm *vm, const struct layout *l)
{
	uint64_t n;
	hpa_t draft;
	enum err e = frame_alloc_run(&own_pool, DEVICETREE_ROOM / PAGE_SIZE, &draft);

	if (e)
		return refuse(vm, e, "device tree");
	e = devicetree_write(vm, l->initrd, vm->config.initrd.bytes, phys_pointer(draft), &n);
	if (!e)
		e = gstage_write(&vm->gstage, l->tree, phys_pointer(draft), n);
	frame_free(&own_pool, draft, DEVICETREE_ROOM / PAGE_SIZE);
	return e ? refuse(vm, e, "device tree") : OK;
}

static enum err init_gstage(struct vm *vm)
{
	const struct pt_mode *mode = vm->config.gstage_mode;
	gpa_t end = gpa(RAM_BASE + vm->config.memory);
	enum err e;

	if (!mode)
		mode = gstage_mode_for(end);
	if (!mode || !gstage_mode_works(mode))
		return refuse(vm, ERR_UNSUPPORTED, "gstage-mode");
	e = gstage_init(&vm->gstage, mode, &vm->pool, gpa(RAM_BASE), vm->config.memory);
	if (!e)
		e = board_map(&vm->gstage);
	return e ? refuse(vm, e, "memory") : OK;
}

/* The pool pays for the shadows too, so they go when it is emptied. */
static enum err init_shadow(struct vm *vm)
{
	const struct choices *c = &vm->config.choices;
	enum err e;

	if (!vm->way->shares_table)
		return OK;
	e = shadow_init(&vm->shadow, &vm->gstage, (enum shadow_policy)c->word[CHOICE_SHADOW_POLICY],
			c->word[CHOICE_PATCH] == PATCH_ON);
	return e ? refuse(vm, e, "shadow tables") : OK;
}

enum err vm_start(struct vm *vm)
{
	struct layout l;
	struct vcpu *first = &vm->vcpus[0];
	enum err e = plan(vm, &l);

	if (e || (e = init_gstage(vm)) || (e = init_shadow(vm)) || (e = place_files(vm, &l)) ||
	    (e = place_tree(vm, &l)))
		return e;
	board_reset(&vm->board, vm->vcpus, vm->vcpus_n);
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		vcpu_reset(&vm->vcpus[i]);
	log_debug("%s: %s kernel at %lx, initrd at %lx, device tree at %lx, %s", vm->config.name,
		  l.kernel.format, l.kernel.entry.v, l.initrd.v, l.tree.v, vm->gstage.mode->name);
	first->start = (struct vcpu_start){ l.kernel.entry.v, 0, l.tree.v };
	vm->parked = 0;
	vm->status = EXIT_OK;
	vm->end = VM_RUNS;
	atomic_store(&first->state, VCPU_STARTING);
	vcpu_kick(first, VCPU_REQ_STATE);
	return OK;
}

static enum err init_vcpu(struct vm *vm, unsigned id, struct hart *hart)
{
	struct vcpu *v = &vm->vcpus[id];
	size_t bytes = fp_state_bytes(vm->isa.has_v);
	unsigned frames = 1;
	hpa_t fp;
	enum err e;

	while (frames * PAGE_SIZE < bytes)
		frames *= 2;
	e = frame_alloc_run(&own_pool, frames, &fp);
	if (e)
		return e;
	v->vm = vm;
	v->backend = vm->way->backend;
	mmu_init_vcpu(v);
	v->gstage = &vm->gstage;
	v->shadow = &vm->shadow;
	v->view.vcpu = id;
	v->isa = &vm->isa;
	v->hart = hart;
	v->id = id;
	v->fp = phys_pointer(fp);
	return v->backend->init(v, &own_pool);
}

struct vm *vm_create(const struct vm_config *config, const struct way *way, struct hart *harts,
		     unsigned harts_n)
{
	static struct vm vm; /* this version runs one */

	vm.config = *config;
	vm.pool.owner = 1;
	if (config->vcpus > harts_n) {
		log_error("%s: %u vcpus need as many harts, the machine has %u", config->name,
			  config->vcpus, harts_n);
		return NULL;
	}
	vm.vcpus_n = config->vcpus;
	vm.way = way;
	isa_init(&vm.isa, host.isa, config->isa_mask, config->isa_mask_bytes, way->probe());
	for (unsigned i = 0; i < vm.vcpus_n; i++)
		if (init_vcpu(&vm, i, &harts[i]) != OK)
			return NULL;
	console_vm = &vm;
	return &vm;
}

void vm_end(struct vm *vm, enum vm_end end, unsigned status)
{
	uint32_t runs = VM_RUNS;

	if (!atomic_compare_exchange_strong(&vm->end, &runs, end))
		return;
	vm->status = status;
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		vcpu_kick(&vm->vcpus[i], VCPU_REQ_PARK);
}

/* Frames that held code go to other uses: no hart may keep old instructions of theirs. */
static void drop_memory(struct vm *vm)
{
	frame_free_all(&vm->pool);
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		sbi_remote_fence_i((struct sbi_harts){ 1, vm->vcpus[i].hart->id });
}

static _Noreturn void end_machine(const struct vm *vm)
{
	if (host_has_option("stats"))
		stats_print(vm);
	machine_exit(vm->status);
}

void vm_park(struct vcpu *v)
{
	struct vm *vm = v->vm;

	if (v->parked)
		return;
	v->parked = 1;
	if (this_hart()->vcpu)
		vcpu_unload();
	atomic_store(&v->state, VCPU_STOPPED);
	if (atomic_fetch_add(&vm->parked, 1) + 1 < vm->vcpus_n)
		return;
	if (vm->end != VM_RESET)
		end_machine(vm);
	drop_memory(vm);
	if (vm_start(vm) != OK)
		machine_exit(EXIT_BAD_INPUT);
}
