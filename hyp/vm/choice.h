/*
 * What can be chosen for a VM by a word: how it is run, how its shadow tables are kept, what happens
 * when it ends. In the VM's description and its bundle a choice is a string property, among the
 * hypervisor's options NAME=WORD; the names and words are the same everywhere.
 *
 * How a VM is run is settled here alone: no other file asks whether the core has the H-extension.
 */
#ifndef HYP_VM_CHOICE_H
#define HYP_VM_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/vcpu/backend.h"

enum choice_name {
	CHOICE_BACKEND,
	CHOICE_SHADOW_POLICY,
	CHOICE_PATCH,
	CHOICE_RNG,
	CHOICE_BALLOON,
	CHOICE_VIRTIO,
	CHOICE_CONSOLE,
	CHOICE_ON_RESET,
	CHOICE_ON_SHUTDOWN,
	CHOICE_ON_FAILURE,
	CHOICES,
};

/* Those of CHOICE_VIRTIO: the transport's version, 2 or 1. */
enum { VIRTIO_MODERN, VIRTIO_LEGACY };

/* Those of CHOICE_CONSOLE: whether there is a virtio console. */
enum { CONSOLE_ON, CONSOLE_OFF };

/* The words of CHOICE_RNG: whether there is an entropy device. */
enum { RNG_ON, RNG_OFF };

/* The same of CHOICE_BALLOON: a balloon. */
enum { BALLOON_ON, BALLOON_OFF };

/* The words of CHOICE_PATCH; those of CHOICE_SHADOW_POLICY are enum shadow_policy. */
enum { PATCH_ON, PATCH_OFF };

/* Those of CHOICE_ON_*: what becomes of the VM then. */
enum { THEN_STOP, THEN_RESTART };

/* What was chosen: an index among the words of each choice. */
struct choices {
	unsigned word[CHOICES];
};

/* Nothing said. */
struct choices choices_default(void);

const char *choice_text(enum choice_name name);

/* Choose @word for @name in @c. Returns false where there is no such word; nothing changes then. */
bool choice_set(struct choices *c, enum choice_name name, const char *word);

/* Let the hypervisor's options, words of @args, override @c. Unknown words change nothing. */
void choices_from_options(struct choices *c, const char *args);

/* One way to run a VM. */
struct way {
	const struct backend *backend;
	bool needs_h;
	/* The hypervisor's map is to lie where the guest's addresses don't reach: a wide mode. */
	bool shares_table;
	/**
	 * Find out what this hart has for it. Returns what henvcfg, or what does the same for
	 * S-mode, can hold.
	 */
	uint64_t (*probe)(void);
};

/* Once, on the boot hart, before any vcpu is loaded: find out what it has for each way that a core
 * with ISA string @isa can go. */
void ways_probe(const char *isa);

/* What .probe returned: isa_init() is to be told. */
uint64_t way_can(const struct way *way);

/**
 * The way to run a VM for which @c was chosen on a core with ISA string @isa; NULL: it can't be run
 * on that core.
 */
const struct way *way_choose(const struct choices *c, const char *isa);

#endif
