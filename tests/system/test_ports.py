"""Consoles and named ports of guests: the in-guest suite, on Gnomon and on bare QEMU with the same
devices, and Debian's driver.

Its one invariant: what waits for a peer waits for it to come, not for time to pass.
Read next: tests/guest/ports.c.
"""

import contextlib
import hashlib
import random
import socket
import threading
import time

import pytest
from house import Machine
from machine import (BACKENDS, BAD_FILE, BAD_OPTION, BUILD, HEXT, IMAGE, NO_H, POLICIES,
                     assert_one_line, launch, suite)
from test_guests import all_pass, as_bare


class Peer(threading.Thread):
    """Does @act with a socket that is connected to @path, again and again: to each machine that
    offers it, whose end is that of a connection.
    """

    def __init__(self, path, act):
        super().__init__(daemon=True)
        self.path, self.act, self.is_over = str(path), act, False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.join(20)

    def run(self):
        while not self.is_over:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
                s.connect(self.path)
                self.act(s)
                continue
            time.sleep(0.02)


def echo(s):
    while data := s.recv(65536):
        s.sendall(data)


@pytest.fixture(name="ports")
def make_ports(tmp_path):
    """What the suite needs: options of the launcher."""
    with Peer(tmp_path / "echo", echo):
        yield ("--virtio-console", "on", "--port", f"echo=socket:{tmp_path}/echo",
               "--port", f"sink=file:{tmp_path}/sink")


@pytest.mark.parametrize("backend,vcpus", (("hext", 1), ("hext", 2), ("no H", 2), ("depriv", 2)))
def test_suite(ports, backend, vcpus):
    as_bare("ports", *ports, *BACKENDS[backend], vcpus=vcpus)


@pytest.mark.parametrize("backend", ("hext", "no H"))
def test_legacy(ports, backend):
    """The same behind version 1 of the transport."""
    as_bare("ports", *ports, "--virtio", "legacy", *BACKENDS[backend], vcpus=2)


@pytest.mark.parametrize("policy", POLICIES)
def test_shadow_policy(ports, policy):
    """Here other harts than the guest's write to its memory."""
    all_pass("ports", *ports, "--cpu", "rv64,h=false", "--shadow-policy", policy, vcpus=2)


def test_life(tmp_path, ports):
    """The host's ends are found again, by a VM that is reset and by one that is made anew."""
    vms = {"a": {"kernel": suite("ports"), "vcpus": 1, "memory": 64 << 20}}
    with Machine(tmp_path / "machine", vms, *ports, end="never", limit=120) as m:
        m.until(lambda: "ok 26 " in m.said("a"))
        shown = {row["kind"]: row for row in m.ask("vm show a")["devices"]}["console"]
        assert shown["chains"] and shown["counts"]["in1"] and shown["counts"]["out1"]
        m.ask("vm reset a")
        for times in (1, 2, 3):
            m.until(lambda n=times: m.said("a").count(" passed, 0 failed, ") == n)
            m.reaches("a", "stopped")
            if times == 2:
                m.ask("vm destroy a")
                m.ask("vm create a")
            if times < 3:
                m.ask("vm start a")
        m.quit()


# The driver of consoles is in Debian's kernel. What comes is sent back, read to the end that the
# host's leaving makes, and the port is opened again. (Linux drops what it has when it closes one: the
# host sends nothing until then.)
SESSION = """
insmod /modules/virtio_mmio.ko || exit 9
port() { for p in /sys/class/virtio-ports/*; do
[ x$(cat $p/name 2>/dev/null) = x$1 ] && echo /dev/${p##*/}; done; }
until [ -c /dev/hvc0 -a x$(port agent) != x -a x$(port log) != x ]; do sleep 0.1; done
agent=$(port agent)
exec 3<>$agent; head -c 1048576 <&3 >/in; sha256sum /in
cat /in >&3; echo after the end: $(cat <&3 | wc -c)
exec 3>&-; echo closed >$(port log); exec 3<>$agent; echo again >&3; read line <&3; echo the host said $line
echo hello >/dev/hvc0
dmesg | grep -v run= | grep -E 'BUG|Oops|WARNING|stall' && exit 7
exit 0
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", (HEXT, NO_H), ids=("hext", "no H"))
def test_linux(tmp_path, initrd, backend):
    sent = random.Random(2).randbytes(1 << 20)
    got = []

    def converse(s):
        if not got:
            s.sendall(sent)
            got.append(s.recv(len(sent), socket.MSG_WAITALL))
            s.close()
            while not peer.is_over and not (tmp_path / "log").stat().st_size:
                time.sleep(0.02)    # a guest needs a moment to see that nobody is there
            return
        s.sendall(b"welcome\n")
        got.append(s.recv(100))
        s.recv(1)

    command = "; ".join(SESSION.strip().splitlines()).replace("do;", "do").replace("{;", "{")
    peer = Peer(tmp_path / "agent", converse)
    with peer:
        run = launch("--kernel", IMAGE, "--initrd", initrd, "--virtio-console", "on",
                     "--port", f"agent=socket:{tmp_path}/agent",
                     "--port", f"log=file:{tmp_path}/log",
                     "--console", f"guest/hvc0=file:{tmp_path}/hvc0", "--append",
                     f'console=ttyS0 cryptomgr.notests quiet gnomon.run="{command}"',
                     *backend, limit=150)
    assert run.status == 0, run.out[-3000:]
    assert f"{hashlib.sha256(sent).hexdigest()}  /in" in run.out, run.out[-3000:]
    assert "after the end: 0" in run.out and "the host said welcome" in run.out, run.out[-3000:]
    assert got[0] == sent and got[1] == b"again\n"
    assert (tmp_path / "log").read_bytes() == b"closed\n"
    assert b"hello" in (tmp_path / "hvc0").read_bytes()


def describe(tmp_path, said):
    """A description of a VM that says this, as device-tree source."""
    path = tmp_path / "vm.dts"
    path.write_text(f'/dts-v1/; / {{ vms {{ a {{ kernel = "{BUILD}/guests/hello.elf";'
                    f" memory = <0 0x4000000>; {said} }}; }}; }};")
    return path


def test_description(tmp_path):
    """Places beside the description; and what is nobody's is no matter."""
    path = describe(tmp_path, 'virtio-console = "on";'
                              ' ports { log { file = "log"; }; agent { socket = "s"; }; };')
    run = launch(path)
    assert run.status == 0, run.out[-1000:]
    assert (tmp_path / "log").read_bytes() == b""


@pytest.mark.parametrize("said,says", (
    ("ports { a { }; };", "takes one of socket, file, pty"),
    ('ports { a { pty; file = "x"; }; };', "takes one of"),
    ("ports { a { pty = <1>; }; };", "pty takes no value"),
    ('ports { a { colour = "red"; }; };', "unknown property colour"),
    ("ports { a { b { }; }; };", "unknown node b"),
    ("ports { x; };", "unknown property x"),
    ("ports { a+b { pty; }; };", "a port's name is"),
    ("ports { " + " ".join(f"p{n} {{ pty; }};" for n in range(5)) + " };", "5 ports; there can be 4"),
    ('virtio-console = "yes";', 'virtio-console is "yes"'),
    ("virtio-console = \"on\"; disks { " + " ".join(f'd{n} {{ file = "disk"; }};' for n in range(7))
     + " };", "8 devices .disk: 7, console: 1."),
))
def test_refused(tmp_path, said, says):
    (tmp_path / "disk").write_bytes(bytes(512))
    assert_one_line(launch(describe(tmp_path, said)), BAD_FILE, says)


@pytest.mark.parametrize("options,says", (
    (("--port", "a"), "write NAME=file:PATH"),
    (("--port", "a=stdio"), "write NAME=file:PATH"),
    (("--port=-=pty",), "write NAME=file:PATH"),
    (("--port", "a=file:/x/y", "--port", "b=file:/x/y"), "/x/y is named twice"),
    (("--port", "a=file:/x/y", "--console", "guest=file:/x/y"), "/x/y is named twice"),
    (("--console", "guest/hvc0=pty"), "no such VM"),
    (("--port", f"a=socket:/{'x' * 110}"), "too long for a socket"),
))
def test_bad_option(options, says):
    run = launch("--kernel", suite("ports"), *options)
    assert run.status == BAD_OPTION and says in run.err, run.err


def test_port_of_an_embedded_guest():
    assert_one_line(launch("--guest", "hello", "--port", "a=pty"), BAD_OPTION, "--port has no effect")


def test_two_of_a_name():
    run = launch("--kernel", suite("ports"), "--port", "a=pty", "--port", "a=pty")
    assert_one_line(run, BAD_FILE, "port a is there twice")
