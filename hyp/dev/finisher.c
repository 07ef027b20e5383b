/*
 * The guest's test finisher. It has no state: what a store asks for goes back with the access.
 */
#include "hyp/dev/board.h"
#include "hyp/lib/exit.h"

static unsigned failure_status(uint64_t code)
{
	return code & 0xff ? code & 0xff : 1;
}

enum mmio_result finisher_access(struct board *b, struct mmio *m)
{
	(void)b;
	if (!m->is_store)
		m->value = 0;
	if (!m->is_store || m->offset != 0)
		return MMIO_OK;
	switch (m->value & 0xffff) {
	case FINISHER_PASS:
		m->reset = false;
		m->status = 0;
		return MMIO_END;
	case FINISHER_FAIL:
		m->reset = false;
		m->status = failure_status(m->value >> 16);
		return MMIO_END;
	case FINISHER_RESET:
		m->reset = true;
		m->status = 0;
		return MMIO_END;
	default:
		return MMIO_OK;
	}
}
