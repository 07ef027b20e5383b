/*
 * The guest's test finisher.
 *
 * Invariant: board->finisher is written only where the answer is MMIO_END. It has no lock: two
 * harts that end their VM at one moment get one of the two endings.
 */
#include "hyp/dev/board.h"

static unsigned failure_status(uint64_t code)
{
	return code & 0xff ? code & 0xff : 1;
}

enum mmio_result finisher_access(struct board *b, struct mmio *m)
{
	if (!m->is_store)
		m->value = 0;
	if (!m->is_store || m->offset != 0)
		return MMIO_OK;
	switch (m->value & 0xffff) {
	case FINISHER_PASS:
		b->finisher = (struct finisher){ .status = 0 };
		return MMIO_END;
	case FINISHER_FAIL:
		b->finisher = (struct finisher){ .status = failure_status(m->value >> 16) };
		return MMIO_END;
	case FINISHER_RESET:
		b->finisher = (struct finisher){ .reset = true };
		return MMIO_END;
	default:
		return MMIO_OK;
	}
}
