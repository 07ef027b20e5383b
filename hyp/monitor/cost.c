/*
 * Commands about what VMs cost: memory, time, exits. See hyp/vm/stats.h, hyp/sched/sched.h.
 *
 * Rates are measured between two calls: what a vcpu or hart had counted is remembered, and the next
 * call shows what was added since; the first one, since the machine began.
 */
#include "hyp/monitor/command.h"

#include "hyp/arch/cpu.h"
#include "hyp/arch/pte.h"
#include "hyp/drv/host.h"
#include "hyp/lib/printf.h"
#include "hyp/lib/string.h"
#include "hyp/sched/sched.h"
#include "hyp/vcpu/latency.h"
#include "hyp/vm/stats.h"

#define KIB_A_FRAME 4
#define TOP_CAUSES  3

/* The monitor's alone. Exits are counted in 32 bits: differences are right all the same. */
static struct {
	uint64_t at;
	struct vcpu_sample {
		uint64_t ran, waited;
		uint32_t exits[EXIT_ROWS];
	} vcpus[VMS_MAX][VCPUS_MAX];
} sample;
static struct {
	uint64_t idle, busy;
} hart_samples[HOST_HARTS_MAX];
static uint64_t exits_before[VMS_MAX][EXIT_ROWS]; /* as of the last `exits reset` */
static uint64_t numbers[VMS_MAX]; /* .number of the VM that all this is of, by slot */

/* Nothing that was noted of another VM in its slot is of @vm. */
static void know(const struct vm *vm)
{
	if (numbers[vm->slot] == vm->number)
		return;
	numbers[vm->slot] = vm->number;
	memset(sample.vcpus[vm->slot], 0, sizeof(sample.vcpus[vm->slot]));
	memset(exits_before[vm->slot], 0, sizeof(exits_before[vm->slot]));
}

/* What was added to *@before, which is @now from now on. */
static uint64_t added(uint64_t *before, uint64_t now)
{
	uint64_t n = now - *before;

	*before = now;
	return n;
}

/* In tenths of a percent. */
static uint64_t share(uint64_t part, uint64_t of)
{
	return of ? part * 1000 / of : 0;
}

static const struct column mem_columns[] = {
	{ "owner", -16 },
	{ "used_kib", 10 },
	{ "fixed_kib", 9 },
	{ "may_use_kib", 11 },
	{ "balloon_kib", 11 },
	{ "returned_kib", 12 },
};

static void mem_row(struct answer *a, const char *owner, uint64_t used)
{
	answer_row(a);
	answer_text(a, owner);
	answer_number(a, used);
	for (unsigned i = 2; i < sizeof(mem_columns) / sizeof(mem_columns[0]); i++)
		answer_none(a);
}

/* What the guest says lies in its balloon, and what was taken back from it, by that and by reports,
 * since it was started. */
static void mem_given(struct answer *a, struct vm *vm)
{
	struct virtio_balloon_size size;

	if (virtio_balloon_size(&vm->board, &size))
		answer_number(a, (vm->config.memory - size.actual) / KIB(1));
	else
		answer_none(a);
	answer_number(a, vm->gstage.discarded * KIB_A_FRAME);
}

/* What is in no VM's account and not free: firmware, image, bundle, our own tables, and what VMs'
 * blocks have left. */
static void mem(const struct arguments *args, struct answer *a)
{
	uint64_t rest = host.ram.bytes / KIB(1), free = frame_free_bytes() / KIB(1);

	(void)args;
	rest -= free < rest ? free : rest;
	answer_table(a, mem_columns, sizeof(mem_columns) / sizeof(mem_columns[0]));
	for (unsigned i = 0; i < VMS_MAX; i++) {
		struct vm *vm = vms[i];
		uint64_t used, fixed;

		if (!vm)
			continue;
		used = vm->pool.frames * KIB_A_FRAME;
		fixed = vm->fixed.frames * KIB_A_FRAME;
		rest -= used + fixed < rest ? used + fixed : rest;
		answer_row(a);
		answer_text(a, vm->config.name);
		answer_number(a, used);
		answer_number(a, fixed);
		answer_number(a, vm->config.memory / KIB(1));
		mem_given(a, vm);
	}
	mem_row(a, "(gnomon)", rest);
	mem_row(a, "(free)", free);
}

/* The causes of which there were most, most first; returns how many there are. */
static unsigned busiest(const uint32_t counts[EXIT_ROWS], unsigned rows[TOP_CAUSES])
{
	unsigned n = 0;

	for (unsigned row = 0; row < EXIT_ROWS; row++) {
		unsigned at = n;

		while (at && counts[rows[at - 1]] < counts[row])
			at--;
		if (!counts[row] || at == TOP_CAUSES)
			continue;
		n += n < TOP_CAUSES;
		for (unsigned i = n - 1; i > at; i--)
			rows[i] = rows[i - 1];
		rows[at] = row;
	}
	return n;
}

static uint64_t a_second(uint64_t n, uint64_t ticks)
{
	return ticks ? n * host.timebase / ticks : 0;
}

static const struct column top_columns[] = {
	{ "vcpu", -16 }, { "place", -6 },  { "cpu", 5 },
	{ "steal", 5 },	 { "exits_s", 9 }, { "by_cause_s", -1 },
};

static void top_row(const struct vcpu *v, uint64_t ticks, struct answer *a)
{
	struct vcpu_sample *s = &sample.vcpus[v->vm->slot][v->id];
	struct answer_count causes[TOP_CAUSES];
	uint32_t counts[EXIT_ROWS];
	unsigned rows[TOP_CAUSES], n;
	struct sched_account account;
	char name[VCPU_NAME];
	uint64_t all = 0;

	know(v->vm);
	sched_account(v, &account);
	for (unsigned row = 0; row < EXIT_ROWS; row++) {
		uint32_t now = (uint32_t)stats_vcpu_exits(v, row);

		counts[row] = now - s->exits[row];
		s->exits[row] = now;
		all += counts[row];
	}
	n = busiest(counts, rows);
	while (n && !a_second(counts[rows[n - 1]], ticks))
		n--;
	for (unsigned i = 0; i < n; i++)
		causes[i] = (struct answer_count){ stats_exit_name(rows[i]),
						   a_second(counts[rows[i]], ticks) };
	answer_row(a);
	answer_text(a, vcpu_name(v, name));
	answer_text(a, account.place);
	answer_tenths(a, share(added(&s->ran, account.ran), ticks));
	answer_tenths(a, share(added(&s->waited, account.waited), ticks));
	answer_number(a, a_second(all, ticks));
	answer_counts(a, causes, n);
}

static void top(const struct arguments *args, struct answer *a)
{
	uint64_t ticks = added(&sample.at, csr_read(CSR_TIME));

	answer_table(a, top_columns, sizeof(top_columns) / sizeof(top_columns[0]));
	for (unsigned i = 0; i < VMS_MAX; i++)
		for (unsigned id = 0; vms[i] && id < vms[i]->vcpus_n; id++)
			top_row(vms[i]->vcpus[id], ticks, a);
	a->renew = !args->word;
}

/* The same by VM, since `exits reset`. */
static uint64_t exits_of(const struct vm *vm, unsigned row)
{
	know(vm);
	return stats_vm_exits(vm, row) - exits_before[vm->slot][row];
}

static void exits_reset(const struct vm *vm)
{
	know(vm);
	for (unsigned row = 0; row < EXIT_ROWS; row++)
		exits_before[vm->slot][row] = stats_vm_exits(vm, row);
	for (unsigned id = 0; id < vm->vcpus_n; id++)
		latency_reset(vm->vcpus[id]);
}

static enum err exits_switch(struct vm *vm, bool on)
{
	for (unsigned id = 0; id < vm->vcpus_n; id++) {
		enum err e = latency_switch(vm->vcpus[id], on, &vm->fixed);

		if (e)
			return e;
		vcpu_kick(vm->vcpus[id], VCPU_REQ_WATCH);
	}
	return OK;
}

/* Of the buckets that have something: "N" is for less than 2^N units of `time`. */
static void show_latency(const struct vm *vm, unsigned row, struct answer *a)
{
	struct answer_count buckets[LATENCY_BUCKETS];
	char names[LATENCY_BUCKETS][4];
	unsigned n = 0;

	for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
		uint64_t count = 0;

		for (unsigned id = 0; id < vm->vcpus_n; id++)
			count += latency_count(vm->vcpus[id], row, b);
		if (!count)
			continue;
		format_text(names[n], sizeof(names[n]), "%u", b);
		buckets[n] = (struct answer_count){ names[n], count };
		n++;
	}
	answer_counts(a, buckets, n);
}

static const struct column exits_columns[] = {
	{ "vm", -16 },
	{ "cause", -12 },
	{ "count", 12 },
	{ "latency", -1 },
};

static void exits_rows(const struct vm *vm, struct answer *a)
{
	for (unsigned row = 0; row < EXIT_ROWS; row++) {
		uint64_t n = exits_of(vm, row);

		if (!n)
			continue;
		answer_row(a);
		answer_text(a, vm->config.name);
		answer_text(a, stats_exit_name(row));
		answer_number(a, n);
		show_latency(vm, row, a);
	}
}

/* What `exits WORD` does with one VM. Without a word it shows. */
static enum err exits_do(struct vm *vm, const char *word)
{
	if (!word)
		return OK;
	if (strcmp(word, "reset") != 0)
		return exits_switch(vm, strcmp(word, "on") == 0);
	exits_reset(vm);
	return OK;
}

static void exits(const struct arguments *args, struct answer *a)
{
	if (!args->word)
		answer_table(a, exits_columns, sizeof(exits_columns) / sizeof(exits_columns[0]));
	for (unsigned i = 0; i < VMS_MAX; i++) {
		enum err e;

		if (!vms[i] || (args->vm && args->vm != vms[i]))
			continue;
		e = exits_do(vms[i], args->word);
		if (e)
			answer_error(a, "%.64s: %s", vms[i]->config.name, err_name(e));
		else if (!args->word)
			exits_rows(vms[i], a);
	}
}

static const struct column harts_columns[] = {
	{ "hart", 4 }, { "id", 4 }, { "runs", -16 }, { "load", 5 }, { "switches", 10 },
};

static void harts(const struct arguments *args, struct answer *a)
{
	(void)args;
	answer_table(a, harts_columns, sizeof(harts_columns) / sizeof(harts_columns[0]));
	for (unsigned i = 0; i < host.harts; i++) {
		struct sched_hart_account h;
		uint64_t busy, idle;
		char name[VCPU_NAME];

		sched_hart_account(i, &h);
		busy = added(&hart_samples[i].busy, h.busy);
		idle = added(&hart_samples[i].idle, h.idle);
		answer_row(a);
		answer_number(a, i);
		answer_number(a, host.hart_id[i]);
		if (h.vcpu)
			answer_text(a, vcpu_name(h.vcpu, name));
		else
			answer_none(a);
		answer_tenths(a, share(busy, busy + idle));
		answer_number(a, h.switches);
	}
}

const struct command cost_commands[] = {
	{ "mem", "who holds how much memory", mem },
	{ "top [once]", "CPU and steal in %, exits a second; renewed until a key is pressed", top },
	{ "exits [VM] [on|off|reset]", "exits by cause; on, off: measure how long they take",
	  exits },
	{ "harts", "what each runs, and its load in % since last asked", harts },
	{ NULL, NULL, NULL },
};
