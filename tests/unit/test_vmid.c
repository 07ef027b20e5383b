/*
 * hyp/g-stage/vmid.c: no two VMs share an identifier on a hart that hasn't flushed between.
 */
#include "tests/unit/unit.h"

#include "hyp/g-stage/vmid.h"

#define VMS   7
#define HARTS 3

/* What a hart's TLB may hold: which VM each VMID's translations are of, -1 for none. */
struct hart_tlb {
	int vm_of[64];
	uint64_t flushed;
};

static void tlb_flush(struct hart_tlb *t)
{
	for (unsigned i = 0; i < 64; i++)
		t->vm_of[i] = -1;
}

static void enter(struct vmid *v, int vm, struct hart_tlb *t, uint64_t count)
{
	if (vmid_validate(v, &t->flushed))
		tlb_flush(t);
	assert_true(v->id < count);
	if (t->vm_of[v->id] != -1)
		assert_int_equal(t->vm_of[v->id], vm);
	t->vm_of[v->id] = vm;
}

/* Harts enter VMs in random order; a stale translation of another VM must never be met. */
static void never_another_vms(uint64_t count)
{
	struct vmid vmid[VMS] = { 0 };
	struct hart_tlb tlb[HARTS] = { 0 };
	uint64_t seed = count;

	vmid_init(count);
	for (unsigned h = 0; h < HARTS; h++)
		tlb_flush(&tlb[h]);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned vm = (unsigned)(random_next(&seed) % VMS);

		enter(&vmid[vm], (int)vm, &tlb[random_next(&seed) % HARTS], count);
	}
}

static void rolls_over(void **state)
{
	(void)state;
	never_another_vms(2);
	never_another_vms(4);
	never_another_vms(VMS - 1);
}

static void vmidlen_0(void **state)
{
	(void)state;
	never_another_vms(1);
}

/* With enough of them every VM keeps the one it has, and no hart flushes again. */
static void enough_are_kept(void **state)
{
	struct vmid vmid[VMS] = { 0 };
	uint64_t flushed = 0, seen = 0;
	(void)state;

	vmid_init(64);
	for (unsigned i = 0; i < VMS; i++)
		vmid_validate(&vmid[i], &flushed);
	for (unsigned i = 0; i < VMS; i++) {
		uint64_t id = vmid[i].id;

		assert_false(vmid_validate(&vmid[i], &flushed));
		assert_int_equal(vmid[i].id, id);
		assert_false(seen >> id & 1);
		seen |= UINT64_C(1) << id;
	}
}

/* A hart that comes later flushes once, though it gets no new identifier. */
static void each_hart_flushes(void **state)
{
	struct vmid v = { 0 };
	uint64_t first = 0, second = 0;
	(void)state;

	vmid_init(64);
	assert_true(vmid_validate(&v, &first));
	assert_false(vmid_validate(&v, &first));
	assert_true(vmid_validate(&v, &second));
	assert_false(vmid_validate(&v, &second));
}

int main(void)
{
	/* In this order: the counter of hyp/g-stage/vmid.c lives on from test to test. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vmidlen_0),
		cmocka_unit_test(rolls_over),
		cmocka_unit_test(enough_are_kept),
		cmocka_unit_test(each_hart_flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
