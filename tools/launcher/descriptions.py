"""Descriptions: what a device-tree source says of VMs. dts/README.md is the schema.

Its one invariant: a VM that is returned has a name, a kernel and nothing that isn't in PROPERTIES.
Read next: bundles.py (the same properties on their way to the hypervisor).
"""

import argparse
import os
import pathlib
import re
import string
import struct
import subprocess

from launcher.common import BUILD, MAX_HARTS, MAX_VMS, MAX_WEIGHT, bad_file, round_up, tool
from launcher.disks import MAX_DISKS, MAX_SERIAL, Disk, check_disk
from launcher.gpt import MAX_LABEL
from launcher.nets import Net, forward, ip_address, mac_address
from launcher.ports import PORT_NAME, Port


class Vm:
    """One virtual machine as described; None: not said."""

    def __init__(self, name):
        self.name = name
        self.kernel = self.initrd = self.bootargs = self.gstage_mode = None
        self.vcpus = self.memory = self.isa_mask = self.sbi_mask = None
        self.weight = self.affinity = self.order = None
        self.disks, self.nets, self.ports = [], [], []
        for choice in CHOICES:
            setattr(self, attribute(choice), None)


class Description:
    """VMs by name; who starts by itself, and whether the machine ends (None: not said)."""

    def __init__(self, vms):
        self.vms, self.default, self.end = vms, None, None

    def starting(self):
        return self.default or list(self.vms)


# What is chosen by a word, in a description, a bundle and among Gnomon's own options alike.
CHOICES = {
    "backend": ("auto", "hext", "depriv"),
    "shadow-policy": ("trap", "unsync", "lazy", "none"),
    "patch": ("on", "off"),
    "rng": ("on", "off"),
    "balloon": ("off", "on"),
    "virtio": ("modern", "legacy"),
    "virtio-console": ("on", "off"),
    "on-reset": ("restart", "stop"),
    "on-shutdown": ("stop", "restart"),
    "on-failure": ("stop", "restart"),
}
ENDS = ("all", "never")
VM_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,30}")
GSTAGE_MODES = ("auto", "sv39x4", "sv48x4", "sv57x4")
SBI_NAMES = ("legacy", "time", "ipi", "rfence", "hsm", "srst", "dbcn", "sta")


def cells(value, count):
    if len(value) != 4 * count:
        like = {1: "one number, like <2>", 2: "two numbers, like <0x0 0x20000000>"}
        raise ValueError(f"takes {like[count]}")
    return int.from_bytes(value, "big")


def number(least, most):
    def parse(value):
        got = cells(value, 1)
        if not least <= got <= most:
            raise ValueError(f"is {got}; it can be {least} to {most}")
        return got
    return parse


def hart_indexes(value):
    if not value or len(value) % 4:
        raise ValueError("takes numbers of harts, like <0 1>")
    harts = struct.unpack(f">{len(value) // 4}I", value)
    for hart in harts:
        if hart >= MAX_HARTS:
            raise ValueError(f"has {hart}; harts are 0 to {MAX_HARTS - 1}")
    return harts


def text(value):
    if not value.endswith(b"\0") or value.count(b"\0") != 1 or value == b"\0":
        raise ValueError("takes a string")
    return value[:-1].decode()


def attribute(name):
    """An option's or property's name as Python spells it."""
    return name.replace("-", "_")


def one_of(*allowed):
    def parse(value):
        word = text(value)
        if word not in allowed:
            raise ValueError(f'is "{word}"; known: {", ".join(allowed)}')
        return word
    return parse


def words(value):
    if not value.endswith(b"\0") or value == b"\0":
        raise ValueError("takes strings")
    return value[:-1].decode().split("\0")


def serial(value):
    got = text(value)
    if len(got.encode()) > MAX_SERIAL:
        raise ValueError(f"is longer than {MAX_SERIAL} bytes")
    return got


def label(value):
    got = text(value)
    if len(got) > MAX_LABEL or not got.isascii() or not got.isprintable():
        raise ValueError(f"takes up to {MAX_LABEL} printable ASCII characters")
    return got


def flag(value):
    if value:
        raise ValueError("takes no value")
    return True


def check_masks(vm):
    """The names of extensions, wherever they were said."""
    for name in vm.isa_mask or []:
        if not re.fullmatch(r"[a-z][a-z0-9]*", name):
            raise bad_file(f'VM {vm.name}: isa-mask has "{name}", no name of an extension')
    for name in vm.sbi_mask or []:
        if name not in SBI_NAMES:
            raise bad_file(f'VM {vm.name}: sbi-mask has "{name}"; known: {", ".join(SBI_NAMES)}')


# What a VM's node may say: property -> the attribute of Vm, and how its value reads.
PROPERTIES = {
    "compatible": (None, one_of("gnomon,vm")),
    "kernel": ("kernel", text),
    "initrd": ("initrd", text),
    "bootargs": ("bootargs", text),
    "vcpus": ("vcpus", lambda value: cells(value, 1)),
    "memory": ("memory", lambda value: cells(value, 2)),
    "weight": ("weight", number(1, MAX_WEIGHT)),
    "affinity": ("affinity", hart_indexes),
    "order": ("order", number(0, 0xffffffff)),
    "gstage-mode": ("gstage_mode", one_of(*GSTAGE_MODES)),
    "isa-mask": ("isa_mask", words),
    "sbi-mask": ("sbi_mask", words),
    **{name: (attribute(name), one_of(*allowed)) for name, allowed in CHOICES.items()},
}
# The same for a disk's node and Disk.
DISK_PROPERTIES = {"file": ("file", text), "serial": ("serial", serial),
                   "readonly": ("readonly", flag), "host": ("host", flag),
                   "partition": ("partition", label)}
# The same for a net's node and Net.
NET_PROPERTIES = {"mac": ("mac", lambda value: mac_address(text(value))),
                  "isolated": ("isolated", flag), "private": ("private", flag),
                  "any-mac": ("any_mac", flag),
                  "address": ("address", lambda value: ip_address(text(value))),
                  "forward": ("forward", lambda value: list(map(forward, words(value))))}
# The same for a port's node and what is at its host's end.
PORT_PROPERTIES = {"socket": ("socket", text), "file": ("file", text), "pty": ("pty", flag)}
# The same for /vms itself and Description.
TOP_PROPERTIES = {"default": ("default", words), "end": ("end", one_of(*ENDS))}


def take_properties(where, known, properties, into):
    """Set the attributes of @into that @properties say, by @known, a table like those above."""
    for key, value in properties.items():
        if key not in known:
            raise bad_file(f"{where}: unknown property {key} (known: {', '.join(known)})")
        field, parse = known[key]
        try:
            value = parse(value)
        except (ValueError, UnicodeDecodeError) as error:
            raise bad_file(f"{where}: {key} {error}") from None
        if field:
            setattr(into, field, value)


def read_description(path):
    """What a description file says."""
    if not os.path.isfile(path):
        raise bad_file(f"description {path}: no such file")
    if b"\0" in pathlib.Path(path).read_bytes()[:64]:
        raise bad_file(f"description {path} is no text; if it is a kernel, say --kernel {path}")
    dtc = tool("dtc", "device-tree-compiler")
    made = subprocess.run([dtc, "-q", "-I", "dts", "-O", "dtb", path],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if made.returncode:
        reason = made.stderr.decode(errors="replace").strip().splitlines() or ["dtc failed"]
        raise bad_file(f"description {path}: {reason[0]}")
    properties, children = parse_tree(made.stdout)
    if properties or list(children) != ["vms"]:
        raise bad_file(f"description {path}: / holds one node, vms, and nothing else")
    properties, children = children["vms"]
    found = Description({name: read_vm(path, name, *node) for name, node in children.items()})
    if not found.vms:
        raise bad_file(f"description {path}: /vms names no VM")
    if len(found.vms) > MAX_VMS:
        raise bad_file(f"description {path}: {len(found.vms)} VMs; there can be {MAX_VMS}")
    take_properties(f"description {path}: /vms", TOP_PROPERTIES, properties, found)
    for name in found.default or []:
        if name not in found.vms:
            raise bad_file(f"description {path}: default VM {name} is not described")
    return found


def read_vm(path, name, properties, children):
    where = f"description {path}: /vms/{name}"
    if not VM_NAME.fullmatch(name):
        raise bad_file(f"{where}: a VM's name is up to 31 letters, digits and . _ -")
    for child in children:
        if child not in ("disks", "nets", "ports"):
            raise bad_file(f"{where}: unknown node {child}")
    vm = Vm(name)
    if "disks" in children:
        vm.disks = read_disks(path, f"{where}/disks", *children["disks"])
    if "nets" in children:
        vm.nets = read_nets(f"{where}/nets", *children["nets"])
    if "ports" in children:
        vm.ports = read_ports(path, f"{where}/ports", *children["ports"])
    take_properties(where, PROPERTIES, properties, vm)
    if not vm.kernel:
        raise bad_file(f"{where}: no kernel")
    vm.kernel = expand_path(where, path, vm.kernel)
    if vm.initrd:
        vm.initrd = expand_path(where, path, vm.initrd)
    return vm


def parse_tree(blob):
    """A flattened device tree as nested pairs (properties, children), both dicts by name."""
    _, _, structs, strings = struct.unpack_from(">IIII", blob)
    stack = [({}, {})]
    at = structs
    while True:
        token, = struct.unpack_from(">I", blob, at)
        at += 4
        if token == 1:      # FDT_BEGIN_NODE
            end = blob.index(b"\0", at)
            node = ({}, {})
            stack[-1][1][blob[at:end].decode()] = node
            stack.append(node)
            at = round_up(end + 1, 4)
        elif token == 2:    # FDT_END_NODE
            stack.pop()
        elif token == 3:    # FDT_PROP
            length, name = struct.unpack_from(">II", blob, at)
            name_at = strings + name
            name = blob[name_at:blob.index(b"\0", name_at)].decode()
            stack[-1][0][name] = blob[at + 8:at + 8 + length]
            at = round_up(at + 8 + length, 4)
        elif token == 9:    # FDT_END; 4 is FDT_NOP
            return stack[0][1][""]


def read_disks(path, where, properties, children):
    if properties:
        raise bad_file(f"{where}: unknown property {next(iter(properties))}; it holds nodes")
    if len(children) > MAX_DISKS:
        raise bad_file(f"{where}: {len(children)} disks; there can be {MAX_DISKS}")
    return [read_disk(path, f"{where}/{name}", *node) for name, node in children.items()]


def read_disk(path, where, properties, children):
    disk = Disk()
    for child in children:
        raise bad_file(f"{where}: unknown node {child}")
    take_properties(where, DISK_PROPERTIES, properties, disk)
    if not disk.file:
        raise bad_file(f"{where}: no file")
    try:
        check_disk(disk)
    except ValueError as error:
        raise bad_file(f"{where} {error}") from None
    disk.file = expand_path(where, path, disk.file)
    return disk


def read_nets(where, properties, children):
    if properties:
        raise bad_file(f"{where}: unknown property {next(iter(properties))}; it holds nodes")
    return [read_net(f"{where}/{name}", name, *node) for name, node in children.items()]


def read_net(where, name, properties, children):
    net = Net(name)
    for child in children:
        raise bad_file(f"{where}: unknown node {child}")
    take_properties(where, NET_PROPERTIES, properties, net)
    return net


def read_ports(path, where, properties, children):
    if properties:
        raise bad_file(f"{where}: unknown property {next(iter(properties))}; it holds nodes")
    return [read_port(path, f"{where}/{name}", name, *node) for name, node in children.items()]


def read_port(path, where, name, properties, children):
    if not PORT_NAME.fullmatch(name):
        raise bad_file(f"{where}: a port's name is up to 31 letters, digits and . _ -")
    for child in children:
        raise bad_file(f"{where}: unknown node {child}")
    said = argparse.Namespace()
    take_properties(where, PORT_PROPERTIES, properties, said)
    if len(properties) != 1:
        raise bad_file(f"{where}: takes one of {', '.join(PORT_PROPERTIES)}")
    port = Port(name)
    (port.kind, value), = vars(said).items()
    if port.kind != "pty":
        port.path = expand_path(where, path, value)
    return port


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("GNOMON_CACHE") or os.path.join(base, "gnomon")


def expand_path(where, description, path):
    """A description's path, relative to the description, with ${CACHE} and ${BUILD} filled in."""
    try:
        path = string.Template(path).substitute(CACHE=cache_dir(), BUILD=BUILD)
    except (KeyError, ValueError):
        raise bad_file(f"{where}: {path}: only ${{CACHE}} and ${{BUILD}} are filled in") from None
    return os.path.join(os.path.dirname(description), path)
