# System tests: whole machines on real QEMU, driven by pytest and pexpect.
#
#   make test                   set-up, then every test there is
#   make test-system [K=expr]   these alone; K as pytest's -k, for example K=test_linux,
#                               K="test_suite and timer", K="not slow"
#
#   make test-debian            whole Debians on disks: minutes each, and an image to be made first
#   make churn                  a thousand rounds through a VM's life, in each backend
#
# One test, as pytest shows it, from the top of the tree, with its output:
#
#   /usr/bin/python3 -m pytest tests/system/test_linux.py::test_reboot
#
# Consoles of the tests that type are kept in build/tests/system/.

SYSTEM_TESTS_NEED = build/gnomon.bin $(GUEST_BINS) $(GUESTS) $(GUEST_TESTS) $(GUEST_EXITS) \
	$(LAB_ELFS) $(LINUX_GUEST) $(LINUX_MODULES) \
	$(DISK_LOAD) build/bench/count-1.so build/bench/count-4.so

DISK_LOAD = build/tests/system/disk-load
$(DISK_LOAD): tests/system/disk-load.c
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(LINUX_CC) $< -o $@

.PHONY: test test-built test-system test-explore test-debian churn
test: setup-test
	@tools/setup qemu10 || echo "test: going on without QEMU 10" >&2
	@$(MAKE) --no-print-directory test-built

test-built: test-house test-unit test-oracle test-system

test-system: $(SYSTEM_TESTS_NEED)
	@KERNEL=$(KERNEL) INITRD=$(INITRD) tests/run-tests -m "not debian and not explorer" $(if $(K),-k "$(K)")

# What `gnomon explore` writes, a part of test-explorer.
test-explore: $(SYSTEM_TESTS_NEED) build/explorer.html
	@tests/run-tests -m explorer

test-debian: setup-test $(SYSTEM_TESTS_NEED) debian-base
	@KERNEL=$(KERNEL) INITRD=$(INITRD) tests/run-tests -m debian

churn: build/gnomon.bin $(GUEST_EXITS)
	@ROUNDS=1000 tests/run-tests -k test_churn
