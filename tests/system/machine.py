"""Start machines for tests: through the launcher, to their end or with someone at the terminal.

Its one invariant: every machine has a time limit, and none outlives the test that started it.
Read next: any test_*.py here.
"""

import collections
import os
import pathlib
import re
import subprocess

import pexpect

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = REPO / "build"
CACHE = pathlib.Path(os.environ.get("GNOMON_CACHE")
                     or os.path.join(os.environ.get("XDG_CACHE_HOME")
                                     or os.path.expanduser("~/.cache"), "gnomon"))
QEMU10 = CACHE / "qemu10/qemu-system-riscv64"
# make's are relative to the repository; in a description that would be to the description.
IMAGE = str(REPO / (os.environ.get("KERNEL") or CACHE / "linux/Image"))
INITRD = str(REPO / (os.environ.get("INITRD") or BUILD / "linux/initrd.cpio"))
LAUNCHER = str(REPO / "tools/gnomon")
LOGS = BUILD / "tests/system"

# What a machine can be asked to do differs from the launcher's own statuses; see tools/gnomon.
BAD_OPTION, BAD_FILE, UNAVAILABLE, PANIC, STOPPED, TIMEOUT = 2, 65, 69, 70, 71, 124

# How Gnomon runs a guest, by the name that a test's id has: on a core with H; on one without; and
# on one with H that it doesn't use.
HEXT, NO_H, DEPRIV = (), ("--cpu", "rv64,h=false"), ("--backend", "depriv")
BACKENDS = {"hext": HEXT, "no H": NO_H, "depriv": DEPRIV}
POLICIES = ("trap", "unsync", "lazy")

Run = collections.namedtuple("Run", "status out err")


def environment():
    """Ours, without what make and pytest put there."""
    return {name: value for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "QEMU")}


def launch(*args, limit=30, command="run", typed=b""):
    """Run the launcher to its end; the machine's own limit is @limit seconds."""
    timed = ["--timeout", str(limit)] if command == "run" and "--timeout" not in args else []
    done = subprocess.run([LAUNCHER, command, *timed, *map(str, args)], cwd=REPO, input=typed,
                          capture_output=True, timeout=limit + 30, env=environment(), check=False)
    return Run(done.returncode, unix(done.stdout), unix(done.stderr))


def unix(text):
    """Text with line ends of one kind; each terminal on the way may have added a \\r."""
    return re.sub(r"\r+\n", "\n", text.decode(errors="replace"))


def suite(name):
    """The image of an in-guest suite or of another guest of tests/guest."""
    return BUILD / f"tests/guest/{name}.elf"


def with_file(initrd, file, to):
    """@to, the RAM disk @initrd with @file behind it, in its root: Linux unpacks both."""
    packed = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=file.parent,
                            input=f"{file.name}\n".encode(), capture_output=True, check=True)
    to.write_bytes(initrd.read_bytes() + packed.stdout)
    return to


def guest_output(out):
    """A console without what firmware and Gnomon say."""
    out = re.split(r"Boot HART MEDELEG *: .*\n", out)[-1]
    return re.sub(r"^gnomon: .*\n", "", out, flags=re.MULTILINE)


def userland(out):
    """A Linux guest's console without the kernel's lines, which come when they like."""
    return re.sub(r"^\[ *\d+\.\d{6}\] .*\n", "", out, flags=re.MULTILINE)


def passed(out):
    """The names of the in-guest tests that passed, each as often as it did.

    Harts lose their numbers: which one of a bare machine boots, and so isn't tested, is chance.
    """
    names = re.findall(r"^ok \d+ - (?!# SKIP)(.*)$", out, re.MULTILINE)
    return collections.Counter(re.sub(r"^hart \d+:", "hart:", name) for name in names)


def failed(out):
    """The names of those that failed, without what they got."""
    return collections.Counter(re.findall(r"^not ok \d+ - (.*?)(?:: got .*|: stval .*)?$", out,
                                          re.MULTILINE))


def assert_one_line(run, status, pattern):
    """The launcher failed with @status and said why in one line that matches @pattern."""
    assert run.status == status, (run.status, run.err, run.out[-1500:])
    assert re.fullmatch(r"gnomon \w+: [^\n]+\n", run.err), run.err
    assert re.search(pattern, run.err), run.err


class Console:
    """A machine on a terminal of its own, with someone who types."""

    def __init__(self, program, args, limit):
        LOGS.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "-", os.environ["PYTEST_CURRENT_TEST"].split("::")[-1])
        self.path = LOGS / f"{name}.log"
        self.log = open(self.path, "wb")
        self.child = pexpect.spawn(program, list(map(str, args)), cwd=str(REPO), timeout=limit,
                                   env=environment(), logfile=self.log, dimensions=(50, 200))
        self.child.delaybeforesend = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A terminated launcher takes its QEMU along; a killed one wouldn't.
        if self.child.isalive():
            self.child.kill(15)
        self.child.expect(pexpect.EOF, timeout=20)
        self.child.close()
        self.log.close()

    def expect(self, pattern, limit=-1):
        """Wait for @pattern; return what came before it and the match."""
        self.child.expect(pattern, timeout=limit)
        return unix(self.child.before), self.child.match

    def send(self, text):
        self.child.send(text)

    def end(self, limit=-1):
        """Wait for the end; return the exit status."""
        self.child.expect(pexpect.EOF, timeout=limit)
        self.child.wait()
        return self.child.exitstatus


class Shell(Console):
    """A machine that brings up the Linux guest's shell."""

    PROMPT = "guest# "
    # What must not stand in a kernel's log.
    TROUBLE = r"WARNING|BUG|Oops|rcu.*stall|soft lockup|Call Trace|unexpected|spurious"

    def boot(self):
        """Wait for the prompt; return what the machine said until then."""
        before, match = self.expect("Gnomon guest: Linux .* CPUs")
        said = before + match[0].decode() + self.expect(self.PROMPT)[0]
        # From here on the kernel's words go to its log alone, or they come between a command's.
        self.ask("dmesg -n 1")
        return said

    def run(self, command, limit=-1):
        """Type a command; return its output and its status."""
        # The marks are spelt so that the echo of the typed line is not taken for them.
        self.send(f"echo \\<\\<; {command}; echo \\>\\>$?\r")
        self.expect(r"\n<<\r+\n", limit)
        out, match = self.expect(r">>(\d+)\r+\n", limit)
        self.expect(self.PROMPT, limit)
        return out, int(match[1])

    def ask(self, command, limit=-1):
        """The output of a command that must succeed."""
        out, status = self.run(command, limit)
        assert status == 0, (command, status, out)
        return out.strip()

    def check_log(self):
        """The kernel must not have complained."""
        out, _ = self.run(f"dmesg | grep -E '{self.TROUBLE}'")
        assert out == "", out

    def power_off(self):
        """Shut down in order; that is success."""
        self.check_log()
        self.send("poweroff\r")
        status = self.end()
        assert status == 0, status


class Linux(Shell):
    """The Linux guest, started by the launcher."""

    def __init__(self, *args, limit=120, append="cryptomgr.notests"):
        append = f"console=ttyS0 {append}".strip()
        super().__init__(LAUNCHER, ["run", "--kernel", IMAGE, "--initrd", INITRD,
                                    "--append", append, *args], limit)
