/*
 * Dispatch of guests' SBI calls. a0 and a1 are written here and nowhere else.
 *
 * Invariant: whatever a guest asks, it gets an answer of the specification's, and the call ends.
 */
#include "sbi/serve/serve.h"

#include "hyp/lib/string.h"
#include "hyp/vm/vm.h"

struct sbi_extension {
	const char *name;     /* as sbi-mask has it */
	uint64_t first, last; /* extension numbers */
	struct sbi_ret (*serve)(struct vcpu *v, uint64_t fid);
};

/* The hot ones first. BASE can't be masked: the specification requires it. */
static const struct sbi_extension extensions[] = {
	{ "time", SBI_EXT_TIME, SBI_EXT_TIME, serve_time },
	{ "ipi", SBI_EXT_IPI, SBI_EXT_IPI, serve_ipi },
	{ "rfence", SBI_EXT_RFENCE, SBI_EXT_RFENCE, serve_rfence },
	{ "base", SBI_EXT_BASE, SBI_EXT_BASE, serve_base },
	{ "dbcn", SBI_EXT_DBCN, SBI_EXT_DBCN, serve_dbcn },
	{ "hsm", SBI_EXT_HSM, SBI_EXT_HSM, serve_hsm },
	{ "srst", SBI_EXT_SRST, SBI_EXT_SRST, serve_srst },
	{ "legacy", SBI_LEGACY_SET_TIMER, SBI_LEGACY_SHUTDOWN, serve_legacy },
};

#define EXTENSIONS (sizeof(extensions) / sizeof(extensions[0]))

static const struct sbi_extension *find(const struct vcpu *v, uint64_t ext)
{
	for (unsigned i = 0; i < EXTENSIONS; i++)
		if (ext >= extensions[i].first && ext <= extensions[i].last)
			return v->vm->sbi_masked >> i & 1 ? NULL : &extensions[i];
	return NULL;
}

bool sbi_serve_has(const struct vcpu *v, uint64_t ext)
{
	return find(v, ext) != NULL;
}

bool sbi_serve_mask(const char *list, size_t bytes, uint32_t *masked)
{
	*masked = 0;
	for (size_t at = 0; at < bytes; at += strlen(list + at) + 1) {
		unsigned i = 0;

		while (i < EXTENSIONS && strcmp(list + at, extensions[i].name) != 0)
			i++;
		if (i == EXTENSIONS || extensions[i].first == SBI_EXT_BASE)
			return false;
		*masked |= 1u << i;
	}
	return true;
}

struct sbi_ret sbi_again(struct vcpu *v)
{
	v->frame.pc -= 4;
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
