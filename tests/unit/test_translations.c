/*
 * hyp/monitor/xlate.c and map.c: what the operator is told of a translation, and of a map.
 */
#include "tests/unit/command.h"

#define RAM  UINT64_C(0x80000000)
#define ROOT (RAM + MIB(2))

/* lin.ux has 4 MiB. */
static void play_memory(void)
{
	static const struct frame_range ram = { RAM, MIB(32) };
	struct vm *vm = vms[2];

	fake_ram(ram.base, ram.bytes);
	assert_int_equal(frame_add_ram(ram, NULL, 0, true), OK);
	vm->pool.owner = 7;
	assert_int_equal(
		gstage_init(&vm->gstage, &gstage_modes[GSTAGE_SV39X4], &vm->pool, gpa(RAM), MIB(4)),
		OK);
	for (unsigned i = 0; i < 2; i++) {
		vm->vcpus[i]->gstage = &vm->gstage;
		vm->vcpus[i]->shadow = &vm->shadow;
	}
}

/* And Sv57, from ROOT on. */
static void use_tables(void)
{
	played.regime =
		(struct regime){ .atp = BITS(ATP_MODE_SV57, ATP_MODE_SHIFT) | ROOT >> PAGE_SHIFT,
				 .napot = true };
}

static void put_entry(uint64_t at, pte_t e)
{
	assert_int_equal(gstage_write(&vms[2]->gstage, gpa(at), &e, sizeof(e)), OK);
}

static void translations(void **state)
{
	bool changed;
	(void)state;

	assert_string_equal(run("xlate a 0"), "error: a is stopped: it has no memory\n");
	assert_string_equal(run("xlate a 0x1z"),
			    "error: \"0x1z\" isn't an address in hexadecimal; usage: xlate VM[.N] "
			    "GVA [r|w|x] [user|kernel]\n");
	play_memory();
	assert_int_equal(gstage_touch(&vms[2]->gstage, gpa(RAM), ACCESS_STORE, &changed), OK);
	run("xlate lin.ux.1 80000123 w user");
	assert_non_null(strstr(answered, "\n  1  G          2  0000000080000123      2  "));
	assert_non_null(strstr(answered, "  da-u xwrv  "));
	assert_non_null(strstr(answered, "rwx\nvm            lin.ux\n"));
	assert_non_null(strstr(answered, "\naccess        store\nmode          user\n"));
	assert_non_null(strstr(answered, "\nbytes         2097152\n"));
	assert_non_null(strstr(answered, "\nshadow        why none yet: the vcpu has no root "));
	run_in(ANSWER_JSON, "xlate lin.ux.1 ffffffffffffffff x");
	assert_non_null(strstr(answered, "\"result\":[],\"about\":{\"vm\":\"lin.ux\",\"vcpu\":1,"));
	assert_non_null(strstr(answered, "\"works\":false,\"cause\":1,\"gpa\":null,"));
}

static void entries(void **state)
{
	(void)state;
	play_memory();
	use_tables();
	for (unsigned i = 0; i < 4; i++)
		put_entry(ROOT + i * PAGE_SIZE, pte_make(ROOT + (i + 1) * PAGE_SIZE, PTE_V));
	/* N's own bits are no part of the address. */
	put_entry(ROOT + 4 * PAGE_SIZE + 3 * 8,
		  pte_make(RAM + 0x10000 + 0x8000, PTE_N | PTE_V | PTE_R | PTE_A));
	run("xlate lin.ux 3123");
	assert_non_null(strstr(answered, "  -a-- --rv  0000000080010000  r--\n"));
	assert_non_null(strstr(answered, "\ngpa           0000000080013123\n"));
	assert_non_null(strstr(run("map vs lin.ux"), "  64K    r----   0000000080013000  ram\n"));
	/* An entry that isn't sound allows nothing. */
	put_entry(ROOT + 3 * PAGE_SIZE, pte_make(RAM + 0x10000, PTE_V | PTE_R | PTE_A));
	run("xlate lin.ux 3123");
	assert_non_null(strstr(answered, "  -a-- --rv  0000000080010000  -\nvm "));
	assert_non_null(strstr(answered, "\nwhy           A misaligned superpage"));
}

/* A leaf that leads to several owners is told by owners; what one asks for may be inside of a page.
 */
static void owners(void **state)
{
	(void)state;
	play_memory();
	use_tables();
	assert_int_equal(gstage_add_device(&vms[2]->gstage, gpa(0x10000000), 0x100, NULL), OK);
	assert_int_equal(gstage_add_device(&vms[2]->gstage, gpa(0x10001000), 0x1000, NULL), OK);
	for (unsigned i = 0; i < 2; i++)
		put_entry(ROOT + i * PAGE_SIZE, pte_make(ROOT + (i + 1) * PAGE_SIZE, PTE_V));
	put_entry(ROOT + 2 * PAGE_SIZE, pte_make(0, PTE_V | PTE_R));
	put_entry(ROOT + 2 * PAGE_SIZE + 16, pte_make(RAM, PTE_V | PTE_R));
#define ROW(from, last, bytes, owner)                                                              \
	"00000000" from "  00000000" last "  " bytes "  1G     r----   00000000" from "  " owner   \
	"\n"
	assert_non_null(strstr(run("map vs lin.ux 5008"),
			       ROW("00005008", "0fffffff", "     268414968", "nothing")
				       ROW("10000000", "10001fff", "          8192", "device") ROW(
					       "10002000", "3fffffff", "     805298176", "nothing")
					       ROW("80000000", "803fffff", "       4194304", "ram")
						       ROW("80400000", "bfffffff", "    1069547520",
							   "nothing") "vm       lin.ux\n"));
}

/* Of a device those pages are mapped that loads find as memory. */
static void shown_registers(void **state)
{
	struct gstage *gs = &vms[2]->gstage;

	(void)state;
	play_memory();
	assert_int_equal(gstage_add_device(gs, gpa(0x10001000), 0x8000, NULL), OK);
	assert_int_equal(gstage_show(gs, gpa(0x10003000), hpa(RAM + MIB(16))), OK);
	run("map g lin.ux");
	assert_non_null(
		strstr(answered, "0000000010001000  0000000010002fff            8192  -  "));
	assert_non_null(strstr(answered,
			       "0000000010003000  0000000010003fff            4096  4K     r---- "
			       "  0000000081000000  device\n"));
	assert_non_null(
		strstr(answered, "0000000010004000  0000000010008fff           20480  -  "));
}

/* Rows as long as they get: those that an answer tells are all there, and it says how to go on. */
static void longest_map(void **state)
{
	unsigned rows = 0;
	char next[64];
	(void)state;

	vms[2]->config.name = "0123456789012345678901234567890"; /* VM_NAME_MAX */
	play_memory();
	use_tables();
	for (unsigned i = 0; i < 512; i++)
		put_entry(ROOT + 8 * i, pte_make(UINT64_C(1) << (54 + i % 2),
						 PTE_V | PTE_R | PTE_A | (i & 1 ? PTE_X : 0)));
	run_in(ANSWER_JSON, "map vs 0123456789012345678901234567890 ff00000000000000");
	assert_null(strstr(answered, "truncated"));
	for (const char *p = answered; (p = strstr(p, "{\"from\":")) != NULL; p++)
		rows++;
	assert_int_equal(rows, 200);
	/* From the middle on, each row is one entry. */
	snprintf(next, sizeof(next), "\"next\":\"0x%lx\"",
		 (UINT64_C(0xff) << 56) + rows * (UINT64_C(1) << 48));
	assert_non_null(strstr(answered, next));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(translations, command_set_up),
		cmocka_unit_test_setup(entries, command_set_up),
		cmocka_unit_test_setup(owners, command_set_up),
		cmocka_unit_test_setup(shown_registers, command_set_up),
		cmocka_unit_test_setup(longest_map, command_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
