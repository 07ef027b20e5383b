/*
 * A guest among others that does what its command line says, and tells how it went.
 *
 *   steady         rounds of what a guest's world consists of; each line is the same each time
 *   hog            keeps every hart busy for good
 *   late           sleeps until a timer, again and again: how late is it woken at worst?
 *   job            the same work whatever the number of harts, in equal parts: how long?
 *   queue          more of it, each hart taking a piece when it is through with one
 *   steal          how much of its time was taken from it, by STA's account
 *   echo           says each byte that is typed
 *
 * Invariant: nothing but the numbers of `late`, `job`, `queue` and `steal` depends on who else
 * runs. Next to read: bad.c, its neighbour; tests/system/test_many.py, which houses them.
 */
#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/print.h"
#include "guests/lib/sbi.h"
#include "guests/lib/string.h"
#include "guests/lib/trap.h"
#include "tests/guest/crew.h"
#include "tests/guest/tap.h"

#define ROUNDS	    40
#define PAGES	    16 /* of each hart, in `steady` */
#define TIMERS	    200
#define SETTLING    100 /* ms */
#define JOB	    8000000ul /* steps */
#define PIECES	    800	      /* of the queue, */
#define PIECE	    500000ul  /* and their steps */
#define STEAL_WAIT  1000 /* ms */

static uint64_t microseconds(uint64_t ticks)
{
	return ticks * 1000000 / board.timebase;
}

static uint64_t shuffle(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

/* --- interrupts: each is counted, and not asked for again --- */

static volatile unsigned ticked[MAX_HARTS], called[MAX_HARTS];
static volatile uint64_t ticked_at;

static void tick(struct frame *f)
{
	(void)f;
	ticked_at = csr_read(CSR_TIME);
	ticked[hart_self()->id]++;
	sbi_set_timer(UINT64_MAX);
}

static void called_by_another(struct frame *f)
{
	(void)f;
	csr_clear(CSR_SIP, 1ul << IRQ_S_SOFT);
	called[hart_self()->id]++;
}

static void take_interrupts(void)
{
	irq_handler(IRQ_S_TIMER, tick);
	irq_handler(IRQ_S_SOFT, called_by_another);
}

/* Sleep until *@count is @n. */
static void sleep_until(volatile unsigned *count, unsigned n)
{
	while (*count != n) {
		/* wfi with interrupts off wakes too, so none slips in before it. */
		csr_clear(CSR_SSTATUS, SSTATUS_SIE);
		if (*count != n)
			wfi();
		csr_set(CSR_SSTATUS, SSTATUS_SIE);
	}
}

static void sleep_for(uint64_t ticks)
{
	volatile unsigned *count = &ticked[hart_self()->id];
	unsigned next = *count + 1;

	sbi_set_timer(csr_read(CSR_TIME) + ticks);
	sleep_until(count, next);
}

/* --- steady --- */

static uint64_t sums[MAX_HARTS];
static uint64_t *pages[MAX_HARTS];
static struct space space;

/* Write a page's every word through its second address, fence, and read it by its first. */
static uint64_t use_pages(uint64_t number, uint64_t seed)
{
	uint64_t sum = seed;

	for (unsigned page = 0; page < PAGES; page++) {
		uint64_t *own = pages[number] + page * 512, va = (1ul << 32) + number * 4096;
		uint64_t *entry = space_entry(&space, va, 0);

		*entry = pte_make((uint64_t)own, PTE_KERNEL);
		crew_fence_range(va, 4096);
		for (unsigned n = 0; n < 512; n++)
			((volatile uint64_t *)va)[n] = seed = shuffle(seed);
		for (unsigned n = 0; n < 512; n++)
			sum = sum * 31 + own[n];
	}
	return sum;
}

static void steady_hart(uint64_t number)
{
	volatile unsigned *calls = &called[hart_self()->id];

	space_enter(&space);
	csr_set(CSR_SIE, 1ul << IRQ_S_TIMER | 1ul << IRQ_S_SOFT);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		sums[number] = use_pages(number, round * MAX_HARTS + number + 1);
		sleep_for(board.timebase / 2000);
		crew_meet();
		if (number == 0) {
			print("round %u:", round);
			for (unsigned n = 0; n < board.hart_count; n++)
				print(" %lx", sums[n]);
			print(", all is well\n");
			sbi_send_ipi(board.harts, 0);
		}
		sleep_until(calls, round);
		crew_meet();
	}
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	space_leave();
}

static void steady(void)
{
	space = space_identity(SATP_MODE_SV39);
	for (unsigned number = 0; number < board.hart_count; number++) {
		pages[number] = page_alloc();
		for (unsigned n = 1; n < PAGES; n++)
			page_alloc();
		space_map(&space, (1ul << 32) + number * 4096, RAM_BASE, 0, PTE_KERNEL);
	}
	crew_run(steady_hart);
}

/* --- hog --- */

static void hog_hart(uint64_t number)
{
	(void)number;
	for (;;)
		;
}

static void hog(void)
{
	crew_run(hog_hart);
}

/* --- late --- */

static void late(void)
{
	uint64_t most = 0, sum = 0;

	csr_set(CSR_SIE, 1ul << IRQ_S_TIMER);
	/* Whoever has just run for long, as this guest has to get here, may have to wait for it. */
	sleep_for(board.timebase / 1000 * SETTLING);
	for (unsigned n = 0; n < TIMERS; n++) {
		/* Of many lengths, so that they meet a slice at all its places. */
		uint64_t when = csr_read(CSR_TIME) + board.timebase / 1000 * (1 + n % 7) + n * 37;
		uint64_t lateness;

		sbi_set_timer(when);
		sleep_until(&ticked[hart_self()->id], n + 2);
		lateness = ticked_at - when;
		sum += lateness;
		most = lateness > most ? lateness : most;
	}
	print("%u timers, %lu us late at most, %lu in the mean\n", TIMERS, microseconds(most),
	      microseconds(sum / TIMERS));
}

/* --- job --- */

static uint64_t work(uint64_t n)
{
	uint64_t x = 1;

	while (n-- != 0)
		x = shuffle(x);
	return x;
}

static unsigned taken, finished;

static void all_at_once(uint64_t number)
{
	sums[number] = work(JOB / board.hart_count);
}

static void piece_by_piece(uint64_t number)
{
	while (__atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED) < PIECES)
		sums[number] ^= work(PIECE);
}

static hart_fn *part;

/* The last one wakes the boot hart. */
static void do_part(uint64_t number)
{
	csr_set(CSR_SIE, 1ul << IRQ_S_SOFT);
	part(number);
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_ACQ_REL) == board.hart_count)
		sbi_send_ipi(1, board.boot_hart);
	if (number == 0)
		sleep_until(&called[board.boot_hart], 1);
}

static void time_parts(hart_fn *fn)
{
	uint64_t begun = csr_read(CSR_TIME);

	part = fn;
	for (unsigned number = 1; number < board.hart_count; number++)
		hart_start((board.boot_hart + number) % board.hart_count, do_part, number);
	do_part(0);
	print("%u harts, %lu us\n", board.hart_count, microseconds(csr_read(CSR_TIME) - begun));
}

static void job(void)
{
	time_parts(all_at_once);
}

static void queue(void)
{
	time_parts(piece_by_piece);
}

/* --- steal --- */

static void steal(void)
{
	static volatile struct {
		uint32_t sequence, flags;
		uint64_t ns;
		uint8_t rest[48];
	} shared __attribute__((aligned(SBI_STA_BYTES)));
	uint64_t begun = csr_read(CSR_TIME), before;

	if (sbi_call(SBI_EXT_STA, SBI_STA_SET_SHMEM, (uint64_t)&shared, 0, 0, 0, 0).error != 0) {
		print("no STA\n");
		return;
	}
	before = shared.ns;
	while (csr_read(CSR_TIME) - begun < board.timebase / 1000 * STEAL_WAIT)
		;
	print("%lu us stolen of %lu\n", (shared.ns - before) / 1000,
	      microseconds(csr_read(CSR_TIME) - begun));
}

/* --- echo --- */

static void echo(void)
{
	print("listening\n");
	for (;;)
		if ((mmio_read8(UART_BASE + UART_LSR) & UART_LSR_DR) != 0)
			print("<%02x>\n", mmio_read8(UART_BASE + UART_RBR));
}

static const struct {
	const char *name;
	void (*act)(void);
} acts[] = {
	{ "steady", steady }, { "hog", hog },	{ "late", late },
	{ "job", job },	      { "queue", queue }, { "steal", steal },
	{ "echo", echo },
};

int main(void)
{
	for (unsigned n = 0; n < COUNT(acts); n++) {
		if (!str_equal(acts[n].name, board.bootargs))
			continue;
		take_interrupts();
		print("%s\n", acts[n].name);
		acts[n].act();
		print("done\n");
		return 0;
	}
	print("\"%s\"? I can't do that.\n", board.bootargs);
	return 2;
}
