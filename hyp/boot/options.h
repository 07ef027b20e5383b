/*
 * The hypervisor's own options, in the host's bootargs. The README's table describes them.
 */
#ifndef HYP_BOOT_OPTIONS_H
#define HYP_BOOT_OPTIONS_H

#include <stdbool.h>

/**
 * Whether every word of host.bootargs is an option with a value it can have. What isn't is said on
 * the log.
 */
bool options_are_good(void);

#endif
