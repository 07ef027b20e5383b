"""gnomon ssh: log into a guest of a machine that runs, or give it a command.

Its one invariant: the key and the hosts that ssh is shown are this user's for guests alone, never
those in ~/.ssh. Read next: tools/image (who makes them, and puts them into the disk), nets.py.
"""

import contextlib
import json
import os
import pathlib
import socket
import sys
import time

from launcher.common import UNAVAILABLE, Failure
from launcher.ports import make_runtime_dir, runtime_dir

SSH_PORT = 22
QUIET_SECONDS = 2       # of waiting, before it is said what for
PROGRESS_SECONDS = 10
BANNER = b"SSH-"


def ssh_config():
    """What ssh is to know of guests, as a file for its -F."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(base, "gnomon", "config")


def ssh_forwards(found):
    """Ports of the host that lead to guests' ssh: name of VM -> port."""
    return {vm.name: host for vm in found.vms.values() for net in vm.nets
            for host, guest in reversed(net.forward) if guest == SSH_PORT}


@contextlib.contextmanager
def announced(forwards):
    """Let `gnomon ssh` find these while this process runs, and say so."""
    if not forwards:
        yield
        return
    path = os.path.join(make_runtime_dir(), f"{os.getpid()}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"ssh": forwards}, file)
    if os.path.exists(ssh_config()):
        for name, port in forwards.items():
            print(f"gnomon run: ssh to {name}: tools/gnomon ssh {name}, or"
                  f" ssh -F {ssh_config()} -p {port} gnomon", file=sys.stderr)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def reachable():
    """Guests with ssh in machines that run: (process, name, port); what others left is removed."""
    for path in sorted(pathlib.Path(runtime_dir()).glob("*.json")):
        try:
            pid = int(path.stem)
            if not alive(pid):
                path.unlink()
                continue
            for name, port in json.loads(path.read_text(encoding="utf-8"))["ssh"].items():
                yield pid, name, int(port)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass    # gone meanwhile, or being written: nobody's to log into yet


def choose(wanted):
    """The one guest of that name, or at that port; without either the only one there is."""
    there = list(reachable())
    if not there:
        raise Failure(UNAVAILABLE, "no machine runs here that forwards a port to a guest's ssh (22);"
                                   " make run GUEST=debian starts one")
    listed = ", ".join(f"{name} at port {port}" for _, name, port in there)
    chosen = [guest for guest in there if wanted in (None, guest[1], str(guest[2]))]
    if not chosen:
        raise Failure(2, f"no guest {wanted} (there are: {listed})")
    if len(chosen) > 1:
        raise Failure(2, f"which guest? Say its name or port: {listed}")
    return chosen[0]


def answers(port, limit):
    """Whether a guest's ssh greets at this port. The port itself is open as long as the machine
    runs: it is QEMU's, who closes what the guest doesn't take."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=limit) as s:
            return s.recv(len(BANNER)).startswith(BANNER)
    except OSError:
        return False


def wait_for(pid, name, port, limit):
    start = time.monotonic()
    told = start + QUIET_SECONDS - PROGRESS_SECONDS
    while not answers(port, min(5, limit)):
        now = time.monotonic()
        if not alive(pid):
            raise Failure(UNAVAILABLE, f"the machine of {name} ended")
        if now - start >= limit:
            raise Failure(UNAVAILABLE, f"{name} at port {port}: no ssh within {limit:g} s")
        if now - told >= PROGRESS_SECONDS:
            told = now
            print(f"gnomon ssh: waiting for {name} at port {port}, {now - start:.0f} s",
                  file=sys.stderr)
        time.sleep(0.2)


def command_ssh(args):
    if not os.path.exists(ssh_config()):
        raise Failure(UNAVAILABLE, f"no {ssh_config()}: `make debian` makes the guest's disk and the"
                                   " key to it")
    pid, name, port = choose(args.name)
    wait_for(pid, name, port, args.timeout)
    # ssh's own status is ours.
    try:
        os.execvp("ssh", ["ssh", "-F", ssh_config(), "-p", str(port), "gnomon", *args.words])
    except FileNotFoundError:
        raise Failure(UNAVAILABLE, "ssh is missing (Debian package openssh-client)") from None
