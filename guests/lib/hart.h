/*
 * Harts: what each one owns, and starting more of them.
 */
#ifndef GUESTS_LIB_HART_H
#define GUESTS_LIB_HART_H

#define MAX_HARTS	 8
#define TRAP_STACK_BYTES 8192
#define HART_BYTES	 256
#define STACK_BYTES	 16128
#define AREA_BYTES	 24576

/* Offsets that start.S uses. */
#define HART_ID	    0
#define HART_RESUME 8 /* ra, sp, s0..s11 of the caller of run() */

#ifndef __ASSEMBLER__

#include <stdint.h>

#include "guests/lib/sbi.h"
#include "guests/lib/trap.h"

/* tp and sscratch point here; the trap stack ends here. */
struct hart {
	uint64_t id;
	uint64_t resume[14];
	struct frame *running; /* of run(), or none */
};

typedef void hart_fn(uint64_t arg);

/** This hart. */
static inline struct hart *hart_self(void)
{
	struct hart *self;

	asm volatile("mv %0, tp" : "=r"(self));
	return self;
}

/**
 * Start @hart through HSM; it calls @fn(@arg) with its own stack and traps ready, satp Bare and
 * interrupts off, and stops when @fn returns. Returns what SBI answered. One job a hart at a time.
 */
struct sbi_ret hart_start(unsigned hart, hart_fn *fn, uint64_t arg);

/** Wait until @hart is in HSM state @state. */
void hart_await(unsigned hart, uint64_t state);

/* start.S and the two C functions it calls; hart_resume is for non-retentive suspend. */
void secondary_start(void);
_Noreturn void secondary_main(uint64_t hart);
_Noreturn void boot_main(uint64_t hart, uint64_t dtb);
int main(void);

#endif
#endif
