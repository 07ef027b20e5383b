/*
 * What the tests of hyp/sched/sched.c begin with: harts of variables, guests that want what a test
 * says, and a model of what a hart does between two looks at them.
 *
 * The scheduler's source is a part of this file, so that its lists can be looked at, and so that
 * others can interfere before each of its atomic operations: what only a second hart could do at
 * just that moment is then done, by the same functions that a second hart calls.
 */
#ifndef TESTS_UNIT_SCHED_H
#define TESTS_UNIT_SCHED_H

#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <string.h>

#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/vcpu/irq.h"
#include "hyp/vcpu/timer.h"
#include "sbi/abi.h"

static void interfere(void);

#undef atomic_load
#undef atomic_exchange
#undef atomic_fetch_or
#undef atomic_compare_exchange_strong
#define atomic_load(p)	       (interfere(), __atomic_load_n(p, __ATOMIC_SEQ_CST))
#define atomic_exchange(p, x)  (interfere(), __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST))
#define atomic_fetch_or(p, x)  (interfere(), __atomic_fetch_or(p, x, __ATOMIC_SEQ_CST))
#define atomic_compare_exchange_strong(p, e, x) \
	(interfere(),                           \
	 __atomic_compare_exchange_n(p, e, x, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))

#include "hyp/sched/sched.c"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MS	 1000u /* units of `time` */
#define VCPUS	 12
#define GROUPS	 4
#define EVERYWHERE UINT64_MAX

/* A vcpu and its guest, as far as the scheduler can tell. */
static struct model {
	struct vcpu v; /* first */
	bool exists;
	bool pending;	   /* the software interrupt */
	uint64_t deadline; /* of its timer */
	unsigned parked;   /* times it was handed over */
	uint64_t served;   /* when it last was in its guest */
} models[VCPUS];

static struct sched_group groups[GROUPS];

/* A hart, as the hypervisor's other parts make it: hyp/trap/run.c. */
static struct {
	bool ssip;
	bool inside;	    /* the hypervisor, by what it did: it looks before its guest goes on */
	struct vcpu *guest; /* that it runs */
} machine[HOST_HARTS_MAX];

static void (*on_interfere)(void);

static void interfere(void)
{
	if (on_interfere)
		on_interfere();
}

static uint64_t now(void)
{
	return fake.csr[CSR_TIME];
}

static struct model *model_of(const struct vcpu *v)
{
	return (struct model *)(uintptr_t)v;
}

/* --- the backend --- */

static void model_irq_sync(struct vcpu *v)
{
	if (__atomic_exchange_n(&v->irq_software, 0, __ATOMIC_SEQ_CST))
		model_of(v)->pending = true;
}

static bool model_irq_is_pending(struct vcpu *v)
{
	return model_of(v)->pending || model_of(v)->deadline <= now();
}

static uint64_t model_deadline(const struct vcpu *v)
{
	return model_of(v)->deadline;
}

static void model_reset_csrs(struct vcpu *v)
{
	interfere();
	model_of(v)->pending = false;
	model_of(v)->deadline = TIMER_NEVER;
}

static void model_nothing(struct vcpu *v)
{
	(void)v;
}

static const struct backend model_backend = {
	.name = "model",
	.reset_csrs = model_reset_csrs,
	.load = model_nothing,
	.unload = model_nothing,
	.begin = model_nothing,
	.irq_sync = model_irq_sync,
	.irq_is_pending = model_irq_is_pending,
	.deadline = model_deadline,
};

/* --- the machine --- */

static void called(const struct fake_sbi_call *call)
{
	if (call->ext == SBI_EXT_IPI)
		machine[call->a[1]].ssip = true;
}

static void begin_machine(unsigned harts)
{
	fake_reset();
	memset(models, 0, sizeof(models));
	memset(machine, 0, sizeof(machine));
	memset(sched_harts, 0, sizeof(sched_harts));
	memset(&lock, 0, sizeof(lock));
	queue = NULL;
	idle_harts = last_vtime = 0;
	vcpus_n = bound_n = 0;
	on_interfere = NULL;
	fake.called = called;
	fake.csr[CSR_TIME] = 1000 * MS;
	memset(&host, 0, sizeof(host));
	host.timebase = 1000 * MS;
	host.harts = harts;
	for (unsigned i = 0; i < GROUPS; i++)
		groups[i] = (struct sched_group){ .weight = WEIGHT_DEFAULT, .runs = true };
	for (unsigned i = 0; i < harts; i++) {
		fake.harts[i].id = i;
		fake.hart = &fake.harts[i];
		timer_host_begin();
		sched_begin();
	}
}

/* A vcpu that was started, and isn't awake yet. */
static struct vcpu *add(unsigned group, uint64_t affinity)
{
	struct model *m = models;

	while (m->exists)
		m++;
	memset(m, 0, sizeof(*m));
	m->exists = true;
	m->deadline = TIMER_NEVER;
	m->v.backend = &model_backend;
	m->v.hart = fake.hart;
	m->v.state = VCPU_STARTED;
	sched_add(&m->v, &groups[group], affinity);
	return &m->v;
}

static struct vcpu *add_hog(unsigned group, uint64_t affinity)
{
	struct vcpu *v = add(group, affinity);

	vcpu_wake(v);
	machine[fake.hart->index].inside = true;
	return v;
}

/* What a hart does when something ends its guest's run, or its wait: hyp/trap/host_irq.c, run.c. */
static void look(unsigned i)
{
	struct hart *h = fake.hart = &fake.harts[i];
	struct vcpu *v = NULL;
	unsigned rounds = 0;

	if (machine[i].ssip) {
		machine[i].ssip = false;
		if (sched_was_called() && h->vcpu)
			h->vcpu->requests |= VCPU_REQ_SCHED;
	}
	if (timer_host_came(TIMER_SCHED, now()) && h->vcpu)
		h->vcpu->requests |= VCPU_REQ_SCHED;
	machine[i].inside = false;
	if (machine[i].guest && !machine[i].guest->requests)
		return;
	machine[i].guest = NULL;
	for (;;) {
		enum sched_word word = sched_next(&v);

		assert_true(rounds++ < 100);
		if (word == SCHED_PARKED)
			model_of(v)->parked++;
		else if (word == SCHED_WAIT)
			return;
		else
			break;
	}
	assert_ptr_equal(h->vcpu, v);
	machine[i].guest = v;
	model_of(v)->pending = false;
	model_of(v)->served = now();
}

/* Whether something ends the run or the wait of hart @i now. */
static bool is_due(unsigned i)
{
	const struct hart *h = &fake.harts[i];

	return machine[i].ssip || machine[i].inside || h->timer[TIMER_SCHED] <= now() ||
	       (!machine[i].guest && h->vcpu && model_irq_is_pending(h->vcpu));
}

/* All harts, until nothing is due any more: what needs no time to pass. */
static void settle_down(void)
{
	bool any = true;

	for (unsigned rounds = 0; any; rounds++) {
		assert_true(rounds < 100);
		any = false;
		for (unsigned i = 0; i < host.harts; i++)
			if (is_due(i)) {
				look(i);
				any = true;
			}
	}
}

/* Everybody's first look. */
static void begin_harts(void)
{
	for (unsigned i = 0; i < host.harts; i++)
		look(i);
	settle_down();
}

static void run_for(uint64_t time, uint64_t step)
{
	for (uint64_t end = now() + time; now() < end;) {
		fake.csr[CSR_TIME] += step;
		for (unsigned i = 0; i < host.harts; i++)
			if (machine[i].guest)
				model_of(machine[i].guest)->served = now();
		settle_down();
	}
}

/* The hart that has @v in its guest, or -1. */
static int runs_on(const struct vcpu *v)
{
	for (unsigned i = 0; i < host.harts; i++)
		if (machine[i].guest == v)
			return (int)i;
	return -1;
}

/* On the hart of @v, which runs: WFI. */
static void wait_until(struct vcpu *v, uint64_t deadline)
{
	unsigned i = (unsigned)runs_on(v);

	model_of(v)->deadline = deadline;
	v->waiting = true;
	v->requests |= VCPU_REQ_SCHED;
	look(i);
}

/* Hart @i does @what for @v. */
static void from_hart(unsigned i, void (*what)(struct vcpu *v), struct vcpu *v)
{
	struct hart *before = fake.hart;

	fake.hart = &fake.harts[i];
	what(v);
	machine[i].inside = true;
	fake.hart = before;
}

static void raise(struct vcpu *v)
{
	irq_raise_software(v);
}

/* --- what always holds while no hart is in the scheduler --- */

static unsigned check_list(const struct vcpu *list, unsigned place, unsigned hart)
{
	const struct vcpu *prev = NULL;
	unsigned n = 0;

	for (const struct vcpu *v = list; v; prev = v, v = v->sched.next, n++) {
		assert_true(n < VCPUS);
		assert_ptr_equal(v->sched.prev, prev);
		assert_int_equal(v->sched.place, place);
		assert_true(!prev || prev->sched.key <= v->sched.key);
		if (place == ASLEEP)
			assert_int_equal(v->hart->index, hart);
	}
	return n;
}

/* A hart that runs a guest answers what was asked: it is to look, or another is and tells it. */
static void check_hart(unsigned i)
{
	const struct sched_hart *s = &sched_harts[i];
	const struct vcpu *v = machine[i].guest;
	bool looks = machine[i].ssip || machine[i].inside;

	assert_int_equal(s->runs, v != NULL);
	if (v) {
		assert_ptr_equal(s->chosen, v);
		assert_ptr_equal(fake.harts[i].vcpu, v);
		assert_true(!v->requests || looks || v->is_woken);
		assert_true(v->sched.affinity & bit(i));
	}
	if (s->chosen)
		assert_int_equal(s->chosen->sched.place, LOADED);
	assert_true(!fake.harts[i].woken || looks);
	if (s->sleepers)
		assert_true(fake.harts[i].timer[TIMER_SCHED] <= s->sleepers->sched.key || looks);
}

static void check_all(void)
{
	unsigned placed[ASLEEP + 1] = { 0 }, ready[GROUPS] = { 0 }, sleepers = 0, loaded = 0;

	for (unsigned i = 0; i < VCPUS; i++) {
		const struct vcpu *v = &models[i].v;

		if (!models[i].exists)
			continue;
		placed[v->sched.place]++;
		ready[v->sched.group - groups] += v->sched.is_ready;
		if (v->sched.place == NOWHERE || v->sched.place == ASLEEP)
			assert_true(!v->requests || v->is_woken);
	}
	for (unsigned i = 0; i < host.harts; i++) {
		check_hart(i);
		sleepers += check_list(sched_harts[i].sleepers, ASLEEP, i);
		loaded += sched_harts[i].chosen != NULL;
	}
	assert_int_equal(check_list(queue, QUEUED, 0), placed[QUEUED]);
	assert_int_equal(sleepers, placed[ASLEEP]);
	assert_int_equal(loaded, placed[LOADED]);
	for (unsigned g = 0; g < GROUPS; g++)
		assert_int_equal(ready[g], groups[g].ready);
}

/* When nothing is due: no hart waits while somebody in the queue may run on it. */
static void check_work_conserved(void)
{
	for (const struct vcpu *v = queue; v; v = v->sched.next)
		for (unsigned i = 0; i < host.harts; i++)
			assert_true(machine[i].guest || !(v->sched.affinity & bit(i)));
}

#endif
