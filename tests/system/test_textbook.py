"""The textbook's example: when each way to run a guest learns that a page is remapped.

Its one invariant: what is asked is the monitor's `xlate`, at the three moments at which the guest
waits: before its store, before its fence, after it.
Read next: guests/textbook/textbook.c, docs/guide.md.
"""

import re

import pytest
from machine import HEXT, NO_H, launch
from textbook import Textbook

BASE, PAGE = 0x80800000, 4096


def gpa(page):
    return BASE + page * PAGE


def xlate(machine, vm, page, is_old=False):
    """Where @page leads, by the tables and by the shadow (None: nowhere yet).

    @is_old: the shadow has what the tables said before.
    """
    about = machine.ask("xlate", vm, hex(page * PAGE))["about"]
    assert about["works"], about
    shadow = about["shadow"] or {"why": ""}
    entry = int(shadow.get("entry") or "0", 16)
    assert is_old == shadow["why"].startswith("from before what the guest has now"), about
    assert not entry or is_old != (shadow["why"] == "composed of both"), about
    return (int(about["gpa"], 16), int(about["hpa"], 16),
            (entry >> 10 << 12) if entry & 1 else None)


def policy(name):
    return (*NO_H, "--vm", "first", "--shadow-policy", name)


@pytest.mark.parametrize("args,between", ((HEXT, None), (NO_H, "old"), (policy("unsync"), "old"),
                                          (policy("trap"), "gone"), (policy("none"), None)),
                         ids=("hext", "lazy", "unsync", "trap", "none"))
def test_textbook(args, between, tmp_path):
    """The guest's table says so at once; the shadow before the fence as its policy has it."""
    with Textbook(tmp_path, ("first", "second"), "dts/textbook.dts", *args) as machine:
        machine.begin()
        homes = [[xlate(machine, vm, page) for page in pages]
                 for vm, pages in (("first", (7, 4, 3)), ("second", (4, 5, 6)))]
        for home in homes:
            assert [at for at, _, _ in home] == [gpa(10), gpa(11), gpa(12)]
        frames = [hpa for home in homes for _, hpa, _ in home]
        assert len(set(frames)) == 6
        shadows = [shadow for _, _, shadow in homes[0]]
        assert shadows == (frames[:3] if between else 3 * [None])
        machine.next()
        at, new, shadow = xlate(machine, "first", 7, between == "old")
        assert at == gpa(200) and new not in frames
        assert shadow == (frames[0] if between == "old" else None)
        machine.next()
        assert xlate(machine, "first", 7) == (gpa(200), new, new if between else None)
        machine.next("That was all.\n")
        assert xlate(machine, "second", 4)[1] == frames[3]
        machine.quit()


def test_textbook_says_what_it_takes():
    run = launch("--kernel", "build/guests/textbook.elf", "--append", "pages=7,x,3")
    assert run.status == 1 and re.search(r"pages=A,B,C and remap=N are numbers", run.out)
