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

struct rela {
	uint64_t offset, info;
	int64_t addend;
};
#define R_RISCV_RELATIVE 3

extern const struct rela image_rela[], image_rela_end[];

struct map boot_early(uint64_t hart, uint64_t tree);
_Noreturn void boot_mode_missing(uint64_t hart, uint64_t tree);

/* The image is linked at 0: every address in it is an addend to where it is. */
static void relocate(uint64_t image)
{
	uint64_t here = (uint64_t)(uintptr_t)image_start;

	for (const struct rela *r = image_rela; r < image_rela_end; r++)
		*(uint64_t *)(here + r->offset) = image + (uint64_t)r->addend;
}

/* host-mode= if it is given, else the narrowest: the fewest references a walk. */
static const struct pt_mode *choose_mode(const void *tree)
{
	char wanted[8];
	const char *args;

	if (fdt_check_header(tree) != 0)
		return &host_modes[HOST_SV39];
	args = fdt_text(tree, fdt_path_offset(tree, "/chosen"), "bootargs");
	if (args && option_value(args, "host-mode", wanted, sizeof(wanted)))
		for (unsigned i = 0; i < HOST_MODES; i++)
			if (strcmp(wanted, host_modes[i].name) == 0)
				return &host_modes[i];
	return &host_modes[HOST_SV39];
}

struct map boot_early(uint64_t hart, uint64_t tree)
{
	uint64_t image = (uint64_t)(uintptr_t)image_start;
	struct map map;

	(void)hart;
	relocate(image);
	map = map_build(choose_mode((const void *)tree));
	phys_offset = map.offset;
	relocate(image + map.offset);
	return map;
}

/* The hart stayed in Bare mode. The tree tells how to end the machine with a status. */
void boot_mode_missing(uint64_t hart, uint64_t tree)
{
	relocate((uint64_t)(uintptr_t)image_start);
	if (host_read((const void *)tree, hart) == OK && host.finisher.v)
		machine_exit_through((volatile uint32_t *)host.finisher.v);
	log_error("this hart doesn't have %s; leave host-mode= out to get one that it has",
		  choose_mode((const void *)tree)->name);
	machine_exit(EXIT_BAD_MACHINE);
}
