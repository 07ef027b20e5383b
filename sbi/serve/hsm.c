/*
 * HSM: starting, stopping and suspending harts. "Hart State Management Extension".
 *
 * Invariant: a hart's state is moved from STOPPED by one caller only (compare and exchange), and
 * from every other state by the hart itself.
 */
#include "hyp/sched/sched.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

static struct vcpu *find_hart(const struct vcpu *v, uint64_t id)
{
	return id < v->vm->vcpus_n ? v->vm->vcpus[id] : NULL;
}

/* A hart begins in RAM at an even address; anything else could never run. */
static bool is_startable(const struct vcpu *v, uint64_t pc)
{
	return !(pc & 1) && gstage_is_ram(v->gstage, gpa(pc));
}

/* STARTING is claimed first and .start filled before the kick: its hart looks only after that. */
static struct sbi_ret start(struct vcpu *v)
{
	struct vcpu *target = find_hart(v, sbi_arg(v, 0));
	uint32_t stopped = VCPU_STOPPED;

	if (!target)
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	if (!is_startable(v, sbi_arg(v, 1)))
		return sbi_fail(SBI_ERR_INVALID_ADDRESS);
	if (!atomic_compare_exchange_strong(&target->state, &stopped, VCPU_CLAIMED))
		return sbi_fail(SBI_ERR_ALREADY_AVAILABLE);
	target->start = (struct vcpu_start){ sbi_arg(v, 1), target->id, sbi_arg(v, 2) };
	atomic_store(&target->state, VCPU_STARTING);
	vcpu_kick(target, VCPU_REQ_STATE);
	return sbi_ok(0);
}

static struct sbi_ret stop(struct vcpu *v)
{
	atomic_store(&v->state, VCPU_STOPPED);
	vcpu_kick(v, VCPU_REQ_STATE);
	return sbi_ok(0);
}

static struct sbi_ret status(struct vcpu *v)
{
	static const uint8_t as_spec[] = {
		[VCPU_STOPPED] = SBI_HSM_STOPPED,	 [VCPU_CLAIMED] = SBI_HSM_START_PENDING,
		[VCPU_STARTING] = SBI_HSM_START_PENDING, [VCPU_STARTED] = SBI_HSM_STARTED,
		[VCPU_SUSPENDED] = SBI_HSM_SUSPENDED,
	};
	const struct vcpu *target = find_hart(v, sbi_arg(v, 0));
	uint64_t state;

	if (!target)
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	state = as_spec[atomic_load(&target->state)];
	if (state == SBI_HSM_START_PENDING)
		sched_give_way(v); /* who asks waits for it */
	return sbi_ok(state);
}

/* Only the two default types; of the others all are reserved or the platform's, which has none. */
static struct sbi_ret suspend(struct vcpu *v)
{
	uint32_t type = (uint32_t)sbi_arg(v, 0);

	if (type == SBI_HSM_SUSPEND_RETENTIVE) {
		v->start.pc = VCPU_START_HERE;
	} else if (type == SBI_HSM_SUSPEND_NON_RETENTIVE) {
		if (!is_startable(v, sbi_arg(v, 1)))
			return sbi_fail(SBI_ERR_INVALID_ADDRESS);
		v->start = (struct vcpu_start){ sbi_arg(v, 1), v->id, sbi_arg(v, 2) };
	} else {
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	}
	atomic_store(&v->state, VCPU_SUSPENDED);
	vcpu_kick(v, VCPU_REQ_STATE);
	return sbi_ok(0);
}

struct sbi_ret serve_hsm(struct vcpu *v, uint64_t fid)
{
	switch (fid) {
	case SBI_HSM_HART_START:
		return start(v);
	case SBI_HSM_HART_STOP:
		return stop(v);
	case SBI_HSM_HART_GET_STATUS:
		return status(v);
	case SBI_HSM_HART_SUSPEND:
		return suspend(v);
	default:
		return sbi_fail(SBI_ERR_NOT_SUPPORTED);
	}
}
