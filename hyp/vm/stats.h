/*
 * What a VM cost, in numbers: the one source for people, for tests/bench/ and for the monitor.
 */
#ifndef HYP_VM_STATS_H
#define HYP_VM_STATS_H

#include <stdint.h>

struct vm;
struct vcpu;

/* The rows of exits are EXIT_ROW()'s. Counts of a vcpu that runs may be a moment old. */
uint64_t stats_vcpu_exits(const struct vcpu *v, unsigned row);
uint64_t stats_vm_exits(const struct vm *vm, unsigned row);

/* What @row's cause is called, in one short word; "?" where there is no such cause. */
const char *stats_exit_name(unsigned row);

/**
 * Print, on the log, one line a cause with its number of exits ("exits cause N COUNT", N as in
 * scause, 32 added for interrupts), what the G-stage did, and what its shadows did, named as in
 * struct shadow_stats. None of the VM's harts runs it.
 */
void stats_print(const struct vm *vm);

#endif
