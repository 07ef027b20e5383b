/*
 * Reading device trees. Invariant: nothing outside a property's own bytes is read, whatever the
 * tree says; libfdt checks the tree's structure.
 */
#include "hyp/lib/fdt.h"

#include "hyp/lib/string.h"

struct fdt_cells fdt_cells(const void *tree, int node, const char *name)
{
	int bytes;
	const void *at = fdt_getprop(tree, node, name, &bytes);

	/* libfdt before 1.7 lets a length above INT_MAX through. */
	if (!at || bytes < 0)
		return (struct fdt_cells){ NULL, 0 };
	return (struct fdt_cells){ at, (unsigned)bytes / 4 };
}

uint64_t fdt_number(struct fdt_cells c, unsigned i, unsigned n)
{
	uint64_t v = 0;

	if (!c.at || i + n > c.n)
		return 0;
	while (n--)
		v = v << 32 | fdt32_ld(&c.at[i++]);
	return v;
}

bool fdt_reg(const void *tree, int parent, int node, unsigned i, uint64_t *base, uint64_t *bytes)
{
	int a = fdt_address_cells(tree, parent), s = fdt_size_cells(tree, parent);
	struct fdt_cells reg = fdt_cells(tree, node, "reg");

	if (a < 1 || a > 2 || s < 0 || s > 2 || i >= reg.n / (unsigned)(a + s))
		return false;
	i *= (unsigned)(a + s);
	*base = fdt_number(reg, i, (unsigned)a);
	*bytes = fdt_number(reg, i + (unsigned)a, (unsigned)s);
	return true;
}

const char *fdt_text(const void *tree, int node, const char *name)
{
	int bytes;
	const char *s = fdt_getprop(tree, node, name, &bytes);

	return s && bytes > 0 && strnlen(s, (size_t)bytes) == (size_t)bytes - 1 ? s : NULL;
}

bool fdt_lists(const void *tree, int node, const char *name, const char *s)
{
	return fdt_stringlist_search(tree, node, name, s) >= 0;
}
