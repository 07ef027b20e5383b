"""Translations explained on live guests, against the hardware's own and against what they must be.

Its one invariant: what is compared with hardware was asked of a paused VM, so that nothing changes
between the explanation and the check; of a running one only that it is answered.
Read next: house.py (Machine); hyp/mmu/explain.h; tests/oracle/explained.c, which compares each
reference.
"""

import json
import random
import re

import pytest
from house import Machine
from machine import BAD_FILE, IMAGE, INITRD, QEMU10, assert_one_line, launch

LEVELS = {"sv39": 3, "sv48": 4, "sv57": 5}
BUSY_HART = "the vcpu's hart is busy; try again"
BUSY = "while :; do seq 3000 | sort -rn | tail -n 1 >/dev/null; done"


def linux(**more):
    return {"kernel": IMAGE, "initrd": INITRD, "vcpus": 2, "memory": 128 << 20,
            "bootargs": f'console=ttyS0 cryptomgr.notests quiet gnomon.run="echo busy; {BUSY}"',
            **more}


def places(rng, registers, mapped=()):
    """Addresses of a Linux: its programs', its kernel's, near its registers, in @mapped, the rows of
    a map, and anything."""
    near = [int(value, 16) for name, value in registers.items() if name not in ("satp", "scause")]
    while True:
        yield rng.choice((
            0x10000 + rng.randrange(0x200000),
            0xffffffff80000000 + rng.randrange(32 << 20),
            (rng.choice(near) + rng.randrange(-0x4000, 0x4000)) & (1 << 64) - 1,
            rng.randint(*ends(rng.choice(mapped))) if mapped else 0,
            rng.getrandbits(64),
            rng.getrandbits(38)))


def walks(refs):
    """The references by VS-stage step: [(G references, VS reference or None), ...]."""
    steps, g = [], []
    for ref in refs:
        if ref["stage"] == "G":
            g.append(ref)
        else:
            steps.append((g, ref))
            g = []
    return steps + ([(g, None)] if g else [])


def check_shape(answer):
    """Each step reads its entry where the G-stage has just led, and goes on where that points."""
    refs, about = answer["result"], answer["about"]
    assert [ref["ref"] for ref in refs] == list(range(1, len(refs) + 1))
    gva, at, last = int(about["gva"], 16), None, None
    for number, (g, vs) in enumerate(walks(refs)):
        levels = [ref["level"] for ref in g]
        assert levels == list(range(2, 2 - len(levels), -1)), answer
        for above, ref in zip(g, g[1:]):
            assert int(ref["hpa"], 16) == int(above["leads_to"], 16) + 8 * ref["index"]
        last = g[-1] if g else last
        if not vs:
            continue
        span = 1 << 12 + 9 * g[-1]["level"]
        assert int(vs["hpa"], 16) == int(g[-1]["leads_to"], 16) + int(g[-1]["of"], 16) % span
        assert int(vs["gpa"], 16) == int(g[-1]["of"], 16)
        assert vs["level"] == LEVELS[about["vs_mode"]] - 1 - number
        assert vs["index"] == gva >> 12 + 9 * vs["level"] & 511
        if at is not None:
            assert int(vs["gpa"], 16) == at + 8 * vs["index"]
        at = int(vs["leads_to"], 16) if vs["leads_to"] else None
    if about["works"]:
        span = 1 << 12 + 9 * last["level"]
        assert int(about["hpa"], 16) == int(last["leads_to"], 16) + int(about["gpa"], 16) % span
        assert about["cause"] is None and about["why"] == "Both stages allow it."
    else:
        assert about["cause"] in (1, 5, 7, 12, 13, 15, 20, 21, 23) and about["why"].endswith(".")


def answers(machine, vm, rng, count, mapped=()):
    """Answers to @count questions about @vm, in each mode, for each access."""
    registers = {name: value for name, value in machine.ask(f"vcpu regs {vm}.1").items()}
    for _, address in zip(range(count), places(rng, registers, mapped)):
        line = f"xlate {vm}.{rng.randrange(2)} {address:x} {rng.choice('rwx')}"
        yield machine.say(f"{line} {rng.choice(('user', 'kernel'))}")


def explained(machine, vm, rng, count):
    """What @count of them are about, in full: of a paused VM each question has its answer."""
    found = list(answers(machine, vm, rng, count, whole_map(machine, f"vs {vm}")))
    for answer in found:
        assert answer["ok"], answer
        check_shape(answer)
    return [answer["about"] for answer in found]


def check_running(machine, vm, rng):
    """A vcpu that runs is asked on its hart, which this computer may not run for a second: then
    that is said. But not each time."""
    busy = answered = 0
    for answer in answers(machine, vm, rng, 500):
        if answer["ok"]:
            check_shape(answer)
            answered += 1
        else:
            assert answer["error"] == BUSY_HART
            busy += 1
        if busy > 20:
            break
    assert answered, busy


def talk(path, core, vm, args=()):
    """A Linux at work is explained, then the same one paused: what was said of that."""
    rng = random.Random(6)
    with Machine(path, {"a": vm}, "--harts", 2, "--cpu", core, *args, limit=200) as machine:
        machine.until(lambda: "busy" in machine.said("a"))
        check_running(machine, "a", rng)
        machine.pause("a")
        found = explained(machine, "a", rng, 2500)
        machine.quit()
    worked = [about for about in found if about["works"]]
    assert len(worked) > 200 and len(found) - len(worked) > 200
    return found


def is_let_by_72(about):
    """QEMU 7.2's HLV and HLVX go by R alone: not by X, nor by U = 1 in the kernel's accesses."""
    return about["why"].startswith(("X = 0", "U = 1"))


@pytest.mark.slow
@pytest.mark.parametrize("qemu", (pytest.param(("--qemu", QEMU10), marks=pytest.mark.qemu10), ()),
                         ids=("10", "7.2"))
def test_hardware_agrees(qemu, tmp_path):
    found = talk(tmp_path, "rv64", linux(), qemu)
    checks = [about["hardware"] for about in found]
    assert checks.count("agrees") > 900
    odd = [str(about) for about in found
           if about["hardware"] == "disagrees" and (qemu or not is_let_by_72(about))]
    assert not odd, odd


@pytest.mark.slow
@pytest.mark.parametrize("policy", ("lazy", "trap"))
def test_shadows(policy, tmp_path):
    """Beside what was composed stands what it was composed of."""
    found = talk(tmp_path, "rv64,h=false", linux(shadow_policy=policy))
    assert {about["hardware"] for about in found} == {None}
    composed = [about for about in found if about["shadow"]["why"] == "composed of both"]
    assert len(composed) > 20
    for about in composed:
        span = 1 << 12 + 9 * about["shadow"]["level"]
        at = int(about["shadow"]["entry"], 16) >> 10 << 12 & (1 << 56) - 1
        assert about["works"] and at + int(about["gva"], 16) % span == int(about["hpa"], 16)


def whole_map(machine, words):
    rows, start = [], ""
    while start is not None:
        answer = machine.say(f"map {words} {start}".strip())
        assert answer["ok"], answer
        rows += answer["result"]
        start = answer["about"]["next"]
    return rows


def ends(row):
    return int(row["from"], 16), int(row["last"], 16)


def check_order(rows):
    for below, above in zip(rows, rows[1:]):
        assert ends(below)[0] <= ends(below)[1] < ends(above)[0], (below, above)


@pytest.mark.slow
@pytest.mark.parametrize("core", ("rv64", "rv64,h=false"))
def test_maps(core, tmp_path):
    """What the maps of a paused Linux say of an address, and what they leave out, is what xlate
    says."""
    rng = random.Random(7)
    with Machine(tmp_path, {"a": linux()}, "--harts", 2, "--cpu", core, limit=200) as machine:
        machine.until(lambda: "busy" in machine.said("a"))
        machine.pause("a")
        vs, g = whole_map(machine, "vs a"), whole_map(machine, "g a")
        for rows in (vs, g):
            check_order(rows)
        for row in vs:
            first, last = ends(row)
            at = first + rng.randrange(last - first + 1)
            said = machine.say(f"xlate a {at:x} r {'user' if 'u' in row['rights'] else 'kernel'}")
            leaf = [ref for ref in said["result"] if ref["stage"] == "VS"][-1]
            assert leaf["bits"][-2:] != "--" and ("r" in leaf["bits"]) == ("r" in row["rights"])
            if row["leads_to"] and said["about"]["works"]:
                to = int(row["leads_to"], 16) + at - first
                assert int(said["about"]["gpa"], 16) == to
                home = next(r for r in g if ends(r)[0] <= to <= ends(r)[1])
                assert home["owner"] in ("ram", "bundle")
            hole = machine.say(f"xlate a {last + 1 & (1 << 64) - 1:x} r kernel")["about"]
            if not any(ends(r)[0] == last + 1 for r in vs):
                assert hole["cause"] == 13 and not hole["why"].startswith("R = 0"), (row, hole)
        machine.quit()


def test_map_command(tmp_path):
    """It is put together from pieces, kept, and compared."""
    kept = tmp_path / "map.json"
    with Machine(tmp_path, {"a": linux()}, limit=100) as machine:
        machine.until(lambda: "busy" in machine.said("a"))
        machine.pause("a")
        machine.disconnect()  # one caller at a time has the monitor
        control = ("--control", machine.control)

        def command(*words):
            return launch(*words, *control, command="map")
        assert command("a", "vs", "--out", kept).status == 0
        assert command("g").out == command("g", "a").out != ""
        assert_one_line(command("b"), 1, "b isn't the name of a VM; there is a")
        assert_one_line(command("vs", "a", "0x1000"), 2, "in vs or in g")
        assert command("--since", kept).out == ""
        rows = json.loads(kept.read_text())
        kept.write_text(json.dumps(rows[1:]))
        run = command("--since", kept)
        assert run.status == 0 and re.match(r" +from .*\n\+ +" + rows[0]["from"], run.out), run.out
        assert_one_line(command("--since", __file__), BAD_FILE, "no map that")


def test_stopped(tmp_path):
    with Machine(tmp_path, {"a": linux()}, end="never") as machine:
        machine.until(lambda: "Linux version" in machine.said("a") or machine.said("a"))
        machine.ask("vm stop a")
        machine.reaches("a", "stopped")
        answer = machine.say("xlate a 80000000")
        assert not answer["ok"] and "stopped" in answer["error"]
        machine.quit()
