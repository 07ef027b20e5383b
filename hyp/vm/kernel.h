/*
 * Kernel formats: Linux Image, ELF, flat. What of the file goes where in guest memory.
 */
#ifndef HYP_VM_KERNEL_H
#define HYP_VM_KERNEL_H

#include "hyp/arch/addr.h"
#include "hyp/lib/err.h"
#include "hyp/vm/bundle.h"

#define KERNEL_PIECES_MAX 8

struct kernel_piece {
	gpa_t at;
	uint64_t bytes;
	uint64_t offset; /* in the file */
};

struct kernel_layout {
	const char *format; /* "Image", "ELF", "flat" */
	gpa_t entry, end;   /* where to begin; the first address it doesn't use */
	gpa_t lowest;
	struct kernel_piece piece[KERNEL_PIECES_MAX];
	unsigned pieces;
};

/**
 * Read the kernel of @bytes at @file and say where it goes in RAM that begins at @ram.
 * Returns OK; ERR_FORMAT for an ELF file that isn't a RISC-V 64-bit executable, is truncated, or
 * has more pieces than KERNEL_PIECES_MAX.
 */
MUST_USE enum err kernel_read(const void *file, uint64_t bytes, gpa_t ram,
			      struct kernel_layout *layout);

#endif
