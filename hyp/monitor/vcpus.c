/*
 * Commands about vcpus.
 *
 * What a vcpu has in a hart's registers can be read by that hart alone: shown is what it had when
 * it last left the guest (pc, x registers; depriv: CSRs), or was last unloaded (hext: CSRs).
 */
#include "hyp/monitor/command.h"

#include "hyp/drv/host.h"
#include "hyp/lib/string.h"
#include "hyp/sched/sched.h"
#include "hyp/vm/stats.h"

static const char *name_of_state(const struct vcpu *v)
{
	static const char *const names[] = {
		[VCPU_STOPPED] = "stopped",	[VCPU_CLAIMED] = "starting",
		[VCPU_STARTING] = "starting",	[VCPU_STARTED] = "started",
		[VCPU_SUSPENDED] = "suspended",
	};

	return names[v->state];
}

static uint64_t milliseconds(uint64_t ticks)
{
	uint64_t second = host.timebase;

	return second ? ticks / second * 1000 + ticks % second * 1000 / second : 0;
}

static uint64_t all_exits(const struct vcpu *v)
{
	uint64_t n = 0;

	for (unsigned row = 0; row < EXIT_ROWS; row++)
		n += stats_vcpu_exits(v, row);
	return n;
}

static const struct column list_columns[] = {
	{ "vcpu", -16 },  { "state", -9 },     { "place", -6 },	   { "hart", 4 },
	{ "ran_ms", 10 }, { "waited_ms", 10 }, { "switches", 10 }, { "exits", 12 },
};

static void list_one(const struct vcpu *v, struct answer *a)
{
	char name[VCPU_NAME];
	struct sched_account account;

	sched_account(v, &account);
	answer_row(a);
	answer_text(a, vcpu_name(v, name));
	answer_text(a, name_of_state(v));
	answer_text(a, account.place);
	if (account.hart < 0)
		answer_none(a);
	else
		answer_number(a, (uint64_t)account.hart);
	answer_number(a, milliseconds(account.ran));
	answer_number(a, milliseconds(account.waited));
	answer_number(a, account.switches);
	answer_number(a, all_exits(v));
}

static void list(const struct arguments *args, struct answer *a)
{
	answer_table(a, list_columns, sizeof(list_columns) / sizeof(list_columns[0]));
	for (unsigned i = 0; i < VMS_MAX; i++) {
		const struct vm *vm = vms[i];

		if (!vm || (args->vm && args->vm != vm))
			continue;
		for (unsigned id = 0; id < vm->vcpus_n; id++)
			list_one(vm->vcpus[id], a);
	}
}

/* The pc where x0 would be, the ABI's names, CSRs. */
static const struct column regs_columns[] = {
	{ "pc", -8 },	   { "ra", 0 },	  { "sp", 0 },	    { "gp", 0 },    { "tp", 0 },
	{ "t0", 0 },	   { "t1", 0 },	  { "t2", 0 },	    { "s0", 0 },    { "s1", 0 },
	{ "a0", 0 },	   { "a1", 0 },	  { "a2", 0 },	    { "a3", 0 },    { "a4", 0 },
	{ "a5", 0 },	   { "a6", 0 },	  { "a7", 0 },	    { "s2", 0 },    { "s3", 0 },
	{ "s4", 0 },	   { "s5", 0 },	  { "s6", 0 },	    { "s7", 0 },    { "s8", 0 },
	{ "s9", 0 },	   { "s10", 0 },  { "s11", 0 },	    { "t3", 0 },    { "t4", 0 },
	{ "t5", 0 },	   { "t6", 0 },	  { "sstatus", 0 }, { "sie", 0 },   { "stvec", 0 },
	{ "sscratch", 0 }, { "sepc", 0 }, { "scause", 0 },  { "stval", 0 }, { "satp", 0 },
};

/* The last eight of them, in either backing. */
static void show_csrs(const struct vcpu *v, struct answer *a)
{
	const struct vcpu_csrs *c = &v->csr;
	uint64_t csrs[] = { c->sstatus, c->sie,	   c->stvec, c->sscratch,
			    c->sepc,	c->scause, c->stval, c->satp };

	if (v->backend->kind == KIND_DEPRIV) {
		const struct state_page *s = v->depriv.state;

		memcpy(csrs,
		       (uint64_t[]){ s->sstatus, s->sie, s->stvec, s->sscratch, s->sepc, s->scause,
				     s->stval, s->satp },
		       sizeof(csrs));
	}
	for (unsigned i = 0; i < sizeof(csrs) / sizeof(csrs[0]); i++)
		answer_hex(a, csrs[i]);
}

static void regs(const struct arguments *args, struct answer *a)
{
	const struct vcpu *v = args->vcpu;

	answer_record(a, regs_columns, sizeof(regs_columns) / sizeof(regs_columns[0]), 3);
	answer_hex(a, v->frame.pc);
	for (unsigned i = 1; i < 32; i++)
		answer_hex(a, v->frame.x[i]);
	show_csrs(v, a);
}

const struct command vcpu_commands[] = {
	{ "vcpu list [VM]", "state, hart, time and exits of each", list },
	{ "vcpu regs VM[.N]", "registers, when it last left the guest", regs },
	{ NULL, NULL, NULL },
};
