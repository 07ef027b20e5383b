# Gnomon's build.
#
#   make run         boot Debian's kernel and a shell on Gnomon, in this terminal
#                    (GUEST=debian: Debian on a disk, GUEST=hello: a unikernel guest)
#   make debian      the disk of GUEST=debian, build/debian/disk.img; debian-fresh: a new one
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
WARN := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wswitch-enum -Werror
# Programs for Linux guests.
LINUX_CC = $(CROSS)gcc -static -O2 -std=gnu11 $(WARN)
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

# By GUEST: what it needs, and what the launcher is told; other guests are embedded in Gnomon.
RUN_NEEDS_debian = $(DEBIAN_DISK)
RUN_debian = dts/debian.dts
RUN_NEEDS_ = $(LINUX_GUEST)
RUN_ = --kernel $(KERNEL) --initrd $(INITRD) dts/linux.dts

run-built: build/gnomon.bin $(RUN_NEEDS_$(GUEST))
	@tools/gnomon run $(or $(RUN_$(GUEST)),--guest $(GUEST))

clean:
	rm -rf build
