# Tests that run on the host: units over a fake hart, the oracle, fuzzers, the check of the house.
#
#   make test-unit                 every tests/unit/test_*.c
#   make test-oracle [SEED= N=]    the two-stage walk against an independent one, on random tables
#   make test-house                who includes whom, lengths, left-over markers
#   make fuzz [FUZZ_SECONDS=]      libFuzzer, for as long as you like; needs clang
#
# The hypervisor's own sources are compiled for the host, with tests/fake/ in front of hyp/arch/.

HOST_CC ?= gcc
HOST_CPPFLAGS := -Itests/fake -I. -D_GNU_SOURCE -MMD -MP
HOST_CFLAGS := -std=c11 -g -O1 -fno-omit-frame-pointer -fno-pie -pthread \
	-fsanitize=address,undefined -fno-sanitize-recover=all \
	$(WARN)
# Where the hypervisor's map believes its image to be (hyp/mm/image.h).
HOST_LDFLAGS := -no-pie -Wl,--defsym=image_start=0x40200000 \
	-Wl,--defsym=image_text_end=0x40210000 -Wl,--defsym=image_const_end=0x40218000 \
	-Wl,--defsym=image_end=0x40300000

# Not for the host: the first instructions, and the end of the machine, which tests/fake/ plays.
HOST_EXCLUDED := $(wildcard hyp/boot/*.c) hyp/lib/exit.c hyp/lib/stack.c
HOST_SOURCES := $(filter-out $(HOST_EXCLUDED),$(wildcard hyp/*/*.c sbi/*/*.c)) \
	$(wildcard tests/fake/*.c)
HOST_OBJECTS := $(HOST_SOURCES:%.c=build/host/%.o)

UNIT_TESTS := $(patsubst tests/unit/%.c,build/host/%,$(wildcard tests/unit/test_*.c))
UNIT_TREES := $(patsubst tests/unit/trees/%.dts,build/host/trees/%.dtb, \
	$(wildcard tests/unit/trees/*.dts)) \
	build/host/trees/qemu-1.dtb build/host/trees/qemu-8.dtb build/host/trees/qemu-16.dtb

build/host/%.o: %.c tests/tests.mk
	@mkdir -p $(@D)
	@echo "  HOSTCC $<"
	@$(HOST_CC) $(HOST_CPPFLAGS) $(HOST_CFLAGS) -c $< -o $@

# All but the one function that is an ecall; tests/fake/fake.c has that.
build/host/call.c: sbi/call/call.c
	@mkdir -p $(@D)
	@sed '/^struct sbi_ret sbi_call(/,/^}/d' $< >$@

build/host/sbi/call/call.o: build/host/call.c tests/tests.mk
	@mkdir -p $(@D)
	@echo "  HOSTCC $<"
	@$(HOST_CC) $(HOST_CPPFLAGS) $(HOST_CFLAGS) -c $< -o $@

build/host/hyp/lib/string.o: private HOST_CPPFLAGS += -include tests/fake/string_names.h

# An archive: a test takes what it uses, so that a file which needs assembly hinders nobody else.
build/host/libhyp.a: $(HOST_OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $^

$(UNIT_TESTS): build/host/test_%: build/host/tests/unit/test_%.o build/host/libhyp.a
	@$(HOST_CC) $(HOST_CFLAGS) $(HOST_LDFLAGS) $< build/host/libhyp.a -lcmocka -lfdt -o $@

# Where tests/fake/eager.h is.
build/host/test_virtio_net build/host/test_virtio_blk_host: \
	private HOST_LDFLAGS += -Wl,--wrap=gstage_read16

build/host/trees/%.dtb: tests/unit/trees/%.dts
	@mkdir -p $(@D)
	@dtc -q -I dts -O dtb -o $@ $<

build/host/trees/qemu-%.dtb:
	@mkdir -p $(@D)
	@timeout 20 qemu-system-riscv64 -machine virt,dumpdtb=$@ -smp $* -bios none -display none 2>/dev/null

# The fuzzers are made and run elsewhere; that they are still what is fuzzed calls for is seen here.
FUZZ_CHECKED := $(patsubst %.c,build/host/%.o,$(wildcard tests/fuzz/fuzz_*.c))

# Each test's log is shown whole if it fails; otherwise its closing lines.
.PHONY: test-unit
test-unit: $(UNIT_TESTS) $(UNIT_TREES) $(FUZZ_CHECKED)
	@failed=0; for t in $(UNIT_TESTS); do \
		echo "$${t##*/}"; \
		if timeout 120 $$t >$$t.log 2>&1; \
		then grep -E '^\[(==========\]|  PASSED)' $$t.log; \
		else cat $$t.log; echo "$${t##*/} failed"; failed=1; fi; \
	done; exit $$failed

SEED ?= 1
N ?= 1500000
ORACLE_OBJECTS := $(patsubst %,build/host/tests/oracle/%.o,oracle world compare explained shadow)

build/host/oracle: build/host/tests/oracle/main.o $(ORACLE_OBJECTS) build/host/libhyp.a
	@$(HOST_CC) $(HOST_CFLAGS) $(HOST_LDFLAGS) $^ -lfdt -o $@

.PHONY: test-oracle
test-oracle: build/host/oracle
	timeout 600 build/host/oracle $(SEED) $(N)

.PHONY: test-house
test-house:
	tests/house

FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_CFLAGS := $(filter-out -Werror,$(HOST_CFLAGS)) -fsanitize=fuzzer,address,undefined
FUZZ_SOURCES := $(filter-out hyp/lib/string.c sbi/call/call.c,$(HOST_SOURCES)) build/host/call.c \
	$(patsubst %,tests/oracle/%.c,oracle world compare explained shadow)

build/fuzz/%.o: %.c tests/tests.mk
	@mkdir -p $(@D)
	@echo "  FUZZCC $<"
	@$(FUZZ_CC) $(HOST_CPPFLAGS) $(FUZZ_CFLAGS) -c $< -o $@

build/fuzz/hyp/lib/string.o: private HOST_CPPFLAGS += -include tests/fake/string_names.h

build/fuzz/libhyp.a: $(FUZZ_SOURCES:%.c=build/fuzz/%.o) build/fuzz/hyp/lib/string.o
	@rm -f $@
	@$(AR) rcs $@ $^

$(FUZZERS): build/fuzz/%: build/fuzz/tests/fuzz/%.o build/fuzz/libhyp.a
	@$(FUZZ_CC) $(FUZZ_CFLAGS) $(HOST_LDFLAGS) $^ -lfdt -o $@

.PHONY: fuzz fuzz-built
fuzz: setup-fuzz
	@$(MAKE) --no-print-directory fuzz-built

fuzz-built: $(FUZZERS) $(UNIT_TREES)
	@mkdir -p build/fuzz/trees && cp $(UNIT_TREES) build/fuzz/trees/
	@set -e; for f in $(FUZZERS); do \
		mkdir -p $$f.corpus; \
		$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -artifact_prefix=$$f. -print_final_stats=1 \
			$$f.corpus $$(case $${f##*/} in (fuzz_host|fuzz_bundle) echo build/fuzz/trees; esac); \
	done

-include $(shell find build/host build/fuzz -name '*.d' 2>/dev/null)
