/*
 * Commands that show translations: one of them step by step, and all of a guest's at once.
 *
 * Next: hyp/mmu/explain.h, who walks.
 */
#include "hyp/monitor/command.h"

#include "hyp/lib/printf.h"
#include "hyp/lib/string.h"
#include "hyp/mmu/explain.h"
#include "hyp/vs-stage/permit.h"

#define RWX (PTE_R | PTE_W | PTE_X)

/* "da-u xwrv": as the specification draws an entry's low bits, a dash for a 0. */
static const char *bits_of(pte_t e, char to[10])
{
	static const char letters[] = "daguxwrv";

	for (unsigned i = 0, at = 0; i < 8; i++, at++) {
		if (i == 4)
			to[at++] = ' ';
		to[at] = e >> (7 - i) & 1 ? letters[i] : '-';
	}
	to[9] = 0;
	return to;
}

static const char *rights_text(uint8_t rights, char to[4])
{
	to[0] = rights & PTE_R ? 'r' : '-';
	to[1] = rights & PTE_W ? 'w' : '-';
	to[2] = rights & PTE_X ? 'x' : '-';
	to[3] = 0;
	return to;
}

/* --- what was asked --- */

struct question {
	struct vcpu *v;
	struct regime r;
	gva_t at;
	enum access want;
};

static bool is_given(const struct arguments *args, const char *word)
{
	return (args->word && strcmp(args->word, word) == 0) ||
	       (args->second && strcmp(args->second, word) == 0);
}

/* Asked for before the VM is held: the vcpu may wait for that before it can answer. */
static bool ask(const struct arguments *args, struct question *q, struct answer *a)
{
	*q = (struct question){ .v = args->vcpu, .at = gva(args->address), .want = ACCESS_LOAD };
	if (is_given(args, "w"))
		q->want = ACCESS_STORE;
	if (is_given(args, "x"))
		q->want = ACCESS_FETCH;
	if (!vcpu_ask_regime(q->v, &q->r)) {
		answer_error(a, "the vcpu's hart is busy; try again");
		return false;
	}
	if (is_given(args, "user"))
		q->r.user = true;
	if (is_given(args, "kernel"))
		q->r.user = false;
	return true;
}

/* --- the references --- */

static const struct column ref_columns[] = {
	{ "ref", 3 },	{ "stage", -5 },    { "level", 5 }, { "of", 16 },
	{ "index", 5 }, { "gpa", 16 },	    { "hpa", 16 },  { "entry", 16 },
	{ "bits", -9 }, { "leads_to", 16 }, { "may", -3 },
};

/* What both stages together let so far: nothing is known before there is a leaf. */
struct so_far {
	bool is_known;
	uint8_t rights;
};

static bool is_flawed(const struct explanation *e, const struct explain_ref *ref)
{
	return e->why == EXPLAIN_FLAW && ref == &e->ref[e->n - 1];
}

static void add_rights(const struct explanation *e, const struct explain_ref *ref,
		       const struct regime *r, struct so_far *f)
{
	bool is_last_g = ref->stage == EXPLAIN_G && (f->is_known || !e->vs_mode);

	if (!pte_is_valid(ref->pte) || !pte_is_leaf(ref->pte) || is_flawed(e, ref))
		return;
	if (ref->stage == EXPLAIN_VS)
		f->rights = permit_rights(ref->pte, r);
	else if (is_last_g)
		f->rights = (uint8_t)((f->is_known ? f->rights : RWX) & ref->pte & RWX);
	f->is_known |= ref->stage == EXPLAIN_VS || is_last_g;
}

/* A leaf's page begins where its address 0 is: of 64 KiB the PPN's low bits say only that. */
static uint64_t leads_to(const struct explanation *e, const struct explain_ref *ref)
{
	if (!pte_is_leaf(ref->pte) || is_flawed(e, ref))
		return pte_address(ref->pte);
	return vsstage_leaf_address(ref->pte, ref->level, gva(0)).v;
}

static void answer_ref(const struct explanation *e, unsigned i, const struct so_far *f,
		       struct answer *a)
{
	const struct explain_ref *ref = &e->ref[i];
	char text[10];

	answer_row(a);
	answer_number(a, i + 1);
	answer_text(a, ref->stage == EXPLAIN_VS ? "VS" : "G");
	answer_number(a, ref->level);
	answer_hex(a, ref->of);
	answer_number(a, ref->index);
	if (ref->stage == EXPLAIN_VS)
		answer_hex(a, ref->gpa.v);
	else
		answer_none(a);
	answer_hex(a, ref->hpa.v);
	answer_hex(a, ref->pte);
	answer_text(a, bits_of(ref->pte, text));
	if (pte_is_valid(ref->pte))
		answer_hex(a, leads_to(e, ref));
	else
		answer_none(a);
	if (f->is_known)
		answer_text(a, rights_text(f->rights, text));
	else
		answer_none(a);
}

static void answer_refs(const struct question *q, const struct explanation *e, struct answer *a)
{
	struct so_far f = { .is_known = false };

	answer_table(a, ref_columns, sizeof(ref_columns) / sizeof(ref_columns[0]));
	for (unsigned i = 0; i < e->n; i++) {
		add_rights(e, &e->ref[i], &q->r, &f);
		answer_ref(e, i, &f, a);
	}
}

/* --- what they come to --- */

static const struct column about_columns[] = {
	{ "vm", -13 },		{ "vcpu", 0 },	  { "gva", 0 },	     { "access", 0 },
	{ "mode", 0 },		{ "vs_mode", 0 }, { "g_mode", 0 },   { "satp", 0 },
	{ "sum", 0 },		{ "mxr", 0 },	  { "works", 0 },    { "cause", 0 },
	{ "gpa", 0 },		{ "hpa", 0 },	  { "bytes", 0 },    { "why", 0 },
	{ "sets_accessed", 0 }, { "shadow", 0 },  { "hardware", 0 },
};

static const char *const access_names[] = {
	[ACCESS_FETCH] = "fetch", [ACCESS_LOAD] = "load", [ACCESS_STORE] = "store"
};

/* Policy none: an instruction is executed from a page of Gnomon's. */
static bool is_step_page(const struct shadow_seen *s, const struct explanation *e)
{
	return e->why != EXPLAIN_WORKS || pte_address(s->entry) != align_down(e->hpa.v, PAGE_SIZE);
}

/* Why the shadow has what it has for the access that was explained. */
static const char *shadow_reason(const struct shadow_seen *s, const struct explanation *e,
				 const struct question *q)
{
	bool allows = (s->entry & permit_right_for[q->want]) != 0;
	bool is_kept = q->v->shadow->policy != SHADOW_NONE;

	if (!s->has_root)
		return "none yet: the vcpu has no root for this satp and mode";
	if (!s->entry && !is_kept)
		return "none: policy none keeps nothing beyond the instruction that runs";
	if (!s->entry)
		return "none yet: made at the first fault here since the last fence or eviction";
	if (!is_kept && is_step_page(s, e))
		return "of a page that has the instruction that runs, and no other";
	if (s->is_state)
		return "of the vcpu's state page, which patched code alone uses";
	if (s->is_old && allows)
		return "from before what the guest has now: good until its fence";
	if (e->why != EXPLAIN_WORKS)
		return allows ? "allows what the guest's tables don't" : "doesn't allow it either";
	if (s->is_copy && !(s->entry & PTE_R))
		return "of a patched copy that is executed in the page's place";
	if (allows)
		return "composed of both";
	if (s->is_protected && q->want == ACCESS_STORE)
		return "without W: the page is a table of the guest's, and stores to it are"
		       " emulated";
	return "without that right yet: the first such access adds it";
}

static void answer_shadow(const struct question *q, const struct explanation *e, struct answer *a)
{
	struct answer_member members[4];
	struct shadow_seen s;
	char bits[10], entry[19];
	unsigned n = 0;

	if (q->v->backend->kind != KIND_DEPRIV) {
		answer_none(a);
		return;
	}
	s = shadow_look(q->v->shadow, &q->v->view, &q->r, q->at);
	if (s.entry) {
		format_text(entry, sizeof(entry), "0x%lx", s.entry);
		members[n++] = (struct answer_member){ "level", NULL, s.level };
		members[n++] = (struct answer_member){ "entry", entry, 0 };
		members[n++] = (struct answer_member){ "bits", bits_of(s.entry, bits), 0 };
	}
	members[n++] = (struct answer_member){ "why", shadow_reason(&s, e, q), 0 };
	answer_object(a, members, n);
}

static void answer_check(const struct question *q, const struct explanation *e, struct answer *a)
{
	enum explain_check check = explain_check(q->v, &q->r, q->at, q->want, e);

	if (check == EXPLAIN_UNCHECKED)
		answer_none(a);
	else
		answer_text(a, check == EXPLAIN_AGREES ? "agrees" : "disagrees");
}

static void answer_end_of(const struct question *q, const struct explanation *e, struct answer *a)
{
	enum cause cause;
	bool faults = explain_cause(e, q->want, &cause);

	answer_bool(a, !faults);
	if (faults)
		answer_number(a, cause);
	else
		answer_none(a);
	if (e->n)
		answer_hex(a, e->gpa.v);
	else
		answer_none(a);
	if (faults) {
		answer_none(a);
		answer_none(a);
	} else {
		answer_hex(a, e->hpa.v);
		answer_number(a, e->bytes);
	}
	answer_text(a, explain_sentence(e));
	answer_bool(a, e->sets_accessed);
}

static void answer_all(const struct question *q, struct answer *a)
{
	struct explanation e;

	explain(q->v->gstage, &q->r, q->at, q->want, &e);
	answer_refs(q, &e, a);
	answer_about(a, about_columns, sizeof(about_columns) / sizeof(about_columns[0]), 1);
	answer_text(a, q->v->vm->config.name);
	answer_number(a, q->v->id);
	answer_hex(a, q->at.v);
	answer_text(a, access_names[q->want]);
	answer_text(a, q->r.user ? "user" : "kernel");
	answer_text(a, e.vs_mode ? e.vs_mode->name : "bare");
	answer_text(a, e.g_mode->name);
	answer_hex(a, q->r.atp);
	answer_bool(a, q->r.sum);
	answer_bool(a, q->r.mxr);
	answer_end_of(q, &e, a);
	answer_shadow(q, &e, a);
	answer_check(q, &e, a);
}

static void xlate(const struct arguments *args, struct answer *a)
{
	struct question q;

	if (!ask(args, &q, a))
		return;
	if (!vm_hold(args->vm)) {
		answer_error(a, "%s is stopped: it has no memory", args->vm->config.name);
		return;
	}
	answer_all(&q, a);
	vm_release();
}

const struct command xlate_commands[] = {
	{ "xlate VM[.N] GVA [r|w|x] [user|kernel]",
	  "a translation, each reference; of a load in the mode it is in", xlate },
	{ NULL, NULL, NULL },
};
