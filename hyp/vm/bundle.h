/*
 * What a bundle says of VMs. A bundle is a FIT image (a device tree, with its data outside it);
 * each of its configurations is one VM. dts/README.md has the properties.
 *
 * Nothing in a bundle is trusted: every offset and size is checked against where it was loaded.
 * What is wrong is said on the log, with the VM's and the property's name.
 */
#ifndef HYP_VM_BUNDLE_H
#define HYP_VM_BUNDLE_H

#include <stdbool.h>

#include "hyp/arch/addr.h"
#include "hyp/arch/pte.h"
#include "hyp/dev/switch.h"
#include "hyp/dev/virtio_blk.h"
#include "hyp/dev/virtio_console.h"
#include "hyp/lib/err.h"
#include "hyp/mm/frame.h"
#include "hyp/sched/sched.h"
#include "hyp/vm/choice.h"

#define BUNDLE_VMS_MAX 32
#define VM_NAME_MAX    31 /* letters, digits and ._- */
#define VM_WEIGHT_MAX  10000
#define VM_DEVICES_MAX 7 /* virtio; the last place on the board is the entropy device's */
#define VM_DISKS_MAX   VM_DEVICES_MAX
#define VM_NETS_MAX    VM_DEVICES_MAX

struct vm_file {
	hpa_t at;
	uint64_t bytes; /* 0: there is none */
	bool shared;	/* another VM of the bundle has some of these bytes too */
};

struct vm_config {
	const char *name, *bootargs; /* in the bundle, ended by 0; bootargs: or NULL */
	struct vm_file kernel, initrd;
	struct virtio_disk disk[VM_DISKS_MAX];
	unsigned disks;
	struct switch_rules net[VM_NETS_MAX];
	unsigned nets;
	const char *port[VIRTIO_CONSOLE_NAMED]; /* names, in the bundle */
	unsigned ports;
	uint64_t memory;
	unsigned vcpus;
	unsigned weight;   /* its share of the harts, against the others': 1 to VM_WEIGHT_MAX */
	uint32_t affinity; /* bit n: its vcpus may be run on the host's hart n; 0: on all */
	unsigned order;	   /* those with a lower one start first */
	bool autostart;
	const struct pt_mode *gstage_mode; /* NULL: the narrowest that serves */
	const char *isa_mask;		   /* string list */
	size_t isa_mask_bytes;
	const char *sbi_mask; /* string list */
	size_t sbi_mask_bytes;
	struct choices choices;
};

/* Whether it has a device of consoles and ports. */
static inline bool vm_has_console(const struct vm_config *c)
{
	return c->ports || c->choices.word[CHOICE_CONSOLE] == CONSOLE_ON;
}

/* Names one after the other, each ended by 0, a comma or the end. */
struct name_list {
	const char *at;
	size_t bytes;
};

/* A bundle whose outline was found good. */
struct bundle {
	struct frame_range where;
	const char *args; /* the hypervisor's options */
	bool never_ends;  /* the machine goes on when no VM runs any more */
	unsigned vms;	  /* how many it describes */

	/* bundle.c's */
	int node[BUNDLE_VMS_MAX]; /* in the order in which they start */
	struct name_list starts;  /* who starts by itself; .at NULL: all */
};

/**
 * Open the bundle at @where. Of the hypervisor's options @args, which must stay, `guest` and `end`
 * count here, and those of choice.h in bundle_read().
 * Returns OK; ERR_FORMAT, ERR_MISSING: it is none, or names who isn't there to be started.
 */
MUST_USE enum err bundle_open(struct bundle *b, struct frame_range where, const char *args);

/**
 * Read VM @i of @b, of 0 to .vms - 1, lowest .order first. @harts: how many the host has; also what
 * a description means that doesn't say how many vcpus.
 * Returns OK, or any other error: this VM is described badly; what others say counts nevertheless.
 */
MUST_USE enum err bundle_read(const struct bundle *b, unsigned i, unsigned harts,
			      struct vm_config *config);

/**
 * Whether any VM of the bundle at @where is to be run in a way that shares a table with the
 * hypervisor (struct way), on a core with ISA string @isa; where there is no good bundle, whether a
 * VM would be of which nothing is said. Usable before translation is on; silent.
 */
bool bundle_shares_table(struct frame_range where, const char *args, const char *isa);

#endif
