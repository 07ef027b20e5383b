/*
 * Lab 2's checks: two pages, each with a word of its own; which word is behind an address tells by
 * which entry the machine got there.
 */
#include "guests/labs/2-fence/lab.h"

#include "guests/labs/lab.h"
#include "guests/lib/board.h"

#define HERE  0x0000001000000000ul
#define THERE 0x0000001000007000ul
#define TIMES 64

static struct space space;
static uint64_t word[2];
static uint64_t leaf[2];

static uint64_t read_at(uint64_t va)
{
	return *(volatile uint64_t *)va;
}

static void prepare(void)
{
	space = space_identity(SATP_MODE_SV39);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t *page = page_alloc();

		word[i] = *page = lab_random();
		leaf[i] = pte_make((uint64_t)page, PTE_KERNEL);
	}
	*space_entry(&space, HERE, 0) = leaf[0];
	*space_entry(&space, THERE, 0) = leaf[1];
	space_enter(&space);
}

/* HERE begins with page @first, and the hart knows that. */
static uint64_t *begin(unsigned first)
{
	uint64_t *entry = space_entry(&space, HERE, 0);

	*entry = leaf[first];
	sfence_vma();
	return read_at(HERE) == word[first] ? entry : NULL;
}

static bool stores(void)
{
	uint64_t *entry;

	prepare();
	entry = begin(0);
	LAB_CALL(remap_unfenced, entry, leaf[1], 0, 0);
	return *entry == leaf[1];
}

/* "May be used" is all that the specification says of an old translation: once will do. */
static bool is_stale(void)
{
	for (unsigned i = 0; i < TIMES; i++) {
		LAB_CALL(remap_unfenced, begin(i & 1), leaf[~i & 1], 0, 0);
		if (read_at(HERE) == word[i & 1])
			return true;
	}
	return false;
}

static bool is_fresh(void)
{
	for (unsigned i = 0; i < TIMES; i++) {
		LAB_CALL(remap, begin(i & 1), leaf[~i & 1], HERE, 0);
		if (read_at(HERE) != word[~i & 1])
			return false;
	}
	return true;
}

static bool swaps(void)
{
	uint64_t *other = space_entry(&space, THERE, 0);

	for (unsigned i = 0; i < TIMES; i++) {
		uint64_t *entry = begin(i & 1);

		*other = leaf[~i & 1];
		sfence_vma();
		if (read_at(THERE) != word[~i & 1])
			return false;
		LAB_CALL(swap, entry, HERE, other, THERE);
		if (read_at(HERE) != word[~i & 1] || read_at(THERE) != word[i & 1])
			return false;
	}
	return true;
}

int main(void)
{
	static const struct step steps[] = {
		{ "remap_unfenced() changes the entry", "an entry is a word of memory: store to it",
		  stores },
		{ "and the hart still goes by the old one: a fence is missing, and you see it",
		  "there must be no fence in remap_unfenced()", is_stale },
		{ "after remap() the hart goes by the new one, each time",
		  "sfence.vma makes the hart forget what it knew; first the store, then the fence",
		  is_fresh },
		{ "after swap() both addresses have each other's page",
		  "a fence is about one address, or about all", swaps },
	};

	return lab_steps(2, steps, sizeof(steps) / sizeof(steps[0]));
}
