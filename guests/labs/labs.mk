# Labs: small tasks about translation, checked by the machine.
#
#   make lab N=3                  check guests/labs/3-*/student.c
#   make lab N=3 FILE=solution    check the solution in its place
#   make test-labs                students' files as given fail, solutions pass, wrong ones don't
#
# build/labs/LAB/NAME.elf is the lab with NAME in place of the student's file: `student`, or
# `solution`, or a file that a test left at build/labs/LAB/NAME.c.

LABS := $(patsubst guests/labs/%/check.c,%,$(wildcard guests/labs/*/check.c))
LAB_ELFS := $(foreach n,student solution,$(LABS:%=build/labs/%/$(n).elf))
LAB_LIB := build/labs/lab.o $(GUEST_LIB)
# A student's warnings are warnings, and those about style aren't told. print() needs no line of his.
# Who includes <stdio.h> is told that there is none, and not what its own includes lack.
STUDENT_CFLAGS := $(filter-out -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wswitch-enum \
	-Werror,$(GUEST_CFLAGS)) -include guests/lib/print.h \
	-nostdinc -isystem $$($(GUEST_CC) -print-file-name=include)
# The oracle has an N, too.
LAB_NUMBER = $(if $(filter command environment,$(origin N)),$(N))

build/labs/lab.o: guests/labs/lab.c guests/guests.mk
	@mkdir -p $(@D)
	@$(GUEST_CC) $(GUEST_CFLAGS) -c $< -o $@

build/labs/%/check.o: guests/labs/%/check.c guests/guests.mk
	@mkdir -p $(@D)
	@$(GUEST_CC) $(GUEST_CFLAGS) -c $< -o $@

build/labs/%/student.o: guests/labs/%/student.c guests/guests.mk guests/labs/labs.mk
	@mkdir -p $(@D)
	@$(GUEST_CC) $(STUDENT_CFLAGS) -c $< -o $@

build/labs/%/solution.o: guests/labs/solutions/%.c guests/guests.mk
	@mkdir -p $(@D)
	@$(GUEST_CC) $(GUEST_CFLAGS) -c $< -o $@

build/labs/%.o: build/labs/%.c guests/guests.mk guests/labs/labs.mk
	@$(GUEST_CC) $(STUDENT_CFLAGS) -c $< -o $@

.SECONDEXPANSION:
build/labs/%.elf: build/labs/%.o build/labs/$$(*D)/check.o $(LAB_LIB) guests/lib/guest.ld
	@$(GUEST_CC) $(GUEST_ARCH) $(GUEST_LDFLAGS) $(filter %.o,$^) -o $@

.PRECIOUS: build/labs/%/check.o build/labs/%/student.o build/labs/%/solution.o build/labs/%.o
.PHONY: lab labs test-labs
lab: setup-build
	@$(MAKE) --no-print-directory build/gnomon.bin
	@CROSS=$(CROSS) guests/labs/lab $(LAB_NUMBER) $(FILE)

labs: $(LAB_ELFS)

test-labs: build/gnomon.bin labs
	@tests/run-tests -k test_labs

# Of these alone: another make may be writing those of a test's own files at this moment.
-include build/labs/lab.d $(LABS:%=build/labs/%/check.d) $(LAB_ELFS:.elf=.d)
