/*
 * What a VM's memory holds when it starts, and what becomes of it at its end. For vm.c, which calls
 * these under its lock, while no hart runs the VM.
 */
#ifndef HYP_VM_MEMORY_H
#define HYP_VM_MEMORY_H

#include "hyp/vm/vm.h"

/**
 * Give @vm its G-stage, shadows where it has any, kernel, initrd and device tree, and reset board
 * and vcpus: vcpu 0 begins at the kernel's entry.
 * Returns OK; or what was said on the log, and vm_drop_memory() is due.
 */
MUST_USE enum err vm_populate(struct vm *vm);

/* Every frame of @vm's pool goes back; its devices are reset, and bring it nothing more. */
void vm_drop_memory(struct vm *vm);

/* Where the initrd of a VM like @c lies. */
gpa_t vm_initrd_at(const struct vm_config *c);

/* Say on the log that @vm can't have @what because of @e; return @e. */
enum err vm_refuse(const struct vm *vm, enum err e, const char *what);

#endif
