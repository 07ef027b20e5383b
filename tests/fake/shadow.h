/*
 * What tests of hyp/shadow/ share: the hypervisor's map in fake RAM, the hardware's walk of shadow
 * tables, and what must hold of the module's state at any time.
 */
#ifndef TESTS_FAKE_SHADOW_H
#define TESTS_FAKE_SHADOW_H

#include "hyp/mm/map.h"
#include "hyp/shadow/table.h"

/**
 * Let map_root() and map_mode() answer for mode @m. Takes one frame of @pool for the root; call it
 * after frame_add_ram().
 */
void fake_host_mode(const struct pt_mode *m, struct frame_pool *pool);

/* The hardware's answer in U-mode, Svade: the leaf that allows the access, or not. */
struct fake_walk {
	bool allowed;
	hpa_t to;
	pte_t leaf;
	unsigned level;
};
struct fake_walk fake_walk(uint64_t satp, gva_t at, enum access want);

/* An access as a vcpu makes it: walk, fault, walk again, until it works or isn't just resumed. */
struct fake_access {
	struct shadow_answer answer; /* SHADOW_RESUME: it works, as .walk says */
	struct fake_walk walk;
	unsigned faults; /* more than FAKE_FAULTS_MAX: no end was found */
};
#define FAKE_FAULTS_MAX 4
struct fake_access fake_access(struct shadow *s, struct shadow_view *w, const struct regime *r,
			       gva_t at, enum access want);

/**
 * SFENCE.VMA of a page in one ASID, as hyp/trap/fast.S carries it out for a vcpu that knows @known.
 * Returns whether it needed no shadow_fence_page(); that this would have found nothing is checked.
 */
bool fake_fence_page(struct shadow *s, gva_t at, uint64_t asid, struct shadow_absence *known);

/* What is wrong with the state, or NULL. Looks at every table and every page of RAM. */
const char *fake_shadow_wrong(struct shadow_state *st);

#endif
