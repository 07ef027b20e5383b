/*
 * BASE: who answers, and what there is to ask. "Base Extension".
 */
#include "sbi/serve/serve.h"

struct sbi_ret serve_base(struct vcpu *v, uint64_t fid)
{
	switch (fid) {
	case SBI_BASE_GET_SPEC_VERSION:
		return sbi_ok(SBI_SERVE_SPEC_VERSION);
	case SBI_BASE_GET_IMPL_ID:
		return sbi_ok(SBI_IMPL_ID_GNOMON);
	case SBI_BASE_GET_IMPL_VERSION:
		return sbi_ok(SBI_SERVE_IMPL_VERSION);
	case SBI_BASE_PROBE_EXTENSION:
		return sbi_ok(sbi_serve_has(v, sbi_arg(v, 0)));
	case SBI_BASE_GET_MVENDORID:
	case SBI_BASE_GET_MARCHID:
	case SBI_BASE_GET_MIMPID:
		return sbi_call(SBI_EXT_BASE, fid, 0, 0, 0, 0, 0);
	default:
		return sbi_fail(SBI_ERR_NOT_SUPPORTED);
	}
}
