/*
 * ChaCha20 as a generator. Invariant: no block is made twice with one key.
 */
#include "hyp/lib/random.h"

#include "hyp/lib/lock.h"
#include "hyp/lib/string.h"

enum { WORDS = 16, KEY_WORDS = 8, ROUND_PAIRS = 10 };

static struct lock random_lock;
static uint32_t key[KEY_WORDS];
static uint64_t counter;

static uint32_t rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b, *d = rotate(*d ^ *a, 16);
	*c += *d, *b = rotate(*b ^ *c, 12);
	*a += *b, *d = rotate(*d ^ *a, 8);
	*c += *d, *b = rotate(*b ^ *c, 7);
}

static void next_block(uint32_t out[WORDS])
{
	/* "expa" "nd 3" "2-by" "te k" */
	uint32_t in[WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(in + 4, key, sizeof(key));
	in[12] = (uint32_t)counter;
	in[13] = (uint32_t)(counter >> 32);
	counter++;
	memcpy(out, in, sizeof(in));
	for (unsigned r = 0; r < ROUND_PAIRS; r++) {
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&out[i], &out[4 + i], &out[8 + i], &out[12 + i]);
		for (unsigned i = 0; i < 4; i++)
			quarter_round(&out[i], &out[4 + (i + 1) % 4], &out[8 + (i + 2) % 4],
				      &out[12 + (i + 3) % 4]);
	}
	for (unsigned i = 0; i < WORDS; i++)
		out[i] += in[i];
}

/* Whoever learns the key later learns nothing of what was given out before. */
static void renew_key(void)
{
	uint32_t block[WORDS];

	next_block(block);
	memcpy(key, block, sizeof(key));
}

void random_seed(const void *seed, size_t bytes)
{
	const uint8_t *s = seed;

	lock_take(&random_lock);
	for (size_t i = 0; i < bytes; i++)
		key[i / 4 % KEY_WORDS] ^= (uint32_t)s[i] << 8 * (i % 4);
	renew_key();
	lock_release(&random_lock);
}

void random_bytes(void *to, size_t bytes)
{
	uint32_t block[WORDS];
	char *at = to;

	lock_take(&random_lock);
	while (bytes) {
		size_t n = bytes < sizeof(block) ? bytes : sizeof(block);

		next_block(block);
		memcpy(at, block, n);
		at += n, bytes -= n;
	}
	renew_key();
	lock_release(&random_lock);
}
