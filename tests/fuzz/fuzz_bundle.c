/*
 * Any bytes as a bundle: nothing outside them is read, and each file that is found lies in them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/lib/fdt.h"
#include "hyp/mm/phys.h"
#include "hyp/vm/bundle.h"
#include "tests/fake/fake.h"
#include "tests/fake/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_file(struct frame_range where, const struct vm_file *file)
{
	if (file->bytes && !range_holds(where.base, where.bytes, file->at.v, file->bytes))
		abort();
}

static void check_disks(struct frame_range where, const struct vm_config *c)
{
	for (unsigned i = 0; i < c->disks; i++)
		if (!range_holds(where.base, where.bytes, c->disk[i].at.v, c->disk[i].bytes))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct frame_range where = { 0x1000, bytes };
	struct bundle b;
	struct vm_config c;
	uint8_t *copy;

	if (bytes >= sizeof(struct fdt_header) &&
	    (fdt_totalsize(data) > bytes || fdt_off_dt_struct(data) % 4 ||
	     tree_breaks_libfdt(data)))
		return 0;
	fake_reset();
	copy = malloc(bytes + 1);
	memcpy(copy, data, bytes);
	phys_offset = (uint64_t)(uintptr_t)copy - where.base;
	(void)bundle_shares_table(where, "", "rv64imafdch");
	if (bundle_open(&b, where, "") == OK)
		for (unsigned i = 0; i < b.vms; i++)
			if (bundle_read(&b, i, 8, &c) == OK) {
				check_file(where, &c.kernel);
				check_file(where, &c.initrd);
				check_disks(where, &c);
			}
	free(copy);
	return 0;
}
