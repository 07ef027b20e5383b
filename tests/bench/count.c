/*
 * A QEMU plugin that counts, from outside, the instructions of firmware, hypervisor and guest,
 * and how often the guest is left for the hypervisor or the firmware.
 *
 * Invariant: an instruction belongs to whoever owns its physical address, so nothing has to be
 * added to what is measured. One hart only (-smp 1).
 * Read next: tests/bench/bench (its caller, which reads the lines written here).
 *
 * Arguments: hyp_lo, hyp_hi: physical range of the hypervisor's code; out: the file to write.
 * Output, all counts since reset: `first` at the guest's first instruction, `mark N` where the
 * guest executes the hint `slti x0, x0, N`, `total` at the end; each followed by
 * `fw F hyp H guest G exits E fw_calls C`.
 *
 * Needs no header of QEMU's: the few functions used are declared here. Built twice, since QEMU
 * refuses plugins of an unknown interface: API=1 for QEMU 7.2 to 8, API=4 for 9.1 to 10.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT	       __attribute__((visibility("default")))
#define FW_LO	       0x80000000UL /* where RAM and the firmware begin */
#define FW_HI	       0x80060000UL /* above its code; Linux uses the RAM from 0x80080000 on */
#define RAM_BYTES      (UINT64_C(1) << 36)
#define INLINE_ADD_U64 0
#define CB_NO_REGS     0
#define MARK_MASK      0xfffffu
#define MARK_BITS      0x2013u /* slti x0, x0, N */
#define MARK_SHIFT     20

enum owner { OTHER, FW, HYP, GUEST, OWNER_COUNT };

/** Offsets into this are handed to QEMU, so it holds nothing but 64-bit counters. */
struct counters {
	uint64_t insns[OWNER_COUNT];
};

struct qemu_tb;
struct qemu_insn;

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t, struct qemu_tb *));
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t, void *), void *data);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_tb *tb, void (*cb)(unsigned, void *),
					  int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_insn *insn, void (*cb)(unsigned, void *),
					    int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_tb *tb);
struct qemu_insn *qemu_plugin_tb_get_insn(const struct qemu_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_insn *insn);

EXPORT int qemu_plugin_version = API;

/* The two interfaces differ in where inline counters live and in how bytes are read. */
#if API == 1
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_insn *insn, int op, void *counter,
						uint64_t add);
const void *qemu_plugin_insn_data(const struct qemu_insn *insn);

static struct counters *counters(void)
{
	static struct counters only;

	return &only;
}

static void count_insn(struct qemu_insn *insn, enum owner owner)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &counters()->insns[owner],
						   1);
}

static void read_insn(const struct qemu_insn *insn, void *to, size_t bytes)
{
	memcpy(to, qemu_plugin_insn_data(insn), bytes);
}
#else
struct qemu_scoreboard;
struct qemu_u64 {
	struct qemu_scoreboard *board;
	size_t offset;
};

struct qemu_scoreboard *qemu_plugin_scoreboard_new(size_t bytes);
void *qemu_plugin_scoreboard_find(struct qemu_scoreboard *board, unsigned vcpu);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_insn *insn, int op,
							 struct qemu_u64 counter, uint64_t add);
size_t qemu_plugin_insn_data(const struct qemu_insn *insn, void *to, size_t bytes);

static struct qemu_scoreboard *board(void)
{
	static struct qemu_scoreboard *only;

	if (!only)
		only = qemu_plugin_scoreboard_new(sizeof(struct counters));
	return only;
}

static struct counters *counters(void)
{
	return qemu_plugin_scoreboard_find(board(), 0);
}

static void count_insn(struct qemu_insn *insn, enum owner owner)
{
	const struct qemu_u64 counter = { board(), owner * sizeof(uint64_t) };

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, INLINE_ADD_U64, counter, 1);
}

static void read_insn(const struct qemu_insn *insn, void *to, size_t bytes)
{
	qemu_plugin_insn_data(insn, to, bytes);
}
#endif

static FILE *out;
static uint64_t hyp_lo, hyp_hi;
static uint64_t ram_to_host; /* host address of RAM minus its physical address; 0: not known */
static bool guest_started;
static bool fw_entered_by_guest;
static uint64_t guest_seen; /* guest instructions at the last block that was not the guest's */
static uint64_t exits, fw_calls;

static enum owner owner_of(const struct qemu_insn *insn)
{
	uint64_t host = (uint64_t)(uintptr_t)qemu_plugin_insn_haddr(insn);
	uint64_t phys;

	/* The firmware's first instruction, before any translation, tells where RAM is. */
	if (!ram_to_host && qemu_plugin_insn_vaddr(insn) == FW_LO)
		ram_to_host = host - FW_LO;
	if (!ram_to_host)
		return OTHER;
	phys = host - ram_to_host;
	if (phys < FW_LO || phys - FW_LO >= RAM_BYTES)
		return OTHER;
	if (phys < FW_HI)
		return FW;
	return phys >= hyp_lo && phys < hyp_hi ? HYP : GUEST;
}

static void report(const char *what)
{
	const uint64_t *n = counters()->insns;

	fprintf(out,
		"%s fw %" PRIu64 " hyp %" PRIu64 " guest %" PRIu64 " exits %" PRIu64
		" fw_calls %" PRIu64 "\n",
		what, n[FW], n[HYP], n[GUEST], exits, fw_calls);
	fflush(out);
}

static void on_guest_block(unsigned vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	if (!guest_started)
		report("first");
	guest_started = true;
}

/* Runs before a block of the firmware or the hypervisor; the guest's blocks stay fast. */
static void on_other_block(unsigned vcpu, void *data)
{
	enum owner owner = (enum owner)(uintptr_t)data;
	bool from_guest = counters()->insns[GUEST] != guest_seen;

	(void)vcpu;
	guest_seen = counters()->insns[GUEST];
	if (owner == FW && from_guest) {
		fw_calls++;
		fw_entered_by_guest = true;
	} else if (owner == HYP) {
		/* Some exceptions pass through the firmware first. */
		exits += from_guest || fw_entered_by_guest;
		fw_entered_by_guest = false;
	}
}

static void on_mark(unsigned vcpu, void *data)
{
	char what[32];

	(void)vcpu;
	snprintf(what, sizeof(what), "mark %u", (unsigned)(uintptr_t)data);
	report(what);
}

static void watch_mark(struct qemu_insn *insn)
{
	uint32_t word;

	if (qemu_plugin_insn_size(insn) != sizeof(word))
		return;
	read_insn(insn, &word, sizeof(word));
	if ((word & MARK_MASK) == MARK_BITS && word >> MARK_SHIFT)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, CB_NO_REGS,
						       (void *)(uintptr_t)(word >> MARK_SHIFT));
}

static void watch_block(struct qemu_tb *tb, enum owner owner)
{
	if (owner == FW || owner == HYP)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_other_block, CB_NO_REGS,
						     (void *)(uintptr_t)owner);
	else if (owner == GUEST && !guest_started)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_guest_block, CB_NO_REGS, NULL);
}

static void on_translate(uint64_t id, struct qemu_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < count; i++) {
		struct qemu_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		enum owner owner = owner_of(insn);

		if (i == 0)
			watch_block(tb, owner);
		if (owner == GUEST)
			watch_mark(insn);
		count_insn(insn, owner);
	}
}

static void on_exit_of_qemu(uint64_t id, void *data)
{
	(void)id;
	(void)data;
	report("total");
}

static bool take_argument(const char *arg)
{
	const char *value = strchr(arg, '=');

	if (!value++)
		return false;
	if (!strncmp(arg, "hyp_lo=", 7))
		hyp_lo = strtoull(value, NULL, 0);
	else if (!strncmp(arg, "hyp_hi=", 7))
		hyp_hi = strtoull(value, NULL, 0);
	else if (!strncmp(arg, "out=", 4))
		out = fopen(value, "w");
	else
		return false;
	return true;
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!take_argument(argv[i]))
			return -1;
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
