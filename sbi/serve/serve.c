/*
 * Dispatch of guests' SBI calls. a0 and a1 are written here and nowhere else.
 *
 * Invariant: whatever a guest asks, it gets an answer of the specification's, and the call ends.
 */
#include "sbi/serve/serve.h"

#include "hyp/sched/sched.h"
#include "hyp/vm/extensions.h"
#include "hyp/vm/vm.h"

struct sbi_extension {
	uint64_t first, last; /* extension numbers */
	struct sbi_ret (*serve)(struct vcpu *v, uint64_t fid);
};

static const struct sbi_extension extensions[SBI_ROWS] = {
	[SBI_ROW_TIME] = { SBI_EXT_TIME, SBI_EXT_TIME, serve_time },
	[SBI_ROW_IPI] = { SBI_EXT_IPI, SBI_EXT_IPI, serve_ipi },
	[SBI_ROW_RFENCE] = { SBI_EXT_RFENCE, SBI_EXT_RFENCE, serve_rfence },
	[SBI_ROW_BASE] = { SBI_EXT_BASE, SBI_EXT_BASE, serve_base },
	[SBI_ROW_DBCN] = { SBI_EXT_DBCN, SBI_EXT_DBCN, serve_dbcn },
	[SBI_ROW_HSM] = { SBI_EXT_HSM, SBI_EXT_HSM, serve_hsm },
	[SBI_ROW_SRST] = { SBI_EXT_SRST, SBI_EXT_SRST, serve_srst },
	[SBI_ROW_STA] = { SBI_EXT_STA, SBI_EXT_STA, serve_sta },
	[SBI_ROW_LEGACY] = { SBI_LEGACY_SET_TIMER, SBI_LEGACY_SHUTDOWN, serve_legacy },
};

static const struct sbi_extension *find(const struct vcpu *v, uint64_t ext)
{
	for (unsigned i = 0; i < SBI_ROWS; i++)
		if (ext >= extensions[i].first && ext <= extensions[i].last)
			return v->vm->sbi_masked >> i & 1 ? NULL : &extensions[i];
	return NULL;
}

bool sbi_serve_has(const struct vcpu *v, uint64_t ext)
{
	return find(v, ext) != NULL;
}

struct sbi_ret sbi_again(struct vcpu *v)
{
	v->frame.pc -= 4;
	sched_give_way(v);
	return (struct sbi_ret){ (int64_t)sbi_arg(v, 0), sbi_arg(v, 1) };
}

bool sbi_targets(const struct vcpu *v, uint64_t mask, uint64_t base, uint64_t *set)
{
	uint64_t all = (UINT64_C(1) << v->vm->vcpus_n) - 1;

	if (base == SBI_HART_MASK_ALL) {
		*set = all;
		return true;
	}
	*set = base < 64 ? mask << base : 0;
	return mask == 0 || (base < 64 && *set >> base == mask && (*set & ~all) == 0);
}

/* A legacy call returns in a0 alone, and its extension is its function. */
static void serve_legacy_call(struct vcpu *v, uint64_t ext)
{
	const struct sbi_extension *e = find(v, ext);
	struct sbi_ret r = e ? e->serve(v, ext) : sbi_fail(SBI_ERR_NOT_SUPPORTED);

	v->frame.x[X_A0] = (uint64_t)r.error;
}

/* A guest mostly asks for what it asked for before: the last extension is remembered. */
void sbi_serve(struct vcpu *v)
{
	uint64_t ext = v->frame.x[X_A7];
	struct sbi_ret r;

	if (ext <= SBI_LEGACY_SHUTDOWN) {
		serve_legacy_call(v, ext);
		return;
	}
	if (!v->sbi_recent || v->sbi_recent->first != ext)
		v->sbi_recent = find(v, ext);
	r = v->sbi_recent ? v->sbi_recent->serve(v, v->frame.x[X_A6])
			  : sbi_fail(SBI_ERR_NOT_SUPPORTED);
	v->frame.x[X_A0] = (uint64_t)r.error;
	v->frame.x[X_A1] = r.value;
}
