# `make stress`: Linux under load, for minutes, on each way to run it. See tests/stress/stress --help.
#
# STRESSFLAGS goes to the driver: `make stress STRESSFLAGS="--seconds 600 lazy trap"`.

build/stress/init: tests/stress/init.c
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(LINUX_CC) -pthread -D_GNU_SOURCE $< -o $@

# The RAM disk holds one file, and the console that the kernel opens for it.
build/stress/linux.cpio: build/stress/init
	@install -D $< $(@D)/root/init && touch -d @0 $(@D)/root/init
	@echo "  MK $@"
	@cd $(@D)/root && echo init | cpio -o -H newc -R 0:0 --reproducible --quiet >../$(@F)

.PHONY: stress
stress: setup-build $(KERNEL) build/gnomon.bin build/stress/linux.cpio
	tests/stress/stress --kernel $(KERNEL) $(STRESSFLAGS)
