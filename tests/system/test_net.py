"""Networks of guests: Linux guests on the switch, each told what to do by way of a forwarded port.

Its one invariant: what is asked of a guest comes to it from the host by its own network, so each
test is one of the uplink and of the launcher's forwards, too.
Read next: hyp/dev/virtio_net.c, hyp/dev/switch.c.
"""

import contextlib
import hashlib
import re
import socket
import urllib.error
import urllib.parse
import urllib.request

import pytest
from house import Machine, description
from machine import (BACKENDS, BAD_FILE, BAD_OPTION, HEXT, IMAGE, NO_H, assert_one_line, failed,
                     launch, passed, suite)

# A web server whose one script runs what it is asked to.
SERVE = """
cd /modules
for m in virtio_mmio failover net_failover virtio_net; do insmod $m.ko || exit 9; done
ip link set lo up; ip addr add 10.0.2.{address}/24 dev eth0; ip link set eth0 up
mkdir -p /srv/cgi-bin; cd /srv; dd if=/dev/urandom of=blob bs=64k count={blocks} 2>/dev/null
echo '#!/bin/sh' >cgi-bin/run; echo 'echo; eval $(httpd -d $QUERY_STRING)' >>cgi-bin/run
chmod +x cgi-bin/run
exec httpd -f -p 80 -h /srv
"""
BLOCKS = 128  # of 64 KiB


def free_ports(count):
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in found:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in found]


def servers(initrd, vms):
    """VMs that serve, with what is said of each and of its net; and the host's port of each."""
    ports = dict(zip(vms, free_ports(len(vms))))
    described = {}
    for index, (name, (more, net)) in enumerate(vms.items()):
        session = "; ".join(SERVE.format(address=15 + index, blocks=BLOCKS).strip().splitlines())
        described[name] = {
            "kernel": IMAGE, "initrd": initrd, "memory": 192 << 20, "vcpus": 1, **more,
            "bootargs": f'console=ttyS0 cryptomgr.notests quiet gnomon.run="{session}"',
            "nets": {"lan": {"forward": f"{ports[name]}:80", **net}}}
    return described, ports


class Lan(Machine):
    """A machine of such VMs."""

    def __init__(self, path, initrd, vms, *args, limit=150):
        described, self.ports = servers(initrd, vms)
        super().__init__(path, described, *args, limit=limit)

    def fetch(self, name, what):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/{what}",
                                    timeout=100) as answer:
            return answer.read()

    def serves(self, name):
        """Whether its web server answers."""
        with contextlib.suppress(OSError, urllib.error.URLError):
            return self.fetch(name, "cgi-bin/run?echo+up") == b"up\n"
        return False

    def begin(self):
        for name in self.vms:
            self.until(lambda name=name: self.serves(name))

    def run(self, name, command):
        """What @command, a line of shell, says in that guest."""
        return self.fetch(name, f"cgi-bin/run?{urllib.parse.quote_plus(command)}").decode()


@pytest.fixture(scope="module", name="lan", params=("hext", "no H", "mixed"))
def make_lan(request, initrd, tmp_path_factory):
    """Two guests and a third that is isolated, all of which serve."""
    by_shadows = {"backend": "depriv"} if request.param == "mixed" else {}
    backend = NO_H if request.param == "no H" else HEXT
    vms = {"a": ({}, {}), "b": (by_shadows, {}), "c": ({}, {"isolated": True})}
    with Lan(tmp_path_factory.mktemp("lan"), initrd, vms, *backend) as lan:
        lan.begin()
        yield lan


def lost(said):
    """How many packets in a hundred ping misses."""
    return int(re.search(r"(\d+)% packet loss", said)[1])


@pytest.mark.slow
def test_ping(lan):
    assert lost(lan.run("a", "ping -c 3 10.0.2.16")) == 0
    assert lost(lan.run("b", "ping -c 3 10.0.2.15")) == 0
    for name in lan.vms:
        assert lost(lan.run(name, "ping -c 3 10.0.2.2")) == 0, name


@pytest.mark.slow
def test_isolated(lan):
    """Nobody but the host reaches it, and it reaches nobody but the host."""
    assert lost(lan.run("a", "ping -c 2 -W 1 10.0.2.17")) == 100
    assert lost(lan.run("c", "ping -c 2 -W 1 10.0.2.16")) == 100
    assert lan.run("a", "grep -c 10.0.2.17.*00:00:00:00:00:00 /proc/net/arp") == "1\n"
    assert len(lan.fetch("c", "blob")) == BLOCKS << 16


@pytest.mark.slow
def test_copy(lan):
    """Between guests, by large packets, and from each to the host, which takes small ones alone."""
    sums = {name: lan.run(name, "sha256sum </srv/blob") for name in "ab"}
    assert lan.run("a", "wget -qO- http://10.0.2.16/blob | sha256sum") == sums["b"]
    assert lan.run("b", "wget -qO- http://10.0.2.15/blob | sha256sum") == sums["a"]
    for name, digest in sums.items():
        assert hashlib.sha256(lan.fetch(name, "blob")).hexdigest() == digest.split()[0]


@pytest.mark.slow
def test_spoofing(lan):
    """Who takes another's address is heard by nobody, and the other one is."""
    mac = lan.run("b", "cat /sys/class/net/eth0/address").strip()
    own = lan.run("a", "cat /sys/class/net/eth0/address").strip()
    said = lan.run("a", f"ip link set eth0 down; ip link set eth0 address {mac};"
                   " ip link set eth0 up; ping -c 2 -W 1 10.0.2.2 >/tmp/said;"
                   f" ip link set eth0 down; ip link set eth0 address {own};"
                   " ip link set eth0 up; cat /tmp/said")
    assert lost(said) == 100
    counts = {row["owner"]: row for row in lan.ask("nets")}
    assert counts["a"]["mac"] == own and counts["a"]["dropped"]["spoofed"] >= 2, counts
    assert not counts["b"]["dropped"].get("spoofed"), counts
    assert lost(lan.run("b", "ping -c 2 10.0.2.2")) == 0
    assert lost(lan.run("a", "ping -c 2 10.0.2.16")) == 0


@pytest.mark.slow
def test_reset(lan):
    """Those that go on speak with who is gone, and with who comes back."""
    lan.ask("vm reset b")
    assert lost(lan.run("a", "ping -c 2 -W 1 10.0.2.16")) == 100
    lan.until(lambda: lan.serves("b"))
    assert lost(lan.run("a", "ping -c 2 10.0.2.16")) == 0


def two_nets(tmp_path, **more):
    path = tmp_path / "vm.dts"
    path.write_text(description({"a": {"kernel": suite("net"), "memory": 64 << 20, "vcpus": 1,
                                       "nets": {"one": {}, "two": {}}, **more}}))
    return path


@pytest.mark.parametrize("virtio", ("modern", "legacy"))
@pytest.mark.parametrize("backend", BACKENDS)
def test_suite(tmp_path, backend, virtio):
    """What passes on bare QEMU, where both nets are on a hub of its own, passes on Gnomon."""
    path = two_nets(tmp_path, virtio=virtio)
    bare, ours = launch(path, "--bare"), launch(path, *BACKENDS[backend])
    assert bare.status == ours.status == 0, (bare.err, ours.err, ours.out[-1000:])
    assert not failed(bare.out) and not failed(ours.out)
    assert passed(bare.out) and not passed(bare.out) - passed(ours.out)
    assert " passed, 0 failed, 0 skipped" in ours.out


@pytest.mark.parametrize("net,says", (
    ({"mac": "52:54"}, 'mac is no MAC address like "52:54:00:12:34:56"'),
    ({"mac": "53:54:00:00:00:01"}, "its first byte must be even"),
    ({"mac": "52:54:00:00:00:01"}, "net one has MAC address 52:54:00:00:00:01, as net two of VM a"),
    ({"isolated": True, "private": True}, "it would reach nobody"),
    ({"private": True, "forward": "1234:22"}, "is private: nothing can be forwarded"),
    ({"forward": "22"}, 'is no pair of ports like "2222:22"'),
    ({"forward": "2222:70000"}, "is no pair of ports"),
    ({"forward": ("2222:22", "2222:23")}, "port 2222 of the host is forwarded twice"),
    ({"address": "10.0.3.1"}, "address is none of 10.0.2.4 to 10.0.2.254"),
    ({"colour": "red"}, "unknown property colour"),
    ({"x": {}}, "unknown node x"),
))
def test_refused(tmp_path, net, says):
    nets = {"two": {"mac": "52:54:00:00:00:01"}, "one": net}
    assert_one_line(launch(two_nets(tmp_path, nets=nets)), BAD_FILE, re.escape(says))


def test_too_many(tmp_path):
    nets = {f"n{n}": {} for n in range(8)}
    assert_one_line(launch(two_nets(tmp_path, nets=nets)), BAD_FILE, "8 devices .net: 8.")


def test_port_in_use():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        assert_one_line(launch("--kernel", suite("net"), "--forward", f"{port}:22"), BAD_OPTION,
                        f"the host's port {port}: Address already in use")


@pytest.mark.parametrize("option", ("22", "0:22", "2222:", "2222:22:22"))
def test_bad_option(option):
    run = launch("--kernel", suite("net"), "--forward", option)
    assert run.status == BAD_OPTION and "is no pair of ports" in run.err


def test_devices(tmp_path):
    """The host has a network if a VM wants it, and VMs keep their addresses."""
    def command(*args):
        return launch(*args, "--dry-run").out
    assert "netdev" not in command("--kernel", suite("net"))
    assert "netdev" not in command(two_nets(tmp_path, nets={"n": {"private": True}}))
    once = command("--kernel", suite("net"), "--net", "--bare")
    assert re.search(r"virtio-net-device,netdev=net0,mac=52:54(:[0-9a-f]{2}){4},bus=", once)
    assert once == command("--kernel", suite("net"), "--net", "--bare")
    assert once.count("mac=") == 1 and "hostfwd" not in once
