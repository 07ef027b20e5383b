"""gnomon ctl: a command for the monitor of a machine that runs, and its answer for people.

Its one invariant: what a guest may have said reaches the terminal without control characters.
Read next: docs/monitor.md (what is said on the channel), hyp/monitor/control.c (who answers).
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import sys

from launcher.common import OK, Failure
from launcher.ports import runtime_dir


def running_machines():
    """Control sockets of machines that run; those that nobody owns any more are removed."""
    try:
        found = sorted(pathlib.Path(runtime_dir()).glob("*.sock"))
    except OSError:
        return []
    running = []
    for path in found:
        try:
            os.kill(int(path.stem), 0)
            running.append(str(path))
        except (ValueError, ProcessLookupError):
            with contextlib.suppress(OSError):
                path.unlink()
        except PermissionError:
            pass    # another user's process has this number now
    return running


def find_machine():
    running = running_machines()
    if not running:
        raise Failure(1, "no machine runs here: start one with gnomon run, or name its socket with"
                         " --control PATH")
    if len(running) > 1:
        raise Failure(1, f"{len(running)} machines run; say which: "
                         + ", ".join(f"--control {path}" for path in running))
    return running[0]


def ask(path, line, limit):
    """Send one line to a machine; return its answer's line, or None where it ended instead."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(limit)
        try:
            s.connect(path)
            s.sendall(line.encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                got = s.recv(65536)
                if not got:
                    return None
                answer += got
        except socket.timeout:
            raise Failure(1, f"no answer within {limit:g} s from {path}") from None
        except ConnectionResetError:
            return None
        except OSError as error:
            raise Failure(1, f"{path}: {error.strerror}: no machine there?") from None
    return answer.decode(errors="replace")


def printable(value):
    """A value for people; a guest may have said what is in it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(printable, value))
    if isinstance(value, dict):
        return " ".join(f"{key}={printable(item)}" for key, item in value.items())
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "?", str(value))


def table(rows):
    """Lines of a list of objects: names above, numbers to the right."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns] + [[printable(row.get(key)) for key in columns] for row in rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    right = [all(isinstance(row.get(key), (int, float, type(None))) for row in rows)
             for key in columns]
    for line in lines:
        yield "  ".join(text.rjust(width) if to_right else text.ljust(width)
                        for text, width, to_right in zip(line, widths, right)).rstrip()


def is_table(value):
    return isinstance(value, list) and value and all(isinstance(row, dict) for row in value)


def shown(result):
    """The lines of a result for people."""
    if is_table(result):
        yield from table(result)
    elif isinstance(result, dict):
        for key, value in result.items():
            if is_table(value):
                yield f"{key}:"
                yield from (f"  {line}" for line in table(value))
            else:
                yield f"{key}: {printable(value)}"
    elif isinstance(result, list):
        yield from map(printable, result)
    elif result not in (None, True, ""):
        yield printable(result).rstrip("\n")


def parsed(path, answer):
    """An answer as what it says."""
    try:
        told = json.loads(answer)
        return {"result": None, "about": None, "error": None, **told, "ok": bool(told["ok"])}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(1, f"{path}: no answer of Gnomon's: {printable(answer[:100].strip())}") from None


def answered(path, line, limit):
    """What the monitor answers to a command that must succeed."""
    answer = ask(path, line, limit)
    if answer is None:
        raise Failure(1, f"{path}: the machine ended before it answered")
    told = parsed(path, answer)
    if not told["ok"]:
        raise Failure(1, printable(told["error"]))
    return told


def choose_vm(path, words, limit):
    """The guest's name, and .N of a vcpu if one was named; and the words that come after."""
    names = [row["name"] for row in answered(path, "vm list", limit)["result"]]
    if words and not words[0].lower().startswith("0x"):
        name = words[0].partition(".")[0]
        if name not in names:
            raise Failure(1, f"{name} isn't the name of a VM; there is {', '.join(names)}")
        return words[0], words[1:]
    if len(names) != 1:
        raise Failure(2, f"say which VM: {', '.join(names) or 'there is none'}")
    return names[0], words


def command_ctl(args):
    line = " ".join(args.words)
    if not line.isprintable():
        raise Failure(2, "a command is one line of printable characters")
    path = args.control or find_machine()
    answer = ask(path, line, args.timeout)
    if answer is None:
        if args.words[0] == "quit":
            return OK
        raise Failure(1, f"{path}: the machine ended before it answered")
    told = parsed(path, answer)
    if args.json:
        sys.stdout.write(answer)
    elif told["ok"]:
        for line in [*shown(told["result"]), *shown(told["about"])]:
            print(line)
    else:
        raise Failure(1, printable(told["error"]))
    return OK if told["ok"] else 1
