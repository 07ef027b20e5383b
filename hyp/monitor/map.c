/*
 * The command that shows all that a stage maps. See hyp/mmu/ranges.h.
 */
#include "hyp/monitor/command.h"

#include "hyp/mmu/ranges.h"

#define ROWS_MOST 200 /* of one answer: they fit */

static const struct column columns[] = {
	{ "from", 16 },	  { "last", 16 },     { "bytes", 14 },   { "pages", -5 },
	{ "rights", -6 }, { "leads_to", 16 }, { "owner", -9 },
};

static const char *const page_names[PT_MAX_LEVELS] = { "4K", "2M", "1G", "512G", "256T" };

struct rows {
	struct answer *a;
	unsigned n;
};

static const char *flags_of(pte_t flags, char to[6])
{
	static const struct {
		pte_t bit;
		char letter;
	} letters[] = {
		{ PTE_R, 'r' }, { PTE_W, 'w' }, { PTE_X, 'x' }, { PTE_U, 'u' }, { PTE_G, 'g' }
	};

	for (unsigned i = 0; i < 5; i++)
		to[i] = flags & letters[i].bit ? letters[i].letter : '-';
	to[5] = 0;
	return to;
}

static bool show(const struct range *r, void *context)
{
	struct rows *rows = context;
	struct answer *a = rows->a;
	bool has_pages = r->flags != 0;
	char flags[6];

	if (rows->n++ == ROWS_MOST)
		return false;
	answer_row(a);
	answer_hex(a, r->from);
	answer_hex(a, r->from + r->bytes - 1);
	answer_number(a, r->bytes);
	if (has_pages)
		answer_text(a, r->flags & PTE_N ? "64K" : page_names[r->level]);
	else
		answer_none(a);
	answer_text(a, flags_of(r->flags, flags));
	if (r->is_scattered || r->owner == RANGE_UNTOUCHED)
		answer_none(a);
	else
		answer_hex(a, r->to);
	answer_text(a, range_owner_names[r->owner]);
	return true;
}

static const struct column about_columns[] = {
	{ "vm", -8 },
	{ "stage", 0 },
	{ "mode", 0 },
	{ "next", 0 },
};

static void answer_about_map(const struct vm *vm, const char *stage, const struct pt_mode *mode,
			     uint64_t next, struct answer *a)
{
	answer_about(a, about_columns, sizeof(about_columns) / sizeof(about_columns[0]), 1);
	answer_text(a, vm->config.name);
	answer_text(a, stage);
	answer_text(a, mode ? mode->name : "bare");
	if (next == UINT64_MAX)
		answer_none(a);
	else
		answer_hex(a, next);
}

/* @r: NULL: of the G-stage. */
static void answer_map(struct vm *vm, const struct regime *r, uint64_t from, struct answer *a)
{
	struct gstage *gs = vm->vcpus[0]->gstage;
	struct rows rows = { .a = a };
	uint64_t next;

	if (!vm_hold(vm)) {
		answer_error(a, "%s is stopped: it has no memory", vm->config.name);
		return;
	}
	answer_table(a, columns, sizeof(columns) / sizeof(columns[0]));
	next = r ? ranges_of_vs_stage(gs, r, from, show, &rows)
		 : ranges_of_g_stage(gs, from, show, &rows);
	answer_about_map(vm, r ? "vs" : "g", r ? vsstage_mode(r->atp) : gs->mode, next, a);
	vm_release();
}

/* The vcpu is asked before the VM is held: it may wait for that before it can answer. */
static void map_vs(const struct arguments *args, struct answer *a)
{
	struct regime r;

	if (!vcpu_ask_regime(args->vcpu, &r))
		answer_error(a, "the vcpu's hart is busy; try again");
	else
		answer_map(args->vm, &r, args->address, a);
}

static void map_g(const struct arguments *args, struct answer *a)
{
	answer_map(args->vm, NULL, args->address, a);
}

const struct command map_commands[] = {
	{ "map vs VM[.N] [GVA]", "what the guest's tables map, as ranges", map_vs },
	{ "map g VM [GPA]", "what the G-stage maps, as ranges", map_g },
	{ NULL, NULL, NULL },
};
