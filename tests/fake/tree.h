/*
 * Which damaged trees the host's libfdt can't be given: before 1.7 it follows a property longer
 * than INT_MAX backwards, for ever. The image is linked with a newer one.
 */
#ifndef TESTS_FAKE_TREE_H
#define TESTS_FAKE_TREE_H

#include <libfdt.h>
#include <stdbool.h>

/* Whether any word of @tree that may open a property is followed by such a length. */
static inline bool tree_breaks_libfdt(const void *tree)
{
	const char *at = tree;
	uint32_t words = fdt_totalsize(tree) / 4;

	for (uint32_t i = 0; i + 1 < words; i++)
		if (fdt32_ld((const fdt32_t *)(const void *)(at + 4 * i)) == FDT_PROP &&
		    fdt32_ld((const fdt32_t *)(const void *)(at + 4 * i + 4)) > INT32_MAX / 2)
			return true;
	return false;
}

#endif
