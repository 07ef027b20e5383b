/*
 * Reading the host's device tree. One pass over the top level and one over the SoC's devices:
 * looking nodes up by path would walk the whole tree each time.
 *
 * Invariant: what comes from the tree is bounded before it is stored.
 */
#include "hyp/drv/host.h"

#include "hyp/lib/bits.h"
#include "hyp/lib/fdt.h"
#include "hyp/lib/log.h"
#include "hyp/lib/string.h"

#define NS_PER_S	UINT64_C(1000000000)
#define PLIC_S_EXTERNAL 9 /* the cause a PLIC context raises; 11 is M-mode's */

struct host host = { .bootargs = "" };

/* The phandle of each hart's interrupt controller, in the order of host.hart_id. */
static uint32_t intc_phandle[HOST_HARTS_MAX];

uint64_t host_ns(uint64_t ticks)
{
	if (!host.timebase)
		return 0;
	return ticks / host.timebase * NS_PER_S + ticks % host.timebase * NS_PER_S / host.timebase;
}

bool host_next_hart(uint64_t *set, struct sbi_harts *one)
{
	if (!*set)
		return false;
	*one = (struct sbi_harts){ 1, host.hart_id[bit_lowest(*set)] };
	*set &= *set - 1;
	return true;
}

/* Once the rows are used up the last one grows over all between: too much reserved does no harm. */
void host_reserve(uint64_t base, uint64_t bytes)
{
	struct frame_range *last = &host.reserved[HOST_RESERVED_MAX - 1];
	uint64_t end, last_end = last->base + last->bytes;

	if (!bytes)
		return;
	if (bytes > UINT64_MAX - base)
		bytes = UINT64_MAX - base;
	if (host.reserved_n < HOST_RESERVED_MAX) {
		host.reserved[host.reserved_n++] = (struct frame_range){ base, bytes };
		return;
	}
	end = base + bytes > last_end ? base + bytes : last_end;
	last->base = base < last->base ? base : last->base;
	last->bytes = end - last->base;
}

static void read_memory(const void *tree, int node)
{
	struct frame_range r;

	if (!host.ram.bytes && fdt_reg(tree, 0, node, 0, &r.base, &r.bytes))
		host.ram = r;
}

static void read_chosen(const void *tree, int node)
{
	const char *args = fdt_text(tree, node, "bootargs");
	struct fdt_cells from = fdt_cells(tree, node, "linux,initrd-start");
	struct fdt_cells to = fdt_cells(tree, node, "linux,initrd-end");
	uint64_t start = fdt_number(from, 0, from.n), end = fdt_number(to, 0, to.n);

	if (args)
		host.bootargs = args;
	if (end > start)
		host.bundle = (struct frame_range){ start, end - start };
}

static void read_reserved(const void *tree, int parent)
{
	struct frame_range r;
	int node;

	fdt_for_each_subnode (node, tree, parent)
		for (unsigned i = 0; fdt_reg(tree, parent, node, i, &r.base, &r.bytes); i++)
			host_reserve(r.base, r.bytes);
}

/* The boot hart goes first, so that vcpu 0 needs no other hart to be started. */
static void add_hart(const void *tree, int node, uint64_t id, uint64_t boot_hart)
{
	int intc = fdt_subnode_offset(tree, node, "interrupt-controller");
	unsigned at = host.harts++;

	if (id == boot_hart) {
		host.hart_id[at] = host.hart_id[0];
		intc_phandle[at] = intc_phandle[0];
		at = 0;
		host.cpu = node;
		host.isa = fdt_text(tree, node, "riscv,isa");
	}
	host.hart_id[at] = id;
	intc_phandle[at] = intc >= 0 ? fdt_get_phandle(tree, intc) : 0;
}

static void read_harts(const void *tree, int parent, uint64_t boot_hart)
{
	struct fdt_cells c = fdt_cells(tree, parent, "timebase-frequency");
	int node;

	host.timebase = fdt_number(c, 0, c.n);
	fdt_for_each_subnode (node, tree, parent) {
		struct fdt_cells reg = fdt_cells(tree, node, "reg");
		const char *status = fdt_text(tree, node, "status");
		uint64_t id = fdt_number(reg, 0, reg.n);

		if (!reg.n || (status && strcmp(status, "okay") != 0))
			continue;
		if (host.harts == HOST_HARTS_MAX && id != boot_hart)
			continue;
		if (host.harts == HOST_HARTS_MAX)
			host.harts--; /* whoever is dropped, it isn't the boot hart */
		add_hart(tree, node, id, boot_hart);
	}
}

/* interrupts-extended lists <&hart-intc cause> by context number. */
static void read_plic(const void *tree, int node, hpa_t base)
{
	struct fdt_cells c = fdt_cells(tree, node, "interrupts-extended");

	host.plic = base;
	for (unsigned context = 0; context * 2 + 1 < c.n; context++) {
		if (fdt_number(c, context * 2 + 1, 1) != PLIC_S_EXTERNAL)
			continue;
		for (unsigned h = 0; h < host.harts; h++)
			if (intc_phandle[h] == fdt_number(c, context * 2, 1))
				host.plic_context[h] = context;
	}
}

static unsigned read_irq(const void *tree, int node)
{
	return (unsigned)fdt_number(fdt_cells(tree, node, "interrupts"), 0, 1);
}

static void add_virtio(const void *tree, int node, hpa_t base)
{
	if (host.virtio_n == HOST_VIRTIO_MAX)
		return;
	host.virtio[host.virtio_n].base = base;
	host.virtio[host.virtio_n++].irq = read_irq(tree, node);
}

static void read_device(const void *tree, int parent, int node)
{
	uint64_t base, bytes;

	if (fdt_lists(tree, node, "compatible", "ns16550a")) {
		if (!host.uart.v && fdt_reg(tree, parent, node, 0, &base, &bytes)) {
			host.uart = hpa(base);
			host.uart_irq = read_irq(tree, node);
		}
	} else if (fdt_lists(tree, node, "compatible", "riscv,plic0")) {
		if (fdt_reg(tree, parent, node, 0, &base, &bytes))
			read_plic(tree, node, hpa(base));
	} else if (fdt_lists(tree, node, "compatible", "sifive,test0")) {
		if (fdt_reg(tree, parent, node, 0, &base, &bytes))
			host.finisher = hpa(base);
	} else if (fdt_lists(tree, node, "compatible", "virtio,mmio")) {
		if (fdt_reg(tree, parent, node, 0, &base, &bytes))
			add_virtio(tree, node, hpa(base));
	} else if (fdt_lists(tree, node, "compatible", "google,goldfish-rtc")) {
		if (fdt_reg(tree, parent, node, 0, &base, &bytes)) {
			host.rtc = hpa(base);
			host.rtc_irq = read_irq(tree, node);
		}
	}
}

static bool name_is(const char *name, const char *stem)
{
	size_t n = strlen(stem);

	return strncmp(name, stem, n) == 0 && (name[n] == 0 || name[n] == '@');
}

static void read_memreserve(const void *tree)
{
	for (int i = 0; i < fdt_num_mem_rsv(tree); i++) {
		uint64_t base, bytes;

		if (fdt_get_mem_rsv(tree, i, &base, &bytes) == 0)
			host_reserve(base, bytes);
	}
}

/* Every node the rest depends on comes first: the PLIC's contexts need the harts' phandles. */
static void read_top(const void *tree, uint64_t boot_hart)
{
	int node, soc = -1, at;

	fdt_for_each_subnode (node, tree, 0) {
		const char *name = fdt_get_name(tree, node, NULL);

		if (name_is(name, "memory"))
			read_memory(tree, node);
		else if (name_is(name, "chosen"))
			read_chosen(tree, node);
		else if (name_is(name, "reserved-memory"))
			read_reserved(tree, node);
		else if (name_is(name, "cpus"))
			read_harts(tree, node, boot_hart);
		else if (name_is(name, "soc"))
			soc = node;
	}
	if (soc < 0)
		return;
	fdt_for_each_subnode (at, tree, soc)
		read_device(tree, soc, at);
}

enum err host_read(const void *tree, uint64_t boot_hart)
{
	if (fdt_check_header(tree) != 0)
		return ERR_FORMAT;
	host.tree = tree;
	host.is_qemu_virt = fdt_lists(tree, 0, "compatible", "riscv-virtio");
	read_memreserve(tree);
	read_top(tree, boot_hart);
	return host.ram.bytes && host.harts && host.hart_id[0] == boot_hart && host.isa
		       ? OK
		       : ERR_FORMAT;
}

/* What follows @name where a word of @args is it, or begins with it and '='; else NULL. */
static const char *find_option(const char *args, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = args; *at;) {
		if (strncmp(at, name, n) == 0 && (!at[n] || at[n] == ' ' || at[n] == '='))
			return at + n;
		while (*at && *at != ' ')
			at++;
		while (*at == ' ')
			at++;
	}
	return NULL;
}

const char *option_find(const char *args, const char *name, size_t *n)
{
	const char *v = find_option(args, name);

	if (!v || *v++ != '=')
		return NULL;
	for (*n = 0; v[*n] && v[*n] != ' ';)
		++*n;
	return v;
}

bool option_value(const char *args, const char *name, char *value, size_t room)
{
	size_t n;
	const char *v = option_find(args, name, &n);

	if (!v)
		return false;
	n = n < room ? n : room - 1;
	memcpy(value, v, n);
	value[n] = 0;
	return true;
}

bool host_option(const char *name, char *value, size_t room)
{
	return option_value(host.bootargs, name, value, room);
}

bool host_has_option(const char *name)
{
	return find_option(host.bootargs, name) != NULL;
}

/* "rv64imafdch_zicsr_sstc": after rv64 the single letters, then longer names. */
bool isa_has(const char *isa, const char *name)
{
	size_t n = strlen(name);
	const char *at = isa + strnlen(isa, strlen("rv64"));

	if (n == 1) {
		for (; *at && *at != '_'; at++)
			if (*at == *name)
				return true;
		return false;
	}
	while ((at = strchr(at, '_')) != NULL) {
		at++;
		if (strncmp(at, name, n) == 0 && (at[n] == '_' || at[n] == 0))
			return true;
	}
	return false;
}
