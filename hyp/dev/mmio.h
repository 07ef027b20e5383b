/*
 * One access of a guest to a device, and what can become of it.
 */
#ifndef HYP_DEV_MMIO_H
#define HYP_DEV_MMIO_H

#include <stdbool.h>
#include <stdint.h>

/* One access of a guest to a device's registers. */
struct mmio {
	uint64_t offset; /* from the device's base; aligned to .width */
	uint64_t width;	 /* 1, 2, 4 or 8 bytes */
	bool is_store;
	uint64_t value; /* store: what to write; load: gets what was read, zero-extended */

	/* MMIO_END: how the VM is to end. */
	bool reset;	 /* begin anew, rather than shut down */
	unsigned status; /* of the shutdown: 0, or a failure's code, 1..255 */
};

/* What an access leads to, beyond its value. */
enum mmio_result {
	MMIO_OK,
	MMIO_END, /* the guest asked for the end of its VM */
	/* From here on the instruction was not carried out. */
	MMIO_FAULT, /* no register there, or not of that width: access fault */
	MMIO_AGAIN, /* a part of it is done, no more now: it is to be executed again, for the rest */
};

#endif
