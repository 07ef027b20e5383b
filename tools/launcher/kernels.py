"""Whether a file is a kernel that a guest can start, and whether the guest's memory holds it.

Its one invariant: a file that is none is refused with the reason, and what to do about it.
Read next: hyp/vm/kernel.c, which looks again.
"""

import pathlib
import struct

from launcher.common import BUNDLE_ALIGN, MIB, bad_file, file_bytes, mib, round_up

RAM_BASE = 0x80000000       # of QEMU's virt board, and so of every guest
KERNEL_OFFSET = 2 * MIB     # a guest's kernel lies this far into its RAM (ELF: where it says)
DEVICE_TREE_ROOM = 2 * MIB  # kept for the guest's device tree

# What people hand over that is no kernel for this machine: offset, bytes, what to tell them.
NOT_KERNELS = (
    (0, b"\x1f\x8b", "is compressed with gzip: unpack it first (gzip -dc)"),
    (0, b"\xfd7zXZ", "is compressed with xz: unpack it first (xz -dc)"),
    (0, b"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first (zstd -dc)"),
    (0, b"BZh", "is compressed with bzip2: unpack it first (bzip2 -dc)"),
    (4, b"zimg", "is a compressed EFI kernel (vmlinuz.efi): use the Image it holds"),
    (0, b"\xd0\x0d\xfe\xed", "is a device tree or a bundle, not a kernel"),
    (0, b"\x27\x05\x19\x56", "is a legacy U-Boot image: use the kernel it holds"),
    (0x38, b"ARM\x64", "is a kernel for Arm, not for RISC-V"),
    (0x202, b"HdrS", "is a kernel for x86, not for RISC-V"),
    (0, b"#!", "is a script, not a kernel"),
    (0, b"0707", "is a cpio archive (an initrd?), not a kernel"),
)


def kernel_end(path, memory):
    """Check a kernel; return how far it reaches into a guest's RAM (bytes from its start)."""
    try:
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise bad_file(f"kernel {path}: {error.strerror}") from None
    if not data:
        raise bad_file(f"kernel {path} is empty")
    if data.startswith(b"\x7fELF"):
        return elf_end(path, data, memory)
    for offset, magic, what in NOT_KERNELS:
        if data[offset:offset + len(magic)] == magic:
            raise bad_file(f"kernel {path} {what}")
    if data[0x38:0x3c] == b"RSC\x05":
        return image_end(path, data)
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data[:64]):
        raise bad_file(f"kernel {path} is text, not a kernel")
    return KERNEL_OFFSET + len(data)


def image_end(path, data):
    """A Linux Image: its header says how much memory it needs, more than the file (bss)."""
    text_offset, image_size, flags = struct.unpack_from("<QQQ", data, 8)
    if flags & 1:
        raise bad_file(f"kernel {path} is big-endian")
    if text_offset not in (0, KERNEL_OFFSET):
        raise bad_file(f"kernel {path} wants to lie {text_offset:#x} into RAM;"
                       f" Gnomon loads at {KERNEL_OFFSET:#x}")
    return KERNEL_OFFSET + max(image_size, len(data))


def elf_end(path, data, memory):
    """An ELF file: its segments, at their physical addresses, must lie in the guest's RAM."""
    if len(data) < 64:
        raise bad_file(f"kernel {path} is truncated: {len(data)} bytes of ELF")
    kind, machine = struct.unpack_from("<HH", data, 16)
    if data[4:6] != b"\2\1" or machine != 243:  # ELFCLASS64, ELFDATA2LSB, EM_RISCV
        raise bad_file(f"kernel {path} is ELF, but not 64-bit RISC-V")
    if kind not in (2, 3):  # ET_EXEC, ET_DYN
        raise bad_file(f"kernel {path} is an ELF object, not a linked program")
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    end = 0
    for index in range(count):
        at = table + index * size
        if size < 56 or at + 56 > len(data):
            raise bad_file(f"kernel {path} is truncated: no program headers")
        kind, _, offset, _, address, in_file, in_memory = struct.unpack_from("<IIQQQQQ", data, at)
        if kind != 1 or not in_memory:  # 1: PT_LOAD
            continue
        if offset + in_file > len(data):
            raise bad_file(f"kernel {path} is truncated: a segment ends at {offset + in_file},"
                           f" the file at {len(data)}")
        if address < RAM_BASE or address + in_memory > RAM_BASE + memory:
            raise bad_file(f"kernel {path} has a segment at {address:#x}..{address + in_memory:#x};"
                           f" the guest's RAM is {RAM_BASE:#x}..{RAM_BASE + memory:#x}"
                           f" ({mib(memory)})")
        end = max(end, address + in_memory - RAM_BASE)
    if not end:
        raise bad_file(f"kernel {path} has nothing to load")
    return end


def check_fit(vm):
    """Refuse a VM whose memory can't hold its kernel, initrd and device tree."""
    kernel = kernel_end(vm.kernel, vm.memory)
    initrd = file_bytes("initrd", vm.initrd) if vm.initrd else 0
    needed = round_up(kernel, BUNDLE_ALIGN) + round_up(initrd, BUNDLE_ALIGN) + DEVICE_TREE_ROOM
    if needed > vm.memory:
        initrd_part = f" + initrd {mib(initrd)}" if initrd else ""
        raise bad_file(f"VM {vm.name}: memory of {mib(vm.memory)} is too small: kernel up to {mib(kernel)}"
                       f"{initrd_part} + device tree {mib(DEVICE_TREE_ROOM)}, each in whole"
                       f" 2 MiB, need {mib(needed)}")
