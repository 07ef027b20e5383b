/*
 * Reading bundles. See bundle.h.
 *
 * Invariant: a node of .node[] is one of /configurations' own, so that its name can be asked for.
 * Next to read: dts/README.md for what properties mean, vm.c for who uses them.
 *
 * Source of the format: U-Boot's documentation of FIT, "external data": data-offset counts from
 * the end of the tree, data-position from its start.
 */
#include "hyp/vm/bundle.h"

#include "hyp/dev/virtio.h"
#include "hyp/drv/host.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/lib/fdt.h"
#include "hyp/lib/log.h"
#include "hyp/lib/printf.h"
#include "hyp/lib/string.h"
#include "hyp/mm/phys.h"
#include "hyp/vcpu/vcpu.h"

#define MEMORY_DEFAULT MIB(64)

static enum err refuse(enum err e, const char *name, const char *what)
{
	log_error("bundle: %s: %s: %s", name, what, err_name(e));
	return e;
}

static const void *fit_of(const struct bundle *b)
{
	return phys_pointer(hpa(b->where.base));
}

static const char *name_of(const struct bundle *b, unsigned i)
{
	return fdt_get_name(fit_of(b), b->node[i], NULL);
}

static int find_image(const void *fit, const char *name)
{
	int images = fdt_subnode_offset(fit, 0, "images");

	return images < 0 ? images : fdt_subnode_offset(fit, images, name);
}

/* Where the bytes of image @node lie in the bundle, as it says. false: it doesn't. */
static bool image_bytes(const void *fit, int node, uint64_t *at, uint64_t *bytes)
{
	struct fdt_cells size = fdt_cells(fit, node, "data-size");
	struct fdt_cells position = fdt_cells(fit, node, "data-position");
	struct fdt_cells offset = fdt_cells(fit, node, "data-offset");

	*bytes = fdt_number(size, 0, size.n);
	*at = position.n ? fdt_number(position, 0, position.n)
			 : align_up(fdt_totalsize(fit), 4) + fdt_number(offset, 0, offset.n);
	return size.n && (position.n || offset.n);
}

/* Where image @name's bytes lie. */
static enum err find_file(const struct bundle *b, const char *name, struct vm_file *file)
{
	int node = find_image(fit_of(b), name);
	uint64_t at, bytes;

	if (node < 0)
		return refuse(ERR_MISSING, name, "image");
	if (!image_bytes(fit_of(b), node, &at, &bytes))
		return refuse(ERR_FORMAT, name, "external data");
	if (!bytes || !range_holds(0, b->where.bytes, at, bytes)) {
		log_error("bundle: %s: needs bytes %lu to %lu, the bundle ends at %lu: truncated?",
			  name, at, at + bytes, b->where.bytes);
		return ERR_RANGE;
	}
	*file = (struct vm_file){ .at = hpa(b->where.base + at), .bytes = bytes };
	return OK;
}

/* Whether the image that @property of @node names has some of the bytes of @file. */
static bool names_bytes_of(const struct bundle *b, int node, const char *property,
			   const struct vm_file *file)
{
	const char *name = fdt_text(fit_of(b), node, property);
	int image = name ? find_image(fit_of(b), name) : -1;
	uint64_t from = file->at.v - b->where.base, at, bytes;

	return image >= 0 && image_bytes(fit_of(b), image, &at, &bytes) &&
	       (at - from < file->bytes || from - at < bytes);
}

/* Whether @node, a VM, has some of the bytes of @file, in its kernel, its initrd or a disk. */
static bool has_bytes_of(const struct bundle *b, int node, const struct vm_file *file)
{
	int disks = fdt_subnode_offset(fit_of(b), node, "disks"), disk;

	if (names_bytes_of(b, node, "kernel", file) || names_bytes_of(b, node, "ramdisk", file))
		return true;
	if (disks < 0)
		return false;
	fdt_for_each_subnode (disk, fit_of(b), disks)
		if (names_bytes_of(b, disk, "image", file))
			return true;
	return false;
}

static bool is_shared(const struct bundle *b, int node, const struct vm_file *file)
{
	for (unsigned i = 0; file->bytes && i < b->vms; i++)
		if (b->node[i] != node && has_bytes_of(b, b->node[i], file))
			return true;
	return false;
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

/* It is shown on terminals, and typed. */
static bool name_is_good(const char *name)
{
	size_t n = strnlen(name, VM_NAME_MAX + 1);

	for (size_t i = 0; i < n; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= 'A' && name[i] <= 'Z') &&
		    !(name[i] >= '0' && name[i] <= '9') && (!strchr("._-", name[i]) || !i))
			return false;
	return n >= 1 && n <= VM_NAME_MAX;
}

static enum err read_memory(const void *fit, int node, struct vm_config *c)
{
	struct fdt_cells memory = fdt_cells(fit, node, "memory");

	c->memory = memory.at ? fdt_number(memory, 0, memory.n) : MEMORY_DEFAULT;
	if (memory.n > 2 || !c->memory || !is_aligned(c->memory, PAGE_SIZE) ||
	    c->memory > UINT64_C(1) << 52)
		return refuse(ERR_RANGE, c->name, "memory");
	return OK;
}

/* One cell from @least to @most; *@value stays where it is left out. */
static enum err read_number(const void *fit, int node, const char *property, const char *vm,
			    unsigned least, unsigned most, unsigned *value)
{
	struct fdt_cells n = fdt_cells(fit, node, property);

	if (!n.at)
		return OK;
	*value = (unsigned)fdt_number(n, 0, 1);
	return n.n != 1 || *value < least || *value > most ? refuse(ERR_RANGE, vm, property) : OK;
}

static enum err read_numbers(const void *fit, int node, unsigned harts, struct vm_config *c)
{
	enum err e;

	c->vcpus = harts;
	c->weight = WEIGHT_DEFAULT;
	if ((e = read_memory(fit, node, c)) ||
	    (e = read_number(fit, node, "vcpus", c->name, 1, VCPUS_MAX, &c->vcpus)) ||
	    (e = read_number(fit, node, "weight", c->name, 1, VM_WEIGHT_MAX, &c->weight)))
		return e;
	return read_number(fit, node, "order", c->name, 0, UINT32_MAX, &c->order);
}

/* Harts that the machine hasn't are left out; something must be left. */
static enum err read_affinity(const void *fit, int node, unsigned harts, struct vm_config *c)
{
	struct fdt_cells wanted = fdt_cells(fit, node, "affinity");

	for (unsigned i = 0; i < wanted.n; i++) {
		uint64_t hart = fdt_number(wanted, i, 1);

		if (hart >= HOST_HARTS_MAX)
			return refuse(ERR_RANGE, c->name, "affinity");
		if (hart < harts)
			c->affinity |= UINT32_C(1) << hart;
	}
	if (!wanted.at || c->affinity)
		return OK;
	return refuse(ERR_MISSING, c->name, "affinity: the machine has none of these harts");
}

static enum err read_files(const struct bundle *b, int node, struct vm_config *c)
{
	const char *kernel, *ramdisk;
	enum err e;

	if ((e = read_text(fit_of(b), node, "kernel", c->name, &kernel)) ||
	    (e = read_text(fit_of(b), node, "ramdisk", c->name, &ramdisk)))
		return e;
	if (!kernel)
		return refuse(ERR_MISSING, c->name, "kernel");
	e = find_file(b, kernel, &c->kernel);
	if (!e && ramdisk)
		e = find_file(b, ramdisk, &c->initrd);
	if (e)
		return e;
	c->kernel.shared = is_shared(b, node, &c->kernel);
	c->initrd.shared = is_shared(b, node, &c->initrd);
	return OK;
}

/* A string of at most @most characters, that may be left out. */
static enum err read_short(const void *fit, int node, const char *property, const char *vm,
			   size_t most, const char **text)
{
	enum err e = read_text(fit, node, property, vm, text);

	return !e && *text && strlen(*text) > most ? refuse(ERR_RANGE, vm, property) : e;
}

static enum err read_image(const struct bundle *b, const char *image, const char *vm,
			   struct virtio_disk *disk)
{
	struct vm_file file;
	enum err e = find_file(b, image, &file);

	if (e)
		return e;
	if (file.bytes % VIRTIO_SECTOR || file.bytes > VIRTIO_DISK_BYTES_MAX)
		return refuse(ERR_RANGE, vm, "bytes of a disk");
	disk->at = file.at;
	disk->bytes = file.bytes;
	return OK;
}

/* A disk of the host's, or an image of the bundle. */
static enum err read_disk(const struct bundle *b, int node, const char *vm,
			  struct virtio_disk *disk)
{
	const void *fit = fit_of(b);
	const char *image;
	enum err e;

	*disk = (struct virtio_disk){ .is_readonly =
					      fdt_getprop(fit, node, "readonly", NULL) != NULL };
	if ((e = read_text(fit, node, "image", vm, &image)) ||
	    (e = read_short(fit, node, "serial", vm, VIRTIO_SERIAL_MAX, &disk->serial)) ||
	    (e = read_short(fit, node, "host", vm, VIRTIO_SERIAL_MAX, &disk->host)) ||
	    (e = read_short(fit, node, "partition", vm, GPT_LABEL_MAX, &disk->partition)))
		return e;
	if (!disk->serial)
		disk->serial = "";
	if (disk->host)
		return OK;
	return image ? read_image(b, image, vm, disk) : refuse(ERR_MISSING, vm, "image of a disk");
}

static enum err read_disks(const struct bundle *b, int node, struct vm_config *c)
{
	int disks = fdt_subnode_offset(fit_of(b), node, "disks"), disk;

	if (disks < 0)
		return OK;
	fdt_for_each_subnode (disk, fit_of(b), disks) {
		enum err e = ERR_FULL;

		if (c->disks == VM_DISKS_MAX)
			return refuse(e, c->name, "disks");
		e = read_disk(b, disk, c->name, &c->disk[c->disks++]);
		if (e)
			return e;
	}
	return OK;
}

static enum err read_net(const struct bundle *b, int node, const char *vm, struct switch_rules *net)
{
	int n = 0;
	const uint8_t *mac = fdt_getprop(fit_of(b), node, "mac", &n);

	if (!mac || n != MAC_BYTES)
		return refuse(ERR_FORMAT, vm, "mac of a net");
	*net = (struct switch_rules){
		.mac = mac_read(mac),
		.is_isolated = fdt_getprop(fit_of(b), node, "isolated", NULL) != NULL,
		.is_private = fdt_getprop(fit_of(b), node, "private", NULL) != NULL,
		.any_mac = fdt_getprop(fit_of(b), node, "any-mac", NULL) != NULL,
	};
	return !net->mac || mac_is_group(net->mac) ? refuse(ERR_RANGE, vm, "mac of a net") : OK;
}

static enum err read_nets(const struct bundle *b, int node, struct vm_config *c)
{
	int nets = fdt_subnode_offset(fit_of(b), node, "nets"), net;

	if (nets < 0)
		return OK;
	fdt_for_each_subnode (net, fit_of(b), nets) {
		enum err e = ERR_FULL;

		if (c->nets == VM_NETS_MAX)
			return refuse(e, c->name, "nets");
		e = read_net(b, net, c->name, &c->net[c->nets++]);
		if (e)
			return e;
	}
	return OK;
}

static enum err read_ports(const void *fit, int node, struct vm_config *c)
{
	const char *list;
	size_t bytes;
	enum err e = read_list(fit, node, "ports", c->name, &list, &bytes);

	for (size_t n; !e && bytes; list += n, bytes -= n) {
		n = strlen(list) + 1;
		if (c->ports == VIRTIO_CONSOLE_NAMED)
			return refuse(ERR_FULL, c->name, "ports");
		if (!name_is_good(list))
			return refuse(ERR_FORMAT, c->name, "ports");
		for (unsigned i = 0; i < c->ports; i++)
			if (strcmp(c->port[i], list) == 0)
				return refuse(ERR_OVERLAP, c->name, "ports");
		c->port[c->ports++] = list;
	}
	return e;
}

/* How many places on the board it takes, but for the entropy device's. */
static unsigned devices_of(const struct vm_config *c)
{
	return c->disks + c->nets + vm_has_console(c) +
	       (c->choices.word[CHOICE_BALLOON] == BALLOON_ON);
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

static bool next_name(struct name_list *list, const char **name, size_t *n)
{
	size_t used;

	if (!list->bytes)
		return false;
	*name = list->at;
	for (*n = 0; *n < list->bytes && (*name)[*n] && (*name)[*n] != ',';)
		++*n;
	used = *n + (*n < list->bytes);
	list->at += used;
	list->bytes -= used;
	return true;
}

static bool lists(struct name_list list, const char *wanted)
{
	const char *name;
	size_t n;

	while (next_name(&list, &name, &n))
		if (strlen(wanted) == n && strncmp(wanted, name, n) == 0)
			return true;
	return false;
}

static enum err read_name(const struct bundle *b, unsigned i, struct vm_config *c)
{
	c->name = name_of(b, i);
	if (!name_is_good(c->name)) {
		log_error("bundle: VM number %u: its name is no good: %s", i + 1,
			  err_name(ERR_FORMAT));
		return ERR_FORMAT;
	}
	for (unsigned k = 0; k < i; k++)
		if (strcmp(name_of(b, k), c->name) == 0)
			return refuse(ERR_OVERLAP, c->name, "name of two VMs");
	return OK;
}

enum err bundle_read(const struct bundle *b, unsigned i, unsigned harts, struct vm_config *c)
{
	const void *fit = fit_of(b);
	int node = b->node[i];
	enum err e;

	*c = (struct vm_config){ 0 };
	if ((e = read_name(b, i, c)))
		return e;
	c->autostart = !b->starts.at || lists(b->starts, c->name);
	if (!fdt_lists(fit, node, "compatible", "gnomon,vm"))
		return refuse(ERR_FORMAT, c->name, "compatible");
	if ((e = read_numbers(fit, node, harts, c)) || (e = read_affinity(fit, node, harts, c)) ||
	    (e = read_mode(fit, node, c)) || (e = read_choices(fit, node, c)) ||
	    (e = read_text(fit, node, "bootargs", c->name, &c->bootargs)) ||
	    (e = read_list(fit, node, "isa-mask", c->name, &c->isa_mask, &c->isa_mask_bytes)) ||
	    (e = read_list(fit, node, "sbi-mask", c->name, &c->sbi_mask, &c->sbi_mask_bytes)))
		return e;
	choices_from_options(&c->choices, b->args);
	if ((e = read_files(b, node, c)) || (e = read_disks(b, node, c)) ||
	    (e = read_nets(b, node, c)) || (e = read_ports(fit, node, c)))
		return e;
	return devices_of(c) > VM_DEVICES_MAX ? refuse(ERR_FULL, c->name, "devices") : OK;
}

static uint64_t order_of(const void *fit, int node)
{
	return fdt_number(fdt_cells(fit, node, "order"), 0, 1);
}

/* Those that are too many are not taken; *@left_out tells. The sort is stable. */
static void list_vms(struct bundle *b, int configurations, bool *left_out)
{
	const void *fit = fit_of(b);
	int node;

	*left_out = false;
	fdt_for_each_subnode (node, fit, configurations) {
		unsigned i = b->vms;

		if (i == BUNDLE_VMS_MAX) {
			*left_out = true;
			return;
		}
		for (; i > 0 && order_of(fit, b->node[i - 1]) > order_of(fit, node); i--)
			b->node[i] = b->node[i - 1];
		b->node[i] = node;
		b->vms++;
	}
}

/* Its configurations; or below 0, as libfdt has it, which can't check trees before version 17. */
static int find_outline(const struct bundle *b)
{
	if (b->where.bytes < FDT_V17_SIZE || fdt_version(fit_of(b)) < 17 ||
	    fdt_check_full(fit_of(b), b->where.bytes) != 0)
		return -FDT_ERR_BADSTRUCTURE;
	return fdt_subnode_offset(fit_of(b), 0, "configurations");
}

/* Who starts by itself: guest= says, or the bundle's default; by neither it is all. */
static enum err read_starts(struct bundle *b, int configurations)
{
	struct name_list *starts = &b->starts;
	const char *option = option_find(b->args, "guest", &starts->bytes);

	if (!option)
		return read_list(fit_of(b), configurations, "default", "bundle", &starts->at,
				 &starts->bytes);
	starts->at = option;
	return OK;
}

static enum err no_such_vm(const struct bundle *b, const char *name)
{
	char there[128] = "";
	size_t n = 0;

	for (unsigned i = 0; i < b->vms && n < sizeof(there); i++)
		if (name_is_good(name_of(b, i)))
			n += format_text(there + n, sizeof(there) - n, " %s", name_of(b, i));
	log_error("bundle: no VM %s; there are:%s", name, there);
	return ERR_MISSING;
}

static enum err check_starts(const struct bundle *b)
{
	struct name_list list = b->starts;
	const char *name;
	size_t n;

	while (next_name(&list, &name, &n)) {
		char text[VM_NAME_MAX + 1] = { 0 };
		unsigned i = 0;

		memcpy(text, name, n < VM_NAME_MAX ? n : VM_NAME_MAX);
		while (i < b->vms && strcmp(name_of(b, i), text) != 0)
			i++;
		if (i == b->vms || n > VM_NAME_MAX)
			return no_such_vm(b, text);
	}
	return OK;
}

static enum err read_end(struct bundle *b, int configurations)
{
	char option[8];
	const char *word;
	enum err e = read_text(fit_of(b), configurations, "end", "bundle", &word);

	if (e)
		return e;
	if (option_value(b->args, "end", option, sizeof(option)))
		word = option;
	b->never_ends = word && strcmp(word, "never") == 0;
	return !word || b->never_ends || strcmp(word, "all") == 0
		       ? OK
		       : refuse(ERR_FORMAT, "bundle", "end");
}

enum err bundle_open(struct bundle *b, struct frame_range where, const char *args)
{
	int configurations;
	bool left_out;
	enum err e;

	*b = (struct bundle){ .where = where, .args = args };
	configurations = find_outline(b);
	if (configurations == -FDT_ERR_BADSTRUCTURE)
		return refuse(ERR_FORMAT, "bundle", "FIT image");
	if (configurations < 0)
		return refuse(ERR_MISSING, "bundle", "configurations");
	list_vms(b, configurations, &left_out);
	if (left_out)
		log_error("bundle: more than %u VMs: the others are left out", BUNDLE_VMS_MAX);
	if (!b->vms)
		return refuse(ERR_MISSING, "bundle", "VMs");
	if ((e = read_end(b, configurations)) || (e = read_starts(b, configurations)))
		return e;
	return check_starts(b);
}

static bool shares_table(const void *fit, int node, const char *args, const char *isa)
{
	struct choices c = choices_default();
	const struct way *way;

	for (enum choice_name i = 0; node >= 0 && i < CHOICES; i++) {
		const char *word = fdt_text(fit, node, choice_text(i));

		if (word)
			(void)choice_set(&c, i, word);
	}
	choices_from_options(&c, args);
	way = way_choose(&c, isa);
	return way && way->shares_table;
}

bool bundle_shares_table(struct frame_range where, const char *args, const char *isa)
{
	struct bundle b = { .where = where, .args = args };
	int configurations = find_outline(&b);
	bool left_out;

	if (configurations >= 0)
		list_vms(&b, configurations, &left_out);
	if (!b.vms)
		return shares_table(NULL, -1, args, isa);
	for (unsigned i = 0; i < b.vms; i++)
		if (shares_table(fit_of(&b), b.node[i], args, isa))
			return true;
	return false;
}
