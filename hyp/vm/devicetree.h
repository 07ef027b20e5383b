/*
 * The device tree a guest finds in a1: QEMU's virt as S-mode software sees it, less what the board
 * doesn't have.
 */
#ifndef HYP_VM_DEVICETREE_H
#define HYP_VM_DEVICETREE_H

#include "hyp/arch/addr.h"
#include "hyp/lib/err.h"

struct vm;

/* Most bytes a guest's tree may have. */
#define DEVICETREE_ROOM KIB(32)

/**
 * Write @vm's device tree to @to, DEVICETREE_ROOM bytes; *@bytes gets its length.
 * @initrd, @initrd_bytes: where the initrd is in guest memory; 0 bytes for none.
 * Returns OK; ERR_FULL where it doesn't fit (overlong bootargs).
 */
MUST_USE enum err devicetree_write(const struct vm *vm, gpa_t initrd, uint64_t initrd_bytes,
				   void *to, uint64_t *bytes);

/* New random bytes into @tree, before each start: as it was written its seed is zeros. */
void devicetree_reseed(void *tree);

#endif
