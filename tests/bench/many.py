"""What several guests cost each other, in instructions: switches, wake-ups, starts; and in memory.

The machine has one hart, and its instructions are counted, those of firmware and hypervisor
included, from one function of the hypervisor's to another (count.c's `watch`), or from one mark of
a guest's to the next.
Its one invariant: what is measured runs by itself, or by commands given on the control port; and
what was not reached as often as it must be is no figure.
Read next: many.c (the guests), bench (its caller, which has the targets).
"""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time

CROSS = os.environ.get("CROSS", "riscv64-linux-gnu-")
TIMEOUT = 40
WARM_UP, SWITCHES = 200, 1000

# Functions of the hypervisor's that are watched.
COMMAND = "monitor_control"  # a line has come on the control port
BYTE = "port_put"            # a guest says something on its console
LOAD = "vcpu_load"           # a vcpu is put on the hart
START, PARK = "vm_start", "vm_park"

VM = """\t\t{name} {{
\t\t\tcompatible = "gnomon,vm";
\t\t\tkernel = "{kernel}";
\t\t\tvcpus = <{vcpus}>;
\t\t\tmemory = <0x0 {memory:#x}>;
\t\t\tbackend = "{backend}";
{more}\t\t}};
"""


def describe(path, vms, header=""):
    nodes = "".join(VM.format(**{"more": "", **vm}) for vm in vms)
    path.write_text(f"/dts-v1/;\n\n/ {{\n\tvms {{\n{header}{nodes}\t}};\n}};\n")


def addresses(elf, offset, names):
    """Physical addresses of the hypervisor's functions @names."""
    out = subprocess.run([CROSS + "nm", elf], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = {name: int(at, 16) for at, _, name in
             (line.split() for line in out.splitlines() if len(line.split()) == 3)}
    return {name: found[name] + offset for name in names}


def await_count(counts, function, times):
    """Wait until the plugin has seen @function @times times: it tells at once."""
    deadline = time.monotonic() + TIMEOUT
    while not counts.exists() or counts.read_text().count(f"watch {function} ") < times:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{function} wasn't reached {times} times in {TIMEOUT} s")
        time.sleep(0.1)


class Machine:
    """QEMU with @description's VMs, its console in a file, commands by a socket."""

    def __init__(self, command, work, log):
        self.path = str(work / "control")
        self.log = open(log, "wb")
        command = command + [
            "-global", "virtio-mmio.force-legacy=false", "-device", "virtio-serial-device",
            "-chardev", f"socket,id=control,path={self.path},server=on,wait=off",
            "-device", "virtserialport,chardev=control,name=gnomon.control"]
        self.qemu = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                     stdout=self.log, stderr=subprocess.STDOUT)
        self.control = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.control:
            self.control.close()
        self.qemu.terminate()  # in order: the plugin ends its file
        try:
            self.qemu.wait(TIMEOUT)
        finally:
            self.qemu.kill()
            self.log.close()

    def connect(self):
        deadline = time.monotonic() + TIMEOUT
        control = socket.socket(socket.AF_UNIX)
        while True:
            try:
                control.connect(self.path)
                break
            except OSError:
                if time.monotonic() > deadline or self.qemu.poll() is not None:
                    raise
                time.sleep(0.05)
        control.settimeout(TIMEOUT)
        self.control = control.makefile("rwb", buffering=0)
        control.close()

    def ask(self, line):
        """The monitor's answer to @line; None: the machine has ended."""
        if not self.control:
            self.connect()
        self.control.write(line.encode() + b"\n")
        answer = self.control.readline()
        if not answer:
            return None
        answer = json.loads(answer)
        if not answer["ok"]:
            raise RuntimeError(f"{line}: {answer['error']}")
        return answer["result"]


# What a figure is on each of these: QEMU's -cpu, and how two guests are run.
SIDES = {
    "hext": ("rv64", ("hext", "hext")),
    "depriv": ("rv64,h=false", ("depriv", "depriv")),
    "mixed": ("rv64", ("hext", "depriv")),
}


class Bench:
    """The runs. @tools: what bench lends: command lines, the plugin's reader, where files go."""

    def __init__(self, tools):
        self.tools = tools

    def run(self, name, cpu, vms, script, watched, header=""):
        """Points that the plugin saw, in the order of time, and what @script returned."""
        tools, stem = self.tools, f"many-{name}"
        description, bundle = tools.out / f"{stem}.dts", tools.out / f"{stem}.fit"
        describe(description, vms, header)
        tools.make_bundle(bundle, description)
        counts = tools.out / f"{stem}.count"
        counts.unlink(missing_ok=True)
        command = tools.machine(cpu, bundle) + tools.counting(counts, watched)
        with tempfile.TemporaryDirectory() as work:
            log = tools.out / f"{stem}.log"
            with Machine(command, pathlib.Path(work), log) as machine:
                result = script(machine, counts)
        return tools.read_counts(counts) if watched else [], result

    def figures(self, side):
        """All that @side has: {item: instructions}."""
        cpu, backends = SIDES[side]
        found = {"switch": self.switch(side, cpu, backends)}
        if side != "mixed":
            found["wake"] = self.wake(side, cpu, side)
            found["start"], found["start_again"], found["start_anew"] = \
                self.starts(side, cpu, side)
        return found

    def starts(self, name, cpu, backend):
        """From the command to the first byte: [the first time, after an end, anew]."""
        def script(machine, counts):
            create, destroy = "vm create hello", "vm destroy hello"
            ends = 0
            for commands in (create,), (), (destroy, create):
                for command in *commands, "vm start hello":
                    machine.ask(command)
                ends += 1
                await_count(counts, PARK, ends)

        vms = [{"name": name, "kernel": "${BUILD}/" + kernel, "vcpus": vcpus,
                "memory": 16 << 20, "backend": backend} for name, kernel, vcpus in
               (("awake", "bench/many.elf", 3), ("hello", "guests/hello.elf", 1))]
        points, _ = self.run(f"start-{name}", cpu, vms, script, (COMMAND, BYTE, START, PARK),
                             '\t\tdefault = "awake";\n\t\tend = "never";\n')
        return self.from_command(points)

    def from_command(self, points):
        found, command, begin = [], None, None
        for what, count in points:
            if what == f"watch {COMMAND}":
                command = count
            elif what == f"watch {START}" and command:
                begin = command
            elif what == f"watch {BYTE}" and begin:
                found.append(self.tools.executed(count) - self.tools.executed(begin))
                begin = None
        return found

    def switch(self, name, cpu, backends):
        """Of two guests that do nothing but wait, one switch."""
        def script(_, counts):
            await_count(counts, LOAD, SWITCHES)

        vms = [{"name": f"vm{number}", "kernel": "${BUILD}/bench/many.elf", "vcpus": 1,
                "memory": 16 << 20, "backend": backend} for number, backend in enumerate(backends)]
        points, _ = self.run(f"switch-{name}", cpu, vms, script, (LOAD,))
        return self.steady(points)

    def steady(self, points):
        """The mean of those after the first few, which had consoles to serve."""
        loads = [self.tools.executed(count) for what, count in points if what == f"watch {LOAD}"]
        return round((loads[SWITCHES - 1] - loads[WARM_UP]) / (SWITCHES - 1 - WARM_UP))

    def wake(self, name, cpu, backend):
        """From the call that sends an IPI to the instruction after the sleeper's WFI."""
        vms = [{"name": "many", "kernel": "${BUILD}/bench/many.elf", "vcpus": 2,
                "memory": 16 << 20, "backend": backend}]
        points, _ = self.run(f"wake-{name}", cpu, vms, lambda m, _: m.qemu.wait(TIMEOUT), (LOAD,))
        points = [(what, count) for what, count in points if what.startswith("mark")]
        taken = [self.tools.executed(after) - self.tools.executed(before)
                 for (first, before), (then, after) in zip(points, points[1:])
                 if first == "mark 3" and then == "mark 4"]
        return round(statistics.median(taken))
