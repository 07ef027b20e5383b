"""The machine: how much memory and how many harts it gets, and QEMU's command line.

Read next: process.py (who runs it), ports.py (what else is on the command line).
"""

import os

from launcher.common import KIB, MAX_HARTS, MIB, Failure, round_up
from launcher.disks import layer_bytes
from launcher.kernels import KERNEL_OFFSET

HYPERVISOR_ROOM = 112 * MIB # the host's memory beyond guests and bundle: firmware, Gnomon, ...
VM_ROOM = 16 * MIB          # ... and for each VM, with a 16th of its RAM: tables, shadows


def host_memory(vms, bundle):
    """How much memory to give the host, so that guests, bundle and Gnomon all have room.

    QEMU puts the bundle (its "initrd") half the memory past the kernel, but at most 128 MiB
    (QEMU 7) or 512 MiB (QEMU 10) past it, and a device tree at the very end.
    """
    guests = sum(vm.memory + vm.memory // 16 + VM_ROOM + layer_bytes(vm) for vm in vms)
    memory = round_up(guests + bundle + HYPERVISOR_ROOM, 128 * MIB)
    while any(KERNEL_OFFSET + min(memory // 2, most) + bundle + 4 * MIB > memory
              for most in (128 * MIB, 512 * MIB)):
        memory += 128 * MIB
    return memory


def choose_harts(args, vms):
    """How many harts the host gets; vms: those that start, none for embedded guests."""
    if args.icount:
        # QEMU counts instructions on one hart; more would only take turns.
        if (args.harts or 1) > 1:
            raise Failure(2, "--icount runs on one hart: no more --harts than 1")
        if len(vms) == 1 and not args.vcpus:
            vms[0].vcpus = 1
        return 1
    if args.harts or not vms:
        return args.harts or 2
    if len(vms) == 1:
        return vms[0].vcpus
    return min(sum(vm.vcpus for vm in vms), len(os.sched_getaffinity(0)), MAX_HARTS)


def qemu_command(args, memory, harts, kernel, initrd, append):
    """The command line of a machine."""
    size = f"{memory // MIB}M" if memory % MIB == 0 else f"{memory // KIB}K"
    command = [args.qemu, "-machine", "virt", "-smp", str(harts), "-m", size, "-bios",
               args.bios, "-display", "none",
               # What -nographic does, and a log.
               "-chardev", "stdio,id=console,mux=on,signal=off"
               + (",logfile=" + args.log.replace(",", ",,") if args.log else ""),
               "-serial", "chardev:console", "-mon", "chardev=console",
               "-kernel", str(kernel)]
    if args.cpu:
        command += ["-cpu", args.cpu]
    if initrd:
        command += ["-initrd", str(initrd)]
    if append:
        command += ["-append", append]
    if args.icount:
        command += ["-icount", "shift=0,sleep=off", "-seed", "1",
                    "-rtc", "base=2024-01-01,clock=vm"]
    if args.gdb:
        command += ["-s", "-S"]
    return command + args.qemu_arg
