"""Several guests in one machine: who gets what, and when.

Its one invariant: a bound on a time is checked where time is what instructions take (COUNTED), or
is one on the scheduler's own account; the load of the computer that runs this changes neither.
Read next: house.py; tests/guest/good.c (what the guests do).
"""

import re

import pytest
from house import COUNTED, COUNTED_TWO, SLICE_US, Machine, good
from machine import IMAGE, INITRD, Shell, userland

BACKENDS = ("hext", "depriv")
TWO = ("--harts", 2)


def numbers(text, pattern):
    """The numbers that @pattern finds in what a guest said."""
    return tuple(map(int, re.search(pattern, text).groups()))


# --- Linux ---

def linux(**more):
    return {"kernel": IMAGE, "initrd": INITRD, "vcpus": 2, "memory": 256 << 20,
            "bootargs": 'console=ttyS0 cryptomgr.notests'
                        ' gnomon.run="nproc; seq 1000 | sort -rn | head -n 1"', **more}


@pytest.mark.slow
@pytest.mark.parametrize("core,a,b", (("rv64", "hext", "hext"), ("rv64,h=false", "auto", "auto"),
                                      ("rv64", "hext", "depriv")))
def test_two_linux(core, a, b, tmp_path):
    """Both boot, run a command on two processors each, and power off; so does the machine."""
    with Machine(tmp_path, {"a": linux(backend=a), "b": linux(backend=b)}, *TWO, "--cpu", core,
                 limit=200) as machine:
        assert machine.end() == 0, machine.output()[-1000:]
        for name in "ab":
            said = machine.said(name)
            assert re.search(r"Gnomon guest: Linux .*, 2 CPUs\n2\n1000\n",
                             userland(said)), said[-1000:]
            assert not re.search(Shell.TROUBLE, said), said


# --- shares ---

def shares(path, vms, *args, least=1000):
    """What each VM ran of all that was run, while the one that ran least did so for @least ms."""
    with Machine(path, vms, *args) as machine:
        machine.until(lambda: all(machine.ran().values()))
        before, after = machine.ran(), {}

        def have_run():
            after.update({name: ms - before[name] for name, ms in machine.ran().items()})
            return min(after.values()) >= least
        machine.until(have_run)
        machine.quit()
    return {name: ms / sum(after.values()) for name, ms in after.items()}


def hogs(a, b, backend):
    """One VM of weight 1 and one of weight 3, with @a and @b vcpus that are always busy."""
    return {"a": good("hog", vcpus=a, weight=100, backend=backend),
            "b": good("hog", vcpus=b, weight=300, backend=backend)}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("a,b", ((1, 1), (4, 1), (1, 3)))
def test_weights_on_one_hart(a, b, backend, tmp_path):
    """A VM's share is by its weight, whatever the number of its vcpus."""
    got = shares(tmp_path, hogs(a, b, backend), *COUNTED)
    assert abs(got["a"] - 0.25) < 0.25 * 0.05, got


@pytest.mark.qemu10
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("a,b,share", ((2, 2, 0.25), (2, 5, 0.25), (8, 2, 0.25), (2, 1, 0.5)))
def test_weights_on_two_harts(a, b, share, backend, tmp_path):
    """The same; but three quarters of two harts are more than one vcpu can use."""
    got = shares(tmp_path, hogs(a, b, backend), *COUNTED_TWO)
    assert abs(got["a"] - share) < 0.05, got


def test_affinity(tmp_path):
    """A VM that is bound to a hart is seen there only, and shares it with whoever else is there."""
    vms = {"bound": good("hog", vcpus=2, affinity=1), "free": good("hog", vcpus=2)}
    with Machine(tmp_path, vms, *TWO) as machine:
        machine.until(lambda: all(machine.ran().values()))
        seen = set()
        for _ in range(300):
            seen |= {(row["vcpu"].split(".")[0], row["hart"]) for row in machine.ask("vcpu list")}
        machine.quit()
    assert ("bound", 0) not in seen and {("bound", 1), ("free", 0)} <= seen, seen


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_hart_is_idle_while_there_is_work(backend, tmp_path):
    """8 vcpus on 2 harts finish a queue of work within 10 % of the harts' time."""
    with Machine(tmp_path, {"guest": good("queue", vcpus=8, backend=backend)}, *TWO,
                 end="never") as machine:
        machine.reaches("guest", "stopped")
        harts, us = numbers(machine.said("guest"), r"(\d+) harts, (\d+) us")
        ran = machine.ran()["guest"] * 1000
        machine.quit()
    assert harts == 8 and us > 10 * SLICE_US
    assert 0.9 * 2 * us < ran, (us, ran)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sharing_a_hart_costs_little(backend, tmp_path):
    """The same work in 8 equal parts on one hart takes at most 10 % longer than in one."""
    took = {}
    for vcpus in (1, 8):
        with Machine(tmp_path, {"guest": good("job", vcpus=vcpus, backend=backend)},
                     *COUNTED) as machine:
            assert machine.end() == 0
            harts, took[vcpus] = numbers(machine.said("guest"), r"(\d+) harts, (\d+) us")
            assert harts == vcpus
    assert took[1] > 10 * SLICE_US
    assert took[8] < 1.1 * took[1], took


# --- time ---

@pytest.mark.parametrize("hogs", (1, 4))
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_hog_delays_no_timer(backend, hogs, tmp_path):
    """No timer of another guest's is late by more than a slice; most aren't late at all."""
    vms = {"hog": good("hog", vcpus=hogs, backend=backend), "guest": good("late", backend=backend)}
    with Machine(tmp_path, vms, *COUNTED) as machine:
        machine.reaches("guest", "stopped")
        timers, most, mean = numbers(machine.said("guest"),
                                     r"(\d+) timers, (\d+) us late at most, (\d+) in the mean")
        machine.quit()
    assert timers == 200 and most <= SLICE_US and mean <= SLICE_US / 20, (most, mean)


@pytest.mark.parametrize("backend", BACKENDS)
def test_steal(backend, tmp_path):
    """STA's account says what was taken: half of it beside a hog, nothing alone."""
    guest = good("steal", backend=backend)
    with Machine(tmp_path / "alone", {"guest": guest}, *COUNTED) as machine:
        assert machine.end() == 0
        assert numbers(machine.said("guest"), r"(\d+) us stolen")[0] == 0
    with Machine(tmp_path / "beside", {"hog": good("hog", backend=backend), "guest": guest},
                 *COUNTED) as machine:
        machine.reaches("guest", "stopped")
        stolen, of = numbers(machine.said("guest"), r"(\d+) us stolen of (\d+)")
        machine.quit()
    assert abs(stolen - of / 2) < of * 0.05, (stolen, of)
