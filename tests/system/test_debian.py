"""Debian on a disk that stays: boots to a login, is reached by ssh, keeps what it was told to keep.

Its one invariant: the image in the cache is only ever copied; each test writes to a copy of its own.
Read next: tools/image, dts/debian.dts, tools/launcher/ssh.py.
"""

import contextlib
import hashlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from machine import (BACKENDS, BUILD, CACHE, LAUNCHER, REPO, UNAVAILABLE, Console,
                     assert_one_line, environment, launch, unix)

BASE = BUILD / "debian/base"
KERNEL = CACHE / "linux/Image"
BOOT_SECONDS = 240
MIB = 1 << 20
COPIED = 64 * MIB


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def new_disk(path):
    """A copy of the image; most of it are holes."""
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", BASE / "disk.img", path], check=True)
    return path


class Debian(Console):
    """A machine with one Debian, on @disk."""

    def __init__(self, disk, *args):
        self.port = free_port()
        super().__init__(LAUNCHER, [
            "run", "--kernel", KERNEL, "--initrd", BASE / "initrd.cpio", "--vcpus", 2,
            "--memory", "768M", "--append", "console=ttyS0 quiet", "--disk", f"{disk},host",
            "--forward", f"{self.port}:22", *args], BOOT_SECONDS)
        self.expect("gnomon run: ssh to ")  # from here on others find it

    def ssh(self, command, **more):
        return ssh(self.port, command, **more)

    def ask(self, command, **more):
        return ask(self.port, command, **more)

    def kill_qemu(self):
        """End the machine as a power cut would."""
        qemu = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        for pid in map(int, qemu.split()):
            os.kill(pid, signal.SIGKILL)
        assert self.end(30) == 128 + signal.SIGKILL


def ssh(guest, command, typed=b"", limit=180):
    """Run a command in the guest at a port, or of a name; return status, output and complaints."""
    done = subprocess.run([LAUNCHER, "ssh", str(guest), "--timeout", str(BOOT_SECONDS), "--",
                           command], cwd=REPO, input=typed, capture_output=True, check=False,
                          timeout=BOOT_SECONDS + limit, env=environment())
    return done.returncode, done.stdout, unix(done.stderr)


def ask(guest, command, **more):
    """The output of a command that must succeed."""
    status, out, err = ssh(guest, command, **more)
    assert status == 0, (command, status, out[-1000:], err)
    return out.decode(errors="replace").strip()


def check_copies(vm):
    """Bytes in and out again; and a disk that gives back what it was given, past the guest's memory
    of it."""
    blob = random.Random(5).randbytes(COPIED)
    digest = hashlib.sha256(blob).hexdigest()
    assert vm.ask("cat >blob && sha256sum blob", typed=blob).split()[0] == digest
    status, back, _ = vm.ssh("sync; echo 3 >/proc/sys/vm/drop_caches; cat blob")
    assert status == 0 and hashlib.sha256(back).hexdigest() == digest


def journal_replays(dmesg):
    return re.search(r"EXT4-fs \(vda\): (?:recovery complete|orphan cleanup)", dmesg)


@pytest.mark.debian
@pytest.mark.parametrize("backend", ("hext", "no H"))
def test_debian(tmp_path, backend):
    """One disk through two machines; the first of them loses its power."""
    disk = new_disk(tmp_path / "disk.img")
    with Debian(disk, *BACKENDS[backend]) as vm:
        vm.expect("debian login: root .automatic login.*root@debian:~# ")
        assert re.match(r"Linux debian 6\.\S+ .* riscv64 GNU/Linux", vm.ask("uname -a"))
        assert vm.ssh("exit 7")[0] == 7
        assert vm.ask("systemctl --failed --no-legend") == ""
        assert vm.ask("nproc") == "2"
        check_copies(vm)
        # Acknowledged: fsync() has returned before its word comes out.
        vm.ask("dd if=blob of=acknowledged bs=64k count=32 conv=fsync status=none;"
               " echo late >unsynced")
        vm.kill_qemu()
    with Debian(disk, *BACKENDS[backend]) as vm:
        assert journal_replays(vm.ask("dmesg"))
        assert vm.ask("cmp -n 2097152 blob acknowledged && echo same") == "same"
        vm.ask("rm blob; echo kept >/kept")
        vm.expect("root@debian:~# ")
        vm.send("poweroff\r")
        assert vm.end() == 0
    # In order: nothing to replay, and the file is where any ext4 finds it.
    check = subprocess.run(["/usr/sbin/e2fsck", "-fn", disk], capture_output=True, check=False)
    assert check.returncode == 0, check.stdout
    assert b"recover" not in check.stdout
    kept = subprocess.run(["/usr/sbin/debugfs", "-R", "cat /kept", disk],
                          capture_output=True, check=True)
    assert kept.stdout == b"kept\n"


HOUSE = """/dts-v1/; / {{ vms {{ {vms} }}; }};"""
VM = """{name} {{ kernel = "{kernel}"; initrd = "{initrd}"; vcpus = <1>; memory = <0 0x14000000>;
bootargs = "console=ttyS0 quiet systemd.hostname={name} gnomon.ip={address}/24";
disks {{ root {{ file = "{disk}"; host; }}; }};
nets {{ lan {{ address = "{address}"; forward = "{port}:22"; {more} }}; }}; }};"""
ADDRESSES = {"a": "10.0.2.21", "b": "10.0.2.22", "c": "10.0.2.23"}


@contextlib.contextmanager
def house(path, *args):
    """Three Debians, of which c is isolated; yields the machine and each one's port."""
    ports = {name: free_port() for name in ADDRESSES}
    vms = [VM.format(name=name, kernel=KERNEL, initrd=(BASE / "initrd.cpio").resolve(),
                     address=ADDRESSES[name], port=ports[name],
                     disk=new_disk(path / f"{name}.img"),
                     more="isolated;" if name == "c" else "") for name in ADDRESSES]
    (path / "house.dts").write_text(HOUSE.format(vms="\n".join(vms)))
    with open(path / "out", "wb") as out:
        process = subprocess.Popen(
            [LAUNCHER, "run", path / "house.dts", "--timeout", "300", "--control", path / "control",
             *args], cwd=REPO, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment())
        try:
            while (path / "out").read_bytes().count(b"ssh to ") < len(ports):
                assert process.poll() is None, (path / "out").read_bytes()
                time.sleep(0.1)
            yield process, ports
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.debian
def test_switch(tmp_path):
    """Two Debians reach each other through the switch; a third, isolated, only the host."""
    with house(tmp_path) as (process, ports):
        a, b, c = (ports[name] for name in "abc")
        for name in "abc":
            assert ask(ports[name], "hostname") == name
        assert " 0% packet loss" in ask(a, "ping -c 5 -i 0.2 10.0.2.22")
        made = ask(a, "head -c 16M /dev/urandom >blob; sha256sum <blob")
        ask(b, "systemd-run -q -d sh -c 'nc -l -N 5000 | sha256sum >got; touch done'")
        ask(a, "until nc -z 10.0.2.22 22; do :; done; nc -N 10.0.2.22 5000 <blob")
        assert ask(b, "until [ -e done ]; do sleep 0.1; done; cat got") == made
        for here, there in ((a, "10.0.2.23"), (c, "10.0.2.21")):
            status, out, _ = ssh(here, f"ping -c 2 -i 0.2 -W 1 {there}")
            assert status == 1 and b"100% packet loss" in out, out
        # But its way out is open.
        assert " 0% packet loss" in ask(c, "ping -c 2 -i 0.2 10.0.2.2")
        for port in (a, b, c):
            ssh(port, "poweroff")
        assert process.wait(120) == 0


def test_dts():
    """What `make run GUEST=debian` runs, as far as it can be looked at."""
    source = (REPO / "dts/debian.dts").read_text()
    assert re.findall(r"\$\{BUILD\}/debian/(\S+?)\"", source) == ["base/initrd.cpio", "disk.img"]


def test_ssh_without_a_machine(tmp_path, monkeypatch):
    (tmp_path / "gnomon").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    run = launch(command="ssh")
    assert_one_line(run, UNAVAILABLE, "no machine runs here that forwards")


@pytest.mark.parametrize("args,says", ((("nobody",), "no guest nobody .there are: a at port 4"),
                                       ((), "which guest")))
def test_ssh_which(tmp_path, monkeypatch, args, says):
    (tmp_path / "gnomon").mkdir(mode=0o700)
    (tmp_path / f"gnomon/{os.getpid()}.json").write_text('{"ssh": {"a": 4, "b": 5}}')
    (tmp_path / "gnomon/garbage.json").write_text("{")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert_one_line(launch(*args, command="ssh"), 2, says)


def test_ssh_waits_no_longer(tmp_path, monkeypatch):
    """Nobody greets at that port."""
    (tmp_path / "gnomon").mkdir(mode=0o700)
    (tmp_path / f"gnomon/{os.getpid()}.json").write_text('{"ssh": {"a": %d}}' % free_port())
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    begun = time.monotonic()
    run = launch("--timeout", "1", command="ssh")
    assert_one_line(run, UNAVAILABLE, "a at port [0-9]+: no ssh within 1 s")
    assert time.monotonic() - begun < 20


def test_what_others_left_is_removed(tmp_path, monkeypatch):
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "gnomon").mkdir(mode=0o700)
    left = tmp_path / f"gnomon/{ended.pid}.json"
    left.write_text('{"ssh": {"a": 4}}')
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert launch(command="ssh").status == UNAVAILABLE
    assert not left.exists()


@pytest.mark.debian
def test_image_is_complete():
    """What the launcher and ssh rely on."""
    assert {"disk.img", "initrd.cpio", "versions"} <= {path.name for path in BASE.iterdir()}
    assert shutil.which("ssh")
