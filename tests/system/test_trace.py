"""Traces: what is told of guests whose every step is known, and of Linux; the files, as docs/trace.md
has them.

Its one invariant: an event that isn't in the file is counted there.
Read next: house.py; docs/trace.md; guests/pagewalk/pagewalk.c.
"""

import contextlib
import json
import re
import signal
import subprocess

import pexpect
import pytest
from house import COUNTED, Machine, good
from machine import (BUILD, HEXT, IMAGE, INITRD, LAUNCHER, NO_H, POLICIES, QEMU10, REPO,
                     assert_one_line, environment, failed, launch, suite)

TRANSLATION = "fault,fill,fence,satp,inject,pt_store,sync,unshadow,evict"
ON_QEMU10 = pytest.param(("--qemu", QEMU10), id="qemu10", marks=pytest.mark.qemu10)


# --- the format, as docs/trace.md says it ---

def documented():
    """The tables of docs/trace.md: what each event may have; the words of .why."""
    text = (REPO / "docs/trace.md").read_text()
    events = {kind: set(re.findall(r"`(\w+)`", members)) for kind, members in
              re.findall(r"^\| `(\w+)` \| [^|]* \| (`[^|]*) \|$", text, re.MULTILINE)}
    whys = {kind: set(re.findall(r"`(\w+)`: ", words)) for kind, words in
            re.findall(r"^\| `(\w+)` \| (`\w+`: [^|]*) \|$", text, re.MULTILINE)}
    kinds = {member for members in events.values() for member in members}
    assert kinds == set(re.search(r"\| member \| what \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text)
                        and re.findall(r"^\| `(\w+)` \|", re.search(
                            r"\| member \| what \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text)[1],
                            re.MULTILINE))
    return events, whys


EVENTS, WHYS = documented()
NUMBERS = {"cause", "level", "asid"}
STRINGS = {"why", "stage"}


def check_event(event):
    """@event has what it must and may have, each of the kind that the page says."""
    assert {"n", "time", "hart", "vcpu", "instret", "event"} <= set(event), event
    kind = event["event"]
    more = {key: value for key, value in event.items()
            if key not in ("n", "time", "hart", "vcpu", "instret", "event")}
    assert set(more) <= EVENTS[kind], event
    for key in ("n", "time", "hart", "vcpu"):
        assert isinstance(event[key], int) and event[key] >= 0, event
    assert event["instret"] is None or isinstance(event["instret"], int), event
    for key, value in more.items():
        if key in NUMBERS:
            assert isinstance(value, int), event
        elif key not in STRINGS:
            assert re.fullmatch(r"0x[0-9a-f]+", value), event
    if kind == "fence":
        assert ("bytes" in event) <= ("at" in event), event
        assert event.get("bytes") != hex((1 << 64) - 1) and event.get("asid", 0) < 1 << 16, event
    if kind in WHYS and "why" in event:
        assert event["why"] in WHYS[kind], event


def check_lines(lines):
    """A jsonl file's lines: return its events and how many were lost, which are all that happened."""
    header = json.loads(lines[0])
    assert header["gnomon_trace"] == 1 and header["dropped"] == 0, header
    assert set(header) == {"gnomon_trace", "vm", "backend", "policy", "timebase", "dropped"}
    events, lost, expected = [], 0, None
    for line in lines[1:]:
        value = json.loads(line)
        if set(value) == {"dropped"}:
            lost += value["dropped"]
            expected = expected + value["dropped"] if expected is not None else None
            continue
        check_event(value)
        assert expected in (None, value["n"]), (expected, value)
        expected = value["n"] + 1
        events.append(value)
    return events, lost


def check_chrome(path):
    """What "Trace Event Format" asks of the phases that are used; slices of a thread don't overlap.
    Return the events by phase."""
    trace = json.loads(path.read_text())
    assert trace["displayTimeUnit"] in ("ms", "ns") and isinstance(trace["otherData"], dict)
    phases, ends = {"M": [], "X": [], "i": []}, {}
    named = set()
    for event in trace["traceEvents"]:
        phases[event["ph"]].append(event)
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int)
        assert event["name"] and isinstance(event["name"], str) and isinstance(event["args"], dict)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name") and event["args"]["name"]
            named.add(event["tid"])
            continue
        assert isinstance(event["ts"], (int, float)) and event["ts"] >= 0 and event["cat"]
        assert event["tid"] in named or event["cat"] == "dropped"
        if event["ph"] == "i":
            assert event["s"] in ("g", "p", "t")
            continue
        assert event["dur"] >= 0
        assert event["ts"] >= ends.get(event["tid"], 0) - 0.001, event
        ends[event["tid"]] = event["ts"] + event["dur"]
    return phases


# --- guests whose every step is known ---

@contextlib.contextmanager
def traced(path, kernel, *args, events=TRANSLATION, **more):
    """A machine with guest "a", traced from its first instruction on. Another one keeps the hart
    busy, or `time` would run away (house.py)."""
    vms = {"a": {"kernel": str(BUILD / f"guests/{kernel}.elf"), "vcpus": 1, "memory": 16 << 20,
                 **more}, "busy": good("hog")}
    with Machine(path, vms, *args, end="never", default="busy", limit=60) as machine:
        machine.ask("vm create a")
        machine.ask(f"trace a on {events}")
        yield machine


def read_all(machine, vm="a"):
    """All that is told until the guest has stopped."""
    told = []
    while True:
        stopped = machine.state(vm) == "stopped"
        rows = machine.ask(f"trace read {vm}")
        told += rows
        if stopped and not rows:
            return told


def events_of(path, kernel, *args, **more):
    """All translation events of a guest that runs to its end; none is lost."""
    with traced(path, kernel, *COUNTED, *args, **more) as machine:
        machine.ask("vm start a")
        told = read_all(machine)
        state = machine.ask("trace a")
        machine.quit()
    assert [event["n"] for event in told] == list(range(state["told"])) and state["dropped"] == 0
    for event in told:
        check_event(event)
    return told


def of_kind(told, *kinds):
    return [event for event in told if event["event"] in kinds]


PAGEWALK_SATP = ["0x800000000008023c", "0x0"] * 4


@pytest.mark.parametrize("policy", POLICIES)
def test_pagewalk_depriv(policy, tmp_path):
    """Four walks with translation on; each page is filled where the guest's table says, once."""
    told = events_of(tmp_path, "pagewalk", backend="depriv", shadow_policy=policy)
    both = of_kind(told, "satp", "fence")
    assert [event.get("satp", "fence") for event in both] == [
        word for satp in PAGEWALK_SATP for word in (satp, "fence")]
    fills = {event["at"]: event["gpa"] for event in of_kind(told, "fill")
             if event["stage"] == "shadow" and event["why"] == "page"}
    assert fills["0x1000201238"] == "0x8023d000"
    assert fills["0x1000412340"] == "0x80600000"
    # From the root that satp names down, each entry stands for one of the table above's choice.
    way = [(event["level"], event["table"], event["gpa"]) for event in of_kind(told, "fill")
           if event.get("at") == "0x1000201238" and "table" in event]
    assert way == [(2, "0x8023c000", "0x8023e000"), (1, "0x8023e000", "0x8023f000"),
                   (0, "0x8023f000", "0x8023d000")]
    # The 1 GiB leaf's part has a shadow already: that of Bare mode, which allows the same.
    assert [event["why"] for event in of_kind(told, "fill") if event.get("at") == "0x1040654320"][
        -1] == "table"
    [own] = [event for event in of_kind(told, "fault") if event["at"] == "0x1000202000"]
    assert own["why"] == "V = 0 in the VS-stage entry: the guest has nothing there."
    [given] = [event for event in of_kind(told, "inject") if event["cause"] == 13]
    assert (given["at"], given["pc"]) == ("0x1000202000", own["pc"])


@pytest.mark.parametrize("args", (pytest.param((), id="default"), ON_QEMU10))
def test_pagewalk_hext(args, tmp_path):
    """The guest's fences, its own page fault, the G-stage's fills; satp where QEMU lets it trap."""
    told = events_of(tmp_path, "pagewalk", *args, backend="hext")
    assert len(of_kind(told, "fence")) == len(PAGEWALK_SATP)
    if args:
        assert [event["satp"] for event in of_kind(told, "satp")] == PAGEWALK_SATP
    assert all(event["stage"] == "G" for event in of_kind(told, "fill"))
    own = [event for event in of_kind(told, "fault") if event["cause"] == 13]
    assert [event["at"] for event in own] == ["0x1000202000"]
    [given] = of_kind(told, "inject")
    assert (given["cause"], given["at"], given["pc"]) == (13, "0x1000202000", own[0]["pc"])


@pytest.mark.parametrize("backend", ("hext", "depriv"))
def test_faults_are_told(backend, tmp_path):
    """guests/faults says itself which exceptions it had: what Gnomon gave it is among them."""
    with traced(tmp_path, "faults", *COUNTED, backend=backend) as machine:
        machine.ask("vm start a")
        told = read_all(machine)
        said = machine.said("a")
        machine.quit()
    assert "Eleven exceptions, all as the specification says." in said
    causes = [int(number) for number in re.findall(r"scause +(\d+),", said)]
    given = [event["cause"] for event in of_kind(told, "inject") if event["cause"] < 32]
    if backend == "depriv":
        assert [cause for cause in given if cause in causes] == given
        assert set(given) == set(causes) - {9}      # a call of S-mode's is the SBI's
    else:
        assert {12, 13, 15} & set(causes) == {12, 13, 15} & set(given)


def without_host(told):
    """What an event says of the guest. Tables that a shadow has above the guest's are the host's."""
    return [{key: value for key, value in event.items() if key in (
        "event", "cause", "pc", "at", "gpa", "level", "asid", "satp", "value", "bytes", "why")}
        for event in told if event.get("stage") != "shadow" or event["why"] != "table"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kernel", ("pagewalk", "faults"))
def test_same_events_on_any_host(kernel, policy, tmp_path):
    """A core with H, one without, and those with narrower modes: the guest's events are the same."""
    hosts = {"h": HEXT, "no-h": NO_H, "sv48": (*NO_H, "--hyp-append", "host-mode=sv48"),
             "sv39": (*NO_H, "--hyp-append", "host-mode=sv39")}
    told = {name: without_host(events_of(tmp_path / name, kernel, *args, backend="depriv",
                                         shadow_policy=policy)) for name, args in hosts.items()}
    assert all(events == told["h"] for events in told.values())
    assert len(told["h"]) > 100


def test_filter_is_live(tmp_path):
    """Only what was asked for; another choice counts from then on; off, nothing is told."""
    with Machine(tmp_path, {"a": good("hog", backend="depriv")}, "--harts", 1) as machine:
        machine.ask("trace a on exit")
        seen = machine.until(lambda: machine.ask("trace read a"))
        assert {event["event"] for event in seen} <= {"exit", "enter"}
        machine.ask("trace a off")
        while machine.ask("trace read a"):
            pass
        told = machine.ask("trace a")["told"]
        machine.ask("vm pause a")
        machine.ask("vm resume a")
        assert machine.ask("trace a")["told"] == told
        machine.ask("trace a on fence")
        assert machine.ask("trace a")["events"] == "fence"
        machine.quit()


def test_memory_comes_back(tmp_path):
    """The ring is the VM's: what it took is free again when that is destroyed."""
    with Machine(tmp_path, {"a": good("hog"), "b": good("hog")}, "--harts", 1,
                 end="never") as machine:
        machine.ask("vm stop a")
        machine.reaches("a", "stopped")
        fixed = machine.ask("vm show a")["fixed_kib"]
        machine.ask("trace a on")
        assert machine.ask("vm show a")["fixed_kib"] - fixed == 2048
        machine.ask("trace a on fill")
        machine.ask("vm destroy a")
        machine.ask("vm create a")
        assert machine.ask("vm show a")["fixed_kib"] == fixed
        assert machine.ask("trace a")["state"] == "off"
        machine.quit()


# --- the guest doesn't notice ---

KNOWN = {"time in U: forbidden"}    # OpenSBI before 1.6 emulates it: README


@pytest.mark.parametrize("args,backend", (((), "hext"), ((), "depriv"),
                                          pytest.param(("--qemu", QEMU10), "hext", id="qemu10",
                                                       marks=pytest.mark.qemu10)))
@pytest.mark.parametrize("name", ("csr", "traps", "paging", "fences", "tables"))
def test_suites_while_traced(name, args, backend, tmp_path):
    """The in-guest suites pass as they do otherwise, with everything traced."""
    vms = {"a": {"kernel": suite(name), "vcpus": 2, "memory": 64 << 20, "backend": backend},
           "busy": good("hog")}
    with Machine(tmp_path, vms, "--harts", 2, *args, end="never", default="busy",
                 limit=100) as machine:
        machine.ask("vm create a")
        machine.ask("trace a on")
        machine.ask("vm start a")
        machine.reaches("a", "stopped")
        said = machine.said("a")
        assert machine.ask("trace a")["told"] > 100
        machine.quit()
    known = KNOWN if backend == "depriv" else set()
    assert set(failed(said)) <= known and re.search(r"^1\.\.\d+$", said, re.MULTILINE), said[-2000:]


def test_remote_fences(tmp_path):
    """What calls fence is told as what instructions do: all addresses, or all spaces, are no member."""
    vms = {"a": {"kernel": suite("harts"), "vcpus": 2, "memory": 64 << 20}, "busy": good("hog")}
    with Machine(tmp_path, vms, "--harts", 2, end="never", default="busy", limit=100) as machine:
        machine.ask("vm create a")
        machine.ask("trace a on fence")
        machine.ask("vm start a")
        machine.reaches("a", "stopped")
        seen = [event for event in read_all(machine) if "event" in event]
        machine.quit()
    for event in seen:
        check_event(event)
    shapes = {("at" in event, "asid" in event) for event in seen if event.get("why") == "sbi"}
    assert len(shapes) == 4, shapes


# --- step by step ---

SEE_SATP = (("depriv", NO_H), ("depriv", HEXT),
            pytest.param("hext", ("--qemu", QEMU10), id="hext-qemu10", marks=pytest.mark.qemu10))


def step(machine, *args):
    """The events that gnomon step shows, as (kind, sentence)."""
    machine.disconnect()
    done = launch("--control", machine.control, "a", *args, command="step")
    assert done.status == 0, done.err
    return [(line.split()[7], " ".join(line.split()[8:])) for line in done.out.splitlines()[1:]]


@pytest.mark.parametrize("backend,args", SEE_SATP)
def test_steps(backend, args, tmp_path):
    """From a guest's first instruction to its end, one event after the other, and no other ones."""
    with Machine(tmp_path, {"a": {"kernel": str(BUILD / "guests/pagewalk.elf"), "vcpus": 1,
                                  "memory": 16 << 20, "backend": backend}, "busy": good("hog")},
                 "--harts", 1, *args, end="never", default="busy", limit=60) as machine:
        machine.ask("vm create a")
        for turn in range(3):
            assert step(machine, "--events", "satp") == [
                ("satp", f"the guest writes satp {PAGEWALK_SATP[turn]}")]
            assert machine.state("a") == "paused"
            satp = machine.ask("vcpu regs a")["satp"]
            assert satp == PAGEWALK_SATP[turn], satp
        kinds = [kind for kind, _ in step(machine, "--count", "3")]
        assert len(kinds) == 3 and set(kinds) <= {"fault", "fence", "satp"}
        machine.disconnect()
        done = launch("--control", machine.control, "a", "--events", "evict", command="step")
        assert_one_line(done, 1, "a is (stopped|ending): none of these events came")
        machine.until(lambda: machine.state("a") == "stopped")
        assert machine.ask("trace a")["stepping"] is False
        assert "Hand and hardware agree." in machine.said("a")
        machine.quit()


def resumed(machine):
    """Go on until the guest is paused by a break, or stops; return the breaks' events."""
    machine.ask("vm resume a")
    machine.until(lambda: machine.state("a") in ("paused", "stopped"))
    return [event for event in machine.ask("trace read a") if event["event"] != "fence"]


@pytest.mark.parametrize("backend,args", SEE_SATP)
def test_breaks(backend, args, tmp_path):
    """pagewalk switches translation on and off: each time the address means something else."""
    with Machine(tmp_path, {"a": {"kernel": str(BUILD / "guests/pagewalk.elf"), "vcpus": 1,
                                  "memory": 16 << 20, "backend": backend}, "busy": good("hog")},
                 "--harts", 1, *args, end="never", default="busy", limit=60) as machine:
        machine.ask("vm create a")
        step(machine, "--events", "fault")
        machine.ask("break a map 1000201238")
        machine.ask("break a table 8023c000")
        machine.ask("break a table 8023e000")
        seen = []
        while machine.state("a") != "stopped":
            seen += resumed(machine)
        for event in seen:
            check_event(event)
        maps = [(event["why"], event["gpa"]) for event in seen if event.get("at") == "0x1000201238"
                and event["why"] != "walked"]
        assert maps == [("mapped", "0x8023d238"), ("mapped", "0x1000201238")] * 4
        # satp names the root; the table below it is found by the first fault that goes by it.
        [root] = of_kind(seen, "satp")
        assert root["satp"] == PAGEWALK_SATP[0]
        [walked] = [event for event in seen if event.get("why") == "walked"]
        assert (walked["gpa"], walked["level"]) == ("0x8023e000", 1)
        assert [row["on"] for row in machine.ask("break a")] == ["map"]
        machine.ask("break a clear")
        assert machine.ask("break a") == []
        machine.quit()


def test_table_stores_are_stepped(tmp_path):
    """Under trap, a guest's page-table stores one by one: their places and values follow."""
    with Machine(tmp_path, {"a": {"kernel": suite("tables"), "vcpus": 1, "memory": 64 << 20,
                                  "shadow_policy": "trap", "backend": "depriv"},
                            "busy": good("hog")},
                 "--harts", 1, end="never", default="busy", limit=60) as machine:
        machine.ask("vm create a")
        got = step(machine, "--events", "pt_store", "--count", "20")
        assert len(got) == 20
        for kind, text in got:
            assert kind == "pt_store"
            assert re.fullmatch(r"store to a page table at gpa 0x8[0-9a-f]{7}: 0x[0-9a-f]+,"
                                r" 0x[1248] bytes", text), text
        machine.quit()


# --- Linux, and files ---

def recorder(machine, *args):
    machine.disconnect()
    return subprocess.Popen([LAUNCHER, "trace", "--control", machine.control, *map(str, args)],
                            cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment())


def record(machine, *args, status=0):
    """Run the recorder to its end; return what it printed, and its last line."""
    process = recorder(machine, *args)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    return out, err


def sums(err):
    return tuple(map(int, re.search(r": (\d+) events, (\d+) lost", err).groups()))


def linux(command, **more):
    return {"kernel": IMAGE, "initrd": INITRD, "vcpus": 2, "memory": 256 << 20,
            "bootargs": f'console=ttyS0 cryptomgr.notests gnomon.run="{command}"', **more}


LOOP = "while true; do seq 200 | sort -rn | head -n 1; done"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ("hext", "depriv"))
def test_linux_steps(backend, tmp_path):
    """A Linux on two vcpus, fence by fence, and with a break at its kernel's text, which stays where
    it is; it goes on as if nothing had been."""
    with Machine(tmp_path, {"a": linux(LOOP, backend=backend)}, "--harts", 2, limit=150) as machine:
        machine.until(lambda: "200\n" in machine.said("a"))
        stepped = step(machine, "--events", "fence", "--count", "5")
        assert [kind for kind, _ in stepped] == ["fence"] * 5
        for _ in range(200):  # its event may come before the command for it is over
            machine.ask("vm resume a")
            machine.ask("step a fence")
            machine.until(lambda: machine.ask("trace a")["paused_by"] is not None)
            assert machine.state("a") == "paused"
        machine.ask("break a map ffffffff80002000")
        machine.ask("vm resume a")
        said = len(machine.said("a"))
        machine.until(lambda: len(machine.said("a")) > said + 40)
        assert machine.state("a") == "running"
        machine.ask("break a clear")
        assert not re.search("Oops|BUG|panic|stall", machine.said("a"))
        machine.quit()


@pytest.mark.slow
@pytest.mark.parametrize("args,backend", (
    ((), "hext"), ((), "depriv"),
    pytest.param(("--qemu", QEMU10), "hext", id="qemu10", marks=pytest.mark.qemu10)))
def test_linux_files(args, backend, tmp_path):
    """A running Linux in each format: files that obey their formats, with what was lost in them; the
    guest doesn't notice."""
    with Machine(tmp_path, {"a": linux(LOOP, backend=backend)}, "--harts", 2, *args,
                 limit=150) as machine:
        machine.until(lambda: "200\n" in machine.said("a"))
        path = tmp_path / "t.jsonl"
        _, err = record(machine, "--format", "jsonl", "--out", path, "--seconds", 3)
        events, lost = check_lines(path.read_text().splitlines())
        assert sums(err) == (len(events), lost) and events
        assert {"exit", "enter", "fault", "fence"} <= {event["event"] for event in events}
        assert {event["vcpu"] for event in events} == {0, 1}
        path = tmp_path / "t.json"
        record(machine, "a", "--format", "chrome", "--out", path, "--seconds", 2)
        phases = check_chrome(path)
        assert phases["X"] and {"fault", "fence"} <= {event["name"] for event in phases["i"]}
        out, err = record(machine, "--events", "satp,fence", "--seconds", 1)
        words = [line.split() for line in out.splitlines()[1:] if "lost here" not in line]
        assert words and {line[7] for line in words} <= {"satp", "fence"}
        said = len(machine.said("a"))
        machine.until(lambda: len(machine.said("a")) > said + 40)
        assert not re.search("Oops|BUG|panic", machine.said("a"))
        machine.quit()


def test_overflow_is_told(tmp_path):
    """Nobody reads for a while: what was overwritten is counted, in its place, once."""
    with traced(tmp_path, "hog", "--harts", 1, events="exit", backend="depriv") as machine:
        machine.ask("vm start a")
        room = machine.ask("trace a")["room"]
        machine.until(lambda: machine.ask("trace a")["told"] > room + 1000)
        machine.ask("trace a off")
        state = machine.ask("trace a")
        assert state["dropped"] == state["told"] - room and state["unread"] == room
        told, rows = [], True
        while rows:
            rows = machine.ask("trace read a")
            told += rows
        assert told[0] == {"dropped": state["dropped"]}
        assert [event["n"] for event in told[1:]] == list(range(state["dropped"], state["told"]))
        machine.quit()


@pytest.mark.parametrize("how", (signal.SIGINT, signal.SIGTERM))
def test_stopped_by_a_signal(how, tmp_path):
    """The file is whole, and the trace is off."""
    path = tmp_path / "t.json"
    with Machine(tmp_path, {"a": good("hog")}, "--harts", 1) as machine:
        machine.until(lambda: machine.state("a") == "running")
        process = recorder(machine, "--format", "chrome", "--out", path)
        machine.until(lambda: path.exists() and path.stat().st_size)
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0 and sums(err)
        check_chrome(path)
        assert machine.ask("trace a")["state"] == "off"
        machine.quit()


@pytest.mark.parametrize("words,told", (
    (("trace", "--out", "/dev/null"), "gnomon trace: a is recorded until Ctrl-C"),
    (("step", "--events", "evict"), "gnomon step: a runs, and none of these events came yet"),
), ids=lambda words: words[0] if isinstance(words, tuple) else "")
def test_terminal_is_told(words, told, tmp_path):
    """Where nothing is to be seen one knows what is waited for, and how it ends."""
    with Machine(tmp_path, {"a": good("hog")}, "--harts", 1) as machine:
        machine.until(lambda: machine.state("a") == "running")
        machine.disconnect()
        child = pexpect.spawn(str(LAUNCHER), [*words, "--control", str(machine.control)],
                              encoding="utf-8", timeout=20, env=environment())
        child.expect_exact(told)
        child.sendintr()
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
        machine.quit()


def test_machine_ends_first(tmp_path):
    path = tmp_path / "t.jsonl"
    with Machine(tmp_path, {"a": good("hog")}, "--harts", 1) as machine:
        machine.until(lambda: machine.state("a") == "running")
        process = recorder(machine, "--format", "jsonl", "--out", path)
        machine.until(lambda: path.exists() and path.stat().st_size)
        assert launch("--control", machine.control, "quit", command="ctl").status == 0
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0 and "the machine ended" in err
        check_lines(path.read_text().splitlines())


@pytest.mark.parametrize("words,status,why", (
    (("--events", "frob"), 2, "--events: 'frob' is none of exit fault fill"),
    (("--events", "exit,"), 2, "--events: '' is none of"),
    (("c",), 1, "c isn't the name of a VM; there is a, b"),
    ((), 2, "say which VM: a, b"),
    (("a", "--out", "/nowhere/x"), 2, "/nowhere/x: No such file or directory"),
))
def test_wrong_words(words, status, why, tmp_path):
    with Machine(tmp_path, {"a": good("hog"), "b": good("hog")}, "--harts", 1) as machine:
        machine.until(lambda: machine.state("a") == "running")
        machine.disconnect()
        assert_one_line(launch("--control", machine.control, *words, command="trace"), status,
                        re.escape(why))
        machine.quit()


def test_no_machine(tmp_path):
    assert_one_line(launch("--control", tmp_path / "none", command="trace"), 1, "no machine there")
