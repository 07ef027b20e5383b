"""Debian's stock Linux on Gnomon, with someone at its terminal.

Its one invariant: every session ends with a look into the kernel's log and an orderly shutdown.
Read next: guests/linux/init (what the guest runs).
"""

import hashlib
import re
import time

import pytest
from machine import (DEPRIV, HEXT, IMAGE, INITRD, LAUNCHER, NO_H, POLICIES, QEMU10, Console, Linux,
                     Shell, launch, userland)

pytestmark = pytest.mark.slow


def session(*args, **kwargs):
    """Boot, see that the guest's processors work, power off; return what /proc/cpuinfo said."""
    with Linux(*args, **kwargs) as linux:
        linux.boot()
        cpus = int(linux.ask("nproc"))
        work_everywhere(linux, cpus)
        info = linux.ask("cat /proc/cpuinfo")
        assert len(re.findall(r"^processor", info, re.MULTILINE)) == cpus
        linux.power_off()
    return info


def user_ticks(linux):
    """For each processor, how long it has worked for processes."""
    lines = re.findall(r"^cpu\d+ (\d+) \d+ (\d+)", linux.ask("cat /proc/stat"), re.MULTILINE)
    return [int(user) + int(system) for user, system in lines]


def work_everywhere(linux, cpus):
    """Keep every processor busy at once; each must have done its share, with interrupts."""
    before = user_ticks(linux)
    loop = "(i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done) &"
    linux.ask(f"for n in $(seq {2 * cpus}); do {loop} done; wait", 300)
    after = user_ticks(linux)
    assert len(after) == cpus
    assert all(b > a for a, b in zip(before, after)), (before, after)
    table = linux.ask("cat /proc/interrupts")
    assert all(interrupts_of(table, "riscv-timer", cpus)), table


def interrupts_of(table, name, cpus):
    """How often each processor took the interrupt of that name."""
    line = next(line for line in table.splitlines() if name in line)
    return [int(word) for word in line.split()[1:1 + cpus]]


def start(linux, command):
    """Type a command that then has the terminal to itself.

    Its own process says so: said by the shell, a Ctrl-C could come before there is a process.
    """
    linux.send(f"sh -c 'echo rea\\dy; exec {command}'\r")
    linux.expect(r"\nready\r+\n")


def test_terminal():
    """Everything a person does at a shell."""
    with Linux("--vcpus", 2) as linux:
        said = linux.boot()
        assert "Gnomon guest: Linux" in said and "2 CPUs" in said
        assert linux.ask("nproc") == "2"
        assert linux.ask("seq 1000 | sort -rn | head -n 1") == "1000"
        assert linux.run("false") == ("", 1)
        # A background job, seen and ended.
        linux.ask("sleep 1000 & :")
        assert "sleep 1000" in linux.ask("jobs")
        linux.ask("kill %1")
        # Ctrl-C reaches the foreground job, and only it.
        start(linux, "sleep 1000")
        linux.send("\x03")
        linux.expect(linux.PROMPT, 20)
        linux.send("echo status $?\r")
        linux.expect(r"\nstatus 130\r+\n")
        linux.expect(linux.PROMPT)
        # Ctrl-D ends input, backspace rubs out.
        start(linux, "cat")
        linux.send("typed\r\x04")
        linux.expect(r"typed\r+\ntyped\r+\n")
        linux.expect(linux.PROMPT)
        linux.send("echo rubbx\x7fed\r")
        linux.expect(r"\nrubbed\r+\n")
        linux.expect(linux.PROMPT)
        # Processes by the hundred.
        linux.ask("i=0; while [ $i -lt 100 ]; do busybox true; i=$((i+1)); done; [ $i = 100 ]")
        linux.power_off()


def test_console_is_exact():
    """A page pasted in and a long listing out: every byte arrives, once, in order."""
    page = "".join(f"line {n:3} of the page: the quick brown fox jumps over the dog\n"
                   for n in range(60))
    with Linux() as linux:
        linux.boot()
        start(linux, "cat >/tmp/page")
        linux.send(page.replace("\n", "\r") + "\x04")
        linux.expect(linux.PROMPT)
        assert linux.ask("md5sum </tmp/page").split()[0] == hashlib.md5(page.encode()).hexdigest()
        listing = linux.ask("seq 20000")
        assert listing == "\n".join(map(str, range(1, 20001)))
        linux.power_off()


def test_processors_talk():
    with Linux("--vcpus", 4) as linux:
        linux.boot()
        work_everywhere(linux, 4)
        linux.ask("for n in $(seq 50); do echo $n; done | sort -n | wc -l")
        table = linux.ask("cat /proc/interrupts")
        calls = interrupts_of(table, "Function call interrupts", 4)
        assert all(calls), table
        assert any(interrupts_of(table, "Rescheduling interrupts", 4)), table
        assert sum(interrupts_of(table, "ttyS0", 4)), table
        # A processor leaves and comes back (HSM stop and start).
        linux.ask("echo 0 >/sys/devices/system/cpu/cpu2/online")
        assert linux.ask("cat /sys/devices/system/cpu/online") == "0-1,3"
        linux.ask("echo 1 >/sys/devices/system/cpu/cpu2/online")
        work_everywhere(linux, 4)
        linux.power_off()


def test_time():
    """The clock is right, and runs as ours does."""
    with Linux() as linux:
        linux.boot()
        assert abs(int(linux.ask("date +%s")) - time.time()) < 5
        ours, theirs = time.monotonic(), float(linux.ask("cat /proc/uptime").split()[0])
        linux.ask("sleep 5")
        ours = time.monotonic() - ours
        theirs = float(linux.ask("cat /proc/uptime").split()[0]) - theirs
        assert theirs >= 5 and abs(ours - theirs) < 1, (ours, theirs)
        linux.power_off()


def test_reboot():
    with Linux("--vcpus", 2) as linux:
        for _ in range(3):
            assert "2 CPUs" in linux.boot()
            linux.ask("echo dirt >/tmp/file")
            linux.check_log()
            linux.send("reboot\r")
        linux.boot()
        assert linux.run("cat /tmp/file")[1] != 0
        linux.power_off()


def test_end_of_the_shell_ends_the_machine():
    with Linux() as linux:
        linux.boot()
        linux.send("exit\r")
        assert linux.end() == 0


@pytest.mark.parametrize("vcpus,harts", ((1, 1), (2, 2), (4, 4), (8, 8), (1, 4), (2, 4)))
def test_vcpus(vcpus, harts):
    info = session("--vcpus", vcpus, "--harts", harts, limit=300)
    assert len(re.findall(r"^processor", info, re.MULTILINE)) == vcpus


@pytest.mark.parametrize("vcpus,backend", ((1, NO_H), (2, NO_H), (4, NO_H), (2, DEPRIV)),
                         ids=("1 no H", "2 no H", "4 no H", "2 depriv"))
def test_without_h(vcpus, backend):
    session("--vcpus", vcpus, *backend, limit=300)


@pytest.mark.parametrize("args", [("--shadow-policy", policy) for policy in POLICIES]
                         + [("--patch", "off")], ids=" ".join)
def test_shadow_policy(args):
    session(*NO_H, *args, limit=300)


@pytest.mark.parametrize("mode,backend", (("sv39", HEXT), ("sv48", HEXT), ("sv57", HEXT),
                                          ("sv48", NO_H), ("sv39", NO_H)))
def test_host_mode(mode, backend):
    session(*backend, "--hyp-append", f"host-mode={mode}", limit=300)


@pytest.mark.parametrize("mode", ("sv39x4", "sv48x4", "sv57x4"))
def test_gstage_mode(mode):
    session("--gstage-mode", mode)


@pytest.mark.parametrize("memory", ("128M", "1G", "4G"))
def test_memory(memory):
    with Linux("--memory", memory) as linux:
        linux.boot()
        kib = int(re.search(r"MemTotal: *(\d+) kB", linux.ask("cat /proc/meminfo"))[1])
        given = {"128M": 1 << 17, "1G": 1 << 20, "4G": 1 << 22}[memory]
        # The kernel keeps its image, its initrd and a description of each page.
        assert given * 0.97 - (80 << 10) < kib < given
        linux.power_off()


@pytest.mark.parametrize("args", (("--isa-mask", "sstc"), ("--cpu", "rv64,sstc=off")),
                         ids=" ".join)
def test_without_sstc(args):
    assert "sstc" not in session(*args)


def test_with_sstc():
    assert "sstc" in session()


def isa(info):
    """The single letters of the first processor's ISA."""
    return re.search(r"^isa\s*: rv64([a-z]*)", info, re.MULTILINE)[1]


def test_vectors():
    assert "v" in isa(session("--cpu", "rv64,v=true"))


def test_vectors_hidden():
    assert "v" not in isa(session("--cpu", "rv64,v=true", "--isa-mask", "v"))


def test_icount():
    run = launch("--icount", "--kernel", IMAGE, "--initrd", INITRD, "--append",
                 'console=ttyS0 cryptomgr.notests gnomon.run="date +%Y"', limit=120)
    assert run.status == 0, run.err
    assert "1 CPUs\n2024\n" in userland(run.out)


@pytest.mark.qemu10
@pytest.mark.parametrize("cpu", ("rv64", "max", "rv64,sv57=off,sv48=off",
                                 "rv64,svadu=off,svade=on", "rv64,h=false", "max,h=false",
                                 "rv64,h=false,sv57=off", "rv64,h=false,sv57=off,sv48=off",
                                 "rv64,h=false,svadu=off,svade=on"))
def test_qemu10(cpu):
    session("--qemu", QEMU10, "--cpu", cpu, limit=300)


@pytest.mark.parametrize("command,status", (("true", 0), ("false", 1), ("exit 42", 42)))
def test_result_is_passed_on(command, status):
    run = launch("--kernel", IMAGE, "--initrd", INITRD, "--append",
                 f'console=ttyS0 cryptomgr.notests gnomon.run="{command}"', limit=120)
    assert run.status == status
    assert run.err == (f"gnomon run: the guest failed with code {status}\n" if status else "")


def test_make_run():
    """The first command of the README: the stock description, nothing added, on this terminal."""
    with Shell("make", ["run"], 200) as make:
        assert "2 CPUs" in make.boot()
        assert make.ask("cat /proc/cmdline") == "console=ttyS0"
        make.power_off()


def test_make_run_guest():
    with Console("make", ["run", "GUEST=hello"], 100) as make:
        make.expect("Goodbye")
        assert make.end() == 0


def test_terminal_is_restored(tmp_path):
    """stty says the same before and after, whether the guest ends or the time does."""
    script = (f"stty -a >{tmp_path}/before\n"
              f"{LAUNCHER} run --guest hello; echo first=$?\n"
              f"{LAUNCHER} run --kernel {IMAGE} --timeout 1; echo second=$?\n"
              f"stty -a >{tmp_path}/after\n")
    with Console("sh", ["-c", script], 60) as shell:
        shell.expect("first=0")
        shell.expect("second=124")
        assert shell.end() == 0
    assert (tmp_path / "after").read_text() == (tmp_path / "before").read_text()
