"""The launcher as a program: what it prints, what it leaves behind, how it ends.

Its one invariant: nothing here depends on what the guest does beyond its start.
Read next: tools/gnomon.
"""

import re
import shlex
import signal
import subprocess
import time

import pytest
from machine import (BUILD, LAUNCHER, QEMU10, REPO, Console, environment, guest_output, launch,
                     suite, unix)

HELLO = BUILD / "guests/hello.bin"


def plain(*args):
    return subprocess.run([LAUNCHER, *args], cwd=REPO, capture_output=True, text=True, timeout=20,
                          env=environment(), check=False)


def test_help():
    main, run = plain("--help"), plain("run", "--help")
    assert main.returncode == run.returncode == 0 and main.stderr == run.stderr == ""
    assert "run" in main.stdout and "bundle" in main.stdout
    for word in ("--kernel", "--initrd", "--append", "--vcpus", "--memory", "--harts", "--cpu",
                 "--backend", "--shadow-policy", "--patch", "--qemu", "--timeout", "--icount", "--log", "exit status:", "124"):
        assert word in run.stdout, word
    assert all(len(line) <= 100 for line in run.stdout.splitlines())


def test_version():
    assert re.fullmatch(r"gnomon \d+\.\d+(\.\d+)?\n", plain("--version").stdout)


def test_no_command():
    run = plain()
    assert run.returncode == 2 and run.stdout == "" and "COMMAND" in run.stderr


def test_dry_run():
    run = launch("--dry-run", "--kernel", HELLO, "--vcpus", 3, "--memory", "64M", "--append", "a b")
    words = shlex.split(run.out)
    assert run.status == 0 and run.err == ""
    assert words[0].endswith("qemu-system-riscv64")
    assert words[words.index("-smp") + 1] == "3"
    assert words[words.index("-kernel") + 1].endswith("build/gnomon.bin")
    bare = shlex.split(launch("--dry-run", "--bare", "--kernel", HELLO, "--append", "a b").out)
    assert bare[bare.index("-kernel") + 1] == str(HELLO)
    assert bare[bare.index("-append") + 1] == "a b"


def test_bare_says_the_guests_status():
    run = launch("--bare", "--kernel", suite("exit-code"))
    assert (run.status, run.err) == (42, "gnomon run: the guest failed with code 42\n")
    assert "gnomon:" not in run.out


def test_log(tmp_path):
    """The log holds what the terminal got, byte for byte, whatever its name."""
    log = tmp_path / "a name, with commas and spaces.log"
    run = launch("--kernel", HELLO, "--log", log)
    assert unix(log.read_bytes()) == run.out


def test_bundle_command(tmp_path):
    out = tmp_path / "out.fit"
    assert launch(out, "--kernel", HELLO, command="bundle").status == 0
    again = tmp_path / "again.fit"
    launch(again, "--kernel", HELLO, command="bundle")
    assert out.read_bytes() == again.read_bytes()
    run = launch("--guest", "guest", "--qemu-arg=-initrd", f"--qemu-arg={out}",
                 "--host-memory", "1G")
    assert run.status == 0 and "My memory is 512 MiB" in run.out


def test_description_and_overrides(tmp_path):
    """A description of two VMs beside its files; options win over what it says."""
    (tmp_path / "k.bin").write_bytes(HELLO.read_bytes())
    vm = 'compatible = "gnomon,vm"; kernel = "k.bin"; vcpus = <1>; memory = <0 0x2000000>;'
    dts = tmp_path / "two.dts"
    dts.write_text(f'/dts-v1/; / {{ vms {{ default = "b"; a {{ {vm} }}; b {{ {vm} '
                   'sbi-mask = "dbcn"; }; }; };')
    run = launch(dts)
    assert "My memory is 32 MiB" in run.out and "SRST.\n" in run.out and "of 1." in run.out
    run = launch(dts, "--guest", "a", "--memory", "64M", "--vcpus", 2)
    assert "My memory is 64 MiB" in run.out and "DBCN.\n" in run.out and "of 2." in run.out


def test_choices_reach_the_bundle(tmp_path):
    """How a VM is run: from a description or an option to the bundle's configuration."""
    (tmp_path / "k.bin").write_bytes(HELLO.read_bytes())
    vm = 'compatible = "gnomon,vm"; kernel = "k.bin";'
    dts, out = tmp_path / "vm.dts", tmp_path / "out.fit"
    dts.write_text(f'/dts-v1/; / {{ vms {{ a {{ {vm} backend = "depriv"; shadow-policy = "trap"; '
                   f'patch = "off"; }}; b {{ {vm} }}; }}; }};')

    def said(vm, name):
        get = subprocess.run(["fdtget", out, f"/configurations/{vm}", name], capture_output=True,
                             text=True, check=False)
        return get.stdout.strip() if get.returncode == 0 else None

    names = ("backend", "shadow-policy", "patch")
    assert launch(out, dts, command="bundle").status == 0
    assert [said("a", name) for name in names] == ["depriv", "trap", "off"]
    assert [said("b", name) for name in names] == [None] * 3
    assert launch(out, dts, "--backend", "auto", "--patch", "on", command="bundle").status == 0
    assert [said("a", name) for name in names] == ["auto", "trap", "on"]


def test_choices_for_an_embedded_guest():
    """Its description is part of Gnomon, so they become options of Gnomon's own."""
    words = shlex.split(launch("--dry-run", "--guest", "hello", "--backend", "depriv", "--patch",
                               "off", "--hyp-append", "stats").out)
    assert words[words.index("-append") + 1] == "guest=hello stats backend=depriv patch=off"


@pytest.mark.parametrize("args,way", (
    ((), "hext, with sv39"), (("--backend", "hext"), "hext, with sv39"),
    (("--backend", "depriv"), "depriv, with sv57"),
    (("--cpu", "rv64,h=false"), "depriv, with sv57"),
    (("--backend", "depriv", "--hyp-append", "loglevel=debug host-mode=sv48"),
     "depriv, with sv48"),
    (("--backend", "hext", "--hyp-append", "loglevel=debug backend=depriv"), "depriv, with sv57"),
), ids=lambda v: " ".join(v) if isinstance(v, tuple) else None)
@pytest.mark.parametrize("guest", (("--guest", "hello"), ("--kernel", HELLO)), ids=lambda g: g[0])
def test_how_it_is_run(guest, args, way):
    debug = () if "--hyp-append" in args else ("--hyp-append", "loglevel=debug")
    run = launch(*guest, *args, *debug)
    assert f"run by {way} for the hypervisor" in run.out, run.out[-1000:]
    assert run.status == 0 and "Goodbye" in run.out


@pytest.mark.qemu10
@pytest.mark.parametrize("cpu,mode", (("rv64,sv57=off", "sv48"), ("rv64,h=false,sv57=off", "sv48"),
                                      ("rv64,h=false", "sv57")))
def test_widest_mode_of_the_hart(cpu, mode):
    run = launch("--guest", "hello", "--qemu", QEMU10, "--cpu", cpu, "--backend", "depriv",
                 "--hyp-append", "loglevel=debug")
    assert f"run by depriv, with {mode} for the hypervisor" in run.out, run.out[-1000:]
    assert run.status == 0 and "Goodbye" in run.out


@pytest.mark.parametrize("kernel", (HELLO, BUILD / "guests/hello.elf"), ids=("flat", "ELF"))
def test_kernel_formats(kernel):
    assert "Hello from a guest" in launch("--kernel", kernel).out


def test_works_from_elsewhere(tmp_path):
    run = subprocess.run([LAUNCHER, "run", "--guest", "hello", "--timeout", "30"], cwd=tmp_path,
                         capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                         env=environment(), check=False)
    assert run.returncode == 0 and "Hello" in guest_output(run.stdout)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
                         ids=lambda number: number.name)
def test_signals_end_the_machine(number, tmp_path):
    """Told to end, the launcher takes QEMU along and says so."""
    log = tmp_path / "log"
    process = subprocess.Popen([LAUNCHER, "run", "--kernel", suite("dirty"), "--log", log],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment(), text=True)
    try:
        limit = time.monotonic() + 20
        while not (log.exists() and b"not zero" in log.read_bytes()):
            assert time.monotonic() < limit
            time.sleep(0.05)
        process.send_signal(number)
        # QEMU holds the pipes too: their end is its end.
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert err == f"gnomon run: ended by {number.name}\n"


def test_quit_key():
    """Ctrl-A x ends QEMU, as in every QEMU."""
    with Console(LAUNCHER, ["run", "--kernel", suite("dirty")], 30) as console:
        console.expect("not zero")
        console.send("\x01x")
        assert console.end(10) == 0


def test_gnomon_is_quiet():
    """By default Gnomon says no more than one line about the VM; debug says more."""
    said = re.findall("^gnomon: .*", launch("--guest", "hello").out, re.MULTILINE)
    assert len(said) <= 1, said
    silent = launch("--guest", "hello", "--hyp-append", "loglevel=error").out
    assert "gnomon: " not in silent
