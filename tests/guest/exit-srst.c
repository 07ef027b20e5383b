/*
 * Shut down through SBI SRST with reason "system failure". Under Gnomon the exit status is 1;
 * OpenSBI 1.1 ignores the reason, so on bare QEMU 7.2 it is 0.
 */
#include "guests/lib/hart.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"

int main(void)
{
	print("shutting down after a failure\n");
	sbi_shutdown(SBI_SRST_REASON_FAILURE);
	print("SRST came back\n");
	return 2;
}
