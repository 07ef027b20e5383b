/*
 * Start-up, as a list of calls. One hart runs it, translation on; the others come in at
 * hart_main().
 *
 * What can't be had ends the machine here with a line that says what is missing.
 */
#include "hyp/arch/cpu.h"
#include "hyp/boot/boot.h"
#include "hyp/boot/options.h"
#include "hyp/dev/virtio_net.h"
#include "hyp/drv/alarm.h"
#include "hyp/drv/blk.h"
#include "hyp/drv/console.h"
#include "hyp/drv/host.h"
#include "hyp/drv/net.h"
#include "hyp/drv/plic.h"
#include "hyp/drv/serial.h"
#include "hyp/drv/terminal.h"
#include "hyp/lib/check.h"
#include "hyp/lib/exit.h"
#include "hyp/lib/fdt.h"
#include "hyp/lib/log.h"
#include "hyp/lib/random.h"
#include "hyp/lib/string.h"
#include "hyp/lib/trace.h"
#include "hyp/mm/image.h"
#include "hyp/mm/map.h"
#include "hyp/mm/phys.h"
#include "hyp/monitor/monitor.h"
#include "hyp/sched/sched.h"
#include "hyp/shadow/shadow.h"
#include "hyp/trap/trap.h"
#include "hyp/vm/vm.h"
#include "sbi/call/call.h"

/* What head.S hands a hart that starts; all but .pc and .arg are used before translation is on. */
struct boot_hart {
	uint64_t satp, sp, pc, arg, id1;
};

_Static_assert(offsetof(struct boot_hart, satp) == BOOT_HART_SATP, "BOOT_HART_SATP");
_Static_assert(offsetof(struct boot_hart, sp) == BOOT_HART_SP, "BOOT_HART_SP");
_Static_assert(offsetof(struct boot_hart, pc) == BOOT_HART_PC, "BOOT_HART_PC");
_Static_assert(offsetof(struct boot_hart, arg) == BOOT_HART_ARG, "BOOT_HART_ARG");
_Static_assert(offsetof(struct boot_hart, id1) == BOOT_HART_ID1, "BOOT_HART_ID1");
_Static_assert(sizeof(struct boot_hart) == BOOT_HART_BYTES, "BOOT_HART_BYTES");

#define STACK_BYTES 24576 /* a struct virtqueue_chain is 8 KiB of it */

extern char boot_stack_top[], boot_hart_entry[];
extern const char guests_fit[], guests_fit_end[]; /* guests.S */

_Noreturn void boot_main(uint64_t boot_hart, uint64_t tree);

extern struct boot_hart boot_harts[]; /* head.S looks there too */
static struct hart harts[HOST_HARTS_MAX];
struct boot_hart boot_harts[HOST_HARTS_MAX];
static char stacks[HOST_HARTS_MAX][STACK_BYTES] __attribute__((aligned(PAGE_SIZE)));

/* Nothing has run in this RAM since power-on, as far as Gnomon knows: see zero_memory(). */
static uint64_t ran_before __attribute__((section(".noinit")));
#define RAN_BEFORE UINT64_C(0x476e6f6d6f6e2121)

static _Noreturn void give_up(enum exit_status status, const char *why)
{
	log_error("%s", why);
	machine_exit(status);
}

static void set_log_level(void)
{
	static const char *const names[] = { "error", "info", "debug" };
	char level[8];

	if (!host_option("loglevel", level, sizeof(level)))
		return;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(level, names[i]) == 0)
			log_set_level((enum log_level)i);
}

static void read_host(uint64_t boot_hart, uint64_t tree)
{
	if (host_read(phys_pointer(hpa(tree)), boot_hart) != OK)
		give_up(EXIT_BAD_MACHINE, "the firmware handed over no usable device tree in a1");
	if (host.finisher.v)
		machine_exit_through(phys_pointer(host.finisher));
	set_log_level();
	if (!options_are_good())
		give_up(EXIT_BAD_INPUT, "the options were refused");
}

/* QEMU's virt puts the device tree at the top of RAM, or at 3 GiB where RAM goes on beyond that. */
static bool tree_is_where_qemu_put_it(uint64_t tree)
{
	uint64_t top = host.ram.base + host.ram.bytes;

	if (host.ram.base < GIB(3) && top > GIB(3))
		top = GIB(3);
	return is_aligned(tree, MEGAPAGE) && range_holds(top - 2 * MEGAPAGE, 2 * MEGAPAGE, tree, 1);
}

/*
 * Whether free RAM reads as zero. QEMU's virt begins with zeroed RAM and writes only what it loads,
 * all of which is reserved. That holds no more if
 *   the machine was reset: RAM stays as it was. A word that no loader writes and start-up doesn't
 *   clear tells;
 *   a boot loader ran before us: it moves the device tree, as all of them do.
 */
static bool zero_memory(uint64_t tree)
{
	bool warm = ran_before == RAN_BEFORE;

	ran_before = RAN_BEFORE;
	return host.is_qemu_virt && !warm && tree_is_where_qemu_put_it(tree) &&
	       !host_has_option("zero");
}

/* RAM beyond the map can't be reached. The firmware's 2 MiB are its own, listed or not. */
static void take_memory(uint64_t tree)
{
	if (host.ram.base + host.ram.bytes > MAP_BYTES)
		host.ram.bytes = MAP_BYTES - host.ram.base;
	host_reserve(host.ram.base, MEGAPAGE);
	host_reserve(phys_address(image_start).v, (uint64_t)(image_end - image_start));
	host_reserve(tree, fdt_totalsize(host.tree));
	host_reserve(host.bundle.base, host.bundle.bytes);
	if (frame_add_ram(host.ram, host.reserved, host.reserved_n, zero_memory(tree)) != OK)
		give_up(EXIT_BAD_MACHINE, "this machine has too little memory");
}

static void seed_random(void)
{
	uint64_t now = csr_read(CSR_TIME);
	int n = 0;
	const void *seed =
		fdt_getprop(host.tree, fdt_path_offset(host.tree, "/chosen"), "rng-seed", &n);

	if (seed)
		random_seed(seed, (size_t)n);
	random_seed(&now, sizeof(now));
}

/* tp holds the hart's own structure from here on. */
static void init_hart(struct hart *h)
{
	__asm__ volatile("mv tp, %0" : : "r"(h));
}

static _Noreturn void hart_main(struct hart *h)
{
	init_hart(h);
	trap_loop();
}

static void describe_harts(void)
{
	for (unsigned i = 0; i < host.harts; i++)
		harts[i] = (struct hart){ .index = i,
					  .id = host.hart_id[i],
					  .stack_top = stacks[i] + STACK_BYTES };
}

static void start_hart(struct hart *h)
{
	struct boot_hart *b = &boot_harts[h->index];

	*b = (struct boot_hart){ .satp = map_satp,
				 .sp = (uint64_t)(uintptr_t)h->stack_top,
				 .pc = (uint64_t)(uintptr_t)hart_main,
				 .arg = (uint64_t)(uintptr_t)h,
				 .id1 = h->id + 1 };
	fence_all();
	if (sbi_hart_start(h->id, phys_address(boot_hart_entry).v, phys_address(b).v) !=
	    SBI_SUCCESS)
		panic("firmware can't start hart %lu", h->id);
}

/* The bundle that was loaded; without one, the guests in the image. */
static void open_bundle(struct bundle *b)
{
	struct frame_range where = { phys_address(guests_fit).v,
				     (uint64_t)(guests_fit_end - guests_fit) };

	if (host.bundle.bytes)
		where = host.bundle;
	if (bundle_open(b, where, host.bootargs) != OK)
		give_up(EXIT_BAD_INPUT, "nothing to run: the bundle was refused");
}

/* Who compares policies is told where there is nothing to be seen of them. */
static void tell_unused_policy(const struct vm *vm)
{
	unsigned policy = vm->config.choices.word[CHOICE_SHADOW_POLICY];

	if (!vm->way->shares_table && policy != SHADOW_LAZY)
		log_info("%s: run by %s, without shadow tables: shadow-policy=%s has no effect",
			 vm->config.name, vm->way->backend->name, shadow_policy_names[policy]);
}

static enum err start_vm(const struct vm_config *config)
{
	struct vm *vm;
	enum err e = vm_create(config, &vm);

	if (e == OK)
		e = vm_start(vm);
	if (e)
		return e;
	log_info("%s: %u vcpu%s, %lu MiB", vm->config.name, vm->vcpus_n,
		 vm->vcpus_n == 1 ? "" : "s", vm->config.memory / MIB(1));
	tell_unused_policy(vm);
	log_debug("%s: run by %s, with %s for the hypervisor", vm->config.name,
		  vm->way->backend->name, map_mode()->name);
	return OK;
}

/* Those that start by themselves. What is wrong with one was said; the others run nevertheless.
 * Returns how many do. */
static unsigned start_vms(const struct bundle *b)
{
	unsigned started = 0, refused = 0, unsupported = 0;

	for (unsigned i = 0; i < b->vms; i++) {
		struct vm_config config;
		enum err e = bundle_read(b, i, host.harts, &config);

		if (e == OK && !config.autostart)
			continue;
		if (e == OK)
			e = start_vm(&config);
		started += e == OK;
		refused += e != OK;
		unsupported += e == ERR_UNSUPPORTED;
	}
	if (!started && (refused || !b->never_ends))
		give_up(refused && refused == unsupported ? EXIT_BAD_MACHINE : EXIT_BAD_INPUT,
			"nothing to run: no VM could be started");
	return started;
}

void boot_main(uint64_t boot_hart, uint64_t tree)
{
	static struct bundle bundle;
	unsigned started;

	read_host(boot_hart, tree);
	describe_harts();
	init_hart(&harts[0]);
	take_memory(tree);
	seed_random();
	console_init();
	plic_host_enable(host.uart_irq);
	serial_init();
	blk_init();
	net_init();
	virtio_net_begin_uplink();
	alarm_init();
	trace_probe();
	ways_probe(host.isa);
	open_bundle(&bundle);
	vm_use_bundle(&bundle);
	started = start_vms(&bundle);
	monitor_init();
	if (started > 1)
		terminal_focus_all();
	for (unsigned i = 1; i < host.harts; i++)
		start_hart(&harts[i]);
	trap_loop();
}
