/*
 * hyp/monitor/tracing.c: the trace of a VM as the operator switches and reads it.
 */
#include "hyp/lib/trace.h"
#include "hyp/mmu/explain.h"
#include "tests/unit/command.h"

static int set_up(void **state)
{
	command_set_up(state);
	fake_ram(UINT64_C(0x80000000), MIB(8));
	return frame_add_ram((struct frame_range){ UINT64_C(0x80000000), MIB(8) }, NULL, 0, true);
}

static const char *run_text(const char *line)
{
	return run_in(ANSWER_TEXT, line);
}

static struct trace *trace_of(unsigned slot)
{
	return atomic_load(&played.vcpu[slot][0].trace);
}

static void add(enum trace_kind kind, enum trace_why why, const struct trace_value *values,
		unsigned n)
{
	this_hart()->trace = trace_of(2);
	this_hart()->traced = 1;
	trace_add(kind, why, values, n);
}

static void switched(void **state)
{
	(void)state;
	assert_non_null(strstr(run_text("trace lin.ux"), "state     off\n"));
	assert_string_equal(run_text("trace lin.ux off"), "");
	assert_string_equal(run_text("trace read lin.ux"),
			    "       n            time  hart  vcpu       instret  event     what\n");
	assert_null(trace_of(2));
	assert_string_equal(run_text("trace lin.ux on"), "");
	assert_int_equal(trace_of(2)->kinds, TRACE_ALL);
	assert_ptr_equal(played.vcpu[2][1].trace, trace_of(2));
	assert_int_equal(played.vcpu[2][0].requests, VCPU_REQ_WATCH);
	assert_int_equal(played.vcpu[2][1].requests, VCPU_REQ_WATCH);
	assert_null(trace_of(0));
	assert_string_equal(run_text("trace lin.ux on fence,satp"), "");
	assert_int_equal(trace_of(2)->kinds, 1u << TRACE_FENCE | 1u << TRACE_SATP);
	assert_non_null(strstr(run_text("trace lin.ux"), "state     on\nevents    fence,satp\n"));
	assert_string_equal(run_text("trace lin.ux off"), "");
	assert_int_equal(trace_of(2)->kinds, 0);
	assert_string_equal(run_text("trace lin.ux off exit"),
			    "error: off takes no events: it ends them all\n");
	/* Its memory is the VM's own, and may be missing. */
	while (frame_alloc_block(&played.vm[0].fixed, &(hpa_t){ 0 }, &(bool){ false }) == OK)
		;
	assert_string_equal(run_text("trace a on"), "error: a: out of memory\n");
	assert_null(trace_of(0));
}

static void refused(void **state)
{
#define USAGE "usage: trace VM [on|off] [EVENTS]\n"
	static const char *const events =
		"isn't a list like fault,fill of: exit fault fill fence satp inject pt_store sync "
		"unshadow evict; " USAGE;
	static const char *const lists[] = { "frob", "exit,", ",exit", "exit,,fault",
					     "exi",  "exits", "EXIT" };
	(void)state;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		char line[64], expected[256];

		snprintf(line, sizeof(line), "trace a on %s", lists[i]);
		snprintf(expected, sizeof(expected), "error: \"%s\" %s", lists[i], events);
		assert_string_equal(run_text(line), expected);
	}
	assert_string_equal(run_text("trace"), "error: " USAGE);
	assert_string_equal(run_text("trace b"), "error: \"b\" isn't the name of a VM; " USAGE);
	assert_string_equal(run_text("trace read"), "error: usage: trace read VM\n");
	assert_string_equal(run_text("trace read b"),
			    "error: \"b\" isn't the name of a VM; usage: trace read VM\n");
}

static void read_as_json(void **state)
{
	const struct explanation unmapped = { .why = EXPLAIN_FLAW, .flaw = VSSTAGE_INVALID };
	const struct trace_value fault[] = { { TRACE_CAUSE, EXIT_ROW(CAUSE_LOAD_PAGE, 0) },
					     { TRACE_PC, 0x1000 },
					     { TRACE_AT, 0xffffffffff000000 },
					     { TRACE_REASON, explain_reason(&unmapped) } };
	const struct trace_value irq = { TRACE_CAUSE, EXIT_ROW(IRQ_STI, 1) };
	const struct trace_value fill[] = { { TRACE_GPA, 0x80000000 }, { TRACE_LEVEL, 2 } };
	(void)state;

	trace_probe();
	run_text("trace lin.ux on");
	fake.csr[CSR_TIME] = 12;
	fake.csr[CSR_INSTRET] = 34;
	add(TRACE_FAULT, TRACE_NO_WHY, fault, 4);
	add(TRACE_INJECT, TRACE_NO_WHY, &irq, 1);
	add(TRACE_FILL, TRACE_DEMAND, fill, 2);
	add(TRACE_FENCE, TRACE_NO_WHY, NULL, 0);
#define HEAD(n) "{\"n\":" n ",\"time\":12,\"hart\":0,\"vcpu\":1,\"instret\":34,"
	assert_string_equal(
		run_in(ANSWER_JSON, "trace read lin.ux"),
		"{\"ok\":true,\"result\":[" HEAD(
			"0") "\"event\":\"fault\",\"cause\":13,\"pc\":"
			     "\"0x1000\",\"at\":\"0xffffffffff000000\",\"why\":\"V = 0 in the "
			     "VS-stage entry: the "
			     "guest has nothing there.\"}," HEAD(
				     "1") "\"event\":\"inject\",\"cause\":37,\"why\":"
					  "\"timer\"}," HEAD(
						  "2") "\"event\":\"fill\",\"gpa\":\"0x80000000\","
						       "\"level\":2,"
						       "\"stage\":\"G\",\"why\":\"demand\"}," HEAD(
							       "3") "\"event\":\"fence\"}]}\n");
	assert_string_equal(run_in(ANSWER_JSON, "trace read lin.ux"),
			    "{\"ok\":true,\"result\":[]}\n");
}

static void read_as_text(void **state)
{
	const struct trace_value values[] = { { TRACE_GPA, 0x80000000 }, { TRACE_LEVEL, 2 } };
	(void)state;

	run_text("trace lin.ux on");
	add(TRACE_FILL, TRACE_TABLE, values, 2);
	assert_string_equal(run_text("trace read lin.ux"),
			    "       n            time  hart  vcpu       instret  event     what\n"
			    "       0               0     0     1             0  fill      shadow "
			    "table gpa 80000000 level 2\n");
}

/* As much as fits, whole, and on from there the next time; what was lost is told in its place. */
static void read_on(void **state)
{
	static const struct trace_value all[] = {
		{ TRACE_CAUSE, 63 },   { TRACE_PC, ~0ul },    { TRACE_AT, ~0ul },
		{ TRACE_GPA, ~0ul },   { TRACE_HPA, ~0ul },   { TRACE_LEVEL, ~0ul },
		{ TRACE_ENTRY, ~0ul }, { TRACE_ASID, ~0ul },  { TRACE_ATP, ~0ul },
		{ TRACE_VALUE, ~0ul }, { TRACE_BYTES, ~0ul },
	};
	unsigned read = 0, answers = 0;
	(void)state;

	fake.csr[CSR_TIME] = fake.csr[CSR_INSTRET] = ~0ul;
	run_text("trace lin.ux on");
	for (unsigned i = 0; i < TRACE_SLOTS + 5; i++)
		add(TRACE_UNSHADOW, TRACE_DISUSED, all, sizeof(all) / sizeof(all[0]));
	assert_non_null(strstr(run_text("trace lin.ux"), "unread    14000\ndropped   5\n"));
	for (;; answers++) {
		const char *p = run_in(ANSWER_JSON, "trace read lin.ux");

		assert_null(strstr(p, "truncated"));
		if (answers == 0)
			assert_non_null(strstr(p, "[{\"dropped\":5},{\"n\":5,"));
		if (!strstr(p, "unshadow"))
			break;
		for (; (p = strstr(p, "unshadow")); p++)
			read++;
	}
	assert_int_equal(read, TRACE_SLOTS);
	assert_true(answers > 100);
}

static void stepped(void **state)
{
	uint64_t by;
	(void)state;

	assert_string_equal(run_text("step lin.ux"), "");
	assert_string_equal(played.called, "step lin.ux");
	assert_int_equal(trace_of(2)->stops, 1u << TRACE_FAULT | 1u << TRACE_FENCE |
						     1u << TRACE_SATP | 1u << TRACE_PT_STORE);
	assert_non_null(strstr(run_text("trace lin.ux"), "stepping  yes\npaused_by -\n"));
	add(TRACE_FENCE, TRACE_NO_WHY, NULL, 0);
	assert_non_null(strstr(run_text("trace lin.ux"), "stepping  no\npaused_by -\n"));
	assert_true(trace_take_stop(trace_of(2), &by));
	trace_stopped(trace_of(2), by);
	assert_non_null(strstr(run_text("trace lin.ux"), "stepping  no\npaused_by 0\n"));
	assert_string_equal(run_text("step lin.ux fill"), "");
	assert_int_equal(trace_of(2)->stops, 1u << TRACE_FILL);
	assert_non_null(strstr(run_text("trace lin.ux"), "stepping  yes\npaused_by -\n"));
	assert_string_equal(run_text("trace lin.ux off"), "");
	assert_non_null(strstr(run_text("trace lin.ux"), "stepping  no\n"));
	played.err = ERR_STATE;
	assert_true(string_starts(run_text("step a"), "error: a: "));
	assert_true(string_starts(run_text("step a frob"), "error: \"frob\" isn't a list"));
}

static void breaks(void **state)
{
	(void)state;
	assert_string_equal(run_text("break a"), "vm                on                   at\n");
	assert_string_equal(run_text("break a clear"), "");
	assert_string_equal(run_text("break a map ffffffff80000123"), "");
	assert_string_equal(run_text("break a table 0x80200123"), "");
	assert_int_equal(played.vcpu[0][0].requests, VCPU_REQ_WATCH);
	assert_string_equal(run_text("break a list"), "vm                on                   at\n"
						 "a                 map    ffffffff80000123\n"
						 "a                 table  0000000080200000\n");
	assert_true(trace_take_table(trace_of(0), 0x80200000));
	assert_null(strstr(run_text("break a"), "table"));
	assert_string_equal(run_text("break a map ffffffffffffffff"), ""); /* in the table's place */
	assert_non_null(strstr(run_text("break a"), "map    ffffffffffffffff\n"));
	for (unsigned i = 2; i < TRACE_BREAKS; i++)
		assert_string_equal(run_text("break a map 1000"), "");
	assert_string_equal(run_text("break a map 1000"),
			    "error: a has 8 breaks already; `break a clear` forgets them\n");
	assert_string_equal(run_text("break a clear"), "");
	assert_string_equal(run_in(ANSWER_JSON, "break a"), "{\"ok\":true,\"result\":[]}\n");
	assert_string_equal(run_text("break a map"), "error: map takes an address\n");
	assert_string_equal(run_text("break a list 5"), "error: list takes no address\n");
	assert_string_equal(run_text("break a 5"), "error: list takes no address\n");
	assert_string_equal(run_text("break a map x"),
			    "error: \"x\" isn't an address in hexadecimal; usage: break VM "
			    "[map|table|list|clear] [AT]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(switched, set_up),
		cmocka_unit_test_setup(refused, set_up),
		cmocka_unit_test_setup(read_as_json, set_up),
		cmocka_unit_test_setup(read_as_text, set_up),
		cmocka_unit_test_setup(read_on, set_up),
		cmocka_unit_test_setup(stepped, set_up),
		cmocka_unit_test_setup(breaks, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
