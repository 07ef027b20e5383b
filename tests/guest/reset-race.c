/*
 * A reset while the other harts keep starting hart 0: each boot prints one dot, and a hart that comes
 * back from the life before prints a G. Endless.
 *
 * Invariant: nothing but dots. What must not happen is that a hart which has left the guest for the
 * reset is started again before the reset is done.
 */
#include "guests/lib/board.h"
#include "guests/lib/hart.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"

void ghost(void);
asm(".balign 4\n"
    "ghost: li t0, 0x10000000\n"
    "li t1, 'G'\n"
    "1: sb t1, 0(t0)\n"
    "j 1b\n");

static unsigned running;

static void start_hart_0(uint64_t arg)
{
	(void)arg;
	__atomic_fetch_add(&running, 1, __ATOMIC_SEQ_CST);
	for (;;)
		sbi_call(SBI_EXT_HSM, SBI_HSM_HART_START, 0, (uint64_t)ghost, 0, 0, 0);
}

int main(void)
{
	print(".");
	for (unsigned h = 1; h < board.hart_count; h++)
		hart_start(h, start_hart_0, 0);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) != board.hart_count - 1)
		;
	sbi_call(SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, SBI_SRST_COLD_REBOOT, 0, 0, 0, 0);
	print("not reset\n");
	return 1;
}
