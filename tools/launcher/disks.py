"""Disks of VMs: checked, on their way into a bundle, and on a machine without Gnomon.

Its one invariant: a disk's file is there and made of whole sectors before a machine is started.
Read next: descriptions.py (how a disk is described), hyp/dev/virtio_blk.h (what a guest sees).
"""

import argparse
import os
import pathlib
import re

from launcher.common import bad_file

MAX_DISKS = 7    # of a VM; the last of the board's eight places is the entropy device's
MAX_SERIAL = 20  # bytes
SECTOR = 512


class Disk:
    """A disk of a VM; None: not said."""

    def __init__(self):
        self.file = self.serial = self.readonly = None


def disk_option(value):
    """FILE with ,readonly and ,serial=TEXT behind it, as a Disk."""
    disk = Disk()
    disk.file, *rest = value.split(",")
    for word in rest:
        if word == "readonly":
            disk.readonly = True
        elif re.fullmatch(r"serial=.+", word) and len(word[7:].encode()) <= MAX_SERIAL:
            disk.serial = word[7:]
        else:
            raise argparse.ArgumentTypeError(f"{value!r}: write FILE, FILE,readonly or"
                                             f" FILE,serial=TEXT (up to {MAX_SERIAL} bytes)")
    return disk


def disk_bytes(disk):
    """Check a disk's file; return its size."""
    try:
        size = pathlib.Path(disk.file).stat().st_size
    except OSError as error:
        raise bad_file(f"disk {disk.file}: {error.strerror}") from None
    if not size:
        raise bad_file(f"disk {disk.file} is empty")
    if size % SECTOR:
        raise bad_file(f"disk {disk.file} has {size} bytes, no multiple of {SECTOR}")
    return size


def layer_bytes(vm):
    """How much memory a VM's writes to its disks can take, with the tables that find them."""
    written = sum(disk_bytes(disk) for disk in vm.disks if not disk.readonly)
    return written + written // 256


def bare_devices(vm):
    """QEMU's own devices like those that Gnomon gives a VM with disks, in the same places."""
    if not vm.disks and vm.balloon != "on":
        return []
    legacy = "true" if vm.virtio == "legacy" else "false"
    devices = ["-global", f"virtio-mmio.force-legacy={legacy}"]
    for index, disk in enumerate(vm.disks):
        disk_bytes(disk)
        name = f"disk{index}"
        file = os.path.realpath(disk.file).replace(",", ",,")
        serial = f",serial={disk.serial.replace(',', ',,')}" if disk.serial else ""
        devices += ["-drive", f"if=none,id={name},format=raw,file={file},"
                    + ("readonly=on" if disk.readonly else "snapshot=on"),
                    "-device", f"virtio-blk-device,drive={name},bus=virtio-mmio-bus.{index}"
                    + serial]
    if vm.balloon == "on":
        devices += ["-device", "virtio-balloon-device,deflate-on-oom=on,free-page-reporting=on,"
                    f"bus=virtio-mmio-bus.{len(vm.disks)}"]
    if vm.rng != "off":
        devices += ["-device", f"virtio-rng-device,bus=virtio-mmio-bus.{MAX_DISKS}"]
    return devices
