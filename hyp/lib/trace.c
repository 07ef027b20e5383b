/*
 * The ring. See trace.h.
 *
 * Invariant: whoever changes a slot's .stamp from even to odd, by a compare-and-swap, owns its
 * words until he makes it even again. A writer that finds it odd, one whole round behind another
 * who is still writing, gives its event up and says so in .given_up: nobody waits.
 */
#include "hyp/lib/trace.h"

#include "hyp/arch/pte.h"
#include "hyp/lib/string.h"

_Static_assert(sizeof(struct trace) <= MEGAPAGE, "one block of memory");
_Static_assert(TRACE_MEMBERS <= 16, "bits of .has");

const char *const trace_names[TRACE_NAMES] = {
	[TRACE_EXIT] = "exit",	       [TRACE_FAULT] = "fault", [TRACE_FILL] = "fill",
	[TRACE_FENCE] = "fence",       [TRACE_SATP] = "satp",	[TRACE_INJECT] = "inject",
	[TRACE_PT_STORE] = "pt_store", [TRACE_SYNC] = "sync",	[TRACE_UNSHADOW] = "unshadow",
	[TRACE_EVICT] = "evict",       [TRACE_ENTER] = "enter", [TRACE_BREAK] = "break",
};

const char *const trace_whys[TRACE_WHYS] = {
	[TRACE_DEMAND] = "demand",   [TRACE_COPY] = "copy",	    [TRACE_TABLE] = "table",
	[TRACE_PAGE] = "page",	     [TRACE_SBI] = "sbi",	    [TRACE_SAME] = "same",
	[TRACE_CHANGED] = "changed", [TRACE_STORED] = "stored",	    [TRACE_DISUSED] = "disused",
	[TRACE_MAPPED] = "mapped",   [TRACE_UNMAPPED] = "unmapped", [TRACE_WALKED] = "walked",
};

static bool has_instret;

void trace_probe(void)
{
	has_instret = cpu_has_instret();
}

bool trace_has_instret(void)
{
	return has_instret;
}

void trace_init(struct trace *t)
{
	memset(t, 0, sizeof(*t));
}

/* The latest one counts: who reads an earlier one has been overtaken by a round. */
static COLD void give_up(struct trace_slot *s, uint64_t n)
{
	uint64_t before = atomic_load(&s->given_up);

	while (before < n + 1 && !atomic_compare_exchange_weak(&s->given_up, &before, n + 1))
		;
}

void trace_write(struct trace *t, struct trace_event *e)
{
	uint64_t n = atomic_fetch_add(&t->next, 1), words[TRACE_WORDS + 1];
	struct trace_slot *s = &t->slot[n % TRACE_SLOTS];
	uint64_t stamp = atomic_load(&s->stamp);

	e->n = n;
	if ((stamp & 1) || stamp > 2 * n ||
	    !atomic_compare_exchange_strong(&s->stamp, &stamp, 2 * n + 1)) {
		give_up(s, n);
		return;
	}
	/* The odd stamp is seen before any of the words. */
	atomic_thread_fence(memory_order_release);
	memcpy(words, e, sizeof(words));
	for (unsigned i = 0; i < TRACE_WORDS; i++)
		atomic_store_explicit(&s->word[i], words[i + 1], memory_order_relaxed);
	atomic_store_explicit(&s->stamp, 2 * n + 2, memory_order_release);
}

/* --- stopping --- */

/* Events by which one learns that a page is a table: its gpa, or ~0. */
static uint64_t table_of(const struct trace_event *e)
{
	pte_t stored = e->value[TRACE_VALUE];
	uint64_t satp = e->value[TRACE_ATP];

	if (e->kind == TRACE_SATP && satp >> ATP_MODE_SHIFT != ATP_MODE_BARE)
		return (satp & ATP_PPN_MASK) << PAGE_SHIFT;
	if (e->kind == TRACE_PT_STORE && pte_is_valid(stored) && !pte_is_leaf(stored))
		return pte_address(stored);
	return UINT64_MAX;
}

bool trace_take_table(struct trace *t, uint64_t page)
{
	uint32_t n = atomic_load(&t->breaks_n);

	for (uint32_t i = 0; i < n && page != UINT64_MAX; i++) {
		uint64_t at = page;

		if (t->breaks[i].is_table &&
		    atomic_compare_exchange_strong(&t->breaks[i].at, &at, UINT64_MAX))
			return true;
	}
	return false;
}

/* Of all harts whose event is one of those, one has it. */
static bool take_step(struct trace *t, enum trace_kind kind)
{
	uint32_t stops = atomic_load(&t->stops);

	return (stops >> kind & 1) && atomic_compare_exchange_strong(&t->stops, &stops, 0);
}

bool trace_take_stop(struct trace *t, uint64_t *by)
{
	uint64_t hit = atomic_load_explicit(&t->hit, memory_order_relaxed);

	if (hit)
		hit = atomic_exchange(&t->hit, 0);
	*by = hit - 1;
	return hit != 0;
}

void trace_step(struct trace *t, uint32_t kinds)
{
	atomic_store(&t->stopped_by, 0);
	atomic_store(&t->stops, kinds);
}

void trace_stopped(struct trace *t, uint64_t by)
{
	atomic_store(&t->stopped_by, by + 1);
}

void trace_end(struct trace *t)
{
	if (!t)
		return;
	atomic_store(&t->stops, 0);
	atomic_store(&t->hit, 0);
}

bool trace_break_is_over(const struct trace_break *b)
{
	return b->is_table && b->at == UINT64_MAX;
}

bool trace_add_break(struct trace *t, bool is_table, uint64_t at)
{
	uint32_t n = atomic_load(&t->breaks_n), i = 0;
	struct trace_break *b;

	while (i < n && !trace_break_is_over(&t->breaks[i]))
		i++;
	if (i == TRACE_BREAKS)
		return false;
	b = &t->breaks[i];
	atomic_store(&b->id, 0);
	atomic_store(&b->is_table, is_table);
	atomic_store(&b->at, is_table ? align_down(at, PAGE_SIZE) : at);
	atomic_store(&b->id, ++t->breaks_made);
	if (i == n)
		atomic_store(&t->breaks_n, n + 1);
	atomic_store(&t->needs, 1u << TRACE_FAULT | 1u << TRACE_FENCE | 1u << TRACE_SATP |
					1u << TRACE_PT_STORE);
	return true;
}

void trace_clear_breaks(struct trace *t)
{
	atomic_store(&t->needs, 0);
	atomic_store(&t->breaks_n, 0);
}

/* --- telling --- */

static struct trace_event event_of(enum trace_kind kind, enum trace_why why,
				   const struct trace_value *values, unsigned n)
{
	const struct hart *h = this_hart();
	struct trace_event e = { .time = csr_read(CSR_TIME),
				 .instret = has_instret ? csr_read(CSR_INSTRET) : 0,
				 .kind = (uint8_t)kind,
				 .why = (uint8_t)why,
				 .hart = (uint16_t)h->index,
				 .vcpu = (uint16_t)h->traced };

	for (; n; n--, values++) {
		e.value[values->member] = values->value;
		e.has |= (uint16_t)(1u << values->member);
	}
	return e;
}

/* What stops a VM is always written. */
static void write_and_stop(struct trace *t, struct trace_event *e)
{
	trace_write(t, e);
	atomic_store(&t->hit, e->n + 1);
}

void trace_add(enum trace_kind kind, enum trace_why why, const struct trace_value *values,
	       unsigned n)
{
	struct trace *t = this_hart()->trace;
	struct trace_event e = event_of(kind, why, values, n);
	unsigned asked = kind == (enum trace_kind)TRACE_ENTER ? TRACE_EXIT : kind;

	if (take_step(t, kind) || trace_take_table(t, table_of(&e)))
		write_and_stop(t, &e);
	else if (atomic_load(&t->kinds) >> asked & 1)
		trace_write(t, &e);
}

void trace_stop(enum trace_why why, const struct trace_value *values, unsigned n)
{
	struct trace_event e = event_of((enum trace_kind)TRACE_BREAK, why, values, n);

	write_and_stop(this_hart()->trace, &e);
}

/* --- reading --- */

enum got { EVENT, LOST, NOT_YET };

static enum got read_slot(const struct trace_slot *s, uint64_t n, struct trace_event *e)
{
	uint64_t stamp = atomic_load_explicit(&s->stamp, memory_order_acquire);
	uint64_t words[TRACE_WORDS + 1] = { n };

	if (stamp > 2 * n + 2 || (stamp < 2 * n + 1 && atomic_load(&s->given_up) == n + 1))
		return LOST;
	if (stamp != 2 * n + 2)
		return NOT_YET;
	for (unsigned i = 0; i < TRACE_WORDS; i++)
		words[i + 1] = atomic_load_explicit(&s->word[i], memory_order_relaxed);
	/* All words are read before the stamp is looked at again. */
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&s->stamp, memory_order_relaxed) != stamp)
		return LOST;
	memcpy(e, words, sizeof(*e));
	return EVENT;
}

/* How many, from the reader's place on, lie more than a round back. */
static uint64_t overtaken(const struct trace *t)
{
	uint64_t written = atomic_load(&t->next) - t->at;

	return written > TRACE_SLOTS ? written - TRACE_SLOTS : 0;
}

bool trace_read(struct trace *t, struct trace_event *e, uint64_t *lost)
{
	enum got got = LOST;

	*lost = 0;
	while (got == LOST) {
		uint64_t gone = overtaken(t);

		t->at += gone;
		*lost += gone;
		if (t->at == atomic_load(&t->next))
			break;
		got = read_slot(&t->slot[t->at % TRACE_SLOTS], t->at, e);
		*lost += got == LOST;
		t->at += got == LOST || (got == EVENT && !*lost);
	}
	t->lost += *lost;
	return *lost || got == EVENT;
}

uint64_t trace_unread(const struct trace *t)
{
	return atomic_load(&t->next) - t->at - overtaken(t);
}

uint64_t trace_lost(const struct trace *t)
{
	return t->lost + overtaken(t);
}
