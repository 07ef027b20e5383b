/*
 * Any bytes as the host's device tree: nothing outside them is read, and what is taken from them
 * stays within its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/drv/host.h"
#include "hyp/lib/fdt.h"
#include "tests/fake/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char value[8];
	uint8_t *tree;

	/* The firmware's word for how long it is has to be good: there is nothing to check it by. */
	if (bytes < sizeof(struct fdt_header) || fdt_totalsize(data) > bytes ||
	    fdt_off_dt_struct(data) % 4 || tree_breaks_libfdt(data))
		return 0;
	tree = malloc(bytes);
	memcpy(tree, data, bytes);
	memset(&host, 0, sizeof(host));
	host.bootargs = "";
	if (host_read(tree, 0) == OK) {
		isa_has(host.isa, "sstc");
		isa_has(host.isa, "h");
		host_option("guest", value, sizeof(value));
	}
	if (host.harts > HOST_HARTS_MAX || host.reserved_n > HOST_RESERVED_MAX)
		abort();
	free(tree);
	return 0;
}
