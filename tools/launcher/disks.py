"""Disks of VMs: checked, on their way into a bundle or as disks of the machine, and on a machine
without Gnomon.

Its one invariant: a disk's file is there and made of whole sectors before a machine is started.
Read next: gpt.py (partitions), descriptions.py (how a disk is described), hyp/dev/virtio_blk.h (what
a guest sees).
"""

import argparse
import os
import re

from launcher.common import bad_file, file_bytes
from launcher.gpt import MAX_LABEL, find_partition
from launcher.nets import bare_nets
from launcher.ports import bare_ports, has_console

MAX_DEVICES = 7  # of a VM; the last of the board's eight places is the entropy device's
MAX_DISKS = MAX_DEVICES
MAX_SERIAL = 20  # bytes
MAX_HOST_DISKS = 7  # the machine has eight places, one of which the serial ports take
MAX_QUEUES = 4
SECTOR = 512
# QEMU's, with requests of up to 1 MiB in one: 256 pages are too many for its usual queue.
BLK_DEVICE = "virtio-blk-device,queue-size=512"


class Disk:
    """A disk of a VM; None: not said."""

    def __init__(self):
        self.file = self.serial = self.readonly = self.host = self.partition = None


def check_disk(disk):
    """What is said of a disk, taken together. Raises ValueError."""
    if disk.partition and not disk.host:
        raise ValueError("has a partition, but isn't host")


def disk_option(value):
    """FILE with ,host ,partition=LABEL ,readonly and ,serial=TEXT behind it, as a Disk."""
    disk = Disk()
    disk.file, *rest = value.split(",")
    for word in rest:
        if word in ("readonly", "host"):
            setattr(disk, word, True)
        elif re.fullmatch(r"serial=.+", word) and len(word[7:].encode()) <= MAX_SERIAL:
            disk.serial = word[7:]
        elif re.fullmatch(r"partition=[ -~]+", word) and len(word[10:]) <= MAX_LABEL:
            disk.partition = word[10:]
        else:
            raise argparse.ArgumentTypeError(
                f"{value!r}: write FILE, and behind it, if wanted, ,host ,partition=LABEL (of a host"
                f" disk) ,readonly ,serial=TEXT (up to {MAX_SERIAL} bytes)")
    try:
        check_disk(disk)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{value!r} {error}") from None
    return disk


def disk_bytes(disk):
    """Check a disk's file; return its size."""
    size = file_bytes("disk", disk.file, "r+b" if disk.host and not disk.readonly else "rb")
    if size % SECTOR:
        raise bad_file(f"disk {disk.file} has {size} bytes, no multiple of {SECTOR}")
    if disk.partition:
        find_partition(disk.file, disk.partition)
    return size


def layer_bytes(vm):
    """How much memory a VM's writes to its disks can take, with the tables that find them."""
    written = sum(disk_bytes(disk) for disk in vm.disks if not disk.readonly and not disk.host)
    return written + written // 256


def host_name(index, path, names):
    """What Gnomon calls a disk: its file's name as far as that goes, with a number where another
    one of @names is called so."""
    name = re.sub(r"[^\w.-]", "_", os.path.basename(path), flags=re.ASCII)[:MAX_SERIAL]
    return f"{index}:{name}"[:MAX_SERIAL] if name in names else name


def host_disks(vms):
    """The machine's own disks: real path -> the name (serial number) it has there."""
    paths = dict.fromkeys(os.path.realpath(disk.file)
                          for vm in vms for disk in vm.disks if disk.host)
    if len(paths) > MAX_HOST_DISKS:
        raise bad_file(f"{len(paths)} host disks; the machine has room for {MAX_HOST_DISKS}")
    for index, path in enumerate(paths):
        paths[path] = host_name(index, path, paths.values())
    return paths


def host_drive(ident, path, readonly):
    """QEMU's -drive for a file that is written: what was flushed lasts, what was discarded is
    given back."""
    return ["-drive", f"if=none,id={ident},format=raw,file={path.replace(',', ',,')}"
            ",cache=writeback,discard=unmap" + (",readonly=on" if readonly else "")]


def host_devices(vms):
    """QEMU's arguments for the machine's own disks."""
    vms = list(vms)
    devices = []
    for index, (path, name) in enumerate(host_disks(vms).items()):
        ident = f"host-{index}"
        users = [disk for vm in vms for disk in vm.disks
                 if disk.host and os.path.realpath(disk.file) == path]
        devices += [*host_drive(ident, path, all(disk.readonly for disk in users)),
                    "-device", f"{BLK_DEVICE},drive={ident},serial={name}"]
    return devices


def places(vm):
    """What is in the places of a VM's board, in order, but for the last one."""
    return (["disk"] * len(vm.disks) + ["net"] * len(vm.nets) + ["console"] * has_console(vm)
            + ["balloon"] * (vm.balloon == "on"))


def check_places(vm):
    """Whether all devices of a VM have a place on its board."""
    found = places(vm)
    if len(found) > MAX_DEVICES:
        kinds = ", ".join(f"{kind}: {found.count(kind)}" for kind in dict.fromkeys(found))
        raise bad_file(f"VM {vm.name}: {len(found)} devices ({kinds}); there can be {MAX_DEVICES}")


def bare_drive(name, disk):
    path = os.path.realpath(disk.file)
    if disk.host:
        option, drive = host_drive(name, path, disk.readonly)
        if disk.partition:
            at, size = find_partition(path, disk.partition)
            drive += f",offset={at},size={size}"
        return [option, drive]
    return ["-drive", f"if=none,id={name},format=raw,file={path.replace(',', ',,')},"
            + ("readonly=on" if disk.readonly else "snapshot=on")]


def bare_devices(vm):
    """QEMU's own devices like those that Gnomon gives a VM with any, in the same places."""
    found = places(vm)
    if not found:
        return []
    legacy = "true" if vm.virtio == "legacy" else "false"
    devices = ["-global", f"virtio-mmio.force-legacy={legacy}"]
    for index, disk in enumerate(vm.disks):
        disk_bytes(disk)
        name = f"disk{index}"
        serial = f",serial={disk.serial.replace(',', ',,')}" if disk.serial else ""
        devices += [*bare_drive(name, disk),
                    "-device", f"{BLK_DEVICE},drive={name},bus=virtio-mmio-bus.{index}"
                    + serial + (f",num-queues={min(vm.vcpus, MAX_QUEUES)}" if disk.host else "")]
    devices += bare_nets(vm)
    if "console" in found:
        devices += bare_ports(vm, f"virtio-mmio-bus.{found.index('console')}")
    if "balloon" in found:
        devices += ["-device", "virtio-balloon-device,deflate-on-oom=on,free-page-reporting=on,"
                    f"bus=virtio-mmio-bus.{found.index('balloon')}"]
    if vm.rng != "off":
        devices += ["-device", f"virtio-rng-device,bus=virtio-mmio-bus.{MAX_DEVICES}"]
    return devices
