"""The guide's transcripts and figures, made again and compared.

Its one invariant: the page is read here, not repeated. What stands behind `$` is run in the page's
order; `(Enter)` is typed; addresses may differ, and so may how wide columns are, nothing else.
Read next: docs/guide.md.
"""

import re
import shlex

import pytest
from machine import NO_H, REPO, guest_output, launch
from textbook import Textbook

GUIDE = (REPO / "docs/guide.md").read_text()
COSTS = "build/guests/costs.elf"
# The columns of the table of costs, as the options they stand for.
WAYS = {"bare": ("--bare",), "hext": (), **{
    policy: (*NO_H, "--shadow-policy", policy) for policy in ("none", "lazy", "unsync", "trap")}}


def steps():
    """What the page's transcripts have: (command, the lines that follow it), in order."""
    found = []
    for block in re.findall(r"(?:^    .*\n)+", GUIDE, re.MULTILINE):
        lines = [line[4:] for line in block.splitlines()]
        if not re.match(r"\$ |\(Enter\)", lines[0]):
            continue
        for line in lines:
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line == "(Enter)":
                found.append((line, []))
            else:
                found[-1][1].append(line)
    return found


def sessions():
    """The steps by machine: each that stops for someone to look begins one."""
    found = []
    for command, shown in steps():
        if "dts/textbook.dts" in command:
            found.append([])
        if "tools/gnomon run" not in command or "dts/textbook.dts" in command:
            found[-1].append((command, shown))
    return found


def programs():
    """The machines that run to their end."""
    return [(command, shown) for command, shown in steps()
            if "tools/gnomon run" in command and "dts/textbook.dts" not in command]


def pattern(line):
    """Addresses and other numbers are any numbers, ... is anything, blanks are blanks."""
    if line == "...":
        return r"(?:.*\n)*?"
    words = [re.sub(r"(?<![A-Za-z])(0x)?(?=[0-9a-f]*\d)[0-9a-f]+\b", "[0-9a-fx]+", word)
             for word in map(re.escape, line.replace("...", "\0").split())]
    return r"\s*" + r"\s+".join(words).replace("\0", ".*").replace("\\\0", ".*") + r" *\n"


def matches(shown, out):
    out = "".join(f"{line}\n" for line in out.splitlines() if line.strip())
    return re.fullmatch("".join(map(pattern, shown)), out)


def assert_says(said, shown):
    """The first guest said each of @shown, which have its name in front."""
    for line in shown:
        assert re.search(pattern(line.removeprefix("first| ")), said), (line, said)


@pytest.mark.parametrize("command,shown", programs(), ids=lambda v: v if isinstance(v, str) else "")
def test_guide_programs(command, shown):
    run = launch(*shlex.split(command)[2:], limit=100)
    assert run.status == 0 and matches(shown, guest_output(run.out)), run.out


@pytest.mark.parametrize("number", range(len(sessions())))
def test_guide_sessions(number, tmp_path):
    """What the monitor shows of a guest that waits, and what that says when it goes on."""
    (start, shown), *rest = sessions()[number]
    with Textbook(tmp_path, ("first", "second"), *shlex.split(start)[2:]) as machine:
        assert_says(machine.begin(), shown)
        for command, shown in rest:
            if command == "(Enter)":
                assert_says(machine.next(), shown)
            else:
                out = machine.ctl(*shlex.split(command)[2:])
                assert matches(shown, out), (shown, out)
        machine.quit()


def test_guide_shadows():
    """The bits that the text speaks of: which of the shadow's entries are the same."""
    shown = re.findall(r"shadow: level=0 entry=(0x[0-9a-f]+)", GUIDE)
    first, between, after = (int(entry, 16) for entry in shown)
    assert first == between != after
    leaves = re.findall(r"^    hpa: (0x[0-9a-f]+)$", GUIDE, re.MULTILINE)[2:4]
    assert [entry >> 10 << 12 for entry in (first, after)] == [int(leaf, 16) for leaf in leaves]


def table(head):
    """The rows of the page's table whose head begins with @head, as lists of cells."""
    text = re.search(rf"^{re.escape(head)}.*\n\| ---.*\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    rows = [line.strip("| \n").split(" | ") for line in text[1].splitlines()]
    return text[0].splitlines()[0].strip("| \n").split(" | "), rows


@pytest.mark.parametrize("way", table("| | bare")[0])
def test_guide_costs(way):
    """Each number is what the guest measures, within a tenth; small ones within a tick."""
    head, rows = table("| | bare")
    run = launch("--kernel", COSTS, "--icount", *WAYS[way], limit=60)
    for what, *numbers in rows:
        said = int(numbers[head.index(way)])
        got = int(re.search(rf"^{re.escape(what)} +(\d+)$", run.out, re.MULTILINE)[1])
        assert abs(got - said) <= max(4, said / 10), (what, got, said)


@pytest.mark.parametrize("modes", sorted({tuple(row[:2]) for row in
                                          table("| guest's table | G-stage")[1]}))
def test_guide_references(modes, tmp_path):
    vs, g = modes
    with Textbook(tmp_path, ("guest",), "--kernel", "build/guests/textbook.elf", "--memory",
                  "16M", "--vcpus", "1", "--append", f"wait=key sv={vs[2:]}", "--gstage-mode",
                  g) as machine:
        machine.begin()
        for row_vs, row_g, at, count in table("| guest's table | G-stage")[1]:
            if (row_vs, row_g) == modes:
                references = machine.ask("xlate", "guest", at)["result"]
                assert len(references) == int(count), (at, references)
        machine.quit()
