/*
 * hyp/drv/host.c and hyp/lib/fdt.c: reading the host's device tree, whoever wrote it.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/drv/host.h"
#include "hyp/lib/fdt.h"
#include "tests/fake/tree.h"

#define TREES "build/host/trees/"

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	memset(&host, 0, sizeof(host));
	host.bootargs = "";
	return 0;
}

/* A tree in memory of exactly its size, so that a byte read beyond it is noticed. */
static void *load(const char *name)
{
	FILE *f = fopen(name, "rb");
	uint8_t header[8];
	size_t bytes;
	void *tree;

	assert_non_null(f);
	assert_int_equal(fread(header, 1, 8, f), 8);
	bytes = fdt32_ld((fdt32_t *)(void *)(header + 4));
	tree = malloc(bytes);
	assert_non_null(tree);
	rewind(f);
	assert_int_equal(fread(tree, 1, bytes, f), bytes);
	fclose(f);
	return tree;
}

static void qemu(const char *name, unsigned harts, uint64_t boot_hart)
{
	void *tree = load(name);
	unsigned kept = harts < HOST_HARTS_MAX ? harts : HOST_HARTS_MAX;

	assert_int_equal(host_read(tree, boot_hart), OK);
	assert_true(host.is_qemu_virt);
	assert_int_equal(host.harts, kept);
	assert_int_equal(host.hart_id[0], boot_hart);
	for (unsigned i = 0; i < kept; i++) {
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(host.hart_id[i], host.hart_id[k]);
		assert_int_equal(host.plic_context[i], host.hart_id[i] * 2 + 1);
	}
	assert_int_equal(host.ram.base, 0x80000000);
	assert_int_equal(host.ram.bytes, MIB(128));
	assert_int_equal(host.timebase, 10000000);
	assert_int_equal(host.uart.v, 0x10000000);
	assert_int_equal(host.uart_irq, 10);
	assert_int_equal(host.rtc_irq, 11);
	assert_int_equal(host.virtio_n, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(host.virtio[i].base.v, 0x10000000 + 0x1000 * host.virtio[i].irq);
	assert_int_equal(host.plic.v, 0xc000000);
	assert_int_equal(host.finisher.v, 0x100000);
	assert_int_equal(host.bundle.bytes, 0);
	assert_true(isa_has(host.isa, "c"));
	assert_true(isa_has(host.isa, "sstc"));
	assert_true(isa_has(host.isa, "h"));
	assert_false(isa_has(host.isa, "v"));
	free(tree);
}

static void qemu_1(void **state)
{
	(void)state;
	qemu(TREES "qemu-1.dtb", 1, 0);
}

static void qemu_8(void **state)
{
	(void)state;
	qemu(TREES "qemu-8.dtb", 8, 5);
}

/* The firmware picks the hart that boots: it may be any of sixteen. */
static void qemu_16(void **state)
{
	(void)state;
	qemu(TREES "qemu-16.dtb", 16, 12);
	set_up(state);
	qemu(TREES "qemu-16.dtb", 16, 3);
}

static void another_board(void **state)
{
	void *tree = load(TREES "odd-host.dtb");
	char value[8];
	(void)state;

	assert_int_equal(host_read(tree, 9), OK);
	assert_false(host.is_qemu_virt);
	assert_int_equal(host.harts, 2);
	assert_int_equal(host.hart_id[0], 9);
	assert_int_equal(host.hart_id[1], 5);
	assert_int_equal(host.plic_context[0], 1);
	assert_int_equal(host.plic_context[1], 2);
	assert_string_equal(host.isa, "rv64imafdch_zicsr_sstc");
	assert_int_equal(host.timebase, 1000000);
	assert_int_equal(host.ram.base, 0x80000000);
	assert_int_equal(host.ram.bytes, 0x20000000);
	assert_int_equal(host.uart.v, 0x20000000);
	assert_int_equal(host.uart_irq, 33);
	assert_int_equal(host.plic.v, 0x10c000000);
	assert_int_equal(host.finisher.v, 0);
	assert_int_equal(host.bundle.base, 0x90000000);
	assert_int_equal(host.bundle.bytes, 0x12345);
	assert_int_equal(host.reserved_n, 3);
	assert_int_equal(host.reserved[0].base, 0x80000000);
	assert_int_equal(host.reserved[0].bytes, 0x40000);
	assert_int_equal(host.reserved[2].base, 0x82000000);
	assert_int_equal(host.reserved[2].bytes, 0x2000);

	assert_true(host_option("guest", value, sizeof(value)));
	assert_string_equal(value, "ticks");
	assert_true(host_option("host-mode", value, 5));
	assert_string_equal(value, "sv48");
	assert_true(host_option("loglevel", value, sizeof(value)));
	assert_string_equal(value, "debug");
	assert_false(host_option("quiet", value, sizeof(value)));
	assert_false(host_option("mode", value, sizeof(value)));
	assert_false(host_option("gues", value, sizeof(value)));
	free(tree);
}

static void boot_hart_must_be_there(void **state)
{
	void *tree = load(TREES "odd-host.dtb");
	(void)state;

	assert_int_equal(host_read(tree, 7), ERR_FORMAT);
	set_up(state);
	assert_int_equal(host_read(tree, 0), ERR_FORMAT); /* disabled */
	free(tree);
}

static void not_a_tree(void **state)
{
	char nothing[64] = { 0 };
	(void)state;

	assert_int_equal(host_read(nothing, 0), ERR_FORMAT);
}

static void extensions(void **state)
{
	static const char isa[] = "rv64imafdch_zicsr_zifencei_zba_sstc";
	(void)state;

	assert_true(isa_has(isa, "i"));
	assert_true(isa_has(isa, "h"));
	assert_false(isa_has(isa, "v"));
	assert_false(isa_has(isa, "r")); /* of "rv64" */
	assert_false(isa_has(isa, "z"));
	assert_true(isa_has(isa, "zicsr"));
	assert_true(isa_has(isa, "sstc"));
	assert_true(isa_has(isa, "zba"));
	assert_false(isa_has(isa, "zb"));
	assert_false(isa_has(isa, "zbab"));
	assert_false(isa_has(isa, "fence"));
	for (unsigned n = 0; n <= 4; n++) {
		char *exact = strndup("rv64", n); /* shorter than every ISA string must be */

		assert_false(isa_has(exact, "h"));
		assert_false(isa_has(exact, "sstc"));
		free(exact);
	}
}

/* More reservations than rows: none may be forgotten. */
static void reservations_beyond_the_rows(void **state)
{
	(void)state;

	for (uint64_t i = 0; i < HOST_RESERVED_MAX + 5; i++)
		host_reserve(MIB(100) - i * MIB(2), MIB(1));
	host_reserve(0, 0);
	host_reserve(UINT64_MAX - KIB(4), MIB(1)); /* a sum that would wrap */
	assert_int_equal(host.reserved_n, HOST_RESERVED_MAX);
	for (uint64_t i = 0; i < HOST_RESERVED_MAX + 5; i++) {
		bool held = false;

		for (unsigned k = 0; k < host.reserved_n; k++)
			held |= range_holds(host.reserved[k].base, host.reserved[k].bytes,
					    MIB(100) - i * MIB(2), MIB(1));
		assert_true(held);
	}
	for (unsigned k = 0; k < host.reserved_n; k++)
		assert_true(host.reserved[k].base + host.reserved[k].bytes > host.reserved[k].base);
}

/* A tree with one property on its root, and the readers on it. */
static int one_property(char *tree, int room, const void *data, int bytes)
{
	fdt_create_empty_tree(tree, room);
	return fdt_setprop(tree, 0, "p", data, bytes);
}

static void cells_and_strings(void **state)
{
	static const uint8_t eleven[] = { 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 3 };
	char tree[256];
	struct fdt_cells c;
	(void)state;

	assert_int_equal(one_property(tree, sizeof(tree), eleven, sizeof(eleven)), 0);
	c = fdt_cells(tree, 0, "p");
	assert_int_equal(c.n, 2);
	assert_int_equal(fdt_number(c, 0, 1), 1);
	assert_int_equal(fdt_number(c, 0, 2), UINT64_C(1) << 32 | 2);
	assert_int_equal(fdt_number(c, 1, 2), 0);
	assert_int_equal(fdt_number(c, 2, 1), 0);
	assert_null(fdt_cells(tree, 0, "q").at);
	assert_int_equal(fdt_number(fdt_cells(tree, 0, "q"), 0, 1), 0);
	assert_null(fdt_text(tree, 0, "p"));
	assert_null(fdt_text(tree, 0, "q"));

	assert_int_equal(one_property(tree, sizeof(tree), "text", 5), 0);
	assert_string_equal(fdt_text(tree, 0, "p"), "text");
	assert_int_equal(one_property(tree, sizeof(tree), "text", 4), 0); /* no end */
	assert_null(fdt_text(tree, 0, "p"));
	assert_int_equal(one_property(tree, sizeof(tree), "a\0b", 4), 0); /* two strings */
	assert_null(fdt_text(tree, 0, "p"));
	assert_true(fdt_lists(tree, 0, "p", "b"));
	assert_false(fdt_lists(tree, 0, "p", "c"));
	assert_int_equal(one_property(tree, sizeof(tree), "", 0), 0);
	assert_null(fdt_text(tree, 0, "p"));
	assert_int_equal(fdt_cells(tree, 0, "p").n, 0);
}

static void reg_of_odd_cells(void **state)
{
	char tree[512];
	uint64_t base, bytes;
	(void)state;

	fdt_create_empty_tree(tree, sizeof(tree));
	fdt_setprop(tree, 0, "reg", "\0\0\0\1\0\0\0\2\0\0\0\3", 12);
	/* The defaults are 2 and 1. */
	assert_true(fdt_reg(tree, 0, 0, 0, &base, &bytes));
	assert_int_equal(base, UINT64_C(1) << 32 | 2);
	assert_int_equal(bytes, 3);
	assert_false(fdt_reg(tree, 0, 0, 1, &base, &bytes));
	assert_false(fdt_reg(tree, 0, 0, UINT32_MAX, &base, &bytes));
	fdt_setprop_u32(tree, 0, "#size-cells", 0);
	assert_true(fdt_reg(tree, 0, 0, 0, &base, &bytes));
	assert_int_equal(bytes, 0);
	for (uint32_t odd = 3; odd < 8; odd++) {
		fdt_setprop_u32(tree, 0, "#size-cells", odd);
		assert_false(fdt_reg(tree, 0, 0, 0, &base, &bytes));
	}
	fdt_setprop_u32(tree, 0, "#size-cells", 1);
	fdt_setprop_u32(tree, 0, "#address-cells", 0);
	assert_false(fdt_reg(tree, 0, 0, 0, &base, &bytes));
	fdt_setprop_u32(tree, 0, "#address-cells", 0x80000000);
	assert_false(fdt_reg(tree, 0, 0, 0, &base, &bytes));
}

/* Trees with bytes overwritten or cut off: any answer, but nothing outside the tree is read. */
static void damaged_trees(void **state)
{
	char *good = load(TREES "odd-host.dtb");
	uint32_t bytes = fdt_totalsize(good);
	uint64_t seed = 5;
	(void)state;

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t *bad = malloc(bytes);
		char value[16];

		memcpy(bad, good, bytes);
		/* All but magic and size, which say how long the rest is. */
		for (unsigned k = 0; k < 1 + i % 4; k++)
			bad[8 + random_next(&seed) % (bytes - 8)] =
				(uint8_t)(random_next(&seed) >> (i % 56));
		set_up(state);
		if (!tree_breaks_libfdt(bad) && host_read(bad, 9) == OK) {
			assert_true(host.harts >= 1 && host.harts <= HOST_HARTS_MAX);
			assert_true(host.reserved_n <= HOST_RESERVED_MAX);
			isa_has(host.isa, "sstc");
			host_option("guest", value, sizeof(value));
		}
		free(bad);
	}
	free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(qemu_1, set_up),
		cmocka_unit_test_setup(qemu_8, set_up),
		cmocka_unit_test_setup(qemu_16, set_up),
		cmocka_unit_test_setup(another_board, set_up),
		cmocka_unit_test_setup(boot_hart_must_be_there, set_up),
		cmocka_unit_test_setup(not_a_tree, set_up),
		cmocka_unit_test_setup(extensions, set_up),
		cmocka_unit_test_setup(reservations_beyond_the_rows, set_up),
		cmocka_unit_test_setup(cells_and_strings, set_up),
		cmocka_unit_test_setup(reg_of_odd_cells, set_up),
		cmocka_unit_test_setup(damaged_trees, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
