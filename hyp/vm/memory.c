/*
 * What a VM begins with: files, device tree and harts, each in its place. See memory.h.
 */
#include "hyp/vm/memory.h"

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/lib/bits.h"
#include "hyp/lib/log.h"
#include "hyp/mm/phys.h"
#include "hyp/vm/devicetree.h"
#include "hyp/vm/kernel.h"
#include "sbi/call/call.h"

/* Where things lie in guest memory: the kernel says; tree and initrd go to the top. */
struct layout {
	struct kernel_layout kernel;
	gpa_t tree, initrd;
};

enum err vm_refuse(const struct vm *vm, enum err e, const char *what)
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
		c->name, c->memory / KIB(1), (l->kernel.end.v - VM_RAM_BASE) / KIB(1),
		c->initrd.bytes / KIB(1));
	return ERR_RANGE;
}

static enum err below_ram(const struct vm *vm, const struct layout *l)
{
	log_error("%s: the kernel wants to lie at %lx, RAM begins at %x", vm->config.name,
		  l->kernel.lowest.v, VM_RAM_BASE);
	return ERR_RANGE;
}

/* Each on a 2 MiB boundary, so that the bundle's initrd can be mapped in large pages. */
static gpa_t tree_at(const struct vm_config *c)
{
	return gpa(align_down(VM_RAM_BASE + c->memory - MEGAPAGE, MEGAPAGE));
}

gpa_t vm_initrd_at(const struct vm_config *c)
{
	return gpa(tree_at(c).v - align_up(c->initrd.bytes, MEGAPAGE));
}

static enum err plan(const struct vm *vm, struct layout *l)
{
	const struct vm_config *c = &vm->config;
	uint64_t initrd = align_up(c->initrd.bytes, MEGAPAGE);
	enum err e = kernel_read(phys_pointer(c->kernel.at), c->kernel.bytes, gpa(VM_RAM_BASE),
				 &l->kernel);

	if (e)
		return vm_refuse(vm, e, "kernel (not a RISC-V Linux Image, ELF file or flat image)");
	if (l->kernel.lowest.v < VM_RAM_BASE)
		return below_ram(vm, l);
	l->tree = tree_at(c);
	if (l->kernel.end.v > l->tree.v || l->tree.v - l->kernel.end.v < initrd)
		return too_small(vm, l);
	l->initrd = vm_initrd_at(c);
	return OK;
}

static enum err place_files(struct vm *vm, const struct layout *l)
{
	const struct vm_file *initrd = &vm->config.initrd;

	for (unsigned i = 0; i < l->kernel.pieces; i++) {
		const struct kernel_piece *p = &l->kernel.piece[i];
		hpa_t from = hpa(vm->config.kernel.at.v + p->offset);
		enum err e = gstage_add_backing(&vm->gstage, p->at, p->bytes, from,
						vm->config.kernel.shared);

		if (e)
			return vm_refuse(vm, e, "kernel");
	}
	if (initrd->bytes) {
		enum err e = gstage_add_backing(&vm->gstage, l->initrd, initrd->bytes, initrd->at,
						initrd->shared);

		if (e)
			return vm_refuse(vm, e, "initrd");
	}
	return OK;
}

static enum err place_tree(struct vm *vm, const struct layout *l)
{
	enum err e;

	devicetree_reseed(vm->tree);
	e = gstage_write(&vm->gstage, l->tree, vm->tree, vm->tree_bytes);
	return e ? vm_refuse(vm, e, "device tree") : OK;
}

static enum err init_gstage(struct vm *vm)
{
	const struct pt_mode *mode = vm->config.gstage_mode;
	gpa_t end = gpa(VM_RAM_BASE + vm->config.memory);
	enum err e;

	if (!mode)
		mode = gstage_mode_for(end);
	if (!mode || !gstage_mode_works(mode))
		return vm_refuse(vm, ERR_UNSUPPORTED, "gstage-mode");
	e = gstage_init(&vm->gstage, mode, &vm->pool, gpa(VM_RAM_BASE), vm->config.memory);
	if (!e)
		e = board_map(&vm->gstage);
	return e ? vm_refuse(vm, e, "memory") : OK;
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
	return e ? vm_refuse(vm, e, "shadow tables") : OK;
}

enum err vm_populate(struct vm *vm)
{
	struct vcpu *first = vm->vcpus[0];
	struct layout l;
	enum err e = plan(vm, &l);

	if (e || (e = init_gstage(vm)) || (e = init_shadow(vm)) || (e = place_files(vm, &l)) ||
	    (e = place_tree(vm, &l)))
		return e;
	board_reset(&vm->board, vm->vcpus, vm->vcpus_n);
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		vcpu_reset(vm->vcpus[i]);
	log_debug("%s: %s kernel at %lx, initrd at %lx, device tree at %lx, %s", vm->config.name,
		  l.kernel.format, l.kernel.entry.v, l.initrd.v, l.tree.v, vm->gstage.mode->name);
	first->start = (struct vcpu_start){ l.kernel.entry.v, 0, l.tree.v };
	return OK;
}

/* Frames that held code go to other uses: no hart may keep old instructions of theirs. Translations
 * of them carry a VMID that isn't used again, or went when the last vcpu left its hart. */
void vm_drop_memory(struct vm *vm)
{
	uint64_t others = gstage_other_harts(&vm->gstage);
	struct sbi_harts one;

	virtio_reset(&vm->board); /* other harts bring it packets and input no more */
	frame_free_all(&vm->pool);
	fence_i();
	while (host_next_hart(&others, &one))
		sbi_remote_fence_i(one);
}
