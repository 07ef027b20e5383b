/*
 * hyp/sched/sched.c: who runs where, and when; see test_sched_life.c for what becomes of those that
 * come, go, and are kicked at any moment.
 */
#include "tests/unit/sched.h"

/* --- shares --- */

/* @v's share of one hart's time, in a thousandth, while @time passes. */
static void measure(struct vcpu *const *v, unsigned n, uint64_t time, unsigned *share)
{
	struct sched_account before[VCPUS], after;

	for (unsigned i = 0; i < n; i++)
		sched_account(v[i], &before[i]);
	run_for(time, MS);
	for (unsigned i = 0; i < n; i++) {
		sched_account(v[i], &after);
		share[i] = (unsigned)((after.ran - before[i].ran) * 1000 / time);
	}
	check_all();
	check_work_conserved();
}

/* Hogs, what each should get, in a thousandth of a hart. */
struct hogs {
	unsigned harts, n;
	unsigned weight[GROUPS];
	struct {
		unsigned group;
		uint64_t affinity;
		unsigned share;
	} hog[VCPUS];
};

static void hogs_get_their_shares(void **state)
{
	static const struct hogs rows[] = {
		{ 1, 2, { 100, 300 }, { { 0, ~0ul, 250 }, { 1, ~0ul, 750 } } },
		{ 1, 2, { 1, 3 }, { { 0, ~0ul, 250 }, { 1, ~0ul, 750 } } },
		{ 1, 3, { 100, 100, 200 }, { { 0, ~0ul, 250 }, { 1, ~0ul, 250 }, { 2, ~0ul, 500 } } },
		/* A group's weight is all its vcpus' together. */
		{ 1, 3, { 100, 100 }, { { 0, ~0ul, 500 }, { 1, ~0ul, 250 }, { 1, ~0ul, 250 } } },
		{ 2, 4, { 100, 100 },
		  { { 0, ~0ul, 1000 }, { 1, ~0ul, 333 }, { 1, ~0ul, 333 }, { 1, ~0ul, 333 } } },
		{ 2, 4, { 100, 300 },
		  { { 0, ~0ul, 250 }, { 0, ~0ul, 250 }, { 1, ~0ul, 750 }, { 1, ~0ul, 750 } } },
		{ 2, 8, { 100 },
		  { { 0, ~0ul, 250 }, { 0, ~0ul, 250 }, { 0, ~0ul, 250 }, { 0, ~0ul, 250 },
		    { 0, ~0ul, 250 }, { 0, ~0ul, 250 }, { 0, ~0ul, 250 }, { 0, ~0ul, 250 } } },
		{ 4, 5, { 100 },
		  { { 0, ~0ul, 800 }, { 0, ~0ul, 800 }, { 0, ~0ul, 800 }, { 0, ~0ul, 800 },
		    { 0, ~0ul, 800 } } },
		/* More than a hart can't be had: the others share what is left by their weights. */
		{ 2, 3, { 1000, 100, 10 },
		  { { 0, ~0ul, 1000 }, { 1, ~0ul, 909 }, { 2, ~0ul, 91 } } },
		{ 2, 2, { 1, 1000 }, { { 0, ~0ul, 1000 }, { 1, ~0ul, 1000 } } },
		/* Those that are bound to a hart have it for themselves where others have another. */
		{ 2, 3, { 100 }, { { 0, 1, 500 }, { 1, 1, 500 }, { 2, 2, 1000 } } },
	};

	(void)state;
	for (unsigned r = 0; r < COUNT(rows); r++) {
		struct vcpu *v[VCPUS];
		unsigned share[VCPUS];

		begin_machine(rows[r].harts);
		for (unsigned g = 0; g < GROUPS; g++)
			if (rows[r].weight[g])
				groups[g].weight = rows[r].weight[g];
		for (unsigned i = 0; i < rows[r].n; i++)
			v[i] = add_hog(rows[r].hog[i].group, rows[r].hog[i].affinity);
		begin_harts();
		run_for(2000 * MS, MS);
		measure(v, rows[r].n, 20000 * MS, share);
		for (unsigned i = 0; i < rows[r].n; i++) {
			assert_in_range(share[i], rows[r].hog[i].share * 95 / 100,
					rows[r].hog[i].share * 105 / 100);
		}
	}
}

/* Who waited long, loaded where nobody else wanted to be, has saved nothing. */
static void waiting_saves_nothing(void **state)
{
	struct vcpu *v[3];
	unsigned share[3];

	(void)state;
	begin_machine(2);
	v[0] = add_hog(0, EVERYWHERE);
	v[1] = add_hog(1, EVERYWHERE);
	begin_harts();
	wait_until(v[1], now() + 5000 * MS);
	assert_int_equal(v[1]->sched.place, LOADED);
	run_for(5000 * MS, MS);
	assert_true(runs_on(v[1]) >= 0);
	v[2] = add_hog(2, EVERYWHERE);
	settle_down();
	measure(v, 3, 600 * MS, share);
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(share[i], 620, 715);
}

/* Nor has who sleeps while another, that is due more than a hart, is far behind all the rest. */
static void great_weight_makes_nobody_starve(void **state)
{
	struct vcpu *v[3];
	unsigned share[3];

	(void)state;
	begin_machine(2);
	groups[0].weight = 1000;
	groups[2].weight = 10;
	for (unsigned i = 0; i < 3; i++)
		v[i] = add_hog(i, EVERYWHERE);
	begin_harts();
	while (runs_on(v[1]) < 0)
		run_for(MS, MS);
	run_for(5000 * MS, MS);
	while (runs_on(v[1]) < 0)
		run_for(MS, MS);
	wait_until(v[1], now() + 5000 * MS);
	run_for(5000 * MS, MS);
	measure(v, 3, 1100 * MS, share);
	assert_in_range(share[2], 50, 150);
}

/* --- waking --- */

static void ready_ones_go_to_idle_harts_at_once(void **state)
{
	struct vcpu *v[4];

	(void)state;
	begin_machine(4);
	begin_harts();
	fake.hart = &fake.harts[0];
	for (unsigned i = 0; i < 4; i++)
		v[i] = add_hog(i, EVERYWHERE); /* all last seen on hart 0 */
	settle_down();
	for (unsigned i = 0; i < 4; i++)
		assert_true(runs_on(v[i]) >= 0);
	check_all();
}

static void one_that_wakes_takes_its_own_hart_if_that_is_idle(void **state)
{
	struct vcpu *v;

	(void)state;
	begin_machine(4);
	v = add_hog(0, EVERYWHERE);
	begin_harts();
	for (unsigned i = 0; i < 4; i++) {
		int hart = runs_on(v);

		wait_until(v, TIMER_NEVER);
		from_hart(3 - (unsigned)hart, raise, v);
		settle_down();
		assert_int_equal(runs_on(v), hart);
	}
}

/* Two hogs on two harts, one of which has had less. */
static void one_that_wakes_takes_over_from_who_had_most(void **state)
{
	struct vcpu *a, *b, *c;

	(void)state;
	begin_machine(2);
	c = add_hog(2, EVERYWHERE);
	begin_harts();
	a = add_hog(0, EVERYWHERE);
	settle_down();
	run_for(50 * MS, MS);
	b = add_hog(1, EVERYWHERE);
	settle_down();
	wait_until(c, TIMER_NEVER);
	settle_down();
	run_for(100 * MS, MS);
	a->sched.vtime += 50 * MS;
	assert_true(runs_on(a) >= 0 && runs_on(b) >= 0);
	assert_int_equal(c->sched.place, ASLEEP);
	from_hart((unsigned)runs_on(b), raise, c);
	settle_down();
	assert_true(runs_on(b) >= 0 && runs_on(c) >= 0);
	assert_int_equal(a->sched.place, QUEUED);
	check_all();
}

/* Each finds a hart of its own, though the first two to be preempted are the same for both. */
static void two_that_wake_take_over_two_harts(void **state)
{
	struct vcpu *hog[4], *v[2];

	(void)state;
	begin_machine(4);
	for (unsigned i = 0; i < 2; i++)
		v[i] = add_hog(1, EVERYWHERE);
	begin_harts();
	for (unsigned i = 0; i < 2; i++)
		wait_until(v[i], TIMER_NEVER);
	for (unsigned i = 0; i < 4; i++)
		hog[i] = add_hog(0, EVERYWHERE);
	settle_down();
	run_for(200 * MS, MS);
	for (unsigned i = 0; i < 4; i++)
		assert_true(runs_on(hog[i]) >= 0);
	for (unsigned i = 0; i < 2; i++)
		from_hart(3, raise, v[i]);
	settle_down();
	assert_true(runs_on(v[0]) >= 0 && runs_on(v[1]) >= 0);
}

static void sleepers_wake_by_deadline_where_they_slept(void **state)
{
	static const unsigned after[] = { 7, 3, 5 };
	struct vcpu *v[3], *hog;

	(void)state;
	begin_machine(1);
	for (unsigned i = 0; i < 3; i++)
		v[i] = add_hog(i, EVERYWHERE);
	hog = add_hog(3, EVERYWHERE);
	begin_harts();
	for (unsigned n = 0; n < 3;) {
		for (unsigned i = 0; i < 3; i++)
			if (runs_on(v[i]) >= 0) {
				wait_until(v[i], 2000 * MS + after[i] * MS);
				n++;
			}
		run_for(MS, MS);
	}
	run_for(1999 * MS - now(), MS);
	assert_int_equal(runs_on(hog), 0);
	assert_int_equal(check_list(sched_harts[0].sleepers, ASLEEP, 0), 3);
	for (unsigned k = 1; k < 8; k++) {
		run_for(2000 * MS + k * MS - now(), MS / 10);
		check_all();
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(v[i]->sched.place == ASLEEP, k < after[i]);
			if (k == after[i])
				assert_int_equal(runs_on(v[i]), 0);
		}
	}
}

/* Hogs of other guests don't keep a timer waiting for longer than a slice. */
static void timers_of_others_are_kept(void **state)
{
	struct vcpu *v;
	uint64_t worst = 0;

	(void)state;
	begin_machine(2);
	v = add_hog(0, EVERYWHERE);
	for (unsigned i = 0; i < 6; i++)
		add_hog(1 + i % 3, EVERYWHERE);
	begin_harts();
	for (unsigned i = 0; i < 200; i++) {
		uint64_t deadline;

		while (runs_on(v) < 0)
			run_for(MS, MS);
		deadline = now() + (37 + i % 11) * MS;
		wait_until(v, deadline);
		while (runs_on(v) < 0)
			run_for(MS / 10, MS / 10);
		if (now() - deadline > worst)
			worst = now() - deadline;
	}
	assert_in_range(worst, 0, SLICE_MS * MS);
}

static void affinity_is_kept(void **state)
{
	struct vcpu *v[6];
	uint64_t seed = 5;

	(void)state;
	begin_machine(4);
	for (unsigned i = 0; i < 6; i++)
		v[i] = add_hog(i % 2, 1 + random_next(&seed) % 15);
	begin_harts();
	for (unsigned n = 0; n < 2000; n++) {
		unsigned i = (unsigned)(random_next(&seed) % 6);

		run_for(random_next(&seed) % (5 * MS), MS);
		if (runs_on(v[i]) >= 0 && n % 3 == 0)
			wait_until(v[i], now() + random_next(&seed) % (20 * MS));
		settle_down();
		check_all();
		check_work_conserved();
	}
}

/* A vcpu that yields lets all others that wait go first, though it has had less. */
static void who_yields_goes_last(void **state)
{
	struct vcpu *v[3];

	(void)state;
	begin_machine(1);
	for (unsigned i = 0; i < 3; i++)
		v[i] = add_hog(i, EVERYWHERE);
	begin_harts();
	for (unsigned n = 0; n < 30; n++) {
		struct vcpu *runs = machine[0].guest;

		fake.hart = &fake.harts[0];
		sched_give_way(runs);
		look(0);
		assert_ptr_not_equal(machine[0].guest, runs);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(v[i]->sched.switches, 9, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hogs_get_their_shares),
		cmocka_unit_test(waiting_saves_nothing),
		cmocka_unit_test(great_weight_makes_nobody_starve),
		cmocka_unit_test(ready_ones_go_to_idle_harts_at_once),
		cmocka_unit_test(one_that_wakes_takes_its_own_hart_if_that_is_idle),
		cmocka_unit_test(one_that_wakes_takes_over_from_who_had_most),
		cmocka_unit_test(two_that_wake_take_over_two_harts),
		cmocka_unit_test(sleepers_wake_by_deadline_where_they_slept),
		cmocka_unit_test(timers_of_others_are_kept),
		cmocka_unit_test(affinity_is_kept),
		cmocka_unit_test(who_yields_goes_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
