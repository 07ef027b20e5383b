"""Running QEMU on this terminal, to its end or to ours.

Its one invariant: whoever ends first, no QEMU is left over and the terminal is as it was.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import threading

from launcher.common import TIMEOUT, UNAVAILABLE, Failure


class Terminal:
    """Puts the terminal back as it was: a QEMU that is killed leaves it raw."""

    def __enter__(self):
        self.flags = [(fd, fcntl.fcntl(fd, fcntl.F_GETFL)) for fd in (0, 1, 2)]
        self.mode = termios.tcgetattr(0) if os.isatty(0) else None

    def __exit__(self, *_):
        for fd, flags in self.flags:
            fcntl.fcntl(fd, fcntl.F_SETFL, flags)
        if self.mode:
            # From the background this would stop us, were the signal not ignored.
            before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            termios.tcsetattr(0, termios.TCSANOW, self.mode)
            signal.signal(signal.SIGTTOU, before)


class Signalled(Exception):
    """This program was told to end."""


def on_signal(number, _):
    raise Signalled(number)


class Complaints(threading.Thread):
    """Passes on what QEMU writes to stderr and keeps what tells why it ended."""

    HARMLESS = re.compile(r": (warning|info|failed to \w+ module): ")

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream, self.refused, self.signal = stream, False, None
        self.start()

    def run(self):
        for line in self.stream:
            match = re.search(r"terminating on signal (\d+)", line)
            if match:
                self.signal = int(match[1])
                continue
            sys.stderr.write(line)
            sys.stderr.flush()
            if line.startswith("qemu") and not self.HARMLESS.search(line):
                self.refused = True


def stop(qemu):
    """End QEMU, which gets the time to put its terminal back and close its log."""
    qemu.terminate()
    try:
        qemu.wait(2)
    except subprocess.TimeoutExpired:
        qemu.kill()
        qemu.wait()


def run_machine(command, timeout, console=None):
    """Run QEMU on this terminal; return its exit status, or fail with why it ended otherwise.

    console: a file that gets what it would show here; nobody types then.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    with Terminal():
        # Line by line and never undecodable: QEMU may quote a guest's bytes.
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL if console else None,
                                stdout=console, stderr=subprocess.PIPE, text=True,
                                errors="replace")
        complaints = Complaints(qemu.stderr)
        try:
            status = qemu.wait(timeout)
        except subprocess.TimeoutExpired:
            stop(qemu)
            raise Failure(TIMEOUT, f"no end within {timeout:g} s") from None
        except Signalled as signalled:
            stop(qemu)
            number = signalled.args[0]
            raise Failure(128 + number, f"ended by {signal.Signals(number).name}") from None
        complaints.join()
    number = complaints.signal or -status
    if number > 0:
        raise Failure(128 + number, f"QEMU was ended by {signal.Signals(number).name}")
    if status == 1 and complaints.refused:
        raise Failure(UNAVAILABLE, "QEMU can't run this machine; it says why above")
    return status
