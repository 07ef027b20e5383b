# In-guest tests: tests/guest/NAME.c on the kit in guests/lib, as build/tests/guest/NAME.elf.
#
# For the top Makefile: GUEST_TESTS (suites: exit status 0 or 1, "N passed, N failed, N skipped") and
# GUEST_EXITS (guests that the harness looks at from outside, see README.md). Include after
# guests/guests.mk.

GUEST_TEST_NAMES := perms paging fences traps csr sbi timer harts mmio board ram state hostile-cow \
	stores tables churn escape hot patch edge slots sta virtio net ports balloon
GUEST_EXIT_NAMES := exit-code exit-srst exit-legacy reboot reset-race dirty good bad
GUEST_TESTS := $(GUEST_TEST_NAMES:%=build/tests/guest/%.elf)
GUEST_EXITS := $(GUEST_EXIT_NAMES:%=build/tests/guest/%.elf)

build/tests/guest/%.o: tests/guest/%.c guests/guests.mk tests/guest/guest.mk
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(GUEST_CC) $(GUEST_CFLAGS) -c $< -o $@

build/tests/guest/%.o: tests/guest/%.S guests/guests.mk
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(GUEST_CC) $(GUEST_CFLAGS) -c $< -o $@

GUEST_TEST_LIB := $(foreach n,tap ops store crew numbered hotcode vdrv,build/tests/guest/$(n).o)

$(GUEST_TESTS) $(GUEST_EXITS): %.elf: %.o $(GUEST_TEST_LIB) $(GUEST_LIB) guests/lib/guest.ld
	@echo "  LD $@"
	@$(GUEST_CC) $(GUEST_ARCH) $(GUEST_LDFLAGS) $(filter %.o,$^) -o $@

.PHONY: guest-tests
guest-tests: $(GUEST_TESTS) $(GUEST_EXITS)

-include $(wildcard build/tests/guest/*.d)
