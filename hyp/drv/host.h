/*
 * The host machine, as its device tree describes it. Filled once at start-up, read-only after.
 */
#ifndef HYP_DRV_HOST_H
#define HYP_DRV_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "hyp/arch/addr.h"
#include "hyp/lib/err.h"
#include "hyp/mm/frame.h"
#include "sbi/call/call.h"

#define HOST_HARTS_MAX	  8
#define HOST_RESERVED_MAX 16
#define HOST_VIRTIO_MAX	  8

struct host {
	const void *tree;     /* the device tree itself */
	const char *bootargs; /* /chosen/bootargs, never NULL */
	int cpu;	      /* the boot hart's node; the other harts are the same */
	const char *isa;      /* its riscv,isa */
	uint64_t timebase;    /* ticks of `time` a second */
	unsigned harts;
	uint64_t hart_id[HOST_HARTS_MAX];      /* [0] is the boot hart */
	unsigned plic_context[HOST_HARTS_MAX]; /* S-mode context of each */
	struct frame_range ram;
	struct frame_range reserved[HOST_RESERVED_MAX];
	size_t reserved_n;
	struct frame_range bundle;	 /* .bytes 0: none was loaded */
	hpa_t uart, plic, finisher, rtc; /* .v 0: there is none */
	unsigned uart_irq, rtc_irq;
	struct {
		hpa_t base;
		unsigned irq;
	} virtio[HOST_VIRTIO_MAX]; /* places for devices, in use or not */
	unsigned virtio_n;
	bool is_qemu_virt;
};

extern struct host host;

/**
 * Read @tree. @boot_hart: the hart that runs this.
 * Returns OK; ERR_FORMAT where it isn't a device tree, or lacks memory or harts. What is merely
 * absent stays 0.
 */
MUST_USE enum err host_read(const void *tree, uint64_t boot_hart);

/* @ticks of `time` as nanoseconds; 0 where the tree doesn't say how long one is. */
uint64_t host_ns(uint64_t ticks);

/**
 * Take a hart out of @set (bit n: the one of index n) into *@one, for a call of the firmware's: one
 * hart a call, since their ids may lie further apart than one mask reaches. false: @set was empty.
 */
bool host_next_hart(uint64_t *set, struct sbi_harts *one);

/* Keep [@base, @base + @bytes) out of the free memory. */
void host_reserve(uint64_t base, uint64_t bytes);

/**
 * Where the value of option @name ("name=value" among the words of @args) lies, and its length in
 * @n. NULL: there is none.
 */
const char *option_find(const char *args, const char *name, size_t *n);

/**
 * The same value into @value.
 * Returns whether it is there; the value is cut to @room - 1 bytes.
 */
bool option_value(const char *args, const char *name, char *value, size_t room);

/* The same among the words of the host's bootargs. */
bool host_option(const char *name, char *value, size_t room);

/* Whether the host's bootargs have the word @name. */
bool host_has_option(const char *name);

/**
 * Whether ISA string @isa names extension @name, in lower case: one letter, or a longer name that
 * stands between underscores.
 */
bool isa_has(const char *isa, const char *name);

#endif
