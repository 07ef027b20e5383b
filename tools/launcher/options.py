"""The options of `gnomon run` and `gnomon bundle`, as argparse wants them.

Read next: choice.py (what becomes of those about guests), machine.py (of the others).
"""

import argparse
import os
import re

from launcher.common import BUILD, GIB, KIB, MAX_HARTS, MAX_WEIGHT, MIB
from launcher.descriptions import CHOICES, ENDS, GSTAGE_MODES, SBI_NAMES
from launcher.disks import disk_option
from launcher.nets import forward_option
from launcher.ports import port_option


EPILOG = """\
exit status:
  0     the guest, or each of several, shut down in an orderly way, or QEMU was ended by Ctrl-A x;
        where one of several failed, the first failure's status
  2     wrong options
  65    a kernel, an initrd, a bundle or a description was refused
  69    the machine can't run it: QEMU missing or refusing, no H-extension for hext, ...
  70    Gnomon panicked; a bug in Gnomon
  71    Gnomon stopped the guest, which did what can't be emulated, or the host's memory ran out
  124   --timeout ran out
  128+N QEMU or this program was ended by signal N
  else  the guest's own failure code, or what the monitor's quit was given

console:
  Ctrl-C goes to the guest. Ctrl-A x ends QEMU, Ctrl-A c switches to QEMU's monitor and back,
  Ctrl-A Ctrl-A sends Ctrl-A. Ctrl-] is Gnomon's: guests and its monitor share this terminal;
  Ctrl-] ? lists its keys.
  --console NAME=... gives a guest one more. `gnomon ctl help` speaks with the monitor.
"""


class Parser(argparse.ArgumentParser):
    """Argparse's, which tells what is wrong in one line, without all options before it."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')};"
                     f" `{self.prog} --help` lists all\n")

    def parse_known_args(self, *args, **kwargs):
        """Nothing is left to the command before, which would speak of itself."""
        found, rest = super().parse_known_args(*args, **kwargs)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest


def parse_size(text):
    """Bytes from "512M", "1G", "65536", "0x10000"."""
    match = re.fullmatch(r"(0x[0-9a-fA-F]+|\d+)([KMG]?)(iB|B)?", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"not a size: {text!r} (write 512M, 1G, ...)")
    unit = {"": 1, "K": KIB, "M": MIB, "G": GIB}[match[2].upper()]
    return int(match[1], 0) * unit


def number(kind, what, good):
    """A parser of numbers that @good is true of; @what: which those are."""
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not good(value):
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}")
        return value
    return parse


def positive(kind):
    return number(kind, "whole number above 0" if kind is int else "number above 0",
                  lambda value: value > 0)


seconds = number(float, "number of seconds", lambda value: 0 <= value < float("inf"))
weight = number(int, f"whole number from 1 to {MAX_WEIGHT}", lambda value: 1 <= value <= MAX_WEIGHT)
hart = number(int, f"list of harts from 0 to {MAX_HARTS - 1}, like 0,1",
              lambda value: 0 <= value < MAX_HARTS)


def names(value):
    return [name for name in value.split(",") if name]


def affinity(value):
    return tuple(map(hart, value.split(",")))


def console(value):
    """NAME=KIND or NAME=KIND:PATH, as (name, kind, path)."""
    match = re.fullmatch(r"([^=]+)=(?:(file|socket):(.+)|(pty|stdio))", value)
    if not match:
        raise argparse.ArgumentTypeError(f"{value!r}: write NAME=file:PATH, NAME=socket:PATH,"
                                         " NAME=pty or NAME=stdio")
    return match[1], match[2] or match[4], match[3]


def add_guest_options(parser):
    """The options that say what to run."""
    parser.add_argument("description", nargs="?", metavar="DESCRIPTION.dts",
                        help="a description of VMs, see dts/README.md; options below override it")
    vm = parser.add_argument_group("the guest")
    vm.add_argument("--kernel", metavar="FILE", help="Linux Image, ELF or flat binary")
    vm.add_argument("--initrd", metavar="FILE", help="initial RAM disk")
    vm.add_argument("--append", metavar="TEXT", help="the kernel's command line")
    vm.add_argument("--vcpus", type=positive(int), metavar="N", help="its harts (default: 2)")
    vm.add_argument("--memory", type=parse_size, metavar="SIZE",
                    help="its RAM, like 512M or 1G (default: 512M)")
    vm.add_argument("--guest", metavar="NAME,...",
                    help="which VMs of the description start; without one, which guests of those"
                         " embedded in Gnomon (hello, ticks, ...)")
    vm.add_argument("--vm", metavar="NAME",
                    help="where several start: which of them the other options here are about")
    vm.add_argument("--weight", type=weight, metavar="N",
                    help=f"its share of the harts, 1 to {MAX_WEIGHT} (default: 100)")
    vm.add_argument("--affinity", type=affinity, metavar="LIST",
                    help="harts it may run on, like 0,1 (default: all)")
    vm.add_argument("--gstage-mode", choices=GSTAGE_MODES, help="format of its G-stage table")
    vm.add_argument("--backend", choices=CHOICES["backend"],
                    help="how it is run: by the H-extension, in U-mode on shadow tables, or"
                         " (auto) the first where the core has it")
    vm.add_argument("--shadow-policy", choices=CHOICES["shadow-policy"],
                    help="when shadow tables follow the guest's: at its stores, its first store or"
                         " its fences (default: lazy); none: they are made anew for each"
                         " instruction, a thousand times slower, to teach")
    vm.add_argument("--patch", choices=CHOICES["patch"],
                    help="whether instructions that often trap are replaced where they run, with"
                         " shadow tables (default: on)")
    vm.add_argument("--disk", type=disk_option, action="append",
                    metavar="FILE[,host][,partition=LABEL][,readonly][,serial=TEXT]",
                    help="a disk with what is in the file; writes stay in memory, and are lost"
                         " with the VM; with host, the file, or a partition in it, itself: writes"
                         " go there and stay; again for another one")
    vm.add_argument("--net", action="store_true", default=None,
                    help="a network device, with the host's network behind it")
    vm.add_argument("--forward", type=forward_option, action="append", metavar="HOST:GUEST",
                    help="with the same, let who connects to this port of the host (at 127.0.0.1)"
                         " reach that one of the guest, at 10.0.2.15; again for another one")
    vm.add_argument("--port", type=port_option, action="append", metavar="NAME=WHERE",
                    help="a port that Linux has as /dev/virtio-ports/NAME, to file:PATH,"
                         " socket:PATH or pty; again for another one")
    vm.add_argument("--virtio-console", choices=CHOICES["virtio-console"],
                    help="whether it has a second console, Linux's hvc0, in a window of its own"
                         " (default: off)")
    vm.add_argument("--virtio", choices=CHOICES["virtio"],
                    help="whether virtio-mmio is version 2 (default) or 1, for old drivers")
    vm.add_argument("--rng", choices=CHOICES["rng"],
                    help="whether it has an entropy device (default: on)")
    vm.add_argument("--balloon", choices=CHOICES["balloon"],
                    help="whether it has a balloon, by which it gives memory back while it runs"
                         " (default: off)")
    for name in ("on-reset", "on-shutdown", "on-failure"):
        vm.add_argument(f"--{name}", choices=CHOICES[name],
                        help=f"what happens then (default: {CHOICES[name][0]})")
    vm.add_argument("--end", choices=ENDS,
                    help="when the machine ends: when all VMs have (default), or when told to")
    vm.add_argument("--isa-mask", type=names, metavar="LIST",
                    help="ISA extensions to hide from it, like sstc,v")
    vm.add_argument("--sbi-mask", type=names, metavar="LIST",
                    help=f"SBI extensions to hide from it, of: {','.join(SBI_NAMES)}")


def add_machine_options(parser):
    """The options that say on what to run it, and how."""
    machine = parser.add_argument_group("the machine")
    machine.add_argument("--harts", type=positive(int), metavar="N",
                         help="its harts (default: as many as the guest has vcpus; of several"
                              f" guests, as this computer has, up to {MAX_HARTS})")
    machine.add_argument("--cpu", metavar="MODEL", help="QEMU's -cpu, like rv64,sv57=off")
    machine.add_argument("--host-memory", type=parse_size, metavar="SIZE",
                         help="its RAM (default: what guests, bundle and Gnomon need)")
    machine.add_argument("--console", type=console, action="append", default=[],
                         metavar="NAME=WHERE",
                         help="give VM NAME, or NAME/hvc0, a console besides this terminal: file:PATH,"
                              " socket:PATH, pty or stdio")
    machine.add_argument("--control", metavar="PATH",
                         help="where gnomon ctl finds this machine (default: a socket in"
                              " $XDG_RUNTIME_DIR/gnomon or /tmp/gnomon-UID)")
    machine.add_argument("--bios", default="default", metavar="FILE",
                         help="firmware (default: QEMU's OpenSBI)")
    machine.add_argument("--qemu", default=os.environ.get("QEMU") or "qemu-system-riscv64",
                         metavar="PROGRAM", help="the QEMU to use (default: $QEMU or %(default)s)")
    machine.add_argument("--qemu-arg", action="append", default=[], metavar="ARG",
                         help="one more argument for QEMU (write --qemu-arg=-d)")
    machine.add_argument("--gnomon", default=str(BUILD / "gnomon.bin"), metavar="FILE",
                         help="the hypervisor (default: the one built here)")
    machine.add_argument("--hyp-append", metavar="TEXT",
                         help="options for Gnomon, like 'host-mode=sv48 loglevel=debug'")
    machine.add_argument("--bare", action="store_true",
                         help="run the guest's files without Gnomon, to compare")
    machine.add_argument("--compare", action="store_true",
                         help="run them, which must come to an end by themselves, in each way there"
                              " is, one after the other, counting instructions as time, and show"
                              " what each took, as a table")
    running = parser.add_argument_group("the run")
    running.add_argument("--timeout", type=positive(float), metavar="S",
                         help="end the machine after S seconds, with status 124")
    running.add_argument("--icount", action="store_true",
                         help="count instructions as time: every run alike, on one hart")
    running.add_argument("--log", metavar="FILE", help="also write the console to FILE")
    running.add_argument("--gdb", action="store_true", help="wait for gdb on port 1234")
    running.add_argument("--dry-run", action="store_true",
                         help="check everything, print QEMU's command line, run nothing")
