"""gnomon explore: what it records of a running guest, and the page that it puts that in.

Its one invariant: the page is the explorer as it was built, with data in one place; what the page
makes of the data tests/explorer/ checks, in a browser.
Read next: house.py; docs/explorer.md; tests/explorer/page.mjs.
"""

import json
import re

import pytest
from house import Machine, good
from machine import BUILD, NO_H, assert_one_line, launch

pytestmark = pytest.mark.explorer
PAGE = BUILD / "explorer.html"


def embedded(path):
    """The objects that a written page has for data, and their name; the rest is as built."""
    text = path.read_text()
    place = re.search(r' data-name="([^"<>]*)">([^<]*)</script>', text)
    assert text.replace(place[0], "></script>") == PAGE.read_text()
    return place[1], [json.loads(line) for line in place[2].splitlines()]


def explore(machine, *args):
    return launch(*args, "--control", machine.control, command="explore", limit=60)


@pytest.mark.parametrize("core", (pytest.param((), id="hext"), pytest.param(NO_H, id="depriv")))
def test_records(tmp_path, monkeypatch, core):
    out = tmp_path / "page.html"
    vms = {"a": good("hog", vcpus=2), "idle": good("hog")}
    with Machine(tmp_path, vms, "--harts", 2, *core, default="a", end="never") as machine:
        machine.reaches("a", "running")
        machine.ask("vm create idle")
        machine.disconnect()
        # What its vcpus use at this moment, and a trace.
        run = explore(machine, "a", "--seconds", 0.5, "--out", out)
        assert run.status == 0, run
        name, lines = embedded(out)
        header = next(n for n, line in enumerate(lines) if "gnomon_trace" in line)
        assert lines[header]["vm"] == name == "a"
        assert {line["about"]["vcpu"] for line in lines[:header]} == {0, 1}
        assert all("event" in line or "dropped" in line for line in lines[header + 1:])
        events = sum(line.get("event", "enter") != "enter" for line in lines[header + 1:])
        assert f"{header} walks and {events} events in {out} (an exit and" in run.err
        assert machine.state("a") == "running"
        machine.disconnect()
        run = explore(machine, "a", "--seconds", 0.5, "--events", "fault", "--out", out)
        assert run.status == 0, run
        assert {line.get("event", "fault") for line in embedded(out)[1]} == {"fault"}
        # Addresses that are named, and no trace; who was paused stays so.
        machine.ask("vm pause a")
        machine.reaches("a", "paused")
        machine.disconnect()
        monkeypatch.setenv("BROWSER", "false")
        run = explore(machine, "a.1", "0x80200000:x", "0x0", "--seconds", 0, "--out", out, "--open")
        assert run.status == 0, run
        assert run.err == (f"gnomon explore: 2 walks and 0 events in {out}\n"
                           "gnomon explore: there is no browser here; open"
                           f" {out.as_uri()} in one\n")
        name, lines = embedded(out)
        abouts = [line["about"] for line in lines]
        assert name == "a.1" and all(line["ok"] for line in lines)
        assert [(a["gva"], a["access"], a["vcpu"]) for a in abouts] == [
            ("0x80200000", "fetch", 1), ("0x0", "load", 1)]
        assert abouts[0]["works"] and not abouts[1]["works"]
        assert machine.state("a") == "paused"
        machine.disconnect()
        refused(machine, tmp_path)


def refused(machine, path):
    for args, status, pattern in (
            (("idle",), 1, r"idle is stopped"),
            ((), 2, r"say which VM: a, idle"),
            (("frob",), 1, r"frob isn't the name of a VM; there is a, idle"),
            (("a.9",), 1, r'"a.9" isn\'t a VM\'s name'),
            (("a", "80200000"), 2, r"'80200000': an address is written 0x"),
            (("a", "0x1:rw"), 2, r"'0x1:rw': an address is written 0x"),
            (("a", "--events", "frob"), 2, r"'frob' is none of exit "),
            (("a", "--out", path / "no/page.html"), 2, r"/no is no folder")):
        assert_one_line(explore(machine, *args), status, pattern)


def test_no_machine(tmp_path):
    assert_one_line(launch("--control", tmp_path / "none", command="explore"), 1, "no machine there")
