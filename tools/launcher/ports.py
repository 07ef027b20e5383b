"""Serial ports of the machine: consoles of single guests, and the monitor's control channel.

Its one invariant: a path that something else is at is refused, never replaced.
Read next: control.py (who speaks there), hyp/drv/serial.h (the other end).
"""

import contextlib
import os
import socket
import stat

from launcher.common import UNAVAILABLE, Failure

MAX_CONSOLES = 29           # QEMU's virtio-serial has 31 ports; one is for control, 0 is special
MAX_SOCKET_PATH = 107       # bytes that a unix socket's address holds


def runtime_dir():
    """Where control sockets are: a directory of this user's alone."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and len(base) < MAX_SOCKET_PATH - 30 and os.access(base, os.W_OK | os.X_OK):
        return os.path.join(base, "gnomon")
    return f"/tmp/gnomon-{os.getuid()}"


def make_runtime_dir():
    path = runtime_dir()
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.lstat(path)
    except OSError as error:
        raise Failure(UNAVAILABLE, f"control socket's directory {path}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Failure(UNAVAILABLE, f"{path} isn't a directory of this user's alone; remove it, or"
                                   " say --control PATH")
    return path


def check_socket_path(what, path):
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise Failure(2, f"{what}: {path} is too long for a socket ({MAX_SOCKET_PATH} bytes)")
    if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise Failure(2, f"{what}: {path} exists and is no socket")
    if answers(path):
        raise Failure(2, f"{what}: {path} is in use")


def answers(path):
    """Whether somebody listens at this socket."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return False
    return True


@contextlib.contextmanager
def control_socket(args):
    """The path of this machine's control socket, which is gone in the end."""
    path = args.control
    if not path and args.dry_run:
        path = os.path.join(runtime_dir(), "PID.sock")
    elif not path:
        path = os.path.join(make_runtime_dir(), f"{os.getpid()}.sock")
    check_socket_path("--control", path)
    try:
        yield path
    finally:
        if not args.dry_run:
            with contextlib.suppress(OSError):
                os.unlink(path)


def escaped(value):
    """A value among QEMU's, where a comma begins the next one."""
    return value.replace(",", ",,")


# QEMU's chardev for each kind of console; stdio is the one that the machine's own is on.
CHARDEVS = {
    "file": "file,id={ident},path={path}",
    "socket": "socket,id={ident},path={path},server=on,wait=off",
    "pty": "pty,id={ident}",
}


def console_chardev(name, kind, path, ident):
    """QEMU's arguments for one --console, and the chardev it has then."""
    if kind == "stdio":
        return [], "console"
    if kind == "socket":
        check_socket_path(f"--console {name}", path)
    made = CHARDEVS[kind].format(ident=ident, path=escaped(path or ""))
    return ["-chardev", made], ident


def serial_ports(args, vms, control):
    """QEMU's arguments for the control channel and for each --console."""
    ports = ["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-serial-device",
             "-chardev", CHARDEVS["socket"].format(ident="control", path=escaped(control)),
             "-device", "virtserialport,chardev=control,name=gnomon.control"]
    seen = set()
    for name, kind, path in args.console:
        if name not in vms:
            raise Failure(2, f"--console {name}: no such VM (there are: {', '.join(vms)})")
        if name in seen:
            raise Failure(2, f"--console {name}: given twice")
        seen.add(name)
        made, chardev = console_chardev(name, kind, path, f"vm.{name}")
        ports += [*made, "-device",
                  f"virtserialport,chardev={chardev},name=gnomon.console.{name}"]
    if [kind for _, kind, _ in args.console].count("stdio") > 1:
        raise Failure(2, "--console: one alone can be stdio")
    if len(args.console) > MAX_CONSOLES:
        raise Failure(2, f"--console: no more than {MAX_CONSOLES} of them")
    return ports
