/*
 * hyp/vm/bundle.c: what a bundle says of VMs, whoever wrote it.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/lib/fdt.h"
#include "hyp/mm/phys.h"
#include "hyp/vm/bundle.h"
#include "tests/fake/tree.h"

#define BASE  UINT64_C(0x90000000)
#define BYTES UINT64_C(0x8000) /* the tree, and its images' data to the very end */
#define HARTS 4

#define WITH_H	  "rv64imafdch_zicsr_sstc"
#define WITHOUT_H "rv64imafdc_zicsr_sstc"

static const struct frame_range where = { BASE, BYTES };
static struct bundle b;
static struct vm_config c;

static void *tree(void)
{
	return phys_pointer(hpa(BASE));
}

static int set_up(void **state)
{
	static char bytes[0x4000];
	FILE *f = fopen("build/host/trees/bundle.dtb", "rb");

	(void)state;
	assert_non_null(f);
	assert_true(fread(bytes, 1, sizeof(bytes), f) > 0);
	fclose(f);
	fake_reset();
	fake_ram(BASE, MIB(1));
	assert_int_equal(fdt_open_into(bytes, tree(), 0x4000), 0);
	return 0;
}

static int node(const char *path)
{
	int n = fdt_path_offset(tree(), path);

	assert_true(n >= 0);
	return n;
}

static void set_text(const char *path, const char *property, const char *text, size_t bytes)
{
	assert_int_equal(fdt_setprop(tree(), node(path), property, text, (int)bytes), 0);
}

static void open_with(const char *args)
{
	assert_int_equal(bundle_open(&b, where, args), OK);
}

static void read_vm(unsigned i)
{
	assert_int_equal(bundle_read(&b, i, HARTS, &c), OK);
}

static void in_order(void **state)
{
	static const char *const names[] = { "first", "second", "late" };

	(void)state;
	open_with("");
	assert_int_equal(b.vms, 3);
	assert_false(b.never_ends);
	for (unsigned i = 0; i < 3; i++) {
		read_vm(i);
		assert_string_equal(c.name, names[i]);
		assert_true(c.autostart);
	}
	assert_int_equal(c.order, 7);
	assert_int_equal(fake.text_n, 0);
}

static void what_is_said(void **state)
{
	(void)state;
	open_with("");
	read_vm(0);
	assert_string_equal(c.bootargs, "quiet");
	assert_int_equal(c.vcpus, 3);
	assert_int_equal(c.memory, GIB(4));
	assert_int_equal(c.weight, 250);
	assert_int_equal(c.affinity, 1 << 0 | 1 << 2);
	assert_int_equal(c.choices.word[CHOICE_ON_RESET], THEN_STOP);
	assert_int_equal(c.choices.word[CHOICE_ON_SHUTDOWN], THEN_RESTART);
	assert_int_equal(c.choices.word[CHOICE_ON_FAILURE], THEN_STOP);
	assert_int_equal(c.kernel.at.v, BASE + 0x4000);
	assert_int_equal(c.kernel.bytes, 0x1000);
	assert_int_equal(c.initrd.bytes, 0);
}

static void what_is_not_said(void **state)
{
	(void)state;
	open_with("");
	read_vm(1);
	assert_null(c.bootargs);
	assert_int_equal(c.vcpus, HARTS);
	assert_int_equal(c.weight, 100);
	assert_int_equal(c.affinity, 0);
	assert_int_equal(c.order, 0);
	assert_int_equal(c.choices.word[CHOICE_ON_RESET], THEN_RESTART);
	assert_int_equal(c.choices.word[CHOICE_ON_SHUTDOWN], THEN_STOP);
}

static void shared_files(void **state)
{
	(void)state;
	open_with("");
	read_vm(0);
	assert_true(c.kernel.shared);
	assert_false(c.initrd.shared);
	read_vm(1);
	assert_false(c.kernel.shared);
	read_vm(2);
	assert_true(c.kernel.shared);
	assert_true(c.initrd.shared); /* it is another VM's disk */

	/* One byte in common, under another name. */
	assert_int_equal(fdt_setprop_u32(tree(), node("/images/three"), "data-position", 0x5fff),
			 0);
	open_with("");
	read_vm(1);
	assert_true(c.kernel.shared);
	read_vm(2);
	assert_true(c.initrd.shared);
}

static void disks(void **state)
{
	(void)state;
	open_with("");
	read_vm(0);
	assert_int_equal(c.disks, 0);
	assert_int_equal(c.choices.word[CHOICE_RNG], RNG_ON);
	read_vm(1);
	assert_int_equal(c.choices.word[CHOICE_RNG], RNG_OFF);
	assert_int_equal(c.disks, 2);
	assert_int_equal(c.disk[0].at.v, BASE + 0x5000);
	assert_int_equal(c.disk[0].bytes, 0x1000);
	assert_string_equal(c.disk[0].serial, "01234567890123456789");
	assert_false(c.disk[0].is_readonly);
	assert_int_equal(c.disk[1].bytes, 0x2000);
	assert_string_equal(c.disk[1].serial, "");
	assert_true(c.disk[1].is_readonly);
}

static void host_disk(void **state)
{
	(void)state;
	set_text("/configurations/second/disks/data", "host", "host-0", 7);
	set_text("/configurations/second/disks/data", "partition", "a label", 8);
	open_with("");
	read_vm(1);
	assert_null(c.disk[0].host);
	assert_string_equal(c.disk[1].host, "host-0");
	assert_string_equal(c.disk[1].partition, "a label");
	assert_true(c.disk[1].is_readonly);
}

static void refuse_disk(const char *property, const char *value, size_t bytes, enum err e)
{
	(void)set_up(NULL);
	if (value)
		set_text("/configurations/second/disks/root", property, value, bytes);
	else
		assert_int_equal(fdt_delprop(tree(), node("/configurations/second/disks/root"),
					     property),
				 0);
	open_with("");
	assert_int_equal(bundle_read(&b, 1, HARTS, &c), e);
	assert_true(fake.text_n > 0);
}

static void bad_disks(void **state)
{
	int n;

	(void)state;
	refuse_disk("image", NULL, 0, ERR_MISSING);
	refuse_disk("image", "nowhere", 8, ERR_MISSING);
	refuse_disk("image", "one", 3, ERR_FORMAT);
	refuse_disk("serial", "x", 1, ERR_FORMAT);
	refuse_disk("serial", "012345678901234567890", 22, ERR_RANGE);
	refuse_disk("host", "012345678901234567890", 22, ERR_RANGE);
	refuse_disk("host", "x", 1, ERR_FORMAT);
	refuse_disk("partition", "0123456789012345678901234567890123456", 38, ERR_RANGE);
	(void)set_up(NULL);
	assert_int_equal(fdt_setprop_u32(tree(), node("/images/two"), "data-size", 0x1001), 0);
	open_with("");
	assert_int_equal(bundle_read(&b, 1, HARTS, &c), ERR_RANGE);

	(void)set_up(NULL);
	for (char name[] = "a"; name[0] < 'a' + VM_DISKS_MAX - 1; name[0]++) {
		open_with("");
		assert_int_equal(bundle_read(&b, 1, HARTS, &c), OK);
		open_with("balloon=on"); /* it takes a place, too */
		assert_int_equal(bundle_read(&b, 1, HARTS, &c),
				 c.disks < VM_DEVICES_MAX ? OK : ERR_FULL);
		n = fdt_add_subnode(tree(), node("/configurations/second/disks"), name);
		assert_true(n >= 0);
		assert_int_equal(fdt_setprop_string(tree(), n, "image", "one"), 0);
	}
	open_with("");
	assert_int_equal(bundle_read(&b, 1, HARTS, &c), ERR_FULL);
}

#define STRINGS(s) s, sizeof(s)

static void ports(void **state)
{
	(void)state;
	open_with("");
	read_vm(1);
	assert_false(vm_has_console(&c));
	set_text("/configurations/second", "ports", STRINGS("agent\0org.example.log-0"));
	open_with("");
	read_vm(1);
	assert_int_equal(c.ports, 2);
	assert_string_equal(c.port[0], "agent");
	assert_string_equal(c.port[1], "org.example.log-0");
	assert_int_equal(c.choices.word[CHOICE_CONSOLE], CONSOLE_OFF);
	assert_true(vm_has_console(&c));
	read_vm(0);
	assert_int_equal(c.ports, 0);
	set_text("/configurations/first", "virtio-console", STRINGS("on"));
	open_with("");
	read_vm(0);
	assert_true(vm_has_console(&c));
}

/* As many devices as there are places, or one more. */
static void places(void **state)
{
	(void)state;
	for (char name[] = "a"; name[0] < 'a' + VM_DISKS_MAX - 2; name[0]++) {
		int n = fdt_add_subnode(tree(), node("/configurations/second/disks"), name);

		assert_true(n >= 0);
		assert_int_equal(fdt_setprop_string(tree(), n, "image", "one"), 0);
	}
	open_with("");
	read_vm(1);
	open_with("balloon=on");
	assert_int_equal(bundle_read(&b, 1, HARTS, &c), ERR_FULL);
	set_text("/configurations/second", "ports", STRINGS("one-more"));
	open_with("");
	assert_int_equal(bundle_read(&b, 1, HARTS, &c), ERR_FULL);
	assert_non_null(strstr(fake.text, "devices"));
}

/* The VMs that start by themselves, in start order, as bits. */
static unsigned starting(const char *args)
{
	unsigned found = 0;

	open_with(args);
	for (unsigned i = 0; i < b.vms; i++) {
		read_vm(i);
		found |= (unsigned)c.autostart << i;
	}
	return found;
}

static void who_starts(void **state)
{
	(void)state;
	assert_int_equal(starting("guest=second"), 2);
	assert_int_equal(starting("stats guest=late,first zero=always"), 5);
	set_text("/configurations", "default", STRINGS("late\0second"));
	assert_int_equal(starting(""), 6);
	assert_int_equal(starting("guest=first"), 1);
}

static void options_win(void **state)
{
	(void)state;
	set_text("/configurations", "end", STRINGS("never"));
	open_with("");
	assert_true(b.never_ends);
	open_with("end=all on-reset=restart");
	assert_false(b.never_ends);
	read_vm(0);
	assert_int_equal(c.choices.word[CHOICE_ON_RESET], THEN_RESTART);
	assert_int_equal(c.choices.word[CHOICE_ON_SHUTDOWN], THEN_RESTART);
}

/* A row: a property of one VM that makes it bad, and what the log must name. */
static void bad_vms(void **state)
{
	static const struct {
		const char *property, *value;
		size_t bytes;
	} rows[] = {
		{ "compatible", STRINGS("other") },
		{ "kernel", STRINGS("none") },
		{ "kernel", "one", 3 },
		{ "ramdisk", STRINGS("none") },
		{ "bootargs", "abc", 3 },
		{ "vcpus", "\0\0\0\0", 4 },
		{ "vcpus", "\0\0\0\x9", 4 },
		{ "vcpus", "\0\0\0\0\0\0\0\1", 8 },
		{ "vcpus", "", 0 },
		{ "memory", "\0\0\0\1", 4 },
		{ "weight", "\0\0\0\0", 4 },
		{ "weight", "\0\0\x27\x11", 4 },
		{ "weight", "", 0 },
		{ "weight", "\0\0\0\1\0\0\0\1", 8 },
		{ "affinity", "", 0 },
		{ "affinity", "\0\0\0\x8", 4 },
		{ "affinity", "\0\0\0\x4\0\0\0\x7", 8 },
		{ "affinity", "\0\0\0\1\xff\xff\xff\xff", 8 },
		{ "order", "\0\0\0\0\0\0\0\0", 8 },
		{ "on-reset", STRINGS("restarts") },
		{ "on-failure", "", 0 },
		{ "on-shutdown", STRINGS("stop\0stop") },
		{ "gstage-mode", STRINGS("sv32x4") },
		{ "isa-mask", "abc", 3 },
		{ "virtio-console", STRINGS("maybe") },
		{ "ports", "abc", 3 },
		{ "ports", STRINGS("") },
		{ "ports", STRINGS("a\0") },
		{ "ports", STRINGS("a b") },
		{ "ports", STRINGS("-a") },
		{ "ports", STRINGS("a\0b\0a") },
		{ "ports", STRINGS("a\0b\0c\0d\0e") },
		{ "ports", STRINGS("a-name-of-thirty-two-characters-") },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_up(state);
		set_text("/configurations/second", rows[i].property, rows[i].value, rows[i].bytes);
		open_with("");
		assert_int_not_equal(bundle_read(&b, 1, HARTS, &c), OK);
		assert_non_null(strstr(fake.text,
				       strcmp(rows[i].value, "none") ? rows[i].property : "none"));
		read_vm(0);
		read_vm(2);
	}
}

static void bad_names(void **state)
{
	static const char *const names[] = { "a,b", "-a", "a@0", "\x1b[2J",
					     "a-name-of-thirty-two-characters-" };
	(void)state;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		set_up(state);
		assert_int_equal(fdt_set_name(tree(), node("/configurations/second"), names[i]), 0);
		open_with("");
		assert_int_equal(bundle_read(&b, 1, HARTS, &c), ERR_FORMAT);
		assert_non_null(strstr(fake.text, "VM number 2"));
		assert_null(strchr(fake.text, '\x1b'));
		read_vm(2);
	}
	set_up(state);
	assert_int_equal(fdt_set_name(tree(), node("/configurations/second"), "first"), 0);
	open_with("");
	read_vm(0);
	assert_int_equal(bundle_read(&b, 1, HARTS, &c), ERR_OVERLAP);
}

static void bad_outlines(void **state)
{
	static const struct {
		const char *property, *value;
		size_t bytes;
		const char *args, *said;
		enum err e;
	} rows[] = {
		{ "default", STRINGS("first\0nobody"), "", "nobody", ERR_MISSING },
		{ "default", STRINGS("firs"), "", "firs", ERR_MISSING },
		{ "default", "first", 5, "", "default", ERR_FORMAT },
		{ "end", STRINGS("never"), "guest=first,a-name-of-thirty-two-characters-", "a-name",
		  ERR_MISSING },
		{ "end", STRINGS("never"), "guest=,first", "VM", ERR_MISSING },
		{ "end", STRINGS("sometimes"), "", "end", ERR_FORMAT },
		{ "end", "all", 3, "end=all", "end", ERR_FORMAT },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_up(state);
		set_text("/configurations", rows[i].property, rows[i].value, rows[i].bytes);
		assert_int_equal(bundle_open(&b, where, rows[i].args), rows[i].e);
		assert_non_null(strstr(fake.text, rows[i].said));
	}
}

static void no_bundles(void **state)
{
	(void)state;
	assert_int_equal(bundle_open(&b, (struct frame_range){ BASE, 0 }, ""), ERR_FORMAT);
	assert_int_equal(bundle_open(&b, (struct frame_range){ BASE, 0x3fff }, ""), ERR_FORMAT);
	/* The outline is there, the last image isn't, by a byte. */
	assert_int_equal(bundle_open(&b, (struct frame_range){ BASE, BYTES - 1 }, ""), OK);
	assert_int_equal(bundle_read(&b, 1, HARTS, &c), ERR_RANGE);
	read_vm(0);
	assert_int_equal(fdt_del_node(tree(), node("/configurations/late")), 0);
	assert_int_equal(fdt_del_node(tree(), node("/configurations/first")), 0);
	assert_int_equal(fdt_del_node(tree(), node("/configurations/second")), 0);
	assert_int_equal(bundle_open(&b, where, ""), ERR_MISSING);
	assert_int_equal(fdt_del_node(tree(), node("/configurations")), 0);
	assert_int_equal(bundle_open(&b, where, ""), ERR_MISSING);
}

static void as_many_as_can_be(void **state)
{
	(void)state;
	for (unsigned i = 3; i < BUNDLE_VMS_MAX + 2; i++) {
		char name[8];

		snprintf(name, sizeof(name), "vm%u", i);
		assert_true(fdt_add_subnode(tree(), node("/configurations"), name) >= 0);
	}
	open_with("");
	assert_int_equal(b.vms, BUNDLE_VMS_MAX);
	assert_non_null(strstr(fake.text, "more than 32"));
}

/* A row: each VM's backend, and whether one of them shares a table on a core with H, without. */
static void the_host_mode(void **state)
{
	static const struct {
		const char *backend, *args;
		bool with, without;
	} rows[] = {
		{ "hext", "", false, true },
		{ "depriv", "", true, true },
		{ "depriv", "backend=hext", false, false },
		{ "hext", "backend=depriv", true, true },
		{ "auto", "guest=first", false, true },
		{ "nonsense", "", false, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_text("/configurations/second", "backend", rows[i].backend,
			 strlen(rows[i].backend) + 1);
		assert_int_equal(bundle_shares_table(where, rows[i].args, WITH_H), rows[i].with);
		assert_int_equal(bundle_shares_table(where, rows[i].args, WITHOUT_H),
				 rows[i].without);
	}
	assert_false(bundle_shares_table((struct frame_range){ BASE, 0 }, "", WITH_H));
	assert_true(bundle_shares_table((struct frame_range){ BASE, 0 }, "", WITHOUT_H));
	assert_true(bundle_shares_table((struct frame_range){ BASE, 8 }, "backend=depriv", WITH_H));
	assert_int_equal(fake.text_n, 0);
}

static void assert_file(const struct vm_file *file)
{
	assert_true(range_holds(BASE, BYTES, file->at.v, file->bytes));
}

/* Whatever a byte is changed to, what is read lies in the bundle. */
static void damaged(void **state)
{
	uint64_t seed = 5;

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t *bytes;

		if (i % 4 == 0)
			set_up(state);
		bytes = tree();
		bytes[random_next(&seed) % 0x600] = (uint8_t)random_next(&seed);
		if (fdt_totalsize(tree()) > BYTES || tree_breaks_libfdt(tree()))
			continue;
		fake.text_n = 0;
		(void)bundle_shares_table(where, "", WITH_H);
		if (bundle_open(&b, where, "") != OK)
			continue;
		for (unsigned k = 0; k < b.vms; k++) {
			if (bundle_read(&b, k, HARTS, &c) != OK)
				continue;
			assert_file(&c.kernel);
			if (c.initrd.bytes)
				assert_file(&c.initrd);
			assert_in_range(c.weight, 1, VM_WEIGHT_MAX);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(in_order, set_up),
		cmocka_unit_test_setup(what_is_said, set_up),
		cmocka_unit_test_setup(what_is_not_said, set_up),
		cmocka_unit_test_setup(shared_files, set_up),
		cmocka_unit_test_setup(disks, set_up),
		cmocka_unit_test_setup(host_disk, set_up),
		cmocka_unit_test_setup(bad_disks, set_up),
		cmocka_unit_test_setup(ports, set_up),
		cmocka_unit_test_setup(places, set_up),
		cmocka_unit_test_setup(who_starts, set_up),
		cmocka_unit_test_setup(options_win, set_up),
		cmocka_unit_test_setup(bad_vms, set_up),
		cmocka_unit_test_setup(bad_names, set_up),
		cmocka_unit_test_setup(bad_outlines, set_up),
		cmocka_unit_test_setup(no_bundles, set_up),
		cmocka_unit_test_setup(as_many_as_can_be, set_up),
		cmocka_unit_test_setup(the_host_mode, set_up),
		cmocka_unit_test_setup(damaged, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
