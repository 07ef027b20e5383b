/*
 * What the monitor stands on, played: two VMs, a scheduler, a terminal, a serial port. For
 * unit/test_monitor.c and fuzz/fuzz_monitor.c, once in a program: these functions take
 * the place of those in hyp/vm/vm.c, hyp/sched/sched.c, hyp/drv/terminal.c and hyp/drv/serial.c.
 */
#ifndef TESTS_UNIT_MONITOR_H
#define TESTS_UNIT_MONITOR_H

#include <stdlib.h>
#include <string.h>

#include "hyp/drv/host.h"
#include "hyp/drv/serial.h"
#include "hyp/drv/terminal.h"
#include "hyp/lib/log.h"
#include "hyp/lib/trace.h"
#include "hyp/monitor/monitor.h"
#include "hyp/sched/sched.h"
#include "hyp/vm/vm.h"
#include "tests/unit/json.h"

#define FAKE_SAID (1 << 18)

struct vm *vms[VMS_MAX];
const char *const vm_state_names[VM_STATES] = { "stopped", "running", "paused", "ending" };

static struct {
	struct vm vm[VMS_MAX];
	struct vcpu vcpu[VMS_MAX][VCPUS_MAX];
	struct state_page state[VMS_MAX][VCPUS_MAX];
	enum err err;	  /* what life-cycle functions return */
	const char *says; /* and log as an error */
	char called[64];
	struct regime regime; /* of each vcpu */

	/* The terminal: what is typed, and what is shown while there is room for it. */
	char typed[4096], said[FAKE_SAID];
	size_t typed_n, typed_at, said_n, room;
	struct port *port;

	/* The control port. */
	char sent[4096], answered[FAKE_SAID];
	size_t sent_n, sent_at, answered_n, takes; /* bytes that a write takes */
	bool is_missing, is_closed;
} played;

static const struct backend played_hext = { .name = "hext", .kind = KIND_HEXT };
static const struct backend played_depriv = { .name = "depriv", .kind = KIND_DEPRIV };
static const struct way played_ways[] = {
	{ .backend = &played_hext },
	{ .backend = &played_depriv, .shares_table = true },
};

static inline struct vm *play_vm(unsigned slot, const char *name, unsigned vcpus, unsigned way)
{
	struct vm *vm = &played.vm[slot];

	vm->slot = slot;
	vm->config.name = name;
	vm->config.bootargs = "console=ttyS0";
	vm->config.memory = MIB(64);
	vm->way = &played_ways[way];
	vm->vcpus_n = vcpus;
	strcpy(vm->isa.string, "rv64imafdc");
	vm->fixed.owner = (uint16_t)(slot + 1);
	vm->pool.frames = 100;
	for (unsigned i = 0; i < vcpus; i++) {
		struct vcpu *v = &played.vcpu[slot][i];

		v->vm = vm;
		v->id = i;
		v->backend = vm->way->backend;
		v->depriv.state = &played.state[slot][i];
		vm->vcpus[i] = v;
	}
	vms[slot] = vm;
	return vm;
}

/* "a" in slot 0, stopped, 1 vcpu, hext; "lin.ux" in slot 2, running, 2 vcpus, depriv. */
static inline void play(void)
{
	memset(&played, 0, sizeof(played));
	memset(vms, 0, sizeof(vms));
	play_vm(0, "a", 1, 0);
	play_vm(2, "lin.ux", 2, 1)->state = VM_RUNNING;
	played.room = played.takes = SIZE_MAX;
	host.timebase = 10000000;
	host.harts = 2;
	host.isa = "rv64imafdch";
	host.ram.bytes = MIB(256);
}

struct vm *vm_find(const char *name)
{
	for (unsigned i = 0; i < VMS_MAX; i++)
		if (vms[i] && strcmp(vms[i]->config.name, name) == 0)
			return vms[i];
	return NULL;
}

static inline enum err played_call(const char *what, const char *name)
{
	size_t n = 0;

	for (; *what && n < sizeof(played.called) - 2; n++)
		played.called[n] = *what++;
	played.called[n++] = ' ';
	for (; *name && n < sizeof(played.called) - 1; n++)
		played.called[n] = *name++;
	played.called[n] = 0;
	if (played.says)
		log_error("%s", played.says);
	return played.err;
}

enum err vm_create_named(const char *name, struct vm **vm)
{
	*vm = vms[0];
	return played_call("create", name);
}

enum err vm_start(struct vm *vm)
{
	return played_call("start", vm->config.name);
}

enum err vm_pause(struct vm *vm)
{
	return played_call("pause", vm->config.name);
}

enum err vm_resume(struct vm *vm)
{
	return played_call("resume", vm->config.name);
}

enum err vm_stop(struct vm *vm)
{
	return played_call("stop", vm->config.name);
}

enum err vm_reset(struct vm *vm)
{
	return played_call("reset", vm->config.name);
}

enum err vm_destroy(struct vm *vm)
{
	return played_call("destroy", vm->config.name);
}

/* A VM that has a G-stage has memory. */
bool vm_hold(struct vm *vm)
{
	return vm->gstage.mode != NULL;
}

void vm_release(void)
{
}

/* It answers. */
bool vcpu_ask_regime(struct vcpu *v, struct regime *r)
{
	(void)v;
	*r = played.regime;
	return true;
}

void vcpu_kick(struct vcpu *v, uint32_t bits)
{
	atomic_fetch_or(&v->requests, bits);
}

void vm_watch(struct vm *vm)
{
	for (unsigned i = 0; i < vm->vcpus_n; i++)
		vcpu_kick(vm->vcpus[i], VCPU_REQ_WATCH);
}

enum err vm_step(struct vm *vm, uint32_t kinds)
{
	trace_step(vm->vcpus[0]->trace, kinds);
	return played_call("step", vm->config.name);
}

/* A vcpu has run as many units of time as it made calls. */
void sched_account(const struct vcpu *v, struct sched_account *account)
{
	*account = (struct sched_account){
		.ran = v->exits[EXIT_ROW(CAUSE_ECALL_VS, 0)],
		.waited = v->id,
		.switches = 5,
		.hart = v->id ? -1 : 0,
		.place = v->id ? "waits" : "runs",
	};
}

void sched_hart_account(unsigned hart, struct sched_hart_account *account)
{
	*account = (struct sched_hart_account){
		.busy = 250,
		.idle = 750,
		.switches = 3,
		.vcpu = hart	 ? NULL
			: vms[0] ? vms[0]->vcpus[0]
				 : NULL,
	};
}

void port_open(struct port *p)
{
	played.port = p;
}

bool port_put(struct port *p, uint8_t byte)
{
	(void)p;
	if (!played.room || played.said_n == FAKE_SAID - 1)
		return false;
	played.room--;
	played.said[played.said_n++] = (char)byte;
	return true;
}

int port_get(struct port *p)
{
	(void)p;
	return played.typed_at < played.typed_n ? (uint8_t)played.typed[played.typed_at++] : -1;
}

struct serial *serial_find(const char *name)
{
	if (played.is_missing || strcmp(name, SERIAL_CONTROL) != 0)
		return NULL;
	return (struct serial *)&played;
}

bool serial_is_open(struct serial *s)
{
	(void)s;
	return !played.is_closed;
}

void terminal_flush(void)
{
}

size_t serial_write(struct serial *s, const void *from, size_t n)
{
	(void)s;
	if (n > played.takes)
		n = played.takes;
	if (n > FAKE_SAID - 1 - played.answered_n)
		n = FAKE_SAID - 1 - played.answered_n;
	memcpy(played.answered + played.answered_n, from, n);
	played.answered_n += n;
	return n;
}

size_t serial_read(struct serial *s, void *to, size_t n)
{
	(void)s;
	if (n > played.sent_n - played.sent_at)
		n = played.sent_n - played.sent_at;
	memcpy(to, played.sent + played.sent_at, n);
	played.sent_at += n;
	return n;
}

#endif
