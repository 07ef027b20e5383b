/*
 * How the machine ends, and with which status; tools/gnomon hands the status on. The one home of
 * these numbers; the README's table is their description.
 */
#ifndef HYP_LIB_EXIT_H
#define HYP_LIB_EXIT_H

#include <stdint.h>

enum exit_status {
	EXIT_OK = 0,	       /* the guest shut down in order */
	EXIT_GUEST_FAILED = 1, /* a guest's failure that came without a code of its own */
	EXIT_BAD_INPUT = 65,   /* bundle, kernel or description refused */
	EXIT_BAD_MACHINE = 69, /* this machine lacks something Gnomon needs */
	EXIT_PANIC = 70,       /* a bug of Gnomon's */
	EXIT_STOPPED = 71,     /* Gnomon stopped the guest: it did what can't be emulated */
};

/* What a store to a test finisher (QEMU's sifive,test) asks for, in its low half; the upper half of
 * a failure is its code. The host's, and the one that guests have. */
enum { FINISHER_FAIL = 0x3333, FINISHER_PASS = 0x5555, FINISHER_RESET = 0x7777 };

/**
 * Use the test finisher (QEMU's sifive,test) mapped at @regs from now on; it can hand a status to
 * the host. Without one the firmware's SRST ends the machine, which tells success from failure
 * only.
 */
void machine_exit_through(volatile uint32_t *regs);

/**
 * End the machine. @status: 0..255.
 */
_Noreturn void machine_exit(unsigned status);

#endif
