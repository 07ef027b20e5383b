"""Guests that share a hart, where what belongs to one could be found by the next.

Its one invariant: each guest gets what it gets alone.
Read next: hyp/vcpu/hext.c and depriv.c, load and unload.
"""

import re

import pytest
from machine import BUILD, LAUNCHER, Console, launch, suite

VM = """
		{name} {{
			compatible = "gnomon,vm";
			kernel = "{kernel}";
			vcpus = <{vcpus}>;
			memory = <0x0 0x4000000>;
			{more}
		}};
"""


def describe(path, *vms):
    """A description of VMs, each a name, a kernel, its vcpus and further properties."""
    nodes = "".join(VM.format(name=n, kernel=k, vcpus=v, more=m) for n, k, v, m in vms)
    (path / "vms.dts").write_text("/dts-v1/;\n/ {\n\tvms {" + nodes + "\t};\n};\n")
    return path / "vms.dts"


def hog(path):
    """A guest that does nothing, busily."""
    (path / "hog.bin").write_bytes(bytes.fromhex("6f000000") * 1024)
    return path / "hog.bin"


@pytest.mark.parametrize("backends", [("hext", "hext"), ("hext", "depriv"), ("depriv", "depriv")],
                         ids="-".join)
def test_state_is_kept_apart(backends, tmp_path):
    """Registers and CSRs, of guests of either kind, and what a hart remembers of the other kind."""
    names = [f"vm{i}" for i in range(4)]
    vms = [(name, suite("state"), 2, f'backend = "{backends[i % 2]}";')
           for i, name in enumerate(names)]
    run = launch(describe(tmp_path, *vms), "--harts", 1, limit=60)
    ends = re.findall(r"^(\w+)\| \d+ passed, 0 failed", run.out, re.MULTILINE)
    assert run.status == 0 and sorted(ends) == names, (run.status, run.err, run.out[-2000:])


@pytest.mark.parametrize("backend", ["hext", "depriv"])
@pytest.mark.parametrize("mask", ["", 'isa-mask = "sstc";'], ids=["Sstc", "no Sstc"])
def test_timer_beside_hogs(backend, mask, tmp_path):
    """The timer of a vcpu whose hart is never idle."""
    more = f'backend = "{backend}";'
    path = describe(tmp_path, ("ticks", BUILD / "guests/ticks.bin", 1, more + mask),
                    *((f"hog{i}", hog(tmp_path), 1, more) for i in range(2)))
    with Console(LAUNCHER, ("run", path, "--harts", 1), 30) as console:
        console.expect(r"ticks\| Time is up\.")
