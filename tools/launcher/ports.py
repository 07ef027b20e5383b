"""Serial ports of the machine: the monitor's control channel, consoles of single guests, and the
host's ends of guests' own ports.

Its one invariant: a path that something else is at is refused, never replaced.
Read next: control.py (who speaks there), hyp/drv/serial.h (the other end).
"""

import argparse
import contextlib
import os
import re
import socket
import stat

from launcher.common import UNAVAILABLE, Failure, bad_file

MAX_PORTS = 4               # of a VM, with names of its own
PORT_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,30}")
MAX_CONSOLES = 29           # QEMU's virtio-serial has 31 ports; one is for control, 0 is special
MAX_SOCKET_PATH = 107       # bytes that a unix socket's address holds


class Port:
    """A named port of a VM's; .kind and .path: what is at the host's end; None: not said."""

    def __init__(self, name):
        self.name, self.kind, self.path = name, None, None


def port_option(value):
    """NAME=KIND or NAME=KIND:PATH, as a Port."""
    match = re.fullmatch(r"([^=]+)=(?:(file|socket):(.+)|(pty))", value)
    if not match or not PORT_NAME.fullmatch(match[1]):
        raise argparse.ArgumentTypeError(f"{value!r}: write NAME=file:PATH, NAME=socket:PATH or"
                                         " NAME=pty; a name is up to 31 letters, digits and . _ -")
    port = Port(match[1])
    port.kind, port.path = match[2] or match[4], match[3]
    return port


def has_console(vm):
    """Whether a VM has a virtio device of consoles and ports."""
    return bool(vm.ports) or vm.virtio_console == "on"


def check_ports(vm):
    names = [port.name for port in vm.ports]
    for name in names:
        if names.count(name) > 1:
            raise bad_file(f"VM {vm.name}: port {name} is there twice")
    if len(names) > MAX_PORTS:
        raise bad_file(f"VM {vm.name}: {len(names)} ports; there can be {MAX_PORTS}")


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


def chardev(what, kind, path, ident):
    """QEMU's arguments for one end at the host's, and the chardev it has then."""
    if kind == "stdio":
        return [], "console"
    if kind == "socket":
        check_socket_path(what, path)
    made = CHARDEVS[kind].format(ident=ident, path=escaped(path or ""))
    return ["-chardev", made], ident


def check_paths(args, vms):
    """Two ends at one place would take each other's bytes."""
    seen = set()
    for path in ([path for _, _, path in args.console]
                 + [port.path for vm in vms for port in vm.ports]):
        if path and os.path.realpath(path) in seen:
            raise Failure(2, f"{path} is named twice, for a console or a port")
        seen.add(path and os.path.realpath(path))


def named_ports(vm):
    """QEMU's arguments for the host's ends of a VM's own ports; each port's chardev."""
    for index, port in enumerate(vm.ports):
        yield chardev(f"VM {vm.name}: port {port.name}", port.kind, port.path,
                      f"port.{vm.name}.{index}")


def bare_ports(vm, bus):
    """QEMU's own device like the one that Gnomon gives a VM with ports, at place @bus."""
    if not has_console(vm):
        return []
    device = ["-device", f"virtio-serial-device,max_ports={1 + MAX_PORTS},bus={bus}"]
    if vm.virtio_console == "on":
        device += ["-device", "virtconsole,nr=0,chardev=console"]
    for index, (made, ident) in enumerate(named_ports(vm)):
        device += [*made, "-device", f"virtserialport,nr={1 + index},chardev={ident},"
                   f"name={vm.ports[index].name}"]
    return device


def windows(vms):
    """Names of what VMs have on the terminal: the console, and that of virtio."""
    return [name for vm in vms.values()
            for name in [vm.name] + [f"{vm.name}/hvc0"] * (vm.virtio_console == "on")]


def serial_ports(args, vms, control):
    """QEMU's arguments for the control channel, for each --console and for guests' own ports.

    vms: VMs by name; of embedded guests a list of names, which is all that is known.
    """
    names = windows(vms) if isinstance(vms, dict) else vms
    vms = list(vms.values()) if isinstance(vms, dict) else []
    check_paths(args, vms)
    ports = ["-global", "virtio-mmio.force-legacy=false", "-device", "virtio-serial-device",
             "-chardev", CHARDEVS["socket"].format(ident="control", path=escaped(control)),
             "-device", "virtserialport,chardev=control,name=gnomon.control"]
    seen = set()
    for name, kind, path in args.console:
        if name not in names:
            hint = "; /hvc0 needs virtio-console" if name.endswith("/hvc0") else ""
            raise Failure(2, f"--console {name}: no such VM (there are: {', '.join(names)}{hint})")
        if name in seen:
            raise Failure(2, f"--console {name}: given twice")
        seen.add(name)
        made, ident = chardev(f"--console {name}", kind, path, f"vm.{name.replace('/', '.')}")
        ports += [*made, "-device",
                  f"virtserialport,chardev={ident},name=gnomon.console.{name}"]
    for vm in vms:
        for port, (made, ident) in zip(vm.ports, named_ports(vm)):
            ports += [*made, "-device",
                      f"virtserialport,chardev={ident},name=gnomon.port.{vm.name}/{port.name}"]
    if [kind for _, kind, _ in args.console].count("stdio") > 1:
        raise Failure(2, "--console: one alone can be stdio")
    if len(args.console) + sum(len(vm.ports) for vm in vms) > MAX_CONSOLES:
        raise Failure(2, f"no more than {MAX_CONSOLES} of --console and ports together")
    return ports
