/*
 * What distributions' libfdt.a expects of its C library: the check of its stack frames.
 */
#include <stdint.h>

#include "hyp/lib/check.h"

extern uintptr_t __stack_chk_guard;
_Noreturn void __stack_chk_fail(void);

uintptr_t __stack_chk_guard = UINT64_C(0x9e3779b97f4a7c15);

void __stack_chk_fail(void)
{
	panic("stack overrun in libfdt");
}
