/*
 * Commands about the trace of a VM. See hyp/lib/trace.h; docs/trace.md has the format.
 *
 * The reader's place in the ring is the monitor's, one a VM: what one has read the next one isn't
 * told again.
 */
#include "hyp/monitor/command.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/pte.h"
#include "hyp/drv/host.h"
#include "hyp/lib/printf.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/phys.h"
#include "hyp/mmu/explain.h"
#include "hyp/vm/stats.h"

#define ROW_MOST 768 /* bytes of any row of trace_read */

/* --- switching --- */

/* The ring is made when it is first wanted, and lives as long as the VM. */
static enum err get_ring(struct vm *vm, struct trace **t)
{
	hpa_t at;
	bool zero;
	enum err e;

	*t = atomic_load(&vm->vcpus[0]->trace);
	if (*t)
		return OK;
	e = frame_alloc_block(&vm->fixed, &at, &zero);
	if (e)
		return e;
	*t = phys_pointer(at);
	trace_init(*t);
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		atomic_store(&vm->vcpus[i]->trace, *t);
	return OK;
}

static void refuse(const struct vm *vm, enum err e, struct answer *a)
{
	answer_error(a, "%.64s: %s", vm->config.name, err_name(e));
}

static void switch_trace(const struct arguments *args, struct answer *a)
{
	bool on = args->word[1] == 'n';
	struct trace *t;
	enum err e = OK;

	if (!on && args->events) {
		answer_error(a, "off takes no events: it ends them all");
		return;
	}
	t = atomic_load(&args->vm->vcpus[0]->trace);
	if (on)
		e = get_ring(args->vm, &t);
	if (e)
		refuse(args->vm, e, a);
	if (e || !t)
		return;
	if (!on)
		atomic_store(&t->stops, 0);
	atomic_store(&t->kinds, !on ? 0 : args->events ? args->events : TRACE_ALL);
	vm_watch(args->vm);
}

/* --- its state --- */

static const struct column state_columns[] = {
	{ "vm", -9 },	    { "state", 0 },   { "events", 0 },	{ "room", 0 },
	{ "told", 0 },	    { "unread", 0 },  { "dropped", 0 }, { "stepping", 0 },
	{ "paused_by", 0 }, { "backend", 0 }, { "policy", 0 },	{ "timebase", 0 },
};

static void put_kinds(uint32_t kinds, struct answer *a)
{
	char some[128];
	struct text t = { .to = some, .room = sizeof(some) };

	for (unsigned k = 0; k < TRACE_KINDS; k++)
		if (kinds >> k & 1)
			text_format(&t, "%s%s", t.n ? "," : "", trace_names[k]);
	answer_bytes(a, some, t.n);
}

/* The number of the event. */
static void put_paused_by(const struct trace *t, struct answer *a)
{
	uint64_t by = t ? atomic_load(&t->stopped_by) : 0;

	if (by)
		answer_number(a, by - 1);
	else
		answer_none(a);
}

static void show_state(const struct vm *vm, struct answer *a)
{
	const struct trace *t = atomic_load(&vm->vcpus[0]->trace);

	answer_record(a, state_columns, sizeof(state_columns) / sizeof(state_columns[0]), 1);
	answer_text(a, vm->config.name);
	answer_text(a, trace_is_on(t) ? "on" : "off");
	put_kinds(t ? atomic_load(&t->kinds) : 0, a);
	answer_number(a, TRACE_SLOTS);
	answer_number(a, t ? atomic_load(&t->next) : 0);
	answer_number(a, t ? trace_unread(t) : 0);
	answer_number(a, t ? trace_lost(t) : 0);
	answer_bool(a, t && atomic_load(&t->stops));
	put_paused_by(t, a);
	answer_text(a, vm->way->backend->name);
	answer_policy(vm, a);
	answer_number(a, host.timebase);
}

static void trace(const struct arguments *args, struct answer *a)
{
	if (args->word)
		switch_trace(args, a);
	else
		show_state(args->vm, a);
}

/* --- reading --- */

enum form { HEX, NUMBER, CAUSE };

/* Those that are shown as they are. */
static const struct {
	const char *name;
	enum form form;
} members[TRACE_REASON] = {
	[TRACE_CAUSE] = { "cause", CAUSE }, [TRACE_PC] = { "pc", HEX },
	[TRACE_AT] = { "at", HEX },	    [TRACE_GPA] = { "gpa", HEX },
	[TRACE_HPA] = { "hpa", HEX },	    [TRACE_LEVEL] = { "level", NUMBER },
	[TRACE_ENTRY] = { "entry", HEX },   [TRACE_IN] = { "table", HEX },
	[TRACE_ASID] = { "asid", NUMBER },  [TRACE_ATP] = { "satp", HEX },
	[TRACE_VALUE] = { "value", HEX },   [TRACE_BYTES] = { "bytes", HEX },
};

/* Interrupts come after the 32 exceptions. */
static uint64_t cause_number(uint64_t row)
{
	return (row >> 1) + (row & 1 ? 32 : 0);
}

/* Where the kind and the cause alone don't say it. */
static const char *why_of(const struct trace_event *e)
{
	if (e->why)
		return trace_whys[e->why];
	if (e->has >> TRACE_REASON & 1)
		return explain_sentence_of(e->value[TRACE_REASON]);
	return e->has >> TRACE_CAUSE & 1 ? stats_exit_name((unsigned)e->value[TRACE_CAUSE]) : NULL;
}

static const char *stage_of(const struct trace_event *e)
{
	if (e->kind != TRACE_FILL)
		return NULL;
	return e->why == TRACE_DEMAND || e->why == TRACE_COPY ? "G" : "shadow";
}

static void put_optional(struct answer *a, const char *s)
{
	if (s)
		answer_text(a, s);
	else
		answer_skip(a);
}

static const struct column json_columns[] = {
	{ "n", 0 },	  { "time", 0 },  { "hart", 0 },  { "vcpu", 0 },  { "instret", 0 },
	{ "event", 0 },	  { "cause", 0 }, { "pc", 0 },	  { "at", 0 },	  { "gpa", 0 },
	{ "hpa", 0 },	  { "level", 0 }, { "entry", 0 }, { "table", 0 }, { "asid", 0 },
	{ "satp", 0 },	  { "value", 0 }, { "bytes", 0 }, { "stage", 0 }, { "why", 0 },
	{ "dropped", 0 },
};
#define JSON_COLUMNS (sizeof(json_columns) / sizeof(json_columns[0]))

static void put_member(const struct trace_event *e, unsigned m, struct answer *a)
{
	if (!(e->has >> m & 1))
		answer_skip(a);
	else if (members[m].form == HEX)
		answer_hex(a, e->value[m]);
	else
		answer_number(a,
			      members[m].form == CAUSE ? cause_number(e->value[m]) : e->value[m]);
}

static void put_instret(const struct trace_event *e, struct answer *a)
{
	if (trace_has_instret())
		answer_number(a, e->instret);
	else
		answer_none(a);
}

static void json_row(const struct trace_event *e, struct answer *a)
{
	answer_number(a, e->n);
	answer_number(a, e->time);
	answer_number(a, e->hart);
	answer_number(a, e->vcpu);
	put_instret(e, a);
	answer_text(a, trace_names[e->kind]);
	for (unsigned m = 0; m < TRACE_REASON; m++)
		put_member(e, m, a);
	put_optional(a, stage_of(e));
	put_optional(a, why_of(e));
}

static void json_lost(uint64_t lost, struct answer *a)
{
	for (unsigned i = 0; i < JSON_COLUMNS - 1; i++)
		answer_skip(a);
	answer_number(a, lost);
}

static const struct column text_columns[] = {
	{ "n", 8 },	   { "time", 14 },  { "hart", 4 },  { "vcpu", 4 },
	{ "instret", 12 }, { "event", -8 }, { "what", -1 },
};

/* For people all that an event has goes into one column. */
static void put_what(const struct trace_event *e, struct answer *a)
{
	const char *stage = stage_of(e), *why = why_of(e);
	char some[512];
	struct text t = { .to = some, .room = sizeof(some) };

	if (stage)
		text_format(&t, "%s ", stage);
	if (why)
		text_format(&t, "%s ", why);
	for (unsigned m = TRACE_CAUSE + 1; m < TRACE_REASON; m++)
		if (e->has >> m & 1)
			text_format(&t, members[m].form == HEX ? "%s %lx " : "%s %lu ",
				    members[m].name, e->value[m]);
	answer_bytes(a, some, t.n ? t.n - 1 : 0);
}

static void text_row(const struct trace_event *e, struct answer *a)
{
	answer_number(a, e->n);
	answer_number(a, e->time);
	answer_number(a, e->hart);
	answer_number(a, e->vcpu);
	put_instret(e, a);
	answer_text(a, trace_names[e->kind]);
	put_what(e, a);
}

static void text_lost(uint64_t lost, struct answer *a)
{
	for (unsigned i = 0; i < 5; i++)
		answer_none(a);
	answer_text(a, "dropped");
	answer_number(a, lost);
}

static void read(const struct arguments *args, struct answer *a)
{
	struct trace *t = atomic_load(&args->vm->vcpus[0]->trace);
	bool json = a->form == ANSWER_JSON;
	struct trace_event e;
	uint64_t lost;

	if (json)
		answer_table(a, json_columns, JSON_COLUMNS);
	else
		answer_table(a, text_columns, sizeof(text_columns) / sizeof(text_columns[0]));
	while (t && answer_left(a) > ROW_MOST && trace_read(t, &e, &lost)) {
		answer_row(a);
		if (lost && json)
			json_lost(lost, a);
		else if (lost)
			text_lost(lost, a);
		else if (json)
			json_row(&e, a);
		else
			text_row(&e, a);
	}
}

/* --- stopping --- */

#define STEP_KINDS (1u << TRACE_FAULT | 1u << TRACE_FENCE | 1u << TRACE_SATP | 1u << TRACE_PT_STORE)

static void step(const struct arguments *args, struct answer *a)
{
	struct vm *vm = args->vm;
	struct trace *t;
	enum err e = get_ring(vm, &t);

	if (!e)
		e = vm_step(vm, args->events ? args->events : STEP_KINDS);
	if (e)
		refuse(vm, e, a);
}

static const struct column break_columns[] = { { "vm", -16 }, { "on", -5 }, { "at", 16 } };

static void list_breaks(const struct vm *vm, const struct trace *t, struct answer *a)
{
	answer_table(a, break_columns, sizeof(break_columns) / sizeof(break_columns[0]));
	for (unsigned i = 0; t && i < atomic_load(&t->breaks_n); i++) {
		const struct trace_break *b = &t->breaks[i];

		if (trace_break_is_over(b))
			continue;
		answer_row(a);
		answer_text(a, vm->config.name);
		answer_text(a, b->is_table ? "table" : "map");
		answer_hex(a, b->at);
	}
}

static void add_break(struct vm *vm, bool is_table, uint64_t at, struct answer *a)
{
	struct trace *t;
	enum err e = get_ring(vm, &t);

	if (e)
		refuse(vm, e, a);
	else if (!trace_add_break(t, is_table, at))
		answer_error(a, "%.64s has %u breaks already; `break %.64s clear` forgets them",
			     vm->config.name, TRACE_BREAKS, vm->config.name);
	else
		vm_watch(vm);
}

static void breaks(const struct arguments *args, struct answer *a)
{
	struct trace *t = atomic_load(&args->vm->vcpus[0]->trace);
	char what = args->word ? args->word[0] : 'l';
	bool takes_address = what == 'm' || what == 't';

	if (takes_address != args->has_address)
		answer_error(a, takes_address ? "%s takes an address" : "%s takes no address",
			     args->word ? args->word : "list");
	else if (takes_address)
		add_break(args->vm, what == 't', args->address, a);
	else if (what == 'l')
		list_breaks(args->vm, t, a);
	else if (t)
		trace_clear_breaks(t);
}

const struct command trace_commands[] = {
	{ "trace read VM", "what was traced and not read yet, as much as fits", read },
	{ "trace VM [on|off] [EVENTS]", "trace what happens to it, or how that stands", trace },
	{ "step VM [EVENTS]", "go on until one of these, or fault,fence,satp,pt_store", step },
	{ "break VM [map|table|list|clear] [AT]",
	  "pause it where gva AT is mapped anew, gpa AT becomes a table", breaks },
	{ NULL, NULL, NULL },
};
