/*
 * Start-up before translation is on: pointers are physical addresses.
 *
 * Invariant: nothing here leaves an address behind but through relocation, which is done twice:
 * for the place the image was loaded at, so that this code can run, and for its place in the map.
 * Next to read: main.c.
 */
#include "hyp/drv/host.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/fdt.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"
#include "hyp/mm/image.h"
#include "hyp/mm/map.h"
#include "hyp/mm/phys.h"
#include "hyp/vm/bundle.h"

struct rela {
	uint64_t offset, info;
	int64_t addend;
};
#define R_RISCV_RELATIVE 3

extern const struct rela image_rela[], image_rela_end[];

struct map boot_early(uint64_t hart, uint64_t tree);
struct map boot_mode_missing(uint64_t hart, uint64_t tree);

/* The hypervisor's mode: what is tried now, and whether a narrower one will do as well. */
static unsigned mode;
static bool mode_may_shrink;

/* The image is linked at 0: every address in it is an addend to where it is. */
static void relocate(uint64_t image)
{
	uint64_t here = (uint64_t)(uintptr_t)image_start;

	for (const struct rela *r = image_rela; r < image_rela_end; r++)
		*(uint64_t *)(here + r->offset) = image + (uint64_t)r->addend;
}

/* Of the first hart that says; they are alike. */
static const char *read_isa(const void *tree)
{
	const char *isa = NULL;
	int node;

	fdt_for_each_subnode (node, tree, fdt_path_offset(tree, "/cpus")) {
		isa = fdt_text(tree, node, "riscv,isa");
		if (isa)
			break;
	}
	return isa ? isa : "";
}

static struct frame_range find_bundle(const void *tree, int chosen)
{
	struct fdt_cells from = fdt_cells(tree, chosen, "linux,initrd-start");
	struct fdt_cells to = fdt_cells(tree, chosen, "linux,initrd-end");
	uint64_t start = fdt_number(from, 0, from.n), end = fdt_number(to, 0, to.n);

	return (struct frame_range){ start, end > start ? end - start : 0 };
}

/* The mode that host-mode= names, or HOST_MODES. */
static unsigned asked_mode(const char *args)
{
	char wanted[8];
	unsigned i = HOST_MODES;

	if (option_value(args, "host-mode", wanted, sizeof(wanted)))
		for (i = 0; i < HOST_MODES && strcmp(wanted, host_modes[i].name) != 0;)
			i++;
	return i;
}

/*
 * host-mode= if it is given. Else the widest where a guest and the hypervisor share one table, so
 * that the guest has as many modes of its own as can be; else the narrowest: the fewest references
 * a walk. All guests of the bundle count: each can be started while the machine runs.
 */
static void choose_mode(const void *tree)
{
	const char *args;
	int chosen;

	if (fdt_check_header(tree) != 0)
		return;
	chosen = fdt_path_offset(tree, "/chosen");
	args = fdt_text(tree, chosen, "bootargs");
	args = args ? args : "";
	mode = asked_mode(args);
	if (mode < HOST_MODES)
		return;
	mode_may_shrink = bundle_shares_table(find_bundle(tree, chosen), args, read_isa(tree));
	mode = mode_may_shrink ? HOST_MODES - 1 : HOST_SV39;
}

static struct map build(void)
{
	struct map map = map_build(&host_modes[mode]);

	phys_offset = map.offset;
	relocate((uint64_t)(uintptr_t)image_start + map.offset);
	return map;
}

struct map boot_early(uint64_t hart, uint64_t tree)
{
	(void)hart;
	relocate((uint64_t)(uintptr_t)image_start);
	choose_mode((const void *)tree);
	return build();
}

/* The hart stayed in Bare mode. The tree tells how to end the machine with a status. */
struct map boot_mode_missing(uint64_t hart, uint64_t tree)
{
	relocate((uint64_t)(uintptr_t)image_start);
	if (mode_may_shrink && mode > 0) {
		mode--;
		return build();
	}
	if (host_read((const void *)tree, hart) == OK && host.finisher.v)
		machine_exit_through((volatile uint32_t *)host.finisher.v);
	log_error("this hart doesn't have %s; leave host-mode= out to get one that it has",
		  host_modes[mode].name);
	machine_exit(EXIT_BAD_MACHINE);
}
