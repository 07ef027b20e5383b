/*
 * Reading device trees: libfdt, with what every reader needs on top.
 */
#ifndef HYP_LIB_FDT_H
#define HYP_LIB_FDT_H

#include <libfdt.h>
#include <stdbool.h>
#include <stdint.h>

/* Big-endian cells of a property. */
struct fdt_cells {
	const fdt32_t *at; /* NULL: no such property */
	unsigned n;
};

struct fdt_cells fdt_cells(const void *tree, int node, const char *name);

/* @n (1 or 2) cells from index @i as one number; 0 where the property is shorter. */
uint64_t fdt_number(struct fdt_cells c, unsigned i, unsigned n);

/* Pair @i of `reg`, by @parent's #address-cells and #size-cells. false: there is none. */
bool fdt_reg(const void *tree, int parent, int node, unsigned i, uint64_t *base, uint64_t *bytes);

/* A property that is one string ending in 0, or NULL. */
const char *fdt_text(const void *tree, int node, const char *name);

/* Whether the string list @name of @node names @s. */
bool fdt_lists(const void *tree, int node, const char *name, const char *s);

#endif
