# The hypervisor: every source in hyp/ and sbi/, one image.
#
#   LIBFDT_SRC  a directory with libfdt's sources, instead of Debian's libfdt.a

HYP_CC := $(CROSS)gcc

ifdef LIBFDT_SRC
LIBFDT := build/libfdt.a
LIBFDT_INCLUDE := $(LIBFDT_SRC)
LIBFDT_OBJS := $(patsubst $(LIBFDT_SRC)/%.c,build/libfdt/%.o,$(wildcard $(LIBFDT_SRC)/fdt*.c))
build/libfdt/%.o: $(LIBFDT_SRC)/%.c
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(HYP_CC) -O2 $(HYP_ARCH) -fpie -ffreestanding -I$(LIBFDT_SRC) -c $< -o $@
build/libfdt.a: $(LIBFDT_OBJS)
	@echo "  MK $@"
	@$(CROSS)ar rcs $@ $^
else
LIBFDT := $(CACHE)/libfdt/libfdt.a
LIBFDT_INCLUDE := $(CACHE)/libfdt/include
endif

# Position-independent by -mcmodel=medany alone: every address is relative to pc, those in data are
# relocated at start (hyp/boot/early.c). -fpie would go through a table that is not there yet.
#
# libfdt.a has the double-float ABI, so we need it too; the registers are the guest's, so the
# compiler is told to leave them alone, and tools/check-image sees to it that it did.
HYP_FIXED := $(foreach r,t0 t1 t2 t3 t4 t5 t6 t7 t8 t9 t10 t11 a0 a1 a2 a3 a4 a5 a6 a7 \
	s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11,-ffixed-f$(r))
HYP_ARCH := -march=rv64gc -mabi=lp64d -mcmodel=medany -mno-relax -msmall-data-limit=0 $(HYP_FIXED)
HYP_CFLAGS := -std=gnu11 -O2 -g $(HYP_ARCH) -I. -isystem $(LIBFDT_INCLUDE) -ffreestanding -fno-pie \
	-fno-stack-protector -fno-strict-aliasing -fno-common \
	-fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables -fno-jump-tables \
	$(WARN) -MMD -MP

# The image has these first, in the order an exit goes through them: it touches fewer pages then, and
# each one costs it a TLB entry.
HYP_FIRST := $(addprefix hyp/,trap/entry.S trap/fast.S trap/run.c trap/fault.c mmu/two_stage.c \
	arch/guest_fetch.S trap/emulate.c arch/insn.c dev/board.c dev/plic.c vcpu/irq.c vcpu/hext.c \
	trap/depriv.c vcpu/depriv.c vcpu/depriv_site.c vcpu/depriv_csr.c trap/host_irq.c drv/plic.c \
	dev/virtio_mmio.c dev/virtio.c dev/virtqueue.c g-stage/access.c g-stage/demand.c g-stage/table.c \
	lib/string.c dev/virtio_blk.c dev/virtio_blk_host.c g-stage/discard.c drv/blk.c drv/virtio.c \
	dev/virtio_net.c dev/switch.c dev/packet.c dev/inet.c dev/coalesce.c drv/net.c)
HYP_SRCS := $(sort $(wildcard hyp/*/*.c hyp/*/*.S sbi/*/*.c))
HYP_OBJS := $(patsubst %,build/obj/%.o,$(HYP_FIRST) $(filter-out $(HYP_FIRST),$(HYP_SRCS)))

build/obj/%.o: % hyp/hyp.mk | $(LIBFDT)
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(HYP_CC) $(HYP_CFLAGS) -c $< -o $@

build/obj/hyp/boot/guests.S.o: $(GUEST_FIT)

build/gnomon.elf: $(HYP_OBJS) $(LIBFDT) hyp/boot/gnomon.ld tools/check-image
	@echo "  LD $@"
	@$(HYP_CC) $(HYP_ARCH) -nostdlib -static-pie -Wl,--no-dynamic-linker -Wl,-z,norelro \
		-Wl,--build-id=none -Wl,--no-warn-rwx-segments -T hyp/boot/gnomon.ld \
		$(HYP_OBJS) $(LIBFDT) -o $@
	@CROSS=$(CROSS) tools/check-image $@

build/gnomon.bin: build/gnomon.elf
	@$(CROSS)objcopy -O binary $< $@

-include $(HYP_OBJS:.o=.d)
