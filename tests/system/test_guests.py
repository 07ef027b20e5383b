"""The in-guest suites and the unikernel guests, on Gnomon and on bare QEMU: the same images.

Its one invariant: bare QEMU is the reference; what passes there passes on Gnomon, whichever way it
runs the guest. Nothing here depends on how that is but the few names in SHADOW_LIMITS.
Read next: tests/guest/README.md.
"""

import functools
import re

import pytest
from machine import (BACKENDS, BUILD, DEPRIV, HEXT, LAUNCHER, NO_H, POLICIES, QEMU10, Console,
                     failed, guest_output, launch, passed, suite)

SUITES = ("perms", "paging", "fences", "traps", "csr", "sbi", "timer", "harts", "mmio", "board",
          "ram", "state", "hostile-cow", "stores", "tables", "churn", "escape", "hot", "patch",
          "edge", "slots", "sta")
# Those that a shadow's policy, or the patching of code, can break.
SHADOWED = ("perms", "paging", "fences", "harts", "ram", "stores", "tables", "churn", "patch")
# Tests whose very names say what is below: they rightly differ.
WHO_IS_BELOW = r"BASE: a version from 0.3 on: |DBCN: not there"
# Without H: the hypervisor takes the widest mode for itself; and OpenSBI before 1.6 answers a
# guest's rdtime in U-mode, so that nobody above it ever hears of it.
NOT_WITHOUT_H = r"Sv57: "
SHADOW_LIMITS = r"time in U: forbidden$"
# While code is patched, a kernel can reach the state page where nothing of its own is mapped.
PATCH_LIMITS = r"(Bare|Sv\d\d): (load|store|amo) by S\b.* to the first and the last page$"
UNIKERNELS = ("hello", "ticks", "harts", "faults", "pagewalk")
ENDLESS = ("hog", "clock")  # unless they are told for how many seconds


def run_suite(name, *args, vcpus=1):
    """Run a suite to its closing line; return the tests that passed and those that failed."""
    run = launch("--kernel", suite(name), "--memory", "64M", "--vcpus", vcpus, *args)
    said = re.findall(r"^gnomon: (?!guest: \d).*", run.out, re.MULTILINE)
    good, bad = passed(run.out), failed(run.out)
    assert run.status == (1 if bad else 0), (run.status, run.err, run.out[-1000:])
    assert re.search(rf"^\d+ passed, {bad.total()} failed, \d+ skipped\n", run.out, re.MULTILINE)
    assert not said, said
    return good, bad


def without_h(args):
    """Whether the guest is run without the H-extension."""
    return "depriv" in args or "h=false" in " ".join(map(str, args))


def limits(args):
    """What may fail of tests, a pattern of names: the README says why."""
    if not without_h(args):
        return r"(?!)"
    return SHADOW_LIMITS if "off" in args else SHADOW_LIMITS + "|" + PATCH_LIMITS


def all_pass(name, *args, vcpus=1):
    good, bad = run_suite(name, *args, vcpus=vcpus)
    assert not [test for test in bad if not re.match(limits(args), test)], bad
    return good


@functools.lru_cache(maxsize=None)
def bare(name, *args, vcpus):
    """The same suite on bare QEMU; a machine that Gnomon's own options don't change."""
    machine = [arg for arg in args if arg not in DEPRIV]
    return run_suite(name, "--bare", *machine, vcpus=vcpus)


def as_bare(name, *args, vcpus=1):
    """What passes on bare QEMU passes on Gnomon too, where nothing fails that doesn't fail there.

    For a QEMU that has faults of its own, which the suites show.
    """
    bare_good, bare_bad = bare(name, *args, vcpus=vcpus)
    good, bad = run_suite(name, *args, vcpus=vcpus)
    rightly = WHO_IS_BELOW
    if without_h(args):
        rightly += "|" + NOT_WITHOUT_H + "|" + limits(args)
        if "sv57=off" in " ".join(map(str, args)):
            rightly += r"|Sv48: |a leaf at level 3: "  # then that is the widest
    news = [test for test in bad - bare_bad if not re.match(rightly, test)]
    missing = [test for test in bare_good - good if not re.match(rightly, test)]
    assert not news and not missing, (news, missing)


@pytest.mark.parametrize("backend,vcpus", (("hext", 1), ("hext", 4), ("no H", 1), ("no H", 4),
                                           ("depriv", 2)))
@pytest.mark.parametrize("name", SUITES)
def test_suite(name, backend, vcpus):
    """All pass on both, and no test that bare QEMU passes is skipped on Gnomon."""
    good, bad = bare(name, *BACKENDS[backend], vcpus=vcpus)
    assert not bad and (good or (name, vcpus) == ("harts", 1)), bad
    as_bare(name, *BACKENDS[backend], vcpus=vcpus)


@pytest.mark.parametrize("patch", ("on", "off"))
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", SHADOWED)
def test_shadow_policy(name, policy, patch):
    all_pass(name, *NO_H, "--shadow-policy", policy, "--patch", patch, vcpus=2)


def said_under(policy, name, *args):
    """What a guest says under @policy."""
    run = launch("--guest", name, *NO_H, "--shadow-policy", policy, *args, limit=100)
    assert run.status == 0, (run.status, run.err, run.out[-1000:])
    return guest_output(run.out)


@pytest.mark.parametrize("mode", ("sv57", "sv39"))
@pytest.mark.parametrize("name", ("hello", "faults", "pagewalk"))
def test_policy_none(name, mode):
    """Nothing is kept beyond an instruction, and the guest says the same."""
    args = ("--hyp-append", f"host-mode={mode}")
    assert said_under("none", name, *args) == said_under("lazy", name, *args)


@pytest.mark.slow
@pytest.mark.parametrize("name", ("traps", "edge"))
def test_policy_none_suite(name):
    run = launch("--kernel", suite(name), "--memory", "64M", "--vcpus", 1, *NO_H,
                 "--shadow-policy", "none", limit=200)
    assert run.status == 0 and passed(run.out) and not failed(run.out), failed(run.out)


def test_policy_none_harts():
    """Each vcpu has tables of its own: none takes back what another needs."""
    run = launch("--kernel", BUILD / "guests/harts.elf", *NO_H, "--shadow-policy", "none",
                 "--vcpus", 3, limit=100)
    assert run.status == 0 and "All as it should be." in run.out, run.out[-1000:]


def test_policy_none_counts():
    """Each instruction is translated, and each of its references."""
    run = launch("--kernel", BUILD / "guests/textbook.elf", *NO_H, "--shadow-policy", "none",
                 "--vcpus", 1, "--hyp-append", "stats", limit=100)
    references, steps = map(int, re.search(r"shadow references (\d+), steps (\d+)$", run.out,
                                           re.MULTILINE).groups())
    assert "led to 10" not in run.out and "page 7 leads to 200." in run.out
    assert steps > 10000 and references > 3 * 1000


@pytest.mark.parametrize("policy", ("trap", "lazy"))
def test_stores_are_carried_out(policy):
    """Under trap no store but SC, of which the suite has 8, lifts a protection; lazily none is."""
    run = launch("--kernel", suite("stores"), "--cpu", "rv64,h=false,v=true", "--shadow-policy",
                 policy, "--hyp-append", "stats")
    stores, lifted = map(int, re.search(r"stores (\d+), unshadows (\d+)$", run.out,
                                        re.MULTILINE).groups())
    assert passed(run.out) and not failed(run.out), failed(run.out)
    assert (stores > 0) == (policy == "trap")
    assert lifted == (8 if policy == "trap" else 0)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("backend", (NO_H, DEPRIV), ids=("no H", "depriv"))
def test_escape(backend, policy):
    """Without patching nothing at all can be reached, not even a page of one's own CSRs."""
    good, bad = run_suite("escape", *backend, "--shadow-policy", policy, "--patch", "off")
    assert good and not bad, bad


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", SHADOWED + ("slots", "traps", "csr"))
def test_windows(name, policy):
    """A host without addresses beyond the guest's: hyp/shadow/window.c."""
    all_pass(name, *NO_H, "--hyp-append", "host-mode=sv39", "--shadow-policy", policy, vcpus=2)


@pytest.mark.parametrize("mode", ("sv39x4", "sv48x4", "sv57x4"))
@pytest.mark.parametrize("name", ("perms", "paging", "mmio", "ram"))
def test_gstage_mode(name, mode):
    all_pass(name, "--gstage-mode", mode)


@pytest.mark.parametrize("backend,mode", (("hext", "sv39"), ("hext", "sv48"), ("hext", "sv57"),
                                          ("no H", "sv48"), ("no H", "sv39"),
                                          ("depriv", "sv39")))
@pytest.mark.parametrize("name", ("paging", "harts", "mmio", "escape", "slots"))
def test_host_mode(name, backend, mode):
    all_pass(name, *BACKENDS[backend], "--hyp-append", f"host-mode={mode}", vcpus=2)


@pytest.mark.parametrize("args", (
    ("--cpu", "rv64,sstc=off"),
    ("--isa-mask", "sstc"),
    ("--hyp-append", "zero=always"),
    ("--cpu", "rv64,v=true"),
    ("--cpu", "rv64,svinval=true,svnapot=true,svpbmt=true"),
    ("--icount",),
    ("--cpu", "rv64,h=false,sstc=off"),
    ("--cpu", "rv64,h=false,v=true"),
    ("--cpu", "rv64,h=false,svinval=true,svnapot=true,svpbmt=true"),
), ids=" ".join)
@pytest.mark.parametrize("name", ("fences", "csr", "timer", "ram", "state"))
def test_core(name, args):
    all_pass(name, *args)


@pytest.mark.qemu10
@pytest.mark.parametrize("backend", ("hext", "no H"))
@pytest.mark.parametrize("name", SUITES)
def test_qemu10(name, backend):
    as_bare(name, "--qemu", QEMU10, *BACKENDS[backend], vcpus=2)


@pytest.mark.qemu10
@pytest.mark.parametrize("cpu", ("max", "rv64,sv57=off,sv48=off", "rv64,svadu=off,svade=on",
                                 "max,h=false", "rv64,h=false,sv57=off",
                                 "rv64,h=false,sv57=off,sv48=off",
                                 "rv64,h=false,svadu=off,svade=on"))
@pytest.mark.parametrize("name", ("perms", "paging", "csr", "ram", "state", "tables", "churn",
                                  "slots"))
def test_qemu10_core(name, cpu):
    as_bare(name, "--qemu", QEMU10, "--cpu", cpu)


@pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
@pytest.mark.parametrize("name,says,status", (
    ("exit-code", "leaving with 42", 42),
    ("exit-srst", "shutting down after a failure", 1),
    ("exit-legacy", "shutting down the old way", 0),
))
def test_exit(name, says, status, backend):
    run = launch("--kernel", suite(name), "--vcpus", 2, *backend)
    assert guest_output(run.out).strip() == says
    assert run.status == status
    assert run.err == (f"gnomon run: the guest failed with code {status}\n" if status else "")


@pytest.mark.parametrize("memory", ("16M", "1G", "4G"))
def test_all_memory_is_there(memory):
    """Every word of it can be written, and was zero before."""
    with Console(LAUNCHER, ["run", "--kernel", suite("dirty"), "--memory", memory], 120) as console:
        console.expect(r"(\d+) words of RAM were not zero")
        assert console.child.match[1] == b"0"


@pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
@pytest.mark.parametrize("vcpus", (1, 4))
def test_guest_resets(vcpus, backend):
    """Each boot finds its image as it was made, though the last one wrote to it."""
    with Console(LAUNCHER, ["run", "--kernel", suite("reboot"), "--vcpus", vcpus, *backend],
                 30) as console:
        for _ in range(20):
            before, _ = console.expect(r"booted, data (\d+), bss (\d+)")
            assert console.child.match.groups() == (b"1", b"0")
            assert "SRST came back" not in before


def transcript(out):
    """A unikernel's transcript without what rightly differs between the two."""
    out = guest_output(out)
    # Who is below, and what it offers: Gnomon has DBCN, OpenSBI 1.1 has not.
    out = re.sub(r"Below me is SBI .*", "Below me is an SBI.", out)
    out = out.replace(" DBCN.", ".")
    # Gnomon keeps the H-extension for itself.
    out = re.sub(r"(rv64[a-gi-z]*)h_", r"\1_", out)
    # Firmware takes the first hart that comes to boot on. Gnomon always takes hart 0.
    if "hart 0 is stopped, now started" in out:
        out = re.sub(r"hart ([01])\b", lambda match: f"hart {1 - int(match[1])}", out)
    # How much it got and how late it was woken.
    out = re.sub(r"\d+ thousand steps.*", "steps.", out)
    out = re.sub(r"\d+ us late, at worst \d+", "late", out)
    return re.sub(r"I run on hart \d+ ", "I run on a hart ", out)


@pytest.mark.parametrize("vcpus", (1, 2))
@pytest.mark.parametrize("name", UNIKERNELS + ENDLESS)
def test_unikernel(name, vcpus):
    """The same image says the same on bare QEMU and as a guest, however it is run."""
    image = ("--kernel", BUILD / f"guests/{name}.bin", "--memory", "64M", "--vcpus", vcpus,
             "--append", "seconds=1")
    said = launch("--bare", *image)
    assert said.status == 0
    for backend in BACKENDS.values():
        ours = launch(*image, *backend)
        assert ours.status == 0, backend
        assert transcript(ours.out) == transcript(said.out), backend


@pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
@pytest.mark.parametrize("name", UNIKERNELS)
def test_embedded(name, backend):
    """The guest that Gnomon carries is the one in build/guests, with less memory."""
    bundled = launch("--kernel", BUILD / f"guests/{name}.bin", "--memory", "16M", "--vcpus", 2)
    ours = launch("--guest", name, *backend)
    assert ours.status == 0
    assert transcript(ours.out) == transcript(bundled.out)


@pytest.mark.parametrize("vm", ("one", "three"))
def test_backends_take_turns_on_a_hart(vm, tmp_path):
    """From a hext vcpu straight to a depriv one and back: neither finds the other's mode."""
    logs = {name: tmp_path / name for name in ("one", "three")}
    consoles = [word for name, log in logs.items()
                for word in ("--console", f"{name}=file:{log}")]
    run = launch("dts/sharing.dts", "--vm", vm, "--backend", "depriv", *consoles, limit=20)
    assert run.status == 0, (run.err, run.out[-800:])
    for log in logs.values():
        assert log.read_bytes().endswith(b"That is enough.\n"), log.read_bytes()[-800:]


def test_embedded_hello_says_who_it_is():
    out = launch("--guest", "hello", "--harts", 4).out
    assert "Hello from a guest in S-mode." in out and "of 4." in out
    assert "TIME IPI RFENCE HSM SRST DBCN." in out


def test_sbi_mask():
    run = launch("--kernel", BUILD / "guests/hello.bin", "--sbi-mask", "dbcn,rfence")
    assert "It offers TIME IPI HSM SRST." in run.out


def test_isa_mask():
    out = launch("--kernel", BUILD / "guests/hello.bin", "--isa-mask", "sstc,zbb,d").out
    isa = re.search("My instructions are (.*).\n", out)[1]
    assert "sstc" not in isa and "zbb" not in isa and "d" not in isa.split("_")[0], isa


def test_harts_arrive_in_any_order():
    """Many starts of a machine whose harts all start at once: none may be lost or come in twice."""
    for _ in range(20):
        run = launch("--guest", "harts", "--harts", 8, limit=30)
        assert run.status == 0, run.out[-500:]
        assert "All as it should be." in run.out
