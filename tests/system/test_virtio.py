"""Disks and entropy of guests: the in-guest suite, on Gnomon and on bare QEMU with the same devices.

Its one invariant: bare QEMU is the reference for a good driver. For a bad one it isn't: it aborts
where a driver meddles with a live queue, and the suite leaves that out there.
Read next: tests/guest/virtio.c.
"""

import hashlib
import random
import struct
import subprocess

import pytest
from machine import (BACKENDS, BAD_FILE, BAD_OPTION, HEXT, IMAGE, NO_H, POLICIES, assert_one_line,
                     launch, suite)
from test_guests import all_pass, as_bare

PATTERN = 0x9e3779b97f4a7c15  # tests/guest/virtio.c
DISK_BYTES = 128 << 10


@pytest.fixture(scope="session", name="disk")
def make_disk(tmp_path_factory):
    """A disk as the suite wants it: an option of the launcher."""
    path = tmp_path_factory.mktemp("virtio") / "disk.img"
    path.write_bytes(b"".join(struct.pack("<Q", n * PATTERN % (1 << 64))
                              for n in range(DISK_BYTES // 8)))
    return f"{path},serial=gnomon-test"


@pytest.mark.parametrize("backend,vcpus", (("hext", 1), ("hext", 2), ("no H", 2), ("depriv", 2)))
def test_suite(disk, backend, vcpus):
    as_bare("virtio", "--disk", disk, *BACKENDS[backend], vcpus=vcpus)


@pytest.mark.parametrize("backend", ("hext", "no H"))
def test_legacy(disk, backend):
    """The same behind version 1 of the transport."""
    as_bare("virtio", "--disk", disk, "--virtio", "legacy", *BACKENDS[backend], vcpus=2)


@pytest.mark.parametrize("policy", POLICIES)
def test_shadow_policy(disk, policy):
    """A device writes to guest memory, which may be mirrored, as a store does."""
    all_pass("virtio", "--disk", disk, "--cpu", "rv64,h=false", "--shadow-policy", policy, vcpus=2)


def test_the_file_stays_as_it_is(disk):
    before = open(disk.split(",", maxsplit=1)[0], "rb").read()
    all_pass("virtio", "--disk", disk)
    assert open(disk.split(",", maxsplit=1)[0], "rb").read() == before


def describe(tmp_path, disks):
    """A description of a VM with these disks, as device-tree source."""
    path = tmp_path / "vm.dts"
    path.write_text(f'/dts-v1/; / {{ vms {{ a {{ kernel = "{suite("virtio")}";'
                    f" memory = <0 0x4000000>; {disks} }}; }}; }};")
    return path


def test_description(tmp_path, disk):
    file = disk.split(",", maxsplit=1)[0]
    path = describe(tmp_path, f'disks {{ root {{ file = "{file}"; serial = "gnomon-test"; }}; }};')
    run = launch(path)
    assert run.status == 0, run.out[-1000:]
    assert " passed, 0 failed, " in run.out


@pytest.mark.parametrize("disks,says", (
    ("disks { a { }; };", "no file"),
    ('disks { a { file = "nowhere"; }; };', "nowhere: No such file"),
    ('disks { a { file = "odd"; }; };', "has 513 bytes, no multiple of 512"),
    ('disks { a { file = "none"; }; };', "is empty"),
    ('disks { a { file = "odd"; readonly = "yes"; }; };', "readonly takes no value"),
    ('disks { a { file = "odd"; serial = "123456789012345678901"; }; };', "longer than 20"),
    ('disks { a { file = "odd"; colour = "red"; }; };', "unknown property colour"),
    ("disks { a { b { }; }; };", "unknown node b"),
    ("disks { x; };", "unknown property x"),
    ("disks { " + " ".join(f"d{n} {{ }};" for n in range(8)) + " };", "8 disks; there can be 7"),
))
def test_refused(tmp_path, disks, says):
    (tmp_path / "odd").write_bytes(bytes(513))
    (tmp_path / "none").write_bytes(b"")
    assert_one_line(launch(describe(tmp_path, disks)), BAD_FILE, says)


@pytest.mark.parametrize("option", ("f,rw", "f,serial=", "f,serial=123456789012345678901"))
def test_bad_option(option):
    run = launch("--kernel", suite("virtio"), "--disk", option)
    assert run.status == BAD_OPTION and "write FILE" in run.err


@pytest.fixture(scope="session", name="ext4")
def make_ext4(tmp_path_factory):
    """A file system with a file, and that file's hash."""
    path = tmp_path_factory.mktemp("ext4")
    blob = random.Random(1).randbytes(3000000)
    (path / "files").mkdir()
    (path / "files/blob").write_bytes(blob)
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-t", "ext4", "-d", path / "files",
                    path / "disk.img", "48M"], check=True)
    return path / "disk.img", hashlib.sha256(blob).hexdigest()


# Run twice: the first time ends in a reset, over which the disk keeps what was written.
SESSION = """
cd /modules
for m in virtio_mmio virtio_blk virtio-rng crc32c_generic crc16 mbcache jbd2 ext4; do
insmod $m.ko || exit 9
done
mkdir /mnt; mount -t ext4 /dev/vda /mnt || exit 8
sha256sum /mnt/blob
if ! [ -e /mnt/sums ]; then
echo serial $(cat /sys/block/vda/serial)
echo rng $(cat /sys/class/misc/hw_random/rng_current) $(head -c 64 /dev/hwrng | wc -c)
dd if=/dev/urandom of=/mnt/new bs=64k count=64; cp /mnt/blob /mnt/copy; sync; rm /mnt/copy
fstrim /mnt && echo trimmed
cd /mnt; sha256sum new >sums; cd /; umount /mnt && reboot -f
fi
cd /mnt; sha256sum -c sums && echo kept; cd /; umount /mnt
dmesg | grep -v run= | grep -E 'BUG|Oops|I/O err|EXT4-fs err' && exit 7
exit 0
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
def test_linux(ext4, initrd, backend):
    """Debian's own drivers: mount, write, trim, reset, and what was written is there."""
    disk, digest = ext4
    before = disk.read_bytes()
    command = "; ".join(SESSION.strip().splitlines()).replace("do;", "do").replace("then;", "then")
    run = launch("--kernel", IMAGE, "--initrd", initrd, "--disk", f"{disk},serial=the-root",
                 "--append", f'console=ttyS0 cryptomgr.notests quiet gnomon.run="{command}"',
                 *backend, limit=150)
    assert run.status == 0, run.out[-3000:]
    assert run.out.count(f"{digest}  /mnt/blob") == 2, run.out[-3000:]
    for said in ("serial the-root", "rng virtio_rng.0 64", "trimmed", "new: OK", "kept"):
        assert said in run.out, (said, run.out[-3000:])
    assert disk.read_bytes() == before
