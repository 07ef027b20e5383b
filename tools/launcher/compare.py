"""`gnomon run --compare`: the same guest, once in each way that it can be run, and what that took.

Its one invariant: each run is that of `gnomon run --icount` with the way's own options, so that
the table can be made again, number by number.
Read next: tools/gnomon (command_run); hyp/vm/stats.c, which counts; tests/bench/count.c.
"""

import argparse
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from launcher.choice import ONE_GUEST, choose_vms, option, starting_vms
from launcher.common import BUILD, OK, Failure
from launcher.kernels import check_fit
from launcher.process import run_machine

LOADED_AT = 0x80200000    # where QEMU puts what firmware starts
WAYS = {
    "bare": {"bare": True},
    "hext": {"backend": "hext", "shadow_policy": None},
    **{policy: {"backend": "depriv", "shadow_policy": policy}
       for policy in ("lazy", "unsync", "trap", "none")},
}
# What Gnomon says at the end; several of a row are added up.
ROWS = {
    "exits": r"exits cause \d+ (\d+)",
    "fills of the G-stage": r"demand fills (\d+)",
    "fills of shadows": r", fills (\d+)",
    "fences": r"shadow fences (\d+)",
    "references": r"shadow references (\d+)",
}
INSTRUCTIONS = "instructions"
SIGNALLED = 128     # from here on a status says that all is to end
REFUSED = ("bare", "backend", "shadow_policy", "log", "gdb", "dry_run")


def plugin(qemu):
    """The counter of instructions that this QEMU takes, if it is built (make bench-files)."""
    text = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"version (\d+)\.", text)
    path = BUILD / f"bench/count-{1 if version and int(version[1]) < 9 else 4}.so"
    return path if path.exists() else None


def instructions(path):
    """All that ran from the guest's first instruction on: its own, Gnomon's, the firmware's."""
    found = {}
    for line in path.read_text().splitlines():
        name, *words = line.split()
        found[name] = sum(int(count) for word, count in zip(words[::2], words[1::2])
                          if word in ("fw", "hyp", "guest"))
    return found["total"] - found["first"]


def measure(args, way, machine, counter):
    """One way's column."""
    own = argparse.Namespace(**{**vars(args), **WAYS[way], "icount": True,
                                "hyp_append": f"{args.hyp_append or ''} stats".strip()})
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gnomon-")))
        command, counts = machine(own, choose_vms(own), work, stack), work / "counts"
        if counter:
            end = 0 if own.bare else LOADED_AT + os.path.getsize(own.gnomon)
            command += ["-plugin", f"{counter},hyp_lo={LOADED_AT if end else 0:#x},hyp_hi={end:#x},"
                                   f"out={counts}"]
        with open(work / "console", "w+b") as console:
            status = run_machine(command, args.timeout, console)
            console.seek(0)
            said = console.read().decode(errors="replace")
        if status != OK:
            raise Failure(status, f"ended with status {status}: {said.strip()[-200:]!r}")
        column = {row: sum(map(int, found)) for row, pattern in ROWS.items()
                  if (found := re.findall(rf"^gnomon: .*?{pattern}", said, re.MULTILINE))}
        if counter:
            column[INSTRUCTIONS] = instructions(counts)
        return column


def ways_of(vm):
    """Under `none` a kernel with a RAM disk would take days to start."""
    return [way for way in WAYS if way != "none" or not vm.initrd]


def progress(text):
    """On a terminal: what is under way, in place of what was said of the one before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def command_compare(args, machine):
    """machine(args, found, work, stack): QEMU's command line for what these options describe."""
    for name in REFUSED:
        if getattr(args, name):
            raise Failure(2, f"{option(name)} has no place beside --compare")
    vms = starting_vms(choose_vms(args))
    if len(vms) != 1:
        raise Failure(2, f"--compare runs one guest: {ONE_GUEST}")
    check_fit(vms[0])
    counter, columns = plugin(args.qemu), {}
    if not counter:
        print("gnomon run: instructions aren't counted: `make bench-files` builds what counts them",
              file=sys.stderr)
    for way in ways_of(vms[0]):
        progress(f"running it: {way} ...")
        try:
            columns[way] = measure(args, way, machine, counter)
        except Failure as failure:
            progress("")
            if failure.status > SIGNALLED:
                raise
            print(f"gnomon run: {way}: {failure}", file=sys.stderr)
            columns[way] = None
    progress("")
    print(f"{'':20}" + "".join(f"{way:>13}" for way in columns))
    for row in (*ROWS, INSTRUCTIONS):
        cells = ((column or {}).get(row) for column in columns.values())
        print(f"{row:20}" + "".join(f"{'-' if cell is None else cell:>13}" for cell in cells))
    if all(column is None for column in columns.values()):
        raise Failure(1, "in none of these ways did it come to its end")
    return OK
