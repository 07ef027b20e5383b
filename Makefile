# Gnomon's build.
#
#   make run         boot Debian Linux on Gnomon, in this terminal (GUEST=hello: a unikernel guest)
#   make test        every test that CI runs
#   make stress      Linux under load, minutes in each way to run it
#   make lab N=3    check a lab of guests/labs (1 to 9)
#   make bench       bare against Gnomon, in instructions and in time
#   make build/explorer.html   the explorer, a page that shows walks and traces
#   make             the hypervisor image, build/gnomon.bin
#   make help        all targets
#
# Each folder's own rules are in its *.mk file.

CROSS ?= riscv64-linux-gnu-
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

include tools/tools.mk
include tools/explorer/explorer.mk
include guests/guests.mk
include guests/labs/labs.mk
include hyp/hyp.mk
-include tests/tests.mk
-include tests/guest/guest.mk
include tests/system/system.mk
include tests/bench/bench.mk
include tests/stress/stress.mk

.PHONY: all help run clean
all: build/gnomon.bin

help:
	@sed -n 's/^#   //p' Makefile

run: setup-build
	@$(MAKE) --no-print-directory run-built

run-built: build/gnomon.bin $(if $(GUEST),,$(LINUX_GUEST))
	@tools/gnomon run $(if $(GUEST),--guest $(GUEST),--kernel $(KERNEL) --initrd $(INITRD) \
		dts/linux.dts)

clean:
	rm -rf build
