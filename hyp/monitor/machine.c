/*
 * Commands about the machine and the monitor itself.
 */
#include "hyp/monitor/command.h"

#include "hyp/drv/host.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"

#define VERSION	 "0.4"
#define LOG_ROOM 8192 /* bytes of the log that are shown */

static const struct column help_columns[] = { { "usage", -40 }, { "help", -1 } };

static void help(const struct arguments *args, struct answer *a)
{
	const struct command *c;
	unsigned found = 0;

	answer_table(a, help_columns, 2);
	for (unsigned i = 0; (c = command_at(i)) != NULL; i++) {
		if (!command_has_name(c, args->rest))
			continue;
		answer_row(a);
		answer_text(a, c->usage);
		answer_text(a, c->help);
		found++;
	}
	if (!found)
		answer_error(a, "no command begins with \"%.40s\"; `help` lists them", args->rest);
}

static const struct column log_columns[] = { { "line", -1 } };

static void show_log(const struct arguments *args, struct answer *a)
{
	static char lines[LOG_ROOM]; /* the monitor's alone */
	const char *line = lines, *end = lines + log_history(lines, sizeof(lines));

	(void)args;
	answer_table(a, log_columns, 1);
	while (line < end) {
		const char *to = memchr(line, '\n', (size_t)(end - line));

		if (!to)
			to = end;
		answer_row(a);
		answer_bytes(a, line, (size_t)(to - line));
		line = to + 1;
	}
}

static const struct column version_columns[] = {
	{ "gnomon", -8 }, { "harts", 0 }, { "timebase", 0 }, { "ram_kib", 0 }, { "isa", 0 },
};

static void version(const struct arguments *args, struct answer *a)
{
	(void)args;
	answer_record(a, version_columns, sizeof(version_columns) / sizeof(version_columns[0]), 1);
	answer_text(a, VERSION);
	answer_number(a, host.harts);
	answer_number(a, host.timebase);
	answer_number(a, host.ram.bytes / 1024);
	answer_text(a, host.isa ? host.isa : "");
}

static void quit(const struct arguments *args, struct answer *a)
{
	a->ends = true;
	a->status = args->status < 0 ? EXIT_OK : (unsigned)args->status;
}

const struct command machine_commands[] = {
	{ "help [COMMAND]", "what there is, or one of it", help },
	{ "log", "the last lines of Gnomon's log", show_log },
	{ "version", "of Gnomon, and what it runs on", version },
	{ "quit [STATUS]", "end the machine, guests and all", quit },
	{ NULL, NULL, NULL },
};
