/*
 * Steal time: how long this hart was ready to run while others ran in its place, as SBI STA tells.
 */
#ifndef GUESTS_LIB_STEAL_H
#define GUESTS_LIB_STEAL_H

#include <stdbool.h>
#include <stdint.h>

/** Ask to be told on this hart. Returns false where nobody tells: bare metal, or STA is masked. */
bool steal_begin(void);

/** What was stolen from this hart, in ns; after steal_begin(). Only differences mean something. */
uint64_t steal_ns(void);

#endif
