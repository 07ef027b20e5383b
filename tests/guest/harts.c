/*
 * More than one hart: HSM start, stop, restart and suspend; IPIs to one and all; remote fences;
 * atomics and first touches by all at once.
 *
 * Invariant: all waiting is for a word in memory or an HSM state, so a lost start, IPI or fence
 * hangs (which the harness's time limit makes a failure). Only the boot hart prints. With one hart
 * all is skipped. Arguments that are refused are in sbi.c.
 */
#include "guests/lib/hart.h"

#include "guests/lib/board.h"
#include "guests/lib/csr.h"
#include "guests/lib/paging.h"
#include "guests/lib/sbi.h"
#include "tests/guest/insn.h"
#include "tests/guest/tap.h"

#define SSIP	(1ul << IRQ_S_SOFT)
#define TEST_VA 0x1000000000ul

#define UART_IER_THRE 0x02

/* What a hart was asked to do, and what it saw; written by that hart and the boot hart in turn. */
static struct slot {
	hart_fn *volatile job;
	volatile uint64_t arg;
	volatile uint64_t answer;
	volatile uint64_t ipis;
} slots[MAX_HARTS];

static unsigned others[MAX_HARTS];
static unsigned other_count;
static struct space space;

static struct slot *my_slot(void)
{
	return &slots[hart_self()->id];
}

static void ipi_arrives(struct frame *f)
{
	(void)f;
	csr_clear(CSR_SIP, SSIP);
	my_slot()->ipis = my_slot()->ipis + 1;
}

/* A started hart does jobs until told to leave. */
static void leave(uint64_t arg)
{
	(void)arg;
}

static void work(uint64_t arg)
{
	struct slot *slot = my_slot();
	hart_fn *job;

	(void)arg;
	csr_write(CSR_SIE, SSIP);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	do {
		while ((job = slot->job) == 0)
			;
		job(slot->arg);
		__atomic_store_n(&slot->job, 0, __ATOMIC_RELEASE);
	} while (job != leave);
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
}

static void begin(unsigned hart, hart_fn *job, uint64_t arg)
{
	slots[hart].arg = arg;
	__atomic_store_n(&slots[hart].job, job, __ATOMIC_RELEASE);
}

static uint64_t finish(unsigned hart)
{
	while (__atomic_load_n(&slots[hart].job, __ATOMIC_ACQUIRE) != 0)
		;
	return slots[hart].answer;
}

static uint64_t ask(unsigned hart, hart_fn *job, uint64_t arg)
{
	begin(hart, job, arg);
	return finish(hart);
}

/* What a hart finds when HSM starts it, noted before the kit's first C instruction could change it.
 */
struct start_record {
	uint64_t hart, word, satp, sstatus, done;
};
static struct start_record start_record;
void start_probe(void);
asm(".balign 4\n"
    "start_probe: sd a0, 0(a1)\n sd a1, 8(a1)\n csrr t0, satp\n sd t0, 16(a1)\n"
    "csrr t0, sstatus\n sd t0, 24(a1)\n li t0, 1\n fence rw, w\n sd t0, 32(a1)\n"
    "li a7, 0x48534D\n li a6, 1\n ecall\n 1: j 1b\n");

static void test_start_state(unsigned hart)
{
	struct sbi_ret got;

	start_record.done = 0;
	test_is(sbi_hart_status(hart).value, SBI_HSM_STOPPED, "hart %u: stopped at first", hart);
	got = sbi_call(SBI_EXT_HSM, SBI_HSM_HART_START, hart, (uint64_t)start_probe,
		       (uint64_t)&start_record, 0, 0);
	test_is((uint64_t)got.error, 0, "hart %u: start", hart);
	while (__atomic_load_n(&start_record.done, __ATOMIC_ACQUIRE) == 0)
		;
	test_is(start_record.hart, hart, "hart %u: a0 is its id", hart);
	test_is(start_record.word, (uint64_t)&start_record, "hart %u: a1 is my word", hart);
	test_is(start_record.satp, 0, "hart %u: translation is off", hart);
	test_is(start_record.sstatus & SSTATUS_SIE, 0, "hart %u: interrupts are off", hart);
	hart_await(hart, SBI_HSM_STOPPED);
	test_ok(true, "hart %u: stopped itself", hart);
}

static void answer_arg(uint64_t arg)
{
	my_slot()->answer = arg + hart_self()->id;
}

static void test_restart(unsigned hart)
{
	unsigned wrong = 0;

	for (uint64_t i = 0; i < 5; i++) {
		wrong += hart_start(hart, work, 0).error != 0;
		wrong += ask(hart, answer_arg, 100 * i) != 100 * i + hart;
		begin(hart, leave, 0);
		hart_await(hart, SBI_HSM_STOPPED);
	}
	test_is(wrong, 0, "hart %u: started, used and stopped 5 times", hart);
}

/* Let the UART's interrupt through to @hart. */
static void route_uart(uint64_t hart)
{
	uint64_t context = 2 * hart + 1;

	mmio_write32(PLIC_BASE + 4 * UART_IRQ, 1);
	mmio_write32(PLIC_BASE + 0x200000 + 0x1000 * context, 0);
	mmio_write32(PLIC_BASE + 0x2000 + 0x80 * context, 1u << UART_IRQ);
}

static void await_external(uint64_t arg)
{
	uint64_t deadline = csr_read(CSR_TIME) + board.timebase;

	(void)arg;
	while (!irq_is_pending(IRQ_S_EXT) && csr_read(CSR_TIME) < deadline)
		;
	my_slot()->answer = irq_is_pending(IRQ_S_EXT);
}

/* A line that rose while the hart was stopped reaches it once it has begun. Not on OpenSBI, which
 * sets up the PLIC anew for a hart that starts, at a moment nobody knows. */
static void test_line_before_start(unsigned hart)
{
	uint64_t context = 2ul * hart + 1, claim = PLIC_BASE + 0x200004 + 0x1000 * context;
	uint64_t id = sbi_call(SBI_EXT_BASE, SBI_BASE_GET_IMPL_ID, 0, 0, 0, 0, 0).value;

	if (id != SBI_IMPL_ID_GNOMON) {
		test_skip("hart: a line that rose before its start");
		return;
	}

	route_uart(hart);
	mmio_write8(UART_BASE + UART_IER, UART_IER_THRE);
	hart_start(hart, work, 0);
	test_is(ask(hart, await_external, 0), true, "hart %u: a line that rose before its start",
		hart);
	begin(hart, leave, 0);
	hart_await(hart, SBI_HSM_STOPPED);
	mmio_write8(UART_BASE + UART_IER, 0);
	mmio_write32(claim, mmio_read32(claim));
	mmio_write32(PLIC_BASE + 0x2000 + 0x80 * context, 0);
}

static void test_started(unsigned hart)
{
	test_is((uint64_t)hart_start(hart, work, 0).error, 0, "hart %u: start to work", hart);
	ask(hart, answer_arg, 0);
	test_is(sbi_hart_status(hart).value, SBI_HSM_STARTED, "hart %u: is started", hart);
	test_is((uint64_t)hart_start(hart, work, 0).error, (uint64_t)SBI_ERR_ALREADY_AVAILABLE,
		"hart %u: can't be started twice", hart);
}

static void send_and_wait(uint64_t mask, uint64_t base, unsigned hart)
{
	uint64_t before = slots[hart].ipis;

	sbi_send_ipi(mask, base);
	while (slots[hart].ipis == before)
		;
}

static void test_ipis(void)
{
	uint64_t before[MAX_HARTS];
	unsigned wrong = 0;

	for (unsigned i = 0; i < other_count; i++) {
		send_and_wait(1ul << others[i], 0, others[i]);
		send_and_wait(1, others[i], others[i]);
		test_is(slots[others[i]].ipis, 2, "hart %u: an IPI by mask and one by base",
			others[i]);
	}
	for (unsigned i = 0; i < 100; i++) {
		unsigned hart = others[i % other_count];
		uint64_t was = slots[hart].ipis;

		send_and_wait(1ul << hart, 0, hart);
		wrong += slots[hart].ipis != was + 1;
	}
	test_is(wrong, 0, "100 IPIs, each arrives once");
	for (unsigned i = 0; i < other_count; i++)
		before[i] = slots[others[i]].ipis;
	csr_write(CSR_SIE, SSIP);
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
	send_and_wait(0, SBI_HART_MASK_ALL, board.boot_hart);
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	csr_write(CSR_SIE, 0);
	for (unsigned i = 0; i < other_count; i++)
		while (slots[others[i]].ipis == before[i])
			;
	test_ok(true, "one IPI to all harts, myself too");
}

static void sleep_in_wfi(uint64_t arg)
{
	uint64_t before = my_slot()->ipis;

	(void)arg;
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	my_slot()->answer = 1;
	while (my_slot()->ipis == before) {
		wfi();
		csr_set(CSR_SSTATUS, SSTATUS_SIE);
		csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	}
	my_slot()->answer = 2;
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
}

static void test_wake_from_wfi(unsigned hart)
{
	uint64_t start = csr_read(CSR_TIME);

	slots[hart].answer = 0;
	begin(hart, sleep_in_wfi, 0);
	while (slots[hart].answer != 1)
		;
	while (csr_read(CSR_TIME) - start < 20000) /* 2 ms: it sleeps for certain */
		;
	sbi_send_ipi(1ul << hart, 0);
	test_is(finish(hart), 2, "hart %u: an IPI ends its wfi", hart);
}

static void suspend_self(uint64_t arg)
{
	csr_clear(CSR_SSTATUS, SSTATUS_SIE);
	my_slot()->answer = (uint64_t)sbi_call(SBI_EXT_HSM, SBI_HSM_HART_SUSPEND,
					       SBI_HSM_SUSPEND_RETENTIVE, 0, arg, 0, 0)
				    .error;
	csr_set(CSR_SSTATUS, SSTATUS_SIE);
}

static void test_suspend(unsigned hart)
{
	begin(hart, suspend_self, 0);
	hart_await(hart, SBI_HSM_SUSPENDED);
	test_ok(true, "hart %u: suspended, as its state says", hart);
	sbi_send_ipi(1ul << hart, 0);
	test_is(finish(hart), 0, "hart %u: an IPI ends its suspension", hart);
	test_is(sbi_hart_status(hart).value, SBI_HSM_STARTED, "hart %u: started again", hart);
}

static void enter_space(uint64_t arg)
{
	(void)arg;
	space_enter(&space);
}

static void leave_space(uint64_t arg)
{
	(void)arg;
	space_leave();
}

static void look(uint64_t arg)
{
	my_slot()->answer = *(volatile uint64_t *)arg;
}

static const struct {
	const char *name;
	uint64_t function, start, bytes;
} fences[] = {
	{ "sfence_vma of the page", SBI_RFENCE_SFENCE_VMA, TEST_VA, 4096 },
	{ "sfence_vma of many pages", SBI_RFENCE_SFENCE_VMA, TEST_VA - 65536, 131072 },
	{ "sfence_vma of all", SBI_RFENCE_SFENCE_VMA, 0, 0 },
	{ "sfence_vma of all by -1", SBI_RFENCE_SFENCE_VMA, 0, UINT64_MAX },
	{ "sfence_vma_asid of the page", SBI_RFENCE_SFENCE_VMA_ASID, TEST_VA, 4096 },
	{ "sfence_vma_asid of all", SBI_RFENCE_SFENCE_VMA_ASID, 0, UINT64_MAX },
};

/* The page behind TEST_VA is exchanged again and again; after the fence each hart sees the new one.
 */
static void test_remote_fences(void)
{
	uint64_t *pages[2] = { page_alloc(), page_alloc() };

	pages[0][0] = 100;
	pages[1][0] = 101;
	space = space_identity(SATP_MODE_SV39);
	space_map(&space, TEST_VA, (uint64_t)pages[0], 0, PTE_KERNEL);
	for (unsigned i = 0; i < other_count; i++)
		ask(others[i], enter_space, 0);
	for (unsigned n = 0; n < COUNT(fences); n++) {
		unsigned wrong = 0;

		for (unsigned round = 1; round <= 6; round++) {
			for (unsigned i = 0; i < other_count; i++)
				ask(others[i], look, TEST_VA);
			space_map(&space, TEST_VA, (uint64_t)pages[round & 1], 0, PTE_KERNEL);
			sbi_call(SBI_EXT_RFENCE, fences[n].function, board.harts, 0,
				 fences[n].start, fences[n].bytes, 0);
			for (unsigned i = 0; i < other_count; i++)
				wrong += ask(others[i], look, TEST_VA) != 100 + (round & 1);
		}
		test_is(wrong, 0, "remote %s: new page seen, 6 times", fences[n].name);
	}
	for (unsigned i = 0; i < other_count; i++)
		ask(others[i], leave_space, 0);
}

static void call_code(uint64_t arg)
{
	my_slot()->answer = ((code_fn *)arg)(0, 0);
}

static void test_remote_fence_i(void)
{
	uint32_t *code = page_alloc();
	unsigned wrong = 0;

	code[1] = 0x00008067; /* ret */
	for (uint32_t round = 0; round < 10; round++) {
		code[0] = 0x00000513 | round << 20; /* li a0, round */
		sbi_call(SBI_EXT_RFENCE, SBI_RFENCE_FENCE_I, board.harts, 0, 0, 0, 0);
		for (unsigned i = 0; i < other_count; i++)
			wrong += ask(others[i], call_code, (uint64_t)code) != round;
	}
	test_is(wrong, 0, "remote fence_i: new code runs, 10 times");
}

static volatile uint64_t counter;
static volatile uint64_t locked_counter;
static volatile uint64_t lock;

static void count_up(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		__atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
		while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE) != 0)
			;
		locked_counter = locked_counter + 1;
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	}
}

/* amoadd to 64 pages that no one has touched, in the same order by all: first touches collide. */
static void touch_pages(uint64_t first)
{
	for (uint64_t i = 0; i < 64; i++)
		__atomic_fetch_add((uint64_t *)(first + 4096 * i), 1, __ATOMIC_RELAXED);
}

static void all_do(hart_fn *job, uint64_t arg)
{
	for (unsigned i = 0; i < other_count; i++)
		begin(others[i], job, arg);
	job(arg);
	for (unsigned i = 0; i < other_count; i++)
		finish(others[i]);
}

static void test_together(void)
{
	uint64_t fresh = (board_heap() + 0x7fffff) & ~0x1ffffful; /* beyond the kit's pages */
	unsigned wrong = 0;

	all_do(count_up, 500);
	test_is(counter, 500ul * (other_count + 1), "atomic additions by all harts");
	test_is(locked_counter, 500ul * (other_count + 1), "additions under a lock by all harts");
	all_do(touch_pages, fresh);
	for (uint64_t i = 0; i < 64; i++)
		wrong += *(uint64_t *)(fresh + 4096 * i) != other_count + 1;
	test_is(wrong, 0, "64 pages first touched by all harts at once");
}

static void each_other(void (*test)(unsigned hart))
{
	for (unsigned i = 0; i < other_count; i++)
		test(others[i]);
}

static void test_stop(unsigned hart)
{
	begin(hart, leave, 0);
	hart_await(hart, SBI_HSM_STOPPED);
	test_ok(true, "hart %u: stopped at last", hart);
}

int main(void)
{
	for (unsigned hart = 0; hart < MAX_HARTS; hart++)
		if ((board.harts >> hart & 1) != 0 && hart != board.boot_hart)
			others[other_count++] = hart;
	if (other_count == 0) {
		test_skip("one hart only");
		return test_done();
	}
	irq_handler(IRQ_S_SOFT, ipi_arrives);
	each_other(test_start_state);
	each_other(test_restart);
	each_other(test_line_before_start);
	each_other(test_started);
	test_ipis();
	each_other(test_wake_from_wfi);
	each_other(test_suspend);
	test_remote_fences();
	test_remote_fence_i();
	test_together();
	each_other(test_stop);
	return test_done();
}
