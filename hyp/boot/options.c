/*
 * Checking the hypervisor's options; a mistyped one that was silently ignored would be no kindness.
 * Who uses an option asks host_option() or host_has_option() for it.
 */
#include "hyp/boot/options.h"

#include "hyp/drv/host.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"

#define VALUES_MAX 4

struct option {
	const char *name;
	const char *values[VALUES_MAX]; /* none: any, "" : the word stands alone */
};

static const struct option options[] = {
	{ "backend", { "auto", "hext", "depriv" } },
	{ "end", { "all", "never" } },
	{ "guest", { NULL } },
	{ "host-mode", { "sv39", "sv48", "sv57" } },
	{ "loglevel", { "error", "info", "debug" } },
	{ "on-failure", { "stop", "restart" } },
	{ "on-reset", { "stop", "restart" } },
	{ "on-shutdown", { "stop", "restart" } },
	{ "patch", { "on", "off" } },
	{ "shadow-policy", { "trap", "unsync", "lazy", "none" } },
	{ "stats", { "" } },
	{ "virtio-console", { "on", "off" } },
	{ "zero", { "always" } },
};

static bool value_is_good(const struct option *o, const char *value, size_t n)
{
	if (!o->values[0])
		return n > 0;
	for (unsigned i = 0; i < VALUES_MAX && o->values[i]; i++)
		if (strlen(o->values[i]) == n && strncmp(o->values[i], value, n) == 0)
			return true;
	return false;
}

/* One word of @n bytes. */
static bool word_is_good(const char *word, size_t n)
{
	const char *equals = memchr(word, '=', n);
	size_t name = equals ? (size_t)(equals - word) : n;
	size_t value = equals ? n - name - 1 : 0;

	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strlen(options[i].name) == name && strncmp(options[i].name, word, name) == 0)
			return value_is_good(&options[i], word + n - value, value);
	return false;
}

static void complain(const char *word, size_t n)
{
	char text[64];

	n = n < sizeof(text) ? n : sizeof(text) - 1;
	memcpy(text, word, n);
	text[n] = 0;
	log_error("unknown option %s; there are backend=auto|hext|depriv, end=all|never, "
		  "guest=NAME,..., host-mode=sv39|sv48|sv57, loglevel=error|info|debug,",
		  text);
	log_error("  on-failure, on-reset, on-shutdown=stop|restart, patch=on|off, "
		  "shadow-policy=trap|unsync|lazy|none, stats, virtio-console=on|off, zero=always");
}

bool options_are_good(void)
{
	bool good = true;

	for (const char *at = host.bootargs; *at;) {
		const char *space = strchr(at, ' ');
		size_t n = space ? (size_t)(space - at) : strlen(at);

		if (n && !word_is_good(at, n)) {
			complain(at, n);
			good = false;
		}
		at += n + (space ? 1 : 0);
	}
	return good;
}
