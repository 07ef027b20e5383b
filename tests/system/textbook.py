"""The textbook's example as a machine that waits to be looked at, and the monitor to look with.

Its one invariant: what a guest says is read from its own console, where nobody else's lines come
between; what is waited for is seen, or the machine's own limit ends the wait.
Read next: test_textbook.py, test_guide.py.
"""

import json
import time

from machine import LAUNCHER, Console, launch, unix

LOOK = "Look at me, then press Enter.\n"
SECONDS = 60


class Textbook(Console):
    """Runs @args; each of @guests has its console in a file besides."""

    def __init__(self, path, guests, *args):
        self.place, self.read = path, dict.fromkeys(guests, 0)
        consoles = [word for name in guests
                    for word in ("--console", f"{name}=file:{path / name}")]
        super().__init__(LAUNCHER, ["run", *args, "--timeout", str(SECONDS), "--control",
                                    path / "control", *consoles], SECONDS)

    def until(self, guest, words):
        """What @guest says up to @words, from where the last call left off."""
        deadline = time.monotonic() + SECONDS
        while True:
            path = self.place / guest
            said = unix(path.read_bytes()) if path.exists() else ""
            found = said.find(words, self.read[guest])
            if found >= 0:
                start, self.read[guest] = self.read[guest], found + len(words)
                return said[start:self.read[guest]]
            assert self.child.isalive() and time.monotonic() < deadline, said
            time.sleep(0.02)

    def begin(self):
        """Wait until all can be looked at; the first one gets the keys. Returns what that said."""
        said = [self.until(guest, LOOK) for guest in self.read]
        self.send("\x1d1")
        return said[0]

    def next(self, words=LOOK):
        """Let the first one go on, up to @words; return what it says."""
        self.send("\r")
        return self.until(next(iter(self.read)), words)

    def ctl(self, *words):
        """The monitor's answer, as text."""
        run = launch("--control", self.place / "control", *words, command="ctl")
        assert run.status == 0, (words, run.out, run.err)
        return run.out

    def ask(self, *words):
        return json.loads(self.ctl("--json", *words))

    def quit(self):
        self.ctl("quit")
        assert self.end() == 0
