/*
 * Reboot through SBI SRST, for ever. No state is left behind, so the harness counts the lines, and
 * ends the machine. Each boot must find its .data as in the image and .bss clear.
 */
#include "guests/lib/board.h"
#include "guests/lib/hart.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"

static volatile unsigned data = 1;
static volatile unsigned bss;

int main(void)
{
	print("booted, data %u, bss %u\n", data, bss);
	data = 2;
	bss = 3;
	sbi_call(SBI_EXT_SRST, SBI_SRST_SYSTEM_RESET, SBI_SRST_COLD_REBOOT, SBI_SRST_REASON_NONE, 0,
		 0, 0);
	print("SRST came back\n");
	machine_exit(2);
}
