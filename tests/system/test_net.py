"""Networks of guests: Linux guests on the switch, each told what to do by way of a forwarded port.

Its one invariant: what is asked of a guest comes to it from the host by its own network, so each
test is one of the uplink and of the launcher's forwards, too.
Read next: hyp/dev/virtio_net.c, hyp/dev/switch.c.
"""

import contextlib
import hashlib
import pathlib
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from house import Machine
from machine import BUILD, CACHE, IMAGE, INITRD

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


@pytest.fixture(scope="session", name="initrd")
def make_initrd(tmp_path_factory):
    """The Linux guest's RAM disk with the modules behind it: Linux unpacks both."""
    if pathlib.Path(IMAGE).resolve() != (CACHE / "linux/Image").resolve():
        pytest.skip("the modules are those of the kernel in the cache")
    path = tmp_path_factory.mktemp("initrd") / "initrd.cpio"
    path.write_bytes(pathlib.Path(INITRD).read_bytes()
                     + (BUILD / "linux/modules.cpio").read_bytes())
    return path


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
