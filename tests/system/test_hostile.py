"""A well-behaved guest beside one that does its worst.

Its one invariant: what the first says, byte by byte, is what it says alone.
Read next: tests/guest/bad.c (the worst), good.c (`steady`).
"""

import functools
import tempfile

import pytest
from house import Machine, bad, good

BACKENDS = ("hext", "depriv")
# What each of bad.c's acts needs of its VM, so that it goes on for good.
ACTS = {
    "crash": {"on-failure": "restart"},
    "spin": {},
    "flood": {},
    "reset": {},
    "calls": {"on-shutdown": "restart", "on-failure": "restart"},
    "scribble": {"on-failure": "restart"},
}
AT_IT = 10  # ms that it ran, or starts, from which on the bad guest is at it


@functools.lru_cache(maxsize=None)
def alone(backend):
    """What the good guest says when there is nobody else."""
    with tempfile.TemporaryDirectory() as path:
        with Machine(path, {"good": good("steady", vcpus=2, backend=backend)}, "--harts",
                     2) as machine:
            assert machine.end() == 0
            said = machine.said("good")
    assert said.count("all is well") == 40 and said.endswith("done\n"), said
    return said


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("act,shared", [(act, ()) for act in ACTS] + [("flood", ("bad",))], ids=str)
def test_hostile_neighbour(act, shared, backend, tmp_path):
    """The good guest starts when the bad one is at it, and ends while it still is.

    The bad one talks to a file, or to the machine's own console.
    """
    vms = {"bad": bad(act, vcpus=3, backend=backend, **ACTS[act]),
           "good": good("steady", vcpus=2, backend=backend)}
    with Machine(tmp_path, vms, "--harts", 2, default="bad", end="never",
                 shared=shared) as machine:
        def done_by_bad():
            return machine.vm("bad")["starts"] if act == "reset" else machine.ran()["bad"]
        machine.until(lambda: done_by_bad() > AT_IT)
        machine.ask("vm create good")
        machine.ask("vm start good")
        machine.reaches("good", "stopped")
        before = done_by_bad()
        machine.until(lambda: done_by_bad() > before)
        assert machine.vm("good")["status"] == 0
        machine.quit()
        assert machine.said("good") == alone(backend)
