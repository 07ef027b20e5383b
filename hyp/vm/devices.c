/*
 * Which virtio devices a VM has, and where. See devices.h.
 */
#include "hyp/vm/devices.h"

#include "hyp/dev/virtio_net.h"
#include "hyp/lib/log.h"

static enum err attach_disk(struct vm *vm, unsigned i)
{
	const struct vm_config *c = &vm->config;

	if (c->disk[i].host)
		return virtio_blk_attach_host(&vm->board, i, &vm->gstage, &c->disk[i], &vm->fixed,
					      c->name, c->vcpus);
	virtio_blk_attach(&vm->board, i, &vm->gstage, &c->disk[i], &vm->fixed);
	return OK;
}

static enum err attach_nets(struct vm *vm, unsigned slot)
{
	const struct vm_config *c = &vm->config;

	for (unsigned i = 0; i < c->nets; i++) {
		enum err e = virtio_net_attach(&vm->board, slot + i, &vm->gstage, &c->net[i],
					       &vm->fixed);

		if (e) {
			log_error("%s: nets: %s", c->name, err_name(e));
			return e;
		}
	}
	return OK;
}

static unsigned console_slot(const struct vm_config *c)
{
	return c->disks + c->nets;
}

void devices_attach_console(struct vm *vm, uint8_t *history)
{
	const struct vm_config *c = &vm->config;
	const struct virtio_console_plan plan = { .vm = c->name,
						  .owner = vm,
						  .history = history,
						  .named = c->port,
						  .named_n = c->ports };

	virtio_console_attach(&vm->board, console_slot(c), &vm->gstage, &plan);
}

enum err devices_attach(struct vm *vm)
{
	const struct vm_config *c = &vm->config;
	enum err e = OK;

	vm->board.virtio_is_legacy = c->choices.word[CHOICE_VIRTIO] == VIRTIO_LEGACY;
	for (unsigned i = 0; i < c->disks && !e; i++)
		e = attach_disk(vm, i);
	if (!e)
		e = attach_nets(vm, c->disks);
	if (c->choices.word[CHOICE_BALLOON] == BALLOON_ON)
		virtio_balloon_attach(&vm->board, console_slot(c) + vm_has_console(c), &vm->gstage,
				      c->memory);
	if (c->choices.word[CHOICE_RNG] == RNG_ON)
		virtio_rng_attach(&vm->board, VIRTIO_SLOTS - 1, &vm->gstage);
	return e;
}
