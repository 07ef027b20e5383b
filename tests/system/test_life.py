"""VMs that come and go, and an operator who says anything at any moment.

Its one invariant: what was given is given back; in the end as much is free as in the beginning.
Read next: house.py; hyp/vm/vm.c.
"""

import os
import random

import pexpect
import pytest
from house import Machine, Refused, bad, description, good, guest
from machine import LAUNCHER, Console

BACKENDS = ("hext", "depriv")
ROUNDS = int(os.environ.get("ROUNDS", "100"))  # make churn: a thousand


# --- the life of one VM among others ---

@pytest.mark.parametrize("backend", BACKENDS)
def test_churn(backend, tmp_path):
    """Every way through a VM's life, beside two others that don't rest; nothing is lost."""
    vms = {"guest": good("hog", vcpus=2, backend=backend),
           "hog": good("hog", vcpus=2, backend=backend),
           "ill": bad("reset", backend=backend)}
    with Machine(tmp_path, vms, "--harts", 2, end="never", default=("hog", "guest"),
                 limit=60 + ROUNDS) as machine:
        def end():
            machine.ask("vm stop guest")
            machine.reaches("guest", "stopped")
            machine.ask("vm destroy guest")
        # Once before, so that what is kept for good is there.
        end()
        free = machine.free()
        machine.ask("vm create ill")
        machine.ask("vm start ill")
        for number in range(ROUNDS):
            machine.ask("vm create guest")
            machine.ask("vm start guest")
            if number % 2:
                machine.ask("vm pause guest")
                assert machine.state("guest") == "paused"
            if number % 4 == 1:
                machine.ask("vm resume guest")
            if number % 3 == 0:
                machine.ask("vm reset guest")
                machine.until(lambda: machine.vm("guest")["starts"] == 2)
            end()
        assert machine.vm("ill")["starts"] > 1
        machine.ask("vm stop ill")
        machine.reaches("ill", "stopped")
        machine.ask("vm destroy ill")
        assert machine.free() == free
        machine.quit()


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_that_wants_too_much(backend, tmp_path):
    """It is stopped when memory runs out, gives everything back, and the others go on."""
    vms = {"hog": good("hog", backend=backend),
           "large": bad("fill", memory=96 << 20, backend=backend),
           "guest": good("steady", backend=backend)}
    with Machine(tmp_path, vms, "--harts", 2, "--host-memory", "64M", end="never",
                 default="hog") as machine:
        machine.until(lambda: machine.ran()["hog"])
        machine.ask("vm create large")
        free = machine.free()
        machine.ask("vm start large")
        machine.reaches("large", "stopped")
        assert machine.vm("large")["status"] == 71
        assert machine.free() == free
        machine.ask("vm create guest")
        machine.ask("vm start guest")
        machine.reaches("guest", "stopped")
        assert machine.said("guest").endswith("done\n")
        ran = machine.ran()["hog"]
        machine.until(lambda: machine.ran()["hog"] > ran)
        machine.quit()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_failed_start_gives_everything_back(backend, tmp_path):
    """More and more VMs that use all of their memory, until one can't even be started."""
    fillers = {f"f{n:02}": bad("fill", memory=6 << 20, backend=backend) for n in range(24)}
    vms = {"hog": good("hog", backend=backend), **fillers}

    def is_full(machine, name):
        row = machine.vm(name)
        return row["state"] == "stopped" or row["used_kib"] >= row["memory_kib"]

    def is_off(machine, name):
        return {row["place"] for row in machine.ask(f"vcpu list {name}")} == {"off"}
    with Machine(tmp_path, vms, "--harts", 2, "--host-memory", "64M", end="never", default="hog",
                 shared=vms) as machine:
        machine.until(lambda: machine.ran()["hog"])
        free, refused = machine.free(), []
        for name in fillers:
            before = machine.free()
            answer = machine.say(f"vm create {name}")
            if answer["ok"]:
                before = machine.free()
                answer = machine.say(f"vm start {name}")
            if not answer["ok"]:
                refused.append(answer["error"])
                assert machine.free() == before
                break
            machine.until(lambda: is_full(machine, name))
            # Full or not, it takes no more.
            machine.say(f"vm pause {name}")
            machine.until(lambda: is_off(machine, name))
        assert refused and "memory" in refused[0], refused
        for name in [row["name"] for row in machine.ask("vm list") if row["name"] in fillers]:
            machine.say(f"vm stop {name}")  # unless it has been, for want of memory
            machine.reaches(name, "stopped")
            machine.ask(f"vm destroy {name}")
        assert machine.free() == free
        ran = machine.ran()["hog"]
        machine.until(lambda: machine.ran()["hog"] > ran)
        machine.quit()


# --- what the description says is to happen then ---

@pytest.mark.parametrize("word", ("stop", "restart"))
@pytest.mark.parametrize("kernel,when", (
    ("exit-srst", "on-failure"), ("exit-code", "on-failure"), ("exit-legacy", "on-shutdown"),
    ("reboot", "on-reset")))
def test_what_follows(kernel, when, word, tmp_path):
    """The guest's own end leads to what its description says of it."""
    with Machine(tmp_path, {"guest": guest(kernel, **{when: word})}, end="never") as machine:
        if word == "restart":
            machine.until(lambda: machine.vm("guest")["starts"] > 3)
        else:
            machine.reaches("guest", "stopped")
            assert machine.vm("guest")["starts"] == 1
        machine.quit()


def test_who_starts(tmp_path):
    """`default` says who starts, and --guest says it anew; `order` says in which order."""
    vms = {name: good("hog", order=order) for name, order in (("a", 2), ("b", 1), ("c", 0))}
    with Machine(tmp_path / "1", vms, default=("a", "b")) as machine:
        machine.until(lambda: machine.ran()["b"])
        assert [row["name"] for row in machine.ask("vm list")] == ["b", "a"]
        machine.quit()
    with Machine(tmp_path / "2", vms, "--guest", "a,c", default=("a", "b")) as machine:
        machine.until(lambda: machine.ran()["c"])
        assert [row["name"] for row in machine.ask("vm list")] == ["c", "a"]
        machine.quit()


def test_the_machine_ends_with_its_last_guest(tmp_path):
    """With the first failure's status, once nobody runs any more."""
    with Machine(tmp_path, {"a": guest("exit-code"), "b": good("steady")}) as machine:
        assert machine.end() == 42
        assert machine.said("b").endswith("done\n")


# --- the operator ---

WORDS = ("vm", "vcpu", "list", "show", "start", "stop", "pause", "resume", "reset", "create",
         "destroy", "regs", "mem", "top", "once", "exits", "on", "off", "harts", "log", "version",
         "help", "guest", "hog", "guest.0", "guest.7", "guest.99999999999999999999", ".", "-1",
         "0x10", "", "quit 256", "quit -1", "quit x", "@", "@1", "@99999999999999999", "x" * 300,
         "\t", "\x01", "%s%n", "\u00e9")


def test_any_command_at_any_moment(tmp_path):
    """Each is answered, by one line; the guests go on."""
    chance = random.Random(1)
    vms = {"guest": good("hog", vcpus=2), "hog": good("hog"), "ill": bad("reset")}
    with Machine(tmp_path, vms, "--harts", 2, end="never") as machine:
        for _ in range(1500):
            line = " ".join(chance.choice(WORDS) for _ in range(chance.randint(0, 4)))
            answer = machine.say(line)
            assert answer["ok"] in (True, False) and ("error" in answer) != answer["ok"], line
        for name in vms:
            for command in ("create", "start", "resume"):
                try:
                    machine.ask(f"vm {command} {name}")
                except Refused:
                    pass
            machine.reaches(name, "running")
        before = machine.ran()
        machine.until(lambda: all(ms > before[name] for name, ms in machine.ran().items()))
        machine.quit()


KEYS = "123456789npma]?x\x00\x03\r\x1b\x7f"


def test_escape_key_at_any_moment(tmp_path):
    """Each key after Ctrl-], while one guest floods; what is typed reaches who has the focus."""
    vms = {"listener": good("echo"), "flood": bad("flood", vcpus=2), "hog": good("hog")}
    chance = random.Random(1)
    source, said = tmp_path / "vms.dts", tmp_path / "said"
    source.write_text(description(vms, end="never"))
    with Console(LAUNCHER, ["run", source, "--harts", 2, "--control", tmp_path / "control",
                            "--console", f"listener=file:{said}"], 60) as console:
        # On the terminal the flood may come between any two letters of it.
        while not said.exists() or "listening" not in said.read_text():
            console.child.expect(r".+")
        for _ in range(150):
            console.send("\x1d" + chance.choice(KEYS))
            # Most keys have an answer, or the flood goes on; the monitor says nothing to Ctrl-].
            console.child.expect([r".+", pexpect.TIMEOUT], timeout=1)
        # Whatever that came to: from here on the listener hears again.
        console.send("\x1d1" + "\x1d]" + "w")
        console.expect("<1d>")
        console.expect("<77>")
        console.send("\x1dm\x15version\r")
        console.expect(r"timebase +\d+")
        console.send("quit 3\r")
        assert console.end() == 3


def test_one_that_resets_again_and_again_is_stopped(tmp_path):
    """Whatever it is at when the operator says so."""
    with Machine(tmp_path, {"ill": bad("reset", vcpus=2)}, "--harts", 2, end="never") as machine:
        for _ in range(200):
            machine.ask("vm stop ill")
            machine.reaches("ill", "stopped")
            machine.ask("vm start ill")
        machine.quit()
