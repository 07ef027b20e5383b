/*
 * A QEMU plugin that counts, from outside, the instructions of firmware, hypervisor and guest,
 * and how often the guest is left for the hypervisor or the firmware.
 *
 * Invariant: an instruction belongs to whoever owns its physical address, so nothing has to be
 * added to what is measured, and it makes no difference in which mode or under which translation
 * a guest runs. One hart only (-smp 1).
 * Read next: tests/bench/bench (its caller, which reads the lines written here), mark.h.
 *
 * Arguments: hyp_lo, hyp_hi: physical range of the hypervisor's code; out: the file to write;
 * profile (may be absent): a file for where in that range instructions were executed; watch (any
 * number up to WATCH_MAX): NAME:ADDRESS, physical.
 * Output, all counts since reset: `first` at the guest's first instruction, `mark N` where the
 * guest executes the hint `slti x0, x0, N`, `watch NAME` before that address is executed, `total` at
 * the end; each followed by
 * `fw F hyp H guest G exits E via_fw V fw_calls C hyp_calls D`:
 *	exits: the guest was left and the hypervisor came next, V of them by way of the firmware;
 *	fw_calls: the guest was left for the firmware, whoever came after it;
 *	hyp_calls: the hypervisor was left for the firmware, by a call or an interrupt.
 * The profile has at each of these points, after a line `at POINT`, what was executed since the
 * point before: lines `ADDRESS COUNT`, the address physical and in hexadecimal.
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
#define INSN_ALIGN     2
#define WATCH_MAX      8

enum owner { OTHER, FW, HYP, GUEST, OWNER_COUNT };

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

/*
 * A row of counters that QEMU adds to without a call. The two interfaces differ in where these
 * live and in how bytes are read.
 */
#if API == 1
struct tally {
	uint64_t *values;
};

void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_insn *insn, int op, void *counter,
						uint64_t add);
const void *qemu_plugin_insn_data(const struct qemu_insn *insn);

static struct tally tally_new(size_t counters)
{
	return (struct tally){ calloc(counters, sizeof(uint64_t)) };
}

static uint64_t *tally_values(struct tally tally)
{
	return tally.values;
}

static void tally_insn(struct tally tally, size_t index, struct qemu_insn *insn)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &tally.values[index], 1);
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

struct tally {
	struct qemu_scoreboard *board;
};

struct qemu_scoreboard *qemu_plugin_scoreboard_new(size_t bytes);
void *qemu_plugin_scoreboard_find(struct qemu_scoreboard *board, unsigned vcpu);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_insn *insn, int op,
							 struct qemu_u64 counter, uint64_t add);
size_t qemu_plugin_insn_data(const struct qemu_insn *insn, void *to, size_t bytes);

static struct tally tally_new(size_t counters)
{
	return (struct tally){ qemu_plugin_scoreboard_new(counters * sizeof(uint64_t)) };
}

static uint64_t *tally_values(struct tally tally)
{
	return qemu_plugin_scoreboard_find(tally.board, 0);
}

static void tally_insn(struct tally tally, size_t index, struct qemu_insn *insn)
{
	const struct qemu_u64 counter = { tally.board, index * sizeof(uint64_t) };

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, INLINE_ADD_U64, counter, 1);
}

static void read_insn(const struct qemu_insn *insn, void *to, size_t bytes)
{
	qemu_plugin_insn_data(insn, to, bytes);
}
#endif

static FILE *out, *profile; /* no profile: NULL */
static uint64_t hyp_lo, hyp_hi;
static struct tally insns;   /* by owner */
static struct tally hits;    /* by address of the hypervisor's code; only with a profile */
static uint64_t *reported;   /* hits at the last report */
static uint64_t ram_to_host; /* host address of RAM minus its physical address; 0: not known */
static bool guest_started;
static bool fw_entered_by_guest;
static uint64_t guest_seen;   /* guest instructions at the last block that was not the guest's */
static enum owner last_other; /* whose block ran last, the guest's left out */
static uint64_t exits, via_fw, fw_calls, hyp_calls;

static struct watch {
	char what[32];
	uint64_t at;
} watches[WATCH_MAX];
static unsigned watches_n;

/* 0: not known, or not in RAM. */
static uint64_t phys_of(const struct qemu_insn *insn)
{
	uint64_t host = (uint64_t)(uintptr_t)qemu_plugin_insn_haddr(insn);
	uint64_t phys;

	/* The firmware's first instruction, before any translation, tells where RAM is. */
	if (!ram_to_host && qemu_plugin_insn_vaddr(insn) == FW_LO)
		ram_to_host = host - FW_LO;
	if (!ram_to_host)
		return 0;
	phys = host - ram_to_host;
	return phys >= FW_LO && phys - FW_LO < RAM_BYTES ? phys : 0;
}

static enum owner owner_of(uint64_t phys)
{
	if (!phys)
		return OTHER;
	if (phys < FW_HI)
		return FW;
	return phys >= hyp_lo && phys < hyp_hi ? HYP : GUEST;
}

static size_t slot_of(uint64_t phys)
{
	return (phys - hyp_lo) / INSN_ALIGN;
}

static void report_profile(const char *what)
{
	const uint64_t *now = tally_values(hits);

	fprintf(profile, "at %s\n", what);
	for (size_t i = 0; i < slot_of(hyp_hi); i++)
		if (now[i] != reported[i]) {
			fprintf(profile, "%" PRIx64 " %" PRIu64 "\n", hyp_lo + i * INSN_ALIGN,
				now[i] - reported[i]);
			reported[i] = now[i];
		}
	fflush(profile);
}

static void report(const char *what)
{
	const uint64_t *n = tally_values(insns);

	fprintf(out,
		"%s fw %" PRIu64 " hyp %" PRIu64 " guest %" PRIu64 " exits %" PRIu64
		" via_fw %" PRIu64 " fw_calls %" PRIu64 " hyp_calls %" PRIu64 "\n",
		what, n[FW], n[HYP], n[GUEST], exits, via_fw, fw_calls, hyp_calls);
	fflush(out);
	if (profile)
		report_profile(what);
}

static void on_guest_block(unsigned vcpu, void *data)
{
	(void)vcpu;
	(void)data;
	if (!guest_started)
		report("first");
	guest_started = true;
}

static void enter_firmware(bool from_guest)
{
	if (from_guest) {
		fw_calls++;
		fw_entered_by_guest = true;
	} else if (last_other == HYP) {
		hyp_calls++;
	}
}

static void enter_hypervisor(bool from_guest)
{
	exits += from_guest || fw_entered_by_guest;
	via_fw += !from_guest && fw_entered_by_guest;
	fw_entered_by_guest = false;
}

/* Runs before a block of the firmware or the hypervisor; the guest's blocks stay fast. */
static void on_other_block(unsigned vcpu, void *data)
{
	enum owner owner = (enum owner)(uintptr_t)data;
	uint64_t guest_now = tally_values(insns)[GUEST];
	bool from_guest = guest_now != guest_seen;

	(void)vcpu;
	guest_seen = guest_now;
	if (owner == FW)
		enter_firmware(from_guest);
	else
		enter_hypervisor(from_guest);
	last_other = owner;
}

static void on_mark(unsigned vcpu, void *data)
{
	char what[32];

	(void)vcpu;
	snprintf(what, sizeof(what), "mark %u", (unsigned)(uintptr_t)data);
	report(what);
}

static void on_watch(unsigned vcpu, void *data)
{
	const struct watch *w = data;

	(void)vcpu;
	report(w->what);
}

static void watch_address(struct qemu_insn *insn, uint64_t phys)
{
	for (unsigned i = 0; i < watches_n; i++)
		if (watches[i].at == phys)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_watch, CB_NO_REGS,
							       &watches[i]);
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
		uint64_t phys = phys_of(insn);
		enum owner owner = owner_of(phys);

		if (i == 0)
			watch_block(tb, owner);
		if (owner == GUEST)
			watch_mark(insn);
		if (owner == HYP)
			watch_address(insn, phys);
		tally_insn(insns, owner, insn);
		if (owner == HYP && profile)
			tally_insn(hits, slot_of(phys), insn);
	}
}

static void on_exit_of_qemu(uint64_t id, void *data)
{
	(void)id;
	(void)data;
	report("total");
}

static bool take_watch(const char *value)
{
	const char *at = strchr(value, ':');

	if (!at || watches_n == WATCH_MAX)
		return false;
	snprintf(watches[watches_n].what, sizeof(watches[0].what), "watch %.*s",
		 (int)(at - value), value);
	watches[watches_n++].at = strtoull(at + 1, NULL, 16);
	return true;
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
	else if (!strncmp(arg, "profile=", 8))
		profile = fopen(value, "w");
	else if (!strncmp(arg, "watch=", 6))
		return take_watch(value);
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
	if (!out || hyp_hi < hyp_lo)
		return -1;
	insns = tally_new(OWNER_COUNT);
	if (profile) {
		hits = tally_new(slot_of(hyp_hi) + 1);
		reported = calloc(slot_of(hyp_hi) + 1, sizeof(uint64_t));
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
