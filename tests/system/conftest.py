"""What pytest must know of the system tests: their markers, how two processes share them, and what
several files' tests need.

Its one invariant: every test is in exactly one shard, whatever the number of shards.
Read next: machine.py.
"""

import pathlib

import pytest

import machine


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: a few seconds")
    config.addinivalue_line("markers", "slow: boots Linux, or waits; up to a minute or more")
    config.addinivalue_line("markers", "explorer: needs build/explorer.html; make test-explorer")
    config.addinivalue_line("markers", "debian: needs the image of tools/image; make test-debian")
    config.addinivalue_line("markers", "qemu10: needs QEMU 10 in the cache (tools/setup qemu10)")


def pytest_addoption(parser):
    parser.addoption("--shard", default="1/1", metavar="I/N",
                     help="run the I-th of N parts of the tests")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        if not item.get_closest_marker("slow"):
            item.add_marker("quick")
    index, count = map(int, config.getoption("--shard").split("/"))
    ours = items[index - 1::count]
    config.hook.pytest_deselected(items=[item for item in items if item not in ours])
    items[:] = ours


def pytest_runtest_setup(item):
    if item.get_closest_marker("qemu10") and not machine.QEMU10.exists():
        pytest.skip("no QEMU 10: tools/setup qemu10 gets it on Debian 12")


@pytest.fixture(scope="session", name="initrd")
def make_initrd(tmp_path_factory):
    """The Linux guest's RAM disk with the modules behind it: Linux unpacks both."""
    if pathlib.Path(machine.IMAGE).resolve() != (machine.CACHE / "linux/Image").resolve():
        pytest.skip("the modules are those of the kernel in the cache")
    path = tmp_path_factory.mktemp("initrd") / "initrd.cpio"
    path.write_bytes(pathlib.Path(machine.INITRD).read_bytes()
                     + (machine.BUILD / "linux/modules.cpio").read_bytes())
    return path
