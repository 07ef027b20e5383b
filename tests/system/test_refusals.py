"""What can't run is refused: one clear line, the documented status, and no hang.

Its one invariant: each row's file or option has exactly one thing wrong with it.
Read next: tools/gnomon (what the launcher checks), hyp/vm/bundle.c (what Gnomon checks again).
"""

import random
import re
import struct
import subprocess
import textwrap

import pytest
from machine import (BAD_FILE, BAD_OPTION, BUILD, QEMU10, STOPPED, TIMEOUT, UNAVAILABLE,
                     assert_one_line, launch, suite)

HELLO = BUILD / "guests/hello.bin"
HELLO_ELF = BUILD / "guests/hello.elf"


# --- by the launcher ---

@pytest.mark.parametrize("args", (
    ["--no-such-option"], [], ["--vcpus", "0", "--guest", "hello"], ["--vcpus", "two"],
    ["--memory", "much", "--guest", "hello"], ["--timeout", "-1", "--guest", "hello"],
    ["--gstage-mode", "sv32x4", "--guest", "hello"],
    ["--backend", "kvm", "--guest", "hello"], ["--shadow-policy", "never", "--guest", "hello"],
    ["--patch", "maybe", "--guest", "hello"],
    ["--kernel", str(HELLO), "--harts", "2", "--icount"],
    ["--kernel", str(HELLO), "--weight", "0"], ["--kernel", str(HELLO), "--weight", "10001"],
    ["--kernel", str(HELLO), "--affinity", "8"], ["--kernel", str(HELLO), "--affinity", ""],
    ["--kernel", str(HELLO), "--on-reset", "explode"], ["--kernel", str(HELLO), "--end", "soon"],
    ["--kernel", str(HELLO), "--guest", "a,b"], ["--guest", "hello", "--weight", "7"],
    ["--guest", "hello", "--vm", "hello"], ["--kernel", str(HELLO), "--console", "pty"],
    ["--kernel", str(HELLO), "--console", "a=pty"],
    ["--kernel", str(HELLO), "--console", "guest=file:"],
    ["--kernel", str(HELLO), "--console", "guest=pty", "--console", "guest=stdio"],
    ["--kernel", str(HELLO), "--control", "/dev/null"],
    ["--kernel", str(HELLO), "--control", "/tmp/" + 103 * "x"],
    ["--bare", "--guest", "hello"], ["--compare", "--guest", "hello"],
    ["--compare", "--kernel", str(HELLO), "--shadow-policy", "trap"], ["--guest", "hello", "--vcpus", "4"],
    ["--guest", "hello", "--append", "quiet"],
), ids=" ".join)
def test_options(args):
    run = launch(*args)
    assert run.status == BAD_OPTION and run.out == ""
    assert re.fullmatch(r"gnomon( run)?: [^\n]+\n", run.err), run.err
    assert "invalid" not in run.err or "choose from" in run.err, "it says what would be right"


def elf(**changes):
    """hello.elf with bytes changed: offset in the name (at_18) or cut to a length."""
    data = bytearray(HELLO_ELF.read_bytes())
    data = data[:changes.pop("cut", len(data))]
    for where, value in changes.items():
        at = int(where[3:])
        data[at:at + len(value)] = value
    return bytes(data)


NOT_KERNELS = {
    "empty": (lambda: b"", "empty"),
    "ELF of 20 bytes": (lambda: elf(cut=20), "truncated"),
    "ELF without program headers": (lambda: elf(cut=70), "truncated"),
    "ELF with half a segment": (lambda: elf(cut=0x1800), "truncated"),
    "ELF for x86": (lambda: elf(at_18=b"\x3e\0"), "64-bit RISC-V"),
    "ELF of 32 bits": (lambda: elf(at_4=b"\1"), "64-bit RISC-V"),
    "ELF object": (lambda: elf(at_16=b"\1\0"), "object"),
    "text": (lambda: b"This is a letter, not a kernel.\n" * 10, "text"),
    "script": (lambda: b"#!/bin/sh\necho hello\n", "script"),
    "gzip": (lambda: b"\x1f\x8b" + bytes(100), "gzip"),
    "Image for Arm": (lambda: bytes(0x38) + b"ARM\x64" + bytes(64), "Arm"),
    "cpio": (lambda: b"070701" + bytes(100), "cpio"),
}


@pytest.mark.parametrize("what", NOT_KERNELS)
def test_not_a_kernel(what, tmp_path):
    make, why = NOT_KERNELS[what]
    file = tmp_path / "kernel"
    file.write_bytes(make())
    run = launch("--kernel", file)
    assert_one_line(run, BAD_FILE, why)
    assert run.out == "" and str(file) in run.err


@pytest.mark.parametrize("args", (("--kernel", "no/such/file"),
                                  ("--kernel", HELLO, "--initrd", "no/such/file"),
                                  ("no/such/file.dts",)), ids=lambda args: args[0])
def test_missing_file(args):
    run = launch(*args)
    assert_one_line(run, BAD_FILE, r"no/such/file.*: [Nn]o such file")


def test_directory_as_kernel(tmp_path):
    assert_one_line(launch("--kernel", tmp_path), BAD_FILE, "directory")


def test_missing_programs(tmp_path):
    run = launch("--kernel", HELLO, "--qemu", "no-such-qemu")
    assert_one_line(run, UNAVAILABLE, "no-such-qemu is missing")
    run = launch("--kernel", HELLO, "--gnomon", tmp_path / "no-such-gnomon")
    assert_one_line(run, BAD_FILE, "no-such-gnomon is missing: run make")


def test_too_little_memory(tmp_path):
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"070701" * 700000)
    run = launch("--kernel", HELLO, "--initrd", initrd, "--memory", "8M")
    assert_one_line(run, BAD_FILE, r"8 MiB is too small.* 4\.1 MiB.* need 1[0-9] MiB")
    run = launch("--kernel", HELLO, "--memory", "100001")
    assert_one_line(run, BAD_FILE, "multiple of 4 KiB")


def test_too_many_vcpus():
    assert_one_line(launch("--kernel", HELLO, "--vcpus", 9), BAD_FILE, "9 vcpus.* 1 to 8")


GOOD_VM = 'compatible = "gnomon,vm"; kernel = "hello.bin";'
DESCRIPTIONS = {
    "no source": ("this is no device tree", "."),
    "no vms": ("/dts-v1/; / { };", "vms"),
    "no VM": ("/dts-v1/; / { vms { }; };", "no VM"),
    "no kernel": ('/dts-v1/; / { vms { a { compatible = "gnomon,vm"; }; }; };', "no kernel"),
    "unknown property": (f"/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} colour = <1>; }}; }}; }};",
                         "unknown property colour"),
    "vcpus a string": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} vcpus = "2"; }}; }}; }};',
                       "vcpus takes one number"),
    "memory one cell": (f"/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} memory = <1>; }}; }}; }};",
                        "memory takes two numbers"),
    "unknown mode": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} gstage-mode = "x"; }}; }}; }};',
                     "gstage-mode is \"x\"; known"),
    "unknown backend": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} backend = "kvm"; }}; }}; }};',
                        "backend is \"kvm\"; known: auto, hext, depriv"),
    "unknown policy": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} shadow-policy = "x"; }}; }}; }};',
                       "shadow-policy is \"x\"; known: trap, unsync, lazy, none"),
    "patch a flag": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} patch; }}; }}; }};',
                     "patch takes a string"),
    "unknown SBI extension": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} sbi-mask = "x"; }}; }}; }};',
                              "sbi-mask has \"x\"; known"),
    "weight of 0": (f"/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} weight = <0>; }}; }}; }};",
                    "weight is 0; it can be 1 to 10000"),
    "too much weight": (f"/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} weight = <10001>; }}; }}; }};",
                        "weight is 10001; it can be 1 to 10000"),
    "two weights": (f"/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} weight = <1 2>; }}; }}; }};",
                    "weight takes one number"),
    "no affinity": (f"/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} affinity; }}; }}; }};",
                    "affinity takes numbers of harts"),
    "affinity a string": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} affinity = "0"; }}; }}; }};',
                          "affinity takes numbers of harts"),
    "affinity of hart 8": (f"/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} affinity = <0 8>; }}; }}; }};",
                           "affinity has 8; harts are 0 to 7"),
    "order a string": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} order = "first"; }}; }}; }};',
                       "order takes one number"),
    "unknown on-reset": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} on-reset = "x"; }}; }}; }};',
                         'on-reset is "x"; known: restart, stop'),
    "unknown on-shutdown": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} on-shutdown = "x"; }}; }}; }};',
                            'on-shutdown is "x"; known: stop, restart'),
    "unknown on-failure": (f'/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} on-failure = "x"; }}; }}; }};',
                           'on-failure is "x"; known: stop, restart'),
    "unknown end": (f'/dts-v1/; / {{ vms {{ end = "x"; a {{ {GOOD_VM} }}; }}; }};',
                    '/vms: end is "x"; known: all, never'),
    "unknown property of /vms": (f"/dts-v1/; / {{ vms {{ start; a {{ {GOOD_VM} }}; }}; }};",
                                 "/vms: unknown property start .known: default, end"),
    "default a number": (f"/dts-v1/; / {{ vms {{ default = <1>; a {{ {GOOD_VM} }}; }}; }};",
                         "/vms: default takes strings"),
    "one bad default": (f'/dts-v1/; / {{ vms {{ default = "a", "b"; a {{ {GOOD_VM} }}; }}; }};',
                        "default VM b"),
    "name with a comma": (f"/dts-v1/; / {{ vms {{ a,b {{ {GOOD_VM} }}; }}; }};",
                          "/vms/a,b: a VM's name is"),
    "name of 32 letters": (f"/dts-v1/; / {{ vms {{ {32 * 'a'} {{ {GOOD_VM} }}; }}; }};",
                           "a VM's name is up to 31"),
    "33 VMs": ("/dts-v1/; / { vms { %s }; };" % " ".join(f"a{n} {{ {GOOD_VM} }};"
                                                         for n in range(33)), "33 VMs.* can be 32"),
    "no such default": (f'/dts-v1/; / {{ vms {{ default = "b"; a {{ {GOOD_VM} }}; }}; }};',
                        "default VM b"),
    "no such kernel": ('/dts-v1/; / { vms { a { kernel = "none"; }; }; };', "none: No such file"),
}


@pytest.mark.parametrize("args,status,why", (
    (("--backend", "depriv"), BAD_OPTION, "--backend: for which of a, b"),
    (("--append", "quiet"), BAD_OPTION, "--append: for which of a, b"),
    (("--vm", "a"), BAD_OPTION, "no option says anything about it"),
    (("--vm", "c", "--vcpus", 1), BAD_FILE, "no VM c .there are: a, b"),
    (("--guest", "a,c"), BAD_FILE, "no VM c"), (("--bare",), BAD_OPTION, "--bare runs one guest"),
    (("--console", "c=pty"), BAD_OPTION, "--console c: no such VM"),
    (("--console", "a/hvc0=pty"), BAD_OPTION, "there are: a, b; /hvc0 needs virtio-console"),
    (("--console", "a=pty", "--console", "a=pty"), BAD_OPTION, "given twice"),
    (("--console", "a=stdio", "--console", "b=stdio"), BAD_OPTION, "one alone can be stdio"),
), ids=lambda v: " ".join(map(str, v)) if isinstance(v, tuple) else None)
def test_options_with_several_vms(args, status, why, tmp_path):
    (tmp_path / "hello.bin").write_bytes(HELLO.read_bytes())
    (tmp_path / "vm.dts").write_text(f"/dts-v1/; / {{ vms {{ a {{ {GOOD_VM} }};"
                                     f" b {{ {GOOD_VM} }}; }}; }};")
    assert_one_line(launch(tmp_path / "vm.dts", *args), status, why)


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_description(what, tmp_path):
    source, why = DESCRIPTIONS[what]
    (tmp_path / "hello.bin").write_bytes(HELLO.read_bytes())
    (tmp_path / "vm.dts").write_text(source)
    assert_one_line(launch(tmp_path / "vm.dts"), BAD_FILE, why)


def test_kernel_as_description():
    assert_one_line(launch(HELLO_ELF), BAD_FILE, f"if it is a kernel, say --kernel {HELLO_ELF}")


def test_unknown_vm():
    run = launch("dts/linux.dts", "--guest", "windows")
    assert_one_line(run, BAD_FILE, r"no VM windows \(there are: linux\)")


def test_cpu_that_qemu_does_not_know():
    run = launch("--kernel", HELLO, "--cpu", "z80")
    assert run.status == UNAVAILABLE and "unable to find CPU model 'z80'" in run.err
    assert run.err.endswith("gnomon run: QEMU can't run this machine; it says why above\n")


# --- by Gnomon ---

def refused(run, status, why):
    """Gnomon says why on the console, the launcher what that means."""
    assert_one_line(run, status, rf"\(status {status}\)$")
    said = re.findall(r"^gnomon: (.*)", run.out, re.MULTILINE)
    assert any(re.search(why, line) for line in said), said


@pytest.mark.parametrize("asked", (
    ("--guest", "hello", "--backend", "hext"), ("--kernel", HELLO, "--backend", "hext"),
    ("--kernel", HELLO, "--hyp-append", "backend=hext"),
    ("--kernel", HELLO, "--backend", "depriv", "--hyp-append", "backend=hext"),
), ids=lambda asked: " ".join(map(str, asked[0::2])))
def test_no_h_extension(asked):
    """Only who insists on it is refused."""
    refused(launch(*asked, "--cpu", "rv64,h=false"), UNAVAILABLE, "no H-extension")


@pytest.mark.parametrize("option", ("backend=kvm", "backend", "backend=", "shadow-policy=never",
                                    "patch=yes", "patchy=on"))
def test_option_of_gnomon(option):
    run = launch("--guest", "hello", "--hyp-append", option)
    refused(run, BAD_FILE, f"unknown option {option};")


@pytest.mark.qemu10
@pytest.mark.parametrize("mode", ("sv48", "sv57"))
def test_host_mode_that_is_not_there(mode):
    run = launch("--guest", "hello", "--qemu", QEMU10, "--cpu", "rv64,sv57=off,sv48=off",
                 "--hyp-append", f"host-mode={mode}")
    refused(run, UNAVAILABLE, mode)


@pytest.mark.qemu10
@pytest.mark.parametrize("mode", ("sv48x4", "sv57x4"))
def test_gstage_mode_that_is_not_there(mode):
    run = launch("--kernel", HELLO, "--qemu", QEMU10, "--cpu", "rv64,sv57=off,sv48=off",
                 "--gstage-mode", mode)
    refused(run, UNAVAILABLE, "gstage-mode")


def test_unknown_embedded_guest():
    refused(launch("--guest", "nobody"), BAD_FILE,
            "no VM nobody; there are: hello ticks ")


def test_machine_with_too_little_memory():
    """A guest may have more memory than the host; it is stopped when it takes more."""
    memory = ("--memory", "512M", "--host-memory", "256M")
    assert launch("--kernel", HELLO, *memory).status == 0
    refused(launch("--kernel", suite("dirty"), *memory), STOPPED, "no memory left")


VM = 'compatible = "gnomon,vm"; kernel = "k"; memory = <0 0x4000000>; vcpus = <1>;'


def bundle(path, vm=VM, kernel=None, configurations=None):
    """A bundle made by hand, without the launcher's checks; its VM is called vm."""
    (path / "k").write_bytes(HELLO.read_bytes() if kernel is None else kernel)
    if configurations is None:
        configurations = f'configurations {{ default = "vm"; vm {{ {vm} }}; }};'
    (path / "b.its").write_text(textwrap.dedent(f"""\
        /dts-v1/;
        / {{ description = "by hand";
             images {{ k {{ data = /incbin/("k"); type = "kernel"; arch = "riscv";
                            compression = "none"; }}; }};
             {configurations} }};"""))
    subprocess.run(["mkimage", "-q", "-f", "b.its", "-E", "-B", "0x200000", "b.fit"], cwd=path,
                   check=True, capture_output=True)
    return path / "b.fit"


def run_bundle(path, *args, name="vm", limit=30):
    return launch("--guest", name, "--qemu-arg=-initrd", f"--qemu-arg={path}", *args, limit=limit)


def test_bundle_by_hand_runs(tmp_path):
    """The rows below differ from this one in one thing each."""
    run = run_bundle(bundle(tmp_path))
    assert run.status == 0 and "My memory is 64 MiB" in run.out, run.out[-500:]


VMS = {
    "vcpus: none": (VM.replace("vcpus = <1>", "vcpus = <0>"), "vcpus"),
    "vcpus: more than there can be": (VM.replace("vcpus = <1>", "vcpus = <9>"), "vcpus"),
    "vcpus: a string": (VM.replace("vcpus = <1>", 'vcpus = "two"'), "vcpus"),
    "vcpus: two cells": (VM.replace("vcpus = <1>", "vcpus = <0 1>"), "vcpus"),
    "vcpus: empty": (VM.replace("vcpus = <1>", "vcpus"), "vcpus"),
    "memory: none": (VM.replace("<0 0x4000000>", "<0 0>"), "memory"),
    "memory: too little": (VM.replace("<0 0x4000000>", "<0 0x400000>"),
                           r"4096 KiB is too small.*\d+ KiB"),
    "memory: less than a page": (VM.replace("<0 0x4000000>", "<0 0x4000001>"), "memory"),
    "memory: three cells": (VM.replace("<0 0x4000000>", "<0 0 0x4000000>"), "memory"),
    "memory: a string": (VM.replace("<0 0x4000000>", '"64M"'), "memory"),
    "memory: wraps round": (VM.replace("<0 0x4000000>", "<0xffffffff 0xfffff000>"), "memory"),
    "no compatible": (VM.replace('compatible = "gnomon,vm";', ""), "compatible"),
    "another's compatible": (VM.replace("gnomon,vm", "other,vm"), "compatible"),
    "no kernel": (VM.replace('kernel = "k";', ""), "kernel"),
    "kernel: no such image": (VM.replace('"k"', '"none"'), "none"),
    "kernel: a number": (VM.replace('"k"', "<1>"), "kernel"),
    "ramdisk: no such image": (VM + 'ramdisk = "none";', "none"),
    "ramdisk: a number": (VM + "ramdisk = <1>;", "ramdisk"),
    "weight: none": (VM + "weight = <0>;", "weight"),
    "weight: too much": (VM + "weight = <10001>;", "weight"),
    "weight: a string": (VM + 'weight = "heavy";', "weight"),
    "affinity: empty": (VM + "affinity;", "affinity"),
    "affinity: no such hart": (VM + "affinity = <5 6>;", "affinity: the machine has none"),
    "affinity: beyond all": (VM + "affinity = <0 8>;", "affinity"),
    "order: two cells": (VM + "order = <0 1>;", "order"),
    "on-reset: unknown": (VM + 'on-reset = "explode";', "on-reset"),
    "on-shutdown: a number": (VM + "on-shutdown = <1>;", "on-shutdown"),
    "on-failure: empty": (VM + "on-failure;", "on-failure"),
    "gstage-mode: unknown": (VM + 'gstage-mode = "sv32x4";', "gstage-mode"),
    "gstage-mode: a number": (VM + "gstage-mode = <39>;", "gstage-mode"),
    "backend: unknown": (VM + 'backend = "kvm";', "backend"),
    "backend: a number": (VM + "backend = <1>;", "backend"),
    "shadow-policy: unknown": (VM + 'shadow-policy = "";', "shadow-policy"),
    "shadow-policy: two": (VM + 'shadow-policy = "trap", "lazy";', "shadow-policy"),
    "patch: a flag": (VM + "patch;", "patch"),
    "isa-mask: a number": (VM + "isa-mask = <0x61626364>;", "isa-mask"),
    "sbi-mask: a number": (VM + "sbi-mask = <0x61626364>;", "sbi-mask"),
    "sbi-mask: unknown": (VM + 'sbi-mask = "nacl";', "nacl|sbi-mask|description"),
    "bootargs: a number": (VM + "bootargs = <0x61626364>;", "bootargs"),
}


@pytest.mark.parametrize("what", VMS)
def test_vm_of_a_bundle(what, tmp_path):
    vm, why = VMS[what]
    refused(run_bundle(bundle(tmp_path, vm)), BAD_FILE, why)


OUTLINES = {
    "default: nobody": ('default = "vm", "nobody";', "nobody"),
    "default: a number": ("default = <0x61626364>;", "default"),
    "end: unknown": ('end = "soon";', "end"),
    "end: a number": ("end = <1>;", "end"),
}


def run_defaults(path):
    """Run a bundle without a guest= that chooses: QEMU takes the last -initrd."""
    return launch("--kernel", HELLO, "--qemu-arg=-initrd", f"--qemu-arg={path}")


@pytest.mark.parametrize("what", OUTLINES)
def test_outline_of_a_bundle(what, tmp_path):
    said, why = OUTLINES[what]
    file = bundle(tmp_path, configurations=f"configurations {{ {said} vm {{ {VM} }}; }};")
    refused(run_defaults(file), BAD_FILE, why)


def test_one_bad_vm_among_others(tmp_path):
    """It is refused with a line; the other one runs."""
    file = bundle(tmp_path, configurations=f"configurations {{ bad {{ {VM} weight = <0>; }};"
                                           f" vm {{ {VM} }}; }};")
    run = run_defaults(file)
    assert "bundle: bad: weight" in run.out and "My memory is 64 MiB" in run.out


KERNELS = {
    "ELF of 20 bytes": lambda: elf(cut=20),
    "ELF without program headers": lambda: elf(cut=70),
    "ELF with half a segment": lambda: elf(cut=0x1800),
    "ELF for x86": lambda: elf(at_18=b"\x3e\0"),
    "ELF of 32 bits": lambda: elf(at_4=b"\1"),
    "ELF object": lambda: elf(at_16=b"\1\0"),
    "ELF with headers past 2^64": lambda: elf(at_32=b"\xff" * 8),
    "Image of 2^64 bytes": lambda: elf_free_image(size=0xffffffffffffffff),
    "Image loaded at 2^63": lambda: elf_free_image(offset=1 << 63),
}


def elf_free_image(offset=0x200000, size=0x10000):
    return struct.pack("<IIQQQIIQQII", 0x6f, 0, offset, size, 0, 2, 0, 0, 0x5643534952,
                       0x05435352, 0) + bytes(4096)


@pytest.mark.parametrize("what", KERNELS)
def test_kernel_of_a_bundle(what, tmp_path):
    refused(run_bundle(bundle(tmp_path, kernel=KERNELS[what]())), BAD_FILE, "kernel|too small")


def test_bundle_without_configurations(tmp_path):
    file = bundle(tmp_path)
    bare = tmp_path / "bare.dtb"
    subprocess.run(["dtc", "-q", "-O", "dtb", "-o", bare], input=b"/dts-v1/; / { images { }; };",
                   check=True)
    refused(run_bundle(bare), BAD_FILE, "configurations")
    refused(run_bundle(file, name="other"), BAD_FILE, "other")


def tree_size(file):
    return struct.unpack_from(">I", file.read_bytes(), 4)[0]


@pytest.mark.parametrize("left", ("3 bytes", "header", "half the tree", "tree", "half the kernel",
                                  "all but one byte"))
def test_truncated_bundle(left, tmp_path):
    file = bundle(tmp_path)
    data, tree = file.read_bytes(), tree_size(file)
    kernel = len(HELLO.read_bytes())
    start = data.rindex(HELLO.read_bytes()[:64])
    keep = {"3 bytes": 3, "header": 40, "half the tree": tree // 2, "tree": tree,
            "half the kernel": start + kernel // 2, "all but one byte": start + kernel - 1}[left]
    file.write_bytes(data[:keep])
    refused(run_bundle(file), BAD_FILE, "bundle: ")


@pytest.mark.parametrize("what,data", (
    ("zeros", bytes(8192)), ("ones", b"\xff" * 8192), ("text", b"no bundle at all\n" * 500),
    ("magic alone", b"\xd0\x0d\xfe\xed" + b"\xff" * 8192)), ids=lambda v: v if v is str else None)
def test_garbage_bundle(what, data, tmp_path):
    file = tmp_path / what
    file.write_bytes(data)
    refused(run_bundle(file), BAD_FILE, "bundle: ")


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bundle(seed, tmp_path):
    """Any byte of the tree may be wrong: the guest runs, or the bundle is refused; no more."""
    file = bundle(tmp_path)
    data, chance = bytearray(file.read_bytes()), random.Random(seed)
    for _ in range(6):
        data[chance.randrange(tree_size(file))] = chance.randrange(256)
    file.write_bytes(data)
    run = run_bundle(file)
    assert run.status in (0, BAD_FILE), (run.status, run.out[-500:])


# --- by the clock ---

@pytest.mark.parametrize("code,what", ((b"\x6f\0\0\0", "jumps to itself"),
                                       (b"\x73\x00\x50\x10\x6f\xf0\xdf\xff", "waits"),
                                       (bytes(4), "traps into nothing")), ids=lambda v: str(v))
def test_guest_without_end(code, what, tmp_path):
    file = tmp_path / what
    file.write_bytes(code + b"\x80" * 64)
    run = launch("--kernel", file, "--memory", "16M", "--timeout", 2)
    assert_one_line(run, TIMEOUT, "no end within 2 s")


def test_silent_guest_leaves_gnomon_alone():
    """A suite's guest, waiting with all its RAM written: the time limit is what ends it."""
    run = launch("--kernel", suite("dirty"), "--memory", "16M", "--vcpus", 1, "--timeout", 3)
    assert_one_line(run, TIMEOUT, "no end within 3 s")
    assert "0 words of RAM were not zero" in run.out
