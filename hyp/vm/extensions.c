/*
 * Names of SBI extensions. See extensions.h.
 */
#include "hyp/vm/extensions.h"

#include "hyp/lib/string.h"

static const char *const names[SBI_ROWS] = {
	[SBI_ROW_TIME] = "time",     [SBI_ROW_IPI] = "ipi",   [SBI_ROW_RFENCE] = "rfence",
	[SBI_ROW_DBCN] = "dbcn",     [SBI_ROW_HSM] = "hsm",   [SBI_ROW_SRST] = "srst",
	[SBI_ROW_STA] = "sta",	     [SBI_ROW_LEGACY] = "legacy",
};

bool extensions_mask(const char *list, size_t bytes, uint32_t *masked)
{
	*masked = 0;
	for (size_t at = 0; at < bytes; at += strlen(list + at) + 1) {
		unsigned i = 0;

		while (i < SBI_ROWS && (!names[i] || strcmp(list + at, names[i]) != 0))
			i++;
		if (i == SBI_ROWS)
			return false;
		*masked |= 1u << i;
	}
	return true;
}
