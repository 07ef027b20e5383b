"""Nets of VMs: checked, on their way into a bundle, and the host's network that they end in.

Its one invariant: no two devices of a machine have one MAC address, no two forwards one port.
Read next: descriptions.py (how a net is described), hyp/dev/switch.h (who reaches whom).
"""

import argparse
import hashlib
import ipaddress
import re
import socket

from launcher.common import Failure, bad_file

MAX_NETS = 63        # of all VMs: the switch's ports, but for the uplink's
NETWORK = ipaddress.ip_network("10.0.2.0/24")   # what QEMU's user network is
FIRST_ADDRESS = NETWORK[15]


class Net:
    """A network device of a VM; None: not said."""

    def __init__(self, name):
        self.name = name
        self.mac = self.isolated = self.private = self.any_mac = self.address = None
        self.forward = []


def mac_address(value):
    """A MAC address as text that a single device can have, in lower case."""
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", value.lower()):
        raise ValueError('is no MAC address like "52:54:00:12:34:56"')
    if int(value[:2], 16) & 1 or not int(value.replace(":", ""), 16):
        raise ValueError("is not the address of a single device: its first byte must be even")
    return value.lower()


def ip_address(value):
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        address = None
    if address not in NETWORK or not 4 <= int(address) - int(NETWORK[0]) <= 254:
        raise ValueError(f"is none of {NETWORK[4]} to {NETWORK[254]}")
    return str(address)


def forward(value):
    """HOST:GUEST, two ports, as numbers."""
    match = re.fullmatch(r"(\d{1,5}):(\d{1,5})", value)
    ports = tuple(map(int, match.groups())) if match else (0, 0)
    if not all(1 <= port <= 65535 for port in ports):
        raise ValueError('is no pair of ports like "2222:22", the host\'s and the guest\'s')
    return ports


def forward_option(value):
    try:
        return forward(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{value!r} {error}") from None


def chosen_mac(vm, net):
    """The one that was said, or one that the names make: 52 is an address of nobody's making."""
    digest = hashlib.sha256(f"{vm.name}/{net.name}".encode()).digest()
    return net.mac or "52:54:" + ":".join(f"{byte:02x}" for byte in digest[:4])


def option_net(vm, ports):
    """What --net and --forward say of @vm: its first net, made if there is none."""
    if not vm.nets:
        vm.nets.append(Net("net"))
    vm.nets[0].forward = vm.nets[0].forward + (ports or [])


def check_vm(vm):
    for net in vm.nets:
        if net.isolated and net.private:
            raise bad_file(f"VM {vm.name}: net {net.name} is isolated and private: it would reach"
                           " nobody")
        if net.private and net.forward:
            raise bad_file(f"VM {vm.name}: net {net.name} is private: nothing can be forwarded to"
                           " it")


def set_addresses(vms):
    """Let each net have a MAC address, and the first uplinked one of each VM what is forwarded to."""
    owners, total = {}, 0
    address = FIRST_ADDRESS
    for vm in vms:
        check_vm(vm)
        for net in vm.nets:
            net.mac = chosen_mac(vm, net)
            if net.mac in owners:
                raise bad_file(f"VM {vm.name}: net {net.name} has MAC address {net.mac}, as"
                               f" {owners[net.mac]} has")
            owners[net.mac] = f"net {net.name} of VM {vm.name}"
            net.address = net.address or str(address)
        total += len(vm.nets)
        address += bool(vm.nets)
    check_forwards(vms)
    if total > MAX_NETS:
        raise bad_file(f"{total} nets; there can be {MAX_NETS}")


def forwards(vms):
    """All that is forwarded, as (vm, net, the host's port, the guest's)."""
    return [(vm, net, *ports) for vm in vms for net in vm.nets for ports in net.forward]


def check_forwards(vms):
    seen = set()
    for vm, _, host, guest in forwards(vms):
        if host in seen:
            raise bad_file(f"VM {vm.name}: forward {host}:{guest}: port {host} of the host is"
                           " forwarded twice")
        seen.add(host)


def check_port(what, port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError as error:
            raise Failure(2, f"{what}: the host's port {port}: {error.strerror}") from None


def user_network(vms, ident):
    """QEMU's user network, with what is forwarded to these VMs."""
    rules = ""
    for vm, net, host, guest in forwards(vms):
        check_port(f"VM {vm.name}: forward {host}:{guest}", host)
        rules += f",hostfwd=tcp:127.0.0.1:{host}-{net.address}:{guest}"
    return ["-netdev", f"user,id={ident}{rules}"]


def has_uplink(vms):
    return any(not net.private for vm in vms for net in vm.nets)


def uplink(vms):
    """QEMU's arguments for the device that the guests' switch is joined to the host by."""
    if not has_uplink(vms):
        return []
    return [*user_network(vms, "uplink"), "-device", "virtio-net-device,netdev=uplink"]


def bare_nets(vm):
    """QEMU's own devices like those that Gnomon gives a VM, in the same places; several on a hub."""
    args = []
    alone = len(vm.nets) == 1 and has_uplink([vm])
    if has_uplink([vm]):
        args += user_network([vm], "net0" if alone else "uplink")
    if has_uplink([vm]) and not alone:
        args += ["-netdev", "hubport,id=hub,hubid=0,netdev=uplink"]
    for index, net in enumerate(vm.nets):
        if not alone:
            args += ["-netdev", f"hubport,id=net{index},hubid=0"]
        args += ["-device", f"virtio-net-device,netdev=net{index},mac={net.mac},"
                 f"bus=virtio-mmio-bus.{len(vm.disks) + index}"]
    return args
