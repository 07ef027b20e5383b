/*
 * What a VM cost, in numbers for people and for tests/bench/.
 */
#ifndef HYP_VM_STATS_H
#define HYP_VM_STATS_H

struct vm;

/**
 * Print, on the log, one line a cause with its number of exits ("exits cause N COUNT", N as in
 * scause, 32 added for interrupts), what the G-stage did, and what its shadows did, named as in
 * struct shadow_stats. None of the VM's harts runs it.
 */
void stats_print(const struct vm *vm);

#endif
