# `make bench`: the same guests bare, under hext and under depriv, side by side. See
# tests/bench/bench --help.
#
# Needs from guests/guests.mk: GUEST_CC, GUEST_CFLAGS, GUEST_ARCH, GUEST_LDFLAGS, GUEST_LIB; from
# tools/tools.mk: KERNEL, setup-build.
# BENCHFLAGS goes to the driver: `make bench BENCHFLAGS="--quick --check"`; what a hot path costs:
# `make bench BENCHFLAGS="--sides depriv --profile syscall"`.

CROSS ?= riscv64-linux-gnu-
BENCH_FILES := build/bench/micro.bin build/bench/many.elf build/bench/linux.cpio \
	build/bench/devices.cpio build/bench/count-1.so build/bench/count-4.so

build/bench/%.o: tests/bench/%.c guests/guests.mk
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(GUEST_CC) $(GUEST_CFLAGS) -c $< -o $@

build/bench/%.elf: build/bench/%.o $(GUEST_LIB) guests/lib/guest.ld
	@echo "  LD $@"
	@$(GUEST_CC) $(GUEST_ARCH) $(GUEST_LDFLAGS) $< $(GUEST_LIB) -o $@

build/bench/micro.bin: build/bench/micro.elf
	@echo "  MK $@"
	@$(CROSS)objcopy -O binary $< $@

build/bench/linux-init: tests/bench/linux.c
build/bench/devices-root-init: tests/bench/devices.c
build/bench/%-init: tests/bench/mark.h
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(LINUX_CC) -I. $(filter %.c,$^) -o $@

# A RAM disk holds one program, and what mounts need; it is the same on every machine.
build/bench/linux.cpio build/bench/devices-root.cpio: build/bench/%.cpio: build/bench/%-init
	@rm -rf $(@D)/root-$* && mkdir -p $(@D)/root-$*/dev
	@install $< $(@D)/root-$*/init && touch -d @0 $(@D)/root-$*/init $(@D)/root-$*/dev
	@echo "  MK $@"
	@cd $(@D)/root-$* && printf 'dev\ninit\n' | \
		cpio -o -H newc -R 0:0 --reproducible --quiet >../$(@F)

# Linux unpacks both archives.
build/bench/devices.cpio: build/bench/devices-root.cpio $(LINUX_MODULES)
	@cat $^ >$@

build/bench/count-%.so: tests/bench/count.c
	@mkdir -p $(@D)
	@echo "  MK $@"
	@gcc -shared -fPIC -fvisibility=hidden -O2 -std=c11 $(WARN) -DAPI=$* $< -o $@

.PHONY: bench bench-files
bench-files: $(BENCH_FILES)

bench: setup-build $(KERNEL) build/gnomon.bin build/guests/hello.elf $(BENCH_FILES)
	tests/bench/bench --kernel $(KERNEL) --json build/bench.json $(BENCHFLAGS)

-include build/bench/micro.d build/bench/many.d
