"""gnomon explore: record a running guest for the explorer: how some of its addresses are
translated, what happens to it for a while, and both in one HTML file that shows them.

Its one invariant: what a guest, or a file of the host, may have said stands in the page as data;
nothing of it can end the element that it is in.
Read next: docs/explorer.md; tools/explorer/reader.js, who reads what is embedded.
"""

import argparse
import contextlib
import json
import pathlib
import re
import sys
import tempfile
import time
import webbrowser

from launcher.common import BUILD, OK, Failure, bad_file
from launcher.control import answered, choose_vm, find_machine
from launcher.tracing import check_events, command_trace

PAGE = BUILD / "explorer.html"
PAUSE = 0.02    # between two looks
PLACE = 'id="data">'
ADDRESS = re.compile(r"(0x[0-9a-f]{1,16})(?::([rwx]))?", re.IGNORECASE)
# Where a vcpu is sure to use its memory: what it executes, where it will return to, its stack.
REGISTERS = {"pc": "x", "ra": "x", "sp": "w"}


def address(word):
    """GVA or GVA:ACCESS, as (gva, access)."""
    match = ADDRESS.fullmatch(word)
    if not match:
        raise Failure(2, f"{word!r}: an address is written 0x..., or 0x...:r, :w or :x")
    return match[1], match[2] or "r"


def state(path, name, limit):
    rows = answered(path, "vm list", limit)["result"]
    return next((row["state"] for row in rows if row["name"] == name), "destroyed")


@contextlib.contextmanager
def paused(path, name, limit):
    """While it is paused all that is read of a guest is of one moment."""
    if state(path, name, limit) != "running":
        yield
        return
    answered(path, f"vm pause {name}", limit)
    try:
        end = time.monotonic() + limit
        while any(row["place"] != "off"
                  for row in answered(path, f"vcpu list {name}", limit)["result"]):
            if time.monotonic() > end:
                raise Failure(1, f"{name} doesn't pause within {limit:g} s")
            time.sleep(PAUSE)
        yield
    finally:
        answered(path, f"vm resume {name}", limit)


def used(path, vm, limit):
    """Addresses that the guest's vcpus, or the one that was named, use at this moment."""
    name, _, number = vm.partition(".")
    rows = answered(path, f"vcpu list {name}", limit)["result"]
    for vcpu in [vm] if number else [row["vcpu"] for row in rows]:
        registers = answered(path, f"vcpu regs {vcpu}", limit)["result"]
        for register, access in REGISTERS.items():
            yield vcpu, registers[register], access


def walks(path, wanted, limit):
    """The monitor's answers, a line each."""
    for vm, gva, access in wanted:
        told = answered(path, f"xlate {vm} {gva} {access}", limit)
        yield json.dumps({key: told[key] for key in ("ok", "result", "about")})


def record_trace(path, vm, seconds, events):
    """The lines of a trace of so many seconds, or none."""
    if not seconds:
        return []
    with tempfile.TemporaryDirectory(prefix="gnomon-") as work:
        out = pathlib.Path(work) / "trace"
        command_trace(argparse.Namespace(vm=vm.partition(".")[0], events=events, seconds=seconds,
                                         out=str(out), format="jsonl", control=path))
        return out.read_text(encoding="utf-8").splitlines()


def events_of(lines):
    """How many events the page will show; an exit and its return are one there."""
    return sum(json.loads(line).get("event", "enter") != "enter" for line in lines)


def embed(page, name, lines):
    """The page with these lines of JSON as its data."""
    if page.count(PLACE) != 1:
        raise bad_file(f"{PAGE} isn't the explorer: run make build/explorer.html")
    title = re.sub(r"[^\w. -]", "_", name)
    data = "\n".join(lines).replace("<", "\\u003c")
    return page.replace(PLACE, f'{PLACE[:-1]} data-name="{title}">{data}')


def read_page():
    try:
        return PAGE.read_text(encoding="utf-8")
    except OSError as error:
        raise bad_file(f"{PAGE}: {error.strerror}: run make build/explorer.html") from None


def browse(out):
    if not webbrowser.open(out.resolve().as_uri()):
        print(f"gnomon explore: there is no browser here; open {out.resolve().as_uri()} in one",
              file=sys.stderr)


def command_explore(args):
    check_events(args.events)
    page = read_page()
    path = args.control or find_machine()
    vm, words = choose_vm(path, args.words, args.timeout)
    wanted = [(vm, *address(word)) for word in words]
    out = pathlib.Path(args.out or f"explore-{re.sub(r'[^a-zA-Z0-9_.-]', '_', vm)}.html")
    if not out.parent.is_dir():
        raise Failure(2, f"{out}: {out.parent} is no folder")
    with paused(path, vm.partition(".")[0], args.timeout):
        wanted = wanted or dict.fromkeys(used(path, vm, args.timeout))
        lines = list(walks(path, wanted, args.timeout))
    trace = record_trace(path, vm, args.seconds, args.events)
    try:
        out.write_text(embed(page, vm, lines + trace), encoding="utf-8")
    except OSError as error:
        raise Failure(2, f"{out}: {error.strerror}") from None
    print(f"gnomon explore: {len(lines)} walks and {events_of(trace)} events in {out}"
          + (" (an exit and its return are one)" if args.seconds else ""), file=sys.stderr)
    if args.open:
        browse(out)
    return OK
