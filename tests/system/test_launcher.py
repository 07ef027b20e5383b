"""The launcher as a program: what it prints, what it leaves behind, how it ends.

Its one invariant: nothing here depends on what the guest does beyond its start.
Read next: tools/gnomon.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from machine import (BAD_FILE, BUILD, LAUNCHER, QEMU10, REPO, Console, assert_one_line, environment,
                     guest_output, launch, suite, unix)

HELLO = BUILD / "guests/hello.bin"


def plain(*args):
    return subprocess.run([LAUNCHER, *args], cwd=REPO, capture_output=True, text=True, timeout=20,
                          env=environment(), check=False)


def test_help():
    main, run = plain("--help"), plain("run", "--help")
    assert main.returncode == run.returncode == 0 and main.stderr == run.stderr == ""
    assert all(word in main.stdout for word in ("run", "bundle", "ctl"))
    for word in ("--kernel", "--initrd", "--append", "--vcpus", "--memory", "--harts", "--cpu",
                 "--backend", "--shadow-policy", "--patch", "--qemu", "--timeout", "--icount",
                 "--log", "--vm", "--weight", "--affinity", "--on-reset", "--end", "--console",
                 "--control", "exit status:", "124"):
        assert word in run.stdout, word
    assert all(len(line) <= 100 for line in run.stdout.splitlines())


def test_compare_without_the_counter(tmp_path):
    """Who hasn't built it is told what the dashes are; here true(1) plays QEMU."""
    start = ("import pathlib, runpy, sys; import launcher.compare; from machine import LAUNCHER;"
             f" launcher.compare.BUILD = pathlib.Path({str(tmp_path)!r});"
             " runpy.run_path(str(LAUNCHER), run_name='__main__')")
    run = subprocess.run(
        [sys.executable, "-c", start, "run", "--compare", "--kernel", HELLO, "--qemu", "true"],
        env={**environment(), "PYTHONPATH": f"{REPO / 'tools'}:{REPO / 'tests/system'}"},
        capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 0 and run.stdout.splitlines()[-1].split()[1:] == 6 * ["-"], run.stderr
    assert run.stderr == ("gnomon run: instructions aren't counted: `make bench-files` builds what"
                          " counts them\n")


def test_version():
    assert re.fullmatch(r"gnomon \d+\.\d+(\.\d+)?\n", plain("--version").stdout)


@pytest.mark.slow
def test_compare():
    """A column a way; each number is there that the way has, and they are in the order they must."""
    run = launch("--compare", "--kernel", HELLO, "--memory", "16M", limit=60)
    assert run.status == 0 and run.err == "", run.err
    head, *lines = run.out.splitlines()
    ways = head.split()
    assert ways == ["bare", "hext", "lazy", "unsync", "trap", "none"]
    rows = {line[:20].strip(): dict(zip(ways, line[20:].split())) for line in lines}
    took = {way: int(number) for way, number in rows["instructions"].items()}
    assert took["bare"] < took["hext"] < took["lazy"] < took["none"], took
    for name, row in rows.items():
        assert row["bare"] != "-" or name != "instructions"
        assert (row["hext"] == "-") == (name in ("fills of shadows", "fences", "references")), row
        assert "-" not in (row["lazy"], row["unsync"], row["trap"], row["none"]), row


def test_compare_without():
    """A way that the core hasn't is said to be so, and the others are shown."""
    run = launch("--compare", "--kernel", HELLO, "--initrd", HELLO, "--cpu", "rv64,h=false",
                 "--memory", "16M", limit=60)
    assert run.status == 0 and re.match(r"gnomon run: hext: [^\n]+\n\Z", run.err), run.err
    assert run.out.splitlines()[0].split() == ["bare", "hext", "lazy", "unsync", "trap"]


def test_compare_says_once_what_is_wrong():
    """A file that runs in no way is no matter of the ways."""
    assert_one_line(launch("--compare", "--kernel", REPO / "README.md"), BAD_FILE, "is text")


def test_compare_is_ended_as_a_whole(tmp_path):
    """Ctrl-C doesn't end one way and begin the next."""
    begun, qemu = tmp_path / "begun", tmp_path / "qemu"
    qemu.write_text(f'#!/bin/sh\n[ "$1" = --version ] || echo >>{begun}\n'
                    'exec qemu-system-riscv64 "$@"\n')
    qemu.chmod(0o755)
    process = subprocess.Popen([LAUNCHER, "run", "--compare", "--kernel", suite("dirty"), "--qemu",
                                qemu], stderr=subprocess.PIPE, env=environment(), text=True)
    try:
        limit = time.monotonic() + 20
        while not begun.exists():
            assert time.monotonic() < limit
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, err) == (130, "gnomon run: ended by SIGINT\n")
    assert begun.read_text() == "\n"


@pytest.mark.parametrize("args, says", (
    ([], "gnomon: the following arguments are required: COMMAND; `gnomon --help` lists all"),
    (["--bogus", "run"], "gnomon: unrecognized arguments: --bogus; `gnomon --help` lists all"),
    (["step", "a", "b"], "gnomon step: unrecognized arguments: b; `gnomon step --help` lists all"),
    (["step", "--count", "0"],
     "gnomon step: --count: '0' is no whole number above 0; `gnomon step --help` lists all"),
    (["explore", "--seconds", "inf"],
     "gnomon explore: --seconds: 'inf' is no number of seconds; `gnomon explore --help` lists all"),
), ids=lambda value: " ".join(value) or "none" if isinstance(value, list) else "")
def test_wrong_command_line(args, says):
    """One line says what is wrong, whichever command it is of."""
    run = plain(*args)
    assert (run.returncode, run.stdout, run.stderr) == (2, "", says + "\n")


def test_policy_without_shadows():
    """Who asks for a policy where there are no shadow tables is told so."""
    said = "gnomon: hello: run by hext, without shadow tables: shadow-policy=none has no effect\n"
    assert said in launch("--guest", "hello", "--shadow-policy", "none").out
    without = launch("--guest", "hello", "--shadow-policy", "trap", "--cpu", "rv64,h=false")
    assert without.status == 0 and "has no effect" not in without.out


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
    assert launch(out, dts, "--vm", "a", "--backend", "auto", "--patch", "on",
                  command="bundle").status == 0
    assert [said("a", name) for name in names] == ["auto", "trap", "on"]


# Three VMs; a and b name one file by two paths.
THREE = """/dts-v1/;
/ { vms { %s
    a { compatible = "gnomon,vm"; kernel = "k.bin"; initrd = "k.bin"; vcpus = <3>;
        memory = <0 0x4000000>; weight = <300>; affinity = <0 2>; order = <5>;
        on-reset = "stop"; on-failure = "restart"; };
    b { compatible = "gnomon,vm"; kernel = "./k.bin"; vcpus = <8>; memory = <0 0x8000000>; };
    c { compatible = "gnomon,vm"; kernel = "other.bin"; };
}; };
"""


@pytest.fixture(name="three")
def fixture_three(tmp_path):
    """Make a description of three VMs, with properties of /vms, beside its files."""
    def make(top=""):
        for name in ("k.bin", "other.bin"):
            (tmp_path / name).write_bytes(HELLO.read_bytes())
        (tmp_path / "three.dts").write_text(THREE % top)
        return tmp_path / "three.dts"
    return make


def tree_text(out, node, name):
    """A property of a bundle as text, or None."""
    get = subprocess.run(["fdtget", out, node, name], capture_output=True, text=True, check=False)
    return get.stdout.strip() if get.returncode == 0 else None


@pytest.mark.parametrize("top,args,default,end", (
    ("", (), "a b c", None), ("", ("--end", "all"), "a b c", "all"),
    ('default = "c", "a"; end = "never";', (), "c a", "never"),
    ('default = "c", "a"; end = "never";', ("--guest", "b", "--end", "all"), "b", "all"),
    ("", ("--guest", "c,b"), "c b", None)), ids=str)
def test_who_starts(top, args, default, end, three, tmp_path):
    out = tmp_path / "out.fit"
    assert launch(out, three(top), *args, command="bundle").status == 0
    assert tree_text(out, "/configurations", "default") == default
    assert tree_text(out, "/configurations", "end") == end


def test_several_vms_reach_the_bundle(three, tmp_path):
    out = tmp_path / "out.fit"
    changes = ("--vm", "b", "--weight", 7, "--affinity", "1,3", "--on-shutdown", "restart",
               "--vcpus", 2)
    assert launch(out, three(), *changes, command="bundle").status == 0

    def said(vm):
        return [tree_text(out, f"/configurations/{vm}", name)
                for name in ("vcpus", "weight", "affinity", "order", "on-reset", "on-shutdown",
                             "on-failure")]

    assert said("a") == ["3", "300", "0 2", "5", "stop", None, "restart"]
    assert said("b") == ["2", "7", "1 3", None, None, "restart", None]
    assert said("c") == ["2", None, None, None, None, None, None]
    images = subprocess.run(["fdtget", "-l", out, "/images"], capture_output=True, text=True,
                            check=True).stdout.split()
    kernels = [tree_text(out, f"/configurations/{vm}", "kernel") for vm in "abc"]
    assert len(images) == 3 and kernels[0] == kernels[1] != kernels[2]


def value_of(words, name):
    return words[words.index(name) + 1]


def test_machine_of_several(three):
    """Its memory holds all of them; its harts are this computer's, or as many as --harts says."""
    words = shlex.split(launch("--dry-run", three()).out)
    assert int(value_of(words, "-smp")) == min(8, len(os.sched_getaffinity(0)))
    assert int(value_of(words, "-m").rstrip("M")) > 64 + 128 + 512
    words = shlex.split(launch("--dry-run", three(), "--harts", 3).out)
    assert value_of(words, "-smp") == "3"
    assert value_of(shlex.split(launch("--dry-run", three(), "--guest", "a").out), "-smp") == "3"


def test_more_vcpus_than_harts():
    words = shlex.split(launch("--dry-run", "--kernel", HELLO, "--vcpus", 8, "--harts", 2).out)
    assert value_of(words, "-smp") == "2"


def test_consoles_and_control(three, tmp_path):
    words = shlex.split(launch("--dry-run", three(), "--console", f"a=file:{tmp_path}/a,b",
                               "--console", f"b=socket:{tmp_path}/b", "--console", "c=pty",
                               "--control", tmp_path / "ctl").out)
    assert f"file,id=vm.a,path={tmp_path}/a,,b" in words
    assert f"socket,id=vm.b,path={tmp_path}/b,server=on,wait=off" in words
    assert "pty,id=vm.c" in words
    assert f"socket,id=control,path={tmp_path}/ctl,server=on,wait=off" in words
    assert "virtserialport,chardev=control,name=gnomon.control" in words
    for vm in "abc":
        assert f"virtserialport,chardev=vm.{vm},name=gnomon.console.{vm}" in words
    words = launch("--dry-run", three(), "--console", "a=stdio").out
    assert "virtserialport,chardev=console,name=gnomon.console.a" in words
    assert "virtio" not in launch("--dry-run", "--bare", "--kernel", HELLO).out


@pytest.mark.parametrize("kind", ("file:{}/x", "socket:{}/x", "pty", "stdio"))
def test_qemu_takes_consoles(kind, tmp_path):
    run = launch("--kernel", HELLO, "--console", "guest=" + kind.format(tmp_path))
    assert run.status == 0, run.err


def test_control_socket_comes_and_goes(tmp_path):
    """It is there while the machine is, for this user alone, and nothing is left of it."""
    runtime = tmp_path / "gnomon"
    process = subprocess.Popen([LAUNCHER, "run", "--kernel", suite("dirty"), "--timeout", "60"],
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True,
                               env={**environment(), "XDG_RUNTIME_DIR": str(tmp_path)})
    try:
        limit = time.monotonic() + 20
        while not (runtime / f"{process.pid}.sock").exists():
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.05)
        assert runtime.stat().st_mode & 0o777 == 0o700
        process.terminate()
        process.communicate(timeout=10)
    finally:
        process.kill()
    assert not list(runtime.iterdir())


# --- gnomon ctl, with a program of ours in the machine's place ---

ANSWERS = {
    "vm list": '{"ok":true,"result":[{"name":"a","state":"running","vcpus":2},'
               '{"name":"long-one","state":"stopped","vcpus":10}]}',
    "vm show a": '{"ok":true,"result":{"name":"a","idle":true,"vcpus":[{"id":0},{"id":1}]}}',
    "version": '{"ok":true,"result":"Gnomon 1\\u001b[2J"}',
    "vm start a": '{"ok":true,"result":null}',
    "vm stop b": '{"ok":false,"error":"no VM of that name"}',
    "strange": "what?", "list": "[]", "silence": None, "end": "",  "quit": "",
}
SHOWN = {
    "vm list": "name      state    vcpus\na         running      2\nlong-one  stopped     10\n",
    "vm show a": "name: a\nidle: yes\nvcpus:\n  id\n   0\n   1\n",
    "version": "Gnomon 1?[2J\n", "vm start a": "",
}


@pytest.fixture(name="monitor")
def fixture_monitor(tmp_path):
    """Somebody at a control socket who answers by the table; the socket's path."""
    server = socket.socket(socket.AF_UNIX)
    path = tmp_path / f"{os.getpid()}.sock"
    server.bind(str(path))
    server.listen()

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client, client.makefile("rw") as lines:
                answer = ANSWERS[lines.readline().rstrip("\n")]
                if answer is None:
                    time.sleep(2)
                elif answer:
                    lines.write(answer + "\n")

    threading.Thread(target=serve, daemon=True).start()
    yield path
    server.close()


@pytest.mark.parametrize("command", SHOWN)
def test_ctl_for_people(command, monitor):
    run = plain("ctl", "--control", monitor, *command.split())
    assert (run.returncode, run.stdout, run.stderr) == (0, SHOWN[command], "")


def test_ctl_json(monitor):
    for command, status in (("vm list", 0), ("vm stop b", 1)):
        run = plain("ctl", "--control", monitor, "--json", *command.split())
        assert (run.returncode, run.stderr) == (status, "")
        assert json.loads(run.stdout) == json.loads(ANSWERS[command])


@pytest.mark.parametrize("words,status,why", (
    (["vm", "stop", "b"], 1, "no VM of that name"), (["strange"], 1, "no answer of Gnomon's"),
    (["list"], 1, "no answer of Gnomon's"), (["end"], 1, "ended before it answered"),
    (["--timeout", "0.5", "silence"], 1, "no answer within 0.5 s"), (["vm\nlist"], 2, "one line"),
), ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_ctl_failures(words, status, why, monitor):
    run = plain("ctl", "--control", monitor, *words)
    assert run.returncode == status and run.stdout == ""
    assert re.fullmatch(r"gnomon ctl: [^\n]+\n", run.stderr) and why in run.stderr, run.stderr


def test_ctl_quit(monitor):
    """The machine may be gone before it answers."""
    assert plain("ctl", "--control", monitor, "quit").returncode == 0


def ctl_in(runtime, *words):
    return subprocess.run([LAUNCHER, "ctl", *words], capture_output=True, text=True, timeout=20,
                          env={**environment(), "XDG_RUNTIME_DIR": str(runtime)}, check=False)


def test_ctl_finds_the_machine(monitor, tmp_path):
    """The only one that runs; with none or several it says so. Sockets of the dead are removed."""
    runtime = tmp_path / "run"
    runtime.mkdir()
    assert "no machine runs" in ctl_in(runtime, "vm", "list").stderr
    (runtime / "gnomon").mkdir()
    assert "no machine runs" in ctl_in(runtime, "vm", "list").stderr
    (runtime / "gnomon" / monitor.name).symlink_to(monitor)
    dead = subprocess.Popen(["true"])
    dead.wait()
    (runtime / f"gnomon/{dead.pid}.sock").touch()
    assert ctl_in(runtime, "vm", "list").stdout == SHOWN["vm list"]
    assert not (runtime / f"gnomon/{dead.pid}.sock").exists()
    (runtime / "gnomon/1.sock").touch()
    run = ctl_in(runtime, "vm", "list")
    assert run.returncode == 1 and "2 machines run; say which: --control " in run.stderr


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
