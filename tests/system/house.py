"""A machine with several guests: described in a file of its own, each guest's console in a file,
and its monitor asked over the control socket.

Its one invariant: nothing here waits for time to pass; what is waited for is seen, or the
machine's own limit ends the wait.
Read next: test_many.py.
"""

import contextlib
import json
import pathlib
import socket
import subprocess
import time

from machine import LAUNCHER, QEMU10, REPO, environment, suite, unix

# Time is what instructions take, 16 ns each: no figure depends on what else this computer does, and
# a slice is 625,000 instructions. While all harts wait, QEMU goes on to its next timer at once; its
# network always has one, so that it would do nothing else any more.
COUNTING = tuple(f"--qemu-arg={word}" for word in (
    "-icount", "shift=4,sleep=off", "-seed", "1", "-rtc", "base=2024-01-01,clock=vm",
    "-nic", "none"))
COUNTED = ("--harts", 1, *COUNTING)
# Several harts take turns, each of at most what is left until the next timer. QEMU 7.2 starves
# some for good.
COUNTED_TWO = ("--harts", 2, "--qemu", QEMU10, *COUNTING)
SLICE_US = 10000


def guest(kernel, **more):
    """A small VM that runs a guest of tests/guest."""
    return {"kernel": suite(kernel), "vcpus": 1, "memory": 16 << 20, **more}


def good(act, **more):
    """One that does what good.c calls @act."""
    return guest("good", bootargs=act, **more)


def bad(act, **more):
    """One that does what bad.c calls @act."""
    return guest("bad", bootargs=act, **more)


def written(name, value):
    """A property's value as device-tree source."""
    if name == "memory":
        return f"<{value >> 32:#x} {value & 0xffffffff:#x}>"
    values = value if isinstance(value, (tuple, list)) else (value,)
    if isinstance(values[0], int):
        return f"<{' '.join(map(str, values))}>"
    return ", ".join('"' + word.replace('"', '\\"') + '"' for word in map(str, values))


def description(vms, **top):
    """The source that describes @vms, properties by name, and what /vms itself says.

    A property that is True is a flag; one that is a dictionary, a node.
    """
    def line(key, value):
        key = key.replace("_", "-")
        if value is True:
            return f"{key};"
        return node(key, value) if isinstance(value, dict) else f"{key} = {written(key, value)};"

    def node(name, properties):
        nodes_last = sorted(properties.items(), key=lambda item: isinstance(item[1], dict))
        return f"{name} {{ " + " ".join(line(*item) for item in nodes_last) + " };\n"
    inner = "".join(f"{key} = {written(key, value)};\n" for key, value in top.items())
    inner += "".join(node(name, properties) for name, properties in vms.items())
    return "/dts-v1/;\n/ { vms {\n" + inner + "}; };\n"


class Refused(Exception):
    """The monitor answered that it couldn't."""


class Machine:
    """Runs @vms under the launcher; see description() for @top. With @limit seconds to live.

    Each guest but those in @shared has its console in a file.
    """

    def __init__(self, path, vms, *args, limit=60, shared=(), **top):
        self.path, self.vms = pathlib.Path(path), vms
        self.path.mkdir(parents=True, exist_ok=True)
        source = self.path / "vms.dts"
        source.write_text(description(vms, **top))
        consoles = [word for name in vms if name not in shared
                    for word in ("--console", f"{name}=file:{self.log(name)}")]
        self.out = open(self.path / "out", "w+b")
        self.deadline = time.monotonic() + limit
        self.process = subprocess.Popen(
            [LAUNCHER, "run", str(source), "--timeout", str(limit), "--control", self.control,
             *consoles, *map(str, args)],
            cwd=REPO, stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT,
            env=environment())
        self.socket = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.socket:
            self.socket.close()
        # A terminated launcher takes its QEMU along; a killed one wouldn't.
        self.process.terminate()
        self.process.wait(20)
        self.out.close()

    @property
    def control(self):
        return str(self.path / "control")

    def log(self, name):
        return self.path / f"{name}.log"

    def said(self, name):
        """What guest @name has said so far."""
        return unix(self.log(name).read_bytes()) if self.log(name).exists() else ""

    def output(self):
        """What the machine's own console and the launcher said."""
        return unix((self.path / "out").read_bytes())

    def until(self, seen):
        """Wait until seen() is true; return that."""
        while not (value := seen()):
            assert self.process.poll() is None, self.output()[-2000:]
            assert time.monotonic() < self.deadline, self.output()[-2000:]
            time.sleep(0.02)
        return value

    def connect(self):
        def tried():
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(self.control)
                return True
            return False
        self.until(tried)
        self.socket.settimeout(60)
        self.lines = self.socket.makefile("rwb")

    def disconnect(self):
        """Let others speak with the monitor; there is room for one."""
        if self.socket:
            self.lines.close()
            self.socket.close()
        self.socket = None

    def say(self, line):
        """Give the monitor one line, of any bytes; return its answer."""
        if not self.socket:
            self.connect()
        self.lines.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
        self.lines.flush()
        return json.loads(self.lines.readline())

    def ask(self, line):
        """The result of a command that must succeed."""
        answer = self.say(line)
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer["result"]

    def vm(self, name):
        return next(row for row in self.ask("vm list") if row["name"] == name)

    def state(self, name):
        return self.vm(name)["state"]

    def reaches(self, name, state):
        self.until(lambda: self.state(name) == state)

    def pause(self, name):
        """Pause @name; return when none of its vcpus is on a hart any more."""
        self.ask(f"vm pause {name}")
        self.until(lambda: all(row["place"] == "off" for row in self.ask(f"vcpu list {name}")))

    def ran(self):
        """For each VM, how long its vcpus ran so far, in ms of the machine's."""
        sums = dict.fromkeys(self.vms, 0)
        for row in self.ask("vcpu list"):
            sums[row["vcpu"].rpartition(".")[0]] += row["ran_ms"]
        return sums

    def free(self):
        """KiB that nobody has."""
        return next(row["used_kib"] for row in self.ask("mem") if row["owner"] == "(free)")

    def quit(self):
        """The operator ends the machine; that is success."""
        if not self.socket:
            self.connect()
        self.lines.write(b"quit\n")
        self.lines.flush()
        assert self.process.wait(20) == 0, self.output()[-2000:]

    def end(self):
        """Wait for the machine's end; return its status."""
        return self.process.wait(max(1, self.deadline - time.monotonic()) + 10)
