/*
 * The guest's platform-level interrupt controller, as SiFive's on QEMU's virt: 96 sources, contexts
 * 2h (M-mode of hart h: its registers exist, nothing ever comes of them) and 2h + 1 (S-mode).
 *
 * Source: riscv-non-isa/riscv-plic-spec; QEMU's virt machine for sizes.
 */
#ifndef HYP_DEV_PLIC_H
#define HYP_DEV_PLIC_H

#include <stdbool.h>
#include <stdint.h>

#include "hyp/dev/mmio.h"
#include "hyp/dev/shown.h"
#include "hyp/lib/lock.h"
#include "hyp/vcpu/vcpu.h"

#define PLIC_BASE     0x0c000000 /* guest physical */
#define PLIC_SOURCES  96 /* 1..95; 0 is "none" */
#define PLIC_WORDS    (PLIC_SOURCES / 32)
#define PLIC_CONTEXTS (2 * VCPUS_MAX)

struct plic {
	struct lock lock;
	struct vcpu *const *vcpus; /* the VM's, by guest hart id */
	unsigned vcpus_n;
	uint32_t priority[PLIC_SOURCES];
	uint32_t level[PLIC_WORDS]; /* input lines */
	uint32_t pending[PLIC_WORDS];
	uint32_t claimed[PLIC_WORDS]; /* and not completed */
	uint32_t enable[PLIC_CONTEXTS][PLIC_WORDS];
	uint32_t threshold[PLIC_CONTEXTS];
	struct shown shown;	   /* enable bits, of the first contexts */
	bool is_raised[VCPUS_MAX]; /* what irq_set_external() was last told */
};

struct board;

/* As after reset, all lines low, for the @n harts @vcpus. */
void plic_reset(struct board *b, struct vcpu *const *vcpus, unsigned n);

/* Set input line @source (1..95) of the board's PLIC. */
void plic_set_line(struct board *b, unsigned source, bool high);

/* The vcpu that @source interrupts, the first one if it does several; NULL: none. */
struct vcpu *plic_listener(struct board *b, unsigned source);

/* The board's row for it: see board_access(). */
enum mmio_result plic_access(struct board *b, struct mmio *m);

#endif
