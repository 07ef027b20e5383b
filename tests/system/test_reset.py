"""A machine that is reset under its guest keeps its RAM; Gnomon must not give that to the next.

Its one invariant: the reset is the machine's (QEMU's monitor), not the guest's, and comes while
every hart is in the hypervisor: QEMU 7.2 and 10 leave V set at a reset, and a hart that begins in
M-mode with V=1 hangs or trips an assertion.
Read next: tests/guest/dirty.c, zero_memory() in hyp/boot/main.c.
"""

import re

import pytest
from machine import HEXT, LAUNCHER, NO_H, QEMU10, TIMEOUT, Console, guest_output, launch, suite

FOUND = r"(\d+) words of RAM were not zero; now none is\s"  # then it waits, in the hypervisor


def in_a_guest(console):
    """Whether a hart has V set, as QEMU's monitor shows it. The last prompt comes after all of it."""
    console.send("info registers -a\r")
    console.expect(r"CPU#1.*\n.*f31.*\n\(qemu\) ")
    return re.search(rb" V +=\s+1", console.child.before + console.child.match[0]) is not None


def reset(console):
    """Through QEMU's monitor, which shares the terminal."""
    console.send("\x01c")
    console.expect(r"\(qemu\) ")
    while in_a_guest(console):
        pass
    console.send("system_reset\r")
    console.send("\x01c")


@pytest.mark.parametrize("args", ((), NO_H, ("--qemu", QEMU10)),
                         ids=("installed QEMU", "no H", "QEMU 10"))
def test_fresh_ram_after_a_reset(args):
    if QEMU10 in args and not QEMU10.exists():
        pytest.skip("no QEMU 10: tools/setup qemu10 gets it on Debian 12")
    with Console(LAUNCHER, ["run", "--kernel", suite("dirty"), "--memory", "64M", *args],
                 60) as console:
        for _ in range(4):
            console.expect(FOUND)
            assert console.child.match[1] == b"0"
            reset(console)


@pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
def test_no_hart_survives_a_reset(backend):
    """Each boot of the guest prints a dot; a hart that was left over prints a G."""
    run = launch("--kernel", suite("reset-race"), "--vcpus", "4", "--timeout", "10", *backend,
                 limit=10)
    lines = guest_output(run.out)
    assert run.status == TIMEOUT
    assert lines.count(".") >= 20
    assert set(lines) <= set(".\n")
