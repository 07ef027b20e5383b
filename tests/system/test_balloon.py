"""Guests that give memory back while they run: the in-guest suite, on Gnomon and on bare QEMU with the
same device, two guests at each other's frames, and Debian's own driver, asked by the monitor.

Its one invariant: what a guest gave is counted by Gnomon, as free memory, not by the guest.
Read next: tests/guest/balloon.c, hyp/g-stage/discard.c.
"""

import re

import pytest
from house import Machine, guest
from machine import (BACKENDS, BAD_FILE, HEXT, IMAGE, NO_H, POLICIES, assert_one_line, launch,
                     suite, with_file)
from test_guests import all_pass, as_bare

ON = ("--balloon", "on")
MIB = 1024  # in KiB


@pytest.mark.parametrize("backend,vcpus", (("hext", 1), ("hext", 2), ("no H", 2), ("depriv", 2)))
def test_suite(backend, vcpus):
    as_bare("balloon", *ON, *BACKENDS[backend], vcpus=vcpus)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ("sv39", "sv57"))
def test_shadow_policy(policy, mode):
    all_pass("balloon", *ON, *NO_H, "--shadow-policy", policy, "--hyp-append", f"host-mode={mode}",
             vcpus=2)


def test_no_place(tmp_path):
    (tmp_path / "d").write_bytes(bytes(512))
    disks = [word for _ in range(7) for word in ("--disk", tmp_path / "d")]
    run = launch("--kernel", suite("balloon"), *ON, *disks)
    assert_one_line(run, BAD_FILE, "8 devices .disk: 7, balloon: 1.")


@pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
def test_two_guests(tmp_path, backend):
    """Frames go from one to the other all the time; what each finds is its own, or zero."""
    vms = {name: guest("balloon", vcpus=2, memory=64 << 20, balloon="on", bootargs=f"seed={seed}")
           for seed, name in enumerate("abc")}
    with Machine(tmp_path, vms, "--harts", 2, *backend, limit=120) as machine:
        assert machine.end() == 0, machine.output()[-2000:]
        for name in vms:
            assert re.search(r"^\d+ passed, 0 failed, 0 skipped$", machine.said(name),
                             re.MULTILINE), machine.said(name)[-1000:]


# A file that stays; one that comes and goes, free pages of which are told of; then pressure, for as
# long as the balloon hasn't shrunk again.
SESSION = """
cd /modules; for m in virtio_mmio virtio_balloon; do insmod $m.ko || exit 9; done
mkdir /d; mount -t tmpfs -o size=100m t /d
dd if=/dev/urandom of=/d/keep bs=1M count=4 2>/dev/null; sha256sum /d/keep >/d/sum
dd if=/dev/zero of=/d/big bs=1M count=48 2>/dev/null; rm /d/big
echo 3 >/proc/sys/vm/drop_caches; echo dropped
given() { echo $(($(sed -n "s/^balloon_inflate //p" /proc/vmstat) -
	$(sed -n "s/^balloon_deflate //p" /proc/vmstat))); }
until [ "$pressed" ] && [ $(given) -eq 0 ]; do
dd if=/dev/zero of=/d/fill bs=1M count=16 2>/dev/null
dd if=/dev/urandom of=/d/t bs=1M count=2 2>/dev/null; cp /d/t /d/u
cmp /d/t /d/u || exit 8; rm /d/t /d/u /d/fill
sha256sum -c /d/sum >/dev/null || exit 7
[ $(given) -lt 12288 ] || { echo pressed; pressed=1; }
done
dd if=/dev/zero of=/d/big bs=1M count=48 2>/dev/null || exit 6
sha256sum -c /d/sum && echo verified
dmesg | grep -v run= | grep -E "BUG|Oops|Out of memory" && exit 5
exit 0
"""


@pytest.fixture(name="told")
def make_told(tmp_path, initrd):
    """The Linux guest's RAM disk and its modules with SESSION behind them: Linux unpacks all."""
    (tmp_path / "session").write_text(SESSION)
    return with_file(initrd, tmp_path / "session", tmp_path / "told.cpio")


class Linux:
    """The machine with its one guest, as `mem` sees that."""

    def __init__(self, machine):
        self.machine, self.peak = machine, 0

    def mem(self):
        row = next(row for row in self.machine.ask("mem") if row["owner"] == "a")
        self.peak = max(self.peak, row["used_kib"])
        return row

    def balloon(self):
        return next(row for row in self.machine.ask("vm show a")["devices"]
                    if row["kind"] == "balloon")

    def until(self, seen):
        self.machine.until(lambda: seen(self.mem()))


@pytest.mark.slow
@pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
def test_linux(tmp_path, told, backend):
    vm = {"kernel": IMAGE, "initrd": told, "vcpus": 2, "memory": 192 << 20, "balloon": "on",
          "bootargs": 'console=ttyS0 cryptomgr.notests quiet gnomon.run="sh /session"'}
    with Machine(tmp_path, {"a": vm}, "--harts", 2, *backend, limit=300) as machine:
        linux = Linux(machine)
        linux.until(lambda mem: "dropped" in machine.said("a"))
        linux.until(lambda mem: mem["returned_kib"] > 40 * MIB
                    and mem["used_kib"] < linux.peak - 32 * MIB)
        assert linux.balloon()["counts"]["reported"] > 40 * MIB
        free = machine.free()
        machine.ask("vm balloon a 144M")
        linux.until(lambda mem: mem["balloon_kib"] == 48 * MIB)
        for _ in range(2):
            said = machine.said("a").count("pressed")
            linux.until(lambda mem: machine.said("a").count("pressed") > said)
            assert linux.mem()["used_kib"] < 154 * MIB
        counts = linux.balloon()["counts"]
        assert counts["target"] == counts["actual"] == 144 * MIB
        assert machine.free() > free - 40 * MIB
        linux.until(lambda mem: "free" in linux.balloon()["counts"])
        assert 0 < linux.balloon()["counts"]["free"] < 144 * MIB
        machine.ask("vm balloon a 1G")
        linux.until(lambda mem: mem["balloon_kib"] == 0)
        assert machine.end() == 0, machine.said("a")[-1000:]
        assert "verified" in machine.said("a")
