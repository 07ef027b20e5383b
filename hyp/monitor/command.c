/*
 * From a line to a call, by the commands' usages. See command.h.
 *
 * Running a line and completing one are the same walk along a usage: fit().
 */
#include "hyp/monitor/command.h"

#include "hyp/lib/printf.h"
#include "hyp/lib/string.h"
#include "hyp/lib/trace.h"

#define WORDS_MOST 8
#define NAME_MOST  48 /* of what is offered to complete a word; longer ones are not */

struct words {
	unsigned n;
	bool too_many;
	const char *word[WORDS_MOST];
	char text[COMMAND_MOST + 1];
};

/* A piece of a usage. */
struct token {
	const char *at;
	size_t n;
	bool is_optional;
};

/* An argument: how a word becomes it, and which words there are. */
struct kind {
	const char *name, *wanted;
	bool (*take)(const char *word, struct arguments *args);
	bool (*offer)(unsigned index, char *to); /* NAME_MOST bytes */
};

static const struct command *const tables[] = {
	vm_commands,   vcpu_commands, xlate_commands, map_commands,
	cost_commands, net_commands,  trace_commands, machine_commands,
};

const char *vcpu_name(const struct vcpu *v, char to[VCPU_NAME])
{
	format_text(to, VCPU_NAME, "%.60s.%u", v->vm->config.name, v->id);
	return to;
}

const struct command *command_at(unsigned index)
{
	for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct command *c = tables[i]; c->usage; c++)
			if (index-- == 0)
				return c;
	return NULL;
}

static void split(const char *line, size_t n, struct words *w)
{
	char *p = w->text;

	*w = (struct words){ .n = 0 };
	memcpy(p, line, n);
	for (;;) {
		while (*p == ' ')
			*p++ = 0;
		if (!*p)
			return;
		if (w->n == WORDS_MOST) {
			w->too_many = true;
			return;
		}
		w->word[w->n++] = p;
		while (*p && *p != ' ')
			p++;
	}
}

static bool next_token(const char **usage, struct token *t)
{
	const char *p = *usage;

	while (*p == ' ')
		p++;
	t->at = p;
	while (*p && *p != ' ')
		p++;
	*usage = p;
	t->n = (size_t)(p - t->at);
	t->is_optional = *t->at == '[';
	if (t->is_optional) {
		t->at++;
		t->n -= 2;
	}
	return t->n > 0;
}

static bool take_vm(const char *word, struct arguments *args)
{
	args->vm = vm_find(word);
	return args->vm != NULL;
}

/* The VM with that name in @slot that is the @index-th, or NULL. */
static const struct vm *nth_vm(unsigned index)
{
	for (unsigned slot = 0; slot < VMS_MAX; slot++)
		if (vms[slot] && index-- == 0)
			return vms[slot];
	return NULL;
}

static bool offer_vm(unsigned index, char *to)
{
	const struct vm *vm = nth_vm(index);

	return vm && format_text(to, NAME_MOST, "%s", vm->config.name) < NAME_MOST;
}

/* NAME, or NAME.N. A name may have dots itself. */
static bool take_vcpu(const char *word, struct arguments *args)
{
	const char *dot = strrchr(word, '.');
	char name[COMMAND_MOST + 1];

	if (take_vm(word, args)) {
		args->vcpu = args->vm->vcpus[0];
		return true;
	}
	if (!dot || dot[1] < '0' || dot[1] > '9' || dot[2])
		return false;
	format_text(name, (size_t)(dot - word) + 1, "%s", word);
	if (!take_vm(name, args) || (unsigned)(dot[1] - '0') >= args->vm->vcpus_n)
		return false;
	args->vcpu = args->vm->vcpus[dot[1] - '0'];
	return true;
}
_Static_assert(VCPUS_MAX <= 10, "one digit names a vcpu");

static bool offer_vcpu(unsigned index, char *to)
{
	const struct vm *vm;

	for (unsigned i = 0; (vm = nth_vm(i)) != NULL; i++) {
		if (index < vm->vcpus_n)
			return format_text(to, NAME_MOST, "%s.%u", vm->config.name, index) <
			       NAME_MOST;
		index -= vm->vcpus_n;
	}
	return false;
}

static bool take_name(const char *word, struct arguments *args)
{
	args->name = word;
	return true;
}

static bool take_status(const char *word, struct arguments *args)
{
	char *end;
	unsigned long status = strtoul(word, &end, 10);

	if (*end || end == word || status > 255 || strlen(word) > 3)
		return false;
	args->status = (int)status;
	return true;
}

/* Up to 7 digits, so that nothing is too large for 64 bits. */
static bool take_size(const char *word, struct arguments *args)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;

	args->size = strtoul(word, &end, 10);
	if (end == word || end - word > 7 || !args->size || word[0] < '0' || word[0] > '9')
		return false;
	unit = *end ? strchr(units, *end) : NULL;
	if (!unit || end[1])
		return false;
	args->size <<= 10 * (unit - units + 1);
	return true;
}

static bool take_address(const char *word, struct arguments *args)
{
	char *end;

	args->address = strtoul(word, &end, 16);
	args->has_address = true;
	return !*end && end != word && strlen(word) <= sizeof("0xffffffffffffffff") - 1;
}

/* Names with commas between them. */
static bool take_events(const char *word, struct arguments *args)
{
	for (;;) {
		size_t n = 0;
		unsigned kind = 0;

		while (word[n] && word[n] != ',')
			n++;
		while (kind < TRACE_KINDS &&
		       (strncmp(trace_names[kind], word, n) != 0 || trace_names[kind][n]))
			kind++;
		if (kind == TRACE_KINDS)
			return false;
		args->events |= 1u << kind;
		if (!word[n])
			return true;
		word += n + 1;
	}
}

static bool offer_event(unsigned index, char *to)
{
	return index < TRACE_KINDS && format_text(to, NAME_MOST, "%s", trace_names[index]);
}

static const struct kind kinds[] = {
	{ "EVENTS",
	  "a list like fault,fill of: exit fault fill fence satp inject pt_store sync unshadow "
	  "evict",
	  take_events, offer_event },
	{ "VM", "the name of a VM", take_vm, offer_vm },
	{ "VM[.N]", "a VM's name, or VM.N for its vcpu N", take_vcpu, offer_vcpu },
	{ "NAME", "a name", take_name, NULL },
	{ "STATUS", "a number from 0 to 255", take_status, NULL },
	{ "SIZE", "a size like 128M or 1G", take_size, NULL },
	{ "GVA", "an address in hexadecimal", take_address, NULL },
	{ "GPA", "an address in hexadecimal", take_address, NULL },
	{ "AT", "an address in hexadecimal", take_address, NULL },
};

static bool token_is(const struct token *t, const char *s)
{
	return strncmp(t->at, s, t->n) == 0 && !s[t->n];
}

static const struct kind *kind_of(const struct token *t)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (token_is(t, kinds[i].name))
			return &kinds[i];
	return NULL;
}

/* The next of the words in a|b; one word alone is the first and last. */
static bool next_choice(struct token *rest, struct token *one)
{
	size_t n = 0;

	while (n < rest->n && rest->at[n] != '|')
		n++;
	*one = (struct token){ rest->at, n, false };
	rest->at += n;
	rest->n -= n;
	if (rest->n) {
		rest->at++;
		rest->n--;
	}
	return n > 0;
}

static bool is_name(const struct token *t)
{
	return !t->is_optional && t->at[0] >= 'a' && t->at[0] <= 'z';
}

static bool accepts(const struct token *t, const char *word, struct arguments *args)
{
	const struct kind *k = kind_of(t);
	struct token rest = *t, one;

	if (k)
		return k->take(word, args);
	while (next_choice(&rest, &one))
		if (token_is(&one, word)) {
			if (!is_name(t))
				*(args->word ? &args->second : &args->word) = word;
			return true;
		}
	return false;
}

/*
 * Go along @usage by @w: what of it is left, or NULL where a word doesn't fit. Then, if the name
 * fitted, *@wrong is the first word that was no argument, and *@wanted the token that stood there.
 */
static const char *fit(const char *usage, const struct words *w, struct arguments *args,
		       const char **wrong, struct token *wanted)
{
	struct token t;

	for (unsigned i = 0; i < w->n;) {
		if (!next_token(&usage, &t))
			return NULL;
		if (token_is(&t, "COMMAND"))
			return usage;
		if (accepts(&t, w->word[i], args)) {
			i++;
			continue;
		}
		if (!*wrong && !is_name(&t)) {
			*wrong = w->word[i];
			*wanted = t;
		}
		if (!t.is_optional)
			return NULL;
	}
	return usage;
}

static bool needs_nothing(const char *usage)
{
	struct token t;

	return !next_token(&usage, &t) || t.is_optional;
}

bool command_has_name(const struct command *c, const char *name)
{
	const char *usage = c->usage;
	struct words w;
	struct token t;

	if (strlen(name) > COMMAND_MOST)
		return false;
	split(name, strlen(name), &w);
	for (unsigned i = 0; i < w.n; i++)
		if (!next_token(&usage, &t) || !is_name(&t) || !token_is(&t, w.word[i]))
			return false;
	return true;
}

/* Whether @w begins with the whole name of @c. */
static bool is_named(const struct command *c, const struct words *w)
{
	const char *usage = c->usage;
	struct token t;

	for (unsigned i = 0; next_token(&usage, &t) && is_name(&t); i++)
		if (i == w->n || !token_is(&t, w->word[i]))
			return false;
	return true;
}

static const struct command *named(const struct words *w)
{
	const struct command *c;

	for (unsigned i = 0; (c = command_at(i)) != NULL && !is_named(c, w); i++)
		;
	return c;
}

static void refuse_name(const struct words *w, struct answer *a)
{
	const struct command *c;

	if (!w->n) {
		answer_error(a, "no command; `help` lists them");
		return;
	}
	for (unsigned i = 0; (c = command_at(i)) != NULL; i++)
		if (command_has_name(c, w->word[0])) {
			answer_error(a, "%s what? `help %s` tells", w->word[0], w->word[0]);
			return;
		}
	answer_error(a, "\"%.40s\" is no command; `help` lists them", w->word[0]);
}

static void refuse_arguments(const struct command *c, const char *wrong, const struct token *wanted,
			     struct answer *a)
{
	const struct kind *k = wrong ? kind_of(wanted) : NULL;

	if (k)
		answer_error(a, "\"%.40s\" isn't %s; usage: %s", wrong, k->wanted, c->usage);
	else
		answer_error(a, "usage: %s", c->usage);
}

/* What follows the first word. */
static const char *rest_of(const char *line)
{
	while (*line == ' ')
		line++;
	while (*line && *line != ' ')
		line++;
	while (*line == ' ')
		line++;
	return line;
}

void command_run_line(const char *line, struct answer *a)
{
	struct arguments args = { .status = -1, .rest = rest_of(line) };
	const char *left, *wrong = NULL;
	const struct command *c;
	struct token wanted;
	struct words w;

	split(line, strlen(line), &w);
	c = named(&w);
	if (!c) {
		refuse_name(&w, a);
		return;
	}
	left = fit(c->usage, &w, &args, &wrong, &wanted);
	if (!left || !needs_nothing(left) || w.too_many)
		refuse_arguments(c, wrong, &wanted, a);
	else
		c->run(&args, a);
}

/* One way on, if @word begins with @begun. */
static void offer(struct completion *c, const char *begun, const char *word, size_t n)
{
	size_t have = strlen(begun), i = 0;

	if (n < have || n - have >= sizeof(c->common) - 1 || memcmp(begun, word, have) != 0)
		return;
	word += have;
	n -= have;
	while (c->count && i < n && c->common[i] == word[i])
		i++;
	if (!c->count)
		memcpy(c->common, word, i = n);
	c->common[i] = 0;
	if (c->list)
		text_add(c->list, c->count ? "  " : "");
	if (c->list)
		text_add_bytes(c->list, word - have, n + have);
	c->count++;
}

static void offer_token(struct completion *c, const char *begun, const struct token *t)
{
	const struct kind *k = kind_of(t);
	struct token rest = *t, one;
	char word[NAME_MOST];

	if (k) {
		for (unsigned i = 0; k->offer && k->offer(i, word); i++)
			offer(c, begun, word, strlen(word));
		return;
	}
	while (t->at[0] >= 'a' && next_choice(&rest, &one))
		offer(c, begun, one.at, one.n);
}

/* The commands of a group stand together: a token that the row before has offered isn't new. */
static void offer_row(struct completion *c, const char *begun, const char *left, struct token *last)
{
	struct token t;

	while (next_token(&left, &t)) {
		if (t.n != last->n || memcmp(t.at, last->at, t.n) != 0)
			offer_token(c, begun, &t);
		*last = t;
		if (!t.is_optional)
			return;
	}
}

void command_complete(const char *line, unsigned n, struct completion *c)
{
	struct token last = { "", 0, false }, wanted;
	const struct command *row;
	unsigned begin = n;
	struct words w;

	c->count = 0;
	c->common[0] = 0;
	if (n > COMMAND_MOST)
		return;
	while (begin && line[begin - 1] != ' ')
		begin--;
	if (begin >= 5 && string_starts(line, "help ")) {
		line += 5;
		begin -= 5;
		n -= 5;
	}
	split(line, begin, &w);
	for (unsigned i = 0; (row = command_at(i)) != NULL; i++) {
		struct arguments args;
		const char *wrong = NULL;
		const char *left = fit(row->usage, &w, &args, &wrong, &wanted);
		char begun[COMMAND_MOST + 1];

		format_text(begun, n - begin + 1, "%s", line + begin);
		if (left)
			offer_row(c, begun, left, &last);
	}
	if (c->count == 1)
		memcpy(c->common + strlen(c->common), " ", 2);
}
