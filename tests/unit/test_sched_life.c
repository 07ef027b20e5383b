/*
 * hyp/sched/sched.c: those that are paused, parked and removed, wherever they are, and kicked at any
 * moment, and that nobody is forgotten for it; see test_sched.c for who runs when.
 */
#include "tests/unit/sched.h"

static void ask_to_park(struct vcpu *v)
{
	vcpu_kick(v, VCPU_REQ_PARK);
}

static void tell_state(struct vcpu *v)
{
	vcpu_kick(v, VCPU_REQ_STATE);
}

/* --- every place --- */

enum { IN_GUEST, IN_WAIT, IN_QUEUE, IN_SLEEP, IN_NOTHING, PLACES };

/* Bring a vcpu into @place; another one runs where that one isn't on the hart. */
static struct vcpu *bring(unsigned place)
{
	struct vcpu *v;

	begin_machine(2);
	v = add(0, 1);
	begin_harts();
	if (place == IN_NOTHING)
		return v;
	from_hart(1, vcpu_wake, v);
	settle_down();
	if (place == IN_WAIT || place == IN_SLEEP)
		wait_until(v, TIMER_NEVER - 1);
	if (place == IN_QUEUE || place == IN_SLEEP) {
		add_hog(1, 1);
		settle_down();
		run_for(SLICE_MS * 2 * MS, MS);
		while (runs_on(v) >= 0)
			run_for(MS, MS);
	}
	return v;
}

static const unsigned places[PLACES] = { [IN_GUEST] = LOADED,
					 [IN_WAIT] = LOADED,
					 [IN_QUEUE] = QUEUED,
					 [IN_SLEEP] = ASLEEP,
					 [IN_NOTHING] = NOWHERE };

static void paused_ones_run_when_they_are_resumed_alone(void **state)
{
	(void)state;
	for (unsigned place = 0; place < PLACES; place++)
		for (unsigned from = 0; from < 2; from++) {
			struct vcpu *v = bring(place);

			assert_int_equal(v->sched.place, places[place]);
			groups[0].runs = false;
			from_hart(from, tell_state, v);
			run_for(5 * SLICE_MS * MS, MS);
			assert_int_equal(v->sched.place, NOWHERE);
			assert_int_equal(v->requests, 0);
			from_hart(from, raise, v);
			run_for(5 * SLICE_MS * MS, MS);
			assert_int_equal(v->sched.place, NOWHERE);
			groups[0].runs = true;
			from_hart(from, vcpu_wake, v);
			run_for(2 * SLICE_MS * MS, MS);
			assert_true(model_of(v)->served > now() - 3 * SLICE_MS * MS);
			assert_false(v->waiting);
			check_all();
		}
}

static void parked_ones_are_handed_over_once(void **state)
{
	(void)state;
	for (unsigned place = 0; place < PLACES; place++)
		for (unsigned from = 0; from < 2; from++)
			for (unsigned again = 0; again < 2; again++) {
				struct vcpu *v = bring(place);

				groups[0].runs = false;
				from_hart(from, ask_to_park, v);
				from_hart(1 - from, ask_to_park, v);
				from_hart(from, raise, v);
				run_for(5 * SLICE_MS * MS, MS);
				assert_int_equal(model_of(v)->parked, 1);
				assert_int_equal(v->sched.place, NOWHERE);
				assert_int_equal(v->state, VCPU_STOPPED);
				assert_int_equal(v->requests, 0);
				if (again) { /* and once more, after its next start */
					groups[0].runs = true;
					v->state = VCPU_STARTING;
					from_hart(from, tell_state, v);
					run_for(3 * SLICE_MS * MS, MS);
					assert_int_equal(v->state, VCPU_STARTED);
					from_hart(1, ask_to_park, v);
					run_for(5 * SLICE_MS * MS, MS);
					assert_int_equal(model_of(v)->parked, 2);
				}
				check_all();
			}
}

static void removed_ones_are_in_nobodys_mind(void **state)
{
	struct vcpu *v, *other;

	(void)state;
	begin_machine(2);
	v = add(0, EVERYWHERE);
	begin_harts();
	v->state = VCPU_STOPPED;
	v->hart = &fake.harts[1];
	from_hart(0, raise, v);
	other = add(1, EVERYWHERE);
	other->hart = &fake.harts[1];
	from_hart(0, vcpu_wake, other); /* in the same list */
	fake.hart = &fake.harts[0];
	sched_remove(v);
	assert_null(fake.harts[1].woken);
	memset(v, 0xa5, sizeof(*v));
	model_of(v)->exists = false;
	settle_down();
	assert_true(runs_on(other) >= 0);
	check_all();
}

/* --- at just that moment --- */

static struct vcpu *victim;
static unsigned moment; /* interfere() before this many operations more */

/* Another hart pauses the victim's VM. */
static void pause_then(void)
{
	if (moment-- != 0)
		return;
	on_interfere = NULL;
	groups[0].runs = false;
	from_hart(1, tell_state, victim);
}

/* A hart that was asked to leave its guest is told, whenever it was asked. */
static void a_pause_at_any_moment_is_seen(void **state)
{
	(void)state;
	for (unsigned start = 0; start < 3; start++)
		for (unsigned at = 0; at < 40; at++) {
			begin_machine(2);
			victim = add(0, 1);
			victim->hart = &fake.harts[1];
			begin_harts();
			victim->state = start == 0 ? VCPU_STARTING : VCPU_STARTED;
			from_hart(1, tell_state, victim);
			look(1);
			if (start == 2) { /* it runs, and gets an interrupt */
				settle_down();
				from_hart(1, raise, victim);
			}
			moment = at;
			on_interfere = pause_then;
			look(0);
			if (on_interfere) { /* it was over before */
				on_interfere = NULL;
				continue;
			}
			settle_down();
			assert_int_equal(runs_on(victim), -1);
			assert_int_equal(victim->sched.place, NOWHERE);
			check_all();
		}
}

/* --- anything at all --- */

static uint64_t seed;

static unsigned pick(unsigned n)
{
	return (unsigned)(random_next(&seed) % n);
}

static struct vcpu *pick_vcpu(void)
{
	return &models[pick(8)].v;
}

static void kick_at_random(void)
{
	unsigned i = pick(host.harts);

	if (pick(30) != 0 || fake.hart->index == i)
		return;
	on_interfere = NULL;
	from_hart(i, pick(4) ? raise : vcpu_wake, pick_vcpu());
	on_interfere = kick_at_random;
}

static void start_hart(struct vcpu *v)
{
	if (v->state != VCPU_STOPPED || !groups[v->sched.group - groups].runs)
		return;
	v->state = VCPU_STARTING;
	vcpu_kick(v, VCPU_REQ_STATE);
}

static void leave_guest(unsigned i, uint32_t state)
{
	struct vcpu *v = machine[i].guest;

	v->start.pc = VCPU_START_HERE;
	v->state = state;
	v->requests |= VCPU_REQ_STATE;
	look(i);
}

static void group_stops(unsigned g)
{
	groups[g].runs = false;
	for (unsigned i = 0; i < 8; i++)
		if (models[i].v.sched.group == &groups[g])
			from_hart(pick(host.harts), tell_state, &models[i].v);
}

static void group_goes_on(unsigned g)
{
	groups[g].runs = true;
	for (unsigned i = 0; i < 8; i++)
		if (models[i].v.sched.group == &groups[g])
			from_hart(pick(host.harts), vcpu_wake, &models[i].v);
}

static void step(void)
{
	unsigned i = pick(host.harts), g = pick(GROUPS);
	struct vcpu *v = machine[i].guest;

	switch (pick(12)) {
	case 0:
	case 1:
		from_hart(pick(host.harts), raise, pick_vcpu());
		break;
	case 2:
	case 3:
		if (v)
			wait_until(v, pick(3) ? now() + pick(30 * MS) : TIMER_NEVER);
		break;
	case 4:
		if (v && pick(3) == 0)
			leave_guest(i, pick(2) ? VCPU_STOPPED : VCPU_SUSPENDED);
		break;
	case 5:
		from_hart(i, start_hart, pick_vcpu());
		break;
	case 6:
		if (groups[g].runs)
			group_stops(g);
		else
			group_goes_on(g);
		break;
	case 7:
		if (v) {
			fake.hart = &fake.harts[i];
			sched_give_way(v);
			look(i);
		}
		break;
	case 8:
	case 9:
		fake.csr[CSR_TIME] += pick(4 * MS);
		break;
	default:
		if (is_due(i) || pick(4) == 0)
			look(i);
	}
}

static bool wants_to_run(const struct vcpu *v)
{
	return v->state == VCPU_STARTING || (v->state == VCPU_STARTED && !v->waiting) ||
	       (v->state != VCPU_STOPPED && (v->irq_software || model_of(v)->pending));
}

/* When all is quiet, whoever wants to run does so within a few slices for each of them. */
static void check_nobody_is_forgotten(void)
{
	bool wanted[8];
	uint64_t from;

	on_interfere = NULL;
	for (unsigned g = 0; g < GROUPS; g++)
		if (!groups[g].runs)
			group_goes_on(g);
	settle_down();
	check_all();
	check_work_conserved();
	from = now();
	for (unsigned i = 0; i < 8; i++)
		wanted[i] = wants_to_run(&models[i].v);
	run_for(200 * SLICE_MS * MS, 5 * MS);
	for (unsigned i = 0; i < 8; i++)
		if (wanted[i] && models[i].served < from)
			fail_msg("vcpu %u wanted to run, and is in place %u", i,
				 models[i].v.sched.place);
}

static void park_all_and_forget(void)
{
	on_interfere = NULL;
	for (unsigned i = 0; i < 8; i++) {
		models[i].parked = 0;
		groups[i % GROUPS].runs = false;
		from_hart(pick(host.harts), ask_to_park, &models[i].v);
	}
	run_for(20 * SLICE_MS * MS, MS);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(models[i].parked, 1);
		from_hart(pick(host.harts), pick(2) ? vcpu_wake : raise, &models[i].v);
		fake.hart = &fake.harts[pick(host.harts)];
		sched_remove(&models[i].v);
		models[i].exists = false;
	}
	assert_null(queue);
	assert_int_equal(vcpus_n, 0);
	assert_int_equal(bound_n, 0);
	settle_down();
	check_all();
}

static void no_history_loses_a_wake_up(void **state)
{
	(void)state;
	for (seed = 1; seed <= 60;) {
		uint64_t number = seed;

		begin_machine(1 + pick(4));
		for (unsigned i = 0; i < 8; i++) {
			uint64_t affinity = pick(4) ? EVERYWHERE : bit(pick(host.harts));

			groups[i % GROUPS].weight = 50 + pick(150);
			add_hog(i % GROUPS, affinity);
		}
		begin_harts();
		for (unsigned n = 0; n < 6; n++) {
			on_interfere = kick_at_random;
			for (unsigned k = 0; k < 500; k++) {
				step();
							check_all();
			}
			check_nobody_is_forgotten();
		}
		park_all_and_forget();
		seed = number + 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paused_ones_run_when_they_are_resumed_alone),
		cmocka_unit_test(parked_ones_are_handed_over_once),
		cmocka_unit_test(removed_ones_are_in_nobodys_mind),
		cmocka_unit_test(a_pause_at_any_moment_is_seen),
		cmocka_unit_test(no_history_loses_a_wake_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
