/*
 * Patched copies of code pages. See shadow.h.
 *
 * Every privileged instruction of a guest's kernel is an illegal one to the hart, and goes by way
 * of the firmware, which costs several times what we do with it. In the copy stands something that
 * comes straight to us, or needn't come at all.
 *
 * Invariant: whatever mixture of old and new halves another hart fetches while an instruction is
 * replaced, it traps; and what traps in a copy is carried out as the original says. While there is
 * a copy no mapping lets the guest write the original, nor read the copy.
 */
#include "hyp/shadow/table.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/insn.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"

struct shadow_copy {
	uint16_t *bytes;
	gpa_t of;
	uint32_t reads;
	uint32_t next_free; /* 0: the one behind it, as long as it was never used */
};

#define COPY_BLOCK_FRAMES 8
#define COPIES		  (COPY_BLOCK_FRAMES * PAGE_SIZE / sizeof(struct shadow_copy))

/* Traps of a page before it gets a copy: about what making one costs. Twice as many for each copy
 * that it has lost, and after some of those it gets none. */
#define TRAPS_FOR_COPY 6
#define DROPS_MAX      6
/* Loads that are carried out by software before the copy isn't worth it. */
#define READS_MAX 256

enum err shadow_copies_init(struct shadow_state *st)
{
	hpa_t at;
	enum err e = frame_alloc_run(st->gs->pool, COPY_BLOCK_FRAMES, &at);

	if (e)
		return e;
	st->copies = phys_pointer(at); /* zero; [0] is the list's head */
	return OK;
}

/* What follows @n in the list of free ones; COPIES ends it. */
static uint32_t next_free(const struct shadow_state *st, uint32_t n)
{
	return st->copies[n].next_free ? st->copies[n].next_free : n + 1;
}

hpa_t shadow_copy_of(const struct shadow_state *st, gpa_t at)
{
	unsigned copy = shadow_gfn_of(st, at)->copy;

	return copy ? phys_address(st->copies[copy].bytes) : hpa(0);
}

static void unmap(struct shadow_state *st, gpa_t at)
{
	shadow_unmap_page(st, at, false);
	shadow_flush(st);
}

static bool make_copy(struct shadow_state *st, gpa_t at)
{
	struct shadow_gfn *g = shadow_gfn_of(st, at);
	uint32_t n = next_free(st, 0);
	struct gstage_entry original;
	hpa_t frame;

	if (n == COPIES || gstage_reach(st->gs, at, ACCESS_LOAD, &original) != OK)
		return false;
	if (!st->copies[n].bytes) {
		if (frame_alloc(st->gs->pool, &frame) != OK)
			return false;
		st->copies[n].bytes = phys_pointer(frame);
	}
	st->copies[0].next_free = next_free(st, n);
	st->copies[n].reads = 0;
	st->copies[n].of = at;
	g->copy = (uint16_t)n;
	shadow_set_special(st, at, true);
	/* Nobody writes the original any more; now it can be copied. */
	unmap(st, at);
	memcpy(st->copies[n].bytes, phys_pointer(hpa(align_down(original.to.v, PAGE_SIZE))),
	       PAGE_SIZE);
	shadow_flush_code(st);
	st->shadow->stats.patched_pages++;
	return true;
}

void shadow_drop_copy(struct shadow_state *st, gpa_t at)
{
	struct shadow_gfn *g = shadow_gfn_of(st, at);
	unsigned n = g->copy;

	if (!n)
		return;
	g->copy = 0;
	g->traps = 0;
	g->drops++;
	shadow_set_special(st, at, false);
	unmap(st, at);
	st->copies[n].next_free = next_free(st, 0);
	st->copies[0].next_free = n;
	st->shadow->stats.unpatched_pages++;
}

void shadow_drop_copies(struct shadow_state *st)
{
	for (uint32_t n = 1; n < COPIES; n++) {
		gpa_t at = st->copies[n].of;

		if (!at.v || shadow_gfn_of(st, at)->copy != n)
			continue;
		shadow_drop_copy(st, at);
		shadow_gfn_of(st, at)->drops--;
	}
}

bool shadow_copy_read(struct shadow_state *st, gpa_t at)
{
	return ++st->copies[shadow_gfn_of(st, at)->copy].reads < READS_MAX;
}

/*
 * Two halves, as another hart may fetch them one by one. A SYSTEM instruction whose low half says
 * EBREAK and whose high half says anything but 0 or 1 is illegal in U-mode; so EBREAK goes in from
 * the low half, and what replaces it from the high one.
 */
static void replace(uint16_t *at, uint32_t bits)
{
	volatile uint16_t *half = at;

	half[0] = (uint16_t)INSN_EBREAK;
	fence_all();
	half[1] = (uint16_t)(INSN_EBREAK >> 16);
	if (bits != INSN_EBREAK) {
		fence_all();
		half[1] = (uint16_t)(bits >> 16);
		fence_all();
		half[0] = (uint16_t)bits;
	}
	fence_all();
}

static void patch(struct shadow_state *st, gpa_t at, uint32_t original, uint32_t replacement)
{
	struct shadow_gfn *g = shadow_gfn_of(st, at);
	uint16_t *place;

	if (!g->copy) {
		if (g->drops >= DROPS_MAX || ++g->traps < TRAPS_FOR_COPY << g->drops ||
		    !make_copy(st, at))
			return;
	}
	place = st->copies[g->copy].bytes + at.v % PAGE_SIZE / 2;
	if ((place[0] | (uint32_t)place[1] << 16) != original)
		return;
	if (replacement != INSN_EBREAK) {
		if (!st->state_allowed)
			replacement = INSN_EBREAK;
		st->state_used |= st->state_allowed;
	}
	replace(place, replacement);
	fence_i();
	st->shadow->stats.patched_sites++;
}

/* An instruction that goes on in the next page stays as it is. */
void shadow_patch(struct shadow *s, gpa_t at, uint32_t original, uint32_t replacement)
{
	struct shadow_state *st = s->state;

	if (!s->patch || at.v % PAGE_SIZE > PAGE_SIZE - 4)
		return;
	lock_take(&st->gs->lock);
	patch(st, at, original, replacement);
	lock_release(&st->gs->lock);
}

void shadow_unpatch(struct shadow *s, gpa_t at)
{
	struct shadow_state *st = s->state;

	lock_take(&st->gs->lock);
	shadow_drop_copy(st, at);
	shadow_gfn_of(st, at)->drops = DROPS_MAX;
	lock_release(&st->gs->lock);
}
