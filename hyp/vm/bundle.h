/*
 * What a bundle says of a VM. A bundle is a FIT image (a device tree, with its data outside it);
 * each of its configurations is one VM.
 *
 * Nothing in a bundle is trusted: every offset and size is checked against where it was loaded.
 * What is wrong is said on the log, with the VM's and the property's name.
 */
#ifndef HYP_VM_BUNDLE_H
#define HYP_VM_BUNDLE_H

#include "hyp/arch/addr.h"
#include "hyp/arch/pte.h"
#include "hyp/lib/err.h"
#include "hyp/mm/frame.h"
#include "hyp/vm/choice.h"

struct vm_file {
	hpa_t at;
	uint64_t bytes; /* 0: there is none */
};

struct vm_config {
	const char *name, *bootargs; /* in the bundle, ended by 0 */
	struct vm_file kernel, initrd;
	uint64_t memory;
	unsigned vcpus;
	const struct pt_mode *gstage_mode; /* NULL: the narrowest that serves */
	const char *isa_mask;		   /* string list */
	size_t isa_mask_bytes;
	const char *sbi_mask; /* string list */
	size_t sbi_mask_bytes;
	struct choices choices;
};

/**
 * Read VM @name, or where it is NULL the bundle's default, from the bundle at @where.
 * @vcpus: what a description means that doesn't say how many.
 * Returns OK; ERR_FORMAT, ERR_MISSING or ERR_RANGE, said on the log.
 */
MUST_USE enum err bundle_read(struct frame_range where, const char *name, unsigned vcpus,
			      struct vm_config *config);

/**
 * What alone is chosen for that VM, without a word on the log: of a bundle that can't be read,
 * or a VM that isn't there, what is chosen where nothing is said. Usable before translation is on.
 */
struct choices bundle_choices(struct frame_range where, const char *name);

#endif
