/*
 * Writing a guest's device tree with libfdt's sequential writer, in the order in which a reader
 * meets it: root, chosen, memory, cpus, soc.
 *
 * Invariant: phandles are HART_PHANDLE + n for the harts' interrupt controllers, and the two below.
 */
#include "hyp/vm/devicetree.h"

#include "hyp/drv/host.h"
#include "hyp/lib/check.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/fdt.h"
#include "hyp/lib/printf.h"
#include "hyp/lib/random.h"
#include "hyp/lib/string.h"
#include "hyp/vm/vm.h"

enum { PLIC_PHANDLE = 1, TEST_PHANDLE = 2, HART_PHANDLE = 16 };
enum { IRQ_M_EXTERNAL = 11, IRQ_S_EXTERNAL = 9 };
#define UART_CLOCK 3686400
#define SEED	   "rng-seed"
#define SEED_BYTES 32

/* The writer remembers its first failure; the end looks at it. */
struct writer {
	void *to;
	int error;
};

static void note(struct writer *w, int e)
{
	if (e < 0 && !w->error)
		w->error = e;
}

static void begin(struct writer *w, const char *name)
{
	note(w, fdt_begin_node(w->to, name));
}

/* A node named by what it is and where: "serial@10000000". */
static void begin_at(struct writer *w, const char *name, uint64_t at)
{
	char full[40];

	format_text(full, sizeof(full), "%s@%lx", name, at);
	begin(w, full);
}

static void end(struct writer *w)
{
	note(w, fdt_end_node(w->to));
}

static void bytes(struct writer *w, const char *name, const void *value, size_t n)
{
	note(w, fdt_property(w->to, name, value, (int)n));
}

static void text(struct writer *w, const char *name, const char *value)
{
	bytes(w, name, value, strlen(value) + 1);
}

static void cell(struct writer *w, const char *name, uint32_t value)
{
	note(w, fdt_property_u32(w->to, name, value));
}

static void reg(struct writer *w, uint64_t base, uint64_t size)
{
	fdt64_t pair[2] = { cpu_to_fdt64(base), cpu_to_fdt64(size) };

	bytes(w, "reg", pair, sizeof(pair));
}

static void cell_sizes(struct writer *w, uint32_t address, uint32_t size)
{
	cell(w, "#address-cells", address);
	cell(w, "#size-cells", size);
}

static void write_chosen(struct writer *w, const struct vm *vm, gpa_t initrd, uint64_t n)
{
	static const uint8_t seed[SEED_BYTES];

	begin(w, "chosen");
	if (vm->config.bootargs)
		text(w, "bootargs", vm->config.bootargs);
	text(w, "stdout-path", "/soc/serial@10000000");
	bytes(w, SEED, seed, sizeof(seed));
	if (n) {
		note(w, fdt_property_u64(w->to, "linux,initrd-start", initrd.v));
		note(w, fdt_property_u64(w->to, "linux,initrd-end", initrd.v + n));
	}
	end(w);
}

static void write_memory(struct writer *w, const struct vm *vm)
{
	begin_at(w, "memory", VM_RAM_BASE);
	text(w, "device_type", "memory");
	reg(w, VM_RAM_BASE, vm->config.memory);
	end(w);
}

static void write_extensions(struct writer *w, const char *isa)
{
	char list[ISA_STRING_MAX], name[ISA_NAME_MAX];
	size_t n = 0;

	for (size_t at = 0; (at = isa_next(isa, at, name)) != 0;) {
		memcpy(list + n, name, strlen(name) + 1);
		n += strlen(name) + 1;
	}
	text(w, "riscv,isa-base", "rv64i");
	bytes(w, "riscv,isa-extensions", list, n);
}

/* What the host says of its own harts and holds for the guest's too. */
static void copy_from_host(struct writer *w, const char *name)
{
	int n;
	const void *value = fdt_getprop(host.tree, host.cpu, name, &n);

	if (value)
		bytes(w, name, value, (size_t)n);
}

/* The host's, but where the guest shares a table with the hypervisor: there only what is left. */
static void write_mmu_type(struct writer *w, const struct vm *vm)
{
	static const struct {
		uint64_t mode;
		const char *type;
	} types[] = {
		{ ATP_MODE_SV57, "riscv,sv57" },
		{ ATP_MODE_SV48, "riscv,sv48" },
		{ ATP_MODE_SV39, "riscv,sv39" },
	};

	if (!vm->way->shares_table) {
		copy_from_host(w, "mmu-type");
		return;
	}
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (shadow_mode_works(types[i].mode)) {
			text(w, "mmu-type", types[i].type);
			return;
		}
	text(w, "mmu-type", "riscv,none");
}

static void write_hart(struct writer *w, const struct vm *vm, unsigned id)
{
	static const char *const same[] = { "riscv,cbom-block-size", "riscv,cboz-block-size",
					    "riscv,cbop-block-size" };

	begin_at(w, "cpu", id);
	text(w, "device_type", "cpu");
	text(w, "status", "okay");
	text(w, "compatible", "riscv");
	cell(w, "reg", id);
	text(w, "riscv,isa", vm->isa.string);
	write_extensions(w, vm->isa.string);
	write_mmu_type(w, vm);
	for (unsigned i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		copy_from_host(w, same[i]);
	begin(w, "interrupt-controller");
	text(w, "compatible", "riscv,cpu-intc");
	cell(w, "#interrupt-cells", 1);
	bytes(w, "interrupt-controller", NULL, 0);
	cell(w, "phandle", HART_PHANDLE + id);
	end(w);
	end(w);
}

static void write_cpus(struct writer *w, const struct vm *vm)
{
	begin(w, "cpus");
	cell_sizes(w, 1, 0);
	cell(w, "timebase-frequency", (uint32_t)host.timebase);
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		write_hart(w, vm, i);
	end(w);
}

static void begin_device(struct writer *w, const char *name, unsigned id)
{
	const struct board_device *d = &board_devices[id];

	begin_at(w, name, d->base);
	reg(w, d->base, d->bytes);
}

static void interrupt(struct writer *w, uint32_t irq)
{
	cell(w, "interrupts", irq);
	cell(w, "interrupt-parent", PLIC_PHANDLE);
}

static void write_plic(struct writer *w, const struct vm *vm)
{
	fdt32_t to[4 * VCPUS_MAX];

	for (uint32_t i = 0; i < vm->vcpus_n; i++) {
		to[4 * i] = to[4 * i + 2] = cpu_to_fdt32(HART_PHANDLE + i);
		to[4 * i + 1] = cpu_to_fdt32(IRQ_M_EXTERNAL);
		to[4 * i + 3] = cpu_to_fdt32(IRQ_S_EXTERNAL);
	}
	begin_device(w, "plic", BOARD_PLIC);
	bytes(w, "compatible", "sifive,plic-1.0.0\0riscv,plic0",
	      sizeof("sifive,plic-1.0.0\0riscv,plic0"));
	bytes(w, "interrupts-extended", to, vm->vcpus_n * 4 * sizeof(to[0]));
	bytes(w, "interrupt-controller", NULL, 0);
	cell(w, "#interrupt-cells", 1);
	cell(w, "#address-cells", 0);
	cell(w, "riscv,ndev", PLIC_SOURCES - 1);
	cell(w, "phandle", PLIC_PHANDLE);
	end(w);
}

static void write_virtio(struct writer *w)
{
	uint64_t base = board_devices[BOARD_VIRTIO].base;

	for (uint32_t slot = 0; slot < VIRTIO_SLOTS; slot++) {
		uint64_t at = base + slot * VIRTIO_SLOT_BYTES;

		begin_at(w, board_devices[BOARD_VIRTIO].name, at);
		text(w, "compatible", "virtio,mmio");
		reg(w, at, VIRTIO_SLOT_BYTES);
		interrupt(w, BOARD_IRQ_VIRTIO + slot);
		end(w);
	}
}

static void write_soc(struct writer *w, const struct vm *vm)
{
	begin(w, "soc");
	text(w, "compatible", "simple-bus");
	cell_sizes(w, 2, 2);
	bytes(w, "ranges", NULL, 0);

	begin_device(w, "serial", BOARD_UART);
	text(w, "compatible", "ns16550a");
	cell(w, "clock-frequency", UART_CLOCK);
	interrupt(w, BOARD_IRQ_UART);
	end(w);

	begin_device(w, "rtc", BOARD_RTC);
	text(w, "compatible", "google,goldfish-rtc");
	interrupt(w, BOARD_IRQ_RTC);
	end(w);

	begin_device(w, "test", BOARD_FINISHER);
	bytes(w, "compatible", "sifive,test1\0sifive,test0\0syscon",
	      sizeof("sifive,test1\0sifive,test0\0syscon"));
	cell(w, "phandle", TEST_PHANDLE);
	end(w);

	write_virtio(w);
	write_plic(w, vm);
	end(w);
}

/* How Linux reaches the test finisher where it doesn't use the SBI. */
static void write_syscon(struct writer *w, const char *name, const char *compatible, uint32_t value)
{
	begin(w, name);
	text(w, "compatible", compatible);
	cell(w, "regmap", TEST_PHANDLE);
	cell(w, "offset", 0);
	cell(w, "value", value);
	end(w);
}

enum err devicetree_write(const struct vm *vm, gpa_t initrd, uint64_t initrd_bytes, void *to,
			  uint64_t *n)
{
	struct writer w = { to, 0 };

	/* A name each time it is used: looking for it costs more than the rest of the tree. */
	note(&w, fdt_create_with_flags(to, DEVICETREE_ROOM, FDT_CREATE_FLAG_NO_NAME_DEDUP));
	note(&w, fdt_finish_reservemap(to));
	begin(&w, "");
	cell_sizes(&w, 2, 2);
	text(&w, "compatible", "riscv-virtio");
	text(&w, "model", "riscv-virtio,gnomon");
	write_chosen(&w, vm, initrd, initrd_bytes);
	write_memory(&w, vm);
	write_cpus(&w, vm);
	write_soc(&w, vm);
	write_syscon(&w, "poweroff", "syscon-poweroff", FINISHER_PASS);
	write_syscon(&w, "reboot", "syscon-reboot", FINISHER_RESET);
	end(&w);
	note(&w, fdt_finish(to));
	*n = w.error ? 0 : fdt_totalsize(to);
	return w.error ? ERR_FULL : OK;
}

/* /chosen is the first node, so this is soon found. */
void devicetree_reseed(void *tree)
{
	int chosen = fdt_first_subnode(tree, 0), n;
	void *seed = fdt_getprop_w(tree, chosen, SEED, &n);

	CHECK(seed && n == SEED_BYTES);
	random_bytes(seed, SEED_BYTES);
}
