"""`gnomon map`: all that one stage of a running guest maps, and what has changed since another look.

Its one invariant: rows are the monitor's own (docs/monitor.md, `map`); here they are only put
together, kept and compared.
Read next: control.py, who speaks with the monitor.
"""

import json
import sys

from launcher.common import OK, Failure, bad_file
from launcher.control import answered, choose_vm, find_machine, shown

PIECES_MOST = 2000  # a guest can make its tables lead on forever
STAGES = ("vs", "g")


def choose(path, args):
    """The monitor's command: the guest and the stage stand in either order, and one may lack."""
    words = list(args.words)
    stage = next((word for word in reversed(words) if word in STAGES), None)
    if stage:
        words.remove(stage)
    vm, rest = choose_vm(path, words, args.timeout)
    if rest:
        raise Failure(2, f"{rest[0]!r}: what is mapped is asked of one VM[.N], in vs or in g")
    return f"map {stage or STAGES[0]} {vm}"


def read_map(path, args):
    """The rows of a whole map; the monitor tells it in pieces."""
    words = choose(path, args)
    rows, start = [], ""
    for _ in range(PIECES_MOST):
        told = answered(path, f"{words} {start}".strip(), args.timeout)
        rows += told["result"]
        start = told["about"]["next"]
        if not start:
            return rows
    print(f"gnomon map: only what is below {start}: there is too much", file=sys.stderr)
    return rows


def read_file(path):
    try:
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
        if not all(isinstance(row["from"], str) for row in rows):
            raise TypeError
    except OSError as error:
        raise bad_file(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise bad_file(f"{path}: no map that `gnomon map --out` wrote") from None
    return rows


def differences(before, after):
    """Rows that only one of two maps has, in order, with a sign in front."""
    found = [("-", row) for row in before if row not in after]
    found += [("+", row) for row in after if row not in before]
    found.sort(key=lambda pair: (int(pair[1]["from"], 16), pair[0] == "+"))
    return [{"": sign, **row} for sign, row in found]


def command_map(args):
    since = read_file(args.since) if args.since else None
    rows = read_map(args.control or find_machine(), args)
    if args.out:
        try:
            with open(args.out, "w", encoding="utf-8") as file:
                json.dump(rows, file, indent=0)
        except OSError as error:
            raise Failure(1, f"{args.out}: {error.strerror}") from None
    if since is not None:
        rows = differences(since, rows)
    if since is not None or not args.out:
        for line in shown(rows):
            print(line)
    return OK
