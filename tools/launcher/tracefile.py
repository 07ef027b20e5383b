"""Files of traces, in three formats: lines of JSON, lines for people, Chrome's trace format.

Its one invariant: a file is whole after each event, or can be made so by end(): whoever stops the
recording early has all that was read until then.
Read next: docs/trace.md (what each event means), tracing.py (who reads them from a machine).
"""

import json

# "Supervisor Cause Register", and the H extension's; interrupts from 32 on.
CAUSES = {
    0: "instruction address misaligned", 1: "instruction access fault", 2: "illegal instruction",
    3: "breakpoint", 4: "load address misaligned", 5: "load access fault",
    6: "store address misaligned", 7: "store access fault", 8: "call from user mode",
    9: "call from supervisor mode", 10: "call from the guest's supervisor mode",
    12: "instruction page fault", 13: "load page fault", 15: "store page fault",
    20: "instruction guest page fault", 21: "load guest page fault", 22: "virtual instruction",
    23: "store guest page fault", 33: "software interrupt", 37: "timer interrupt",
    41: "external interrupt",
}

# What each kind of event says, for people. Members that an event lacks are left out with the words
# before them: what is between two bars is there or not as one.
WORDS = {
    "exit": "leaves the guest: {cause}|, at pc {pc}|, stval {at}",
    "enter": "goes on| at pc {pc}",
    "fault": "{cause} at {at}|, by the instruction at {pc}|, gpa {gpa}|: {why}",
    "fill": "{stage}: {why}|, level {level}|, of table {table}|, for gva {at}|, gpa {gpa}| to hpa {hpa}"
            "|, entry {entry}",
    "fence": "the guest fences| by the SBI ({why})|, gva {at}|, {bytes} bytes|, ASID {asid}",
    "satp": "the guest writes satp {satp}",
    "inject": "the guest gets: {cause}|, at pc {pc}|, stval {at}",
    "pt_store": "store to a page table at gpa {gpa}|: {value}|, {bytes} bytes",
    "sync": "the guest's entry at gpa {gpa}|, level {level}|, was {entry}|, is {value}|: {why}",
    "unshadow": "the page at gpa {gpa} isn't protected any more|: {why}",
    "break": "{why}: |gva {at}|, by the entry {entry}|, gpa {gpa}|, table of level {level}",
    "evict": "the shadow of gpa {gpa}|, level {level}| makes room",
}
EVENTS = [kind for kind in WORDS if kind not in ("enter", "break")]    # that can be asked for
INSTANTS = {*EVENTS, "break"} - {"exit"}


def cause_text(number):
    return CAUSES.get(number, f"cause {number}")


def sentence(event):
    """What happened, in words."""
    told = {key: cause_text(value) if key == "cause" else value for key, value in event.items()}
    said = ""
    for part in WORDS.get(event["event"], "").split("|"):
        try:
            said += part.format(**told)
        except KeyError:
            continue
    return said


class Jsonl:
    """One JSON object a line, the first about the whole."""

    def __init__(self, out, about):
        self.out = out
        self.line({"gnomon_trace": 1, **about})

    def line(self, value):
        self.out.write(json.dumps(value, separators=(",", ":")) + "\n")

    def event(self, event):
        self.line(event)

    def dropped(self, count):
        self.line({"dropped": count})

    def end(self):
        self.out.flush()


class Text(Jsonl):
    """Lines for people: seconds since the first event, who, what."""

    def __init__(self, out, about):
        self.out, self.timebase, self.first = out, about["timebase"], None
        policy = f", policy {about['policy']}" if about["policy"] else ""
        out.write(f"trace of {about['vm']}: backend {about['backend']}{policy}, time in s\n")

    def event(self, event):
        if self.first is None:
            self.first = event["time"]
        seconds = (event["time"] - self.first) / self.timebase
        self.out.write(f"{event['n']:8} {seconds:12.7f}  vcpu {event['vcpu']} on hart"
                       f" {event['hart']}  {event['event']:8}  {sentence(event)}\n")

    def dropped(self, count):
        self.out.write(f"         ... {count} events were lost here ...\n")


class Chrome:
    """Chrome's trace format, which ui.perfetto.dev and chrome://tracing open: a process a VM, a
    thread a vcpu, a slice an exit, an instant any other event."""

    def __init__(self, out, about):
        self.out, self.vm, self.timebase = out, about["vm"], about["timebase"]
        self.away = {}      # by vcpu: the exit that it hasn't come back from
        self.known = set()
        self.last = 0.0
        out.write('{"otherData":' + json.dumps({key: str(value) for key, value in about.items()})
                  + ',"displayTimeUnit":"ns","traceEvents":[\n')
        self.put({"ph": "M", "pid": 1, "tid": 0, "name": "process_name",
                  "args": {"name": f"VM {self.vm}"}}, first=True)

    def put(self, event, first=False):
        self.out.write(("" if first else ",\n") + json.dumps(event, separators=(",", ":")))

    def microseconds(self, ticks):
        return round(ticks * 1000000 / self.timebase, 3)

    def thread(self, vcpu):
        if vcpu not in self.known:
            self.known.add(vcpu)
            self.put({"ph": "M", "pid": 1, "tid": vcpu, "name": "thread_name",
                      "args": {"name": f"{self.vm}.{vcpu}"}})
        return {"pid": 1, "tid": vcpu}

    def slice(self, event, until):
        """The exit @event, which lasted until @until, microseconds."""
        at = self.microseconds(event["time"])
        self.put({"ph": "X", **self.thread(event["vcpu"]), "ts": at, "dur": max(0.0, until - at),
                  "name": event.get("why", "exit"), "cat": "exit", "args": details(event)})

    def event(self, event):
        at = self.last = self.microseconds(event["time"])
        vcpu = event["vcpu"]
        left = self.away.pop(vcpu, None) if event["event"] in ("exit", "enter") else None
        if left:
            self.slice(left, at)
        if event["event"] == "exit":
            self.away[vcpu] = event
        elif event["event"] in INSTANTS:
            self.put({"ph": "i", "s": "t", **self.thread(vcpu), "ts": at, "name": event["event"],
                      "cat": event["event"], "args": {**details(event), "text": sentence(event)}})

    def dropped(self, count):
        """Who was away may have come back meanwhile: how long isn't known."""
        self.end_slices()
        self.put({"ph": "i", "s": "p", "pid": 1, "tid": 0, "ts": self.last, "name":
                  f"{count} events lost", "cat": "dropped", "args": {"dropped": count}})

    def end_slices(self):
        for event in self.away.values():
            self.slice(event, self.last)
        self.away.clear()

    def end(self):
        self.end_slices()
        self.out.write("\n]}\n")
        self.out.flush()


def details(event):
    return {key: value for key, value in event.items()
            if key not in ("event", "vcpu", "time") and value is not None}


FORMATS = {"text": Text, "jsonl": Jsonl, "chrome": Chrome}
