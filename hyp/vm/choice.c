/*
 * Words to choices, and how a VM is run. See choice.h.
 */
#include "hyp/vm/choice.h"

#include "hyp/arch/csr.h"
#include "hyp/drv/host.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/lib/string.h"
#include "hyp/shadow/shadow.h"
#include "hyp/vcpu/isa.h"
#include "hyp/vcpu/timer.h"

#define WORD_MAX 9 /* with its end; a longer one is cut, and is none of ours still */

#define AUTO 0
static const char *const backend_words[] = { [AUTO] = "auto", "hext", "depriv" };
static const char *const on_off_words[] = { "on", "off" };
static const char *const virtio_words[] = { "modern", "legacy" };
static const char *const then_words[] = { "stop", "restart" };

static const struct {
	const char *name;
	const char *const *words;
	unsigned words_n, unsaid;
} rows[CHOICES] = {
	[CHOICE_BACKEND] = { "backend", backend_words, 3, AUTO },
	[CHOICE_SHADOW_POLICY] = { "shadow-policy", shadow_policy_names, SHADOW_POLICIES,
				   SHADOW_LAZY },
	[CHOICE_PATCH] = { "patch", on_off_words, 2, PATCH_ON },
	[CHOICE_VIRTIO] = { "virtio", virtio_words, 2, VIRTIO_MODERN },
	[CHOICE_CONSOLE] = { "virtio-console", on_off_words, 2, CONSOLE_OFF },
	[CHOICE_RNG] = { "rng", on_off_words, 2, RNG_ON },
	[CHOICE_BALLOON] = { "balloon", on_off_words, 2, BALLOON_OFF },
	[CHOICE_ON_RESET] = { "on-reset", then_words, 2, THEN_RESTART },
	[CHOICE_ON_SHUTDOWN] = { "on-shutdown", then_words, 2, THEN_STOP },
	[CHOICE_ON_FAILURE] = { "on-failure", then_words, 2, THEN_STOP },
};

static uint64_t probe_hext(void)
{
	gstage_probe();
	return isa_probe_henvcfg();
}

static uint64_t probed[BACKENDS]; /* by kind */

/* menvcfg, which does for S-mode what henvcfg does for a guest, can't be read. OpenSBI sets in it
 * whatever the ISA string names. */
static uint64_t probe_depriv(void)
{
	shadow_probe();
	return ~UINT64_C(0);
}

/* The best first: `auto` takes the first that the core can do. */
static const struct way ways[] = {
	{ &backend_hext, true, false, probe_hext },
	{ &backend_depriv, false, true, probe_depriv },
};

struct choices choices_default(void)
{
	struct choices c;

	for (unsigned i = 0; i < CHOICES; i++)
		c.word[i] = rows[i].unsaid;
	return c;
}

const char *choice_text(enum choice_name name)
{
	return rows[name].name;
}

bool choice_set(struct choices *c, enum choice_name name, const char *word)
{
	for (unsigned i = 0; i < rows[name].words_n; i++) {
		if (strcmp(rows[name].words[i], word) != 0)
			continue;
		c->word[name] = i;
		return true;
	}
	return false;
}

void choices_from_options(struct choices *c, const char *args)
{
	char word[WORD_MAX];

	for (enum choice_name i = 0; i < CHOICES; i++)
		if (option_value(args, rows[i].name, word, sizeof(word)))
			(void)choice_set(c, i, word);
}

const struct way *way_choose(const struct choices *c, const char *isa)
{
	unsigned word = c->word[CHOICE_BACKEND];
	bool has_h = isa_has(isa, "h");

	for (const struct way *w = ways; w < ways + sizeof(ways) / sizeof(ways[0]); w++) {
		bool wanted = word == AUTO || strcmp(w->backend->name, backend_words[word]) == 0;

		if (wanted && (has_h || !w->needs_h))
			return w;
	}
	return NULL;
}

void ways_probe(const char *isa)
{
	bool has_h = isa_has(isa, "h");

	for (const struct way *w = ways; w < ways + sizeof(ways) / sizeof(ways[0]); w++)
		if (has_h || !w->needs_h)
			probed[w->backend->kind] = w->probe();
	timer_host_init(isa_has(isa, "sstc") &&
			(!has_h || (probed[KIND_HEXT] & HENVCFG_STCE)));
	fp_probe(isa_has(isa, "v"));
}

uint64_t way_can(const struct way *way)
{
	return probed[way->backend->kind];
}
