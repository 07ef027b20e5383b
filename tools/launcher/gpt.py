"""GUID partition tables, as far as a partition is found by its label.

Its one invariant: a table is read as hyp/drv/gpt.c reads it, which looks again.
"""

import struct
import zlib

from launcher.common import bad_file

MAX_LABEL = 36
BLOCK = 512  # bytes, of a disk that is a file


def read_table(file, blocks, at):
    """The entries of the table whose header is block @at; None: there is none."""
    file.seek(at * BLOCK)
    block = file.read(BLOCK)
    magic, _, size, crc, _, own, _, first, last, _, table, count, entry_size, entries_crc = \
        struct.unpack_from("<8sIIIIQQQQ16sQIII", block)
    if magic != b"EFI PART" or not 92 <= size <= BLOCK or own != at \
            or zlib.crc32(block[:16] + bytes(4) + block[20:size]) != crc:
        return None
    if entry_size not in (128, 256, 512, 1024, 2048, 4096) or not 0 < count * entry_size <= 1 << 17 \
            or last >= blocks:
        return None
    file.seek(table * BLOCK)
    entries = file.read(count * entry_size)
    if zlib.crc32(entries) != entries_crc:
        return None
    return [entry for entry in (entries[n:n + 128] for n in range(0, len(entries), entry_size))
            if any(entry[:16])
            and first <= struct.unpack_from("<Q", entry, 32)[0]
            <= struct.unpack_from("<Q", entry, 40)[0] <= last]


def label_of(entry):
    return entry[56:128].decode("utf-16-le", errors="replace").split("\0")[0]


def find_partition(path, label):
    """Where the partition of that label is, and its size, in bytes."""
    with open(path, "rb") as file:
        blocks = file.seek(0, 2) // BLOCK
        entries = blocks > 2 and (read_table(file, blocks, 1) or read_table(file, blocks, blocks - 1))
    if not entries:
        raise bad_file(f"disk {path} has no partitions (a GUID partition table)")
    found = [entry for entry in entries if label_of(entry) == label]
    if len(found) != 1:
        there = ", ".join(sorted(filter(None, map(label_of, entries)))) or "none with a label"
        raise bad_file(f"disk {path} has {len(found) or 'no'} partition{'s' * (len(found) > 1)}"
                       f" {label} (there are: {there})")
    first, last = struct.unpack_from("<QQ", found[0], 32)
    return first * BLOCK, (last - first + 1) * BLOCK
