"""Where the hypervisor's instructions went: count.c's profile, by symbol and by source function.

By symbol: what one call of a function costs, its inlined parts included. By source function: the
same instructions once more, each at the innermost function that it was written in, which finds
what is inlined in many places.
Its one invariant: nothing is sampled; every instruction executed is in both tables once.
Read next: count.c (which writes the profile), bench (which picks the part of a run).
"""

import bisect
import collections
import os
import subprocess

CROSS = os.environ.get("CROSS", "riscv64-linux-gnu-")
SHOWN = 40  # rows of a table


def read(path):
    """The profile as a list in the order of time: [(point, {physical address: count})]."""
    sections = []
    for line in path.read_text().splitlines():
        if line.startswith("at "):
            sections.append((line[3:], {}))
        else:
            address, count = line.split()
            sections[-1][1][int(address, 16)] = int(count)
    return sections


def between(sections, first, last):
    """What was executed after the point numbered @first and up to the one numbered @last."""
    total = collections.Counter()
    for _, hits in sections[first + 1:last + 1]:
        total.update(hits)
    return total


def tool_lines(tool, arguments, text=None):
    return subprocess.run([CROSS + tool, *arguments], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True).stdout.splitlines()


def symbols(elf):
    """[(address, name)] of the code, in order; of two names at one place the first."""
    found = {}
    for line in tool_lines("nm", ["-n", elf]):
        words = line.split()
        if len(words) == 3 and words[1] in "tTwW" and not words[2].startswith(("$", ".L")):
            found.setdefault(int(words[0], 16), words[2])
    return sorted(found.items())


def by_symbol(elf, hits, offset):
    """[(name, instructions, calls)], dearest first; a call is a run of the first instruction."""
    table = symbols(elf)
    starts = [start for start, _ in table]
    instructions, calls = collections.Counter(), collections.Counter()
    for address, count in hits.items():
        start, name = table[bisect.bisect_right(starts, address - offset) - 1]
        instructions[name] += count
        if address - offset == start:
            calls[name] += count
    return [(name, count, calls[name]) for name, count in instructions.most_common()]


def by_source(elf, hits, offset):
    """[("function file:line", instructions)], dearest first; the line is the dearest one's."""
    addresses = sorted(hits)
    lines = tool_lines("addr2line", ["-f", "-e", elf],
                       "".join(f"{address - offset:#x}\n" for address in addresses))
    places, total = collections.Counter(), collections.Counter()
    for address, function, place in zip(addresses, lines[::2], lines[1::2]):
        place = place.split(" (")[0]
        if place.startswith("/"):
            place = os.path.relpath(place)
        places[function, place] += hits[address]
        total[function] += hits[address]
    dearest = {}
    for (function, place), _ in places.most_common():
        dearest.setdefault(function, place)
    return [(f"{function} {dearest[function]}", count) for function, count in total.most_common()]


def print_tables(elf, hits, offset, operations):
    whole = sum(hits.values()) or 1
    print(f"\n{'instructions':>14} {'share':>6} {'per op':>10} {'calls per op':>12}"
          f" {'per call':>9}  symbol")
    for name, count, calls in by_symbol(elf, hits, offset)[:SHOWN]:
        each = f"{count / calls:,.1f}" if calls else "-"
        print(f"{count:>14,} {count / whole:>6.1%} {count / operations:>10,.1f}"
              f" {calls / operations:>12,.2f} {each:>9}  {name}")
    print(f"\n{'instructions':>14} {'share':>6} {'per op':>10}  source function, dearest line")
    for name, count in by_source(elf, hits, offset)[:SHOWN]:
        print(f"{count:>14,} {count / whole:>6.1%} {count / operations:>10,.1f}  {name}")
