"""Disks of the host's: what a guest writes is in the file, and what it was told is durable is so.

Its one invariant: each test has files of its own.
Read next: test_virtio.py (the suite, and disks of the bundle), tests/guest/virtio.c.
"""

import hashlib
import os
import random
import signal
import struct
import subprocess
import zlib

import pytest
from machine import (BACKENDS, BAD_FILE, BAD_OPTION, BUILD, HEXT, IMAGE, NO_H, POLICIES, Linux,
                     assert_one_line, launch, suite, with_file)
from house import Machine, Refused, bad
from test_guests import all_pass
from test_virtio import DISK_BYTES, PATTERN, describe

BLOCK = 512
FIRST = 64  # the partition's block
LOADED = 24 * (4 << 20)  # bytes that 24 workers of disk-load use
UNMIX = pow(0x9e3779b97f4a7c15, -1, 1 << 64)  # finds the sector that a word of disk-load's tells
BACKEND = pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
INSMOD = ("cd /modules; for m in virtio_mmio virtio_blk crc32c_generic crc16 mbcache jbd2 ext4;"
          " do insmod $m.ko || exit 9; done; cd /")


def pattern():
    """A disk's contents as the in-guest suite wants them."""
    return b"".join(struct.pack("<Q", n * PATTERN % (1 << 64)) for n in range(DISK_BYTES // 8))


@pytest.fixture(name="disk")
def make_disk(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(pattern())
    return path


def with_partitions(labels, data):
    """A disk with a GUID partition table: partitions of those labels, each with @data."""
    blocks = len(data) // BLOCK
    last = FIRST + blocks * len(labels) - 1
    end = last + 40
    entries = b""
    for n, label in enumerate(labels):
        at = FIRST + n * blocks
        entries += (bytes([n + 1]) * 32 + struct.pack("<QQQ", at, at + blocks - 1, 0)
                    + label.encode("utf-16-le").ljust(72, b"\0"))
    entries = entries.ljust(128 * 128, b"\0")

    def header(own, other, table, crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, own, other, 34,
                           last, bytes(range(16)), table, 128, 128, zlib.crc32(entries))

    def block(*where):
        return header(*where, zlib.crc32(header(*where, 0))).ljust(BLOCK, b"\0")

    disk = bytes(BLOCK) + block(1, end, 2) + entries
    disk = disk.ljust(FIRST * BLOCK, b"\xa5") + data * len(labels)
    return disk.ljust((end - 32) * BLOCK, b"\x5a") + entries + block(end, 1, end - 32)


@pytest.mark.parametrize("backend,vcpus", (("hext", 1), ("hext", 2), ("no H", 2), ("depriv", 2)))
def test_suite(disk, backend, vcpus):
    """The suite of disks of the bundle; what it wrote is in the file."""
    good = all_pass("virtio", "--disk", f"{disk},host,serial=gnomon-test", *BACKENDS[backend],
                    vcpus=vcpus)
    assert len(good) > 60
    assert disk.read_bytes()[3 * BLOCK:3 * BLOCK + 8] == b"\xff" * 8
    disk.write_bytes(pattern())
    bare = all_pass("virtio", "--bare", "--disk", f"{disk},host,serial=gnomon-test", vcpus=vcpus)
    assert not bare - good, bare - good


def test_legacy(disk):
    all_pass("virtio", "--disk", f"{disk},host,serial=gnomon-test", "--virtio", "legacy", vcpus=2)


@pytest.mark.parametrize("policy", POLICIES)
def test_shadow_policy(disk, policy):
    """The host's device writes to guest memory, which may be mirrored."""
    all_pass("virtio", "--disk", f"{disk},host,serial=gnomon-test", "--cpu", "rv64,h=false",
             "--shadow-policy", policy, vcpus=2)


def test_partition(tmp_path):
    """One partition is the disk; around it nothing changes."""
    path = tmp_path / "disk.img"
    before = with_partitions(("root", "home"), pattern())
    path.write_bytes(before)
    start = FIRST * BLOCK + DISK_BYTES
    all_pass("virtio", "--disk", f"{path},host,partition=home,serial=gnomon-test", vcpus=2)
    after = path.read_bytes()
    assert after[:start] == before[:start]
    assert after[start:start + DISK_BYTES] != before[start:start + DISK_BYTES]
    assert after[start + DISK_BYTES:] == before[start + DISK_BYTES:]
    path.write_bytes(before)
    all_pass("virtio", "--bare", "--disk", f"{path},host,partition=home,serial=gnomon-test")


def test_read_only(disk):
    """Its driver can't write, and the file stays as it is."""
    run = launch("--kernel", suite("virtio"), "--disk", f"{disk},host,readonly")
    assert "ok" in run.out and "read: the file's words" in run.out
    assert disk.read_bytes() == pattern()


def two(tmp_path, one, other):
    path = tmp_path / "two.dts"
    path.write_text("/dts-v1/; / { vms { " + " ".join(
        f'{name} {{ kernel = "{suite("exit-srst")}"; vcpus = <1>; memory = <0 0x4000000>;'
        f" disks {{ root {{ {said} }}; }}; }};" for name, said in (("a", one), ("b", other)))
                    + " }; };")
    return path


def test_one_owner(tmp_path, disk):
    """What one VM writes no other one has; without that they share."""
    said = f'file = "{disk}"; host;'
    run = launch(two(tmp_path, said, said))
    assert "b: the host's disk disk.img: VM a has it, and one of the two writes" in run.out, run.out[-1000:]
    run = launch(two(tmp_path, f"{said} readonly;", f"{said} readonly;"))
    assert "the host's disk" not in run.out, run.out[-1000:]
    disk.write_bytes(with_partitions(("x", "y"), bytes(8192)))
    run = launch(two(tmp_path, f'{said} partition = "x";', f'{said} partition = "y";'))
    assert "the host's disk" not in run.out, run.out[-1000:]


def test_requests_under_way(tmp_path, disk):
    """A VM that is paused, reset or stopped with requests under way loses nothing, and nobody else
    does; another one has its disk when it is gone, and hears until then who has it."""
    disk.write_bytes(bytes(4 << 20))
    has = {"disks": {"root": {"file": str(disk), "host": True}}}
    vms = {name: bad("disk", vcpus=2, **has) for name in ("a", "b")}
    with Machine(tmp_path, vms, "--harts", 2, default="a", end="never") as machine:
        def read():
            return machine.ask("vm show a")["devices"][0]["counts"]["later"]

        def in_flight():
            return sum(row["in_flight"] for row in machine.ask("vm show a")["queues"])
        machine.until(lambda: read() > 100)
        free = machine.ask("vm stop a") or machine.reaches("a", "stopped") or machine.free()
        seen = 0
        for _ in range(10):
            machine.ask("vm start a")
            before = read()
            machine.until(lambda: read() > before + 20)
            seen += in_flight()
            machine.pause("a")
            machine.until(lambda: not in_flight())
            machine.ask("vm resume a")
            machine.until(lambda: in_flight())
            machine.ask("vm reset a")
            machine.until(lambda: machine.state("a") == "running" and in_flight())
            machine.ask("vm stop a")
            machine.reaches("a", "stopped")
            assert not in_flight() and machine.free() == free
        assert seen
        with pytest.raises(Refused, match="^b: the host's disk disk.img: VM a has it, and one of the"):
            machine.ask("vm create b")
        machine.ask("vm destroy a")
        machine.ask("vm create b")
        machine.ask("vm start b")
        machine.reaches("b", "running")
        machine.quit()


def test_alike_names(tmp_path, disk):
    """Disks whose files are called the same are told apart."""
    other = tmp_path / "other" / disk.name
    other.parent.mkdir()
    other.write_bytes(bytes(DISK_BYTES))
    all_pass("virtio", "--disk", f"{disk},host,serial=gnomon-test", "--disk", f"{other},host")
    assert not any(other.read_bytes())


@pytest.mark.parametrize("disks,says", (
    ('disks { a { file = "gone"; host; }; };', "gone: No such file"),
    ('disks { a { file = "odd"; host; }; };', "no multiple of 512"),
    ('disks { a { file = "folder"; }; };', "folder is no regular file"),
    ('disks { a { file = "folder"; host; }; };', "folder is no regular file"),
    ('disks { a { file = "none"; partition = "x"; }; };', "has a partition, but isn't host"),
    ('disks { a { file = "plain"; host; partition = "x"; }; };', "has no partitions"),
    ('disks { a { file = "parts"; host; partition = "hme"; }; };', "no partition hme .*home, root"),
    ('disks { a { file = "parts"; host; partition = "\\u00e9"; }; };', "printable ASCII"),
    ('disks { a { file = "parts"; host = "yes"; }; };', "host takes no value"),
))
def test_refused(tmp_path, disks, says):
    (tmp_path / "folder").mkdir()
    (tmp_path / "odd").write_bytes(bytes(513))
    (tmp_path / "none").write_bytes(b"")
    (tmp_path / "plain").write_bytes(bytes(1 << 16))
    (tmp_path / "parts").write_bytes(with_partitions(("root", "home"), bytes(8192)))
    assert_one_line(launch(describe(tmp_path, disks.replace("\\u00e9", "é"))), BAD_FILE, says)


@pytest.mark.parametrize("option", ("f,partition=x", "f,host,partition=", f"f,host,partition={37 * 'x'}"))
def test_bad_option(option):
    run = launch("--kernel", suite("virtio"), "--disk", option)
    assert run.status == BAD_OPTION and "partition" in run.err


def test_too_many(tmp_path):
    names = [tmp_path / f"d{n}" for n in range(8)]
    for name in names:
        name.write_bytes(bytes(512))
    path = two(tmp_path, "", "")
    disks = [" ".join(f'd{n} {{ file = "{name}"; host; }};' for n, name in enumerate(part))
             for part in (names[:4], names[4:])]
    text = path.read_text()
    for more in disks:
        text = text.replace("root {  };", more, 1)
    path.write_text(text)
    assert_one_line(launch(path), BAD_FILE, "8 host disks; the machine has room for 7")


@pytest.mark.slow
@BACKEND
def test_writes_stay(tmp_path, initrd, backend):
    """What one machine wrote the next one reads."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(16 << 20))
    sums = []
    for command in ("dd if=/dev/urandom of=/dev/vda bs=1M count=12 conv=fsync; sync", "true"):
        run = launch("--kernel", IMAGE, "--initrd", initrd, "--disk", f"{path},host", "--append",
                     "console=ttyS0 cryptomgr.notests quiet gnomon.run="
                     f'"{INSMOD}; {command}; sha256sum /dev/vda"', *backend, limit=120)
        assert run.status == 0, run.out[-2000:]
        sums.append(hashlib.sha256(path.read_bytes()).hexdigest())
        assert f"{sums[-1]}  /dev/vda" in run.out, run.out[-2000:]
    assert sums[0] == sums[1] != hashlib.sha256(bytes(16 << 20)).hexdigest()


@pytest.mark.slow
@BACKEND
def test_load(tmp_path, initrd, backend):
    """24 at a time read and write, past all caches and in as many segments as there can be, and each
    finds what he wrote; the file has the same, and nothing has changed around it."""
    path = tmp_path / "disk.img"
    beyond = random.Random(3).randbytes(1 << 20)
    path.write_bytes(bytes(LOADED) + beyond)
    initrd = with_file(initrd, BUILD / "tests/system/disk-load", tmp_path / "load.cpio")
    with Linux("--initrd", initrd, "--disk", f"{path},host", "--memory", "512M", *backend,
               limit=120) as guest:
        guest.boot()
        guest.ask(INSMOD)
        assert guest.ask("./disk-load /dev/vda 24 10") == "24 workers, 0 failed"
        guest.power_off()
    after = path.read_bytes()
    told = [word * UNMIX >> 32 & 0xffffffff
            for word, in struct.iter_unpack("<Q504x", after[:LOADED])]
    assert all(sector in (0, n) for n, sector in enumerate(told)) and any(told)
    assert after[LOADED:] == beyond


def kill_machine(launcher):
    """SIGKILL to the QEMU of that launcher."""
    found = subprocess.run(["pgrep", "-P", str(launcher)], capture_output=True, check=True)
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)


@pytest.mark.slow
@BACKEND
def test_durable(tmp_path, initrd, backend):
    """ext4 on a host disk; QEMU is killed when the guest has been told that a file is durable."""
    path = tmp_path / "disk.img"
    blob = random.Random(2).randbytes(2000000)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/blob").write_bytes(blob)
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "files", path, "48M"],
                   check=True)
    with Linux("--initrd", initrd, "--disk", f"{path},host", *backend, limit=120) as guest:
        guest.boot()
        guest.ask(INSMOD + "; mkdir /mnt; mount -t ext4 /dev/vda /mnt")
        guest.ask("cp /mnt/blob /mnt/loose; dd if=/mnt/blob of=/mnt/kept bs=64k conv=fsync")
        kill_machine(guest.child.pid)
        guest.end()
    subprocess.run(["/usr/sbin/e2fsck", "-y", "-E", "journal_only", path], check=True,
                   capture_output=True)
    check = subprocess.run(["/usr/sbin/e2fsck", "-fn", path], capture_output=True, check=False)
    assert check.returncode == 0, check.stdout
    kept = subprocess.run(["/usr/sbin/debugfs", "-R", "cat /kept", path], capture_output=True,
                          check=True).stdout
    assert kept == blob
