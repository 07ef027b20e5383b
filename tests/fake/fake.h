/*
 * The machine that unit tests run on: one hart of variables, RAM that is a mapping of the host's,
 * firmware that only remembers what it was asked.
 *
 * A test calls fake_reset() first (as its cmocka set-up), looks at and changes `fake` as it likes.
 */
#ifndef TESTS_FAKE_FAKE_H
#define TESTS_FAKE_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hyp/arch/addr.h"
#include "hyp/arch/hart.h"

/* Instructions that have no result, by kind. */
enum fake_fence_kind {
	FAKE_WAIT,
	FAKE_FENCE_MEMORY,
	FAKE_FENCE_I,
	FAKE_SFENCE_ALL,
	FAKE_SFENCE_PAGE,
	FAKE_GVMA_ALL,
	FAKE_GVMA_PAGE,
	FAKE_VVMA_ALL,
	FAKE_VVMA_ASID,
	FAKE_VVMA_PAGE,
	FAKE_VVMA_PAGE_ASID,
	FAKE_FENCE_KINDS,
};

/* The operands of the last fence of a kind, and how many there were. */
struct fake_fences {
	unsigned n;
	uint64_t at, id; /* address; VMID or ASID */
};

struct fake_sbi_call {
	uint64_t ext, fid, a[5];
};

#define FAKE_SBI_MAX 64 /* calls remembered; later ones are only counted */
#define FAKE_TEXT_MAX 4096

struct fake {
	uint64_t csr[4096];
	uint64_t hgatp_modes; /* bit n: hgatp holds MODE n; others are not written, as in the spec */
	uint64_t hgatp_vmids; /* the bits of VMID that hgatp holds */
	struct fake_fences fence[FAKE_FENCE_KINDS];

	uint64_t f[32];		     /* the f registers */
	unsigned fp_saved, fp_loaded; /* how often all of them, or all vector registers, were */

	struct hart harts[8];
	struct hart *hart; /* this_hart() */

	/* Firmware: calls in order, without console output, which goes to .text. */
	struct fake_sbi_call sbi[FAKE_SBI_MAX];
	unsigned sbi_n;
	int64_t sbi_error; /* what every call returns */
	uint64_t sbi_value;
	char text[FAKE_TEXT_MAX]; /* what went to the firmware's console, ended by 0 */
	size_t text_n;

	/* The guest's instruction parcels: returns 0 with *@value, or the scause of the fault; sets
	 * htval and htinst itself where the test wants them. */
	uint64_t (*guest_fetch_fault)(uint64_t gva, uint16_t *value);

	/* Registers of the host's devices, 32 bits: returns whether that one is played. NULL: none is. */
	bool (*io)(uint64_t at, bool is_write, uint32_t *value);

	/* Who plays a TLB is told of each fence of this hart's, and of each call of the firmware. */
	void (*fenced)(enum fake_fence_kind kind, uint64_t at);
	void (*called)(const struct fake_sbi_call *call);
};

extern struct fake fake;

/* A hart after reset: CSRs 0, every hgatp mode, 14 bits of VMID, no calls, hart 0 of one. */
void fake_reset(void);

/* WARL: what @csr holds after @v was written. */
uint64_t fake_csr_legal(unsigned csr, uint64_t v);

void fake_fence(enum fake_fence_kind kind, uint64_t at, uint64_t id);

/* Calls of extension @ext, function @fid so far. */
unsigned fake_sbi_count(uint64_t ext, uint64_t fid);

/**
 * RAM: @bytes of zeros at host physical @base. Any former RAM is gone. Memory outside is not
 * mapped: touching it ends the test.
 */
void fake_ram(uint64_t base, uint64_t bytes);

/*
 * The end of the machine. FAKE_STATUS(call) is the status @call ends it with, or -1 where it
 * returns; what was printed is in .text. @call runs in a process of its own, so that locks it took
 * and what it broke end with it. Elsewhere the end of the machine fails the test.
 */
#define FAKE_STATUS(call) (fake_begin() ? ((void)(call), fake_returned(), 0) : fake_status())

bool fake_begin(void);
_Noreturn void fake_returned(void);
int fake_status(void);

#endif
