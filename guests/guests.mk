# Unikernel guests: guests/NAME/NAME.c on the kit in guests/lib, as build/guests/NAME.elf and .bin,
# and build/guests.fit, the bundle of all of them that the hypervisor carries.
#
# For the top Makefile: GUESTS (the ELF files), GUEST_FIT. tests/guest/guest.mk uses GUEST_CC,
# GUEST_CFLAGS, GUEST_LDFLAGS and GUEST_LIB from here.

CROSS ?= riscv64-linux-gnu-

GUEST_NAMES := hello ticks harts faults pagewalk hog clock talk textbook costs
GUESTS := $(GUEST_NAMES:%=build/guests/%.elf)
GUEST_BINS := $(GUEST_NAMES:%=build/guests/%.bin)
GUEST_FIT := build/guests.fit

GUEST_CC := $(CROSS)gcc
# No F and D for the compiler: tests keep patterns in f registers. No relaxation: gp is free too.
GUEST_ARCH := -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany -mno-relax
GUEST_CFLAGS := -std=gnu11 -O2 -g $(GUEST_ARCH) -I. -ffreestanding -fno-pie -fno-stack-protector \
	-fno-strict-aliasing -fno-tree-loop-distribute-patterns -fno-jump-tables \
	-fno-asynchronous-unwind-tables $(WARN) -MMD -MP
GUEST_LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,norelro \
	-Wl,--no-warn-rwx-segments -T guests/lib/guest.ld

GUEST_LIB_SRCS := $(sort $(wildcard guests/lib/*.c)) guests/lib/start.S
GUEST_LIB := $(patsubst guests/lib/%,build/guests/lib/%.o,$(GUEST_LIB_SRCS))

build/guests/lib/%.o: guests/lib/% guests/guests.mk
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(GUEST_CC) $(GUEST_CFLAGS) -c $< -o $@

$(foreach n,$(GUEST_NAMES),$(eval build/guests/$(n).o: guests/$(n)/$(n).c guests/guests.mk ; \
	@mkdir -p $$(@D) && echo "  CC $$@" && $$(GUEST_CC) $$(GUEST_CFLAGS) -c $$< -o $$@))

$(GUESTS): build/guests/%.elf: build/guests/%.o $(GUEST_LIB) guests/lib/guest.ld
	@echo "  LD $@"
	@$(GUEST_CC) $(GUEST_ARCH) $(GUEST_LDFLAGS) $< $(GUEST_LIB) -o $@

$(GUEST_BINS): %.bin: %.elf
	@echo "  MK $@"
	@$(CROSS)objcopy -O binary $< $@

$(GUEST_FIT): guests/guests.its $(GUEST_BINS)
	@echo "  MK $@"
	@SOURCE_DATE_EPOCH=0 mkimage -q -f $< -E -B 0x1000 $@

.PHONY: guests
guests: $(GUESTS) $(GUEST_BINS) $(GUEST_FIT)

-include $(wildcard build/guests/*.d build/guests/lib/*.d)
