"""What disk and network cost: one Linux guest with the same devices on bare QEMU and on Gnomon, by
time and by instructions.

Instructions and exits are counted by the plugin, in a run of its own, firmware and hypervisor
included; the clock is the guest's, in runs without the plugin, of which the quickest counts. The
guest's peer is a server here, which it reaches through QEMU's user network.
Its one invariant: all sides have devices of the same kinds, which the launcher describes to QEMU,
on the same file.
Read next: devices.c (the guest), bench (its caller, which prints).
"""

import collections
import os
import re
import socket
import struct
import subprocess
import threading

TIMEOUT = 300
ROUNDS = 3
TICKS = 10_000_000  # of `time`, a second, on QEMU's virt
DISK_BYTES = 256 << 20
CHUNK = bytes(1 << 20)

# The figures, in the guest's order: its name for one, ours, the least part of bare's speed.
ITEMS = (
    ("read_small", "disk, 4 KiB read, random", None),
    ("write_small", "disk, 4 KiB written, random", None),
    ("read_large", "disk, 1 MiB read, in order", 0.8),
    ("write_large", "disk, 1 MiB written, in order", 0.8),
    ("round_trip", "network, round trip of 1 byte", None),
    ("send", "network, 64 KiB sent", 0.8),
    ("receive", "network, 64 KiB received", 0.8),
)
SIDES = {
    "bare": ("--cpu", "rv64", "--bare"),
    "hext": ("--cpu", "rv64"),
    "depriv": ("--cpu", "rv64,h=false"),
}

Figure = collections.namedtuple("Figure", "seconds bytes instructions exits")


def receive(peer, n):
    data = b""
    while len(data) < n:
        part = peer.recv(n - len(data))
        if not part:
            raise ConnectionError("the guest has gone")
        data += part
    return data


def echo(peer, n):
    for _ in range(n):
        peer.sendall(receive(peer, 1))


def sink(peer, n):
    buffer = bytearray(len(CHUNK))
    while n:
        got = peer.recv_into(buffer)
        if not got:
            raise ConnectionError("the guest has gone")
        n -= got
    peer.sendall(b"k")


def generate(peer, n):
    while n:
        part = min(n, len(CHUNK))
        peer.sendall(CHUNK[:part])
        n -= part


ORDERS = {b"e": echo, b"s": sink, b"g": generate}


def serve(listener):
    """One guest's orders, until it goes."""
    try:
        peer, _ = listener.accept()
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                what, n = struct.unpack("<c7xQ", receive(peer, 16))
                if what not in ORDERS:
                    return
                ORDERS[what](peer, n)
    except (ConnectionError, TimeoutError):
        pass  # the guest's own run tells why


def make_disk(path):
    """Bytes that no host reads as a hole."""
    if not path.exists() or path.stat().st_size != DISK_BYTES:
        with open(path, "wb") as disk:
            for _ in range(DISK_BYTES // len(CHUNK)):
                disk.write(os.urandom(len(CHUNK)))


class Bench:
    """The runs. @tools: what bench lends: files, the plugin and its reader."""

    def __init__(self, tools):
        self.tools = tools
        self.disk = tools.out / "devices.img"
        self.times = {}  # of each item, how often it was done when it was counted
        make_disk(self.disk)

    def run(self, side, what, *more):
        """The guest's console, of one run."""
        tools = self.tools
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(TIMEOUT)
            threading.Thread(target=serve, args=(listener,), daemon=True).start()
            port = listener.getsockname()[1]
            log = tools.out / f"devices-{side}-{what}.log"
            command = [
                tools.launcher, "run", "--kernel", tools.kernel, "--initrd",
                tools.out / "devices.cpio", "--append", f"{tools.append} bench_port={port}",
                "--vcpus", "1", "--harts", "1", "--disk", f"{self.disk},host", "--net",
                "--timeout", str(TIMEOUT), "--qemu", tools.qemu, *SIDES[side], *more]
            with open(log, "wb") as out:
                done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise RuntimeError(f"status {done.returncode}; its console is in {log}")
        return log.read_text(errors="replace")

    def figures(self, side, rounds=ROUNDS):
        """All that @side has: {item: Figure}."""
        tools = self.tools
        times = collections.defaultdict(list)
        for number in range(rounds):
            said = self.run(side, f"time-{number}")
            for item, ticks, count, size in re.findall(
                    r"^bench (\w+) (\d+) ticks, (\d+) times, (\d+) bytes", said, re.M):
                times[item].append((int(ticks) / TICKS / int(count), int(size), int(count)))
        missing = [item for item, *_ in ITEMS if len(times[item]) != rounds]
        if missing:
            raise RuntimeError(f"no figures for {', '.join(missing)}")
        counts = self.counts(side) if tools.plugin else {}
        found = {}
        for item, *_ in ITEMS:
            seconds, size, count = min(times[item])
            instructions, exits = counts.get(item, (None, None))
            found[item] = Figure(seconds, size,
                                 None if instructions is None else round(instructions / count),
                                 None if exits is None else exits / count)
        return found

    def points(self, side):
        """What the plugin counted at the marks around each item: {item: (first, last)}, each the
        number of its point and the counts there."""
        tools = self.tools
        path = tools.out / f"devices-{side}.count"
        path.unlink(missing_ok=True)
        said = self.run(side, "count", "--qemu-arg=-plugin",
                        f"--qemu-arg={tools.plugin_option(side, path)}")
        self.times = {item: int(n)
                      for item, n in re.findall(r"^bench (\w+) .*?(\d+) times", said, re.M)}
        marks = [(at, count) for at, (what, count) in enumerate(tools.read_counts(path))
                 if what in tools.item_marks]
        if len(marks) != 2 * len(ITEMS):
            raise RuntimeError(f"{len(marks)} marks, not {2 * len(ITEMS)}: see {path}")
        return {item: pair for (item, *_), *pair in zip(ITEMS, marks[::2], marks[1::2])}

    def counts(self, side):
        """Instructions and exits of each item's operations: {item: (n, n)}."""
        executed = self.tools.executed
        return {item: (executed(last) - executed(first), last["exits"] - first["exits"])
                for item, ((_, first), (_, last)) in self.points(side).items()}
