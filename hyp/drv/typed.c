/*
 * Queues of input, as chains of blocks out of one store.
 *
 * Invariant: a queue has a block exactly while it holds bytes or its next byte goes into the middle
 * of one; and every queue may have FAIR blocks, whatever the others hold.
 */
#include "hyp/drv/typed.h"

#define BLOCK_BYTES 64
#define FAIR	    2
#define READERS	    72 /* more queues than there can be */
#define SHARED	    (65536 / BLOCK_BYTES)

struct typed_block {
	struct typed_block *next;
	uint8_t byte[BLOCK_BYTES];
};

static struct typed_block store[SHARED + FAIR * READERS];
static struct typed_block *unused; /* blocks that were given back */
static unsigned fresh_n, lent_n;   /* blocks used at least once; in a queue now */

static uint64_t blocks_of(const struct typed *t)
{
	return (t->in + BLOCK_BYTES - 1) / BLOCK_BYTES - t->out / BLOCK_BYTES;
}

static struct typed_block *borrow(const struct typed *t)
{
	struct typed_block *b = unused;

	if (lent_n >= SHARED && (blocks_of(t) >= FAIR || lent_n == SHARED + FAIR * READERS))
		return NULL;
	lent_n++;
	if (b)
		unused = b->next;
	else
		b = &store[fresh_n++];
	b->next = NULL;
	return b;
}

static void give_back(struct typed_block *b)
{
	b->next = unused;
	unused = b;
	lent_n--;
}

bool typed_add(struct typed *t, uint8_t byte)
{
	if (t->in % BLOCK_BYTES == 0) {
		struct typed_block *b = borrow(t);

		if (!b)
			return false;
		if (t->last)
			t->last->next = b;
		else
			t->first = b;
		t->last = b;
	}
	t->last->byte[t->in++ % BLOCK_BYTES] = byte;
	return true;
}

int typed_take(struct typed *t)
{
	struct typed_block *b = t->first;
	uint8_t byte;

	if (t->in == t->out)
		return -1;
	byte = b->byte[t->out++ % BLOCK_BYTES];
	if (t->out % BLOCK_BYTES == 0) {
		t->first = b->next;
		if (!t->first)
			t->last = NULL;
		give_back(b);
	}
	return byte;
}

void typed_drop(struct typed *t)
{
	while (t->first) {
		struct typed_block *b = t->first;

		t->first = b->next;
		give_back(b);
	}
	*t = (struct typed){ 0 };
}
