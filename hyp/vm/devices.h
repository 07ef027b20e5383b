/*
 * A VM's virtio devices, as its description names them: disks come first, where small kernels look
 * for theirs, then nets, the console and the balloon; the entropy device has the last place.
 * hyp/vm/bundle.c sees to it that all have room.
 */
#ifndef HYP_VM_DEVICES_H
#define HYP_VM_DEVICES_H

#include "hyp/vm/vm.h"

/**
 * Put them into @vm's board, but for the console. Returns OK; ERR_NOMEM; ERR_OVERLAP: another VM
 * has the disk; ...: said on the log, and what was attached is there until virtio_detach().
 */
MUST_USE enum err devices_attach(struct vm *vm);

/* The console, if it is to have one: joined to the host's ends at once, so last of all. @history:
 * of its window, or NULL. */
void devices_attach_console(struct vm *vm, uint8_t *history);

#endif
