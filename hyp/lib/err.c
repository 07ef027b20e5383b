/*
 * Names of errors. See hyp/lib/err.h.
 */
#include "hyp/lib/err.h"

const char *err_name(enum err e)
{
	static const char *const names[] = {
		[OK] = "ok",
		[ERR_NOMEM] = "out of memory",
		[ERR_RANGE] = "out of range",
		[ERR_OVERLAP] = "overlaps something else",
		[ERR_FULL] = "too many",
		[ERR_FORMAT] = "malformed",
		[ERR_MISSING] = "missing",
		[ERR_UNSUPPORTED] = "not supported by this machine",
		[ERR_STATE] = "not possible in its state",
	};

	return names[e];
}
