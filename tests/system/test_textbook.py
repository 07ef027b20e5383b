"""The textbook's example: when each way to run a guest learns that a page is remapped.

Its one invariant: what is asked is the monitor's `xlate`, at the three moments at which the guest
waits: before its store, before its fence, after it.
Read next: guests/textbook/textbook.c, docs/guide.md.
"""

import json
import re

import pytest
from machine import HEXT, LAUNCHER, NO_H, Console, launch

BASE, PAGE = 0x80800000, 4096
LOOK = "Look at me, then press Enter"


class Textbook(Console):
    """dts/textbook.dts, with the first VM at its first moment, and the monitor."""

    def __init__(self, control, *args):
        super().__init__(LAUNCHER, ["run", "dts/textbook.dts", "--control", control, *args], 40)
        self.control = control

    def begin(self):
        for _ in range(2):
            self.expect(LOOK)
        self.send("\x1d1")
        self.expect("first")

    def ask(self, *words):
        run = launch("--control", self.control, "--json", *words, command="ctl")
        assert run.status == 0, (words, run.out, run.err)
        return json.loads(run.out)

    def xlate(self, vm, page):
        """Where @page leads, by the tables and by the shadow (None: nowhere yet)."""
        answer = self.ask("xlate", vm, hex(page * PAGE))
        about = answer["about"]
        assert about["works"], about
        shadow = about["shadow"]
        entry = int(shadow["entry"], 16) if shadow and shadow.get("entry") else 0
        return (int(about["gpa"], 16), int(about["hpa"], 16),
                (entry >> 10 << 12) if entry & 1 else None)

    def next(self):
        """Let the first VM go on to its next moment."""
        self.send("\r")
        self.expect(LOOK)


def gpa(page):
    return BASE + page * PAGE


@pytest.mark.parametrize("args,between", (
    (HEXT, "none"),
    (NO_H, "old"),
    ((*NO_H, "--vm", "first", "--shadow-policy", "unsync"), "old"),
    ((*NO_H, "--vm", "first", "--shadow-policy", "trap"), "gone"),
), ids=("hext", "lazy", "unsync", "trap"))
def test_textbook(args, between, tmp_path):
    """The guest's table says so at once; the shadow before the fence as its policy has it."""
    with Textbook(tmp_path / "control", *args) as console:
        console.begin()
        homes = [[console.xlate(vm, page) for page in pages]
                 for vm, pages in (("first", (7, 4, 3)), ("second", (4, 5, 6)))]
        for home in homes:
            assert [at for at, _, _ in home] == [gpa(10), gpa(11), gpa(12)]
        frames = [hpa for home in homes for _, hpa, _ in home]
        assert len(set(frames)) == 6
        shadows = [shadow for home in homes for _, _, shadow in home]
        assert shadows == (6 * [None] if between == "none" else frames)
        old = frames[0]
        console.next()
        at, new, shadow = console.xlate("first", 7)
        assert at == gpa(200) and new not in frames
        assert shadow == (old if between == "old" else None)
        console.next()
        at, hpa, shadow = console.xlate("first", 7)
        assert at == gpa(200) and hpa == new
        assert shadow == (None if between == "none" else new)
        console.send("\r")
        console.expect("That was all")
        assert console.xlate("second", 4)[1] == frames[3]
        console.ask("quit")
        assert console.end() == 0


def test_textbook_says_what_it_takes():
    run = launch("--kernel", "build/guests/textbook.elf", "--append", "pages=7,x,3")
    assert run.status == 1 and re.search(r"pages=A,B,C and remap=N are numbers", run.out)
