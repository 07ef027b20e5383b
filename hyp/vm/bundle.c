/*
 * Reading bundles. See bundle.h.
 *
 * Source of the format: U-Boot's documentation of FIT, "external data": data-offset counts from
 * the end of the tree, data-position from its start.
 */
#include "hyp/vm/bundle.h"

#include "hyp/g-stage/gstage.h"
#include "hyp/lib/fdt.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"
#include "hyp/vcpu/vcpu.h"

#define MEMORY_DEFAULT MIB(64)

static enum err refuse(enum err e, const char *name, const char *what)
{
	log_error("bundle: %s: %s: %s", name, what, err_name(e));
	return e;
}

/* Where image @name's bytes lie. */
static enum err find_file(const void *fit, struct frame_range where, const char *name,
			  struct vm_file *file)
{
	int images = fdt_subnode_offset(fit, 0, "images");
	int node = images < 0 ? images : fdt_subnode_offset(fit, images, name);
	struct fdt_cells size, position, offset;
	uint64_t at, bytes;

	if (node < 0)
		return refuse(ERR_MISSING, name, "image");
	size = fdt_cells(fit, node, "data-size");
	position = fdt_cells(fit, node, "data-position");
	offset = fdt_cells(fit, node, "data-offset");
	if (!size.n || !(position.n || offset.n))
		return refuse(ERR_FORMAT, name, "external data");
	bytes = fdt_number(size, 0, size.n);
	at = position.n ? fdt_number(position, 0, position.n)
			: align_up(fdt_totalsize(fit), 4) + fdt_number(offset, 0, offset.n);
	if (!bytes || !range_holds(0, where.bytes, at, bytes)) {
		log_error("bundle: %s: needs bytes %lu to %lu, the bundle ends at %lu: truncated?",
			  name, at, at + bytes, where.bytes);
		return ERR_RANGE;
	}
	*file = (struct vm_file){ hpa(where.base + at), bytes };
	return OK;
}

/* A string that may be left out: *@text is NULL then. What is there must be a string. */
static enum err read_text(const void *fit, int node, const char *property, const char *vm,
			  const char **text)
{
	*text = fdt_text(fit, node, property);
	if (!*text && fdt_getprop(fit, node, property, NULL))
		return refuse(ERR_FORMAT, vm, property);
	return OK;
}

static enum err read_mode(const void *fit, int node, struct vm_config *c)
{
	const char *mode;
	enum err e = read_text(fit, node, "gstage-mode", c->name, &mode);

	if (e || !mode || strcmp(mode, "auto") == 0)
		return e;
	for (unsigned i = 0; i < GSTAGE_MODES; i++)
		if (strcmp(mode, gstage_modes[i].name) == 0)
			c->gstage_mode = &gstage_modes[i];
	return c->gstage_mode ? OK : refuse(ERR_FORMAT, c->name, "gstage-mode");
}

/* A string list must end in 0; libfdt gives its bytes as they are. */
static enum err read_list(const void *fit, int node, const char *property, const char *vm,
			  const char **list, size_t *bytes)
{
	int n = 0;

	*list = fdt_getprop(fit, node, property, &n);
	*bytes = *list ? (size_t)n : 0;
	return *bytes && (*list)[*bytes - 1] ? refuse(ERR_FORMAT, vm, property) : OK;
}

static enum err read_numbers(const void *fit, int node, unsigned vcpus, struct vm_config *c)
{
	struct fdt_cells memory = fdt_cells(fit, node, "memory");
	struct fdt_cells n = fdt_cells(fit, node, "vcpus");

	c->memory = memory.at ? fdt_number(memory, 0, memory.n) : MEMORY_DEFAULT;
	c->vcpus = n.at ? (unsigned)fdt_number(n, 0, 1) : vcpus;
	if (memory.n > 2 || !c->memory || !is_aligned(c->memory, PAGE_SIZE) ||
	    c->memory > UINT64_C(1) << 52)
		return refuse(ERR_RANGE, c->name, "memory");
	if (n.n > 1 || !c->vcpus || c->vcpus > VCPUS_MAX)
		return refuse(ERR_RANGE, c->name, "vcpus");
	return OK;
}

static enum err read_files(const void *fit, int node, struct frame_range where, struct vm_config *c)
{
	const char *kernel, *ramdisk;
	enum err e;

	if ((e = read_text(fit, node, "kernel", c->name, &kernel)) ||
	    (e = read_text(fit, node, "ramdisk", c->name, &ramdisk)))
		return e;
	if (!kernel)
		return refuse(ERR_MISSING, c->name, "kernel");
	e = find_file(fit, where, kernel, &c->kernel);
	if (!e && ramdisk)
		e = find_file(fit, where, ramdisk, &c->initrd);
	return e;
}

static enum err read_choices(const void *fit, int node, struct vm_config *c)
{
	c->choices = choices_default();
	for (enum choice_name i = 0; i < CHOICES; i++) {
		const char *word;
		enum err e = read_text(fit, node, choice_text(i), c->name, &word);

		if (!e && word && !choice_set(&c->choices, i, word))
			e = refuse(ERR_FORMAT, c->name, choice_text(i));
		if (e)
			return e;
	}
	return OK;
}

static enum err read_config(const void *fit, int node, struct frame_range where, unsigned vcpus,
			    struct vm_config *c)
{
	enum err e;

	*c = (struct vm_config){ .name = fdt_get_name(fit, node, NULL) };
	if (!fdt_lists(fit, node, "compatible", "gnomon,vm"))
		return refuse(ERR_FORMAT, c->name, "compatible");
	if ((e = read_numbers(fit, node, vcpus, c)) || (e = read_mode(fit, node, c)) ||
	    (e = read_choices(fit, node, c)) ||
	    (e = read_text(fit, node, "bootargs", c->name, &c->bootargs)) ||
	    (e = read_list(fit, node, "isa-mask", c->name, &c->isa_mask, &c->isa_mask_bytes)) ||
	    (e = read_list(fit, node, "sbi-mask", c->name, &c->sbi_mask, &c->sbi_mask_bytes)))
		return e;
	return read_files(fit, node, where, c);
}

/*
 * The node of VM *@name, or of the default VM where that is NULL; *@name gets its name then, and
 * stays NULL where there is no default.
 */
static enum err find_vm(struct frame_range where, const char **name, int *node)
{
	const void *fit = phys_pointer(hpa(where.base));
	int all;

	if (where.bytes < FDT_V1_SIZE || fdt_check_full(fit, where.bytes) != 0)
		return ERR_FORMAT;
	all = fdt_subnode_offset(fit, 0, "configurations");
	if (all >= 0 && !*name)
		*name = fdt_text(fit, all, "default");
	if (all < 0)
		*name = NULL;
	*node = *name ? fdt_subnode_offset(fit, all, *name) : -1;
	return *node < 0 ? ERR_MISSING : OK;
}

enum err bundle_read(struct frame_range where, const char *name, unsigned vcpus,
		     struct vm_config *config)
{
	int node;
	enum err e = find_vm(where, &name, &node);

	if (e == ERR_FORMAT)
		return refuse(e, "bundle", "FIT image");
	if (e)
		return name ? refuse(e, name, "VM of that name")
			    : refuse(e, "bundle", "configurations");
	return read_config(phys_pointer(hpa(where.base)), node, where, vcpus, config);
}

struct choices bundle_choices(struct frame_range where, const char *name)
{
	const void *fit = phys_pointer(hpa(where.base));
	struct choices c = choices_default();
	int node;

	if (find_vm(where, &name, &node) != OK)
		return c;
	for (enum choice_name i = 0; i < CHOICES; i++) {
		const char *word = fdt_text(fit, node, choice_text(i));

		if (word)
			(void)choice_set(&c, i, word);
	}
	return c;
}
