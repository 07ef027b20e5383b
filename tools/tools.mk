# Set-up and what the launcher needs: downloads in the cache, the Linux guest's initial RAM disk.
#
# Offers to the rest of the build:
#   CACHE            where downloads are kept between clones
#   KERNEL, INITRD   the Linux guest's files; set either to use your own, without a download
#   LINUX_GUEST      both, as prerequisites
#   LINUX_MODULES    an archive of kernel modules in /modules, to be put behind INITRD
#   DEBIAN_DISK      the Debian guest's disk: a copy that is this clone's own, and stays
#   debian-base      what it is a copy of, from the cache, in build/debian/base
#   setup-build, setup-test, setup-fuzz, setup-qemu10   see tools/setup

CACHE := $(or $(GNOMON_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gnomon)
KERNEL ?= $(CACHE)/linux/Image
INITRD ?= build/linux/initrd.cpio
LINUX_GUEST = $(KERNEL) $(INITRD)
LINUX_MODULES = build/linux/modules.cpio

.PHONY: setup-build setup-test setup-fuzz setup-qemu10
setup-build setup-test setup-fuzz setup-qemu10: setup-%:
	@tools/setup $*

# These rules have no prerequisites: what is in the cache stays until it is removed by hand. Of the
# modules the one that was wanted last stands for all.
$(CACHE)/linux/Image $(CACHE)/linux/busybox &:
	@tools/setup linux

$(CACHE)/modules/virtio_balloon.ko:
	@tools/setup modules

$(CACHE)/libfdt/libfdt.a:
	@tools/setup libfdt

$(CACHE)/qemu10/qemu-system-riscv64:
	@tools/setup qemu10

# A cpio archive that is the same on every machine: fixed times, owners, inodes and order.
build/linux/initrd.cpio: guests/linux/init $(CACHE)/linux/busybox tools/tools.mk
	@rm -rf build/linux/root && mkdir -p build/linux/root/bin
	@install -m 755 guests/linux/init build/linux/root/init
	@install -m 755 $(CACHE)/linux/busybox build/linux/root/bin/busybox
	@ln -s busybox build/linux/root/bin/sh
	@find build/linux/root -exec touch -h -d @0 '{}' +
	@cd build/linux/root && find . | LC_ALL=C sort | \
		cpio --quiet --reproducible -o -H newc -R 0:0 >../initrd.tmp
	@mv build/linux/initrd.tmp $@

build/linux/modules.cpio: $(CACHE)/modules/virtio_balloon.ko
	@rm -rf build/linux/with-modules && mkdir -p build/linux/with-modules/modules
	@cp $(CACHE)/modules/*.ko build/linux/with-modules/modules/
	@cd build/linux/with-modules && find modules | LC_ALL=C sort | \
		cpio --quiet --reproducible -o -H newc -R 0:0 >../modules.tmp
	@mv build/linux/modules.tmp $@

# The disk is made when there is none, whatever becomes of what it was a copy of.
DEBIAN_DISK = build/debian/disk.img

.PHONY: debian debian-base debian-fresh
debian: $(DEBIAN_DISK)

debian-base:
	@tools/image build/debian

debian-fresh:
	@rm -f $(DEBIAN_DISK)
	@$(MAKE) --no-print-directory debian

build/debian/disk.img: | debian-base
	@cp --reflink=auto --sparse=always build/debian/base/disk.img $@.new
	@mv $@.new $@
