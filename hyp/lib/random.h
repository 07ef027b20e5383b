/*
 * Random bytes for guests: rng-seed in the device tree, the entropy device.
 *
 * The ChaCha20 block function of RFC 8439, keyed with the seed that the host's device tree brings,
 * in counter mode, with a new key after each answer: what one guest was given tells nothing of what
 * another gets, and what is in memory now nothing of what was given before.
 */
#ifndef HYP_LIB_RANDOM_H
#define HYP_LIB_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Mix @bytes of @seed into the key. Call at least once before the first random_bytes(). */
void random_seed(const void *seed, size_t bytes);

/* Any hart; the generator has a lock of its own. */
void random_bytes(void *to, size_t bytes);

#endif
