/*
 * Shut down through the legacy SBI call: exit status 0.
 */
#include "guests/lib/hart.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"

int main(void)
{
	print("shutting down the old way\n");
	sbi_call(SBI_LEGACY_SHUTDOWN, 0, 0, 0, 0, 0, 0);
	print("the legacy shutdown came back\n");
	return 2;
}
