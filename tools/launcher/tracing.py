"""gnomon trace: record what happens to a VM of a machine that runs, until it is told to stop.

Its one invariant: however it ends, by time, by a signal or with the machine, the trace is off
again, if there still is a machine, and the file is whole.
Read next: tracefile.py (the formats), docs/trace.md.
"""

import contextlib
import json
import math
import signal
import sys
import time

from launcher.common import OK, Failure
from launcher.control import ask, find_machine, printable
from launcher.tracefile import EVENTS, FORMATS, Text

PAUSE = 0.05    # between two looks, where there was nothing new
PATIENCE = 2    # seconds until who waits for an event is told that he does
LIMIT = 30      # seconds for an answer: a busy machine may take long


class MachineEnded(Exception):
    """The machine is gone, and what it hadn't told yet with it."""


class Session:
    """Commands for the monitor of one machine. Each has a connection of its own, so that others get
    their turn in between."""

    def __init__(self, path):
        self.path, self.answered = path, False

    def ask(self, line):
        """The result of a command; it must succeed."""
        try:
            answer = ask(self.path, line, LIMIT)
        except Failure:
            if self.answered:
                raise MachineEnded from None
            raise
        if answer is None:
            raise MachineEnded
        self.answered = True
        try:
            told = json.loads(answer)
            good, result = told["ok"], told.get("result")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Failure(1, f"{self.path}: no answer of Gnomon's:"
                             f" {printable(answer[:100].strip())}") from None
        if not good:
            raise Failure(1, printable(told.get("error")))
        return result


class Stop:
    """Set by Ctrl-C and by a termination: what is under way is finished, then the file."""

    def __init__(self):
        self.wanted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.want)

    def want(self, *_):
        self.wanted = True


def hint(text):
    """Who sits at a terminal where nothing comes knows what is waited for."""
    if sys.stderr.isatty():
        print(f"gnomon {text}", file=sys.stderr)


def choose_vm(session, name):
    names = [row["name"] for row in session.ask("vm list")]
    if name is None and len(names) == 1:
        return names[0]
    if name is None:
        raise Failure(2, f"say which VM: {', '.join(names) or 'there is none'}")
    if name not in names:
        raise Failure(1, f"{name} isn't the name of a VM; there is {', '.join(names)}")
    return name


def take(session, vm, to):
    """Write what one answer has; return how many events that was, and how many were lost."""
    rows = session.ask(f"trace read {vm}")
    lost = 0
    for row in rows:
        if "dropped" in row:
            lost += row["dropped"]
            to.dropped(row["dropped"])
        else:
            to.event(row)
    return sum("event" in row for row in rows), lost


def record(session, vm, to, seconds, stop):
    """Until @seconds are over or @stop; return the sums, and whether the machine still is there."""
    end = time.monotonic() + seconds if seconds else None
    events = lost = 0
    is_on = True
    try:
        while True:
            if is_on and (stop.wanted or (end is not None and time.monotonic() >= end)):
                session.ask(f"trace {vm} off")
                is_on = False
            more = take(session, vm, to)
            events, lost = events + more[0], lost + more[1]
            if not any(more) and not is_on:
                return events, lost, True
            if not any(more):
                time.sleep(PAUSE)
    except MachineEnded:
        return events, lost, False


def begin(session, vm, events):
    """Switch the trace on, from now on; what an earlier one left is forgotten. Return what there
    is to know."""
    session.ask(f"trace {vm} off")
    while session.ask(f"trace read {vm}"):
        pass
    session.ask(f"trace {vm} on" + (f" {events}" if events else ""))
    state = session.ask(f"trace {vm}")
    return {"vm": vm, "backend": state["backend"], "policy": state["policy"],
            "timebase": state["timebase"], "dropped": 0}


def open_out(path):
    if path is None:
        return contextlib.nullcontext(sys.stdout)
    try:
        return open(path, "w", encoding="utf-8")
    except OSError as error:
        raise Failure(2, f"{path}: {error.strerror}") from None


def check_events(words):
    for word in words.split(",") if words is not None else ():
        if word not in EVENTS:
            raise Failure(2, f"--events: {word!r} is none of {' '.join(EVENTS)}")


def wait_for_stop(session, vm, stop):
    """Until an event has paused @vm; return its number, None where @stop came first."""
    patient_until = time.monotonic() + PATIENCE
    while not stop.wanted:
        if time.monotonic() > patient_until:
            hint(f"step: {vm} runs, and none of these events came yet; Ctrl-C ends the wait")
            patient_until = math.inf
        by = session.ask(f"trace {vm}")["paused_by"]
        state = next(row["state"] for row in session.ask("vm list") if row["name"] == vm)
        if by is not None and state == "paused":
            return by
        if state not in ("running", "paused"):
            raise Failure(1, f"{vm} is {state}: none of these events came")
        time.sleep(PAUSE)
    session.ask(f"trace {vm} off")
    return None


def command_step(args):
    check_events(args.events)
    session = Session(args.control or find_machine())
    stop = Stop()
    try:
        vm = choose_vm(session, args.vm)
        state = session.ask(f"trace {vm}")
        to = Text(sys.stdout, state)
        for _ in range(args.count):
            session.ask(f"step {vm}" + (f" {args.events}" if args.events else ""))
            if wait_for_stop(session, vm, stop) is None:
                break
            while any(take(session, vm, to)):
                pass
            sys.stdout.flush()
    except MachineEnded:
        raise Failure(1, "the machine ended before such an event") from None
    return OK


def command_trace(args):
    check_events(args.events)
    session = Session(args.control or find_machine())
    stop = Stop()
    try:
        vm = choose_vm(session, args.vm)
        about = begin(session, vm, args.events)
    except MachineEnded:
        raise Failure(1, f"{session.path}: the machine ended before it answered") from None
    with open_out(args.out) as out:
        if args.out:
            hint(f"trace: {vm} is recorded "
                 + (f"for {args.seconds:g} s" if args.seconds else "until Ctrl-C"))
        to = FORMATS[args.format](out, about)
        try:
            events, lost, still_there = record(session, vm, to, args.seconds, stop)
        except BrokenPipeError:
            raise Failure(1, "nobody reads the trace any more") from None
        to.end()
    print(f"gnomon trace: {vm}: {events} events, {lost} lost"
          + ("" if still_there else "; the machine ended"), file=sys.stderr)
    return OK
