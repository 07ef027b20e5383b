"""Which VMs there are, from a description or from options, and what the options say of them.

Its one invariant: no option is without effect: what it can't be about is refused.
Read next: descriptions.py.
"""

from launcher.common import KIB, MAX_VCPUS, MIB, Failure, bad_file
from launcher.descriptions import (CHOICES, VM_NAME, Description, Vm, attribute, check_masks,
                                   read_description)
from launcher.disks import MAX_DISKS, check_places
from launcher.nets import option_net, set_addresses
from launcher.options import names
from launcher.ports import check_ports

EMBEDDED_REFUSES = ("vm", "kernel", "initrd", "vcpus", "memory", "gstage_mode", "isa_mask",
                    "sbi_mask", "weight", "affinity")
DEVICES = ("disk", "net", "forward", "port")
VM_OPTIONS = EMBEDDED_REFUSES[1:] + tuple(map(attribute, CHOICES))
ONE_GUEST = ("name a --kernel (that of an embedded one is build/guests/NAME.elf), or a description"
             " and --guest")


def option(name):
    """An attribute's name as the option that sets it."""
    return "--" + name.replace("_", "-")


def refuse_for_embedded(args):
    """An embedded guest's description is part of Gnomon; options that would change it can't."""
    for name in (*EMBEDDED_REFUSES, "append", *DEVICES):
        if getattr(args, name) is not None:
            raise Failure(2, f"{option(name)} has no effect on the embedded guest"
                             f" {args.guest}, whose vcpus are the machine's --harts; to change"
                             f" more, run --kernel build/guests/{args.guest}.elf")


def override(vm, args):
    """Let the command line's options win over a description's."""
    for name in VM_OPTIONS:
        value = getattr(args, name)
        if value is not None:
            setattr(vm, name, value)
    if args.append is not None:
        vm.bootargs = args.append
    vm.disks += args.disk or []
    vm.ports += args.port or []
    if len(vm.disks) > MAX_DISKS:
        raise bad_file(f"VM {vm.name}: {len(vm.disks)} disks; there can be {MAX_DISKS}")
    if args.net or args.forward:
        option_net(vm, args.forward)


def find_vms(args, wanted, vms):
    for name in wanted:
        if name not in vms:
            raise bad_file(f"description {args.description}: no VM {name}"
                           f" (there are: {', '.join(vms)})")


def options_vm(args, found):
    """The VM that the options of the command line are about; None: there are none."""
    given = [name for name in (*VM_OPTIONS, "append", *DEVICES)
             if getattr(args, name) is not None]
    starting = found.starting()
    if args.vm:
        find_vms(args, [args.vm], found.vms)
        if not given:
            raise Failure(2, f"--vm {args.vm}: no option says anything about it (to run it alone:"
                             f" --guest {args.vm})")
        return found.vms[args.vm]
    if given and len(starting) > 1:
        raise Failure(2, f"{option(given[0])}: for which of {', '.join(starting)}?"
                         " Say --vm NAME, or run one alone with --guest NAME")
    return found.vms[starting[0]] if given else None


def choose_vms(args):
    """The VMs to put into a bundle; none, for guests that are embedded in Gnomon."""
    if args.description:
        found = read_description(args.description)
        if args.guest:
            found.default = names(args.guest)
            find_vms(args, found.default, found.vms)
    elif args.kernel:
        name = args.guest or "guest"
        if not VM_NAME.fullmatch(name):
            raise Failure(2, f"--guest: {name!r} is no name for a VM")
        found = Description({name: Vm(name)})
    elif args.guest:
        refuse_for_embedded(args)
        return Description({})
    else:
        raise Failure(2, "nothing to run: name a --kernel, a description, or an embedded --guest")
    found.end = args.end or found.end
    vm = options_vm(args, found)
    if vm:
        override(vm, args)
    for vm in found.vms.values():
        complete(vm)
    set_addresses(found.vms.values())
    return found


def complete(vm):
    """Fill in what was not said, and check the numbers."""
    vm.memory = vm.memory or 512 * MIB
    if vm.memory % (4 * KIB):
        raise bad_file(f"VM {vm.name}: memory of {vm.memory:#x} bytes is no multiple of 4 KiB")
    if vm.vcpus is None:
        vm.vcpus = 2
    if not 1 <= vm.vcpus <= MAX_VCPUS:
        raise bad_file(f"VM {vm.name}: {vm.vcpus} vcpus; there can be 1 to {MAX_VCPUS}")
    check_masks(vm)
    check_ports(vm)
    check_places(vm)


def starting_vms(found):
    return [found.vms[name] for name in found.starting()]
