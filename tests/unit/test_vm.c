/*
 * hyp/vm/vm.c: a VM that is stepped, and paused by an event of its trace.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "hyp/lib/trace.h"
#include "hyp/vm/vm.h"

static struct vm vm;
static struct vcpu vcpu;
static struct trace *t;

void v_register_write_vstart(uint64_t value)
{
	(void)value;
}

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	t = malloc(sizeof(*t));
	trace_init(t);
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&vm, 0, sizeof(vm));
	vcpu.hart = fake.hart;
	vcpu.trace = t;
	vm.vcpus[0] = &vcpu;
	vm.vcpus_n = 1;
	vm.state = VM_RUNNING;
	vm.group.runs = true;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(t);
	return 0;
}

/* What paused it is told until the next step, and of a VM that is paused. */
static void paused_by_an_event(void **state)
{
	(void)state;
	assert_int_equal(vm_step(&vm, 1u << TRACE_FENCE), OK);
	assert_int_equal(t->stops, 1u << TRACE_FENCE);
	assert_true(vcpu.requests & VCPU_REQ_WATCH);
	assert_int_equal(vm_pause_for(&vm, 7), OK);
	assert_true(vm.state == VM_PAUSED && !vm.group.runs && (vcpu.requests & VCPU_REQ_STATE));
	assert_int_equal(t->stopped_by, 8);
	assert_int_equal(vm_step(&vm, 1u << TRACE_SATP), OK);
	assert_true(vm.state == VM_RUNNING && vm.group.runs);
	assert_int_equal(t->stops, 1u << TRACE_SATP);
	assert_int_equal(t->stopped_by, 0);
	assert_int_equal(vm_pause(&vm), OK); /* by the operator, just before the event */
	assert_int_equal(vm_pause_for(&vm, 8), ERR_STATE);
	assert_int_equal(t->stopped_by, 9);
}

static void ended_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(vm_step(&vm, 1u << TRACE_FENCE), OK);
	vm.state = VM_ENDING;
	assert_int_equal(vm_pause_for(&vm, 7), ERR_STATE);
	assert_int_equal(t->stopped_by, 0);
	t->hit = 9;
	assert_int_equal(vm_step(&vm, 1u << TRACE_FENCE), ERR_STATE);
	assert_true(t->stops == 0 && t->hit == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paused_by_an_event, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ended_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
