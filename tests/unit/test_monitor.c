/*
 * hyp/monitor/: each command with good and bad arguments, the terminal and the control port with
 * any bytes at all.
 */
#include "hyp/vcpu/latency.h"
#include "tests/unit/command.h"

static void bad_arguments(void **state)
{
	static const struct {
		const char *line, *error;
	} rows[] = {
		{ "", "no command; `help` lists them" },
		{ "   ", "no command; `help` lists them" },
		{ "frob", "\"frob\" is no command; `help` lists them" },
		{ "VM list", "\"VM\" is no command; `help` lists them" },
		{ "vm", "vm what? `help vm` tells" },
		{ "vm frob", "vm what? `help vm` tells" },
		{ "vm lis", "vm what? `help vm` tells" },
		{ "vm list a", "usage: vm list" },
		{ "vm show", "usage: vm show VM" },
		{ "vm show b", "\"b\" isn't the name of a VM; usage: vm show VM" },
		{ "vm show a a", "usage: vm show VM" },
		{ "vm start", "usage: vm start VM" },
		{ "vm create", "usage: vm create NAME" },
		{ "vcpu list b", "\"b\" isn't the name of a VM; usage: vcpu list [VM]" },
		{ "vcpu regs a.1",
		  "\"a.1\" isn't a VM's name, or VM.N for its vcpu N; usage: vcpu regs VM[.N]" },
		{ "vcpu regs a.", "\"a.\" isn't a VM's name, or VM.N for its vcpu N; "
				  "usage: vcpu regs VM[.N]" },
		{ "vcpu regs a.00", "\"a.00\" isn't a VM's name, or VM.N for its vcpu N; "
				    "usage: vcpu regs VM[.N]" },
		{ "vcpu regs .", "\".\" isn't a VM's name, or VM.N for its vcpu N; "
				 "usage: vcpu regs VM[.N]" },
		{ "top twice", "usage: top [once]" },
		{ "top once once", "usage: top [once]" },
		{ "exits b", "\"b\" isn't the name of a VM; usage: exits [VM] [on|off|reset]" },
		{ "exits on a", "\"on\" isn't the name of a VM; usage: exits [VM] [on|off|reset]" },
		{ "exits a o", "usage: exits [VM] [on|off|reset]" },
		{ "exits a on|off", "usage: exits [VM] [on|off|reset]" },
		{ "mem x", "usage: mem" },
		{ "vm balloon a", "usage: vm balloon VM SIZE" },
		{ "vm balloon a 128", "\"128\" isn't a size like 128M or 1G; "
				      "usage: vm balloon VM SIZE" },
		{ "vm balloon a 0M", "\"0M\" isn't a size like 128M or 1G; "
				     "usage: vm balloon VM SIZE" },
		{ "vm balloon a -1M", "\"-1M\" isn't a size like 128M or 1G; "
				      "usage: vm balloon VM SIZE" },
		{ "vm balloon a 1MB", "\"1MB\" isn't a size like 128M or 1G; "
				      "usage: vm balloon VM SIZE" },
		{ "vm balloon a 12345678M", "\"12345678M\" isn't a size like 128M or 1G; "
					    "usage: vm balloon VM SIZE" },
		{ "vm balloon b 1M", "\"b\" isn't the name of a VM; usage: vm balloon VM SIZE" },
		{ "vm balloon a 32M", "a has no balloon: its description says balloon = \"on\" for "
				      "one" },
		{ "quit 256", "\"256\" isn't a number from 0 to 255; usage: quit [STATUS]" },
		{ "quit -1", "\"-1\" isn't a number from 0 to 255; usage: quit [STATUS]" },
		{ "quit 1x", "\"1x\" isn't a number from 0 to 255; usage: quit [STATUS]" },
		{ "quit 99999999999999999999", "\"99999999999999999999\" isn't a number from 0 to "
					       "255; usage: quit [STATUS]" },
		{ "quit 1 2", "usage: quit [STATUS]" },
		{ "help frob", "no command begins with \"frob\"; `help` lists them" },
		{ "help vm frob", "no command begins with \"vm frob\"; `help` lists them" },
		{ "vm list 1 2 3 4 5 6 7 8 9", "usage: vm list" },
	};
	char expected[300];
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(expected, sizeof(expected), "error: %s\n", rows[i].error);
		assert_string_equal(run(rows[i].line), expected);
		assert_false(a.ends);
	}
	assert_string_equal(played.called, "");
}

static void life_cycle(void **state)
{
	static const char *const rows[][2] = {
		{ "vm start a", "start a" },	     { "vm  pause   lin.ux ", "pause lin.ux" },
		{ "vm resume a", "resume a" },	     { "vm reset a", "reset a" },
		{ "vm stop lin.ux", "stop lin.ux" }, { "vm destroy a", "destroy a" },
		{ "vm create new", "create new" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		played.err = OK;
		assert_string_equal(run(rows[i][0]), "");
		assert_string_equal(played.called, rows[i][1]);
		assert_string_equal(run_in(ANSWER_JSON, rows[i][0]),
				    "{\"ok\":true,\"result\":null}\n");
		for (int err = ERR_NOMEM; err <= ERR_STATE; err++) {
			played.err = (enum err)err;
			assert_true(string_starts(run(rows[i][0]), "error: "));
		}
	}
	played.err = ERR_STATE;
	assert_string_equal(run("vm start lin.ux"), "error: lin.ux is running\n");
	played.err = ERR_OVERLAP;
	assert_string_equal(run("vm create a"), "error: there is a VM \"a\"\n");
	played.err = ERR_MISSING;
	assert_string_equal(run("vm create z"), "error: the bundle has no VM \"z\"\n");
	played.err = ERR_NOMEM;
	assert_string_equal(run("vm start a"), "error: a: out of memory\n");
	/* What was said of it says more. */
	played.says = "a: the host's disk d: VM b has it";
	assert_string_equal(run("vm create a"), "error: a: the host's disk d: VM b has it\n");
	assert_string_equal(run("vm start a"), "error: a: the host's disk d: VM b has it\n");
	played.err = OK;
	assert_string_equal(run("vm start a"), "");
	played.says = NULL;
}

static void lists(void **state)
{
	(void)state;
	assert_string_equal(run("vm list"), "name              state     vcpus  memory_kib   "
					    "used_kib  backend  starts  status\n"
					    "a                 stopped       1       65536        "
					    "400  hext          0       0\n"
					    "lin.ux            running       2       65536        "
					    "400  depriv        0       0\n");
	assert_string_equal(run("vcpu list lin.ux"),
			    "vcpu              state      place   hart      ran_ms   waited_ms"
			    "    switches         exits\n"
			    "lin.ux.0          stopped    runs       0           0           0"
			    "           5             0\n"
			    "lin.ux.1          stopped    waits      -           0           0"
			    "           5             0\n");
	assert_string_equal(run("harts"), "hart    id  runs               load    switches\n"
					  "   0     0  a.0                 0.0           3\n"
					  "   1     0  -                   0.0           3\n");
	/* What its description says, before there are any shadows, too. */
	vms[2]->config.choices.word[CHOICE_SHADOW_POLICY] = SHADOW_NONE;
	assert_non_null(strstr(run("vm show lin.ux"), "\nshadows       none\n"));
	assert_non_null(strstr(run("vm show a"), "\nshadows       -\n"));
	assert_non_null(strstr(run("mem"), "\n(gnomon)"));
	assert_non_null(strstr(run("version"), "gnomon   0.4\n"));
	assert_non_null(strstr(run("help"), "\nvcpu regs VM[.N] "));
	assert_string_equal(run("help vm st"), "error: no command begins with \"vm st\"; "
					       "`help` lists them\n");
	assert_string_equal(run("help vm stop"),
			    "usage                                     help\n"
			    "vm stop VM                                cut its power\n");
	run("log");
	assert_false(a.is_error);
	memset(vms, 0, sizeof(vms));
	assert_string_equal(run_in(ANSWER_JSON, "vm list"), "{\"ok\":true,\"result\":[]}\n");
	assert_string_equal(run_in(ANSWER_JSON, "top"), "{\"ok\":true,\"result\":[]}\n");
	host.timebase = 0;
	play_vm(1, "b", 8, 0);
	run("vcpu list");
	run("top");
}

static void registers(void **state)
{
	struct vcpu *v = vms[2]->vcpus[1];
	(void)state;

	v->frame.pc = 0x80200000;
	v->frame.x[31] = 0x1234;
	v->csr.satp = 1;
	v->depriv.state->satp = 2;
	run("vcpu regs lin.ux.1");
	assert_non_null(strstr(answered, "pc       0000000080200000  ra       0"));
	assert_non_null(strstr(answered, "t6       0000000000001234"));
	assert_non_null(strstr(answered, "satp     0000000000000002\n"));
	vms[0]->vcpus[0]->csr.satp = 3;
	assert_non_null(strstr(run_in(ANSWER_JSON, "vcpu regs a"), "\"satp\":\"0x3\"}"));
	assert_string_equal(run("vcpu regs lin"), "error: \"lin\" isn't a VM's name, or VM.N for "
						  "its vcpu N; usage: vcpu regs VM[.N]\n");
}

/* Every name that the longest VM of a bundle can have, and every VM there can be. */
static void many_vms(void **state)
{
	static char names[VMS_MAX][600];
	(void)state;

	for (unsigned i = 0; i < VMS_MAX; i++) {
		memset(names[i], 1 + (int)i, sizeof(names[i]) - 1);
		play_vm(i, names[i], VCPUS_MAX, i % 2);
	}
	run("vm list");
	run("vcpu list");
	run("top once");
	run("mem");
	run("harts");
	run("exits");
	assert_true(run_in(ANSWER_JSON, "vm list") && a.truncated);
}

static uint64_t *ecalls(unsigned slot, unsigned id)
{
	return &played.vcpu[slot][id].exits[EXIT_ROW(CAUSE_ECALL_VS, 0)];
}

static void rates(void **state)
{
	uint64_t *other = played.vcpu[0][0].exits;
	(void)state;

	fake.csr[CSR_TIME] = 1000000;
	run_in(ANSWER_TEXT, "top once");
	fake.csr[CSR_TIME] += 10000000; /* a second */
	*ecalls(0, 0) += 4000000;
	other[EXIT_ROW(IRQ_STI, 1)] += 100;
	other[EXIT_ROW(CAUSE_VIRTUAL, 0)] += 50;
	other[EXIT_ROW(CAUSE_ILLEGAL, 0)] += 51;
	assert_string_equal(
		run_in(ANSWER_TEXT, "top"),
		"vcpu              place     cpu  steal    exits_s  by_cause_s\n"
		"a.0               runs     40.0    0.0    4000201  ecall 4000000, timer 100, "
		"illegal 51\n"
		"lin.ux.0          runs      0.0    0.0          0\n"
		"lin.ux.1          waits     0.0    0.0          0\n");
	assert_true(a.renew);
	run_in(ANSWER_JSON, "top once");
	assert_false(a.renew);
}

static void exits_counted(void **state)
{
	struct vcpu *v = &played.vcpu[2][1];
	(void)state;

	fake_ram(UINT64_C(0x80000000), MIB(8));
	assert_int_equal(
		frame_add_ram((struct frame_range){ UINT64_C(0x80000000), MIB(8) }, NULL, 0, true),
		OK);
	run("exits reset");
	*ecalls(2, 0) += 3;
	*ecalls(2, 1) += 4;
	assert_string_equal(run("exits"), "vm                cause                count  latency\n"
					  "lin.ux            ecall                    7\n");
	assert_string_equal(run("exits a"),
			    "vm                cause                count  latency\n");
	assert_false(latency_is_on(v));
	assert_string_equal(run("exits lin.ux on"), "");
	assert_true(latency_is_on(v));
	assert_false(latency_is_on(&played.vcpu[0][0]));
	assert_int_equal(v->requests, VCPU_REQ_WATCH);
	latency_enter(v, 5); /* it wasn't away */
	latency_leave(v, EXIT_ROW(CAUSE_ECALL_VS, 0), 100);
	latency_enter(v, 100);
	latency_leave(v, EXIT_ROW(CAUSE_ECALL_VS, 0), 100);
	latency_enter(v, 107);
	latency_leave(v, EXIT_ROW(CAUSE_ECALL_VS, 0), 1);
	latency_enter(v, UINT64_MAX);
	latency_leave(v, EXIT_ROWS, 1);
	assert_non_null(strstr(run("exits lin.ux"), "7  0 1, 3 1, 30 1\n"));
	assert_non_null(strstr(run_in(ANSWER_JSON, "exits"),
			       "\"count\":7,\"latency\":{\"0\":1,\"3\":1,\"30\":1}}"));
	assert_string_equal(run("exits lin.ux off"), "");
	assert_false(latency_is_on(v));
	run("exits reset");
	assert_string_equal(run("exits"),
			    "vm                cause                count  latency\n");
	/* Memory for it is the VM's own, and may be missing. */
	while (latency_switch(&played.vcpu[0][0], true, &played.vm[0].fixed) == OK)
		played.vcpu[0][0].latency = NULL;
	assert_string_equal(run("exits a on"), "error: a: out of memory\n");
}

/* ---- completion ---- */

static void completion(void **state)
{
	static const struct {
		const char *line, *common, *list;
	} rows[] = {
		{ "", "",
		  "vm  vcpu  xlate  map  mem  top  exits  harts  nets  trace  step  break  help  log  "
		  "version  quit" },
		{ "v", "", "vm  vcpu  version" },
		{ "vc", "pu ", "vcpu" },
		{ "vm s", "", "show  start  stop" },
		{ "vm st", "", "start  stop" },
		{ "vm sta", "rt ", "start" },
		{ "vm re", "s", "resume  reset" },
		{ "vm start", " ", "start" },
		{ "vm start ", "", "a  lin.ux" },
		{ "vm start l", "in.ux ", "lin.ux" },
		{ "vm start a ", "", "" },
		{ "vm create ", "", "" },
		{ "vm frob ", "", "" },
		{ "frob", "", "" },
		{ "vcpu regs l", "in.ux.", "lin.ux.0  lin.ux.1" },
		{ "vcpu regs lin.ux.1", " ", "lin.ux.1" },
		{ "vcpu list ", "", "a  lin.ux" },
		{ "exits ", "", "a  lin.ux  on  off  reset" },
		{ "exits o", "", "on  off" },
		{ "exits a r", "eset ", "reset" },
		{ "exits on ", "", "" },
		{ "trace ", "", "read  a  lin.ux" },
		{ "trace a o", "", "on  off" },
		{ "trace a on f", "", "fault  fill  fence" },
		{ "top ", "once ", "once" },
		{ "quit ", "", "" },
		{ "help", " ", "help" },
		{ "help vm st", "", "start  stop" },
		{ "help ver", "sion ", "version" },
		{ "a b c d e f g h i j", "", "" },
	};
	char room[1024];
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct text list = { .to = room, .room = sizeof(room) - 1 };
		struct completion c = { .list = &list };

		command_complete(rows[i].line, (unsigned)strlen(rows[i].line), &c);
		room[list.n] = 0;
		assert_string_equal(c.common, rows[i].common);
		assert_string_equal(room, rows[i].list);
	}
}

/* ---- the terminal ---- */

static const char *terminal_says(const char *typed)
{
	size_t n = strlen(typed);

	played.said_n = 0;
	memcpy(played.typed, typed, n);
	played.typed_n = n;
	played.typed_at = 0;
	monitor_terminal();
	played.said[played.said_n] = 0;
	return played.said;
}

static int start_monitor(void **state)
{
	command_set_up(state);
	monitor_init();
	terminal_says("\x15");
	return 0;
}

static void terminal_commands(void **state)
{
	(void)state;
	assert_string_equal(terminal_says("vm start a\r"), "vm start a\r\n\rgnomon> \x1b[K");
	assert_string_equal(played.called, "start a");
	assert_string_equal(terminal_says("x\r\n"), "x\r\nerror: \"x\" is no command; `help` lists "
						    "them\r\n\rgnomon> \x1b[K");
	assert_string_equal(terminal_says("vm sto\t\t"),
			    "vm stop \r\na  lin.ux\r\n\rgnomon> vm stop \x1b[K");
	assert_string_equal(terminal_says("l\t\r"), "lin.ux \r\n\rgnomon> \x1b[K");
	assert_string_equal(played.called, "stop lin.ux");
	assert_int_equal(monitor_deadline(), UINT64_MAX);
}

/* What can't be shown is shown later, every byte once, and nothing is taken meanwhile. */
static void terminal_is_slow(void **state)
{
	static char whole[FAKE_SAID];
	size_t n;
	(void)state;

	strcpy(whole, terminal_says("help\rvm list\r"));
	n = strlen(whole);
	played.room = 0;
	terminal_says("help\rvm list\r");
	assert_int_equal(played.said_n, 0);
	assert_int_equal(played.typed_at, 1);
	while (played.typed_at < played.typed_n || played.said_n < n) {
		played.room = 1;
		monitor_terminal();
	}
	played.room = SIZE_MAX;
	monitor_terminal();
	assert_int_equal(played.said_n, n);
	assert_memory_equal(played.said, whole, n);
}

static void terminal_top(void **state)
{
	uint64_t now = fake.csr[CSR_TIME] = 50000000;
	(void)state;

	terminal_says("top\r");
	assert_int_equal(monitor_deadline(), now + 20000000);
	fake.csr[CSR_TIME] = now + 19999999;
	monitor_tick();
	assert_null(strstr(played.said, "\x1b[H\x1b[J"));
	fake.csr[CSR_TIME] = now + 20000000;
	played.said_n = 0;
	monitor_tick();
	assert_true(string_starts(played.said, "\x1b[H\x1b[Jvcpu "));
	assert_int_equal(monitor_deadline(), now + 40000000);
	assert_string_equal(terminal_says("qx"), "\rgnomon> \x1b[Kx");
	assert_int_equal(monitor_deadline(), UINT64_MAX);
}

/* Input without end leaves the hart to others now and then. */
static void terminal_flood(void **state)
{
	char many[1001];
	(void)state;

	memset(many, '\r', 1000);
	many[1000] = 0;
	terminal_says(many);
	assert_int_equal(played.typed_at, 512);
	assert_int_equal(monitor_deadline(), 0);
	while (monitor_deadline() == 0)
		monitor_tick();
	assert_int_equal(played.typed_at, 1000);
}

static void terminal_quit(void **state)
{
	(void)state;
	assert_int_equal(FAKE_STATUS((terminal_says("quit 300\r"), 0)), -1);
	assert_int_equal(FAKE_STATUS((terminal_says("quit\r"), 0)), 0);
	assert_int_equal(FAKE_STATUS((terminal_says("quit 255\r"), 0)), 255);
}

/* ---- the control port ---- */

static const char *control_says_bytes(const char *sent, size_t n)
{
	played.answered_n = played.sent_at = 0;
	memcpy(played.sent, sent, n);
	played.sent_n = n;
	monitor_control();
	while (monitor_deadline() == 0)
		monitor_tick();
	played.answered[played.answered_n] = 0;
	assert_true(json_lines_are_valid(played.answered, played.answered_n));
	return played.answered;
}

static const char *control_says(const char *sent)
{
	return control_says_bytes(sent, strlen(sent));
}

#define NO_COMMAND "\"error\":\"no command; `help` lists them\"}\n"

static void control_lines(void **state)
{
	char longest[300];
	(void)state;

	assert_string_equal(control_says("vm start a\n"), "{\"ok\":true,\"result\":null}\n");
	assert_string_equal(control_says("@17 vm stop a\r\n"),
			    "{\"ok\":true,\"id\":17,\"result\":null}\n");
	assert_string_equal(control_says("@0\n\n@7 \n"),
			    "{\"ok\":false,\"id\":0," NO_COMMAND "{\"ok\":false," NO_COMMAND
			    "{\"ok\":false,\"id\":7," NO_COMMAND);
	assert_true(string_starts(control_says("@ vm list\n"), "{\"ok\":false,\"error\":\"@ is"));
	assert_true(string_starts(control_says("@-1 vm list\n"), "{\"ok\":false,\"error\":\"@ is"));
	assert_true(string_starts(control_says("@1234567890123456 vm list\n"),
				  "{\"ok\":false,\"error\":\"@ is"));
	assert_true(string_starts(control_says("@123456789012345 mem\n"),
				  "{\"ok\":true,\"id\":123456789012345,"));
	/* half lines */
	assert_string_equal(control_says("vm pau"), "");
	assert_string_equal(control_says("se a\n"), "{\"ok\":true,\"result\":null}\n");
	assert_string_equal(played.called, "pause a");
	/* lines that are too long; the next one is whole again */
	memset(longest, 'x', sizeof(longest));
	assert_string_equal(control_says_bytes(longest, 300), "");
	assert_string_equal(control_says("\n@1 vm start a\n"),
			    "{\"ok\":false,\"error\":\"the line is longer than 256 bytes\"}\n"
			    "{\"ok\":true,\"id\":1,\"result\":null}\n");
	longest[256] = '\n';
	assert_true(string_starts(control_says_bytes(longest, 257),
				  "{\"ok\":false,\"error\":\"\\\"xxxx"));
	/* bytes that are none of a command's */
	assert_string_equal(control_says_bytes("vm\0list\n", 8),
			    "{\"ok\":false,\"error\":\"the line has bytes that aren't printable "
			    "ASCII\"}\n");
	assert_true(string_starts(control_says("@5 \x1b[A\n"), "{\"ok\":false,\"id\":5,"));
	assert_true(string_starts(control_says("top\n"), "{\"ok\":true,\"result\":[{"));
	assert_int_equal(monitor_deadline(), UINT64_MAX);
}

static void control_is_slow(void **state)
{
	(void)state;
	played.takes = 0;
	assert_string_equal(control_says("@1 help\n@2 vm list\n"), "");
	assert_int_equal(played.sent_at, 8); /* not before the first is through */
	played.takes = 7;
	for (unsigned i = 0; i < 2000; i++)
		monitor_control();
	assert_int_equal(played.sent_at, played.sent_n);
	assert_true(json_lines_are_valid(played.answered, played.answered_n));
	played.answered[played.answered_n] = 0;
	assert_non_null(strstr(played.answered, "\"id\":2"));
}

static void control_comes_and_goes(void **state)
{
	(void)state;
	assert_string_equal(control_says("vm sto"), "");
	played.is_closed = true;
	assert_string_equal(control_says(""), "");
	played.is_closed = false;
	assert_string_equal(control_says("vm start a\n"), "{\"ok\":true,\"result\":null}\n");
	played.is_missing = true;
	assert_string_equal(control_says("vm start a\n"), "");
}

static void control_quit(void **state)
{
	(void)state;
	assert_int_equal(FAKE_STATUS(control_says("@1 quit 7\n")), 7);
}

/* ---- devices ---- */

static void balloon(void **state)
{
	struct board *board = &played.vm[0].board;
	(void)state;

	virtio_balloon_attach(board, 2, &played.vm[0].gstage, MIB(64));
	virtio_reset(board);
	assert_string_equal(run("vm balloon a 16M"), "");
	assert_int_equal(board->virtio[2].balloon.config.num_pages, MIB(48) / PAGE_SIZE);
	board->virtio[2].balloon.config.actual = 512;
	board->virtio[2].stats.notifications = 7;
	assert_non_null(strstr(run("vm show a"),
			       "\nplace  kind     status          features  notified      irqs    chains"
			       "    bytes_in   bytes_out  counts\n"
			       "    2  balloon       0  0000000000000000         7         0         0"
			       "           0           0  target 16384, actual 63488, inflated 0, "
			       "reported 0\n"
			       "place  queue   size  state   popped  pushed  in_flight\n"
			       "    2      0    256  off          0       0          0\n"));
	assert_non_null(strstr(run_in(ANSWER_JSON, "vm show a"),
			       ",\"counts\":{\"target\":16384,\"actual\":63488,\"inflated\":0,"
			       "\"reported\":0}}],\"queues\":[{\"place\":2,\"queue\":0,"));
	assert_non_null(strstr(run_in(ANSWER_JSON, "mem"),
			       "\"may_use_kib\":65536,\"balloon_kib\":2048,\"returned_kib\":0}"));
	assert_string_equal(run("vm balloon a 1G"), "");
	assert_int_equal(board->virtio[2].balloon.config.num_pages, 0);
}

/* ---- tables ---- */

/* Each command is found by its name, and says something of itself. */
static void every_command(void **state)
{
	const struct command *c;
	unsigned n = 0;
	(void)state;

	for (; (c = command_at(n)) != NULL; n++) {
		assert_true(strlen(c->usage) <= 40);
		assert_true(strlen(c->help) > 0 && strlen(c->usage) + strlen(c->help) < 100);
		assert_non_null(c->run);
	}
	assert_int_equal(n, 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bad_arguments, command_set_up),
		cmocka_unit_test_setup(life_cycle, command_set_up),
		cmocka_unit_test_setup(lists, command_set_up),
		cmocka_unit_test_setup(registers, command_set_up),
		cmocka_unit_test_setup(many_vms, command_set_up),
		cmocka_unit_test_setup(rates, command_set_up),
		cmocka_unit_test_setup(exits_counted, command_set_up),
		cmocka_unit_test_setup(completion, command_set_up),
		cmocka_unit_test_setup(terminal_commands, start_monitor),
		cmocka_unit_test_setup(terminal_is_slow, start_monitor),
		cmocka_unit_test_setup(terminal_top, start_monitor),
		cmocka_unit_test_setup(terminal_flood, start_monitor),
		cmocka_unit_test_setup(terminal_quit, start_monitor),
		cmocka_unit_test_setup(control_lines, start_monitor),
		cmocka_unit_test_setup(control_is_slow, start_monitor),
		cmocka_unit_test_setup(control_comes_and_goes, start_monitor),
		cmocka_unit_test_setup(control_quit, start_monitor),
		cmocka_unit_test_setup(balloon, command_set_up),
		cmocka_unit_test_setup(every_command, command_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
