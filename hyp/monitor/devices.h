/*
 * The part of `vm show` that is about a VM's virtio devices.
 */
#ifndef HYP_MONITOR_DEVICES_H
#define HYP_MONITOR_DEVICES_H

#include "hyp/monitor/command.h"

/* Two lists in the record that @a has begun: its devices, their queues. */
void devices_show(struct vm *vm, struct answer *a);

#endif
