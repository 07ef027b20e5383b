/*
 * hyp/lib/trace.c: the ring, with one writer and with many at once, a reader that comes in time and
 * one that doesn't.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hyp/arch/pte.h"
#include "hyp/lib/trace.h"

static struct trace *t;

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	t = malloc(sizeof(*t));
	memset(t, 0xa5, sizeof(*t)); /* what memory has in it */
	trace_init(t);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(t);
	return 0;
}

/* An event of which every word says the same: @value. */
static void put(uint64_t value)
{
	struct trace_event e = {
		.time = value, .instret = value, .kind = TRACE_FILL, .has = (1 << TRACE_MEMBERS) - 1
	};

	for (unsigned m = 0; m < TRACE_MEMBERS; m++)
		e.value[m] = value;
	trace_write(t, &e);
}

static bool is_whole(const struct trace_event *e)
{
	for (unsigned m = 0; m < TRACE_MEMBERS; m++)
		if (e->value[m] != e->time)
			return false;
	return e->instret == e->time && e->kind == TRACE_FILL;
}

static uint64_t next_value(void)
{
	struct trace_event e;
	uint64_t lost;

	assert_true(trace_read(t, &e, &lost));
	assert_int_equal(lost, 0);
	assert_true(is_whole(&e));
	return e.time;
}

static void reads_nothing(void)
{
	struct trace_event e;
	uint64_t lost;

	assert_false(trace_read(t, &e, &lost));
	assert_int_equal(lost, 0);
}

static void reads_lost(uint64_t n)
{
	struct trace_event e;
	uint64_t lost;

	assert_true(trace_read(t, &e, &lost));
	assert_int_equal(lost, n);
}

static void in_order(void **state)
{
	(void)state;
	reads_nothing();
	for (uint64_t round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < TRACE_SLOTS; i++)
			put(round << 32 | i);
		assert_int_equal(trace_unread(t), TRACE_SLOTS);
		for (uint64_t i = 0; i < TRACE_SLOTS; i++)
			assert_int_equal(next_value(), round << 32 | i);
		reads_nothing();
	}
	assert_int_equal(trace_lost(t), 0);
	assert_int_equal(trace_unread(t), 0);
}

/* What was overwritten is told before what follows, once, and exactly. */
static void overflow(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < TRACE_SLOTS + 7; i++)
		put(i);
	assert_int_equal(trace_lost(t), 7);
	assert_int_equal(trace_unread(t), TRACE_SLOTS);
	reads_lost(7);
	assert_int_equal(next_value(), 7);
	for (uint64_t i = 0; i < 3 * TRACE_SLOTS; i++)
		put(i);
	assert_int_equal(trace_lost(t), 7 + 3 * TRACE_SLOTS - 1);
	reads_lost(3 * TRACE_SLOTS - 1);
	for (uint64_t i = 2 * TRACE_SLOTS; i < 3 * TRACE_SLOTS; i++)
		assert_int_equal(next_value(), i);
	reads_nothing();
}

/* A writer that stops in the middle holds up the reader, but no writer; whoever comes round to its
 * slot gives up, and that is told where it belongs. */
static void slow_writer(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		put(i);
	t->slot[1].stamp = 2 * 1 + 1; /* event 1 isn't done yet */
	assert_int_equal(next_value(), 0);
	reads_nothing();
	for (uint64_t i = 3; i < TRACE_SLOTS + 4; i++)
		put(i);		      /* TRACE_SLOTS + 1 finds it so */
	t->slot[1].stamp = 2 * 1 + 2; /* now it is */
	reads_lost(3);		      /* 1 to 3 are more than a round back */
	for (uint64_t i = 4; i < TRACE_SLOTS + 1; i++)
		assert_int_equal(next_value(), i);
	reads_lost(1);
	assert_int_equal(next_value(), TRACE_SLOTS + 2);
	assert_int_equal(next_value(), TRACE_SLOTS + 3);
	reads_nothing();
	assert_int_equal(trace_lost(t), 4);
}

/* An event that was overwritten by a later one while its writer hadn't begun. */
static void late_writer(void **state)
{
	(void)state;
	put(0);
	t->slot[0].stamp = 2 * TRACE_SLOTS + 2;
	reads_lost(1);
	atomic_store(&t->next, TRACE_SLOTS);
	t->at = TRACE_SLOTS;
	t->slot[0].stamp = 4 * TRACE_SLOTS + 2;
	put(5); /* TRACE_SLOTS, and 2 * TRACE_SLOTS is there already */
	assert_int_equal(t->slot[0].stamp, 4 * TRACE_SLOTS + 2);
	reads_lost(1);
}

#define WRITERS 4
#define EACH	60000

static void *write_many(void *arg)
{
	uint64_t who = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < EACH; i++)
		put(who << 32 | i);
	return NULL;
}

/* What the reader has is whole and in each writer's order, and what it hasn't is counted. */
static void many_writers(void **state)
{
	uint64_t got = 0, lost_all = 0, last[WRITERS] = { 0 }, before = 0, lost;
	pthread_t threads[WRITERS];
	struct trace_event e;
	(void)state;

	for (uintptr_t i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, write_many, (void *)i);
	while (got + lost_all < WRITERS * EACH) {
		if (!trace_read(t, &e, &lost))
			continue;
		lost_all += lost;
		if (lost)
			continue;
		assert_true(is_whole(&e));
		assert_true(got == 0 || e.n > before);
		assert_int_equal(e.n, got + lost_all);
		assert_true(e.time >> 32 < WRITERS && last[e.time >> 32] <= (e.time & 0xffffffff));
		last[e.time >> 32] = e.time & 0xffffffff;
		before = e.n;
		got++;
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(got + lost_all, atomic_load(&t->next));
	assert_int_equal(trace_lost(t), lost_all);
	assert_true(got > 0);
	reads_nothing();
}

/* What is told of a hart's vcpu; nothing where nobody asks. */
static void by_kind(void **state)
{
	const struct trace_value values[] = { { TRACE_AT, 5 }, { TRACE_LEVEL, 0 } };
	struct trace_event e;
	uint64_t lost;
	(void)state;

	trace_probe();
	assert_true(trace_has_instret());
	assert_false(trace_wants(TRACE_FENCE));
	assert_false(trace_is_on(NULL));
	this_hart()->trace = t;
	this_hart()->traced = 3;
	assert_false(trace_is_on(t) || trace_wants(TRACE_FENCE));
	t->kinds = 1u << TRACE_FENCE;
	assert_true(trace_is_on(t) && trace_wants(TRACE_FENCE) && !trace_wants(TRACE_FILL));
	fake.csr[CSR_TIME] = 77;
	fake.csr[CSR_INSTRET] = 99;
	trace_add(TRACE_FENCE, TRACE_SBI, values, 2);
	assert_true(trace_read(t, &e, &lost));
	assert_int_equal(lost, 0);
	assert_int_equal(e.n, 0);
	assert_int_equal(e.time, 77);
	assert_int_equal(e.instret, 99);
	assert_int_equal(e.kind, TRACE_FENCE);
	assert_int_equal(e.why, TRACE_SBI);
	assert_int_equal(e.vcpu, 3);
	assert_int_equal(e.hart, this_hart()->index);
	assert_int_equal(e.has, 1u << TRACE_AT | 1u << TRACE_LEVEL);
	assert_int_equal(e.value[TRACE_AT], 5);
}

static bool is_stopped(void)
{
	uint64_t by;

	return trace_take_stop(t, &by);
}

/* The first of the kinds asked for stops the VM, once; it is written though nobody traces. */
static void steps(void **state)
{
	const struct trace_value satp = { TRACE_ATP, UINT64_C(8) << 60 | 0x80200 };
	struct trace_event e;
	uint64_t lost, by;
	(void)state;

	this_hart()->trace = t;
	t->stops = 1u << TRACE_FENCE | 1u << TRACE_SATP;
	assert_true(trace_is_on(t) && trace_wants(TRACE_FENCE) && !trace_wants(TRACE_FILL));
	trace_add(TRACE_FILL, TRACE_PAGE, NULL, 0);
	reads_nothing();
	assert_false(is_stopped());
	trace_add(TRACE_SATP, TRACE_NO_WHY, &satp, 1);
	assert_false(trace_wants(TRACE_SATP));
	assert_true(trace_is_on(t)); /* until the VM is paused */
	trace_add(TRACE_FENCE, TRACE_NO_WHY, NULL, 0);
	assert_true(trace_read(t, &e, &lost));
	assert_int_equal(e.kind, TRACE_SATP);
	reads_nothing();
	assert_true(trace_take_stop(t, &by));
	assert_int_equal(by, 0);
	assert_int_equal(t->stopped_by, 0);
	trace_stopped(t, by);
	assert_int_equal(t->stopped_by, 0 + 1);
	assert_false(is_stopped() || trace_is_on(t));
	/* What was asked of a VM that has ended, or has met it just before, isn't the next one's.
	 */
	t->stops = 1u << TRACE_FENCE;
	t->hit = 5;
	trace_end(t);
	assert_false(is_stopped() || trace_is_on(t));
	trace_end(NULL);
}

/* A page that satp, or a pointer that was stored, makes a table; once each. */
static void table_breaks(void **state)
{
	const struct trace_value bare = { TRACE_ATP, 0x80200 };
	const struct trace_value satp = { TRACE_ATP, UINT64_C(8) << 60 | 0x80200 };
	const struct trace_value leaf = { TRACE_VALUE, pte_make(0x80300000, PTE_V | PTE_R) };
	const struct trace_value none = { TRACE_VALUE, pte_make(0x80300000, 0) };
	const struct trace_value pointer = { TRACE_VALUE, pte_make(0x80300000, PTE_V) };
	(void)state;

	this_hart()->trace = t;
	assert_true(trace_add_break(t, true, 0x80200123));
	assert_true(trace_add_break(t, true, 0x80300000));
	assert_true(trace_add_break(t, false, 0x80300000));
	assert_true(trace_wants(TRACE_SATP) && trace_wants(TRACE_FAULT));
	trace_add(TRACE_SATP, TRACE_NO_WHY, &bare, 1);
	trace_add(TRACE_PT_STORE, TRACE_NO_WHY, &leaf, 1);
	trace_add(TRACE_PT_STORE, TRACE_NO_WHY, &none, 1);
	trace_add(TRACE_SATP, TRACE_NO_WHY, &(struct trace_value){ TRACE_ATP, ~0ul }, 1);
	assert_false(is_stopped());
	trace_add(TRACE_SATP, TRACE_NO_WHY, &satp, 1);
	assert_true(is_stopped());
	trace_add(TRACE_SATP, TRACE_NO_WHY, &satp, 1);
	assert_false(is_stopped());
	trace_add(TRACE_PT_STORE, TRACE_NO_WHY, &pointer, 1);
	assert_true(is_stopped());
	assert_int_equal(t->next, 2);
	trace_stop(TRACE_UNMAPPED, &bare, 1);
	assert_true(is_stopped());
	/* Those that were met make room. */
	for (unsigned i = 1; i < TRACE_BREAKS; i++)
		assert_true(trace_add_break(t, i < 4, i));
	assert_false(trace_add_break(t, true, 0x1000));
	assert_false(t->breaks[2].is_table);
	assert_int_equal(t->breaks[2].id, 3);
	trace_clear_breaks(t);
	assert_false(trace_is_on(t) || trace_take_table(t, 0));
	assert_true(trace_add_break(t, false, 1));
	assert_int_equal(t->breaks[0].id, TRACE_BREAKS + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(overflow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slow_writer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(late_writer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_writers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(by_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(steps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(table_breaks, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
