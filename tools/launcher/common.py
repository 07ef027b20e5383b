"""What all parts of the launcher share: how it fails, sizes, limits, where things are.

The limits are the hypervisor's too (hyp/vm/vm.h, hyp/vm/bundle.c).
"""

import pathlib
import shutil

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = REPO / "build"

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BUNDLE_ALIGN = 2 * MIB      # so that large pages can map the files in place
MAX_VCPUS = 8
MAX_HARTS = 8
MAX_VMS = 32
MAX_WEIGHT = 10000

# Exit statuses beside the guest's own. 65 to 71 also are Gnomon's, see STATUS in tools/gnomon.
OK, BAD_FILE, UNAVAILABLE, TIMEOUT = 0, 65, 69, 124


class Failure(Exception):
    """What went wrong, as one line for the user, and the exit status that says so."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def bad_file(message):
    return Failure(BAD_FILE, message)


def file_bytes(what, path, mode="rb"):
    """The size of a file that isn't empty, and can be opened in @mode. @what: for whom it is."""
    path = pathlib.Path(path)
    try:
        if path.exists() and not path.is_file():
            raise bad_file(f"{what} {path} is no regular file")
        with path.open(mode) as file:
            size = file.seek(0, 2)
    except OSError as error:
        raise bad_file(f"{what} {path}: {error.strerror}") from None
    if not size:
        raise bad_file(f"{what} {path} is empty")
    return size


def tool(name, package):
    found = shutil.which(name)
    if not found:
        raise Failure(UNAVAILABLE, f"{name} is missing (Debian package {package};"
                                   " tools/setup build installs it)")
    return found


def mib(count):
    """A size for people: "24 MiB", "1.4 MiB", rounded up so that it never seems to fit."""
    tenths = -(-count * 10 // MIB)
    return f"{tenths // 10} MiB" if tenths % 10 == 0 else f"{tenths / 10} MiB"


def round_up(value, unit):
    return -(-value // unit) * unit
