/*
 * textbook: the example that every textbook has, live. pages=7,4,3 (its default) maps these virtual
 * pages onto physical pages 10, 11, 12, counted from 8 MiB into its RAM; remap=200 (its default; 0:
 * not) then leads the first of them to page 200, by a plain store, and then fences. With wait=key
 * or wait=SECONDS it pauses before the store, before the fence and after it, so that one can look
 * from outside: docs/guide.md. sv=48 or sv=57 takes a table of more levels than three.
 *
 * Invariant: each physical page holds its own number, so a load says where it went. Read next:
 * guests/lib/paging.c.
 */
#include "guests/lib/paging.h"

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "guests/lib/serial.h"
#include "guests/lib/string.h"

#define PAGE	  4096ul
#define MEGAPAGE  0x200000ul
#define BASE	  (RAM_BASE + 0x800000ul) /* physical page 0 */
#define FIRST	  10u			  /* physical page of the first of .. */
#define COUNT	  3u
#define PAGES_MAX 256u /* below FINISHER_BASE; all but the image's */

static char wait_for[16];

static uint64_t physical(uint64_t page)
{
	return BASE + page * PAGE;
}

static uint64_t word_at(uint64_t va)
{
	return *(volatile uint64_t *)va;
}

/* A table for low addresses in pages of 4 KiB, that has the kit's devices, too. */
static struct space make_space(void)
{
	struct space s = space_new(SATP_MODE_SV39 + (board_number("sv", 39) - 39) / 9);

	space_map(&s, RAM_BASE, RAM_BASE, 2, PTE_KERNEL);
	space_map(&s, FINISHER_BASE, FINISHER_BASE, 0, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D);
	for (uint64_t at = PLIC_BASE; at <= UART_BASE; at += MEGAPAGE)
		space_map(&s, at, at, 1, PTE_V | PTE_R | PTE_W | PTE_A | PTE_D);
	return s;
}

static void sleep(uint64_t seconds)
{
	uint64_t until = csr_read(CSR_TIME) + seconds * board.timebase;

	sbi_set_timer(until);
	csr_set(CSR_SIE, 1ul << IRQ_S_TIMER);
	while (csr_read(CSR_TIME) < until)
		wfi();
	csr_clear(CSR_SIE, 1ul << IRQ_S_TIMER);
}

static void pause(void)
{
	char line[8];

	if (str_equal(wait_for, "key")) {
		print("Look at me, then press Enter.\n");
		serial_line(line, sizeof(line));
	} else if (board_number("wait", 0) != 0) {
		sleep(board_number("wait", 0));
	}
}

/* The numbers of pages=A,B,C; 0 where something else stands. */
static void read_pages(uint64_t *pages)
{
	char text[32];
	const char *at = text;

	board_word("pages", "7,4,3", text, sizeof(text));
	for (unsigned i = 0; i < COUNT; i++) {
		for (pages[i] = 0; *at >= '0' && *at <= '9'; at++)
			pages[i] = pages[i] * 10 + (uint64_t)(*at - '0');
		if (*at == ',')
			at++;
	}
}

static void remap(struct space *s, uint64_t page, uint64_t to)
{
	uint64_t *entry = space_entry(s, page * PAGE, 0);
	uint64_t before;

	(void)word_at(page * PAGE);
	*(volatile uint64_t *)entry = pte_make(physical(to), PTE_KERNEL);
	before = word_at(page * PAGE);
	print("I stored to the entry at %lx: physical page %lu. Virtual page %lu leads to %lu.\n",
	      (uint64_t)entry, to, page, before);
	pause();
	sfence_vma();
	print("I made a fence. Virtual page %lu leads to %lu.\n", page, word_at(page * PAGE));
	pause();
}

int main(void)
{
	uint64_t pages[COUNT], to = board_number("remap", 200);
	struct space s = make_space();

	board_word("wait", "", wait_for, sizeof(wait_for));
	read_pages(pages);
	for (unsigned i = 0; i < COUNT; i++)
		if (pages[i] == 0 || pages[i] >= PAGES_MAX || to >= PAGES_MAX) {
			print("pages=A,B,C and remap=N are numbers below %u.\n", PAGES_MAX);
			return 1;
		}
	serial_begin();
	*(volatile uint64_t *)physical(to) = to;
	for (unsigned i = 0; i < COUNT; i++) {
		*(volatile uint64_t *)physical(FIRST + i) = FIRST + i;
		space_map(&s, pages[i] * PAGE, physical(FIRST + i), 0, PTE_KERNEL);
	}
	space_enter(&s);
	print("My physical page 0 is at %lx.\n", BASE);
	for (unsigned i = 0; i < COUNT; i++)
		print("Virtual page %lu leads to physical page %lu, by the entry at %lx.\n",
		      pages[i], word_at(pages[i] * PAGE),
		      (uint64_t)space_entry(&s, pages[i] * PAGE, 0));
	pause();
	if (to != 0)
		remap(&s, pages[0], to);
	print("That was all.\n");
	return 0;
}
