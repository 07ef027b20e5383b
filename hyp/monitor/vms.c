/*
 * Commands about whole VMs: what there is, and its life. See hyp/vm/vm.h.
 */
#include "hyp/monitor/command.h"

#include "hyp/arch/pte.h"
#include "hyp/lib/log.h"
#include "hyp/monitor/devices.h"

#define KIB_A_FRAME 4

static const char *name_of_end(const struct vm *vm)
{
	static const char *const names[] = {
		[VM_RUNS] = "none",	[VM_SHUTDOWN] = "shutdown", [VM_RESET] = "reset",
		[VM_FAILED] = "failed", [VM_STOP] = "stop",	    [VM_RESTART] = "restart",
	};

	return names[vm->end];
}

static const char *name_of_state(const struct vm *vm)
{
	return vm_state_names[vm->state];
}

static const struct column list_columns[] = {
	{ "name", -16 },   { "state", -8 },   { "vcpus", 5 },  { "memory_kib", 10 },
	{ "used_kib", 9 }, { "backend", -7 }, { "starts", 6 }, { "status", 6 },
};

static void list(const struct arguments *args, struct answer *a)
{
	(void)args;
	answer_table(a, list_columns, sizeof(list_columns) / sizeof(list_columns[0]));
	for (unsigned i = 0; i < VMS_MAX; i++) {
		const struct vm *vm = vms[i];

		if (!vm)
			continue;
		answer_row(a);
		answer_text(a, vm->config.name);
		answer_text(a, name_of_state(vm));
		answer_number(a, vm->vcpus_n);
		answer_number(a, vm->config.memory / KIB(1));
		answer_number(a, vm->pool.frames * KIB_A_FRAME);
		answer_text(a, vm->way->backend->name);
		answer_number(a, vm->starts);
		answer_number(a, vm->status);
	}
}

static const struct column show_columns[] = {
	{ "name", -13 },       { "state", 0 },	 { "last_end", 0 },   { "status", 0 },
	{ "starts", 0 },       { "vcpus", 0 },	 { "memory_kib", 0 }, { "used_kib", 0 },
	{ "fixed_kib", 0 },    { "backend", 0 }, { "shadows", 0 },    { "gstage_mode", 0 },
	{ "demand_fills", 0 }, { "copies", 0 },	 { "isa", 0 },	      { "bootargs", 0 },
};

static const char *or_none(const char *s)
{
	return s ? s : "none";
}

void answer_policy(const struct vm *vm, struct answer *a)
{
	if (vm->way->shares_table)
		answer_text(a, shadow_policy_names[vm->config.choices.word[CHOICE_SHADOW_POLICY]]);
	else
		answer_none(a);
}

static void show(const struct arguments *args, struct answer *a)
{
	struct vm *vm = args->vm;

	answer_record(a, show_columns, sizeof(show_columns) / sizeof(show_columns[0]), 1);
	answer_text(a, vm->config.name);
	answer_text(a, name_of_state(vm));
	answer_text(a, name_of_end(vm));
	answer_number(a, vm->status);
	answer_number(a, vm->starts);
	answer_number(a, vm->vcpus_n);
	answer_number(a, vm->config.memory / KIB(1));
	answer_number(a, vm->pool.frames * KIB_A_FRAME);
	answer_number(a, vm->fixed.frames * KIB_A_FRAME);
	answer_text(a, vm->way->backend->name);
	answer_policy(vm, a);
	answer_text(a, or_none(vm->gstage.mode ? vm->gstage.mode->name : NULL));
	answer_number(a, vm->gstage.demand_fills);
	answer_number(a, vm->gstage.cow_copies);
	answer_text(a, vm->isa.string);
	answer_text(a, or_none(vm->config.bootargs));
	devices_show(vm, a);
}

static void balloon(const struct arguments *args, struct answer *a)
{
	if (!virtio_balloon_set_target(&args->vm->board, args->size))
		answer_error(a, "%.64s has no balloon: its description says balloon = \"on\" for one",
			     args->vm->config.name);
}

/* What a life-cycle function returned: nothing to say, or why not. */
static void tell(const struct vm *vm, enum err e, struct answer *a)
{
	if (e == ERR_STATE)
		answer_error(a, "%.64s is %s", vm->config.name, name_of_state(vm));
	else if (e)
		answer_error(a, "%.64s: %s", vm->config.name, err_name(e));
}

static void start(const struct arguments *args, struct answer *a)
{
	struct log_ear ear;
	enum err e;

	log_listen(&ear);
	e = vm_start(args->vm);
	log_ignore(&ear);
	if (e && ear.said[0])
		answer_error(a, "%s", ear.said);
	else
		tell(args->vm, e, a);
}

static void pause(const struct arguments *args, struct answer *a)
{
	tell(args->vm, vm_pause(args->vm), a);
}

static void resume(const struct arguments *args, struct answer *a)
{
	tell(args->vm, vm_resume(args->vm), a);
}

static void reset(const struct arguments *args, struct answer *a)
{
	tell(args->vm, vm_reset(args->vm), a);
}

static void stop(const struct arguments *args, struct answer *a)
{
	tell(args->vm, vm_stop(args->vm), a);
}

static void destroy(const struct arguments *args, struct answer *a)
{
	tell(args->vm, vm_destroy(args->vm), a);
}

static void create(const struct arguments *args, struct answer *a)
{
	struct log_ear ear;
	struct vm *vm;
	enum err e;

	log_listen(&ear);
	e = vm_create_named(args->name, &vm);
	log_ignore(&ear);
	if (e && ear.said[0])
		answer_error(a, "%s", ear.said);
	else if (e == ERR_OVERLAP)
		answer_error(a, "there is a VM \"%.64s\"", args->name);
	else if (e == ERR_MISSING)
		answer_error(a, "the bundle has no VM \"%.64s\"", args->name);
	else if (e)
		answer_error(a, "%.64s: %s", args->name, err_name(e));
}

const struct command vm_commands[] = {
	{ "vm list", "all VMs", list },
	{ "vm show VM", "all about one", show },
	{ "vm start VM", "start it, from the files of its bundle", start },
	{ "vm pause VM", "keep it from running; its clock goes on", pause },
	{ "vm resume VM", "let it run again", resume },
	{ "vm reset VM", "cut its power and give it again", reset },
	{ "vm stop VM", "cut its power", stop },
	{ "vm balloon VM SIZE", "let it have that much memory, up to what it was given", balloon },
	{ "vm destroy VM", "give back all it has; it must be stopped", destroy },
	{ "vm create NAME", "make a VM of the bundle that was destroyed", create },
	{ NULL, NULL, NULL },
};
