"""Bundles: VMs and their files as one FIT image, by mkimage. dts/README.md says what is in it.

Its one invariant: the same description and files make the same bytes.
Read next: hyp/vm/bundle.c (who reads it).
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

from launcher.common import BUNDLE_ALIGN, bad_file, tool
from launcher.descriptions import CHOICES, attribute
from launcher.disks import disk_bytes, host_disks
from launcher.kernels import check_fit


def quote(value):
    """A string as device-tree source."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def fit_source(description, nodes):
    """The source of a bundle; nodes: (kind, path) -> its node, also the name of a link to it."""
    lines = ["/dts-v1/;", "/ {", 'description = "Gnomon bundle";', "images {"]
    for (kind, _), node in nodes.items():
        lines.append(f'{node} {{ data = /incbin/("{node}"); type = "{kind}"; arch = "riscv";'
                     ' compression = "none"; };')
    lines += ["};", "configurations {",
              f"default = {', '.join(map(quote, description.starting()))};"]
    if description.end:
        lines += [f"end = {quote(description.end)};"]
    for vm in description.vms.values():
        lines += [f"{vm.name} {{"]
        lines += [f"{key} = {value};" for key, value in fit_properties(vm, nodes) if value]
        lines += [*fit_disks(vm, nodes, host_disks(description.vms.values())), *fit_nets(vm),
                  "};"]
    return "\n".join(lines + ["};", "};", ""])


def fit_properties(vm, nodes):
    """A VM's properties in a bundle, as device-tree source; empty where nothing is said."""
    yield "compatible", quote("gnomon,vm")
    yield "kernel", quote(nodes["kernel", os.path.realpath(vm.kernel)])
    yield "ramdisk", quote(nodes["ramdisk", os.path.realpath(vm.initrd)]) if vm.initrd else ""
    yield "bootargs", quote(vm.bootargs) if vm.bootargs else ""
    yield "vcpus", f"<{vm.vcpus}>" if vm.vcpus else ""
    yield "memory", f"<{vm.memory >> 32:#x} {vm.memory & 0xffffffff:#x}>"
    yield "weight", f"<{vm.weight}>" if vm.weight else ""
    yield "affinity", f"<{' '.join(map(str, vm.affinity))}>" if vm.affinity else ""
    yield "order", f"<{vm.order}>" if vm.order else ""
    yield "gstage-mode", quote(vm.gstage_mode) if vm.gstage_mode else ""
    yield "isa-mask", ", ".join(map(quote, vm.isa_mask or []))
    yield "sbi-mask", ", ".join(map(quote, vm.sbi_mask or []))
    yield "ports", ", ".join(quote(port.name) for port in vm.ports)
    for name in CHOICES:
        word = getattr(vm, attribute(name))
        yield name, quote(word) if word else ""


def fit_disks(vm, nodes, hosts):
    """A VM's disks in a bundle, as lines of device-tree source."""
    if not vm.disks:
        return
    yield "disks {"
    for index, disk in enumerate(vm.disks):
        yield f"disk-{index} {{"
        path = os.path.realpath(disk.file)
        yield (f"host = {quote(hosts[path])};" if disk.host
               else f'image = {quote(nodes["filesystem", path])};')
        if disk.partition:
            yield f"partition = {quote(disk.partition)};"
        if disk.serial:
            yield f"serial = {quote(disk.serial)};"
        if disk.readonly:
            yield "readonly;"
        yield "};"
    yield "};"


def fit_nets(vm):
    """A VM's nets in a bundle, likewise."""
    if not vm.nets:
        return
    yield "nets {"
    for index, net in enumerate(vm.nets):
        yield f"net-{index} {{"
        yield f"mac = [{net.mac.replace(':', ' ')}];"
        for said, flag in ((net.isolated, "isolated"), (net.private, "private"),
                           (net.any_mac, "any-mac")):
            if said:
                yield f"{flag};"
        yield "};"
    yield "};"


def make_bundle(description, out):
    """Check the VMs' files and write the bundle that holds them, each file once."""
    nodes = {}
    for vm in description.vms.values():
        check_fit(vm)
        nodes.setdefault(("kernel", os.path.realpath(vm.kernel)), f"kernel-{len(nodes)}")
        if vm.initrd:
            nodes.setdefault(("ramdisk", os.path.realpath(vm.initrd)), f"initrd-{len(nodes)}")
        for disk in vm.disks:
            disk_bytes(disk)
            if disk.host:
                continue
            nodes.setdefault(("filesystem", os.path.realpath(disk.file)), f"disk-{len(nodes)}")
    mkimage = tool("mkimage", "u-boot-tools")
    tool("dtc", "device-tree-compiler")  # mkimage runs it
    with tempfile.TemporaryDirectory(prefix="gnomon-") as work:
        work = pathlib.Path(work)
        # Links keep odd characters in paths out of the source.
        for (_, path), node in nodes.items():
            (work / node).symlink_to(path)
        (work / "bundle.its").write_text(fit_source(description, nodes))
        made = subprocess.run(
            [mkimage, "-q", "-f", "bundle.its", "-E", "-B", hex(BUNDLE_ALIGN), "bundle.fit"],
            cwd=work, env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if made.returncode:
            reason = made.stdout.decode(errors="replace").strip().replace("\n", "; ")
            raise bad_file(f"mkimage made no bundle: {reason}")
        try:
            shutil.move(work / "bundle.fit", out)
        except OSError as error:
            raise bad_file(f"bundle {out}: {error.strerror}") from None
