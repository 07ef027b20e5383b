/*
 * Traps, and a way to provoke them: run code from a full register frame until it traps, and look.
 */
#ifndef GUESTS_LIB_TRAP_H
#define GUESTS_LIB_TRAP_H

#include <stdbool.h>
#include <stdint.h>

/* The order is known to start.S. */
struct frame {
	uint64_t x[32]; /* x[0] is not used */
	uint64_t pc;
	uint64_t sstatus;
	uint64_t cause;
	uint64_t tval;
};

/* What became of a probe. */
struct trap {
	bool taken; /* false: the code returned, .value is its a0 */
	uint64_t cause;
	uint64_t epc;
	uint64_t tval;
	uint64_t value;
};

/* Any code that takes two arguments and returns; may be a single instruction and `ret`. */
typedef uint64_t code_fn(uint64_t a0, uint64_t a1);

/**
 * Prepare @f to run @pc in S-mode with interrupts off: a stack of its own, all other registers 0,
 * ra at an ebreak that ends the run. Change what you like before run().
 */
void frame_init(struct frame *f, uint64_t pc);

/**
 * Enter @f and come back at its first exception, when @f holds the registers as they were then.
 * Interrupts that are enabled in @f are served meanwhile. sstatus is put back.
 */
void run(struct frame *f);

/** Whether the run ended in the ebreak that ra pointed to, i.e. by returning. */
bool run_returned(const struct frame *f);

/** Call @fn in S-mode and report the exception it took, if any. */
struct trap probe(code_fn *fn, uint64_t a0, uint64_t a1);

/** The same for one instruction, given as its encoding (16 or 32 bits). */
struct trap probe_insn(uint32_t insn, uint64_t a0, uint64_t a1);

/** The same in U-mode (translation must be Bare, or map the kit for U at its own address). */
struct trap probe_insn_user(uint32_t insn, uint64_t a0, uint64_t a1);

/** Write @insn and an ebreak to executable memory; returns its address, the same each time. */
uint64_t code_insn(uint32_t insn);

/** The address of the ebreak that ends a run. */
uint64_t run_end_address(void);

typedef void irq_fn(struct frame *f);

/** Serve supervisor interrupt number @irq with @fn on every hart. */
void irq_handler(unsigned irq, irq_fn *fn);

/**
 * Whether interrupt @irq is pending on this hart, by letting it in for a moment. sip says the same,
 * but not on QEMU 7.2 to a guest of a hypervisor, who reads STIP and SEIP as 0.
 */
bool irq_is_pending(unsigned irq);

#endif
