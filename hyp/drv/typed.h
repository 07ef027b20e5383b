/*
 * Input that waits for its reader: a queue for each port, all out of one store of 64 KiB and a bit,
 * so that a paste fits, and a reader that never reads leaves room for the others.
 *
 * No lock inside: the callers' (terminal.c) covers all queues.
 */
#ifndef HYP_DRV_TYPED_H
#define HYP_DRV_TYPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct typed_block;

/* Zero: empty. */
struct typed {
	struct typed_block *first, *last;
	uint64_t in, out; /* bytes ever added and taken */
};

/* Add @byte. Returns false, with @t as before, where there is no room for it. */
bool typed_add(struct typed *t, uint8_t byte);

/* The oldest byte, taken out, or -1. */
int typed_take(struct typed *t);

/* Empty @t, which gives all its room back. */
void typed_drop(struct typed *t);

#endif
