/*
 * STA: how long a hart was ready to run and others ran instead. "Steal-time Accounting Extension".
 *
 * Written when the hart goes on, before the guest does: nobody can read it in between but the
 * guest's other harts, for whose sake the sequence is odd meanwhile.
 */
#include "hyp/arch/cpu.h"
#include "hyp/drv/host.h"
#include "hyp/g-stage/gstage.h"
#include "hyp/lib/check.h"
#include "hyp/sched/sched.h"
#include "hyp/vm/vm.h"
#include "sbi/serve/serve.h"

static struct sbi_ret set_shmem(struct vcpu *v)
{
	static const char zeros[SBI_STA_BYTES];
	uint64_t at = sbi_arg(v, 0), high = sbi_arg(v, 1);

	if (at == SBI_SHMEM_DISABLE && high == SBI_SHMEM_DISABLE) {
		v->steal = gpa(0);
		return sbi_ok(0);
	}
	if (sbi_arg(v, 2) || !is_aligned(at, SBI_STA_BYTES))
		return sbi_fail(SBI_ERR_INVALID_PARAM);
	if (high || gstage_write(v->gstage, gpa(at), zeros, sizeof(zeros)) != OK)
		return sbi_fail(SBI_ERR_INVALID_ADDRESS);
	v->steal = gpa(at);
	v->steal_told = 0;
	v->steal_sequence = 0;
	sbi_tell_steal(v);
	return sbi_ok(0);
}

static void write(struct vcpu *v, unsigned offset, const void *from, size_t bytes)
{
	enum err e = gstage_write(v->gstage, gpa(v->steal.v + offset), from, bytes);

	CHECK(e == OK); /* the page was there when it was set */
	fence_all();
}

void sbi_tell_steal(struct vcpu *v)
{
	uint64_t ns;

	if (!v->steal.v || v->steal_told == v->sched.waited)
		return;
	v->steal_told = v->sched.waited;
	ns = host_ns(v->steal_told);
	v->steal_sequence++;
	write(v, SBI_STA_SEQUENCE, &v->steal_sequence, sizeof(v->steal_sequence));
	write(v, SBI_STA_STEAL, &ns, sizeof(ns));
	v->steal_sequence++;
	write(v, SBI_STA_SEQUENCE, &v->steal_sequence, sizeof(v->steal_sequence));
}

struct sbi_ret serve_sta(struct vcpu *v, uint64_t fid)
{
	return fid == SBI_STA_SET_SHMEM ? set_shmem(v) : sbi_fail(SBI_ERR_NOT_SUPPORTED);
}
