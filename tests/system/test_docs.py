"""What the pages say is so: examples, the monitor's commands, the words of descriptions.

Its one invariant: the pages are read here, not repeated; a row or an example that is added there
is tested.
Read next: guests/README.md, docs/monitor.md, dts/README.md.
"""

import collections
import importlib
import json
import re
import shlex
import sys

import pytest
from machine import BUILD, LAUNCHER, REPO, Console, guest_output, launch, unix


def page(path):
    return (REPO / path).read_text()


def examples(path):
    """Each example of a page: its command's words, and the lines it shows."""
    blocks = re.findall(r"^    \$ (.*)\n((?:    .*\n)*)", page(path), re.MULTILINE)
    return [(shlex.split(command), [line[4:] for line in shown.splitlines()])
            for command, shown in blocks]


def by_guest(lines):
    """Lines by the guest that said them: whose comes first isn't told in advance."""
    found = collections.defaultdict(list)
    for line in lines:
        who, said = re.fullmatch(r"(?:(\w+)\| )?(.*)", line).groups()
        found[who].append(said)
    return found


def as_pattern(line):
    """Numbers, also hexadecimal ones, are any numbers, of as many digits as they have, and ... is
    anything."""
    if line == "...":
        return r"(?:.*\n)*?"
    pattern = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]+\b", r"[0-9a-f]+", re.escape(line))
    # A number of a column may have other digits, and then other spaces in front.
    pattern = re.sub(r"(?:\\ ){2,}(?=\[0-9a-f\]\+)", " +", pattern)
    return pattern.replace(r"\.\.\.", ".*") + r" *\n"


def converse(args, shown):
    """Run a machine, type what @shown has behind a prompt, and return what was to be seen."""
    with Console(LAUNCHER, ["run", *args], 60) as console:
        out = ""
        for prompt, typed in re.findall(r"^(talk> )(.*)$", "\n".join(shown), re.MULTILINE):
            before, match = console.expect(prompt)
            out += before + match[0].decode()
            console.send(f"{typed}\r")
        assert console.end() == 0
        return out + unix(console.child.before)


@pytest.mark.parametrize("command,shown", examples("guests/README.md"),
                         ids=lambda v: v[-1] if v[0] == "tools/gnomon" else "")
def test_guests_readme(command, shown, tmp_path):
    """Each of several guests is read on its own console: in their common view one that is late has
    its line cut by another's."""
    shown_by = by_guest(shown)
    logs = {who: tmp_path / who for who in shown_by if who}
    consoles = [word for who, log in logs.items() for word in ("--console", f"{who}=file:{log}")]
    said = {None: guest_output(converse([*command[2:], *consoles], shown))}
    said.update((who, unix(log.read_bytes())) for who, log in logs.items())
    for who, lines in shown_by.items():
        pattern = "".join(map(as_pattern, lines))
        got = "".join(f"{line}\n" for line in said[who].splitlines() if line)
        assert re.fullmatch(pattern, got), got


def test_every_guest_is_shown():
    """Each unikernel guest stands in the table and has its example."""
    names = re.search(r"^GUEST_NAMES := (.*)$", page("guests/guests.mk"), re.MULTILINE)[1].split()
    text = page("guests/README.md")
    assert re.findall(r"^\| \[(\w+)\]\(#\1\)", text, re.MULTILINE) == names
    shown = " ".join(" ".join(command) for command, _ in examples("guests/README.md"))
    assert all(re.search(rf"\b{name}\b", shown) for name in names)


def test_monitor_commands(tmp_path):
    """What `help` lists is in docs/monitor.md, each under its own heading, and nothing else is."""
    control = tmp_path / "control"
    with Console(LAUNCHER, ["run", "--guest", "clock", "--control", control], 30) as console:
        console.expect("I wake up")
        usages = [row["usage"] for row in json.loads(
            launch("--control", control, "--json", "help", command="ctl").out)["result"]]
    text = page("docs/monitor.md")
    assert sorted(re.findall(r"^### (.*)$", text, re.MULTILINE)) == sorted(usages)
    names = [re.match(r"[a-z]+(?: [a-z]+)?", usage)[0] for usage in usages]
    for typed in re.findall(r"^    gnomon> (.*)$", text, re.MULTILINE):
        assert any(re.match(rf"{name}\b", typed) for name in names), typed


def schema():
    """The properties of dts/README.md's tables: of /vms, a VM, a disk, a port; name -> the text."""
    tables = page("dts/README.md").split("| property |")[1:]
    return [dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \| .* \|$", table, re.MULTILINE))
            for table in tables]


def described(**properties):
    """A description with one VM that has @properties."""
    said = {"compatible": '"gnomon,vm"', "kernel": '"k.bin"', **properties}
    lines = " ".join(f"{name.replace('_', '-')} = {value};" for name, value in said.items())
    return f"/dts-v1/; / {{ vms {{ a {{ {lines} }}; }}; }};"


def test_schema_words(tmp_path):
    """Each word that the schema says a property can have is taken, by the launcher and by Gnomon."""
    (tmp_path / "k.bin").write_bytes((BUILD / "guests/hello.bin").read_bytes())
    words = {name: re.findall(r'"([a-z0-9]+)"', text) for name, text in schema()[1].items()}
    for name, allowed in words.items():
        for word in allowed:
            source = described(**{name: f'"{word}"'})
            (tmp_path / "vm.dts").write_text(source)
            run = launch(tmp_path / "out.fit", tmp_path / "vm.dts", command="bundle")
            assert run.status == 0, (source, run.err)
    everything = {name: f'"{allowed[0]}"' for name, allowed in words.items() if allowed}
    (tmp_path / "vm.dts").write_text(described(
        **everything, vcpus="<2>", memory="<0 0x1000000>", weight="<7>", affinity="<0 1>",
        order="<1>", bootargs='"quiet"'))
    run = launch(tmp_path / "vm.dts", "--on-shutdown", "stop")
    assert run.status == 0 and "Goodbye" in run.out, (run.err, run.out[-500:])


def launcher(name):
    """A part of the launcher, as a module."""
    sys.path.insert(0, str(REPO / "tools"))
    try:
        return importlib.import_module(f"launcher.{name}")
    finally:
        sys.path.pop(0)


def test_schema_is_the_launchers():
    """The properties that the tables name are those that the launcher takes."""
    descriptions = launcher("descriptions")
    top, vm, disk, port, net = schema()
    assert sorted(port) == sorted(descriptions.PORT_PROPERTIES)
    assert sorted(disk) == sorted(descriptions.DISK_PROPERTIES)
    assert sorted(net) == sorted(descriptions.NET_PROPERTIES)
    assert sorted(top) == sorted(descriptions.TOP_PROPERTIES)
    assert sorted(vm) == sorted(descriptions.PROPERTIES)


def test_readme_folders():
    """The README's order of folders is the one that tests/house holds up."""
    listed = re.search(r"\(`make test-house` checks that\):\n`(.*?)`", page("README.md"),
                       re.DOTALL)[1].split()
    house = re.search(r"FOLDERS = \[(.*?)\]", page("tests/house"), re.DOTALL)[1]
    assert [name for name in listed if name != "sbi/abi.h"] == re.findall('"(.*?)"', house)


@pytest.mark.parametrize("path", (
    "README.md", "dts/README.md", "guests/README.md", "docs/debian.md", "docs/monitor.md",
    "docs/guide.md", "docs/trace.md", "docs/explorer.md", "tests/README.md",
    *(str(path.relative_to(REPO)) for path in REPO.glob("guests/labs/**/README.md"))))
def test_links(path):
    """What is linked to is there; so is, in a C source, each name that stands behind a link."""
    for target, names in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)((?:,? `\w+`)*)", page(path)):
        file = (REPO / path).parent / target
        assert file.exists(), target
        for name in re.findall(r"`(\w+)`", names):
            assert name in file.read_text(), (target, name)
