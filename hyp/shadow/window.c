/*
 * Windows: how a guest has a mode as wide as the hypervisor's. See shadow.h.
 *
 *   shadow root   0 .. 99 | 100     | 101 .. 511    all the guest's, but for one slot of 1 GiB
 *   our own root  window in 0 .. 255 | 256 .. 511   the hypervisor's map (hyp/mm/map.h)
 *
 * A window is two pages for each hart, data and a stub (hyp/trap/window.S), and lies in one slot of
 * a shadow root and in every slot of our own root's lower half: in whatever slot it is, both map it
 * at the same address, and in the stub satp can change under the hart's feet. Whenever the guest
 * comes to need the slot the window moves to the next lower one, and takes it from the guest until
 * that is needed. An instruction needs four at most, two for itself and two for its data, so that
 * with 256 of them it always gets on.
 *
 * Invariant: while a guest is loaded on a hart that has windows, stvec points to the stub in the
 * window of the root that .satp of the hart's data selects, and satp itself is ours.
 *
 * Source: privileged specification, "Supervisor Address Translation and Protection (satp)
 * Register": a write of satp doesn't order anything by itself; the next fetch may go by either.
 */
#include <stddef.h>

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/mm/map.h"
#include "hyp/mm/phys.h"
#include "hyp/shadow/table.h"
#include "hyp/shadow/window.h"

#define SLOTS	   (PT_ENTRIES / 2)
#define FIRST_SLOT 100u /* Linux uses 0, 85, 170 and 255 first */
/* In the slot: its last 2 MiB, since slot 0 too has its turn, and null pointers are to fault. */
#define PLACE	   (GIGAPAGE - MEGAPAGE)
#define MEGA_INDEX (PT_ENTRIES - 1)
#define PAGES	   2u /* of a hart */

/* What the stub knows. Written by C but for .a0; its own hart only. */
struct window {
	uint64_t host_satp, satp; /* ours, and the guest's shadow */
	uint64_t vcpu;
	uint64_t arrive, bug; /* where traps of the guest, and of ourselves, go on */
	uint64_t a0;	      /* the guest's, on the way out */
	uint64_t fences;      /* whether roots don't differ in ASIDs */
	uint64_t spare;
};

struct window_page {
	uint8_t unused[PAGE_SIZE - sizeof(struct window)];
	struct window w;
};

#define FROM_STUB(field) ((int)offsetof(struct window_page, w.field) - (int)PAGE_SIZE)
_Static_assert(FROM_STUB(host_satp) == WINDOW_HOST_SATP, "WINDOW_HOST_SATP");
_Static_assert(FROM_STUB(satp) == WINDOW_SATP, "WINDOW_SATP");
_Static_assert(FROM_STUB(vcpu) == WINDOW_VCPU, "WINDOW_VCPU");
_Static_assert(FROM_STUB(arrive) == WINDOW_ARRIVE, "WINDOW_ARRIVE");
_Static_assert(FROM_STUB(bug) == WINDOW_BUG, "WINDOW_BUG");
_Static_assert(FROM_STUB(a0) == WINDOW_A0, "WINDOW_A0");
_Static_assert(FROM_STUB(fences) == WINDOW_FENCES, "WINDOW_FENCES");
_Static_assert(sizeof(struct window_page) == PAGE_SIZE, "the stub is the next page");

/* The tables of all windows: slot -> mega -> pages. Fixed once translation by them began. */
static pte_t mega[PT_ENTRIES] __attribute__((aligned(4096)));
static pte_t pages[PT_ENTRIES] __attribute__((aligned(4096)));
static struct window_page windows[HOST_HARTS_MAX] __attribute__((aligned(4096)));
_Static_assert(HOST_HARTS_MAX * PAGES <= PT_ENTRIES, "one table of pages");

static struct window *here(void)
{
	return &windows[this_hart()->index].w;
}

bool shadow_has_windows(void)
{
	return map_mode() == &host_modes[HOST_SV39];
}

/* No G: each root has its window elsewhere. */
void shadow_windows_init(void)
{
	for (unsigned i = 0; i < HOST_HARTS_MAX; i++) {
		pages[PAGES * i] = pte_make(phys_address(&windows[i]).v,
					    PTE_V | PTE_R | PTE_W | PTE_A | PTE_D);
		pages[PAGES * i + 1] = pte_make(phys_address(trap_window).v, PTE_V | PTE_X | PTE_A);
	}
	mega[MEGA_INDEX] = pte_make(phys_address(pages).v, PTE_V);
	map_set_lower_half(mega);
	sfence_all();
}

static void aim_at(unsigned slot)
{
	csr_write(CSR_STVEC, slot * GIGAPAGE + PLACE +
				     (PAGES * this_hart()->index + 1) * PAGE_SIZE);
}

void shadow_window_open(struct shadow_table *root)
{
	root->window = FIRST_SLOT;
	root->hw[FIRST_SLOT] = map_root()[FIRST_SLOT];
}

bool shadow_is_window(pte_t e)
{
	return pte_address(e) == phys_address(mega).v;
}

static bool is_in_use_here(const struct shadow_table *root)
{
	return (here()->satp & ATP_PPN_MASK) == phys_address(root->hw).v >> PAGE_SHIFT;
}

/* No hart but this one ever runs by this root. What it remembers of both slots is wrong now. */
void shadow_window_give_way(struct shadow_state *st, struct shadow_table *root, gva_t at)
{
	unsigned from = root->window, to = (from - 1) % SLOTS;

	if (shadow_index(root->key.level, at.v) != from)
		return;
	if (entry_in_use(root, to))
		shadow_clear(st, root, to);
	root->hw[to] = map_root()[to];
	root->hw[from] = 0;
	root->window = (uint16_t)to;
	sfence_all();
	if (is_in_use_here(root))
		aim_at(to);
}

void shadow_window_load(const void *vcpu, uint64_t bug)
{
	*here() = (struct window){
		.host_satp = map_satp,
		.vcpu = (uint64_t)(uintptr_t)vcpu,
		.bug = bug,
		.fences = !shadow_has_asids(),
	};
	aim_at(FIRST_SLOT);
}

void shadow_window_arrive(uint64_t at)
{
	here()->arrive = at;
}

void shadow_window_enter(const struct shadow_view *w, const struct regime *r)
{
	unsigned role = shadow_role(r);

	here()->satp = w->space->satp[role];
	aim_at(w->space->root[role]->window);
}
